//! `coverledger rejections`: list, export, send again, resolve.

use super::Ending;
use super::WrongUsage;
use super::ingest::counts_json;
use super::load_config;
use super::reading::{Opened, unknown_platform};
use super::rejection_export;
use super::rejection_send;
use super::typed;
use crate::coverage::instant::check_year;
use crate::coverage::rejection::{OriginLine, RejectionLine};
use crate::coverage::rejection_filter::{NumberRange, RejectionFilter, parse_content, parse_kept};
use crate::domain::rejection::Kept;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::LedgerView;
use crate::ledger::{Batch, CommitExtras, KeptRecord, Snapshot};
use crate::redrive;
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

/// Names of platforms that only records name, in a message.
const NAMES_LISTED: usize = 20;
/// Rejections that one commit resolves.
const RESOLVED_TOGETHER: usize = 10_000;

/// Arguments of `rejections`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger rejections --config coverledger.toml --unresolved
  coverledger rejections --config coverledger.toml --platform meituan --reason bad_time --json
  coverledger rejections --config coverledger.toml --unreadable --unresolved --from 2026-11-20
  coverledger rejections --config coverledger.toml --topic orders.meituan --partition 3 --offset 1200-1300
  coverledger rejections --config coverledger.toml --from 2026-11-20T00:00:00+08:00 --export rejected.ndjson
  coverledger rejections --config coverledger.toml --reason unknown_category --redrive
  coverledger rejections --config coverledger.toml --reason malformed_json --export-plain mend.ndjson
  coverledger rejections --config coverledger.toml --send mend.ndjson
  coverledger rejections --config coverledger.toml --reason bad_time --resolve 'test orders, see ticket 4711'

Lists rejected and conflicting records in the order in which they were recorded; a record must pass every filter. --redrive
sends the unresolved rejections through the pipeline again, after the configuration was mended; --resolve resolves
rejections and conflicts for good, with the reason recorded: answers no longer wait for them. An export holds raw bytes, key
and headers in base64.

--export-plain writes the unresolved records to be mended, one line of JSON each: the number under \"rejection\", and the
record under \"record\" where it is a JSON object, else under \"text\", or under \"base64\" where it is not UTF-8. Mend them
there (a text or base64 may become \"record\"), delete the lines that are not to be sent, and give the file to --send: each
record goes through the pipeline by the rules of its topic, and one that is taken in resolves its rejection. One that is
refused again only counts; its number and reason go to standard error.")]
pub struct RejectionsArgs {
    /// The configuration file of the ledger.
    #[arg(long)]
    config: PathBuf,
    /// Only the record of this number, or of numbers such as 12-40; may be repeated.
    #[arg(long, value_name = "N", value_parser = numbers)]
    id: Vec<NumberRange>,
    /// Only records that name this platform; an error when it is known nowhere.
    #[arg(long)]
    platform: Option<String>,
    /// Only this reason, e.g. `bad_time`, or `conflict`.
    #[arg(long, value_parser = parse_kept)]
    reason: Option<Kept>,
    /// Only records recorded at this instant or later (RFC 3339, or a local time such as 2026-11-20 or '2026-11-20 12:07').
    #[arg(long, value_name = "A")]
    from: Option<String>,
    /// Only records recorded before this instant; a day counts through its end.
    #[arg(long, value_name = "B")]
    to: Option<String>,
    /// Only records that nothing has resolved yet.
    #[arg(long)]
    unresolved: bool,
    /// Only records that name this rider.
    #[arg(long)]
    rider: Option<String>,
    /// Only rejected records in which no rider can be read.
    #[arg(long)]
    unreadable: bool,
    /// Only records whose detail holds this text.
    #[arg(long, value_name = "TEXT")]
    detail: Option<String>,
    /// Only records of this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only records of this partition.
    #[arg(long, value_name = "P")]
    partition: Option<i32>,
    /// Only records with this offset, or with offsets such as 1200-1300; may be repeated.
    #[arg(long, value_name = "O", value_parser = numbers)]
    offset: Vec<NumberRange>,
    /// Only this line of ingested files, or lines such as 1-9; may be repeated.
    #[arg(long, value_name = "N", value_parser = numbers)]
    line: Vec<NumberRange>,
    /// Only the line of this content hash, as the list shows it with --json.
    #[arg(long, value_name = "HASH", value_parser = content)]
    content: Option<[u8; 16]>,
    /// List as lines of JSON.
    #[arg(long)]
    json: bool,
    /// Write the records with their raw bytes as lines of JSON to a file, instead of listing them; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Write the unresolved records to a file in which they can be mended for --send; `-` for standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    export_plain: Option<PathBuf>,
    /// Send the mended records of such a file through the pipeline; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "redrive", "resolve", "export", "export_plain", "id", "platform", "reason", "from", "to", "unresolved", "rider",
        "unreadable", "detail", "topic", "partition", "offset", "line", "content",
    ])]
    send: Option<PathBuf>,
    /// Send the unresolved rejections through the pipeline again, as they are.
    #[arg(long, conflicts_with = "resolve")]
    redrive: bool,
    /// Resolve the unresolved records, conflicts too, for this reason.
    #[arg(long, value_name = "REASON", value_parser = typed::reason)]
    resolve: Option<String>,
}

