//! One day: its current versions, its totals, and what they say about the platforms.

use super::findings::Findings;
use crate::domain::order::{Phase, Region};
use crate::domain::posting::Charge;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::totals::TotalKey;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::maintenance::compaction::Merge;
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::PlatformStats;
use crate::ledger::run::Run;
use crate::ledger::run::row::{DictionaryEntry, Row, RowKind};
use crate::ledger::run::totals::{DayTotals, scaled, total_of};
use crate::ledger::run::writer::Dictionary;
use crate::ledger::writer::Ledger;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Rows of one place and identity: versions of one order, oldest first.
#[derive(Default)]
struct Place {
    rider_id: String,
    order: String,
    accepted_at: UtcMillis,
    newest: Option<(Arc<DictionaryEntry>, u32, Region)>,
    /// Revision of the newest version row.
    revision: Option<u64>,
}

/// Checks day after day and adds up what spans days.
#[derive(Default)]
pub(super) struct DayChecker {
    versions: BTreeMap<Arc<str>, PlatformStats>,
    buffer: String,
}

/// What one day holds.
#[derive(Default)]
struct DayCount {
    /// Current versions by class number and region.
    current: HashMap<(u32, Region), i64>,
    /// Versions by class number.
    versions: HashMap<u32, u64>,
    misplaced: u64,
    malformed: u64,
}

impl DayChecker {
    pub(super) fn check(
        &mut self,
        ledger: &Ledger,
        day: LocalDay,
        runs: &[Arc<Run>],
        findings: &mut Findings,
    ) -> LedgerResult<()> {
        let mut table = Dictionary::default();
        let mut count = DayCount::default();
        let zone = &ledger.options.zone;
        let newest_commit = ledger.manifest.root().commit;
        let mut merge = Merge::new(runs, &mut table)?;
        let mut place = Place::default();
        while let Some((row, class)) = merge.current() {
            count.misplaced += u64::from(zone.day(row.accepted_at) != day);
            count.malformed += u64::from(!well_formed(ledger, &row, class, newest_commit));
            if !place.holds(&row, class, &mut self.buffer) {
                count.close(&place);
                place.open(&row, &mut self.buffer);
            }
            if class.kind == RowKind::Version && place.revision != Some(row.revision) {
                *count.versions.entry(row.class).or_default() += 1;
                place.revision = Some(row.revision);
            }
            place.newest = Some((Arc::clone(class), row.class, row.region));
            merge.advance()?;
        }
        count.close(&place);
        findings.expect(count.misplaced == 0, || {
            format!(
                "{} rows do not begin on {}, the day that their runs name",
                count.misplaced,
                super::day_name(day)
            )
        });
        findings.expect(count.malformed == 0, || {
            format!(
                "{} rows of {} name what does not exist, or contradict themselves",
                count.malformed,
                super::day_name(day)
            )
        });
        self.check_totals(ledger, (day, runs), &count, &table, findings)
    }

    fn check_totals(
        &mut self,
        ledger: &Ledger,
        (day, runs): (LocalDay, &[Arc<Run>]),
        count: &DayCount,
        table: &Dictionary,
        findings: &mut Findings,
    ) -> LedgerResult<()> {
        let mut totals = DayTotals::default();
        for (&(number, region), &times) in &count.current {
            let Some(class) = table.get(number) else { continue };
            let key = TotalKey {
                platform: class.platform.to_string(),
                region,
                category: class.category.to_string(),
            };
            let change = scaled(&total_of(class.pricing.charge, class.outcome), times)
                .ok_or_else(|| LedgerError::Overflow(key.platform.clone()))?;
            totals.add(&key, &change)?;
            findings.verification.current += times.unsigned_abs();
            if class.pricing.charge == Charge::Unrated {
                self.versions.entry(Arc::clone(&class.platform)).or_default().unrated += times;
            }
        }
        for (&number, &versions) in &count.versions {
            let Some(class) = table.get(number) else { continue };
            let stats = self.versions.entry(Arc::clone(&class.platform)).or_default();
            stats.orders += versions;
            stats.open_orders += if class.phase == Phase::Open { versions } else { 0 };
            findings.verification.versions += versions;
        }
        let mut stored = DayTotals::default();
        for run in runs {
            stored.merge(&run.totals()?)?;
        }
        // Of a day that retention dropped nothing but its totals is left.
        let dropped = ledger.manifest.root().retention_line.is_some_and(|line| day < line)
            && runs.iter().all(|run| run.entry.rows == 0);
        findings.expect(stored == totals || dropped, || {
            let differs = |a: &DayTotals, b: &DayTotals| {
                let lines: BTreeMap<_, _> = b.lines().into_iter().collect();
                let line = a.lines().into_iter().find(|(key, total)| lines.get(key) != Some(total));
                line.map(|(key, _)| format!("{} {} {}", key.platform, key.region, key.category))
            };
            let at = differs(&stored, &totals).or_else(|| differs(&totals, &stored)).unwrap_or_default();
            format!("the totals of {} are not those of its orders, first at {at}", super::day_name(day))
        });
        Ok(())
    }

