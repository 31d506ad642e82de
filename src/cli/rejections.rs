//! `coverledger rejections`: list, export, send again, settle.

use super::Ending;
use super::base64;
use super::ingest::counts_json;
use super::output::{Inputs, OutputFile};
use super::reading::Opened;
use crate::coverage::instant::{parse_from, parse_to};
use crate::coverage::rejection::{OriginLine, RejectionLine};
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;
use crate::domain::view::{Kept, LedgerView};
use crate::ledger::batch::Batch;
use crate::ledger::commit::Also;
use crate::ledger::rejected::KeptRecord;
use crate::ledger::snapshot::Snapshot;
use crate::redrive;
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `rejections`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger rejections --config coverledger.toml --unresolved
  coverledger rejections --config coverledger.toml --platform meituan --reason bad_time --json
  coverledger rejections --config coverledger.toml --from 2026-11-20T00:00:00+08:00 --export rejected.ndjson
  coverledger rejections --config coverledger.toml --reason unknown_category --redrive
  coverledger rejections --config coverledger.toml --reason bad_time --resolve 'test orders, see ticket 4711'

Lists rejected and conflicting records in the order in which they were recorded. --redrive sends the unresolved ones
through the pipeline again, after the configuration was mended; --resolve settles them for good: answers no longer wait
for them. An export holds raw bytes, key and headers in base64.")]
pub struct RejectionsArgs {
    /// The configuration file of the ledger.
    #[arg(long)]
    config: PathBuf,
    /// Only records that name this platform.
    #[arg(long)]
    platform: Option<String>,
    /// Only this reason, e.g. `bad_time`, or `conflict`.
    #[arg(long, value_parser = kept)]
    reason: Option<Kept>,
    /// Only records recorded at this instant or later (RFC 3339 with an offset).
    #[arg(long, value_name = "A", value_parser = from)]
    from: Option<UtcMillis>,
    /// Only records recorded before this instant.
    #[arg(long, value_name = "B", value_parser = to)]
    to: Option<UtcMillis>,
    /// Only rejections that nothing has settled yet.
    #[arg(long)]
    unresolved: bool,
    /// List as lines of JSON.
    #[arg(long)]
    json: bool,
    /// Write the records with their raw bytes as lines of JSON to a file, instead of listing them; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Send the unresolved ones through the pipeline again.
    #[arg(long, conflicts_with = "resolve")]
    redrive: bool,
    /// Settle the unresolved ones, for this reason.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    resolve: Option<String>,
}

fn kept(text: &str) -> Result<Kept, String> {
    if text == "conflict" {
        return Ok(Kept::Conflict);
    }
    Reason::parse(text).map(Kept::Rejected).ok_or_else(|| {
        let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("write conflict or one of {}", names.join(", "))
    })
}

fn from(text: &str) -> Result<UtcMillis, String> {
    parse_from(text).map_err(|error| error.to_string())
}

fn to(text: &str) -> Result<UtcMillis, String> {
    parse_to(text).map_err(|error| error.to_string())
}

/// Does what the arguments say.
///
/// # Errors
/// A ledger that cannot be read or cannot go on, an export that cannot be written.
pub fn run(args: &RejectionsArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let writes = args.redrive || args.resolve.is_some();
    let open = if writes { Opened::open } else { Opened::read };
    let mut opened = open(
        &args.config,
        "stop the service for this, or list with GET /v1/rejections?platform=&reason=&from=&to=",
    )?;
    if let Some(path) = &args.export {
        args.export_to(path, &opened, out)?;
    }
    if writes {
        let records = args.unsettled(&opened.snapshot())?;
        return match &args.resolve {
            Some(reason) => resolve(&mut opened, &records, reason, out),
            None => send_again(&mut opened, &records, out),
        };
    }
    if args.export.is_none() {
        let zone = &opened.config.zone;
        args.visit(&opened.snapshot(), &mut |record, recorded_at| {
            let line = RejectionLine::new(record.rejection, recorded_at, zone);
            if args.json { json_line(&line, out) } else { writeln!(out, "{}", text(&line)) }
        })?;
    }
    Ok(Ending::Holds)
}

