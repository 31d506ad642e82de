//! Compaction: the runs of an event day are merged into fewer and larger ones, in the background and never on the path of
//! a lookup.
//!
//! [`plan`] says which runs are due. [`CompactionJob`] merges them on any thread, block by block; it owns what it reads.
//! The writer reserves run numbers for it before ([`Ledger::begin_compaction`]) and swaps the runs in one commit after
//! ([`Ledger::install`]). A crash at any point leaves the old runs in force: numbers from the oldest reservation on that no
//! manifest entry names are orphans, collected at the next start, so no number meets values of another run.
//!
//! Every row survives with its commit number: versions, repriced versions, and tombstones.

mod cursor;
mod install;
mod job;
mod merge;
mod plan;

pub use install::CompactionReport;
pub(crate) use job::Hasher;
pub use job::{Compacted, CompactionJob};
pub use merge::Merge;
pub use plan::{LogicalRun, MergeRule, logical_runs, plan};

use crate::domain::time::LocalDay;
use crate::ledger::writer::Ledger;
use crate::storage::Hint;
use crate::storage::crash_points::{self, Point};
use std::sync::Arc;

impl Ledger {
    /// The next compaction that is due, with run numbers reserved for it; `None` while one is under way or none is due.
    ///
    /// Days before `major_before` end as one run (a major compaction), unless the ledger catches up. The reservation needs no write
    /// of its own: until the next commit the stored manifest counts these numbers as free, from then on as pending, and either way
    /// what lies under them is collected after a crash.
    pub fn begin_compaction(&mut self, major_before: LocalDay) -> Option<CompactionJob> {
        if self.runs.reserved_from.is_some() || self.poisoned().is_some() {
            return None;
        }
        let due = self.runs.live.iter().filter_map(|(&day, runs)| {
            let logical = logical_runs(runs);
            let rule = self.merge_rule(day < major_before);
            let chosen = plan(&logical, rule)?;
            Some((logical.len(), day, chosen))
        });
        let (_, day, chosen) = due.max_by_key(|(runs, day, _)| (*runs, std::cmp::Reverse(*day)))?;
        let inputs: Vec<_> =
            self.runs.live.get(&day)?.iter().filter(|run| chosen.contains(&run.id)).map(Arc::clone).collect();
        let rows: u64 = inputs.iter().map(|run| run.entry.rows).sum();
        let numbers = rows / self.runs.output_rows_max + 1;
        let root = self.manifest.root_mut();
        let first = root.next_run;
        root.next_run += numbers;
        self.runs.reserved_from = Some(first);
        crash_points::after(Point::CompactionPlanned);
        Some(CompactionJob {
            day,
            inputs,
            writing: self.store.begin(Hint::LongLived),
            released: self.runs.released.0.clone(),
            first,
            numbers,
            rows_max: self.runs.output_rows_max,
        })
    }

    /// Says whether the ledger catches up: rows come as fast as they are committed. A major compaction of a day would begin again with
    /// the next commit, so none begins meanwhile. Where the storage lies on other machines, merges also wait for more
    /// runs: what they write takes the network and the store from commits.
    pub const fn set_catching_up(&mut self, is_catching_up: bool) {
        self.runs.is_catching_up = is_catching_up;
    }

    fn merge_rule(&self, day_is_over: bool) -> MergeRule {
        match (self.runs.is_catching_up, day_is_over) {
            (true, _) if self.options.storage.is_remote() => MergeRule::Deferred,
            (false, true) => MergeRule::Major,
            _ => MergeRule::Tiered,
        }
    }

    /// Sets the rows after which a compaction begins another output.
    pub const fn set_output_rows_max(&mut self, rows: u64) {
        self.runs.output_rows_max = rows;
    }

    /// The number of runs of a day; parts of one compaction count as one.
    pub fn runs_of_day(&self, day: LocalDay) -> usize {
        self.runs.live.get(&day).map_or(0, |runs| logical_runs(runs).len())
    }

    /// The number of runs of the day that has most of them; parts of one compaction count as one.
    pub fn runs_a_day_max(&self) -> usize {
        self.runs.live.values().map(|runs| logical_runs(runs).len()).max().unwrap_or(0)
    }
}
