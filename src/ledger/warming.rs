//! After a start the newest orders are read into the system's memory, so that questions about them soon do not wait for a
//! disk that ingest keeps busy. What is committed from then on is there anyway.
//!
//! It goes a little at a time: questions that are asked meanwhile go first. Nothing depends on it.

use super::error::Outcome;
use super::run::Run;
use super::writer::{Ledger, Published};
use crate::domain::time::LocalDay;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two requests to the disk, of which each brings up to a quarter of a mebibyte.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads the newest orders, on a thread of its own.
#[derive(Debug)]
pub struct Warming {
    published: Arc<Published>,
    bytes_max: u64,
}

impl Ledger {
    /// What brings the newest orders into the system's memory: at most `warm_bytes` of the configuration.
    pub fn warming(&self) -> Warming {
        Warming { published: self.published(), bytes_max: self.setup().warm_bytes }
    }
}

impl Warming {
    /// Reads the runs that are live now, the newest days first, until it has read enough or `stop` is set; the bytes of
    /// these runs.
    ///
    /// # Errors
    /// The store cannot be read. Whoever asks about what cannot be read is told so.
    pub fn run(&self, stop: &AtomicBool) -> Outcome<u64> {
        let runs: Vec<(LocalDay, u64)> = {
            let view = self.published.current();
            view.runs()
                .iter()
                .rev()
                .flat_map(|(&day, runs)| runs.iter().map(move |run| (day, run.id)))
                .collect()
        };
        let mut bytes = 0;
        for (day, id) in runs {
            // One that was merged since is in memory under another number. No run is held longer than it takes.
            let Some(run) = self.live(day, id) else { continue };
            if bytes + run.entry.bytes > self.bytes_max || stop.load(Ordering::Acquire) {
                break;
            }
            bytes += run.entry.bytes;
            run.fetch_all(|| {
                std::thread::sleep(PAUSE);
                !stop.load(Ordering::Acquire)
            })?;
        }
        Ok(bytes)
    }

    fn live(&self, day: LocalDay, id: u64) -> Option<Arc<Run>> {
        let view = self.published.current();
        view.runs().get(&day)?.iter().find(|run| run.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::view::LedgerView;
    use crate::ledger::testing::{bytes_in_memory, commit, day, event, forget, open, segment_files};
    use std::collections::BTreeSet;
    use std::fs::File;
    use tempfile::TempDir;

    /// A ledger with a large commit, its segment files, and bytes of them that hold blocks. On a disk, if this program is.
    fn stored() -> (TempDir, Ledger, Vec<File>) {
        let program = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let mut ledger = open(dir.path());
        commit(&mut ledger, 0, &(0..100_000).map(|order| event(order, 0)).collect::<Vec<_>>());
        let files = segment_files(dir.path());
        assert_eq!(files.len(), 1);
        (dir, ledger, files)
    }

    fn wait_for(bytes: u64, file: &File) {
        while bytes_in_memory(file) < bytes {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_newest_orders_are_in_memory_as_far_as_there_is_to_be_room() {
        let (_dir, ledger, files) = stored();
        let stop = AtomicBool::new(false);
        let all = ledger.warming().run(&stop).unwrap();
        assert!(all > 1 << 20, "{all} bytes");
        forget(&files);
        let cold = bytes_in_memory(&files[0]);
        let warming = |bytes_max| Warming { bytes_max, ..ledger.warming() };
        assert_eq!(warming(all - 1).run(&stop).unwrap(), 0);
        assert_eq!(bytes_in_memory(&files[0]), cold);
        assert_eq!(warming(all).run(&stop).unwrap(), all);
        wait_for(1 << 20, &files[0]);
        stop.store(true, Ordering::Release);
        assert_eq!(warming(all).run(&stop).unwrap(), 0, "it was told to stop");
    }

    #[test]
    fn what_a_question_reads_next_is_fetched_before_it_is_read() {
        let (_dir, ledger, files) = stored();
        let view = ledger.published().current();
        forget(&files);
        let cold = bytes_in_memory(&files[0]);
        let days = |days: &[LocalDay]| days.iter().copied().collect::<BTreeSet<_>>();
        let riders = |name: &str| [name.to_owned()];
        view.expect_riders(&riders("nobody"), &days(&[day()])).unwrap();
        view.expect_riders(&riders("R"), &days(&[day().plus_days(1)])).unwrap();
        assert_eq!(bytes_in_memory(&files[0]), cold);
        view.expect_riders(&riders("R"), &days(&[day()])).unwrap();
        wait_for(8 << 10, &files[0]);
    }
}
