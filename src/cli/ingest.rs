//! `coverledger ingest`: backfill from files.

use super::Ending;
use super::WrongUsage;
use super::load_config;
use super::output::{Inputs, OutputFile};
use super::reading::activate_configuration;
use super::typed;
use crate::backfill::{Backfill, BackfillError, Done, Summary, run as backfill};
use crate::config::Config;
use crate::domain::event::ExactTime;
use crate::domain::pending::PendingKind;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ingest::file::{LineReader, Progress};
use crate::ledger::{CommitReport, DiskSpace, FreeSpace, Ledger, LedgerError, LedgerOptions};
use crate::pipeline::rules_for;
use crate::telemetry::clock::Clock;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Names of the counts, in their order.
const DISPOSITIONS: [&str; 7] =
    ["accepted", "amended", "duplicate", "stale", "conflict", "rejected", "control"];

/// Arguments of `ingest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger ingest --config coverledger.toml --complete-through 2026-01-01T00:00:00+08:00 orders-2025.jsonl.zst
  xz -dc orders.jsonl.xz | coverledger ingest --config coverledger.toml -

Running it again books nothing twice. Inputs are known by their first bytes, not by their names: JSON lines, plain or packed
by gzip or Zstandard. Everything else (CSV, a JSON array, xz, zip, UTF-16 and so on) is refused before anything is booked.")]
pub struct IngestArgs {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Write what became of each line, as `line,disposition`; `-` for standard output, before the result.
    #[arg(long, value_name = "OUT.csv")]
    dispositions: Option<PathBuf>,
    /// State that every event about instants before T is in the ledger after this run: of one platform, or of all. Not
    /// booked when a record is met in which no rider can be read.
    #[arg(long, value_name = "[PLATFORM=]T")]
    complete_through: Vec<String>,
    /// Let --complete-through lie in the future.
    #[arg(long, requires = "complete_through")]
    future: bool,
    /// Settle the records of this run in which no rider can be read, for this reason, and state --complete-through all the
    /// same.
    #[arg(long, value_name = "REASON", value_parser = typed::reason)]
    accept_unreadable: Option<String>,
    /// End with 1 when the disk is nearly full, instead of waiting for it.
    #[arg(long)]
    no_wait: bool,
    /// JSON lines, plain or packed by gzip or Zstandard; `-` for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// Takes in the files and prints one JSON object about it.
///
/// # Errors
/// Bad configuration, inputs that cannot be opened or are no JSON lines, a ledger that cannot continue.
pub fn run(args: &IngestArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let clock = Clock::start();
    let stated = args.statements(&config, clock.now())?;
    let inputs = args.inputs.iter().fold(Inputs::of_config(&config), |inputs, path| inputs.with(path));
    inputs.refuse_standard_output()?;
    let mut dispositions = match &args.dispositions {
        Some(path) => Some(OutputFile::create(path, &inputs, &mut *out)?),
        None => None,
    };
    let is_late = |path: &Path| path.as_os_str() == "-";
    let mut readers = Vec::new();
    for path in &args.inputs {
        readers.push(if is_late(path) { None } else { Some(LineReader::open(path)?) });
    }
    let mut ledger = Ledger::open(LedgerOptions::new(&config))?;
    activate_configuration(&mut ledger, clock)?;
    let mut disk_space = DiskSpace::of(ledger.options());
    args.check_disk_space(&mut disk_space)?;
    ledger.drop_all_expired(clock.now())?;
    // The program that writes to standard input may wait for the ledger; what comes is looked at before anything is booked.
    for (reader, path) in readers.iter_mut().zip(&args.inputs).filter(|(reader, _)| reader.is_none()) {
        *reader = Some(LineReader::open(path)?);
    }
    let readers: Vec<LineReader> = readers.into_iter().flatten().collect();
    let rules = rules_for(&config, None, ledger.retention_line());
    let started = Instant::now();
    let mut bar = Bar::new(readers.iter().map(LineReader::progress).collect());
    let done = backfill(
        &mut ledger,
        readers,
        Backfill {
            rules: &rules,
            zone: &config.zone,
            batch_records: u32::try_from(config.ingest.batch_records).unwrap_or(u32::MAX),
            batch_bytes: config.ingest.batch_bytes,
            now: &|| clock.now(),
            stated,
            accept_unreadable: args.accept_unreadable.as_deref(),
            dispositions: dispositions.as_mut().map(|file| file as &mut dyn Write),
            each: &mut |report| {
                bar.committed(report);
                args.check_disk_space(&mut disk_space)
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
    writeln!(out, "{}", summary_json(&done, elapsed_ms, compaction_ms))?;
    warn(&done);
    let pending = ledger.published().current().rejected().pending().count(PendingKind::Unreadable);
    if done.problem.is_none() && !args.complete_through.is_empty() && pending > 0 {
        eprintln!(
            "warning: --complete-through is booked, but {pending} records of this run or earlier ones in which no rider can \
             be read are unresolved: answers about every rider wait for them. List them with `coverledger rejections \
             --unreadable --unresolved`; mend them with its --export-plain and --send, or give them up with its --resolve \
             REASON"
        );
    }
    Ok(match done.problem {
        None => Ending::Holds,
        Some(problem) => {
            eprintln!("coverledger: {:#}", anyhow::Error::new(problem));
            Ending::DoesNotHold
        }
    })
}

/// What people should know besides the counts.
fn warn(done: &Done) {
    for (field, (count, line)) in &done.misspelt {
        eprintln!(
            "warning: {count} accepted orders have no field {field}, but one with a name that resembles it (the first is \
             line {line}): they were booked without it; send them again under the right name with a higher revision"
        );
    }
    let is_said = matches!(done.problem, Some(BackfillError::Unreadable { .. }));
    if let (Some((count, first_line)), false) = (done.unreadable, is_said) {
        eprintln!(
            "warning: no rider can be read in {count} records (the first is line {first_line}): they keep answers about every \
             rider open until they are resolved; see `coverledger rejections --unresolved`"
        );
    }
}

impl IngestArgs {
    /// Continues once the disk has enough free space.
    fn check_disk_space(&self, disk_space: &mut DiskSpace) -> Result<(), LedgerError> {
        if self.no_wait { disk_space.require() } else { disk_space.wait(&mut report_disk_space) }
    }

    /// The statements of completeness. Later ones than the present are mostly typed wrongly, and never go back.
    fn statements(
        &self,
        config: &Config,
        now: UtcMillis,
    ) -> Result<Vec<(Option<String>, UtcMillis)>, WrongUsage> {
        let promises = config.platforms.registered().map(|(_, promise)| promise);
        let longest_ms = promises.chain([config.platforms.defaults()]).map(|p| p.max_order_duration_ms).max();
        // Of a later instant no order within the horizon can tell.
        let latest = config.limits.horizon_until.plus(longest_ms.unwrap_or(0));
        let mut statements = Vec::new();
        for text in &self.complete_through {
            let (platform, through) = parse_statement(text)?;
            if through > now && !self.future {
                return Err(WrongUsage(format!(
                    "--complete-through {text} is in the future, and what is stated never goes back: check the year; if it \
                     is meant, add --future"
                )));
            }
            if through > latest {
                return Err(WrongUsage(format!(
                    "--complete-through {text} is beyond the horizon of the configuration (limits.horizon): check the year"
                )));
            }
            statements.push((platform, through));
        }
        Ok(statements)
    }
}

fn report_disk_space(free: &FreeSpace) {
    if free.is_short {
        eprintln!(
            "the disk is nearly full, {} bytes are free: waiting until {} are (ledger.min_free_bytes; --no-wait ends instead)",
            free.bytes, free.needed
        );
    } else {
        eprintln!("the disk has enough free space again: continuing");
    }
}

/// `[PLATFORM=]T`
fn parse_statement(text: &str) -> Result<(Option<String>, UtcMillis), WrongUsage> {
    let (platform, time) = match text.split_once('=') {
        Some((platform, time)) => (Some(platform.to_owned()), time),
        None => (None, text),
    };
    let Some(at) = ExactTime::parse(time) else {
        return Err(WrongUsage(format!(
            "--complete-through {text}: not an RFC 3339 time with an offset, e.g. 2026-01-01T00:00:00+08:00"
        )));
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
fn summary_json(done: &Done, elapsed_ms: u128, compaction_ms: u128) -> Value {
    let summary = &done.summary;
    let misspelt = done.misspelt.iter().map(|(field, (count, _))| ((*field).to_owned(), json!(count)));
    let (dispositions, rejected) = counts_json(summary);
    let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or(u64::MAX).max(1);
    json!({
        "records": summary.records,
        "dispositions": dispositions,
        "rejected": rejected,
        "blank": done.blank,
        "misspelt": misspelt.collect::<Map<String, Value>>(),
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
