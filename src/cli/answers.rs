//! `coverledger answers`: the answer logs beside a ledger: list, show, check. They are read as files: a service may run.

use super::access::write_table;
use super::answer_logs::AnswerLogs;
use super::{Ending, WrongUsage, load_config};
use crate::answers::chain::visit;
use crate::answers::{Asked, Content, Digest, Entry, LogReport};
use crate::app::answers_folder;
use crate::config::Config;
use crate::domain::time::UtcMillis;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `answers`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  coverledger answers list --config coverledger.toml --reason case-7\n  coverledger answers show main/17 --config \
                  coverledger.toml\n  coverledger answers changed --config coverledger.toml --json\n  coverledger answers verify --config \
                  coverledger.toml"
)]
pub struct AnswersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the entries of all logs, also of those that other processes of a ledger in a bucket have shipped.
    List(ListArgs),
    /// Print one entry, and what later entries say of it.
    Show {
        /// The log and the number, as the header Coverledger-Answer names them: main/17.
        entry: String,
        #[command(flatten)]
        with: ConfigArgs,
    },
    /// List the answers whose verdict would now be another one.
    Changed(ListArgs),
    /// Check the chain of every log; exit code 0 only if all of them hold.
    Verify(ConfigArgs),
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    with: ConfigArgs,
    /// Only the log of this process.
    #[arg(long, value_name = "NAME")]
    log: Option<String>,
    /// Only answers with this reason or case number.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only answers to this token or account.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only entries of this kind: answer, batch_end, changed, configuration, access, retention.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Bad configuration; a log cannot be read, or is damaged.
pub fn run(args: &AnswersArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    match &args.command {
        Command::List(list) => write_list(list, false, out),
        Command::Changed(list) => write_list(list, true, out),
        Command::Show { entry, with } => show(entry, with, out),
        Command::Verify(with) => {
            let config = load_config(&with.config)?;
            let reports = AnswerLogs::of(&config)?.verify()?;
            for report in &reports {
                write_report(report, with.json, out)?;
            }
            if reports.is_empty() && !with.json {
                writeln!(out, "there is no answer log in {}", answers_folder(&config).display())?;
            }
            let holds = reports.iter().all(|report| report.chain.holds());
            Ok(if holds { Ending::Holds } else { Ending::DoesNotHold })
        }
    }
}

/// The verdict that an answer would now have, and the entry that says so.
type Changes = BTreeMap<u64, (u64, String)>;

/// What later entries say of the answers of a log.
fn changes_of(entries: &[(Entry, Digest)]) -> Changes {
    let verdicts: BTreeMap<u64, &str> =
        entries.iter().filter_map(|(entry, _)| Some((entry.number, verdict_of(entry)?))).collect();
    let mut changes = Changes::new();
    for (entry, _) in entries {
        let Content::Changed { answer, verdict, .. } = &entry.content else { continue };
        if verdicts.get(answer) == Some(&verdict.as_str()) {
            changes.remove(answer);
        } else {
            changes.insert(*answer, (entry.number, verdict.clone()));
        }
    }
    changes
}

fn verdict_of(entry: &Entry) -> Option<&str> {
    match &entry.content {
        Content::Answer { verdict, .. } => verdict.as_deref(),
        _ => None,
    }
}

fn read(folder: &std::path::Path) -> anyhow::Result<Vec<(Entry, Digest)>> {
    let mut entries = Vec::new();
    visit(folder, |entry, digest| entries.push((entry, digest)))?;
    Ok(entries)
}

fn as_json(name: &str, (entry, digest): &(Entry, Digest), changes: &Changes, config: &Config) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("id".to_owned(), json!(format!("{name}/{}", entry.number)));
        members.insert("at".to_owned(), json!(config.zone.rfc3339(UtcMillis::new(entry.at_ms))));
        members.insert("digest".to_owned(), json!(digest));
        if let Some((by, verdict)) = changes.get(&entry.number) {
            members.insert("changed".to_owned(), json!({"entry": by, "verdict": verdict}));
        }
    }
    value
}

fn write_list(args: &ListArgs, only_changed: bool, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.with.config)?;
    if let Some(kind) = args.kind.as_ref().filter(|kind| !Content::KINDS.contains(&kind.as_str())) {
        let kinds = Content::KINDS.join(", ");
        return Err(WrongUsage(format!("--kind {kind}: the kinds of entries are {kinds}")).into());
    }
    let AnswerLogs { logs, .. } = &AnswerLogs::of(&config)?;
    if let Some(name) = args.log.as_ref().filter(|name| !logs.iter().any(|(known, _)| known == *name)) {
        let known: Vec<&str> = logs.iter().map(|(name, _)| name.as_str()).collect();
        return Err(WrongUsage(format!(
            "--log {name}: there is no such log; there are: {}",
            known.join(", ")
        ))
        .into());
    }
    let mut rows = Vec::new();
    for (name, folder) in logs.iter().filter(|(name, _)| args.log.as_ref().is_none_or(|log| log == name)) {
        let entries = read(folder)?;
        let changes = changes_of(&entries);
        for entry in &entries {
            let is_wanted = (!only_changed || changes.contains_key(&entry.0.number)) && wants(args, &entry.0);
            match (is_wanted, args.with.json) {
                (false, _) => {}
                (true, true) => writeln!(out, "{}", as_json(name, entry, &changes, &config))?,
                (true, false) => rows.push(row(name, &entry.0, &changes, &config)),
            }
        }
    }
    if !rows.is_empty() {
        let head = ["entry", "at", "kind", "who", "reason", "what", "verdict", "now"].map(str::to_owned);
        write_table(out, &[vec![head.into()], rows].concat())?;
    }
    Ok(Ending::Holds)
}

