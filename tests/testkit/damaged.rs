//! A small ledger with every kind of value in it, made by the real binary and the library; copies of it to be damaged.

use super::folders::copy_dir;
use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::domain::view::LedgerView;
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::codec::keys;
use coverledger::ledger::maintenance::compaction::Merge;
use coverledger::ledger::run::writer::Dictionary;
use coverledger::ledger::{Arrival, Batch, Source, verify_dir};
use coverledger::ledger::{CommitExtras, Ledger, LedgerOptions};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::local::{Store, entry_key};
use coverledger::storage::{Change, Storage};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Freight has no rate: some orders are unrated.
const CONFIG: &str = r#"
timezone = "Asia/Shanghai"
[ledger]
data_dir = "data"
[ingest]
batch_records = 150
[platform_defaults]
records_from = 2026-11-01
[[rate]]
category = "ride_hailing"
per_order = "0.04"
[[rate]]
category = "instant_delivery"
per_order = "0.07"
"#;

const GENERATE: [&str; 18] = [
    "generate",
    "--orders",
    "400",
    "--seed",
    "5",
    "--riders",
    "90",
    "--days",
    "2",
    "--amended",
    "0.1",
    "--late",
    "0.05",
    "--bad",
    "0.05",
    "--open",
    "0.2",
    "--conflicts=0.05",
];

pub(crate) struct Fixture {
    pub(crate) data: TempDir,
    /// The same ledger, several commits earlier.
    pub(crate) older: TempDir,
    pub(crate) now: UtcMillis,
}

impl Fixture {
    pub(crate) fn get() -> &'static Self {
        static FIXTURE: OnceLock<Fixture> = OnceLock::new();
        FIXTURE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let home = tempfile::tempdir().unwrap();
        let config_file = home.path().join("coverledger.toml");
        fs::write(&config_file, CONFIG).unwrap();
        let binary = env!("CARGO_BIN_EXE_coverledger");
        let generated = Command::new(binary).args(GENERATE).output().unwrap();
        assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
        let events = home.path().join("events.jsonl");
        fs::write(&events, generated.stdout).unwrap();
        let ingested = Command::new(binary)
            .args(["ingest", "--config"])
            .args([&config_file, &events])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(ingested.success());
        let data = tempfile::tempdir().unwrap();
        copy_dir(&home.path().join("data"), data.path());
        let older = copy_of(&data);
        let now = add_from_kafka(data.path());
        Self { data, older, now }
    }
}

/// More commits: one is compacted while a reader still holds the state before, and some come after.
fn add_from_kafka(dir: &Path) -> UtcMillis {
    let mut lines = Vec::new();
    let settings = GeneratorSettings {
        orders: 300,
        seed: 6,
        riders: 60,
        amended_ppm: 100_000,
        bad_ppm: 50_000,
        from: UtcMillis::new(1_795_017_600_000),
        completeness_every_ms: Some(3_600_000),
        ..GeneratorSettings::default()
    };
    let mut generator = Generator::new(&settings).unwrap();
    loop {
        let mut line = Vec::new();
        if generator.next_event(&mut line).is_none() {
            break;
        }
        lines.push(line);
    }
    let config = Config::from_text(CONFIG).unwrap();
    let rules = rules_for(&config, None, None);
    let mut ledger = Ledger::open(setup(dir)).unwrap();
    let mut now = ledger.published().current().as_of().recorded_at;
    let mut held = None;
    for (chunk, nth) in lines.chunks(lines.len().div_ceil(5)).zip(0i64..) {
        now = now.plus(1_000);
        let mut batch = Batch::default();
        let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 3 });
        for (line, offset) in chunk.iter().zip(nth * 100_000..) {
            let timestamp = Timestamp::Broker(now);
            let arrival = Arrival { source, offset, timestamp, payload: line, key: Some(b"k"), headers: &[] };
            receive(&mut batch, &arrival, &rules, &config.zone);
        }
        ledger.commit(&batch, &CommitExtras::default(), now).unwrap();
        if nth == 2 {
            held = Some(ledger.published().current());
            ledger.compact_now(LocalDay(i32::MAX), now).unwrap();
        }
    }
    drop((ledger, held));
    now.plus(1_000)
}

