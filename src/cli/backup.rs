//! `coverledger backup`: a copy of one committed state, beside a running service or without one.

use super::Ending;
use super::WrongUsage;
use super::load_config;
use crate::access::{AccessStore, STORE_FILE};
use crate::answers::{ANSWERS_FOLDER, copy_logs};
use crate::app::admin::{self, Answer, Request};
use crate::domain::time::UtcMillis;
use crate::ledger::{BackupReport, LedgerOptions, backup_closed_beside};
use crate::storage::Storage;
use crate::storage::local::{admin_socket, is_in_data_dir};
use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = "Example: coverledger backup /backups/2026-11-22 --config coverledger.toml

Makes a data directory of the newest committed state. A running service continues meanwhile; without one the ledger is
opened here. Large files are linked where the file system is the same: they share their bytes with the ledger, so copy the
folder to another disk or machine. To restore, put it in the place of the data directory and start.")]
pub struct BackupArgs {
    /// The folder to make; it must not exist, or be empty.
    dir: PathBuf,
    /// The configuration file of the ledger.
    #[arg(long)]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Backs up.
///
/// # Errors
/// The folder cannot be made, or the ledger cannot be read.
pub fn run(args: &BackupArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let started = Instant::now();
    let target = std::path::absolute(&args.dir).context("Failed to resolve the folder of the backup")?;
    let data_dir = &config.ledger.data_dir;
    if is_in_data_dir(&target, data_dir) {
        return Err(anyhow!(WrongUsage(format!(
            "the folder {} is in the data directory {}: name one elsewhere, best on another disk",
            args.dir.display(),
            data_dir.display()
        ))));
    }
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files {eta}");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    });
    let mut progress = |done, all| {
        bar.iter().for_each(|bar| {
            bar.set_length(all);
            bar.set_position(done);
        });
    };
    let source = LedgerOptions::new(&config).storage;
    let report = back_up(&source, data_dir, &target, &mut progress)?;
    bar.iter().for_each(ProgressBar::finish_and_clear);
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let recorded_at = config.zone.rfc3339(UtcMillis::new(report.recorded_at_ms));
    if args.json {
        let line = json!({
            "folder": target.display().to_string(),
            "commit": report.commit,
            "recorded_at": recorded_at,
            "orders": report.rows,
            "bytes": report.bytes,
            "linked_files": report.shared_files,
            "copied_files": report.copied_files,
            "milliseconds": milliseconds,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(
            out,
            "{}: commit {} of {recorded_at}, {} rows of orders, {} bytes ({} files linked, {} copied), {}.{:03} s",
            target.display(),
            report.commit,
            report.rows,
            report.bytes,
            report.shared_files,
            report.copied_files,
            milliseconds / 1_000,
            milliseconds % 1_000
        )?;
    }
    Ok(Ending::Holds)
}

/// Here, or by the service that has the ledger.
fn back_up(
    source: &Storage,
    data_dir: &Path,
    target: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<BackupReport> {
    let never = AtomicBool::new(false);
    let (copy, store) = (Storage::local(target), data_dir.join(STORE_FILE));
    let beside = |folder: &Path| {
        if store.exists() {
            let copied = AccessStore::open(&store).and_then(|store| store.back_up(&folder.join(STORE_FILE)));
            copied.map_err(|error| error.to_string())?;
        }
        copy_logs(&data_dir.join(ANSWERS_FOLDER), &folder.join(ANSWERS_FOLDER))
            .map_err(|error| error.to_string())
    };
    let in_use = match backup_closed_beside(source, (&copy, &beside), &never, &mut *progress) {
        Err(error) if error.is_in_use() => error,
        outcome => return Ok(outcome?),
    };
    let asked = admin::ask(data_dir, &Request::Backup(target.to_path_buf()), progress);
    match asked {
        Ok(Answer::Done(report)) => Ok(report),
        Ok(Answer::Error(problem)) => {
            Err(anyhow!(problem).context("Failed to make the backup: the running service reports"))
        }
        Ok(Answer::Files(..) | Answer::HandedOver(_) | Answer::TakenOver(_)) => {
            Err(anyhow!("Failed to make the backup: the running service closed the connection; see its log"))
        }
        Err(problem) => {
            let socket = admin_socket(data_dir);
            Err(in_use).context(format!(
                "Failed to make the backup: no service answers at {} ({problem}), so another command has the ledger; \
                 try again when it is done",
                socket.display()
            ))
        }
    }
}
