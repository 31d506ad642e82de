//! What a commit did, for counters, metrics and the command that asked for it.

use crate::domain::order::Phase;
use crate::domain::posting::Disposition;
use crate::domain::reject::Reason;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::batch::Batch;
use crate::ledger::commit::count_index;
use crate::ledger::decide::Decided;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::commit_record::ConsumedRange;
use crate::ledger::manifest::state_codec::{Counts, PlatformStats};
use crate::ledger::rejections::dead_letters::DeadLetters;
use crate::ledger::run::Run;
use crate::ledger::run::totals::DayTotals;
use crate::ledger::yield_points::{ROWS, in_turns};
use std::collections::BTreeMap;
use std::time::Duration;

/// A commit's outcome.
#[derive(Clone, Debug, Default)]
pub struct CommitReport {
    /// Its number.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: UtcMillis,
    /// Records of all kinds.
    pub records: u64,
    /// Bytes of their values.
    pub bytes_in: u64,
    /// Counts of dispositions.
    pub counts: Counts,
    /// The same for each source of the batch.
    pub by_source: Vec<Counts>,
    /// The same for each platform (completeness records and refusals without a readable platform excluded).
    pub by_platform: BTreeMap<String, Counts>,
    /// Refusals by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// Premium booked (net) in millionths of a yuan, by platform and category.
    pub premium: BTreeMap<(String, String), i64>,
    /// Change of orders without a rate, by platform.
    pub unrated: BTreeMap<String, i64>,
    /// Late events by platform.
    pub late: BTreeMap<String, u64>,
    /// Rows written.
    pub rows: u64,
    /// Bytes put into the store.
    pub bytes_out: u64,
    /// Records kept with the rejected ones.
    pub kept: u64,
    /// Rejections resolved.
    pub resolved: u64,
    /// Order events (by position in the batch) that were not simply accepted.
    pub changes: Vec<(usize, Disposition)>,
    /// Ranges for the commit's record, in order of effect.
    pub consumed: Vec<ConsumedRange>,
    /// Bytes of the values of each of them.
    pub consumed_bytes: Vec<u64>,
    /// Time to decide.
    pub decide: Duration,
    /// Time to write blocks.
    pub write: Duration,
    /// Time to make them durable.
    pub sync: Duration,
    /// Time of all.
    pub total: Duration,
}