fn numbers(text: &str) -> Result<NumberRange, String> {
    NumberRange::parse(text).ok_or_else(|| "write a number, or two such as 12-40".to_owned())
}

fn content(text: &str) -> Result<[u8; 16], String> {
    parse_content(text).ok_or_else(|| "write the 32 hexadecimal digits of the list".to_owned())
}

/// Does what the arguments say.
///
/// # Errors
/// A ledger that cannot be read or cannot continue, an export that cannot be written, an unknown platform.
pub fn run(args: &RejectionsArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let filter = args.filter(&config.zone)?;
    for at in [filter.from, filter.to].into_iter().flatten() {
        check_year(at, &config.zone).map_err(|error| WrongUsage(error.to_string()))?;
    }
    let writes = args.redrive || args.resolve.is_some() || args.send.is_some();
    let open = if writes { Opened::open } else { Opened::read };
    let mut opened = open(
        config,
        "stop the service for this, or list with GET /v1/rejections?platform=&reason=&from=&to=",
    )?;
    if let Some(file) = &args.send {
        return rejection_send::run(&mut opened, file, out);
    }
    check_platform(&opened, &filter)?;
    if let Some(path) = &args.export {
        rejection_export::raw(path, &opened, &filter, out)?;
    }
    if let Some(path) = &args.export_plain {
        rejection_export::plain(path, &opened, &filter, out)?;
    }
    if let Some(reason) = &args.resolve {
        let ids = unresolved(&opened, filter, true)?;
        return resolve(&mut opened, &ids, reason, out);
    }
    if args.redrive {
        let ids = unresolved(&opened, filter, false)?;
        return send_again(&mut opened, &ids, out);
    }
    if args.export.is_none() && args.export_plain.is_none() {
        let (zone, platforms) = (&opened.config.zone, &opened.config.platforms);
        let known = opened.platforms();
        visit(&opened.snapshot(), &filter, &mut |record, recorded_at| {
            let line = RejectionLine::new(record.rejection, recorded_at, zone, (platforms, &known));
            if args.json { json_line(&line, out) } else { writeln!(out, "{}", text(&line)) }
        })?;
    }
    Ok(Ending::Holds)
}

impl RejectionsArgs {
    fn filter(&self, zone: &Zone) -> anyhow::Result<RejectionFilter> {
        Ok(RejectionFilter {
            ids: self.id.clone(),
            platform: self.platform.clone(),
            kept: self.reason,
            from: self.from.as_deref().map(|text| typed::from(text, zone)).transpose()?,
            to: self.to.as_deref().map(|text| typed::to(text, zone)).transpose()?,
            unresolved: self.unresolved,
            rider_id: self.rider.clone(),
            unreadable: self.unreadable,
            detail: self.detail.clone(),
            topic: self.topic.clone(),
            partition: self.partition,
            offsets: self.offset.clone(),
            lines: self.line.clone(),
            content: self.content,
            only: None,
        })
    }
}

