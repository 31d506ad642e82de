//! Whose timestamps close a gap, on a real Apache Kafka: retention passed, and the ledger begins behind it.

use coverledger::domain::time::UtcMillis;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
use coverledger::telemetry::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::again::config;
use crate::testkit::cluster::RealKafka;
use crate::testkit::orders::order;
use crate::testkit::program::Program;
use crate::testkit::reading::TIMEOUT;
use crate::testkit::wait::poll_until;

const MONTH_MS: i64 = 30 * 86_400_000;

fn text(at: UtcMillis) -> String {
    jiff::Timestamp::from_millisecond(at.millis()).unwrap().to_string()
}

/// Of a topic of ten orders retention has left the last five; `sent` is what the producer writes as their timestamp.
/// Returns the instant after which all of this was done.
fn half_gone(kafka: &RealKafka, topic: &str, stamp: &str, sent: UtcMillis) -> UtcMillis {
    kafka.create_topic_with(topic, &[("message.timestamp.type", stamp)]);
    let producer = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
    for number in 0..10 {
        let (partition, timestamp, payload) = (Some(0), Some(sent), order(number));
        let payload = payload.as_bytes();
        producer.send(&Outgoing { topic, partition, key: None, payload, timestamp }).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
    kafka.delete_records(topic, 0, 5);
    Clock::start().now()
}

/// The reason why nothing is final about an instant once the platform is complete beyond it; null when it is.
fn reason_at(kafka: &RealKafka, program: &mut Program, topic: &str, at: UtcMillis) -> Value {
    let producer = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
    let complete = json!({"kind": "complete", "platform": "meituan", "through": text(Clock::start().now())});
    let payload = complete.to_string();
    let (partition, payload) = (Some(0), payload.as_bytes());
    producer.send(&Outgoing { topic, partition, key: None, payload, timestamp: None }).unwrap();
    producer.flush(TIMEOUT).unwrap();
    let path = format!("/v1/coverage?rider_id=R2&at={}", text(at));
    poll_until("the platform is complete beyond it", || {
        let reason = program.get(&path)["platforms"][0]["reason"].clone();
        (reason != "incomplete").then_some(reason)
    })
}

/// Waits until this instant lies so far back.
fn has_passed(at: UtcMillis, ms: i64) {
    let clock = Clock::start();
    poll_until("time passes", || (clock.now() > at.plus(ms)).then_some(()));
}

#[test]
fn a_producers_timestamp_closes_no_gap() {
    let (kafka, folder, topic) = (RealKafka::shared(), TempDir::new().unwrap(), "produced");
    let sent = Clock::start().now().minus(MONTH_MS);
    let written = half_gone(&kafka, topic, "CreateTime", sent);
    let mut program = Program::serve(&config(&folder, &kafka.brokers(), topic), &[]);
    program.applied(10);
    has_passed(Clock::start().now(), 2_500);
    // Two days after what the producers claim, and after the last record was written: all of it before the start was seen.
    for at in [sent.plus(2 * 86_400_000), written] {
        assert_eq!(reason_at(&kafka, &mut program, topic, at), "gap", "{at:?}");
    }
    // The start was seen before the records were applied; the longest order takes a second.
    let now = Clock::start().now().minus(1_100);
    assert_eq!(reason_at(&kafka, &mut program, topic, now), Value::Null);
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn a_broker_stamp_closes_a_gap() {
    let (kafka, folder, topic) = (RealKafka::shared(), TempDir::new().unwrap(), "stamped");
    let begun = Clock::start().now();
    let written = half_gone(&kafka, topic, "LogAppendTime", begun.minus(MONTH_MS));
    // The longest order of a second fits between the stamp and the first look at the partition.
    has_passed(written, 2_500);
    let mut program = Program::serve(&config(&folder, &kafka.brokers(), topic), &[]);
    program.applied(10);
    assert_eq!(reason_at(&kafka, &mut program, topic, begun), "gap");
    assert_eq!(reason_at(&kafka, &mut program, topic, written.plus(1_200)), Value::Null);
    assert_eq!(program.terminate(), Some(0));
}
