//! Which records cannot be read, and where good ones begin again: librdkafka tells neither.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use super::fault::{KafkaFault, is_transient_code};
use super::health::{KafkaContext, KafkaHealth};
use super::place::TopicPartition;
use super::probe::Deadline;
use super::settings::KafkaSettings;

/// Whether an error means that records came, but not whole.
pub(super) const fn is_damage(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::BadMessage | Code::BadCompression | Code::InvalidMessage | Code::InvalidRecord)
}

/// What the partitions give when they are read again where reading stood: the first whose records are damaged there, or
/// that all of them are whole now.
pub(super) fn diagnose(
    settings: &KafkaSettings,
    health: &Arc<KafkaHealth>,
    positions: &[(TopicPartition, i64)],
    timeout: Duration,
) -> Result<KafkaFault, KafkaFault> {
    let deadline = Deadline::after(timeout);
    for (place, position) in positions {
        if let Some(next) = read_again(settings, health, (place, *position), deadline)? {
            return Ok(KafkaFault::RecordsDamaged { place: place.clone(), position: *position, next });
        }
    }
    Ok(KafkaFault::DamagedOnTheWay)
}

/// The first good offset behind damaged records at `position` (`None`: behind the last one that Kafka has now); nothing
/// when they are whole.
fn read_again(
    settings: &KafkaSettings,
    health: &Arc<KafkaHealth>,
    (place, position): (&TopicPartition, i64),
    deadline: Deadline,
) -> Result<Option<Option<i64>>, KafkaFault> {
    let context = KafkaContext::new(Arc::clone(health), "damage");
    let consumer: BaseConsumer<KafkaContext> =
        settings.read_back().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
    let mut assignment = TopicPartitionList::with_capacity(1);
    assignment
        .add_partition_offset(&place.topic, place.partition, Offset::Offset(position))
        .and_then(|()| consumer.assign(&assignment))
        .map_err(|error| KafkaFault::of(&error))?;
    let mut damaged = false;
    while !deadline.is_over() {
        match consumer.poll(deadline.left().min(Duration::from_millis(100))) {
            None => {}
            Some(Ok(message)) => return Ok(damaged.then(|| Some(message.offset()))),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(damaged.then_some(None)),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(code) if is_damage(code) => damaged = true,
                Some(code) if is_transient_code(code) => {}
                _ => return Err(KafkaFault::of(&error)),
            },
        }
    }
    if damaged {
        return Ok(Some(None));
    }
    Err(KafkaFault::Unreachable { reason: "the damaged records did not come again in time".to_owned() })
}
