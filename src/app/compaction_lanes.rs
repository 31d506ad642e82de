//! The threads that compact beside the writer: one for large compactions, one for small ones.
//!
//! A large compaction takes minutes where a day has the orders of a nation. What commits bring to the day meanwhile, the small
//! lane merges, so that the runs of the day stay few and commits seldom wait.

use crate::domain::time::LocalDay;
use crate::ledger::{Compacted, CompactionJob, CompactionScope, Ledger, LedgerResult};
use crate::wait::Stop;
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// With more runs of a day than these, commits wait for a compaction under way: every question about a rider asks every
/// run.
const DAY_RUNS_HELD: usize = 64;
/// Rows that a compaction in the small lane merges at most: a second's work or so.
const SMALL_LANE_ROWS: u64 = 1_000_000;

/// The writer's end of all lanes.
#[derive(Debug)]
pub struct Lanes(Vec<Lane>);

#[derive(Debug)]
struct Lane {
    /// Rows of its compactions.
    rows: RangeInclusive<u64>,
    jobs: SyncSender<CompactionJob>,
    done: Receiver<LedgerResult<Compacted>>,
    /// The day whose runs are being merged.
    under_way: Option<LocalDay>,
}

/// The end of a lane's thread.
#[derive(Debug)]
pub struct Worker {
    jobs: Receiver<CompactionJob>,
    done: SyncSender<LedgerResult<Compacted>>,
    stop: Stop,
}

/// A compaction that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The day whose runs are being merged.
    pub day: LocalDay,
    /// Rows that it reads.
    pub rows: u64,
}

