//! Reading the assigned partitions, from exactly the offsets of the ledger.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::damage::{diagnose, is_damage};
use super::fault::{KafkaFault, describe, is_transient_code};
use super::health::{KafkaContext, KafkaHealth};
use super::place::{TopicPartition, next_offset};
use super::probe::KafkaProbe;
use super::record::Record;
use super::settings::ClientSettings;

/// How long a lost position is looked into before the reader stops without having found the partition.
const DIAGNOSIS: Duration = Duration::from_secs(10);

/// How long closing waits for progress reports that are under way.
const CLOSING: Duration = Duration::from_secs(3);

/// Where reading a partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At this offset: the ledger's position.
    Offset(i64),
    /// At the first record that Kafka still has: the ledger never read this partition.
    Beginning,
}

/// A partition to read and where to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which partition.
    pub place: TopicPartition,
    /// From where.
    pub at: StartAt,
}

/// What a poll brought.
pub enum Polled<'a> {
    /// The next record of some partition; within a partition in the order of offsets, each once.
    Record(Record<'a>),
    /// Nothing within the timeout (or librdkafka had something else to do); poll again.
    Idle,
    /// Reading must stop.
    Fault(KafkaFault),
}

/// A topic's partitions by number; `None` where a partition is not read here.
struct Topic {
    name: String,
    partitions: Vec<Option<Partition>>,
}

struct Partition {
    /// The offset after the last record handed out, or the start; `None` at the beginning.
    next: Cell<Option<i64>>,
}

/// Reads assigned partitions. One thread polls; records are borrowed from librdkafka's buffer.
pub struct PartitionSource {
    /// Not shared, but see [`Drop`].
    consumer: Arc<BaseConsumer<KafkaContext>>,
    settings: ClientSettings,
    probe: KafkaProbe,
    health: Arc<KafkaHealth>,
    topics: Vec<Topic>,
    /// Address of librdkafka's topic object of the last record, and the index of that topic: saves comparing names.
    last_topic: Cell<(usize, usize)>,
    /// Whether progress was ever reported: then closing has to look at it.
    has_reported: Cell<bool>,
}

impl PartitionSource {
    /// A source that reads nothing yet.
    pub fn new(settings: &ClientSettings, health: Arc<KafkaHealth>) -> Result<Self, KafkaFault> {
        let context = KafkaContext::new(Arc::clone(&health), "reader");
        let consumer: BaseConsumer<KafkaContext> =
            settings.reader().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
        let consumer = Arc::new(consumer);
        let probe = KafkaProbe::new(settings, Arc::clone(&health))?;
        Ok(Self {
            consumer,
            settings: settings.clone(),
            probe,
            health,
            topics: Vec::new(),
            last_topic: Cell::new((0, 0)),
            has_reported: Cell::new(false),
        })
    }

    /// Adds partitions to those that are read; the others continue where they are. A partition that is read already is
    /// left alone.
    ///
    /// Positions that a former process left should have passed [`super::check_continuation`] first.
    pub fn add(&mut self, starts: &[Start]) -> Result<(), KafkaFault> {
        // Assigning again would drop what was fetched ahead.
        if starts.is_empty() {
            return Ok(());
        }
        for start in starts {
            let topic = self.topic_entry(&start.place.topic);
            let index = usize::try_from(start.place.partition)
                .map_err(|_| KafkaFault::PartitionMissing { place: start.place.clone() })?;
            if topic.partitions.len() <= index {
                topic.partitions.resize_with(index.saturating_add(1), || None);
            }
            if let Some(slot) = topic.partitions.get_mut(index) {
                slot.get_or_insert_with(|| {
                    let next = if let StartAt::Offset(offset) = start.at { Some(offset) } else { None };
                    Partition { next: Cell::new(next) }
                });
            }
        }
        self.assign()
    }

