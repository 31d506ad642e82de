//! The ledger in process, without Kafka: decode, decide, commit, compact, size, memory, restart, lookups.
//!
//! `cargo bench --bench ledger [-- --orders N --days N --load N --lookups N --filter-bytes N --index-bytes N (--dir DIR | --at DIR) --no-compaction --enforce]`
//!
//! `--at DIR` instead of `--dir DIR`: the ledger stays there. A folder that holds one is taken as it is, to put questions to it
//! again without writing everything first; what the questions' ingest adds stays in it.
//!
//! Runs are compacted on a thread of its own while batches are committed, as the service does it; when all is committed,
//! every day is brought to its settled form.

#[path = "ledger/compacting.rs"]
mod compacting;
#[path = "ledger/questions.rs"]
mod questions;
mod support;

use compacting::Compacting;
use coverledger::config::Config;
use coverledger::domain::event::EventRules;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::{Arrival, Batch, CommitExtras, CommitReport, Ledger, LedgerOptions, Source};
use coverledger::pipeline::{receive, rules_for};
use questions::lookups;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use support::{Figures, Side, disk_bytes, nanos_each, option, per_second, resident, thread_cpu};
use tempfile::TempDir;

/// As in the program: memory is what is measured here, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One sample of riders for lookups in so many orders.
const SAMPLE_EVERY: u32 = 997;

/// A stream of generated records, decoded batch by batch.
struct Feed<'a> {
    generator: Generator,
    rules: &'a EventRules,
    config: &'a Config,
    offset: i64,
    riders: Vec<String>,
    received: Duration,
    received_cpu: Duration,
}

impl Feed<'_> {
    /// Fills a batch; `false` when the stream is over.
    fn fill(&mut self, batch: &mut Batch) -> bool {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let most = self.config.ingest.batch_records.min(1 << 20);
        while ends.len() < most && self.generator.next_event(&mut bytes).is_some() {
            ends.push(bytes.len());
        }
        let (started, cpu) = (Instant::now(), thread_cpu());
        let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 0 });
        let mut from = 0;
        for &to in &ends {
            let arrival = Arrival {
                source,
                offset: self.offset,
                timestamp: coverledger::domain::arrival::Timestamp::Broker(UtcMillis::new(1_795_200_000_000)),
                payload: bytes.get(from..to).unwrap_or_default(),
                key: Some(b"01234567"),
                headers: &[],
            };
            receive(batch, &arrival, self.rules, &self.config.zone);
            (self.offset, from) = (self.offset + 1, to);
        }
        self.received += started.elapsed();
        self.received_cpu += thread_cpu() - cpu;
        let seen = batch.orders.iter().filter(|entry| entry.ordinal % SAMPLE_EVERY == 0);
        self.riders.extend(seen.map(|entry| batch.text(entry.rider).to_owned()));
        !ends.is_empty()
    }
}

/// Times of many commits.
#[derive(Default)]
struct Sums {
    records: u64,
    rows: u64,
    bytes: u64,
    decide: Duration,
    write: Duration,
    sync: Duration,
    total: Duration,
    longest: Duration,
    cpu: Duration,
}

impl Sums {
    fn add(&mut self, report: &CommitReport) {
        self.records += report.records;
        self.rows += report.rows;
        self.bytes += report.bytes_out;
        self.decide += report.decide;
        self.write += report.write;
        self.sync += report.sync;
        self.total += report.total;
        self.longest = self.longest.max(report.total);
    }
}

fn now() -> UtcMillis {
    UtcMillis::new(1_795_300_000_000)
}

fn setup(config: &Config) -> LedgerOptions {
    let mut setup = LedgerOptions::new(config);
    let filter_bytes = option("filter-bytes", u64::try_from(setup.filter_bytes).unwrap_or(u64::MAX));
    setup.filter_bytes = usize::try_from(filter_bytes).unwrap_or(usize::MAX);
    let index_bytes = option("index-bytes", u64::try_from(setup.index_bytes).unwrap_or(u64::MAX));
    setup.index_bytes = usize::try_from(index_bytes).unwrap_or(usize::MAX);
    setup
}

