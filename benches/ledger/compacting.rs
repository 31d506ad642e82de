//! Compaction beside the commits, as the service does it.

use crate::now;
use crate::support::wait::delay;
use crate::support::{Figures, cpu, disk_bytes, flag, nanos_each, per_second, removed_bytes};
use coverledger::app::threads::Urgency;
use coverledger::domain::time::LocalDay;
use coverledger::ledger::{Compacted, CompactionJob, Ledger};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Runs of a day with which commits wait for compaction.
const DAY_RUNS_HELD: usize = 64;

/// Compactions on a thread of their own, one at a time.
pub(crate) struct Compacting {
    jobs: Option<Sender<CompactionJob>>,
    done: Receiver<Compacted>,
    under_way: bool,
    rows: u64,
    took: Duration,
    /// Bytes on disk at most while it settled.
    pub(crate) disk_peak: u64,
    /// Ends the thread that gives space back.
    reclaimer: Arc<AtomicBool>,
}

impl Compacting {
    pub(crate) fn begin() -> Self {
        let (jobs, to_do) = channel::<CompactionJob>();
        let (ready, done) = channel();
        #[expect(clippy::disallowed_methods, reason = "a benchmark has no service that owns threads")]
        std::thread::spawn(move || {
            Urgency::Background.apply();
            for job in to_do {
                let compacted = job.run(&AtomicBool::new(false)).expect("runs are merged");
                if ready.send(compacted).is_err() {
                    break;
                }
            }
        });
        let jobs = (!flag("no-compaction")).then_some(jobs);
        let reclaimer = Arc::default();
        Self { jobs, done, under_way: false, rows: 0, took: Duration::ZERO, disk_peak: 0, reclaimer }
    }

    /// From now on the space of files that this ledger removes comes back in steps, as in the service.
    pub(crate) fn attend(&mut self, ledger: &Ledger) {
        let stop = Arc::new(AtomicBool::new(false));
        std::mem::replace(&mut self.reclaimer, Arc::clone(&stop)).store(true, Ordering::Release);
        let Some(upkeep) = ledger.upkeep() else { return };
        #[expect(clippy::disallowed_methods, reason = "a benchmark has no service that owns threads")]
        std::thread::spawn(move || {
            Urgency::Background.apply();
            upkeep.run(&stop).expect("the upkeep of a directory does not fail");
        });
    }

    /// Installs what is done, begins what is due.
    pub(crate) fn step(&mut self, ledger: &mut Ledger, major_before: LocalDay) {
        let Some(jobs) = &self.jobs else { return };
        if self.under_way {
            // As the service does: commits wait when compaction is far behind.
            let behind = ledger.runs_a_day_max() > DAY_RUNS_HELD;
            let done = if behind { self.done.recv().ok() } else { self.done.try_recv().ok() };
            let Some(compacted) = done else { return };
            self.rows += ledger.install(compacted, now()).expect("a compaction is installed").rows;
            self.under_way = false;
        }
        ledger.collect_released().expect("old runs are deleted");
        if let Some(job) = ledger.begin_compaction(major_before) {
            jobs.send(job).expect("the compacting thread lives");
            self.under_way = true;
        }
    }

    /// Everything that is due, with every day settled.
    pub(crate) fn settle(&mut self, ledger: &mut Ledger, dir: &Path, figures: &mut Figures) {
        let (started, before) = (Instant::now(), self.rows);
        let began = cpu("self");
        loop {
            self.step(ledger, LocalDay(i32::MAX));
            if !self.under_way {
                break;
            }
            self.disk_peak = self.disk_peak.max(disk_bytes(dir));
            delay(Duration::from_millis(50));
        }
        self.took = started.elapsed();
        let waited = Instant::now();
        while removed_bytes(dir) > 0 {
            delay(Duration::from_millis(50));
        }
        let waited = waited.elapsed().as_millis();
        figures.tell("rows compacted while ingesting, after", format!("{before}, {}", self.rows - before));
        let rows = self.rows - before;
        figures.tell("  until the space of removed files is back", format!("{waited} ms"));
        figures.tell("compaction alone", format!("{} rows/s", per_second(rows, self.took)));
        figures.tell("  CPU each row", format!("{} ns", nanos_each(rows, cpu("self") - began)));
    }
}
