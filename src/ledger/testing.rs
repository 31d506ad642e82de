//! A small ledger for tests: orders of one rider of platform `p`, all on 2026-11-20 unless they say otherwise.

use crate::config::Config;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::batch::{Arrival, Batch, Source};
use crate::ledger::commit::CommitExtras;
use crate::ledger::options::LedgerOptions;
use crate::ledger::writer::Ledger;
use crate::pipeline::{receive, rules_for};
use crate::storage::Storage;
use crate::storage::local::testing::segment_files;
use std::fs::File;
use std::path::Path;

const CONFIG: &str = "[platform_defaults]\nrecords_from = 2026-11-01\n\
                      [[rate]]\ncategory = \"ride\"\nper_order = \"0.01\"\n";

/// Some time after the orders.
const NOW: i64 = 1_795_000_000_000;

/// The ledger of a folder.
pub(crate) fn open(dir: &Path) -> Ledger {
    open_in(Storage::local(dir))
}

/// The ledger of a storage.
pub(crate) fn open_in(storage: Storage) -> Ledger {
    let mut ledger = Ledger::open(options(storage)).unwrap();
    ledger.activate_configuration(UtcMillis::new(NOW)).unwrap();
    ledger
}

/// Its options.
pub(crate) fn options(storage: Storage) -> LedgerOptions {
    LedgerOptions { storage, ..LedgerOptions::new(&Config::from_text(CONFIG).unwrap()) }
}

/// The day of the orders.
pub(crate) fn day() -> LocalDay {
    LocalDay::from_ymd(2026, 11, 20).unwrap()
}

/// An event of an order, half an hour long.
pub(crate) fn event(order_id: u64, revision: u64) -> String {
    event_at(order_id, revision, "2026-11-20T12:00:00Z", "2026-11-20T12:30:00Z")
}

/// An event of an order.
pub(crate) fn event_at(order_id: u64, revision: u64, accepted: &str, ended: &str) -> String {
    format!(
        r#"{{"platform":"p","order_id":"{order_id}","rider_id":"R","category":"ride","region":"310115",
            "accepted_at":"{accepted}","ended_at":"{ended}","revision":{revision}}}"#
    )
}

/// Commits records of a topic.
pub(crate) fn commit(ledger: &mut Ledger, first_offset: i64, records: &[String]) {
    let config = Config::from_text(CONFIG).unwrap();
    let rules = rules_for(&config, None, None);
    let mut batch = Batch::default();
    let source = batch.source(&Source::Kafka { topic: "t".to_owned(), partition: 0 });
    for (record, offset) in records.iter().zip(first_offset..) {
        let payload = record.as_bytes();
        let arrival = Arrival {
            source,
            offset,
            timestamp: crate::domain::arrival::Timestamp::Missing,
            payload,
            key: None,
            headers: &[],
        };
        receive(&mut batch, &arrival, &rules, &config.zone);
    }
    ledger.commit(&batch, &CommitExtras::default(), UtcMillis::new(NOW + first_offset)).unwrap();
}

#[path = "../../tests/testkit/skipped.rs"]
mod skipped;

/// Drops a ledger's large files from the page cache. `false` where they are on no disk, or the system does not count the
/// bytes that it fetches: then `check` cannot be made, which it notes.
pub(crate) fn evict_page_cache(dir: &Path, check: &str) -> bool {
    let files: Vec<File> = segment_files(dir).into_iter().map(|path| File::open(path).unwrap()).collect();
    assert!(!files.is_empty(), "nothing was large enough for a file of its own");
    let evict = || {
        for file in &files {
            file.sync_all().unwrap();
            rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    };
    evict();
    let read = |mut file: &File| std::io::copy(&mut file, &mut std::io::sink()).unwrap();
    let on_disk = bytes_fetched(|| files.iter().map(read).sum::<u64>()) > 0;
    evict();
    if !on_disk {
        skipped::skipped(
            check,
            "a target folder on a disk, and a system that counts bytes read (/proc/thread-self/io)",
        );
    }
    on_disk
}

/// Bytes that the system has to fetch from a disk for what this thread does.
pub(crate) fn bytes_fetched<T>(work: impl FnOnce() -> T) -> u64 {
    let fetched = || {
        let text = std::fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
        let bytes = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
        bytes.map_or(0, |bytes| bytes.parse::<u64>().unwrap())
    };
    let before = fetched();
    let _result = work();
    fetched() - before
}