    /// Compares what all days hold with what platforms and sources count.
    pub(super) fn finish(&self, ledger: &Ledger, findings: &mut Findings) {
        // Orders of days that retention dropped are counted, but no longer there.
        let dropped = ledger.manifest.root().retention_line.is_some();
        let counted = |source: &Source| ledger.sources.get(source).map_or(0, |facts| booked(&facts.counts));
        let booked: u64 = ledger.sources.keys().map(counted).sum();
        let versions = findings.verification.versions;
        findings.expect(booked == versions || (dropped && booked > versions), || {
            format!("{booked} events were accepted or amended, but {versions} versions are stored")
        });
        let none = PlatformStats::default();
        let names = ledger.stats.keys().map(String::as_str).chain(self.versions.keys().map(|name| &**name));
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let stored = ledger.stats.get(name).unwrap_or(&none);
            let seen = self.versions.get(name).unwrap_or(&none);
            let more = dropped && stored.orders >= seen.orders && stored.open_orders >= seen.open_orders;
            let same = (stored.orders, stored.open_orders) == (seen.orders, seen.open_orders);
            let same = (same || more) && stored.unrated == seen.unrated;
            findings.expect(same, || {
                format!(
                    "{name}: (versions, open orders, unrated) are {:?} in its rows, but its statistics say {:?}",
                    (seen.orders, seen.open_orders, seen.unrated),
                    (stored.orders, stored.open_orders, stored.unrated)
                )
            });
        }
    }
}

fn booked(counts: &crate::ledger::manifest::state_codec::Counts) -> u64 {
    counts.iter().take(2).sum()
}

fn well_formed(ledger: &Ledger, row: &Row<'_>, class: &DictionaryEntry, newest_commit: u64) -> bool {
    let commit = 1 <= row.commit && row.commit <= newest_commit;
    commit
        && match class.kind {
            RowKind::Moved => row.moved_to.is_some() && row.ended_at.is_none(),
            RowKind::Version => {
                row.moved_to.is_none()
                    && row.ended_at.is_some() == (class.phase == Phase::Ended)
                    && row.ended_at.is_none_or(|ended_at| ended_at >= row.accepted_at)
                    && ledger.configurations.get(class.pricing.config).is_some()
            }
        }
}

impl Place {
    fn holds(&self, row: &Row<'_>, class: &DictionaryEntry, buffer: &mut String) -> bool {
        self.newest.as_ref().is_some_and(|(newest, ..)| {
            self.accepted_at == row.accepted_at
                && self.rider_id == row.rider_id
                && newest.platform == class.platform
                && newest.leg == class.leg
                && newest.phase == class.phase
                && self.order == row.order_id.text(buffer)
        })
    }

    fn open(&mut self, row: &Row<'_>, buffer: &mut String) {
        self.rider_id.clear();
        self.rider_id.push_str(row.rider_id);
        self.order.clear();
        self.order.push_str(row.order_id.text(buffer));
        self.accepted_at = row.accepted_at;
        self.newest = None;
        self.revision = None;
    }
}

impl DayCount {
    /// The newest row of a place is in force, unless it says that the order went elsewhere.
    fn close(&mut self, place: &Place) {
        if let Some((class, number, region)) = &place.newest
            && class.kind == RowKind::Version
        {
            *self.current.entry((*number, *region)).or_default() += 1;
        }
    }
}
