//! After a start the newest orders are read into the system's memory, so that questions about them soon do not wait for a
//! disk that ingest keeps busy. What is committed from then on is there anyway.
//!
//! It goes a little at a time, and never asks the disk for more before it has that: what a question reads meanwhile comes
//! behind one small request. Nothing depends on it.

use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::writer::{Ledger, Published};
use crate::wait::pace;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two requests to the disk, of which each brings up to a quarter of a mebibyte.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads the newest orders, on a thread of its own.
#[derive(Debug)]
pub struct CacheWarmup {
    published: Arc<Published>,
    bytes_max: u64,
}

impl Ledger {
    /// What brings the newest orders into the system's memory: about `warm_bytes` of the configuration.
    pub fn cache_warmup(&self) -> CacheWarmup {
        CacheWarmup { published: self.published(), bytes_max: self.options().warm_bytes }
    }
}

impl CacheWarmup {
    /// Reads the runs that are live now, the newest days first and of a day the newest runs, until it has read enough; about
    /// how many bytes that were. `None` when there was nothing to do or `stop` was set before the end.
    ///
    /// # Errors
    /// The store cannot be read. A question that needs an unreadable value fails with its own error.
    pub fn run(&self, stop: &AtomicBool) -> LedgerResult<Option<u64>> {
        let mut bytes = 0;
        for (day, id) in self.newest_first() {
            // One that was merged since is in memory under another number. No run is held longer than it takes.
            let Some(run) = self.live(day, id) else { continue };
            run.warm(|more| {
                bytes += more;
                pace(PAUSE);
                bytes < self.bytes_max && !stop.load(Ordering::Acquire)
            })?;
            if stop.load(Ordering::Acquire) {
                return Ok(None);
            }
            if bytes >= self.bytes_max {
                break;
            }
        }
        Ok(Some(bytes).filter(|bytes| *bytes > 0))
    }

    fn newest_first(&self) -> Vec<(LocalDay, u64)> {
        if self.bytes_max == 0 {
            return Vec::new();
        }
        let view = self.published.current();
        let days = view.kept().rev();
        days.flat_map(|(&day, runs)| runs.iter().rev().map(move |run| (day, run.id))).collect()
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
    use crate::ledger::testing::{bytes_fetched, commit, day, event, event_at, evict_page_cache, open};
    use std::collections::BTreeSet;
    use tempfile::TempDir;

    /// A ledger with two days, each of which is large enough for a file. On a disk, if this program is.
    fn stored() -> (TempDir, Ledger) {
        let program = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let mut ledger = open(dir.path());
        commit(&mut ledger, 0, &(0..100_000).map(|order| event(order, 0)).collect::<Vec<_>>());
        let before = |order| event_at(order, 0, "2026-11-19T12:00:00Z", "2026-11-19T12:30:00Z");
        commit(&mut ledger, 100_000, &(100_000..200_000).map(before).collect::<Vec<_>>());
        (dir, ledger)
    }

    #[test]
    fn the_newest_orders_are_in_memory_as_far_as_there_is_to_be_room() {
        let (dir, ledger) = stored();
        let go_on = AtomicBool::new(false);
        let warm = |bytes_max, stop: &AtomicBool| {
            CacheWarmup { bytes_max, ..ledger.cache_warmup() }.run(stop).unwrap().unwrap_or(0)
        };
        let all = warm(u64::MAX, &go_on);
        let written: u64 =
            ledger.published().current().runs().values().flatten().map(|run| run.entry.bytes).sum();
        assert!(written / 2 < all && all < written * 2, "{all} of {written} bytes");
        // Within one day: more than a question fetches, and nothing of the other day.
        let some = warm(all / 4, &go_on);
        assert!(all / 4 <= some && some < all / 2, "{some} of {all}");
        assert_eq!((warm(0, &go_on), warm(u64::MAX, &AtomicBool::new(true))), (0, 0));

        if !evict_page_cache(dir.path(), "the cache warm-up fetches the newest orders") {
            return;
        }
        let fetched = bytes_fetched(|| warm(some, &go_on));
        assert!(fetched > some / 2, "{fetched} bytes");
        let view = ledger.published().current();
        let expect =
            |day: LocalDay| bytes_fetched(|| view.prefetch_riders(&["R".to_owned()], &BTreeSet::from([day])));
        assert_eq!(expect(day()), 0, "the newest day was the first");
        assert!(expect(day().plus_days(-1)) > 0, "the day before did not fit");
    }

    #[test]
    fn what_a_question_reads_next_is_fetched_before_it_is_read() {
        let (dir, ledger) = stored();
        let view = ledger.published().current();
        let expect = |rider: &str, day: LocalDay| {
            bytes_fetched(|| view.prefetch_riders(&[rider.to_owned()], &BTreeSet::from([day])))
        };
        if !evict_page_cache(dir.path(), "a question's reads are prefetched") {
            return;
        }
        assert_eq!(expect("nobody", day()) + expect("R", day().plus_days(1)), 0);
        let fetched = expect("R", day());
        assert!(fetched > 64 << 10, "{fetched} bytes");
        assert_eq!(expect("R", day()), 0, "it is in memory");
    }
}
