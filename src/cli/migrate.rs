//! `coverledger migrate`: a whole ledger to another place, from a folder into a bucket or back; resumable, and verified before
//! it counts.

use super::backup::copy_beside;
use super::{Ending, WrongUsage, load_config};
use crate::app::admin::{self, Answer, Request};
use crate::app::{answers_folder, check_elsewhere};
use crate::config::{Config, is_bucket};
use crate::domain::time::UtcMillis;
use crate::ledger::{LedgerOptions, Migrated, Migration, MigrationStep, storage_at};
use crate::storage::local::admin_socket;
use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Bytes of a piece of a copy unless the operator says otherwise.
pub(super) const PIECE_BYTES: u32 = 32 << 20;
/// The most: pieces are in memory while they are made.
const PIECE_BYTES_MAX: i64 = 128 << 20;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger migrate --ahead --to s3://coverledger/nation --config coverledger.toml   beside the running service
  coverledger migrate --to s3://coverledger/nation --config coverledger.toml           the service is stopped
  coverledger migrate --to /var/lib/coverledger/data-2 --config coverledger.toml       back, from the bucket of [storage]

The bucket is reached as [storage] says, with the credentials of the environment. A run that is interrupted is run again: it
continues with what is whole. The copy is read again before it counts; then the source is marked, and no writer begins there.")]
pub struct MigrateArgs {
    /// The place that gets the ledger: it must be empty.
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    to: String,
    /// The configuration file of the ledger as it is now.
    #[arg(long)]
    config: PathBuf,
    /// Only copy, beside the running service, so that little is left to be done while it is stopped.
    #[arg(long)]
    ahead: bool,
    /// Bytes of values of a piece: what is on its way when the copy is interrupted is copied again.
    #[arg(long, value_name = "BYTES", default_value_t = PIECE_BYTES, value_parser = clap::value_parser!(u32).range(1..=PIECE_BYTES_MAX))]
    piece_bytes: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Migrates.
///
/// # Errors
/// A service runs; the target is not empty; a place cannot be read or written; the copy does not hold.
pub fn run(args: &MigrateArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let target_name = place(&args.to)?;
    if !is_bucket(&args.to) {
        if config.storage.is_none() {
            let text = "the ledger lies in a folder: to have it in another one, stop the service and move the folder".to_owned();
            return Err(anyhow!(WrongUsage(text)));
        }
        check_elsewhere(Path::new(&target_name), &config).map_err(WrongUsage)?;
    }
    let piece_bytes = usize::try_from(args.piece_bytes).unwrap_or(usize::MAX);
    if args.ahead {
        return ahead(args, &config, (target_name, piece_bytes), out);
    }
    let target = storage_at(&config, &target_name).map_err(WrongUsage)?;
    // Logs in a folder of their own stay there: the configuration names it afterwards, too.
    let with_logs = config.answers.dir.is_none();
    let beside =
        |folder: &Path| if is_bucket(&args.to) { Ok(()) } else { copy_beside(&config, folder, with_logs) };
    let migration = Migration {
        options: LedgerOptions::new(&config),
        target,
        target_name: &target_name,
        is_move: true,
        piece_bytes,
        beside: &beside,
    };
    let (started, bars) = (Instant::now(), Bars::new());
    let migrated = match migration.run(&AtomicBool::new(false), &mut |step| bars.show(step)) {
        Err(error) if error.is_in_use() => {
            return Err(error).context(
                "Failed to migrate: the ledger is in use. Copy ahead with --ahead while the service runs, then stop it and migrate the rest",
            );
        }
        migrated => migrated?,
    };
    bars.clear();
    write(&migrated, (&target_name, started), (&config, args.json), out)?;
    if !args.json {
        next_steps(&config, &target_name, out)?;
    }
    Ok(Ending::Holds)
}

/// A place as messages and marks name it.
pub(super) fn place(text: &str) -> anyhow::Result<String> {
    if is_bucket(text) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    let folder = std::path::absolute(text).with_context(|| format!("Failed to resolve the folder {text}"))?;
    Ok(folder.display().to_string())
}

/// What is left to the operator.
fn next_steps(config: &Config, target: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let (data_dir, answers) = (config.ledger.data_dir.display(), answers_folder(config));
    let answers = answers.display();
    if is_bucket(target) {
        return writeln!(
            out,
            "Next: set `url = \"{target}\"` under [storage] and start. Tokens and accounts stay in {data_dir}, answer logs in {answers}."
        );
    }
    let logs = if config.answers.dir.is_some() { "stay in" } else { "were copied from" };
    writeln!(
        out,
        "Next: remove `url` under [storage], set `data_dir = \"{target}\"` under [ledger] and start. Tokens and accounts were copied \
         from {data_dir}; answer logs {logs} {answers}."
    )
}

/// Prints what was done.
pub(super) fn write(
    migrated: &Migrated,
    (target, started): (&str, Instant),
    (config, as_json): (&Config, bool),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (values, hash) = (&migrated.values, data_encoding::HEXLOWER.encode(&migrated.version.hash));
    let (pieces, reused_bytes) = values.pieces_reused;
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let rows = migrated.verification.as_ref().map(|found| found.rows);
    if as_json {
        let report = migrated.report;
        let line = json!({
            "to": target,
            "commit": migrated.version.number,
            "hash": hash,
            "recorded_at": report.map(|report| config.zone.rfc3339(UtcMillis::new(report.recorded_at_ms))),
            "was_done_before": report.is_none(),
            "values_copied": values.copied,
            "bytes_copied": values.bytes,
            "values_reused": values.reused,
            "pieces_reused": pieces,
            "bytes_reused": reused_bytes,
            "rows_verified": rows,
            "milliseconds": milliseconds,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let Some(rows) = rows else {
        let commit = migrated.version.number;
        writeln!(out, "{target}: an earlier run had finished; it has commit {commit}, hash {hash}")?;
        return Ok(());
    };
    writeln!(
        out,
        "{target}: commit {}, hash {hash}; copied {} values of {} bytes, found {pieces} pieces of {reused_bytes} bytes of an earlier run; \
         {rows} rows read again, everything holds; {}.{:03} s",
        migrated.version.number,
        values.copied,
        values.bytes,
        milliseconds / 1_000,
        milliseconds % 1_000
    )?;
    Ok(())
}

/// By the service that has the ledger.
fn ahead(
    args: &MigrateArgs,
    config: &Config,
    (to, piece_bytes): (String, usize),
    out: &mut dyn Write,
) -> anyhow::Result<Ending> {
    let (data_dir, bars) = (&config.ledger.data_dir, Bars::new());
    let request = Request::CopyAhead { to: to.clone(), piece_bytes };
    let asked = admin::ask(data_dir, &request, |done, all| bars.show(MigrationStep::Copied(done, all)));
    bars.clear();
    match asked {
        Ok(Answer::Ahead(bytes, reused)) if args.json => {
            writeln!(out, "{}", json!({"to": to, "bytes_copied": bytes, "bytes_reused": reused}))?;
        }
        Ok(Answer::Ahead(bytes, reused)) => {
            writeln!(
                out,
                "{to}: copied {bytes} bytes ahead, {reused} bytes were there. Next: stop the service, and migrate without --ahead"
            )?;
        }
        Ok(Answer::Error(problem)) => {
            return Err(anyhow!(problem).context("Failed to copy ahead: the running service reports"));
        }
        Ok(_) => {
            anyhow::bail!("Failed to copy ahead: the running service closed the connection; see its log")
        }
        Err(problem) => {
            let socket = admin_socket(data_dir);
            anyhow::bail!(
                "Failed to copy ahead: no service answers at {} ({problem}); without one, migrate without --ahead",
                socket.display()
            );
        }
    }
    Ok(Ending::Holds)
}

/// Progress on a terminal.
pub(super) struct Bars(Option<ProgressBar>);

impl Bars {
    pub(super) fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| ProgressBar::new(0)))
    }

    pub(super) fn show(&self, step: MigrationStep) {
        let Some(bar) = &self.0 else { return };
        let (form, (done, all)) = match step {
            MigrationStep::Copied(done, all) => ("{bar:40} {bytes}/{total_bytes} copied {eta}", (done, all)),
            MigrationStep::Verified(rows, all) => ("{bar:40} {pos}/{len} rows read again {eta}", (rows, all)),
        };
        bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_length(all);
        bar.set_position(done);
    }

    pub(super) fn clear(&self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}
