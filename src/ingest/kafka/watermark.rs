//! Where partitions begin and end, and as of when.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::fault::{KafkaFault, describe};
use super::place::TopicPartition;
use super::probe::{Deadline, KafkaProbe};
use crate::domain::time::UtcMillis;

/// The ends of partitions, as of an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndReport {
    /// Just before the request was sent: every record that Kafka had acknowledged by then lies below its partition's
    /// end.
    pub requested_at: UtcMillis,
    /// The offset after the last record of each partition (its high watermark), in the order asked.
    ///
    /// Reached once [`super::PartitionSource::position`] is no less: transaction markers at the tail count as read,
    /// and records behind an open transaction keep it back until that transaction ends.
    pub ends: Vec<(TopicPartition, i64)>,
}

/// What Kafka holds of a partition: offsets from `low` to `end`, exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// Which partition.
    pub place: TopicPartition,
    /// The first offset left by retention.
    pub low: i64,
    /// The offset after the last record.
    pub end: i64,
}

impl OffsetRange {
    /// Whether reading can continue at `position`, and if not, why.
    pub fn check(&self, position: i64) -> Result<(), KafkaFault> {
        let place = self.place.clone();
        if position < self.low {
            return Err(KafkaFault::OffsetGone { place, position, low: self.low, end: self.end });
        }
        if position > self.end {
            return Err(KafkaFault::LogTooShort { place, position, low: self.low, end: self.end });
        }
        Ok(())
    }
}

/// The ends that were seen of partitions that are read: an end never moves back, or the log is another one.
#[derive(Debug, Default)]
pub struct EndsSeen(BTreeMap<TopicPartition, i64>);

impl EndsSeen {
    /// Notes an end.
    ///
    /// # Errors
    /// [`KafkaFault::LogShrank`] when it lies before one that was seen.
    pub fn note(&mut self, place: &TopicPartition, end: i64) -> Result<(), KafkaFault> {
        match self.0.insert(place.clone(), end) {
            Some(before) if end < before => Err(KafkaFault::LogShrank { place: place.clone(), before, end }),
            _ => Ok(()),
        }
    }
}

impl KafkaProbe {
    /// The ends of `places`, asked for together; `now` is read just before the request. A retried request only makes
    /// the ends later, never the instant.
    pub fn ends(
        &self,
        places: &[TopicPartition],
        now: impl Fn() -> UtcMillis,
        timeout: Duration,
    ) -> Result<EndReport, KafkaFault> {
        let requested_at = now();
        let ends = self.offsets(places, Offset::End, Deadline::after(timeout));
        let ends = self.answered(ends)?;
        Ok(EndReport { requested_at, ends: places.iter().cloned().zip(ends).collect() })
    }

    /// What Kafka holds of `places`.
    pub fn ranges(
        &self,
        places: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<OffsetRange>, KafkaFault> {
        let deadline = Deadline::after(timeout);
        // Lows first: retention between the requests then shows as a range too wide, which reading itself corrects.
        let lows = self.offsets(places, Offset::Beginning, deadline);
        let lows = self.answered(lows)?;
        let ends = self.offsets(places, Offset::End, deadline);
        let ends = self.answered(ends)?;
        let ranges = places.iter().cloned().zip(lows.into_iter().zip(ends));
        Ok(ranges.map(|(place, (low, end))| OffsetRange { place, low, end }).collect())
    }

    /// The offset that `which` denotes, for each place; one request a broker.
    fn offsets(
        &self,
        places: &[TopicPartition],
        which: Offset,
        deadline: Deadline,
    ) -> Result<Vec<i64>, KafkaFault> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked = TopicPartitionList::with_capacity(places.len());
        for place in places {
            asked
                .add_partition_offset(&place.topic, place.partition, which)
                .map_err(|error| KafkaFault::of(&error))?;
        }
        let answer = self.client.offsets_for_times(asked, deadline.left());
        let answer = answer.map_err(|error| match error.rdkafka_error_code() {
            // New, or gone: discovery tells which.
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic,
            ) => KafkaFault::Unreachable { reason: "a partition is not known".to_owned() },
            _ => KafkaFault::of(&error),
        })?;
        places.iter().map(|place| offset_of(&answer, place)).collect()
    }
}

fn offset_of(answer: &TopicPartitionList, place: &TopicPartition) -> Result<i64, KafkaFault> {
    let Some(element) = answer.find_partition(&place.topic, place.partition) else {
        return Err(KafkaFault::Unreachable { reason: format!("no answer about {place}") });
    };
    if let Err(error) = element.error() {
        return Err(match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic,
            ) => not_known_yet(place),
            _ => match KafkaFault::of(&error) {
                KafkaFault::Refused { .. } => {
                    KafkaFault::Refused { reason: format!("{place}: {}", describe(&error)) }
                }
                other => other,
            },
        });
    }
    match element.offset() {
        Offset::Offset(offset) => Ok(offset),
        other => Err(KafkaFault::Unreachable { reason: format!("no offset of {place} yet ({other:?})") }),
    }
}

/// Old metadata looks like this too, so it is no verdict; whether a partition exists is for
/// [`KafkaProbe::discover`] to say.
fn not_known_yet(place: &TopicPartition) -> KafkaFault {
    KafkaFault::Unreachable { reason: format!("{place} is not known yet") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_moves_back_is_another_log() {
        let (a, b) = (TopicPartition::new("orders", 0), TopicPartition::new("orders", 1));
        let mut seen = EndsSeen::default();
        for (place, end) in [(&a, 7), (&b, 3), (&a, 7), (&a, 9), (&b, 3)] {
            assert_eq!(seen.note(place, end), Ok(()));
        }
        assert_eq!(seen.note(&b, 2), Err(KafkaFault::LogShrank { place: b, before: 3, end: 2 }));
    }

    #[test]
    fn a_position_must_lie_within_what_kafka_holds() {
        let range = OffsetRange { place: TopicPartition::new("orders", 0), low: 10, end: 20 };
        assert!(matches!(range.check(9), Err(KafkaFault::OffsetGone { position: 9, low: 10, end: 20, .. })));
        assert_eq!(range.check(10), Ok(()));
        assert_eq!(range.check(20), Ok(()));
        assert!(matches!(range.check(21), Err(KafkaFault::LogTooShort { position: 21, .. })));
    }
}
