//! The writer thread: takes batches and observations in the order in which they were sent, commits, and reports.

use super::event_log::EventLog;
use super::handover::{HandedOver, Handover};
use super::status::Status;
use crate::ledger::{Batch, CommitExtras, DiskSpace, Ledger, Observations};
use crate::telemetry::clock::Clock;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// What the writer is sent.
#[derive(Debug)]
pub enum Work {
    /// Records, and what was observed up to their end.
    Batch(Box<Batch>, Observations),
    /// What was observed besides records.
    Observed(Observations),
    /// What an operator did.
    Operator(CommitExtras, Observations),
}

/// While nothing arrives, completeness that moved is committed this often: the contract says 5 s at least.
const IDLE_COMMIT_EVERY: Duration = Duration::from_secs(3);
/// How long the writer waits for work before it looks around.
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(100);

/// The writer's belongings.
pub struct Writer {
    /// The ledger, owned by this thread.
    pub ledger: Ledger,
    /// Records and bytes of a full batch.
    pub batch_limits: (u32, usize),
    /// Work, in order.
    pub work: Receiver<Work>,
    /// Emptied batches go back.
    pub emptied: SyncSender<Batch>,
    /// The present.
    pub clock: Clock,
    /// Told when a write fails.
    pub status: Arc<Status>,
    /// Metrics and log.
    pub event_log: EventLog,
    /// Space on the disk.
    pub disk_space: DiskSpace,
    /// Compactions in the background.
    pub compactor: super::compactor::Compactor,
    /// Seals of settled days, if they are wanted.
    pub sealer: Option<super::sealer::Sealer>,
    /// Told when the next writer may begin.
    pub handover: Arc<Handover>,
}

impl Writer {
    /// Runs until every sender of work is gone; what they sent is committed. Then the next writer may begin.
    pub fn run(mut self) -> anyhow::Result<()> {
        let worked = self.work();
        if worked.is_ok() {
            self.ledger.hand_over();
        }
        let outcome = worked.as_ref().map_err(|problem| format!("{problem:#}")).map(|()| {
            let activity = self.ledger.writer_activity();
            let (epoch, slot) = activity.map_or((0, 0), |activity| (activity.epoch, activity.newest));
            let commit = self.ledger.published().current().root().commit;
            HandedOver { epoch, slot, commit, milliseconds: 0 }
        });
        self.handover.answer_handed_over(outcome);
        worked
    }

