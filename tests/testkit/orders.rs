//! A service with one topic, and orders for it.

use super::mock;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The topic.
pub(crate) const TOPIC: &str = "orders.meituan";

/// A configuration that reads the topic; `ledger` are more lines of `[ledger]`.
pub(crate) fn config(folder: &TempDir, brokers: &str, ledger: &str) -> PathBuf {
    config_of(folder.path(), "coverledger", &text(brokers, ledger))
}

/// Writes a configuration.
pub(crate) fn config_of(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

/// The text of a configuration that reads the topic. Its last table is the platform's.
pub(crate) fn text(brokers: &str, ledger: &str) -> String {
    format!(
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
    )
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
    send_to(brokers, 0, records);
}

/// Sends records to a partition of the topic.
pub(crate) fn send_to(brokers: &str, partition: i32, records: &[impl AsRef<[u8]>]) {
    let settings = mock::settings(brokers.to_owned(), "sender");
    let producer = EventProducer::new(&settings, KafkaHealth::new()).unwrap();
    for record in records {
        let (partition, payload) = (Some(partition), record.as_ref());
        producer.send(&Outgoing { topic: TOPIC, partition, key: None, payload, timestamp: None }).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}
