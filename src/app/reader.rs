//! The reader thread: polls Kafka, decodes in place, sends whole batches. Not polling is the back-pressure.

use super::status::Status;
use super::writer::Work;
use crate::config::Limits;
use crate::domain::event::EventRules;
use crate::domain::time::Zone;
use crate::ingest::kafka::{PartitionSource, Polled, Record, Start, TopicPartition, record_digest};
use crate::ledger::{Arrival, Batch, Observations, Published, Source, give_way};
use crate::pipeline::{limit_ahead, receive};
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// How long a poll waits for a record.
const POLL: Duration = Duration::from_millis(20);
/// How long the reader pauses before it checks the free disk space again.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the reader commits its progress to Kafka, for the usual lag tools.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// The reader's belongings.
pub struct Reader {
    /// Kafka.
    pub source: PartitionSource,
    /// Partitions to begin with later, as they are noticed.
    pub added: Receiver<Vec<Start>>,
    /// Where whole batches go.
    pub work: SyncSender<Work>,
    /// Where emptied ones come back.
    pub emptied: Receiver<Batch>,
    /// Rules of events, by topic.
    pub rules: BTreeMap<String, EventRules>,
    /// Zone of days.
    pub zone: Zone,
    /// How far ahead of the clock records may lie.
    pub limits: Limits,
    /// The present.
    pub clock: Clock,
    /// Records of a commit at most.
    pub batch_records: u32,
    /// Bytes of a commit at most.
    pub batch_bytes: usize,
    /// How long a record waits for others at most.
    pub batch_interval: Duration,
    /// The committed state.
    pub published: Arc<Published>,
    /// Shared with the query side.
    pub status: Arc<Status>,
    /// Asks to finish.
    pub stop: Stop,
}

/// The batch that is being filled.
#[derive(Default)]
struct Filling {
    batch: Batch,
    since: Option<Instant>,
}

/// Where the last record came from: records of a partition come together.
struct Origin<'a> {
    topic: usize,
    partition: i32,
    /// Batch number of the source.
    source: u16,
    rules: &'a EventRules,
}

impl Reader {
    /// Reads until it is asked to stop or reading cannot continue.
    pub fn run(mut self) -> anyhow::Result<()> {
        let mut filling = Filling::default();
        let mut reported = Instant::now();
        let mut tails: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        while !self.stop.is_set() {
            while let Ok(starts) = self.added.try_recv() {
                self.source.add(&starts)?;
                starts.iter().for_each(|start| self.status.note(&start.place, None));
            }
            if filling.batch.is_empty() {
                self.follow_retention();
                self.follow_clock();
            }
            if self.pause_if_disk_is_short(&mut filling)? {
                continue;
            }
            let idle = self.fill(&mut filling)?;
            let due = filling.since.is_some_and(|since| since.elapsed() >= self.batch_interval);
            if filling.batch.is_full(self.batch_records, self.batch_bytes) {
                self.send(&mut filling)?;
            } else if due {
                self.offer(&mut filling)?;
            } else if idle && filling.batch.is_empty() {
                self.observe_tails(&mut tails)?;
            }
            if reported.elapsed() >= REPORT_EVERY {
                self.report_progress();
                reported = Instant::now();
            }
        }
        if !filling.batch.is_empty() {
            self.send(&mut filling)?;
        }
        self.report_progress();
        Ok(())
    }

    /// While the disk is nearly full the reader polls nothing; what was polled before goes its way.
    fn pause_if_disk_is_short(&self, filling: &mut Filling) -> anyhow::Result<bool> {
        let short = self.status.free().is_short;
        if short {
            if !filling.batch.is_empty() {
                self.send(filling)?;
            }
            self.status.set_paused(true);
            self.stop.wait(PAUSE);
        } else if self.status.is_paused() {
            self.status.set_paused(false);
        }
        Ok(short)
    }

    /// Takes in records until the batch is due; `true` when there were none.
    fn fill(&self, filling: &mut Filling) -> anyhow::Result<bool> {
        let mut polls = 0_u32;
        let mut origin = None;
        loop {
            match self.source.poll(if filling.batch.is_empty() { POLL } else { Duration::from_millis(1) }) {
                Polled::Record(record) => self.take(&record, filling, &mut origin),
                Polled::Idle => return Ok(true),
                // The client continues trying by itself.
                Polled::Fault(fault) if fault.is_transient() => return Ok(true),
                Polled::Fault(fault) => return Err(fault.into()),
            }
            polls += 1;
            // Reading the clock costs as much as decoding: it is enough every few hundred records.
            let is_turn = polls.is_multiple_of(256);
            if is_turn {
                give_way();
            }
            let due = is_turn && filling.since.is_some_and(|since| since.elapsed() >= self.batch_interval);
            if due || filling.batch.is_full(self.batch_records, self.batch_bytes) {
                return Ok(false);
            }
        }
    }

