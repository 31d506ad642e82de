//! `coverledger verify`: reads everything again; exit code 0 only if all of it holds.

use super::Ending;
use super::answer_logs::AnswerLogs;
use super::answers::{report_json, write_report};
use super::load_config;
use super::reading::Opened;
use super::seal::{ASK_A_BACKUP, book_of};
use crate::config::Config;
use crate::ledger::{ADVICE, LedgerOptions, Verification, verify_dir};
use crate::sealing::check::{Recompute, SealCheck};
use crate::sealing::secrets::Secrets;
use crate::sealing::secrets_file;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: coverledger verify --config coverledger.toml --json\nExit code 0 only if everything holds. The \
                  service must be stopped, or verify a copy."
)]
pub struct VerifyArgs {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Work out every sealed day again from its rows, not only some of them.
    #[arg(long)]
    every_sealed_day: bool,
    /// The file with the secrets of sealing; that of `[seal]` where none is named. Without secrets no day is worked out again.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
}

/// Seconds between plain lines.
const LINE_EVERY_S: u64 = 10;

/// Verifies the ledger of the configuration's data directory.
///
/// # Errors
/// Bad configuration, or a data directory that another process has.
pub fn run(args: &VerifyArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows {eta}");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    });
    let mut said = Instant::now();
    let verification = verify_dir(LedgerOptions::new(&config), &mut |rows, total| match &bar {
        Some(bar) => {
            bar.set_length(total);
            bar.set_position(rows);
        }
        None if said.elapsed().as_secs() >= LINE_EVERY_S => {
            said = Instant::now();
            eprintln!("{rows} of {total} rows verified");
        }
        None => {}
    })?;
    bar.iter().for_each(ProgressBar::finish_and_clear);
    let logs = AnswerLogs::of(&config)?.verify()?;
    // What cannot be read is reported above; sealed days of it would only say the same again.
    let seals = if verification.holds() { check_seals(args, config)? } else { SealCheck::default() };
    let holds = verification.holds() && seals.problems.is_empty() && logs.iter().all(|log| log.chain.holds());
    if args.json {
        let logs = logs.iter().map(report_json).collect();
        writeln!(out, "{}", as_json((&verification, &seals, logs), holds))?;
    } else {
        write_text(&verification, &seals, out)?;
        logs.iter().try_for_each(|log| write_report(log, false, out))?;
    }
    Ok(if holds { Ending::Holds } else { Ending::DoesNotHold })
}

/// Compares sealed days with their leaves and, where the secrets are there, with their rows.
fn check_seals(args: &VerifyArgs, config: Config) -> anyhow::Result<SealCheck> {
    let configured = config.seal.as_ref().map(|seal| seal.secrets.clone()).filter(|path| path.exists());
    let secrets = args.secrets.clone().or(configured).map(|path| secrets_file::read(&path)).transpose()?;
    let opened = Opened::read(config, ASK_A_BACKUP)?;
    let state = opened.snapshot();
    let which = if args.every_sealed_day { Recompute::All } else { Recompute::Sample };
    // Under other promises than those in force a day may be another one.
    let secrets = secrets.as_ref().filter(|_| opened.ledger.is_in_force());
    Ok(book_of(&state, &opened)?.check(secrets.map(Secrets::sealing), which)?)
}

fn as_json((v, seals, answer_logs): (&Verification, &SealCheck, Value), holds: bool) -> Value {
    let problems: Vec<&String> = v.problems.iter().chain(&seals.problems).collect();
    let sealed_problems = u64::try_from(seals.problems.len()).unwrap_or(u64::MAX);
    json!({
        "holds": holds,
        "answer_logs": answer_logs,
        "newest_commit": v.newest_commit,
        "commits": v.commits,
        "days": v.days,
        "runs": v.runs,
        "blocks": v.blocks,
        "rows": v.rows,
        "versions": v.versions,
        "current_versions": v.current,
        "kept_records": v.kept_records,
        "configurations": v.configurations,
        "values": v.values,
        "seal_entries": seals.entries,
        "sealed_rider_days": seals.leaves,
        "sealed_days_comparable": seals.comparable,
        "sealed_days_recomputed": seals.recomputed,
        "problems_found": v.problems_found + sealed_problems,
        "problems": problems,
    })
}

fn write_text(v: &Verification, seals: &SealCheck, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "read {} commits, {} days, {} runs, {} blocks, {} rows ({} versions, {} in force), {} kept records, {} \
         configurations, {} values",
        v.commits,
        v.days,
        v.runs,
        v.blocks,
        v.rows,
        v.versions,
        v.current,
        v.kept_records,
        v.configurations,
        v.values
    )?;
    if seals.entries > 0 {
        let SealCheck { entries, leaves, recomputed, comparable, .. } = seals;
        writeln!(
            out,
            "compared {entries} sealed days with their roots ({leaves} leaves), {recomputed} of {comparable} with their rows"
        )?;
    }
    let found = v.problems_found + u64::try_from(seals.problems.len()).unwrap_or(u64::MAX);
    if found == 0 {
        return writeln!(out, "everything holds up to commit {}", v.newest_commit);
    }
    writeln!(out, "{found} problems:")?;
    v.problems.iter().chain(&seals.problems).try_for_each(|problem| writeln!(out, "- {problem}"))?;
    writeln!(out, "{ADVICE}")
}
