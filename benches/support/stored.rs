//! The service on a ledger that holds much already: its rate, how soon it is ready again, backup and restore.

use super::Figures;
use super::Side;
use super::disk_bytes;
use super::option;
use super::per_second;
use super::resident;
use super::service::{Kafka, Service, binary, fill};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Another seed than that of the topic: other orders.
const SEED: u64 = 99;

/// Records a second of the service on an empty ledger.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    /// From the start of its process to the ends of the topic.
    pub(crate) whole: u64,
    /// Of all but the first quarter of the records.
    pub(crate) running: u64,
}

/// With `--stored N`: drains the topic into a ledger that holds N orders, beside the rate into an empty one.
pub(crate) fn compare(kafka: &Kafka, dir: &Path, (records, empty): (u64, Rates), figures: &mut Figures) {
    let orders = option("stored", 0);
    if orders == 0 {
        return;
    }
    let dir = dir.join("stored");
    let started = Instant::now();
    // Before the first event: what comes from Kafka afterwards is not late.
    fill(&dir, SEED, orders, option("stored-days", 2), "2026-11-19T00:00:00Z");
    figures.tell(
        "stored before, from a pipe",
        format!("{orders}, {} /s", per_second(orders, started.elapsed())),
    );
    figures.tell("  bytes on disk", disk_bytes(&dir.join("data")));
    let extra = super::text_option("config").unwrap_or_default();
    let start = || Service::start(&dir, &kafka.brokers(), &extra);
    let started = Instant::now();
    let mut service = start();
    let running = service.wait_for(records);
    let whole = per_second(records, started.elapsed());
    figures.tell("service, onto what is stored, with its start", format!("{whole} /s"));
    figures.tell(
        "  as a share of the rate onto nothing",
        super::thousandths(whole * 1_000 / empty.whole.max(1)),
    );
    figures.tell("service, onto what is stored, after the first quarter", format!("{running} /s"));
    let share = running * 1_000 / empty.running.max(1);
    figures.judge("  as a share of the rate onto nothing", share, Side::AtLeast, 800, "");
    let (now, peak) = resident(&service.pid());
    figures.tell("  resident, peak", format!("{}, {} MiB", now >> 20, peak >> 20));
    service.settled();
    figures.judge(
        "  resident, at rest",
        (resident(&service.pid()).0 >> 20) * 1_000,
        Side::AtMost,
        1_024_000,
        "MiB",
    );
    backup(&dir, figures);
    service.stop();
    ready("start to ready, after SIGTERM", start, figures).kill();
    ready("start to ready, after SIGKILL", start, figures).kill();
    fs::remove_dir_all(dir.join("data")).expect("the data can be removed");
    fs::rename(dir.join("backup"), dir.join("data")).expect("the backup takes its place");
    let mut service = ready("start to ready, from a backup", start, figures);
    service.wait_for(records);
    service.stop();
}

fn ready(name: &str, start: impl Fn() -> Service, figures: &mut Figures) -> Service {
    let started = Instant::now();
    let mut service = start();
    service.ready();
    figures.judge(name, milliseconds(started.elapsed()), Side::AtMost, 5_000, "s");
    service
}

fn backup(dir: &Path, figures: &Figures) {
    let started = Instant::now();
    let done = Command::new(binary())
        .arg("backup")
        .arg(dir.join("backup"))
        .arg("--config")
        .arg(dir.join("coverledger.toml"))
        .stdout(Stdio::null())
        .status();
    assert!(done.is_ok_and(|status| status.success()), "the backup is made");
    figures.tell("backup while running, on the same disk", format!("{} ms", milliseconds(started.elapsed())));
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
