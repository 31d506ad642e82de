//! Compaction: the runs of an event day are merged into fewer and larger ones, in the background and never on the path of
//! a lookup.
//!
//! [`plan`] says which runs are due. [`CompactionJob`] merges them on any thread, block by block; it owns what it reads.
//! The writer reserves run numbers for it before ([`Ledger::begin_compaction`]) and swaps the runs in one commit after
//! ([`Ledger::install`]). A crash at any point leaves the old runs in force: numbers from the oldest reservation on that no
//! manifest entry names are orphans, collected at the next start, so no number meets values of another run.
//!
//! Several may be under way, each with runs of its own. A small one beside a large one keeps the runs of a day few while the large
//! one takes its time.
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
pub use plan::{LogicalRun, MergeRule, is_outgrown, logical_runs, plan};

use crate::domain::time::LocalDay;
use crate::ledger::writer::Ledger;
use crate::storage::Hint;
use crate::storage::crash_points::{self, Point};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Which compactions may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionScope {
    /// Days before this one are over. A day that is over ends as one run (a major compaction), unless the ledger catches up.
    pub major_before: LocalDay,
    /// A day that is over is merged whole for a few rows when no commit added a run to it for this long.
    pub quiet_for: Duration,
    /// How many rows each may merge.
    pub rows: RangeInclusive<u64>,
}

impl CompactionScope {
    /// Of every size; days before `major_before` are merged whole at once.
    pub const fn every_size(major_before: LocalDay) -> Self {
        Self { major_before, quiet_for: Duration::ZERO, rows: 0..=u64::MAX }
    }
}

impl Ledger {
    /// The next compaction that is due, with run numbers reserved for it; `None` when none is. Runs that another one reads are left
    /// to that.
    ///
    /// The reservation needs no write of its own: until the next commit the stored manifest counts these numbers as free, from then
    /// on as pending, and either way what lies under them is collected after a crash.
    pub fn begin_compaction(&mut self, scope: &CompactionScope) -> Option<CompactionJob> {
        if self.poisoned().is_some() {
            return None;
        }
        let due = self.runs.live.iter().filter_map(|(&day, runs)| {
            let unread: Vec<_> =
                runs.iter().filter(|run| !self.runs.is_being_merged(run)).map(Arc::clone).collect();
            let logical = logical_runs(&unread);
            let is_merging = unread.len() < runs.len();
            let rule = self.merge_rule(scope, (day, is_merging), &logical);
            // A day whose large merge waits for its turn is kept small meanwhile.
            let tiered =
                || (rule == MergeRule::Major).then(|| plan(&logical, MergeRule::Tiered, &scope.rows));
            let chosen = plan(&logical, rule, &scope.rows).or_else(|| tiered().flatten())?;
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
        self.runs.compactions.insert(first, inputs.iter().map(|run| run.id).collect());
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

    /// Whether the ledger catches up.
    pub const fn is_catching_up(&self) -> bool {
        self.runs.is_catching_up
    }

    /// How the runs of a day that no compaction reads are merged. Beside a compaction of the same day nothing is merged whole: what is
    /// left would be rewritten with each new run.
    fn merge_rule(
        &self,
        scope: &CompactionScope,
        (day, is_merging): (LocalDay, bool),
        runs: &[LogicalRun],
    ) -> MergeRule {
        if self.runs.is_catching_up {
            return if self.options.storage.is_remote() { MergeRule::Deferred } else { MergeRule::Tiered };
        }
        let is_whole_due = || is_outgrown(runs) || self.runs.quiet(day) >= scope.quiet_for;
        if day < scope.major_before && !is_merging && is_whole_due() {
            MergeRule::Major
        } else {
            MergeRule::Tiered
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
