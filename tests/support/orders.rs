//! A service with one topic, and orders for it.

use super::mock;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The topic.
pub(crate) const TOPIC: &str = "orders.meituan";

/// A configuration that reads the topic; `ledger` are more lines of `[ledger]`.
pub(crate) fn config(folder: &TempDir, brokers: &str, ledger: &str) -> PathBuf {
    let text = format!(
        r#"
        [ledger]
        {ledger}
        [http]
        listen = "127.0.0.1:0"
        [kafka]
        brokers = "{brokers}"
        options = {{ "reconnect.backoff.max.ms" = "100" }}
        [[rate]]
        category = "instant_delivery"
        per_order = "0.25"
        [platform.meituan]
        topics = ["{TOPIC}"]
        records_from = 2025-07-01
        "#
    );
    let path = folder.path().join("coverledger.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The `nth` order: half an hour in July 2025.
pub(crate) fn order(nth: u32) -> String {
    let hour = 8 + nth % 12;
    format!(
        r#"{{"platform":"meituan","order_id":"o{nth}","rider_id":"R1","category":"instant_delivery","region":"310115","accepted_at":"2025-07-10T{hour:02}:00:00+08:00","ended_at":"2025-07-10T{hour:02}:30:00+08:00"}}"#
    )
}

/// Sends records to the topic's first partition.
pub(crate) fn send(brokers: &str, records: &[String]) {
    let settings = mock::settings(brokers.to_owned(), "sender");
    let producer = EventProducer::new(&settings, KafkaHealth::new()).unwrap();
    for record in records {
        let payload = record.as_bytes();
        producer
            .send(&Outgoing { topic: TOPIC, partition: Some(0), key: None, payload, timestamp: None })
            .unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}
