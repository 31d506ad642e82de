//! Which records cannot be read, and where good ones begin again: librdkafka tells neither.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::fault::{KafkaFault, is_transient_code};
use super::health::{KafkaContext, KafkaHealth};
use super::place::TopicPartition;
use super::probe::Deadline;
use super::settings::ClientSettings;

/// Whether an error means that records came, but not whole.
pub(super) const fn is_damage(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::BadMessage | Code::BadCompression | Code::InvalidMessage | Code::InvalidRecord)
}

/// What the partitions give when they are read again where reading stood: the first whose records are damaged there, or
/// that all of them are whole now.
pub(super) fn diagnose(
    settings: &ClientSettings,
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
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    (place, position): (&TopicPartition, i64),
    deadline: Deadline,
) -> Result<Option<Option<i64>>, KafkaFault> {
    let is_damaged = |offset| is_damaged_at(settings, health, (place, offset), deadline);
    if !is_damaged(position)? {
        return Ok(None);
    }
    let end = end_of(settings, health, place, deadline)?;
    // Kafka sends a batch whole, and it is damaged as a whole: looked for in growing steps, then between the last two. Of
    // damaged batches close to each other this finds the end of one, not always of the first.
    let (mut damaged, mut step) = (position, 1);
    let mut whole = loop {
        let next = damaged.saturating_add(step).min(end);
        if next >= end || !is_damaged(next)? {
            break next;
        }
        (damaged, step) = (next, step.saturating_mul(2));
    };
    while whole - damaged > 1 {
        let middle = damaged + (whole - damaged) / 2;
        if is_damaged(middle)? {
            damaged = middle;
        } else {
            whole = middle;
        }
    }
    Ok(Some((whole < end).then_some(whole)))
}

/// A consumer of its own each time: after damaged records librdkafka continues at a place that it does not report.
fn consumer(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
) -> Result<BaseConsumer<KafkaContext>, KafkaFault> {
    let context = KafkaContext::new(Arc::clone(health), "damage");
    settings.read_back().create_with_context(context).map_err(|error| KafkaFault::of(&error))
}

/// Whether the first thing that comes from an offset on is damaged.
fn is_damaged_at(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    (place, offset): (&TopicPartition, i64),
    deadline: Deadline,
) -> Result<bool, KafkaFault> {
    let consumer = consumer(settings, health)?;
    let mut assignment = TopicPartitionList::with_capacity(1);
    assignment
        .add_partition_offset(&place.topic, place.partition, Offset::Offset(offset))
        .and_then(|()| consumer.assign(&assignment))
        .map_err(|error| KafkaFault::of(&error))?;
    while !deadline.is_over() {
        match consumer.poll(deadline.left().min(Duration::from_millis(100))) {
            None => {}
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(code) if is_damage(code) => return Ok(true),
                Some(code) if is_transient_code(code) => {}
                _ => return Err(KafkaFault::of(&error)),
            },
        }
    }
    Err(KafkaFault::Unreachable { reason: "the damaged records did not come again in time".to_owned() })
}

/// The offset that the next record of a partition will get.
fn end_of(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    place: &TopicPartition,
    deadline: Deadline,
) -> Result<i64, KafkaFault> {
    let (_, end) = consumer(settings, health)?
        .fetch_watermarks(&place.topic, place.partition, deadline.left())
        .map_err(|error| KafkaFault::of(&error))?;
    Ok(end)
}
