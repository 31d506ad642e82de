//! One day: its current versions, its totals, and what they say about the platforms.

use super::findings::Findings;
use super::periods::Periods;
use crate::domain::charge::Price;
use crate::domain::order::{Phase, Region};
use crate::domain::period::PeriodNo;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::totals::TotalKey;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::maintenance::compaction::Merge;
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::PlatformStats;
use crate::ledger::run::Run;
use crate::ledger::run::period_totals::PeriodTotals;
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
pub(super) struct DayChecker<'a> {
    periods: &'a Periods,
    versions: BTreeMap<Arc<str>, PlatformStats>,
    buffer: String,
}

/// What one day holds.
#[derive(Default)]
struct DayCount {
    /// Versions that became current less those that were replaced, by entry number, region and booking period.
    net: HashMap<(u32, Region, PeriodNo), i64>,
    /// Versions by entry number.
    versions: HashMap<u32, u64>,
    misplaced: u64,
    malformed: u64,
}

impl<'a> DayChecker<'a> {
    pub(super) fn new(periods: &'a Periods) -> Self {
        Self { periods, versions: BTreeMap::new(), buffer: String::new() }
    }

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
        while let Some((row, entry)) = merge.current() {
            count.misplaced += u64::from(zone.day(row.accepted_at) != day);
            count.malformed += u64::from(!well_formed(ledger, &row, entry, newest_commit));
            if !place.holds(&row, entry, &mut self.buffer) {
                place.open(&row, &mut self.buffer);
            }
            if entry.kind == RowKind::Version && place.revision != Some(row.revision) {
                *count.versions.entry(row.code).or_default() += 1;
                place.revision = Some(row.revision);
            }
            count.book(&place, &row, entry, self.periods.of_commit(row.commit));
            place.newest = Some((Arc::clone(entry), row.code, row.region));
            merge.advance()?;
        }
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
        let mut booked: BTreeMap<PeriodNo, DayTotals> = BTreeMap::new();
        let mut current = 0_i64;
        for (&(number, region, period), &times) in &count.net {
            let Some(entry) = table.get(number) else { continue };
            let key = TotalKey {
                platform: entry.platform.to_string(),
                region,
                category: entry.category.to_string(),
                source: entry.charge.source,
            };
            let change = scaled(&total_of(&entry.charge, entry.outcome), times)
                .ok_or_else(|| LedgerError::Overflow(key.platform.clone()))?;
            booked.entry(period).or_default().add(&key, &change)?;
            current += times;
            if entry.charge.price == Price::Unrated {
                self.versions.entry(Arc::clone(&entry.platform)).or_default().unrated += times;
            }
        }
        findings.verification.current += u64::try_from(current).unwrap_or(0);
        for (&number, &versions) in &count.versions {
            let Some(entry) = table.get(number) else { continue };
            let stats = self.versions.entry(Arc::clone(&entry.platform)).or_default();
            stats.orders += versions;
            stats.open_orders += if entry.phase == Phase::Open { versions } else { 0 };
            findings.verification.versions += versions;
        }
        self.compare_totals(ledger, (day, runs), &booked, findings)
    }

    /// The stored totals are those that the rows make, in each booking period and so in all.
    fn compare_totals(
        &self,
        ledger: &Ledger,
        (day, runs): (LocalDay, &[Arc<Run>]),
        booked: &BTreeMap<PeriodNo, DayTotals>,
        findings: &mut Findings,
    ) -> LedgerResult<()> {
        let (mut stored, mut totals) = (PeriodTotals::default(), PeriodTotals::default());
        for run in runs {
            stored.merge(&run.totals()?)?;
        }
        booked.iter().try_for_each(|(period, booked)| totals.add(*period, booked))?;
        // Of a day that retention dropped nothing but its totals is left.
        let dropped = ledger.manifest.root().retention_line.is_some_and(|line| day < line)
            && runs.iter().all(|run| run.entry.rows == 0);
        findings.expect(stored == totals || dropped, || {
            let lines = |totals: &PeriodTotals| -> BTreeMap<_, _> {
                let of = |(period, totals): (_, &DayTotals)| {
                    totals.lines().into_iter().map(move |(key, total)| ((period, key), total))
                };
                totals.periods().flat_map(of).collect()
            };
            let differs = |a: &PeriodTotals, b: &PeriodTotals| {
                let there = lines(b);
                let (period, key) =
                    lines(a).into_iter().find(|(key, total)| there.get(key) != Some(total))?.0;
                Some(format!("{} {} {}, booking period {period}", key.platform, key.region, key.category))
            };
            let at = differs(&stored, &totals).or_else(|| differs(&totals, &stored)).unwrap_or_default();
            format!("the totals of {} are not those of its orders, first at {at}", super::day_name(day))
        });
        Ok(())
    }

    /// Compares the totals of all days with what platforms and sources count.
    pub(super) fn finish(&self, ledger: &Ledger, findings: &mut Findings) {
        // Orders of days that retention dropped are counted, but no longer there.
        let dropped = ledger.manifest.root().retention_line.is_some();
        let counted =
            |source: &Source| ledger.statistics.sources.get(source).map_or(0, |facts| booked(&facts.counts));
        let booked: u64 = ledger.statistics.sources.keys().map(counted).sum();
        let versions = findings.verification.versions;
        findings.expect(booked == versions || (dropped && booked > versions), || {
            format!("{booked} events were accepted or amended, but {versions} versions are stored")
        });
        let none = PlatformStats::default();
        let names = ledger
            .statistics
            .platforms
            .keys()
            .map(String::as_str)
            .chain(self.versions.keys().map(|name| &**name));
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let stored = ledger.statistics.platforms.get(name).unwrap_or(&none);
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

fn well_formed(ledger: &Ledger, row: &Row<'_>, entry: &DictionaryEntry, newest_commit: u64) -> bool {
    let commit = 1 <= row.commit && row.commit <= newest_commit;
    commit
        && match entry.kind {
            RowKind::Moved => row.moved_to.is_some() && row.ended_at.is_none(),
            RowKind::Version => {
                row.moved_to.is_none()
                    && row.ended_at.is_some() == (entry.phase == Phase::Ended)
                    && row.ended_at.is_none_or(|ended_at| ended_at >= row.accepted_at)
                    && ledger.configurations.get(entry.charge.config).is_some()
            }
        }
}

impl Place {
    fn holds(&self, row: &Row<'_>, entry: &DictionaryEntry, buffer: &mut String) -> bool {
        self.newest.as_ref().is_some_and(|(newest, ..)| {
            self.accepted_at == row.accepted_at
                && self.rider_id == row.rider_id
                && newest.platform == entry.platform
                && newest.leg == entry.leg
                && newest.phase == entry.phase
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
    /// A row reverses the version that it replaces and books its own, both in the period of its commit. A tombstone only reverses.
    fn book(&mut self, place: &Place, row: &Row<'_>, entry: &DictionaryEntry, period: PeriodNo) {
        if let Some((replaced, number, region)) = &place.newest
            && replaced.kind == RowKind::Version
        {
            *self.net.entry((*number, *region, period)).or_default() -= 1;
        }
        if entry.kind == RowKind::Version {
            *self.net.entry((row.code, row.region, period)).or_default() += 1;
        }
    }
}