    fn work(&mut self) -> anyhow::Result<()> {
        let mut committed = Instant::now();
        let mut looked = Instant::now();
        loop {
            match self.work.recv_timeout(LOOK_AROUND_EVERY) {
                Ok(work) => {
                    if self.take(work)? {
                        committed = Instant::now();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if committed.elapsed() >= IDLE_COMMIT_EVERY {
                self.ledger.set_catching_up(false);
                self.commit_news()?;
                committed = Instant::now();
            }
            if looked.elapsed() >= LOOK_AROUND_EVERY {
                self.event_log.disk_space(&self.disk_space.look()?, &self.status);
                looked = Instant::now();
            }
            // A compaction needs disk space before it frees some.
            let may_begin = !self.status.free().is_short;
            self.compactor.step(&mut self.ledger, &self.clock, &self.event_log, may_begin)?;
            if let Some(sealer) = &mut self.sealer {
                sealer.step(&mut self.ledger, &self.clock, may_begin)?;
            }
        }
        self.commit_news()?;
        self.compactor.finish(&mut self.ledger, &self.clock, &self.event_log)?;
        Ok(())
    }

    /// Whether a commit was made.
    fn take(&mut self, work: Work) -> anyhow::Result<bool> {
        match work {
            Work::Observed(observed) => {
                self.ledger.observe(&observed);
                Ok(false)
            }
            Work::Batch(mut batch, observed) => {
                // A batch that is full before its time is up: more waits in Kafka.
                let (records_max, bytes_max) = self.batch_limits;
                self.ledger.set_catching_up(batch.is_full(records_max, bytes_max));
                self.commit(&batch, &CommitExtras::default())?;
                // The positions that were observed lie behind the batch's records.
                self.ledger.observe(&observed);
                batch.clear();
                // When the reader has enough empty batches, this one is dropped.
                let _full = self.emptied.try_send(*batch);
                Ok(true)
            }
            Work::Operator(extras, observed) => {
                self.ledger.observe(&observed);
                self.commit(&Batch::default(), &extras)?;
                Ok(true)
            }
        }
    }

    fn commit_news(&mut self) -> anyhow::Result<()> {
        // A clock that jumped may claim completeness that was not reached.
        if self.clock.jump().is_none() && self.ledger.has_news(self.clock.now()) {
            self.commit(&Batch::default(), &CommitExtras::default())?;
        }
        Ok(())
    }

    fn commit(&mut self, batch: &Batch, extras: &CommitExtras) -> anyhow::Result<()> {
        self.ledger.pause_completeness(self.clock.jump().is_some());
        match self.ledger.commit(batch, extras, self.clock.now()) {
            Ok(report) => {
                self.event_log.committed(&report, &self.ledger);
                Ok(())
            }
            Err(error) => {
                self.event_log.poisoned(&error);
                self.status.set_poisoned();
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::compactor::Compactor;
    use crate::app::threads::Threads;
    use crate::config::Config;
    use crate::domain::arrival::Timestamp;
    use crate::domain::time::{LocalDay, UtcMillis};
    use crate::http::ServiceRole;
    use crate::ledger::{Arrival, CompactionScope, LedgerOptions, Source};
    use crate::pipeline::{receive, rules_for};
    use crate::storage::Storage;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::traces::Traces;
    use crate::wait::Stop;
    use std::sync::mpsc::sync_channel;

    const CONFIG: &str = r#"
[platform.p]
records_from = 2026-01-01
[[rate]]
category = "instant_delivery"
per_order = "0.07"
"#;
    const BATCH_RECORDS: u32 = 3;

    fn writer(config: &Config) -> Writer {
        let clock = Clock::start();
        let options = LedgerOptions { storage: Storage::memory(), ..LedgerOptions::new(config) };
        let mut ledger = Ledger::open(options).unwrap();
        ledger.activate_configuration(clock.now()).unwrap();
        let ((_, work), (emptied, _)) = (sync_channel(1), sync_channel(1));
        Writer {
            disk_space: DiskSpace::of(ledger.options()),
            ledger,
            batch_limits: (BATCH_RECORDS, usize::MAX),
            work,
            emptied,
            clock,
            status: Arc::new(Status::new(ServiceRole::Writer)),
            event_log: EventLog {
                metrics: Metrics::new().unwrap(),
                traces: Traces::from_env(&|_| None).unwrap(),
            },
            compactor: Compactor::start(&Stop::default(), &mut Threads::default()).unwrap(),
            sealer: None,
            handover: Arc::default(),
        }
    }

    /// Orders of a day that is over.
    fn batch(config: &Config, orders: std::ops::Range<u32>, now: UtcMillis) -> Work {
        let (mut batch, rules) = (Batch::default(), rules_for(config, None, None));
        let source = batch.source(&Source::Files);
        for order in orders {
            let payload = format!(
                r#"{{"platform":"p","order_id":"o{order}","rider_id":"r{order}","category":"instant_delivery","region":"310115","accepted_at":"2026-03-02T10:00:00Z","ended_at":"2026-03-02T10:20:00Z"}}"#
            );
            let arrival = Arrival {
                source,
                offset: i64::from(order),
                timestamp: Timestamp::Broker(now),
                payload: payload.as_bytes(),
                key: None,
                headers: &[],
            };
            receive(&mut batch, &arrival, &rules, &config.zone);
        }
        Work::Batch(Box::new(batch), Observations::default())
    }

    #[test]
    fn full_batches_keep_a_day_that_is_over_from_being_merged_whole() {
        let config = Config::from_text(CONFIG).unwrap();
        let mut writer = writer(&config);
        let now = writer.clock.now();
        let every_day = CompactionScope::every_size(LocalDay(i32::MAX));
        for first in [0, BATCH_RECORDS] {
            assert!(writer.take(batch(&config, first..first + BATCH_RECORDS, now)).unwrap());
        }
        assert_eq!(writer.ledger.runs_a_day_max(), 2);
        assert!(writer.ledger.begin_compaction(&every_day).is_none());
        assert!(writer.take(batch(&config, 100..101, now)).unwrap());
        assert!(writer.ledger.begin_compaction(&every_day).is_some());
    }
}
