//! Whether a partition is still the log that was read before.
//!
//! A topic that was deleted and made again, or another cluster under the same name, has other records at the same
//! offsets. The ledger keeps which topic of which cluster it read each partition from, and a digest of the last applied
//! record. Before reading continues, both are compared: the ids first, then the record is read back. The record is all there
//! is where a broker tells no ids, and it notices a log that was cut and filled again under the same id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::described::{Cleanup, Described};
use super::fault::{KafkaFault, describe, is_transient_code};
use super::health::{KafkaContext, KafkaHealth};
use super::place::TopicPartition;
use super::probe::{Deadline, KafkaProbe};
use super::settings::ClientSettings;
use super::watermark::OffsetRange;
use crate::domain::completeness::{Difference, TopicIdentity};
use crate::domain::time::UtcMillis;

/// What tells a record from another one at the same offset: key, value and timestamp.
///
/// Three hashes, each the seed of the next, instead of one over a copy: this runs beside decoding.
pub fn record_digest(key: Option<&[u8]>, payload: &[u8], timestamp: Option<UtcMillis>) -> [u8; 16] {
    // An absent key is not an empty one, an absent timestamp not the epoch.
    let stamp = timestamp.map_or([0; 8], |at| at.millis().to_be_bytes());
    let stamp = xxh3_64_with_seed(&stamp, u64::from(timestamp.is_some()));
    let seed = key.map_or(stamp, |key| xxh3_64_with_seed(key, stamp ^ 1));
    xxh3_128_with_seed(payload, seed).to_be_bytes()
}

/// The last record of a partition that the ledger applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastApplied {
    /// Its offset; the position lies behind it, farther when transaction markers follow.
    pub offset: i64,
    /// Its [`record_digest`].
    pub digest: [u8; 16],
}

/// A partition that was read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Which partition.
    pub place: TopicPartition,
    /// The ledger's position: the next offset to read.
    pub position: i64,
    /// `None` when no record of it was ever applied.
    pub last: Option<LastApplied>,
    /// The topic that was read.
    pub identity: TopicIdentity,
}

/// How sure it is that a partition can be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// The last applied record was read back and is the same.
    Verified,
    /// Retention has removed the last applied record; the position itself is within what Kafka holds.
    LastRecordGone,
    /// No record was applied yet, so there is nothing to compare.
    NothingApplied,
}

/// The state of one partition of several, or why it cannot be continued.
pub type Standing = Result<Continuation, KafkaFault>;

/// Checks of every partition of `resumes` that it still exists in the topic that was read, holds its position and is the same
/// log as before; the answers are in the order of `resumes`. No partition may be read before its own is `Ok`. `now` is what
/// Kafka says about the topics.
///
/// `timeout` bounds the whole call, but for closing a client that cannot reach its broker. An unreachable broker is a
/// transient fault: try again.
pub fn check_continuation(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    probe: &KafkaProbe,
    resumes: &[Resume],
    now: &BTreeMap<String, Described>,
    timeout: Duration,
) -> Result<Vec<Standing>, KafkaFault> {
    if resumes.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = Deadline::after(timeout);
    let existing = existing(probe, resumes, deadline)?;
    let ranges = probe.ranges(&existing, deadline.left())?;
    let range_of = |resume: &Resume| ranges.iter().find(|range| range.place == resume.place);
    let mut wanted: BTreeMap<&str, Vec<Wanted<'_>>> = BTreeMap::new();
    for resume in resumes {
        let is_whole = |range: &&OffsetRange| check_range(resume, range, now).is_ok();
        let Some(range) = range_of(resume).filter(is_whole) else { continue };
        if let Some(last) = resume.last.filter(|last| (range.low..range.end).contains(&last.offset)) {
            wanted.entry(&resume.place.topic).or_default().push(Wanted { range, last, found: None });
        }
    }
    for topic in wanted.values_mut() {
        read_back(settings, health, topic, deadline)?;
    }
    let standings = resumes.iter().map(|resume| match range_of(resume) {
        None => Err(KafkaFault::PartitionMissing { place: resume.place.clone() }),
        Some(range) => check_range(resume, range, now)
            .and_then(|()| verdict(resume, range, &wanted, cleanup(resume, now))),
    });
    Ok(standings.collect())
}

fn cleanup(resume: &Resume, now: &BTreeMap<String, Described>) -> Cleanup {
    now.get(&resume.place.topic).map_or(Cleanup::Unknown, |topic| topic.cleanup)
}

/// Whether the partition belongs to the topic that was read, and holds the position.
fn check_range(
    resume: &Resume,
    range: &OffsetRange,
    now: &BTreeMap<String, Described>,
) -> Result<(), KafkaFault> {
    let (place, low) = (resume.place.clone(), range.low);
    let (before, now) = match now.get(&place.topic) {
        Some(topic) => (&resume.identity, &topic.identity),
        None => return range.check(resume.position),
    };
    let text = |id: &Option<String>| id.clone().unwrap_or_default();
    match before.difference(now) {
        None => range.check(resume.position),
        Some(Difference::Topic) => {
            Err(KafkaFault::AnotherTopic { place, before: text(&before.topic), now: text(&now.topic), low })
        }
        Some(Difference::Cluster) => {
            let (before, now) = (text(&before.cluster), text(&now.cluster));
            Err(KafkaFault::AnotherCluster { place, before, now, low })
        }
    }
}

/// Those partitions that there are.
fn existing(
    probe: &KafkaProbe,
    resumes: &[Resume],
    deadline: Deadline,
) -> Result<Vec<TopicPartition>, KafkaFault> {
    let mut topics: Vec<&str> = resumes.iter().map(|resume| resume.place.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let known = probe.discover(topics, deadline.left())?;
    let exists = |place: &&TopicPartition| {
        known.iter().any(|topic| topic.topic == place.topic && topic.partitions.contains(&place.partition))
    };
    Ok(resumes.iter().map(|resume| &resume.place).filter(exists).cloned().collect())
}

/// A record to read back.
struct Wanted<'a> {
    range: &'a OffsetRange,
    last: LastApplied,
    found: Option<Found>,
}