impl CommitReport {
    /// Counts what was decided.
    pub(crate) fn new(commit: u64, batch: &Batch, decided: &Decided) -> Self {
        let mut report = Self { commit, records: u64::from(batch.records()), ..Self::default() };
        report.by_source = vec![Counts::default(); batch.sources.len()];
        let mut platforms = vec![Counts::default(); batch.platforms.all().len()];
        for entry in in_turns(ROWS, &batch.orders) {
            report.count(entry.source, Disposition::Accepted, 1);
            bump(platforms.get_mut(usize::from(entry.platform)), Disposition::Accepted, 1);
        }
        let amended = decided.amended.iter().map(|&at| (at, Disposition::Amended));
        report.changes = amended.chain(decided.unbooked.iter().copied()).collect();
        for (at, disposition) in report.changes.clone() {
            let Some(entry) = batch.orders.get(at) else { continue };
            report.count(entry.source, Disposition::Accepted, -1);
            report.count(entry.source, disposition, 1);
            if let Disposition::Rejected(reason) = disposition {
                *report.rejected.entry(reason).or_default() += 1;
            }
            let platform = platforms.get_mut(usize::from(entry.platform));
            if let Some(counts) = platform {
                bump(Some(&mut *counts), Disposition::Accepted, -1);
                // Refusals are counted by reason, not by platform.
                if !matches!(disposition, Disposition::Rejected(_)) {
                    bump(Some(counts), disposition, 1);
                }
            }
        }
        for (name, counts) in batch.platforms.all().iter().zip(platforms) {
            if counts != Counts::default() {
                report.by_platform.insert(name.clone(), counts);
            }
        }
        for refused in &batch.refused {
            let reason = refused.refusal.reason;
            report.count(refused.source, Disposition::Rejected(reason), 1);
            *report.rejected.entry(reason).or_default() += 1;
        }
        for control in &batch.controls {
            report.count(control.source, Disposition::Control, 1);
        }
        for counts in &report.by_source {
            report.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let mut consumed: Vec<(ConsumedRange, u64)> = Vec::new();
        for (span, counts) in batch.sources.iter().zip(&report.by_source) {
            report.bytes_in += span.bytes;
            let range = ConsumedRange {
                source: span.source.clone(),
                offsets: span.offsets,
                timestamps: (span.timestamps.0.instant(), span.timestamps.1),
                counts: *counts,
            };
            consumed.push((range, span.bytes));
        }
        consumed.sort_by(|(a, _), (b, _)| a.source.cmp(&b.source));
        (report.consumed, report.consumed_bytes) = consumed.into_iter().unzip();
        report
    }

    /// Conservation, checked at every commit: every record of every source has exactly one disposition.
    pub(crate) fn conserves(&self, batch: &Batch) -> LedgerResult<()> {
        for (span, counts) in batch.sources.iter().zip(&self.by_source) {
            let dispositions: u64 = counts.iter().sum();
            if span.records != dispositions {
                return Err(LedgerError::Inconsistent(format!(
                    "Failed to commit: {} records of {:?} came in, {dispositions} were decided; this is a defect, \
                     report it",
                    span.records, span.source
                )));
            }
        }
        Ok(())
    }

    fn count(&mut self, source: u16, disposition: Disposition, records: i64) {
        bump(self.by_source.get_mut(usize::from(source)), disposition, records);
    }

    /// Takes in what was written.
    pub(crate) fn written(
        &mut self,
        runs: &[Run],
        totals: &BTreeMap<LocalDay, DayTotals>,
        dead_letters: &DeadLetters,
    ) {
        self.rows = runs.iter().map(|run| run.entry.rows).sum();
        self.bytes_out = runs.iter().map(|run| run.entry.bytes).sum();
        self.kept = u64::try_from(dead_letters.run.records.len()).unwrap_or(0);
        self.resolved = u64::try_from(dead_letters.run.resolved.len()).unwrap_or(0);
        for (platform, (category, _), lines) in totals.values().flat_map(DayTotals::groups) {
            let premium = self.premium.entry((platform.to_owned(), category.to_owned())).or_default();
            lines.iter().for_each(|(_, line)| *premium = premium.saturating_add(line.premium.get()));
            let unrated: i64 = lines.iter().map(|(_, line)| line.unrated).sum();
            if unrated != 0 {
                *self.unrated.entry(platform.to_owned()).or_default() += unrated;
            }
        }
    }

    /// Adds what the commit changes to the platforms' statistics.
    pub(crate) fn add_to(
        &self,
        stats: &mut BTreeMap<String, PlatformStats>,
        batch: &Batch,
        decided: &Decided,
    ) {
        for (platform, counts) in &self.by_platform {
            let booked = counts.first().copied().unwrap_or(0) + counts.get(1).copied().unwrap_or(0);
            if booked > 0 {
                stats.entry(platform.clone()).or_default().orders += booked;
            }
        }
        for entry in decided.booked.iter().filter_map(|&at| batch.orders.get(at)) {
            if entry.phase() == Phase::Open {
                let platform = batch.platforms.name(entry.platform).to_owned();
                stats.entry(platform).or_default().open_orders += 1;
            }
        }
        for platform in &decided.other_rider {
            stats.entry(platform.clone()).or_default().other_rider += 1;
        }
        for (platform, change) in &self.unrated {
            stats.entry(platform.clone()).or_default().unrated += change;
        }
    }

    /// What became of every record of the batch, by its position.
    pub fn dispositions(&self, batch: &Batch) -> Vec<Disposition> {
        let mut all = vec![Disposition::Accepted; usize::try_from(batch.records()).unwrap_or(0)];
        let mut set = |ordinal: u32, disposition| {
            if let Some(slot) = all.get_mut(usize::try_from(ordinal).unwrap_or(usize::MAX)) {
                *slot = disposition;
            }
        };
        for &(at, disposition) in &self.changes {
            batch.orders.get(at).into_iter().for_each(|entry| set(entry.ordinal, disposition));
        }
        for refused in &batch.refused {
            set(refused.ordinal, Disposition::Rejected(refused.refusal.reason));
        }
        batch.controls.iter().for_each(|control| set(control.ordinal, Disposition::Control));
        all
    }
}

fn bump(counts: Option<&mut Counts>, disposition: Disposition, records: i64) {
    if let Some(slot) = counts.and_then(|counts| counts.get_mut(count_index(disposition))) {
        *slot = slot.saturating_add_signed(records);
    }
}