fn wants(args: &ListArgs, entry: &Entry) -> bool {
    let (principal, reason) = match &entry.content {
        Content::Answer { principal, reason, .. } => (Some(&principal.name), reason.as_ref()),
        _ => (None, None),
    };
    args.kind.as_deref().is_none_or(|kind| kind == entry.content.kind())
        && args.principal.as_ref().is_none_or(|name| principal == Some(name))
        && args.reason.as_ref().is_none_or(|text| reason == Some(text))
}

fn row(name: &str, entry: &Entry, changes: &Changes, config: &Config) -> Vec<String> {
    let (who, reason, what) = match &entry.content {
        Content::Answer { principal, reason, question, .. } => {
            (principal.name.clone(), reason.clone().unwrap_or_default(), text_of(question, config))
        }
        Content::BatchEnd { batch, answers, .. } => (
            String::new(),
            String::new(),
            format!("{} answers of {name}/{batch}", answers.iter().sum::<u64>()),
        ),
        Content::Changed { answer, verdict, event } => {
            let event = serde_json::to_string(event).unwrap_or_default();
            (String::new(), String::new(), format!("{name}/{answer} is now {verdict}: {event}"))
        }
        Content::Configuration { actor, added, removed, .. } => (
            actor.clone(),
            String::new(),
            format!("{} settings added, {} removed", added.len(), removed.len()),
        ),
        Content::Access { actor, action, subject, detail, .. } => {
            (actor.clone(), String::new(), format!("{action} {subject} {detail}"))
        }
        Content::Retention { dropped_through, .. } => {
            (String::new(), String::new(), format!("dropped up to {name}/{dropped_through}"))
        }
    };
    let at = config.zone.rfc3339(UtcMillis::new(entry.at_ms));
    let now = changes.get(&entry.number).map(|(_, verdict)| verdict.clone()).unwrap_or_default();
    let verdict = verdict_of(entry).unwrap_or_default().to_owned();
    vec![
        format!("{name}/{}", entry.number),
        at,
        entry.content.kind().to_owned(),
        who,
        reason,
        what,
        verdict,
        now,
    ]
}

fn text_of(asked: &Asked, config: &Config) -> String {
    match asked {
        Asked::Coverage(asked) => {
            let window = asked.window();
            let riders = asked.rider_id.join(" ");
            format!("{riders} {} to {}", config.zone.rfc3339(window.from), config.zone.rfc3339(window.until))
        }
        Asked::Batch { lines, .. } => format!("a batch of {lines}"),
        Asked::Answer { number, log: None } => format!("entry {number} beside its answer now"),
        Asked::Answer { number, log: Some(log) } => format!("entry {log}/{number} beside its answer now"),
        Asked::Request { target } => target.clone(),
    }
}

fn show(text: &str, with: &ConfigArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&with.config)?;
    let wrong = || WrongUsage(format!("{text}: write the log and the number of the entry, as in main/17"));
    let (name, number) = text.split_once('/').ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let AnswerLogs { logs, .. } = &AnswerLogs::of(&config)?;
    let folder = logs.iter().find(|(known, _)| known == name).map(|(_, folder)| folder);
    let entries = folder.map(|folder| read(folder)).transpose()?.unwrap_or_default();
    let changes = changes_of(&entries);
    let Some(entry) = entries.iter().find(|(entry, _)| entry.number == number) else {
        anyhow::bail!(
            "Failed to show {text}: there is no such entry; `coverledger answers list` shows all of them"
        );
    };
    let value = as_json(name, entry, &changes, &config);
    if with.json {
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{value:#}")?;
    }
    Ok(Ending::Holds)
}

/// Prints what the check of a log found.
pub(super) fn write_report(report: &LogReport, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let (name, chain) = (&report.name, &report.chain);
    if json {
        return writeln!(out, "{}", report_json(report));
    }
    let range = format!("entries {} to {}", chain.first, chain.last);
    if chain.holds() {
        return writeln!(
            out,
            "answer log {name}: {} {range} hold, the last has the digest {}",
            chain.entries, chain.digest
        );
    }
    writeln!(out, "answer log {name}: {} {range}, {} problems:", chain.entries, chain.problems_found)?;
    chain.problems.iter().try_for_each(|problem| writeln!(out, "- {problem}"))
}

/// The same as JSON.
pub(super) fn report_json(report: &LogReport) -> Value {
    let chain = &report.chain;
    json!({
        "log": report.name,
        "holds": chain.holds(),
        "entries": chain.entries,
        "first": chain.first,
        "last": chain.last,
        "digest": chain.digest,
        "problems_found": chain.problems_found,
        "problems": chain.problems,
    })
}