#[derive(Clone, Copy)]
enum Found {
    Record([u8; 16]),
    Nothing,
}

fn verdict(
    resume: &Resume,
    range: &OffsetRange,
    wanted: &BTreeMap<&str, Vec<Wanted<'_>>>,
    cleanup: Cleanup,
) -> Standing {
    let Some(last) = resume.last else { return Ok(Continuation::NothingApplied) };
    let topic = wanted.get(resume.place.topic.as_str());
    let asked = topic.and_then(|topic| topic.iter().find(|asked| asked.range.place == resume.place));
    let (place, offset, low) = (resume.place.clone(), last.offset, range.low);
    let missing = |place, why| Err(KafkaFault::LastRecordMissing { place, offset, why, low });
    match asked.and_then(|asked| asked.found) {
        Some(Found::Record(digest)) if digest == last.digest => Ok(Continuation::Verified),
        Some(Found::Record(_)) => Err(KafkaFault::AnotherLog { place, offset, low }),
        // Only records below the start of a log are deleted; in the middle they stay, each at its offset.
        Some(Found::Nothing) => missing(place, "it lies within the log"),
        // The start of a log lies behind the record, though it never moves.
        None if low > offset && cleanup == Cleanup::Keeps => {
            missing(place, "by its configuration the topic deletes no records")
        }
        None => {
            tracing::warn!(
                event = "kafka_last_record_gone",
                topic = resume.place.topic,
                partition = resume.place.partition,
                offset = last.offset,
                "Failed to compare the last applied record: Kafka has removed it, and reading continues without this \
                 check"
            );
            Ok(Continuation::LastRecordGone)
        }
    }
}

/// Reads the wanted records of one topic.
fn read_back(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    topic: &mut [Wanted<'_>],
    deadline: Deadline,
) -> Result<(), KafkaFault> {
    let context = KafkaContext::new(Arc::clone(health), "read back");
    let consumer: BaseConsumer<KafkaContext> =
        settings.read_back().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
    let mut assignment = TopicPartitionList::with_capacity(topic.len());
    for asked in topic.iter() {
        let place = &asked.range.place;
        assignment
            .add_partition_offset(&place.topic, place.partition, Offset::Offset(asked.last.offset))
            .map_err(|error| KafkaFault::of(&error))?;
    }
    consumer.assign(&assignment).map_err(|error| KafkaFault::of(&error))?;
    let mut answered = 0;
    while topic.iter().any(|asked| asked.found.is_none()) {
        if deadline.is_over() {
            return Err(KafkaFault::Unreachable {
                reason: "records to compare did not come in time".to_owned(),
            });
        }
        match consumer.poll(deadline.left().min(Duration::from_millis(100))) {
            None => {}
            Some(Ok(message)) => note(topic, message.partition(), |asked| {
                if message.offset() == asked.last.offset {
                    let at = message.timestamp().to_millis().map(UtcMillis::new);
                    Found::Record(record_digest(message.key(), message.payload().unwrap_or_default(), at))
                } else {
                    // A later record comes first: there is none at this offset, or a transaction marker.
                    Found::Nothing
                }
            }),
            Some(Err(KafkaError::PartitionEOF(partition))) => note(topic, partition, |_| Found::Nothing),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(code) if is_transient_code(code) => {}
                _ => return Err(KafkaFault::PositionRefused { reason: describe(&error) }),
            },
        }
        let now_answered = topic.iter().filter(|asked| asked.found.is_some()).count();
        if now_answered > answered {
            answered = now_answered;
            rest(&consumer, topic)?;
        }
    }
    Ok(())
}

/// Reads nothing more of the partitions that have answered: with a long backlog they would keep the others waiting.
fn rest(consumer: &BaseConsumer<KafkaContext>, topic: &[Wanted<'_>]) -> Result<(), KafkaFault> {
    let mut answered = TopicPartitionList::new();
    for place in topic.iter().filter(|asked| asked.found.is_some()).map(|asked| &asked.range.place) {
        answered.add_partition(&place.topic, place.partition);
    }
    consumer.pause(&answered).map_err(|error| KafkaFault::of(&error))
}

/// Keeps the first thing that a partition answered.
fn note(topic: &mut [Wanted<'_>], partition: i32, what: impl Fn(&Wanted<'_>) -> Found) {
    let waiting = topic.iter_mut().find(|asked| asked.range.place.partition == partition);
    if let Some(asked) = waiting.filter(|asked| asked.found.is_none()) {
        asked.found = Some(what(asked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_records_apart() {
        let at = Some(UtcMillis::new(5));
        let base = record_digest(Some(b"key"), b"value", at);
        assert_eq!(base, record_digest(Some(b"key"), b"value", at));
        let others = [
            record_digest(Some(b"ke"), b"yvalue", at),
            record_digest(Some(b"kez"), b"value", at),
            record_digest(None, b"value", at),
            record_digest(Some(b""), b"value", at),
            record_digest(Some(b"key"), b"valuf", at),
            record_digest(Some(b"key"), b"", at),
            record_digest(Some(b"key"), b"value", Some(UtcMillis::new(6))),
            record_digest(Some(b"key"), b"value", None),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(&base, other, "{index}");
            assert!(others.iter().skip(index + 1).all(|later| later != other), "{index}");
        }
        assert_ne!(record_digest(None, b"", None), record_digest(None, b"", Some(UtcMillis::new(0))));
    }
}
