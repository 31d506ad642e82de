//! Puts what a compaction wrote in force.

use super::CompactionScope;
use super::job::Compacted;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::codec::Reader;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::kind;
use crate::ledger::run::RunEntry;
use crate::ledger::writer::Ledger;
use crate::ledger::writer::garbage;
use crate::storage::crash_points::{self, Point};
use std::sync::atomic::AtomicBool;

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CompactionReport {
    /// The day.
    pub day: LocalDay,
    /// Whether it was put in force; otherwise it was stopped, or the day changed meanwhile.
    pub installed: bool,
    /// Runs before and after.
    pub runs: (usize, usize),
    /// Rows.
    pub rows: u64,
    /// Bytes put into the store for them, before and after.
    pub bytes: (u64, u64),
}

impl Ledger {
    /// Swaps the runs of a compaction in a commit of its own, and publishes the state.
    ///
    /// The old runs' values are deleted by [`Ledger::collect_released`] once no snapshot holds them; until then, and
    /// after a crash, the manifest knows them as garbage.
    ///
    /// # Errors
    /// A failure poisons the ledger.
    pub fn install(&mut self, compacted: Compacted, now: UtcMillis) -> LedgerResult<CompactionReport> {
        self.guarded(|ledger| ledger.swap(compacted, now))
    }

    fn swap(&mut self, compacted: Compacted, now: UtcMillis) -> LedgerResult<CompactionReport> {
        let Compacted { day, inputs, outputs, first, numbers } = compacted;
        let live = self.runs.live.get(&day).map_or(&[][..], Vec::as_slice);
        let current = inputs.iter().all(|input| live.iter().any(|run| run.id == input.id));
        let Some(outputs) = outputs.filter(|_| current) else {
            // Deleted before the next commit frees the numbers, and earlier in the store's log than that commit.
            garbage::delete_numbers(&self.store, first, first + numbers)?;
            crash_points::after(Point::Discarded);
            self.runs.compactions.remove(&first);
            return Ok(CompactionReport { day, ..CompactionReport::default() });
        };
        let bytes = |runs: &mut dyn Iterator<Item = &RunEntry>| runs.map(|entry| entry.bytes).sum();
        let report = CompactionReport {
            day,
            installed: true,
            runs: (inputs.len(), outputs.len()),
            rows: outputs.iter().map(|run| run.entry.rows).sum(),
            bytes: (
                bytes(&mut inputs.iter().map(|run| &run.entry)),
                bytes(&mut outputs.iter().map(|run| &run.entry)),
            ),
        };
        if inputs.iter().map(|run| run.entry.rows).sum::<u64>() != report.rows {
            return Err(LedgerError::Inconsistent(format!(
                "Failed to compact day {}: it read runs whose blocks do not have as many rows as the manifest says: run \
                 `coverledger verify`, then restore a backup or rebuild from Kafka or files",
                day.0
            )));
        }
        for run in &inputs {
            let mut body = Vec::new();
            run.entry.encode(&mut body);
            self.manifest.delete(kind::RUN, &run.id.to_be_bytes());
            self.manifest.put(kind::GARBAGE, &run.id.to_be_bytes(), body);
        }
        self.stage_runs(&outputs, &[]);
        self.runs.compactions.remove(&first);
        crash_points::after(Point::CompactionStaged);
        // The job made its blocks durable before it handed them over.
        self.advance(&[], &[], now)?;
        crash_points::after(Point::CompactionAdvanced);
        self.runs.replace(day, &inputs, outputs);
        self.runs.balance_filters();
        self.publish();
        crash_points::after(Point::CompactionInstalled);
        inputs.iter().for_each(|run| run.mark_obsolete());
        Ok(report)
    }

    /// Runs compactions here and now until none is due.
    ///
    /// # Errors
    /// A failure poisons the ledger.
    pub fn compact_now(
        &mut self,
        major_before: LocalDay,
        now: UtcMillis,
    ) -> LedgerResult<Vec<CompactionReport>> {
        let mut reports = Vec::new();
        let (never, scope) = (AtomicBool::new(false), CompactionScope::every_size(major_before));
        while let Some(job) = self.begin_compaction(&scope) {
            let compacted = self.guarded(|_| job.run(&never))?;
            reports.push(self.install(compacted, now)?);
            self.guarded(Self::collect_released)?;
        }
        self.guarded(|ledger| Ok(ledger.store.reclaim()?))?;
        Ok(reports)
    }

    /// Deletes the values of runs that compaction replaced and no snapshot holds any more; returns how many runs. The space
    /// of files that readers had until now comes back too, so it is to be called again and again.
    ///
    /// Their manifest entries go with the next commit. A crash before it deletes at the next start what is gone already.
    pub fn collect_released(&mut self) -> LedgerResult<usize> {
        self.published.release_former();
        let released: Vec<u64> = self.runs.released.1.try_iter().collect();
        for id in &released {
            let key = id.to_be_bytes();
            let Some(body) = self.manifest.get(kind::GARBAGE, &key) else { continue };
            let entry = RunEntry::decode(&mut Reader::new(body))
                .map_err(LedgerError::damaged("a manifest entry of kind g"))?;
            garbage::delete_run(&self.store, *id, &entry)?;
            self.manifest.delete(kind::GARBAGE, &key);
        }
        self.store.release_removed();
        Ok(released.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::time::{LocalDay, UtcMillis};
    use crate::ledger::testing::{commit, event, open};
    use crate::storage::local::testing::segment_files;
    use std::fs;
    use std::path::Path;

    /// Removed files below a folder that this process still has open.
    fn open_removed(dir: &Path) -> usize {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.filter(|file| file.starts_with(dir) && file.to_string_lossy().ends_with(" (deleted)")).count()
    }

    #[test]
    fn the_space_of_replaced_runs_comes_back_without_another_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        for order in 1..4 {
            commit(&mut ledger, 2 * order, &[event(order.unsigned_abs(), 0)]);
            // Reads what the one before wrote, and replaces it.
            ledger.compact_now(LocalDay(i32::MAX), UtcMillis::new(1_795_000_000_100 + order)).unwrap();
        }
        assert!(!segment_files(dir.path()).is_empty());
        assert_eq!(open_removed(dir.path()), 0);
    }
}
