//! Writing records and reading them with the source, waiting for conditions.

use super::wait::poll_until;
use std::collections::BTreeMap;
use std::time::Duration;

use coverledger::domain::completeness::TopicIdentity;
use coverledger::ingest::kafka::{
    ClientSettings, EventProducer, KafkaFault, KafkaHealth, LastApplied, Outgoing, PartitionSource, Polled,
    Resume, Start, StartAt, TopicPartition,
};

/// What one poll waits for a record: hardly at all, since [`poll_until`] comes back.
const POLL: Duration = Duration::from_millis(1);
/// The bound of one request in tests.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A record as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) place: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) payload: String,
    pub(crate) digest: [u8; 16],
}

/// Every partition of `place`s from its beginning.
pub(crate) fn from_beginning(places: &[TopicPartition]) -> Vec<Start> {
    places.iter().map(|place| Start { place: place.clone(), at: StartAt::Beginning }).collect()
}

/// A source that reads `starts`.
pub(crate) fn source(settings: &ClientSettings, starts: &[Start]) -> PartitionSource {
    let mut source = PartitionSource::new(settings, KafkaHealth::new()).unwrap();
    source.add(starts).unwrap();
    source
}

/// Writes `PREFIX-N` for N of `numbers`, spread over the partitions, and waits until all are acknowledged.
pub(crate) fn write(
    settings: &ClientSettings,
    topic: &str,
    partitions: i32,
    numbers: std::ops::Range<i32>,
    prefix: &str,
) {
    let producer = EventProducer::new(settings, KafkaHealth::new()).unwrap();
    for number in numbers {
        let payload = format!("{prefix}-{number}");
        let key = number.to_string();
        producer
            .send(&Outgoing {
                topic,
                partition: Some(number % partitions),
                key: Some(key.as_bytes()),
                payload: payload.as_bytes(),
                timestamp: None,
            })
            .unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// Reads on until `seen` holds `count` records.
pub(crate) fn read_to(source: &PartitionSource, seen: &mut Vec<Seen>, count: usize) {
    let what = format!("{count} records come");
    while seen.len() < count {
        poll_until(&what, || read_one(source, seen).then_some(()));
    }
}

/// Reads what comes until nothing does and it `holds`.
pub(crate) fn read_until(
    source: &PartitionSource,
    seen: &mut Vec<Seen>,
    what: &str,
    holds: impl Fn() -> bool,
) {
    poll_until(what, || {
        while read_one(source, seen) {}
        holds().then_some(())
    });
}

/// Whether a record came.
fn read_one(source: &PartitionSource, seen: &mut Vec<Seen>) -> bool {
    match source.poll(POLL) {
        Polled::Record(record) => seen.push(Seen {
            place: TopicPartition::new(source.topic(record.topic).unwrap(), record.partition),
            offset: record.offset,
            payload: String::from_utf8(record.payload().to_vec()).unwrap(),
            digest: record.digest(),
        }),
        Polled::Idle => return false,
        Polled::Fault(fault) => panic!("{fault}"),
    }
    true
}

/// Polls until `holds`; no record may come meanwhile.
pub(crate) fn idle_until(source: &PartitionSource, what: &str, holds: impl Fn() -> bool) {
    poll_until(what, || {
        if holds() {
            return Some(());
        }
        match source.poll(POLL) {
            Polled::Record(record) => panic!("a record at {} while waiting for: {what}", record.offset),
            Polled::Idle => None,
            Polled::Fault(fault) => panic!("{fault}"),
        }
    });
}

/// Polls until the source stops, ignoring records.
pub(crate) fn read_to_fault(source: &PartitionSource) -> KafkaFault {
    poll_until("the source stops", || match source.poll(POLL) {
        Polled::Fault(fault) => Some(fault),
        _ => None,
    })
}

/// Each partition's offsets as they were read.
pub(crate) fn offsets(seen: &[Seen]) -> BTreeMap<TopicPartition, Vec<i64>> {
    let mut offsets: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for record in seen {
        offsets.entry(record.place.clone()).or_default().push(record.offset);
    }
    offsets
}

/// Every partition was read from 0 without a gap and without repetition.
pub(crate) fn assert_whole(seen: &[Seen]) {
    for (place, read) in offsets(seen) {
        let expected: Vec<i64> = (0..).take(read.len()).collect();
        assert_eq!(read, expected, "{place}");
    }
}

/// What a ledger would keep of the partitions that `seen` holds.
pub(crate) fn resumes(seen: &[Seen]) -> Vec<Resume> {
    let last: BTreeMap<_, _> = seen.iter().map(|record| (record.place.clone(), record)).collect();
    last.into_iter()
        .map(|(place, record)| Resume {
            place,
            position: coverledger::ingest::kafka::next_offset(record.offset),
            last: Some(LastApplied { offset: record.offset, digest: record.digest }),
            identity: TopicIdentity::default(),
        })
        .collect()
}
