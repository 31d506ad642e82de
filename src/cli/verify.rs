//! `coverledger verify`: reads everything again; exit code 0 only if all of it holds.

use super::Ending;
use super::answers::{report_json, write_report};
use super::load_config;
use crate::answers::verify_logs;
use crate::app::answers_folder;
use crate::ledger::{ADVICE, LedgerOptions, Verification, verify_dir};
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
    let logs = verify_logs(&answers_folder(&config))?;
    let holds = verification.holds() && logs.iter().all(|log| log.chain.holds());
    if args.json {
        let value = as_json(&verification, holds, logs.iter().map(report_json).collect());
        writeln!(out, "{value}")?;
    } else {
        write_text(&verification, out)?;
        logs.iter().try_for_each(|log| write_report(log, false, out))?;
    }
    Ok(if holds { Ending::Holds } else { Ending::DoesNotHold })
}

fn as_json(v: &Verification, holds: bool, answer_logs: Value) -> Value {
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
        "problems_found": v.problems_found,
        "problems": v.problems,
    })
}

fn write_text(v: &Verification, out: &mut dyn Write) -> std::io::Result<()> {
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
    if v.holds() {
        return writeln!(out, "everything holds up to commit {}", v.newest_commit);
    }
    writeln!(out, "{} problems:", v.problems_found)?;
    v.problems.iter().try_for_each(|problem| writeln!(out, "- {problem}"))?;
    writeln!(out, "{ADVICE}")
}