pub(crate) fn setup(data_dir: &Path) -> LedgerOptions {
    let mut setup = LedgerOptions::new(&Config::from_text(CONFIG).unwrap());
    setup.storage = Storage::local(data_dir);
    setup
}

pub(crate) fn copy_of(dir: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    copy
}

pub(crate) fn db_file(dir: &Path) -> PathBuf {
    dir.join("store").join("db")
}

pub(crate) fn open_store(dir: &Path) -> Store {
    Store::open(dir, 16 << 20, 1 << 20).unwrap()
}

/// The key of the storage's own record of its version.
pub(crate) const VERSION: &[u8] = &[0];

/// Where a value or an entry lies.
pub(crate) fn place(key: &[u8]) -> Vec<u8> {
    if [keys::MANIFEST, keys::COMMIT].contains(&key[0]) { entry_key(key) } else { key.to_vec() }
}

/// Puts another value under a key: as the newest one, where that is looked for first.
pub(crate) fn replace(store: &Store, key: &[u8], value: Vec<u8>) {
    if [keys::MANIFEST, keys::COMMIT, VERSION[0]].contains(&key[0]) {
        store.advance(&[Change::Put(place(key), value)]).unwrap();
    } else {
        let writing = store.begin(0);
        writing.put(key, value).unwrap();
        writing.sync().unwrap();
    }
}

/// Takes a value away so that it does not come back.
pub(crate) fn lose(store: &Store, key: &[u8]) {
    store.delete([place(key)]).unwrap();
    store.reclaim_below(101, 0).unwrap();
    // Also makes the deletion durable where the value was not in a segment file.
    store.advance(&[]).unwrap();
}

/// The sealed segment files, with their content.
pub(crate) fn segment_files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Every value that something live refers to.
pub(crate) fn values(dir: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = open_store(dir);
    let unprefixed = |key: Vec<u8>| if key[0] == 1 { key[1..].to_vec() } else { key };
    let all: Vec<_> =
        store.scan(&[], &[]).map(|item| item.map(|(key, value)| (unprefixed(key), value)).unwrap()).collect();
    let garbage: HashSet<Vec<u8>> =
        all.iter().filter(|(key, _)| key.starts_with(b"mg")).map(|(key, _)| key[2..10].to_vec()).collect();
    let of_run = |key: &[u8]| {
        [keys::DATA, keys::IDENTITY, keys::SPARSE, keys::FILTER, keys::RIDERS, keys::TOTALS].contains(&key[0])
    };
    all.into_iter()
        .filter(|(key, _)| !of_run(key) || !garbage.contains(&key[1..9]))
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// Whether the ledger refuses to open, or does not verify.
pub(crate) fn is_refused(dir: &Path) -> bool {
    verify_dir(setup(dir), &mut |_, _| {}).is_ok_and(|verification| !verification.holds())
}

/// Everything that answers are made from.
pub(crate) fn dump(ledger: &Ledger) -> Vec<String> {
    let view = ledger.published().current();
    let mut lines = vec![format!("{:?}", view.as_of())];
    for total in view.totals(LocalDay(i32::MIN), LocalDay(i32::MAX)).unwrap() {
        lines.push(format!("{total:?}"));
    }
    for runs in view.runs().values() {
        let mut merge = Merge::new(runs, &mut Dictionary::default()).unwrap();
        while let Some((row, entry)) = merge.current() {
            lines.push(format!("{:?} {:?} {:?}", entry.kind, row.moved_to, row.posting(entry)));
            merge.advance().unwrap();
        }
    }
    view.rejected()
        .visit(view.store(), 0, |record| {
            lines.push(format!("{record:?}"));
            Ok(true)
        })
        .unwrap();
    lines.push(format!("{:?}", view.completeness()));
    lines
}
