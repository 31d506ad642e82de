//! `coverledger ingest`: backfill from files.

use super::output::{Inputs, OutputFile};
use super::{Ending, load_config};
use crate::backfill::{Backfill, Summary, run as backfill};
use crate::domain::event::ExactTime;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ingest::file::{LineReader, Progress};
use crate::ledger::report::CommitReport;
use crate::ledger::room::{Free, Room};
use crate::ledger::setup::Setup;
use crate::ledger::writer::Ledger;
use crate::pipeline::rules_for;
use crate::telemetry::clock::Clock;
use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

/// Names of the counts, in their order.
const DISPOSITIONS: [&str; 7] =
    ["accepted", "amended", "duplicate", "stale", "conflict", "rejected", "control"];

/// Arguments of `ingest`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: coverledger ingest --config coverledger.toml --complete-through 2026-01-01T00:00:00+08:00 \
                        orders-2025.jsonl.zst\nRunning it again books nothing twice."
)]
pub struct IngestArgs {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Write what became of each line, as `line,disposition`; `-` for standard output, before the result.
    #[arg(long, value_name = "OUT.csv")]
    dispositions: Option<PathBuf>,
    /// State that every event about instants before T is in the ledger after this run: of one platform, or of all.
    #[arg(long, value_name = "[PLATFORM=]T")]
    complete_through: Vec<String>,
    /// JSON lines, plain, .gz or .zst; `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// Takes in the files and prints one JSON object about it.
///
/// # Errors
/// Bad configuration, unreadable input, a ledger that cannot go on.
pub fn run(args: &IngestArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let stated =
        args.complete_through.iter().map(|text| parse_statement(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let readers = args.inputs.iter().map(|path| LineReader::open(path)).collect::<Result<Vec<_>, _>>()?;
    let inputs = args.inputs.iter().fold(Inputs::of_config(&config), |inputs, path| inputs.with(path));
    inputs.refuse_standard_output()?;
    let mut dispositions = match &args.dispositions {
        Some(path) => Some(OutputFile::create(path, &inputs, &mut *out)?),
        None => None,
    };
    let clock = Clock::start();
    let mut ledger = Ledger::open(Setup::new(&config))?;
    ledger.enforce(clock.now())?;
    let mut room = Room::of(ledger.setup());
    room.wait(&mut tell_room)?;
    ledger.drop_all_expired(clock.now())?;
    let rules = rules_for(&config, None, ledger.retention_line());
    let started = Instant::now();
    let mut bar = Bar::new(readers.iter().map(LineReader::progress).collect());
    let summary = backfill(
        &mut ledger,
        readers,
        Backfill {
            rules: &rules,
            zone: &config.zone,
            batch_records: u32::try_from(config.ingest.batch_records).unwrap_or(u32::MAX),
            batch_bytes: config.ingest.batch_bytes,
            now: &|| clock.now(),
            stated,
            dispositions: dispositions.as_mut().map(|file| file as &mut dyn Write),
            each: &mut |report| {
                bar.committed(report);
                room.wait(&mut tell_room)
            },
        },
    )?;
    dispositions.map(OutputFile::commit).transpose()?;
    bar.finish();
    let elapsed_ms = started.elapsed().as_millis();
    // Files are history: every day ends as one run.
    ledger.compact_now(LocalDay(i32::MAX), clock.now())?;
    ledger.drop_all_expired(clock.now())?;
    let compaction_ms = started.elapsed().as_millis().saturating_sub(elapsed_ms);
    writeln!(out, "{}", summary_json(&summary, elapsed_ms, compaction_ms))?;
    Ok(Ending::Holds)
}

fn tell_room(free: &Free) {
    if free.is_short {
        eprintln!(
            "the disk is nearly full, {} bytes are free: waiting until {} are (ledger.min_free_bytes)",
            free.bytes, free.needed
        );
    } else {
        eprintln!("there is room on the disk again: going on");
    }
}

/// `[PLATFORM=]T`
fn parse_statement(text: &str) -> anyhow::Result<(Option<String>, UtcMillis)> {
    let (platform, time) = match text.split_once('=') {
        Some((platform, time)) => (Some(platform.to_owned()), time),
        None => (None, text),
    };
    let Some(at) = ExactTime::parse(time) else {
        bail!(
            "--complete-through {text}: not an RFC 3339 time with an offset, e.g. 2026-01-01T00:00:00+08:00"
        );
    };
    Ok((platform, at.floor()))
}

/// Counts by disposition, and refusals by reason.
pub(super) fn counts_json(summary: &Summary) -> (Map<String, Value>, Map<String, Value>) {
    let counts = DISPOSITIONS.iter().zip(summary.counts);
    let rejected = summary.rejected.iter().map(|(reason, count)| (reason.as_str().to_owned(), json!(count)));
    (counts.map(|(name, count)| ((*name).to_owned(), json!(count))).collect(), rejected.collect())
}

/// `elapsed_s` until the last record was durable and visible, `compaction_s` what putting the days in order took after that.
fn summary_json(summary: &Summary, elapsed_ms: u128, compaction_ms: u128) -> Value {
    let (dispositions, rejected) = counts_json(summary);
    let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or(u64::MAX).max(1);
    json!({
        "records": summary.records,
        "dispositions": dispositions,
        "rejected": rejected,
        "elapsed_s": decimal_seconds(elapsed_ms),
        "compaction_s": decimal_seconds(u64::try_from(compaction_ms).unwrap_or(u64::MAX)),
        "records_per_s": summary.records.saturating_mul(1_000) / elapsed_ms,
    })
}

/// Milliseconds as a JSON number of seconds.
fn decimal_seconds(ms: u64) -> Value {
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// A progress bar on a terminal, plain lines elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    inputs: Vec<Progress>,
    records: u64,
    said: Instant,
}

/// Seconds between plain lines.
const LINE_EVERY_S: u64 = 10;

impl Bar {
    fn new(inputs: Vec<Progress>) -> Self {
        let total: Option<u64> = inputs.iter().map(Progress::bytes_total).sum();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg} {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, inputs, records: 0, said: Instant::now() }
    }

    fn committed(&mut self, report: &CommitReport) {
        self.records += report.records;
        let read: u64 = self.inputs.iter().map(Progress::bytes_read).sum();
        match &self.bar {
            Some(bar) => {
                bar.set_position(read);
                bar.set_message(format!("{} records", self.records));
            }
            None if self.said.elapsed().as_secs() >= LINE_EVERY_S => {
                self.said = Instant::now();
                eprintln!("{} records committed, {read} bytes read", self.records);
            }
            None => {}
        }
    }

    fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}
