//! Compactions in the background, started and installed by the writer between two commits.

use super::event_log::EventLog;
use crate::domain::time::LocalDay;
use crate::ledger::{Compacted, CompactionJob, Ledger, LedgerResult};
use crate::telemetry::clock::Clock;
use crate::telemetry::metrics::CompactionFacts;
use crate::wait::Stop;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing::{debug, info};

/// Days that ended this long ago get a major compaction: what still comes for them is rare.
const MAJOR_AFTER_DAYS: i32 = 2;
/// With more runs of a day than these, commits wait for the compaction under way: every question about a rider asks every
/// run.
const DAY_RUNS_HELD: usize = 64;
/// How often the writer looks for something to compact.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The writer's end: at most one compaction is under way.
#[derive(Debug)]
pub struct Compactor {
    jobs: SyncSender<CompactionJob>,
    done: Receiver<LedgerResult<Compacted>>,
    /// The day whose runs are being merged.
    under_way: Option<LocalDay>,
    looked: Instant,
}

/// The compacting thread's end.
#[derive(Debug)]
pub struct Bench {
    jobs: Receiver<CompactionJob>,
    done: SyncSender<LedgerResult<Compacted>>,
    stop: Stop,
}

/// Both ends.
pub fn compactor(stop: Stop) -> (Compactor, Bench) {
    let (jobs, to_do) = sync_channel(1);
    let (ready, done) = sync_channel(1);
    let compactor = Compactor { jobs, done, under_way: None, looked: Instant::now() };
    (compactor, Bench { jobs: to_do, done: ready, stop })
}

impl Bench {
    /// Works until the writer is gone. When the service is asked to stop, the job under way is cancelled and handed back.
    pub fn run(self) -> anyhow::Result<()> {
        for job in self.jobs {
            if self.done.send(job.run(self.stop.flag())).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Compactor {
    /// Installs what is done and, if one may begin, starts what is due.
    pub fn step(
        &mut self,
        ledger: &mut Ledger,
        clock: &Clock,
        event_log: &EventLog,
        may_begin: bool,
    ) -> anyhow::Result<()> {
        match self.done.try_recv() {
            Ok(compacted) => self.install(compacted?, ledger, clock, event_log)?,
            Err(TryRecvError::Empty) => {
                let behind = |day: LocalDay| ledger.runs_of_day(day) > DAY_RUNS_HELD;
                if self.under_way.is_some_and(behind)
                    && let Ok(compacted) = self.done.recv()
                {
                    self.install(compacted?, ledger, clock, event_log)?;
                }
            }
            Err(TryRecvError::Disconnected) if self.under_way.is_some() => {
                anyhow::bail!(
                    "Failed to hand over to the compaction: its thread ended; its own failure is in the log"
                )
            }
            Err(TryRecvError::Disconnected) => {}
        }
        ledger.collect_released()?;
        if !may_begin || self.under_way.is_some() || self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        // A clock that jumped does not say which days are old.
        if clock.jump().is_none()
            && let Some(dropped) = ledger.drop_expired(clock.now())?
        {
            info!(first_kept = %dropped.line, days = dropped.days, rows = dropped.rows, "retention dropped days");
            return Ok(());
        }
        let today = ledger.options().zone.day(clock.now());
        let major_before = LocalDay(today.0.saturating_sub(MAJOR_AFTER_DAYS));
        if let Some(job) = ledger.begin_compaction(major_before) {
            debug!(day = %job.day(), rows = job.rows(), "compaction begins");
            self.under_way = Some(job.day());
            event_log.metrics.compaction_began();
            match self.jobs.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    anyhow::bail!(
                        "Failed to hand over to the compaction: its thread ended; its own failure is in the log"
                    )
                }
            }
        }
        Ok(())
    }

    /// Waits for the job under way, which gives up when the service stops; it is begun again after the next start.
    pub fn finish(&mut self, ledger: &mut Ledger, clock: &Clock, event_log: &EventLog) -> anyhow::Result<()> {
        if self.under_way.is_some()
            && let Ok(compacted) = self.done.recv()
        {
            self.install(compacted?, ledger, clock, event_log)?;
        }
        ledger.collect_released()?;
        Ok(())
    }

    fn install(
        &mut self,
        compacted: Compacted,
        ledger: &mut Ledger,
        clock: &Clock,
        event_log: &EventLog,
    ) -> anyhow::Result<()> {
        self.under_way = None;
        let report = ledger.install(compacted, clock.now())?;
        event_log.metrics.compaction_ended(CompactionFacts { done: report.installed, bytes: report.bytes.1 });
        debug!(day = %report.day, rows = report.rows, installed = report.installed, "compaction ended");
        Ok(())
    }
}
