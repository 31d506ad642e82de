//! A ledger in a bucket of a real SeaweedFS, fed by a real Apache Kafka, both on this machine: ingest beside a bare consumer, requests
//! and bytes for an order, a reader's lookups, how soon an event is visible, restart, and another writer after a SIGKILL.
//!
//! `cargo bench --bench bucket [-- --orders N --repetitions N --batch-ms N --rate N --marks N --lookups N --binary FILE --dir DIR --enforce]`
//!
//! `--ingest-only` leaves out what follows the comparison with the bare consumer, `--without-ingest` that comparison, e.g. for a take-over
//! of a large ledger.
//!
//! Needs Java and Maven (`scripts/kafka.sh`) and Python (`scripts/seaweedfs.sh`). The store runs on the same cores as what is measured;
//! its CPU is told.

#[path = "bucket/requests.rs"]
mod requests;
mod support;

use coverledger::generate::GeneratorSettings;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::bare::{self, Share};
use support::http::Client;
use support::questions::{count, freshness, lookup, tell, visible};
use support::random::Random;
use support::seaweedfs::SeaweedFs;
use support::service::{Kafka, Service, generate};
use support::wait::delay;
use support::{Figures, Side, cpu, nanos_each, option, percentile};

/// The share of the bare consumer's rate that must be reached, in thousandths.
const SHARE_MIN: u64 = 400;
/// Milliseconds by which a reader may be behind its writer.
const READER_MS_MAX: u64 = 3_000;
/// Milliseconds until another writer is at work.
const TAKE_OVER_MS_MAX: u64 = 15_000;
/// Volumes of 64 MB.
const VOLUMES: u32 = 400;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What all parts need.
struct Site<'a> {
    kafka: &'a Kafka,
    store: &'a SeaweedFs,
    dir: &'a Path,
    records: u64,
    orders: u64,
    riders: &'a [String],
}

impl Site<'_> {
    /// A configuration on the prefix `{run}`: each service of [`bare::compare`] has one of its own.
    fn configuration(&self, run: &str, name: &str, batch_ms: u64) -> String {
        let endpoints = self.store.endpoints.each_ref().map(|endpoint| format!("{endpoint:?}")).join(", ");
        format!(
            "[storage]\nurl = \"s3://ledger/{run}\"\nendpoints = [{endpoints}]\n[ingest]\nbatch_ms = {batch_ms}\n\
             [answers]\nname = \"{name}\"\nlog = false\n"
        )
    }

    fn start(&self, arguments: &[&str], name: &str) -> Service {
        let extra = self.configuration("kept", name, option("batch-ms", 200));
        Service::start_as(arguments, &self.dir.join(name), &self.kafka.brokers(), &extra)
    }

    fn store_cpu(&self) -> Duration {
        self.store.pids().iter().map(|pid| cpu(pid)).sum()
    }
}

fn main() -> ExitCode {
    if let Some(brokers) = support::text_option("bare") {
        return bare::bare(&brokers, option("records", 0));
    }
    let orders = option("orders", 4_000_000);
    let folder = match support::text_option("dir") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a folder for the data");
    let settings = GeneratorSettings { orders, ..GeneratorSettings::default() };
    let (records, riders) = count(&settings);
    let (kafka, store) = (Kafka::start(folder.path()), SeaweedFs::with_volumes(VOLUMES));
    let arguments = ["--orders", &orders.to_string(), "--seed", "1", "--days", "1"];
    let made = generate(&kafka.brokers(), &arguments.map(str::to_owned)).wait();
    assert!(made.is_ok_and(|status| status.success()), "the events are produced");
    let mut figures = Figures::default();
    figures.tell("records, orders", format!("{records}, {orders}"));
    let site = Site { kafka: &kafka, store: &store, dir: folder.path(), records, orders, riders: &riders };
    if !support::flag("without-ingest") {
        ingest(&site, &mut figures);
    }
    if !support::flag("ingest-only") {
        let mut writer = site.start(&[], "writer");
        writer.wait_for(records);
        reader(&site, &mut writer, &mut figures);
        let writer = restart(&site, writer, &mut figures);
        take_over(&site, writer, &mut figures);
    }
    figures.finish()
}

/// Bare consumer and service in turn, each service in a bucket prefix of its own.
fn ingest(site: &Site<'_>, figures: &mut Figures) {
    let extra = site.configuration("{run}", "main", 1_000);
    let mut before = site.store_cpu();
    let share = Share::OnceStarted(SHARE_MIN);
    bare::compare((site.kafka, site.dir, site.records), (&extra, share), figures, |service, figures| {
        let used = site.store_cpu();
        figures.tell("store: CPU a record", format!("{} ns", nanos_each(site.records, used - before)));
        requests::tell(&mut service.connect(), site.records, figures);
        before = site.store_cpu();
    });
}

/// A reader: lookups with nothing in its cache, the same again, and beside the writer's ingest.
fn reader(site: &Site<'_>, writer: &mut Service, figures: &mut Figures) {
    // What is cached is merged away otherwise.
    writer.settled();
    let started = Instant::now();
    let mut reader = site.start(&["--read-only"], "reader");
    reader.ready();
    figures.tell("reader: start to ready", format!("{} ms", started.elapsed().as_millis()));
    let mut client = reader.connect();
    while chain(&mut client) < chain(&mut writer.connect()) {
        delay(LOOK_EVERY);
    }
    let lookups = option("lookups", 2_000);
    let mut ask = |seed: u64| {
        (0..lookups)
            .scan(Random::new(seed), |numbers, _| Some(lookup(&mut client, site.riders, numbers)))
            .collect()
    };
    let mut cold: Vec<u64> = ask(3);
    let mut warm: Vec<u64> = ask(3);
    tell("reader: HTTP lookup, nothing cached", &mut cold, figures);
    tell("reader: the same questions again", &mut warm, figures);
    figures.judge("  their p99", percentile(&mut warm, 990) / 1_000, Side::AtMost, 1_000, "ms");
    freshness(site.kafka, (&mut writer.connect(), " through the bucket", 1_000), site.orders, figures);
    freshness(site.kafka, (&mut reader.connect(), " at a reader", READER_MS_MAX), site.orders + 1, figures);
    reader.stop();
}

/// The newest slot that a process knows.
fn chain(client: &mut Client) -> u64 {
    let Ok((200, body)) = client.get("/v1/progress") else { return 0 };
    let progress: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    progress.pointer("/chain/slot").and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// Start to ready after SIGTERM and after SIGKILL, on the machine that has the cache.
fn restart(site: &Site<'_>, writer: Service, figures: &mut Figures) -> Service {
    let again = |name: &str| {
        let started = Instant::now();
        let mut writer = site.start(&[], "writer");
        writer.ready();
        figures.tell(name, format!("{} ms", started.elapsed().as_millis()));
        writer
    };
    writer.stop();
    again("start to ready, after SIGTERM").kill();
    again("start to ready, after SIGKILL")
}

/// A standby takes over from a writer that is killed: until an event that came meanwhile is answered `covered`.
fn take_over(site: &Site<'_>, writer: Service, figures: &mut Figures) {
    let mut standby = site.start(&["--standby"], "standby");
    let mut client = standby.connect();
    while chain(&mut client) == 0 {
        delay(LOOK_EVERY);
    }
    let _folder: PathBuf = writer.kill();
    let took = visible(site.kafka, &mut client);
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    figures.judge(
        "SIGKILL of the writer to an event visible at the standby",
        took,
        Side::AtMost,
        TAKE_OVER_MS_MAX,
        "s",
    );
    standby.stop();
}
