//! What the benchmarks share: options, figures beside their limits, percentiles, memory and CPU of a process.
#![allow(dead_code, reason = "each benchmark uses its own part of this")]

use coverledger::domain::time::UtcMillis;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) mod backfill;
pub(crate) mod bare;
#[path = "../../tests/testkit/http.rs"]
pub(crate) mod http;
pub(crate) mod questions;
#[path = "../../tests/testkit/random.rs"]
pub(crate) mod random;
#[path = "../../tests/testkit/seaweedfs.rs"]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "shared with tests")]
pub(crate) mod seaweedfs;
pub(crate) mod service;
pub(crate) mod stored;
#[path = "../../tests/testkit/wait.rs"]
pub(crate) mod wait;

/// The value of `--NAME VALUE`, or of the environment's `BENCH_NAME`, or `default`.
pub(crate) fn option(name: &str, default: u64) -> u64 {
    text_option(name).map_or(default, |text| {
        text.replace('_', "").parse().unwrap_or_else(|_| panic!("--{name} {text}: expected a number"))
    })
}

/// The same as text.
pub(crate) fn text_option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| *argument != format!("--{name}"));
    arguments
        .nth(1)
        .or_else(|| std::env::var(format!("BENCH_{}", name.to_uppercase().replace('-', "_"))).ok())
}

/// Whether `--NAME` is given.
pub(crate) fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == format!("--{name}"))
}

/// Which side of its limit a figure must be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    AtLeast,
    AtMost,
}

/// Prints figures beside their limits and remembers whether one is short.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    short: Vec<String>,
}

impl Figures {
    /// A figure without a limit.
    pub(crate) fn tell(&self, name: &str, figure: impl Display) {
        line(&format!("{name:<52} {figure:>14}"));
    }

    /// A figure in thousandths with its limit in thousandths.
    pub(crate) fn judge(&mut self, name: &str, figure: u64, side: Side, limit: u64, unit: &str) {
        let ratio = figure.saturating_mul(1_000) / limit.max(1);
        let holds = match side {
            Side::AtLeast => figure >= limit,
            Side::AtMost => figure <= limit,
        };
        let word = if side == Side::AtLeast { "at least" } else { "at most" };
        let verdict = if holds { "" } else { "  SHORT" };
        let (figure, limit) = (thousandths(figure), thousandths(limit));
        let ratio = thousandths(ratio);
        line(&format!("{name:<52} {figure:>14} {unit:<9} {word} {limit}  ratio {ratio}{verdict}"));
        if !holds {
            self.short.push(name.to_owned());
        }
    }

    /// Fails when `--enforce` is given and a figure is short.
    pub(crate) fn finish(self) -> ExitCode {
        if flag("enforce") && !self.short.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// A number of thousandths as a decimal.
pub(crate) fn thousandths(value: u64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").expect("standard output takes a line");
}

/// `count` in `took`, a second.
pub(crate) fn per_second(count: u64, took: Duration) -> u64 {
    let us = took.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / us).unwrap_or(u64::MAX)
}

/// Nanoseconds each.
pub(crate) fn nanos_each(count: u64, took: Duration) -> u64 {
    u64::try_from(took.as_nanos() / u128::from(count.max(1))).unwrap_or(u64::MAX)
}

/// The given thousandths of the sorted samples, in nanoseconds.
pub(crate) fn percentile(samples: &mut [u64], thousandths: usize) -> u64 {
    samples.sort_unstable();
    let at = samples.len().saturating_mul(thousandths) / 1_000;
    samples.get(at.min(samples.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<u64>) -> u64 {
    percentile(&mut figures, 500)
}

/// Resident memory of a process in bytes (`VmRSS`), and its peak (`VmHWM`).
pub(crate) fn resident(pid: &str) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1_024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// User and system time that a process has used.
pub(crate) fn cpu(pid: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may contain spaces; fields 14 and 15 of all are 12 and 13 behind it. A tick is 10 ms on Linux.
    let behind = stat.rsplit_once(") ").map_or("", |parts| parts.1);
    let ticks: u64 = behind.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Time that the host of a virtual machine gave to others while this one had work, all cores together.
pub(crate) fn stolen() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    // `cpu  user nice system idle iowait irq softirq steal`, in ticks of 10 ms.
    let ticks = stat.lines().next().and_then(|all| all.split_whitespace().nth(8)?.parse::<u64>().ok());
    Duration::from_millis(ticks.unwrap_or(0) * 10)
}

/// Time that this thread has run: other than elapsed time, it says the same on a busy machine.
pub(crate) fn thread_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Time that this thread was ready to run while others ran.
pub(crate) fn thread_waited() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Bytes that this thread had to fetch from a disk.
pub(crate) fn thread_fetched() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
    let bytes = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Bytes that the files below a folder take on disk.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut folders = vec![dir.to_path_buf()];
    let mut sum = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the data folder can be read").flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                sum += metadata.blocks() * 512;
            }
        }
    }
    sum + removed_bytes(dir)
}

/// Bytes of files below a folder that have no name any more and are still open here.
pub(crate) fn removed_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let open = fs::read_dir("/proc/self/fd").expect("this system tells of open files").flatten();
    let removed = open.filter_map(|file| {
        let there = fs::read_link(file.path()).is_ok_and(|name| name.starts_with(dir));
        // Through the link, for the name leads nowhere.
        fs::metadata(file.path()).ok().filter(|metadata| there && metadata.nlink() == 0)
    });
    let blocks: BTreeMap<u64, u64> = removed.map(|metadata| (metadata.ino(), metadata.blocks())).collect();
    blocks.values().sum::<u64>() * 512
}

/// A configuration with the platforms of the generator, all on one topic, and the tariff of the repository.
pub(crate) fn configuration(dir: &Path, brokers: Option<&str>, listen: &str, extra: &str) -> PathBuf {
    let tariff = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tariffs/china-2025-07.toml");
    let mut text = format!("include = [{:?}]\n[ledger]\ndata_dir = \"data\"\n", tariff.display().to_string());
    if let Some(brokers) = brokers {
        text += &format!("[kafka]\nbrokers = \"{brokers}\"\n[http]\nlisten = \"{listen}\"\n");
    }
    text +=
        "[platform_defaults]\nrecords_from = 2022-07-01\ncomplete_start = true\ndelivery_delay = \"15m\"\n";
    for (name, _) in coverledger::generate::PLATFORMS {
        text += &format!("[platform.{name}]\ntopics = [\"orders\"]\n");
    }
    text += extra;
    let path = dir.join("coverledger.toml");
    fs::write(&path, text).expect("the configuration can be written");
    path
}

/// An instant as RFC 3339 in UTC, for questions.
pub(crate) fn rfc3339(at: UtcMillis) -> String {
    coverledger::domain::time::Zone::utc().rfc3339(at)
}