    #[inline]
    fn take<'a>(&'a self, record: &Record<'_>, filling: &mut Filling, origin: &mut Option<Origin<'a>>) {
        if filling.since.is_none() {
            filling.since = Some(Instant::now());
        }
        let same = |known: &&Origin<'_>| (known.topic, known.partition) == (record.topic, record.partition);
        if origin.as_ref().filter(same).is_none() {
            *origin = self.origin(record, &mut filling.batch);
        }
        let Some(Origin { source, rules, .. }) = *origin else { return };
        let headers: Vec<(String, Vec<u8>)> =
            record.headers().into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        let arrival = Arrival {
            source,
            offset: record.offset,
            timestamp: record.timestamp(),
            payload: record.payload(),
            key: record.key(),
            headers: &headers,
        };
        receive(&mut filling.batch, &arrival, rules, &self.zone);
    }

    fn origin(&self, record: &Record<'_>, batch: &mut Batch) -> Option<Origin<'_>> {
        let topic = self.source.topic(record.topic)?;
        let rules = self.rules.get(topic)?;
        let source = batch.source(&Source::Kafka { topic: topic.to_owned(), partition: record.partition });
        Some(Origin { topic: record.topic, partition: record.partition, source, rules })
    }

    /// Sends the batch if the writer waits for one. Otherwise it continues growing meanwhile: the more a commit takes in, the
    /// less each record costs.
    fn offer(&self, filling: &mut Filling) -> anyhow::Result<()> {
        filling.batch.digest_last(record_digest);
        let batch = Box::new(std::mem::take(&mut filling.batch));
        match self.work.try_send(Work::Batch(batch, Observations::default())) {
            Ok(()) => {
                *filling = Filling { batch: self.emptied.try_recv().unwrap_or_default(), since: None };
                Ok(())
            }
            Err(TrySendError::Full(Work::Batch(batch, _))) => {
                filling.batch = *batch;
                Ok(())
            }
            Err(_) => Err(anyhow::anyhow!(
                "Failed to hand over to the writer: it ended; its own failure is in the log"
            )),
        }
    }

    /// Sends the batch. Waits while the writer has enough to do.
    fn send(&self, filling: &mut Filling) -> anyhow::Result<()> {
        let next = self.emptied.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut filling.batch, next);
        batch.digest_last(record_digest);
        filling.since = None;
        self.work.send(Work::Batch(Box::new(batch), Observations::default())).map_err(|_| {
            anyhow::anyhow!("Failed to hand over to the writer: it ended; its own failure is in the log")
        })
    }

    /// The next batch is judged by the retention line that is in force; the writer refuses what was decoded before.
    fn follow_retention(&mut self) {
        let line = self.published.current().root().retention_line;
        for rules in self.rules.values_mut() {
            if rules.retention.as_ref().map(|(line, _)| *line) != line {
                rules.retention = line.map(|line| (line, self.zone.clone()));
            }
        }
    }

    /// The next batch is judged by the present.
    fn follow_clock(&mut self) {
        let now = self.clock.now();
        self.rules.values_mut().for_each(|rules| limit_ahead(rules, &self.limits, now));
    }

    /// Everything that was polled is sent: the positions, control records included, lie behind it.
    fn observe_tails(&self, known: &mut BTreeMap<TopicPartition, i64>) -> anyhow::Result<()> {
        let mut observed = Observations::default();
        for (place, position) in self.source.positions()? {
            let Some(position) = position else { continue };
            if known.insert(place.clone(), position) != Some(position) {
                observed.tails.push((place.topic, place.partition, position));
            }
        }
        if observed.tails.is_empty() {
            return Ok(());
        }
        self.work.send(Work::Observed(observed)).map_err(|_| {
            anyhow::anyhow!("Failed to hand over to the writer: it ended; its own failure is in the log")
        })
    }

    /// Committed positions, as progress only: reading never starts from them.
    fn report_progress(&self) {
        let state = self.published.current();
        let completeness = crate::domain::view::LedgerView::completeness(&*state);
        let positions: Vec<(TopicPartition, i64)> = self
            .source
            .places()
            .into_iter()
            .filter_map(|place| {
                let facts = completeness.topics.get(&place.topic)?.partitions.get(&place.partition)?;
                Some((place, facts.next_offset))
            })
            .collect();
        self.source.report_progress(&positions);
    }
}
