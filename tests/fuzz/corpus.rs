//! Valid inputs of every kind: the values of a small ledger that the library itself made, events, texts and files.

use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::codec::unframe;
use coverledger::ledger::{Arrival, Batch, Source};
use coverledger::ledger::{CommitExtras, Ledger, LedgerOptions};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use coverledger::storage::local::Store;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

/// Freight has no rate, so that some orders are unrated.
pub(crate) const CONFIG: &str = r#"
timezone = "Asia/Shanghai"
[limits]
horizon = { from = 1970-01-01T00:00:00Z, until = 2101-01-01T00:00:00Z }
[platform_defaults]
records_from = 2026-11-01
[[rate]]
category = "ride_hailing"
per_order = "0.04"
[[factor]]
category = "ride_hailing"
region = "31"
multiply = "0.8"
[[rate]]
category = "instant_delivery"
per_order = "0.07"
from = 2025-07-01
[[cover]]
lead = "1m"
tail = "2m"
charged_outcomes = ["completed"]
"#;

/// Instants of the generated events begin here.
const FROM_MS: i64 = 1_795_017_600_000;

#[derive(Debug)]
pub(crate) struct Corpus {
    /// Bodies of stored values by the kind in their key; of manifest entries by `m` and their own kind.
    pub(crate) bodies: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Keys and values as they lie in the store.
    pub(crate) values: Vec<(Vec<u8>, Vec<u8>)>,
    /// A ledger's folder.
    pub(crate) ledger: TempDir,
    /// Events, good and bad, and completeness records.
    pub(crate) events: Vec<Vec<u8>>,
    /// Configurations.
    pub(crate) configs: Vec<Vec<u8>>,
    /// The same lines as they are, as gzip and as Zstandard, by the ending of their file.
    pub(crate) files: Vec<(&'static str, Vec<Vec<u8>>)>,
    /// A place to write to.
    pub(crate) folder: TempDir,
}

impl Corpus {
    pub(crate) fn make() -> Self {
        let (ledger, events) = (tempfile::tempdir().unwrap(), events());
        fill(ledger.path(), &events);
        let store = Store::open(ledger.path(), 4 << 20, 1 << 20).unwrap();
        let values: Vec<(Vec<u8>, Vec<u8>)> = store
            .scan(&[], &[])
            .map(|item| item.map(|(key, value)| (key, value.to_vec())).unwrap())
            // But for the storage's own record; entries by their own keys.
            .filter(|(key, _)| key[0] != 0)
            .map(|(key, value)| (if key[0] == 1 { key[1..].to_vec() } else { key }, value))
            .collect();
        drop(store);
        let mut bodies: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (key, value) in &values {
            let kind = if key[0] == b'm' { &key[..2] } else { &key[..1] };
            bodies.entry(kind.to_vec()).or_default().push(unframe(key, value).unwrap().into_owned());
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let shipped = ["default.toml", "tariffs/china-2025-07.toml"];
        let mut configs: Vec<_> = shipped.iter().map(|name| fs::read(root.join(name)).unwrap()).collect();
        configs.push(CONFIG.as_bytes().to_vec());
        let lines = events[..60].join(&b'\n');
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&lines).unwrap();
        let zst = zstd::encode_all(lines.as_slice(), 3).unwrap();
        let files = vec![("jsonl", vec![lines]), ("gz", vec![gz.finish().unwrap()]), ("zst", vec![zst])];
        Self { bodies, values, ledger, events, configs, files, folder: tempfile::tempdir().unwrap() }
    }

    /// Bodies of a kind.
    pub(crate) fn of(&self, kind: &[u8]) -> &[Vec<u8>] {
        self.bodies.get(kind).unwrap_or_else(|| panic!("no value of kind {kind:?} in the corpus"))
    }
}

fn events() -> Vec<Vec<u8>> {
    let settings = GeneratorSettings {
        orders: 400,
        seed: 6,
        riders: 60,
        amended_ppm: 100_000,
        bad_ppm: 80_000,
        open_ppm: 200_000,
        from: UtcMillis::new(FROM_MS),
        completeness_every_ms: Some(3_600_000),
        ..GeneratorSettings::default()
    };
    let mut generator = Generator::new(&settings).unwrap();
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if generator.next_event(&mut line).is_none() {
            return lines;
        }
        lines.push(line);
    }
}

pub(crate) fn setup(dir: &Path) -> LedgerOptions {
    let mut setup = LedgerOptions::new(&Config::from_text(CONFIG).unwrap());
    setup.storage = Storage::local(dir);
    setup.cache_bytes = 4 << 20;
    setup
}

/// A few commits and a compaction.
fn fill(dir: &Path, events: &[Vec<u8>]) {
    let config = Config::from_text(CONFIG).unwrap();
    let rules = rules_for(&config, None, None);
    let mut ledger = Ledger::open(setup(dir)).unwrap();
    let mut now = UtcMillis::new(FROM_MS + 100_000_000);
    ledger.activate_configuration(now).unwrap();
    for (chunk, nth) in events.chunks(events.len().div_ceil(4)).zip(0_i64..) {
        now = now.plus(1_000);
        let mut batch = Batch::default();
        let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 3 });
        for (payload, offset) in chunk.iter().zip(nth * 100_000..) {
            let headers = [("trace".to_owned(), b"1".to_vec())];
            let timestamp = Timestamp::Broker(now);
            let arrival = Arrival { source, offset, timestamp, payload, key: Some(b"k"), headers: &headers };
            receive(&mut batch, &arrival, &rules, &config.zone);
        }
        ledger.commit(&batch, &CommitExtras::default(), now).unwrap();
        if nth == 1 {
            ledger.compact_now(LocalDay(i32::MAX), now).unwrap();
        }
    }
}
