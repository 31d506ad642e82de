//! Compactions in the background, started and installed by the writer between two commits.

use super::compaction_lanes::{Lanes, lanes};
use super::event_log::EventLog;
use super::threads::{Threads, Urgency};
use crate::domain::time::LocalDay;
use crate::ledger::{Compacted, Ledger};
use crate::telemetry::clock::Clock;
use crate::telemetry::metrics::CompactionFacts;
use crate::wait::Stop;
use std::io;
use std::time::{Duration, Instant};
use tracing::{debug, info};

/// Days that ended this long ago get a major compaction: what still comes for them is rare.
const MAJOR_AFTER_DAYS: i32 = 2;
/// A day that is over is merged whole for a few late orders once none came for this long.
const QUIET_FOR: Duration = Duration::from_secs(60 * 60);
/// How often the writer looks for something to compact.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the writer knows of the compactions.
#[derive(Debug)]
pub struct Compactor {
    lanes: Lanes,
    looked: Instant,
}

impl Compactor {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(stop: &Stop, threads: &mut Threads) -> io::Result<Self> {
        let (lanes, workers) = lanes(stop);
        for (name, worker) in workers {
            threads.start(name, Urgency::Background, move || worker.run())?;
        }
        Ok(Self { lanes, looked: Instant::now() })
    }

    /// Installs what is done and, if some may begin, starts what is due. Waits for a compaction under way while a day has too many
    /// runs.
    pub fn step(
        &mut self,
        ledger: &mut Ledger,
        clock: &Clock,
        event_log: &EventLog,
        may_begin: bool,
    ) -> anyhow::Result<()> {
        while let Some(compacted) = self.lanes.next_done()? {
            install(compacted, ledger, clock, event_log)?;
        }
        ledger.collect_released()?;
        let is_behind = self.lanes.is_behind(ledger);
        if may_begin && (is_behind || self.looked.elapsed() >= LOOK_EVERY) {
            self.looked = Instant::now();
            self.begin(ledger, clock, event_log)?;
        }
        if is_behind && let Some(compacted) = self.lanes.wait_for_one()? {
            install(compacted, ledger, clock, event_log)?;
        }
        Ok(())
    }

    fn begin(&mut self, ledger: &mut Ledger, clock: &Clock, event_log: &EventLog) -> anyhow::Result<()> {
        // A clock that jumped does not say which days are old.
        if clock.jump().is_none()
            && let Some(dropped) = ledger.drop_expired(clock.now())?
        {
            info!(first_kept = %dropped.line, days = dropped.days, rows = dropped.rows, "retention dropped days");
            return Ok(());
        }
        let today = ledger.options().zone.day(clock.now());
        let major_before = LocalDay(today.0.saturating_sub(MAJOR_AFTER_DAYS));
        for begun in self.lanes.begin(ledger, (major_before, QUIET_FOR))? {
            debug!(day = %begun.day, rows = begun.rows, "compaction begins");
            event_log.metrics.compaction_began();
        }
        Ok(())
    }

    /// Waits for the jobs under way, which give up when the service stops; they are begun again after the next start.
    pub fn finish(&mut self, ledger: &mut Ledger, clock: &Clock, event_log: &EventLog) -> anyhow::Result<()> {
        while let Some(compacted) = self.lanes.wait_for_one()? {
            install(compacted, ledger, clock, event_log)?;
        }
        ledger.collect_released()?;
        Ok(())
    }
}

fn install(
    compacted: Compacted,
    ledger: &mut Ledger,
    clock: &Clock,
    event_log: &EventLog,
) -> anyhow::Result<()> {
    let report = ledger.install(compacted, clock.now())?;
    event_log.metrics.compaction_ended(CompactionFacts { done: report.installed, bytes: report.bytes.1 });
    debug!(day = %report.day, rows = report.rows, installed = report.installed, "compaction ended");
    Ok(())
}
