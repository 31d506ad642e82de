//! Retention: event days that are older than the configured time are dropped whole. Totals and statements stay.
//!
//! Two lines follow each other. The *retention line* is the first day that is kept: events of earlier days are refused,
//! and answers say nothing about them any more. The rows of the last `identity_days` days before it stay in the store
//! until the line has moved that much further: an event of a kept day is checked against its identity that far back, so
//! an amendment across the line still takes the old charge back. Of a day that lies before them too, one run without
//! rows is left, which holds the day's totals by booking period; the other runs become garbage like those that compaction replaced.
//!
//! Days are counted from the newest event day that is stored and not later than the present. A clock that runs ahead
//! drops nothing that the orders themselves do not show to be old, and neither does an order from the future; a ledger
//! that takes in nothing drops nothing.

use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::run::Run;
use crate::ledger::run::period_totals::PeriodTotals;
use crate::ledger::run::writer::{Dictionary, RunWriter};
use crate::ledger::writer::Ledger;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days whose runs one commit releases at most: bounds how long a drop of many days holds up the writer.
const DAYS_TOGETHER: usize = 16;

/// What a drop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionReport {
    /// The first day that is kept.
    pub line: LocalDay,
    /// Days whose rows were given up.
    pub days: usize,
    /// Their rows.
    pub rows: u64,
    /// Bytes that were put into the store for them.
    pub bytes: u64,
}

/// A day that is given up: its runs, their totals, and the run that is left of it.
struct Released {
    day: LocalDay,
    runs: Vec<Arc<Run>>,
    totals: PeriodTotals,
    rest: Run,
}

impl Ledger {
    /// Drops days that are older than the retention, in one commit; `None` when none is due. Until it returns `None`
    /// there is more to do: a commit gives up a bounded number of days.
    ///
    /// # Errors
    /// A failure poisons the ledger.
    pub fn drop_expired(&mut self, now: UtcMillis) -> LedgerResult<Option<RetentionReport>> {
        let Some(line) = self.line_due(now) else { return Ok(None) };
        let days = self.days_to_release(line);
        if days.is_empty() && self.retention_line() == Some(line) {
            return Ok(None);
        }
        self.guarded(|ledger| ledger.drop_days(line, &days, now)).map(Some)
    }

    /// Drops days until none is due; returns what was done last.
    ///
    /// # Errors
    /// A failure poisons the ledger.
    pub fn drop_all_expired(&mut self, now: UtcMillis) -> LedgerResult<Option<RetentionReport>> {
        let mut last = None;
        while let Some(report) = self.drop_expired(now)? {
            last = Some(report);
            self.guarded(Self::collect_released)?;
        }
        Ok(last)
    }

    /// The first day to be kept, never before the line that is in force; `None` without retention.
    fn line_due(&self, now: UtcMillis) -> Option<LocalDay> {
        let retention_days = self.options.retention_days?;
        let line = self.retention_line();
        let today = self.options.zone.day(now);
        let mut stored =
            self.runs.live.range(..=today).filter(|(_, runs)| has_rows(runs)).map(|(&day, _)| day);
        let newest = stored.next_back()?;
        let wanted = newest.plus_days(-retention_days);
        // Without a day to drop there is no commit, and only a commit that drops days moves the line.
        let first_kept = line.unwrap_or(LocalDay(i32::MIN));
        let drops = stored.any(|day| first_kept <= day && day < wanted);
        if drops { Some(wanted) } else { line }
    }

    /// The oldest days whose rows no event can meet any more.
    fn days_to_release(&self, line: LocalDay) -> Vec<LocalDay> {
        let end = line.plus_days(-self.options.identity_days);
        let days = self.runs.live.range(..end).filter(|(_, runs)| has_rows(runs));
        days.map(|(&day, _)| day).take(DAYS_TOGETHER).collect()
    }

    fn drop_days(
        &mut self,
        line: LocalDay,
        days: &[LocalDay],
        now: UtcMillis,
    ) -> LedgerResult<RetentionReport> {
        let released = days.iter().map(|&day| self.release(day)).collect::<LedgerResult<Vec<_>>>()?;
        let entries = || released.iter().flat_map(|day| &day.runs).map(|run| &run.entry);
        let report = RetentionReport {
            line,
            days: released.len(),
            rows: entries().map(|entry| entry.rows).sum(),
            bytes: entries().map(|entry| entry.bytes).sum(),
        };
        // What is left of the days is durable before anything names it.
        self.builder.upload.seal()?;
        self.forget_unrated(&released);
        for run in released.iter().flat_map(|day| &day.runs) {
            let mut body = Vec::new();
            run.entry.encode(&mut body);
            self.manifest.delete(kind::RUN, &run.id.to_be_bytes());
            self.manifest.put(kind::GARBAGE, &run.id.to_be_bytes(), body);
        }
        self.manifest.root_mut().retention_line = Some(line);
        self.tracker.state_mut().dropped_until = Some(self.options.zone.start_of(line));
        let mut replaced = Vec::new();
        for day in released {
            self.stage_runs(std::slice::from_ref(&day.rest), &[]);
            replaced.push((day.day, day.runs, day.rest));
        }
        let note = format!(
            "retention: orders accepted before {line} are dropped; {} rows of {} days were given up, their totals stay",
            report.rows, report.days
        );
        self.advance(&[], &[note], now)?;
        let mut obsolete = Vec::new();
        for (day, runs, rest) in replaced {
            self.runs.replace(day, &runs, vec![rest]);
            obsolete.extend(runs);
        }
        self.runs.filters.drop_before(line.plus_days(-self.options.identity_days));
        self.publish();
        obsolete.iter().for_each(|run| run.mark_obsolete());
        Ok(report)
    }

    /// Writes what is left of a day.
    fn release(&mut self, day: LocalDay) -> LedgerResult<Released> {
        let runs = self.runs.live.get(&day).cloned().unwrap_or_default();
        let mut totals = PeriodTotals::default();
        for run in &runs {
            totals.merge(&run.totals()?)?;
        }
        let root = self.manifest.root_mut();
        let number = root.next_run;
        root.next_run += 1;
        let table = Dictionary::default();
        let rest = RunWriter::new(&self.builder.upload, &table, number, day, number)
            .finish(&totals, &self.runs.released.0)?;
        Ok(Released { day, runs, totals, rest })
    }

    /// Orders that are gone can never be priced.
    fn forget_unrated(&mut self, released: &[Released]) {
        let mut unrated: BTreeMap<&str, i64> = BTreeMap::new();
        for (platform, _, lines) in released.iter().flat_map(|day| day.totals.groups()) {
            let gone: i64 = lines.iter().map(|(_, total)| total.unrated).sum();
            *unrated.entry(platform).or_default() += gone;
        }
        let mut stats = (*self.statistics.platforms).clone();
        for (platform, count) in unrated.into_iter().filter(|(_, count)| *count != 0) {
            stats.entry(platform.to_owned()).or_default().unrated -= count;
        }
        self.statistics.platforms = Arc::new(stats);
    }
}

fn has_rows(runs: &[Arc<Run>]) -> bool {
    runs.iter().any(|run| run.entry.rows > 0)
}
