//! The newest record of a partition, read back: where a writer of this topic stopped.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, Timestamp};
use rdkafka::{Offset, TopicPartitionList};

use super::fault::{KafkaFault, is_transient_code};
use super::health::{KafkaContext, KafkaHealth};
use super::place::TopicPartition;
use super::probe::{Deadline, KafkaProbe};
use super::settings::ClientSettings;
use crate::domain::time::UtcMillis;

/// The newest record of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestRecord {
    /// Its value.
    pub payload: Vec<u8>,
    /// Its timestamp; `None` in a log that has none.
    pub timestamp: Option<UtcMillis>,
    /// Whether the broker set the timestamp when it appended the record, by its own clock.
    pub is_append_time: bool,
}

/// The value of the newest record of a partition; `None` when the partition has none.
///
/// # Errors
/// Kafka does not answer within `timeout`, or refuses.
pub fn last_record(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    place: &TopicPartition,
    timeout: Duration,
) -> Result<Option<Vec<u8>>, KafkaFault> {
    Ok(newest_record(settings, health, place, timeout)?.map(|newest| newest.payload))
}

/// The newest record of a partition; `None` when the partition has none. An empty partition is read, too, so that a
/// missing right to read it shows.
///
/// # Errors
/// Kafka does not answer within `timeout`, or refuses.
pub fn newest_record(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    place: &TopicPartition,
    timeout: Duration,
) -> Result<Option<NewestRecord>, KafkaFault> {
    let deadline = Deadline::after(timeout);
    let probe = KafkaProbe::new(settings, Arc::clone(health))?;
    let ranges = probe.ranges(std::slice::from_ref(place), deadline.left())?;
    let Some(range) = ranges.first() else { return Ok(None) };
    let newest = range.end.saturating_sub(1).max(range.low);
    let context = KafkaContext::new(Arc::clone(health), "read back");
    let consumer: BaseConsumer<KafkaContext> =
        settings.read_back().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
    let mut assignment = TopicPartitionList::with_capacity(1);
    assignment
        .add_partition_offset(&place.topic, place.partition, Offset::Offset(newest))
        .map_err(|error| KafkaFault::of(&error))?;
    consumer.assign(&assignment).map_err(|error| KafkaFault::of(&error))?;
    while !deadline.is_over() {
        match consumer.poll(deadline.left().min(Duration::from_millis(100))) {
            None => {}
            Some(Ok(message)) => {
                let timestamp = message.timestamp();
                return Ok(Some(NewestRecord {
                    payload: message.payload().unwrap_or_default().to_vec(),
                    timestamp: timestamp.to_millis().map(UtcMillis::new),
                    is_append_time: matches!(timestamp, Timestamp::LogAppendTime(_)),
                }));
            }
            // There is none, or the last place holds a marker of a transaction.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(code) if is_transient_code(code) => {}
                _ => return Err(KafkaFault::of(&error)),
            },
        }
    }
    Err(KafkaFault::Unreachable { reason: format!("the newest record of {place} did not come in time") })
}