/// Visits the records that a filter leaves, ascending by number.
pub(super) fn visit(
    state: &Snapshot,
    filter: &RejectionFilter,
    each: &mut dyn FnMut(KeptRecord, UtcMillis) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut newest = None;
    let mut failed = None;
    state.rejected().visit(state.store(), filter.first_id(), |record| {
        let rejection = &record.rejection;
        if filter.ends_before(rejection.id) {
            return Ok(false);
        }
        if !filter.names(rejection) {
            return Ok(true);
        }
        let recorded_at = match newest {
            Some((commit, at)) if commit == rejection.commit => at,
            _ => state.commit_instant(rejection.commit)?,
        };
        newest = Some((rejection.commit, recorded_at));
        if filter.is_in_time(recorded_at) {
            failed = each(record, recorded_at).err();
        }
        Ok(failed.is_none())
    })?;
    failed.map_or(Ok(()), |error| Err(error).context("Failed to write the records"))
}

/// Fails for a platform that was never registered, of which nothing is stored, and which no kept record names.
fn check_platform(opened: &Opened, filter: &RejectionFilter) -> anyhow::Result<()> {
    let known = opened.platforms();
    let Err(unknown) = unknown_platform(&filter.platform, &known) else { return Ok(()) };
    let state = opened.snapshot();
    let mut named = BTreeSet::new();
    state.rejected().visit(state.store(), 0, |record| {
        named.extend(record.rejection.readable.platform);
        Ok(true)
    })?;
    if filter.platform.as_ref().is_some_and(|platform| named.contains(platform)) {
        return Ok(());
    }
    let others: Vec<String> = named.into_iter().filter(|name| !known.contains(name)).collect();
    if others.is_empty() {
        return Err(unknown.into());
    }
    let listed: Vec<&str> = others.iter().take(NAMES_LISTED).map(String::as_str).collect();
    let more = if others.len() > listed.len() { ", and others" } else { "" };
    Err(WrongUsage(format!("{}; kept records also name {}{more}", unknown.0, listed.join(", "))).into())
}

/// Numbers of the records that nothing has resolved, with or without conflicts.
fn unresolved(opened: &Opened, filter: RejectionFilter, conflicts: bool) -> anyhow::Result<Vec<u64>> {
    let filter = RejectionFilter { unresolved: true, ..filter };
    let mut ids = Vec::new();
    visit(&opened.snapshot(), &filter, &mut |record, _| {
        if conflicts || record.rejection.kept != Kept::Conflict {
            ids.push(record.rejection.id);
        }
        Ok(())
    })?;
    Ok(ids)
}

pub(super) fn json_line(line: &impl Serialize, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
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
    let resolved = if line.resolution.is_some() { "resolved" } else { "unresolved" };
    format!(
        "{} {} {what} {resolved} {platform} {order} ({place}): {}",
        line.id, line.recorded_at, line.detail
    )
}

fn resolve(opened: &mut Opened, ids: &[u64], reason: &str, out: &mut dyn Write) -> anyhow::Result<Ending> {
    for together in ids.chunks(RESOLVED_TOGETHER) {
        let resolved = together.iter().map(|id| (*id, reason.to_owned())).collect();
        let notes = vec![format!("resolved {} rejections: {reason}", together.len())];
        let extras = CommitExtras { resolved, notes, ..CommitExtras::default() };
        opened.ledger.commit(&Batch::default(), &extras, opened.clock.now())?;
    }
    writeln!(out, "{}", json!({"resolved": ids.len()}))?;
    Ok(Ending::Holds)
}

fn send_again(opened: &mut Opened, ids: &[u64], out: &mut dyn Write) -> anyhow::Result<Ending> {
    let clock = opened.clock;
    let redriven = redrive::run(&mut opened.ledger, &opened.config, ids, &|| clock.now())?;
    let (dispositions, rejected) = counts_json(&redriven.sent);
    let line = json!({
        "records": redriven.sent.records,
        "dispositions": dispositions,
        "rejected": rejected,
        "resolved": redriven.resolved,
        "truncated": redriven.truncated,
    });
    writeln!(out, "{line}")?;
    Ok(Ending::Holds)
}