/// The writer's end, and the end of each lane's thread with the name of the thread.
pub fn lanes(stop: &Stop) -> (Lanes, Vec<(&'static str, Worker)>) {
    lanes_of(SMALL_LANE_ROWS, stop)
}

fn lanes_of(small_rows: u64, stop: &Stop) -> (Lanes, Vec<(&'static str, Worker)>) {
    // Work is offered to the first lane first: small merges of a day would otherwise keep it from being merged whole.
    let (large, small) = (small_rows + 1..=u64::MAX, 0..=small_rows);
    let ends = [(large, "compactor"), (small, "small compactor")].map(|(rows, name)| {
        let (jobs, to_do) = sync_channel(1);
        let (ready, done) = sync_channel(1);
        let worker = Worker { jobs: to_do, done: ready, stop: stop.clone() };
        (Lane { rows, jobs, done, under_way: None }, (name, worker))
    });
    let (lanes, workers) = ends.into_iter().unzip();
    (Lanes(lanes), workers)
}

impl Worker {
    /// Works until the writer is gone. When the service is asked to stop, the job under way is cancelled and handed back.
    ///
    /// # Errors
    /// The space of earlier compactions cannot be given back.
    pub fn run(self) -> anyhow::Result<()> {
        for job in self.jobs {
            let reclaim = job.reclaim_after();
            if self.done.send(job.run(self.stop.flag())).is_err() {
                break;
            }
            if !self.stop.is_set() {
                reclaim()?;
            }
        }
        Ok(())
    }
}

impl Lanes {
    /// Whether no compaction is under way.
    pub fn is_idle(&self) -> bool {
        self.0.iter().all(|lane| lane.under_way.is_none())
    }

    /// Whether a day that is being merged has too many runs: commits are to wait for one compaction.
    pub fn is_behind(&self, ledger: &Ledger) -> bool {
        let mut days = self.0.iter().filter_map(|lane| lane.under_way);
        days.any(|day| ledger.runs_of_day(day) > DAY_RUNS_HELD)
    }

    /// A compaction that is done.
    ///
    /// # Errors
    /// A compaction failed, or the thread of a lane ended.
    pub fn next_done(&mut self) -> anyhow::Result<Option<Compacted>> {
        for lane in &mut self.0 {
            if let Some(compacted) = lane.try_take()? {
                return Ok(Some(compacted));
            }
        }
        Ok(None)
    }

    /// Waits for a compaction under way, for a small one first; `None` when none is.
    ///
    /// # Errors
    /// It failed, or the thread of its lane ended.
    pub fn wait_for_one(&mut self) -> anyhow::Result<Option<Compacted>> {
        match self.0.iter_mut().rfind(|lane| lane.under_way.is_some()) {
            Some(lane) => lane.wait().map(Some),
            None => Ok(None),
        }
    }

    /// Starts what is due in each lane that is idle; while the ledger catches up one at a time, since a second one takes a core from
    /// commits, unless they wait. Days before `major_before` end as one run, for a few rows only when no commit added
    /// any for `quiet_for`.
    ///
    /// # Errors
    /// The thread of a lane ended.
    pub fn begin(
        &mut self,
        ledger: &mut Ledger,
        (major_before, quiet_for): (LocalDay, Duration),
    ) -> anyhow::Result<Vec<Begun>> {
        let scope =
            |rows: &RangeInclusive<u64>| CompactionScope { major_before, quiet_for, rows: rows.clone() };
        if ledger.is_catching_up() && !self.is_behind(ledger) {
            let job = self.is_idle().then(|| ledger.begin_compaction(&scope(&(0..=u64::MAX)))).flatten();
            return job.map(|job| self.start(job)).transpose().map(Vec::from_iter);
        }
        let mut begun = Vec::new();
        for nth in 0..self.0.len() {
            let idle = self.0.get(nth).filter(|lane| lane.under_way.is_none());
            if let Some(job) = idle.and_then(|lane| ledger.begin_compaction(&scope(&lane.rows))) {
                begun.push(self.start(job)?);
            }
        }
        Ok(begun)
    }

    /// Starts a compaction in the lane of its size.
    fn start(&mut self, job: CompactionJob) -> anyhow::Result<Begun> {
        let begun = Begun { day: job.day(), rows: job.rows() };
        let lane = self.0.iter_mut().find(|lane| lane.rows.contains(&begun.rows)).ok_or_else(ended)?;
        lane.under_way = Some(begun.day);
        lane.jobs.try_send(job).map_err(|_| ended())?;
        Ok(begun)
    }
}

impl Lane {
    fn try_take(&mut self) -> anyhow::Result<Option<Compacted>> {
        match self.done.try_recv() {
            Ok(compacted) => {
                self.under_way = None;
                Ok(Some(compacted?))
            }
            Err(TryRecvError::Disconnected) if self.under_way.is_some() => Err(ended()),
            Err(_) => Ok(None),
        }
    }

    fn wait(&mut self) -> anyhow::Result<Compacted> {
        let compacted = self.done.recv().map_err(|_| ended())?;
        self.under_way = None;
        Ok(compacted?)
    }
}

fn ended() -> anyhow::Error {
    anyhow::anyhow!("Failed to hand over to the compaction: its thread ended; its own failure is in the log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UtcMillis;
    use crate::ledger::testing::{commit, day, event, open};

    const EVERY_DAY: LocalDay = LocalDay(i32::MAX);
    const NOW: UtcMillis = UtcMillis::new(1_795_000_010_000);

    /// Commits `rows` orders that are new, as one run.
    fn add(ledger: &mut Ledger, offset: &mut i64, rows: u64) {
        let first = offset.unsigned_abs();
        commit(ledger, *offset, &(first..first + rows).map(|order| event(order, 0)).collect::<Vec<_>>());
        *offset += i64::try_from(rows).unwrap();
    }

    #[test]
    fn what_commits_bring_is_merged_beside_a_large_compaction_of_the_day() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, mut offset) = (open(folder.path()), 0);
        let (mut lanes, workers) = lanes_of(30, &Stop::default());
        let [(_, large), (_, small)] = <[_; 2]>::try_from(workers).unwrap();
        (0..2).for_each(|_| add(&mut ledger, &mut offset, 20));
        let begun = |lanes: &mut Lanes, ledger: &mut Ledger| {
            let begun = lanes.begin(ledger, (EVERY_DAY, Duration::ZERO)).unwrap();
            begun.iter().map(|begun| (begun.day, begun.rows)).collect::<Vec<_>>()
        };
        assert_eq!(begun(&mut lanes, &mut ledger), [(day(), 40)]);
        // The large one takes its time; eight commits are a tier, and one more is not.
        (0..8).for_each(|_| add(&mut ledger, &mut offset, 1));
        assert_eq!(begun(&mut lanes, &mut ledger), [(day(), 8)]);
        add(&mut ledger, &mut offset, 1);
        assert_eq!(begun(&mut lanes, &mut ledger), []);
        assert!(lanes.next_done().unwrap().is_none());
        let Worker { jobs, done, stop } = small;
        done.send(jobs.recv().unwrap().run(stop.flag())).unwrap();
        let compacted = lanes.next_done().unwrap().expect("the small one is done");
        assert!(ledger.install(compacted, NOW).unwrap().installed);
        assert_eq!(ledger.runs_of_day(day()), 4);
        let Worker { jobs, done, stop } = large;
        done.send(jobs.recv().unwrap().run(stop.flag())).unwrap();
        let compacted = lanes.next_done().unwrap().expect("the large one is done");
        assert!(ledger.install(compacted, NOW).unwrap().installed);
        assert_eq!(ledger.runs_of_day(day()), 3);
        assert!(lanes.is_idle());
        assert_eq!(begun(&mut lanes, &mut ledger), [(day(), 49)]);
    }

    #[test]
    fn one_compaction_at_a_time_while_the_ledger_catches_up() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, mut offset) = (open(folder.path()), 0);
        let (mut lanes, workers) = lanes_of(40, &Stop::default());
        ledger.set_catching_up(true);
        (0..8).for_each(|_| add(&mut ledger, &mut offset, 6));
        let begin = |lanes: &mut Lanes, ledger: &mut Ledger| {
            lanes
                .begin(ledger, (EVERY_DAY, Duration::ZERO))
                .unwrap()
                .iter()
                .map(|begun| begun.rows)
                .collect::<Vec<_>>()
        };
        assert_eq!(begin(&mut lanes, &mut ledger), [48]);
        (0..8).for_each(|_| add(&mut ledger, &mut offset, 1));
        assert!(begin(&mut lanes, &mut ledger).is_empty());
        ledger.set_catching_up(false);
        assert_eq!(begin(&mut lanes, &mut ledger), [8]);
        drop(workers);
    }

    #[test]
    fn commits_wait_while_a_day_that_is_merged_has_too_many_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, mut offset) = (open(folder.path()), 0);
        let (mut lanes, workers) = lanes_of(1, &Stop::default());
        (0..2).for_each(|_| add(&mut ledger, &mut offset, 20));
        lanes.begin(&mut ledger, (EVERY_DAY, Duration::ZERO)).unwrap();
        (2..DAY_RUNS_HELD).for_each(|_| add(&mut ledger, &mut offset, 1));
        assert!(!lanes.is_behind(&ledger));
        add(&mut ledger, &mut offset, 1);
        assert!(lanes.is_behind(&ledger));
        drop(workers);
        let ended = lanes.wait_for_one().unwrap_err().to_string();
        assert!(ended.contains("its thread ended"), "{ended}");
    }

    #[test]
    fn a_day_is_merged_whole_for_a_few_rows_only_when_it_is_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, mut offset) = (open(folder.path()), 0);
        let (mut lanes, _workers) = lanes(&Stop::default());
        let hour = Duration::from_secs(60 * 60);
        add(&mut ledger, &mut offset, 40);
        add(&mut ledger, &mut offset, 4);
        assert_eq!(lanes.begin(&mut ledger, (EVERY_DAY, hour)).unwrap(), []);
        let begun = lanes.begin(&mut ledger, (EVERY_DAY, Duration::ZERO)).unwrap();
        assert_eq!(begun, [Begun { day: day(), rows: 44 }]);
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, mut offset) = (open(folder.path()), 0);
        let (mut lanes, _workers) = super::lanes(&Stop::default());
        add(&mut ledger, &mut offset, 40);
        add(&mut ledger, &mut offset, 5);
        let begun = lanes.begin(&mut ledger, (EVERY_DAY, hour)).unwrap();
        assert_eq!(begun, [Begun { day: day(), rows: 45 }], "an eighth is worth it");
    }
}