    /// The next record, or why there is none. Waits `timeout` at most. Records may be held while polling on.
    pub fn poll(&self, timeout: Duration) -> Polled<'_> {
        // Without a wait librdkafka need not read the clock: mostly a record is there.
        let mut wait = Duration::ZERO;
        loop {
            match self.consumer.poll(wait) {
                None if wait == timeout => return Polled::Idle,
                None => wait = timeout,
                Some(Ok(message)) => {
                    self.health.reached();
                    if let Some(record) = self.accept(message) {
                        return Polled::Record(record);
                    }
                }
                Some(Err(error)) => {
                    return self.judge(&error).map_or(Polled::Idle, Polled::Fault);
                }
            }
        }
    }

    /// The name of the topic with this index. Indexes stay as they are while the source lives.
    pub fn topic(&self, index: usize) -> Option<&str> {
        self.topics.get(index).map(|topic| topic.name.as_str())
    }

    /// The index of a topic that is read.
    pub fn topic_index(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic.name == name)
    }

    /// Every partition that is read, in the order of topic index and partition.
    pub fn places(&self) -> Vec<TopicPartition> {
        self.slots().map(|(topic, partition, _)| TopicPartition::new(topic, partition)).collect()
    }

    /// The position of reading: below each position every record was handed out by [`Self::poll`], and transaction markers
    /// count as read. `None` for a partition that started at its beginning and has not brought anything.
    pub fn positions(&self) -> Result<Vec<(TopicPartition, Option<i64>)>, KafkaFault> {
        let reached = self.consumer.position().map_err(|error| KafkaFault::of(&error))?;
        Ok(self
            .slots()
            .map(|(topic, partition, slot)| {
                // Only a transaction marker moves librdkafka's position without a record.
                let beyond =
                    reached.find_partition(topic, partition).and_then(|element| match element.offset() {
                        Offset::Offset(offset) => Some(offset),
                        _ => None,
                    });
                (TopicPartition::new(topic, partition), slot.next.get().max(beyond))
            })
            .collect())
    }

    /// The position of one partition; see [`Self::positions`].
    pub fn position(&self, place: &TopicPartition) -> Result<Option<i64>, KafkaFault> {
        let positions = self.positions()?;
        Ok(positions.into_iter().find(|(known, _)| known == place).and_then(|(_, position)| position))
    }

    /// The probe that shares this source's settings.
    pub const fn probe(&self) -> &KafkaProbe {
        &self.probe
    }

    pub(super) fn client(&self) -> &BaseConsumer<KafkaContext> {
        &self.consumer
    }

    pub(super) fn health(&self) -> &KafkaHealth {
        &self.health
    }

    pub(super) fn note_progress(&self) {
        self.has_reported.set(true);
        self.health.progress_sent();
    }

    fn topic_entry(&mut self, name: &str) -> &mut Topic {
        let index = self.topic_index(name).unwrap_or(self.topics.len());
        if index == self.topics.len() {
            self.topics.push(Topic { name: name.to_owned(), partitions: Vec::new() });
        }
        // The index was found or just made.
        #[expect(clippy::indexing_slicing, reason = "the index was found or pushed above")]
        &mut self.topics[index]
    }

    fn slots(&self) -> impl Iterator<Item = (&str, i32, &Partition)> {
        self.topics.iter().flat_map(|topic| {
            let numbered = (0_i32..).zip(&topic.partitions);
            numbered
                .filter_map(|(number, slot)| slot.as_ref().map(|slot| (topic.name.as_str(), number, slot)))
        })
    }

    /// Tells librdkafka the whole assignment; partitions that are read already continue at their position.
    fn assign(&self) -> Result<(), KafkaFault> {
        let positions = self.positions()?;
        let mut assignment = TopicPartitionList::with_capacity(positions.len());
        for (place, position) in positions {
            // A position is absent only where reading starts at the beginning and nothing has come yet.
            let at = position.map_or(Offset::Beginning, Offset::Offset);
            assignment
                .add_partition_offset(&place.topic, place.partition, at)
                .map_err(|error| KafkaFault::of(&error))?;
        }
        self.last_topic.set((0, 0));
        self.consumer.assign(&assignment).map_err(|error| KafkaFault::of(&error))
    }

    /// Counts a record as handed out; `None` for one that was handed out before or is not asked for.
    fn accept<'a>(&self, message: BorrowedMessage<'a>) -> Option<Record<'a>> {
        let topic = self.topic_of(&message)?;
        let index = usize::try_from(message.partition()).ok()?;
        let slot = self.topics.get(topic)?.partitions.get(index)?.as_ref()?;
        let offset = message.offset();
        if slot.next.get().is_some_and(|next| offset < next) {
            self.health.repeated();
            return None;
        }
        slot.next.set(Some(next_offset(offset)));
        Some(Record::new(topic, message))
    }

    fn topic_of(&self, message: &BorrowedMessage<'_>) -> Option<usize> {
        let address = message.topic_ptr().addr();
        let (last_address, last_index) = self.last_topic.get();
        if address == last_address {
            return Some(last_index);
        }
        let index = self.topic_index(message.topic())?;
        self.last_topic.set((address, index));
        Some(index)
    }

    /// The fault that an error means; `None` when librdkafka continues by itself without having skipped anything.
    fn judge(&self, error: &KafkaError) -> Option<KafkaFault> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Some(KafkaFault::Refused { reason: code.to_string() });
        }
        match error.rdkafka_error_code() {
            None | Some(RDKafkaErrorCode::PartitionEOF) => None,
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::LogTruncation,
            ) => Some(self.find_lost_position(error)),
            Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition,
            ) => self.confirm_missing(),
            Some(code) if is_transient_code(code) => None,
            Some(code) if is_damage(code) => Some(self.find_damage(error)),
            Some(code) => Some(KafkaFault::Refused { reason: code.to_string() }),
        }
    }

    /// librdkafka does not say which partition was refused, and has stopped reading it: the ranges tell.
    fn find_lost_position(&self, error: &KafkaError) -> KafkaFault {
        let found = self.positions().and_then(|positions| {
            let (places, at): (Vec<_>, Vec<_>) = positions.into_iter().unzip();
            let ranges = self.probe.ranges(&places, DIAGNOSIS)?;
            ranges.iter().zip(at).try_for_each(|(range, at)| at.map_or(Ok(()), |at| range.check(at)))
        });
        match found {
            Err(fault) if !fault.is_transient() => fault,
            _ => KafkaFault::PositionRefused { reason: describe(error) },
        }
    }

    /// librdkafka has stepped over damaged records and does not say where. What came before them was handed out, so they
    /// lie at the position of their partition.
    fn find_damage(&self, error: &KafkaError) -> KafkaFault {
        let standing: Vec<(TopicPartition, i64)> = self
            .slots()
            .filter_map(|(topic, partition, slot)| {
                Some((TopicPartition::new(topic, partition), slot.next.get()?))
            })
            .collect();
        diagnose(&self.settings, &self.health, &standing, DIAGNOSIS).unwrap_or_else(|why| {
            KafkaFault::Refused {
                reason: format!("{} (the end of the damage was not found: {why})", describe(error)),
            }
        })
    }

    /// A topic unknown to one broker for a moment is no fault; one that the cluster does not know is.
    fn confirm_missing(&self) -> Option<KafkaFault> {
        let names = self.topics.iter().map(|topic| topic.name.as_str());
        match self.probe.discover(names, DIAGNOSIS) {
            Ok(found) => self
                .places()
                .into_iter()
                .find(|place| {
                    !found.iter().flat_map(super::TopicPartitions::places).any(|known| known == *place)
                })
                .map(|place| KafkaFault::PartitionMissing { place }),
            Err(fault) if fault.is_transient() => None,
            Err(fault) => Some(fault),
        }
    }
}

impl Drop for PartitionSource {
    /// Closes within a bound. librdkafka's own closing waits for every offset commit under way, and when its coordinator
    /// went away at the wrong moment it waits for ever. Nothing depends on such a commit, so the client is then left
    /// to the end of the process.
    fn drop(&mut self) {
        if self.has_reported.get() && !self.is_progress_settled() {
            tracing::warn!(
                event = "kafka_left_open",
                "the last progress was not reported: Kafka does not answer"
            );
            std::mem::forget(Arc::clone(&self.consumer));
        }
    }
}

impl PartitionSource {
    /// Whether the coordinator answers a question that queues behind every commit sent before it.
    fn is_progress_settled(&self) -> bool {
        let mut asked = TopicPartitionList::new();
        if let Some((topic, partition, _)) = self.slots().next() {
            asked.add_partition(topic, partition);
        }
        self.consumer.committed_offsets(asked, CLOSING).is_ok()
    }
}