fn main() -> ExitCode {
    let orders = option("orders", 2_000_000);
    let days = u32::try_from(option("days", 1)).unwrap_or(1);
    let mut figures = Figures::default();
    let (folder, _temporary) = folder();
    let extra = support::text_option("config").unwrap_or_default();
    let path = support::configuration(&folder, None, "", &extra);
    let config = Config::load(&path, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let mut ledger = Ledger::open(setup(&config)).expect("a new ledger");
    ledger.activate_configuration(now()).expect("the configuration is put in force");
    let rules = rules_for(&config, Some("orders"), None);
    let settings = GeneratorSettings { orders, days, ..GeneratorSettings::default() };
    let mut feed = Feed {
        generator: Generator::new(&settings).expect("the settings make a stream"),
        rules: &rules,
        config: &config,
        offset: 0,
        riders: Vec::new(),
        received: Duration::ZERO,
        received_cpu: Duration::ZERO,
    };
    figures.tell("orders generated, days", format!("{orders}, {days}"));
    let mut compacting = Compacting::begin();
    compacting.attend(&ledger);
    let riders = folder.join("riders");
    if let Ok(kept) = fs::read_to_string(&riders) {
        feed.riders = kept.lines().map(str::to_owned).collect();
    } else {
        assert_eq!(
            ledger.published().current().runs().len(),
            0,
            "{}: the run that wrote this ledger was broken off; remove the folder",
            folder.display()
        );
        write_all(&mut ledger, &mut feed, (orders, &folder), &mut compacting, &mut figures);
        fs::write(&riders, feed.riders.join("\n")).expect("the riders to ask about are kept");
    }
    ledger = restart(ledger, &config, &folder, &mut figures);
    compacting.attend(&ledger);
    lookups(&mut ledger, &mut feed, &mut compacting, (orders, days), &mut figures);
    figures.finish()
}

/// Where the data goes, and what removes it in the end.
fn folder() -> (PathBuf, Option<TempDir>) {
    if let Some(at) = support::text_option("at") {
        fs::create_dir_all(&at).expect("a folder for the data");
        return (PathBuf::from(at), None);
    }
    let temporary = match support::text_option("dir") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a folder for the data");
    (temporary.path().to_path_buf(), Some(temporary))
}

/// Commits everything, compacts it, and tells what it takes on disk and in memory.
fn write_all(
    ledger: &mut Ledger,
    feed: &mut Feed<'_>,
    (orders, folder): (u64, &Path),
    compacting: &mut Compacting,
    figures: &mut Figures,
) {
    ingest(ledger, feed, orders, compacting, figures);
    let stored: u64 = ledger.published().current().runs().values().flatten().map(|run| run.entry.rows).sum();
    let before = disk_bytes(folder);
    figures.tell("disk before the last compaction", each_order(before, stored));
    memory(ledger, figures);
    compacting.settle(ledger, folder, figures);
    let after = disk_bytes(folder);
    figures.judge("disk after compaction", after * 1_000 / stored.max(1), Side::AtMost, 45_000, "B/order");
    let peak = compacting.disk_peak.max(after);
    figures.tell("  its peak meanwhile", each_order(peak, stored));
    memory(ledger, figures);
}

/// Commits everything, and tells how fast.
fn ingest(
    ledger: &mut Ledger,
    feed: &mut Feed<'_>,
    orders: u64,
    compacting: &mut Compacting,
    figures: &Figures,
) {
    let (mut all, mut first, mut last) = (Sums::default(), Sums::default(), Sums::default());
    let mut batch = Batch::default();
    while feed.fill(&mut batch) {
        let cpu = thread_cpu();
        let report = ledger.commit(&batch, &CommitExtras::default(), now()).expect("the batch is committed");
        all.cpu += thread_cpu() - cpu;
        if all.records < orders / 5 {
            first.add(&report);
        } else if all.records >= orders / 5 * 4 {
            last.add(&report);
        }
        all.add(&report);
        batch.clear();
        compacting.step(ledger, LocalDay(i32::MIN));
    }
    let rate = |took: Duration| format!("{} /s", per_second(all.records, took));
    let each = |took: Duration| format!("{} ns", nanos_each(all.records, took));
    figures.tell("receive (decode and place in the batch)", rate(feed.received));
    figures.tell("  each record", each(feed.received));
    figures.tell("  CPU each record", each(feed.received_cpu));
    figures.tell("decide", rate(all.decide));
    figures.tell("  each record", each(all.decide));
    figures.tell("write blocks, each record", each(all.write));
    figures.tell("sync, each record", each(all.sync));
    figures.tell("manifest and publish, each record", each(all.total - all.decide - all.write - all.sync));
    figures.tell("commit, all of it", rate(all.total));
    figures.tell("  each record", each(all.total));
    figures.tell("  CPU each record", each(all.cpu));
    figures.tell("  longest", format!("{} ms", all.longest.as_millis()));
    let decay = per_second(last.records, last.total) * 1_000 / per_second(first.records, first.total).max(1);
    figures.tell("rate of the last fifth against the first", support::thousandths(decay));
    for (name, part) in [("first", &first), ("last", &last)] {
        let each = |took: Duration| nanos_each(part.records, took);
        let text = format!("{}, {}, {} ns", each(part.decide), each(part.write), each(part.sync));
        figures.tell(&format!("  {name} fifth: decide, write, sync each record"), text);
    }
    figures.tell("bytes put into the store", format!("{} B/order", all.bytes / all.rows.max(1)));
}

fn each_order(bytes: u64, orders: u64) -> String {
    format!("{} B/order", support::thousandths(bytes * 1_000 / orders.max(1)))
}

fn memory(ledger: &Ledger, figures: &mut Figures) {
    let (filters, run_filters, indexes) = ledger.memory_bytes();
    let runs = ledger.published().current().runs().values().flatten().count();
    figures.tell("runs", runs);
    figures.tell("filters of days", format!("{} KiB", filters >> 10));
    figures.tell("filters of runs", format!("{} KiB", run_filters >> 10));
    figures.tell("indexes, tables of files", format!("{} KiB", indexes >> 10));
    figures.tell("days whose filters are not in memory", ledger.published().current().days_on_disk());
    let (resident, peak) = resident("self");
    figures.judge("resident memory", ((resident >> 10) * 1_000) >> 10, Side::AtMost, 1_024_000, "MiB");
    figures.judge("  its peak", ((peak >> 10) * 1_000) >> 10, Side::AtMost, 1_024_000, "MiB");
}

/// Closes the ledger and opens it again, as after a stop.
fn restart(ledger: Ledger, config: &Config, dir: &Path, figures: &mut Figures) -> Ledger {
    drop(ledger);
    forget_pages(dir);
    let started = Instant::now();
    let mut ledger = Ledger::open(setup(config)).expect("the ledger opens again");
    ledger.activate_configuration(now()).expect("the configuration is still in force");
    let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    figures.judge("start, pages of the file not in memory", took, Side::AtMost, 5_000, "s");
    ledger
}

/// Asks the system to drop what it keeps of the store's files; without `dd` they stay warm.
fn forget_pages(dir: &Path) {
    let segments = fs::read_dir(dir.join("data/segments")).into_iter().flatten().flatten();
    for file in segments.map(|entry| entry.path()).chain([dir.join("data/store/db")]) {
        let file = format!("if={}", file.display());
        drop(Command::new("dd").arg(file).args(["iflag=nocache", "count=0"]).output());
    }
}
