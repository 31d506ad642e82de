//! A stream of events through a real Kafka into the real program, whatever happens to it, and the one straight run that it
//! is compared with in the end.

use super::program::binary;

use super::told::{Told, rider};
use super::wait::poll_until;
use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::UtcMillis;
use coverledger::generate::{Generator, GeneratorSettings, PLATFORMS};
use coverledger::ingest::kafka::{EventProducer, Outgoing};
use coverledger::ledger::{Arrival, Batch, CommitExtras, Ledger, LedgerOptions, Source};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 2;

/// Freight has a rate in one region only: elsewhere orders are booked without one.
pub(crate) const RATES: &str = r#"
[[rate]]
category = "instant_delivery"
per_order = "0.07"
[[rate]]
category = "ride_hailing"
per_order = "0.01"
[[rate]]
category = "intra_city_freight"
region = "44"
per_order = "0.18"
"#;

/// A record in its place.
pub(crate) struct Sent {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) payload: Vec<u8>,
}

/// Events of all kinds; those of one order in one partition.
pub(crate) fn events(seed: u64, records: usize) -> Vec<Sent> {
    let settings = GeneratorSettings {
        orders: u64::try_from(records).unwrap(),
        seed,
        riders: 2_000,
        from: UtcMillis::new(1_751_817_600_000),
        days: 3,
        duplicate_ppm: 50_000,
        late_ppm: 20_000,
        amended_ppm: 40_000,
        stale_ppm: 20_000,
        conflict_ppm: 20_000,
        bad_ppm: 20_000,
        open_ppm: 200_000,
        completeness_every_ms: Some(3_600_000),
    };
    let mut generator = Generator::new(&settings).unwrap();
    let mut sent = Vec::new();
    let mut payload = Vec::new();
    while let Some(meta) = generator.next_event(&mut payload) {
        let text = String::from_utf8_lossy(&payload);
        let order = text.split_once("\"order_id\":\"").and_then(|(_, rest)| rest.split_once('"'));
        let place = order.map_or(0, |(id, _)| id.bytes().map(i32::from).sum::<i32>());
        sent.push(Sent { topic: meta.topic, partition: place % PARTITIONS, payload: payload.clone() });
        payload.clear();
        if sent.len() == records {
            break;
        }
    }
    sent
}

/// Sends records to their places, and returns once the broker has them.
pub(crate) fn send(sender: &EventProducer, records: &[Sent]) {
    for Sent { topic, partition, payload } in records {
        let partition = Some(*partition);
        sender.send(&Outgoing { topic, partition, key: None, payload, timestamp: None }).unwrap();
    }
    sender.flush(Duration::from_secs(60)).unwrap();
}

/// A configuration that reads every platform's topic.
pub(crate) fn config(folder: &TempDir, brokers: &str) -> PathBuf {
    let mut text = format!(
        r#"
        [http]
        listen = "127.0.0.1:0"
        [ingest]
        batch_records = 400
        batch_ms = 10
        [kafka]
        brokers = "{brokers}"
        options = {{ "reconnect.backoff.max.ms" = "200" }}
        {RATES}
        "#
    );
    for (platform, topic) in PLATFORMS {
        text.push_str(&format!("[platform.{platform}]\ntopics = [\"{topic}\"]\nrecords_from = 2025-07-01\n"));
    }
    let path = folder.path().join("coverledger.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The newest commit that the witness tells of.
pub(crate) fn commit(folder: &TempDir) -> u64 {
    let text = std::fs::read_to_string(folder.path().join("data/HEAD")).unwrap_or_default();
    let number = text.split_once("\ncommit ").and_then(|(_, rest)| rest.split_once('\n'));
    number.map_or(0, |(number, _)| number.parse().unwrap())
}

/// Verifies the ledger with the real program.
pub(crate) fn verify(config: &Path, when: &str) {
    let output = binary().arg("verify").arg("--config").arg(config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{when}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Kills an `ingest` of the file once it has made some commits; whether it was still running.
pub(crate) fn kill_ingest(folder: &TempDir, config: &Path, file: &Path, commits: u64) -> bool {
    let until_commit = commit(folder) + commits;
    let mut command = binary();
    command.arg("ingest").arg("--config").arg(config).arg(file);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ended = poll_until("the file is on its way", || match child.try_wait().unwrap() {
        Some(status) => {
            assert!(status.success(), "{status}");
            Some(true)
        }
        None => (commit(folder) >= until_commit).then_some(false),
    });
    child.kill().unwrap();
    child.wait().unwrap();
    !ended
}

/// Ingests a file to its end.
pub(crate) fn ingest(config: &Path, file: &Path) {
    let ingested = binary().arg("ingest").arg("--config").arg(config).arg(file).output().unwrap();
    assert!(ingested.status.success(), "{}", String::from_utf8_lossy(&ingested.stderr));
}

/// Compares the ledger with one straight run of the same records.
pub(crate) fn compare(config: &Path, sent: &[Sent], filed: &[Sent]) {
    let config = Config::load(config, &|_| None).unwrap();
    let survivor = Ledger::open(LedgerOptions::new(&config)).unwrap();
    let folder = TempDir::new().unwrap();
    let mut setup = LedgerOptions::new(&config);
    setup.storage = Storage::local(folder.path().join("data"));
    let mut straight = Ledger::open(setup).unwrap();
    straight.activate_configuration(UtcMillis::new(0)).unwrap();
    let mut offsets: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    for records in sent.chunks(20_000) {
        let mut batch = Batch::default();
        for record in records {
            let offset = offsets.entry((record.topic, record.partition)).or_default();
            let source = Source::Kafka { topic: record.topic.to_owned(), partition: record.partition };
            take(&mut batch, &config, &source, *offset, record);
            *offset += 1;
        }
        straight.commit(&batch, &CommitExtras::default(), UtcMillis::new(1)).unwrap();
    }
    if !filed.is_empty() {
        let mut batch = Batch::default();
        for (line, record) in (1..).zip(filed) {
            take(&mut batch, &config, &Source::Files, line, record);
        }
        straight.commit(&batch, &CommitExtras::default(), UtcMillis::new(2)).unwrap();
    }
    let riders: BTreeSet<String> =
        sent.iter().chain(filed).filter_map(|record| rider(&record.payload)).collect();
    let (survivor, straight) = (survivor.published().current(), straight.published().current());
    let (found, mut expected) = (Told::of(&survivor, &riders), Told::of(&straight, &riders));
    // The file was read several times: what it brought counts once, the lines count as often as they were read.
    if let (Some(again), Some(once)) =
        (found.sources.get(&Source::Files).copied(), expected.sources.get(&Source::Files).copied())
    {
        assert_eq!(again.1.iter().sum::<u64>(), again.0, "conservation of files");
        assert_eq!((again.1[0], again.1[1]), (once.1[0], once.1[1]), "accepted and amended of files");
        expected.sources.insert(Source::Files, again);
    }
    found.assert_is(&expected, "against one straight run");
    println!(
        "{} riders, {} versions, {} statement lines are those of one straight run",
        riders.len(),
        found.versions.len(),
        found.statement.len()
    );
}

fn take(batch: &mut Batch, config: &Config, source: &Source, offset: i64, record: &Sent) {
    let topic = match source {
        Source::Kafka { topic, .. } => Some(topic.as_str()),
        _ => None,
    };
    let rules = rules_for(config, topic, None);
    let (source, payload) = (batch.source(source), record.payload.as_slice());
    let arrival = Arrival { source, offset, timestamp: Timestamp::Missing, payload, key: None, headers: &[] };
    receive(batch, &arrival, &rules, &config.zone);
}