impl RejectionsArgs {
    /// Visits the records that the filters leave.
    fn visit(
        &self,
        state: &Snapshot,
        each: &mut dyn FnMut(KeptRecord, UtcMillis) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut newest = None;
        let mut failed = None;
        state.rejected().visit(state.store(), 0, |record| {
            let rejection = &record.rejection;
            let platform = self.platform.is_none() || self.platform == rejection.readable.platform;
            let reason = self.reason.is_none_or(|reason| reason == rejection.kept);
            if !platform || !reason || self.unresolved && !is_unresolved(&record) {
                return Ok(true);
            }
            let recorded_at = match newest {
                Some((commit, at)) if commit == rejection.commit => at,
                _ => state.commit_instant(rejection.commit)?,
            };
            newest = Some((rejection.commit, recorded_at));
            let late_enough = self.from.is_none_or(|from| from <= recorded_at);
            if late_enough && self.to.is_none_or(|to| recorded_at < to) {
                failed = each(record, recorded_at).err();
            }
            Ok(failed.is_none())
        })?;
        failed.map_or(Ok(()), |error| Err(error).context("writing the records"))
    }

    fn unsettled(&self, state: &Snapshot) -> anyhow::Result<Vec<KeptRecord>> {
        let mut records = Vec::new();
        self.visit(state, &mut |record, _| {
            if is_unresolved(&record) {
                records.push(record);
            }
            Ok(())
        })?;
        Ok(records)
    }

    fn export_to(&self, path: &Path, opened: &Opened, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut sink = OutputFile::create(path, &Inputs::of_config(&opened.config), out)?;
        let state = opened.snapshot();
        self.visit(&state, &mut |record, recorded_at| {
            let raw = state.rejected().raw(state.store(), &record).map_err(io::Error::other)?;
            let key_base64 = record.key.as_deref().map(base64::encode);
            let headers = record.headers.iter();
            let headers = headers
                .map(|(name, value)| Header { name: name.clone(), value_base64: base64::encode(value) });
            let headers = headers.collect();
            let line = RejectionLine::new(record.rejection, recorded_at, &opened.config.zone);
            json_line(&Exported { line, key_base64, headers, raw_base64: base64::encode(&raw) }, &mut sink)
        })?;
        sink.commit()
    }
}

/// A record with everything that is kept of it.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    line: RejectionLine,
    key_base64: Option<String>,
    headers: Vec<Header>,
    raw_base64: String,
}

#[derive(Serialize)]
struct Header {
    name: String,
    value_base64: String,
}

const fn is_unresolved(record: &KeptRecord) -> bool {
    matches!(record.rejection.kept, Kept::Rejected(_)) && record.rejection.resolution.is_none()
}

fn json_line(line: &impl Serialize, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(line)?)
}

/// A record in one line for a person.
fn text(line: &RejectionLine) -> String {
    let what = line.reason.map_or_else(|| "conflict".to_owned(), |reason| format!("rejected:{reason}"));
    let place = match &line.origin {
        OriginLine::Kafka { topic, partition, offset, .. } => format!("{topic}[{partition}] offset {offset}"),
        OriginLine::File { line, .. } => format!("file line {line}"),
        OriginLine::Redrive { of } => format!("sent again as {of}"),
    };
    let platform = line.platform.as_deref().unwrap_or("?");
    let order = line.order_id.as_deref().unwrap_or("?");
    let settled = match (&line.resolution, line.reason) {
        (Some(_), _) => "resolved",
        (None, Some(_)) => "unresolved",
        (None, None) => "first stands",
    };
    format!("{} {} {what} {settled} {platform} {order} ({place}): {}", line.id, line.recorded_at, line.detail)
}

fn resolve(
    opened: &mut Opened,
    records: &[KeptRecord],
    reason: &str,
    out: &mut dyn Write,
) -> anyhow::Result<Ending> {
    let settled: Vec<_> = records.iter().map(|record| (record.rejection.id, reason.to_owned())).collect();
    let count = settled.len();
    if count > 0 {
        let notes = vec![format!("settled {count} rejections: {reason}")];
        let also = Also { settled, notes, ..Also::default() };
        opened.ledger.commit(&Batch::default(), &also, opened.clock.now())?;
    }
    writeln!(out, "{}", json!({"resolved": count}))?;
    Ok(Ending::Holds)
}

fn send_again(opened: &mut Opened, records: &[KeptRecord], out: &mut dyn Write) -> anyhow::Result<Ending> {
    let clock = opened.clock;
    let redriven = redrive::run(&mut opened.ledger, &opened.config, records, &|| clock.now())?;
    let (dispositions, rejected) = counts_json(&redriven.sent);
    let line = json!({
        "records": redriven.sent.records,
        "dispositions": dispositions,
        "rejected": rejected,
        "resolved": redriven.settled,
        "truncated": redriven.truncated,
    });
    writeln!(out, "{line}")?;
    Ok(Ending::Holds)
}
