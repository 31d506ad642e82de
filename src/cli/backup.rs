//! `coverledger backup`: a copy of one committed state in a folder or a bucket, beside a running service or without one.

use super::Ending;
use super::WrongUsage;
use super::load_config;
use crate::access::{AccessStore, STORE_FILE};
use crate::answers::{ANSWERS_FOLDER, copy_logs};
use crate::app::admin::{self, Answer, Request};
use crate::app::{access_store, answers_folder, check_elsewhere};
use crate::config::{Config, is_bucket};
use crate::domain::time::UtcMillis;
use crate::ledger::{BackupReport, LedgerOptions, backup_closed_beside, storage_at};
use crate::storage::local::admin_socket;
use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger backup /backups/2026-11-22 --config coverledger.toml
  coverledger backup s3://backups/2026-11-22 --config coverledger.toml

Makes a copy of the newest committed state: a data directory, or a ledger in a bucket, which is reached as [storage] says. A running service continues meanwhile; without one the ledger is
opened here. Large files are linked where the file system is the same: they share their bytes with the ledger, so copy the
folder to another disk or machine. To restore, put it in the place of the data directory and start, or use `restore`.")]
pub struct BackupArgs {
    /// The folder or s3://BUCKET/PREFIX to make; it must not exist, or be empty.
    #[arg(value_name = "DIR|s3://BUCKET/PREFIX")]
    to: String,
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
    let target = Target::of(&args.to)?;
    if let Target::Folder(folder) = &target {
        check_elsewhere(folder, &config).map_err(WrongUsage)?;
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
    let report = back_up(&config, &target, &mut progress)?;
    bar.iter().for_each(ProgressBar::finish_and_clear);
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let recorded_at = config.zone.rfc3339(UtcMillis::new(report.recorded_at_ms));
    if args.json {
        let line = json!({
            "folder": target.name(),
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
            target.name(),
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

/// Where a backup is made.
enum Target {
    Folder(PathBuf),
    Bucket(String),
}

impl Target {
    fn of(text: &str) -> anyhow::Result<Self> {
        if is_bucket(text) {
            return Ok(Self::Bucket(text.to_owned()));
        }
        let folder = std::path::absolute(text).context("Failed to resolve the folder of the backup")?;
        Ok(Self::Folder(folder))
    }

    fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Bucket(url) => url.clone(),
        }
    }

    fn request(&self) -> Request {
        match self {
            Self::Folder(folder) => Request::Backup(folder.clone()),
            Self::Bucket(url) => Request::BackupTo(url.clone()),
        }
    }
}

/// Copies what lies beside the ledger into a folder, over what is there: the access store without its sessions, and, if they are wanted,
/// the answer logs.
pub(super) fn copy_beside(config: &Config, folder: &Path, with_logs: bool) -> Result<(), String> {
    let (store, copy) = (access_store(config), folder.join(STORE_FILE));
    let logs = folder.join(ANSWERS_FOLDER);
    for (path, removed) in [(&copy, std::fs::remove_file(&copy)), (&logs, std::fs::remove_dir_all(&logs))] {
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("Failed to replace {}: {error}", path.display()));
            }
            _ => {}
        }
    }
    if store.exists() {
        let copied = AccessStore::open(&store).and_then(|store| store.back_up(&copy));
        copied.map_err(|error| error.to_string())?;
    }
    if with_logs {
        copy_logs(&answers_folder(config), &logs).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Here, or by the service that has the ledger.
fn back_up(
    config: &Config,
    target: &Target,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<BackupReport> {
    let (never, data_dir) = (AtomicBool::new(false), &config.ledger.data_dir);
    let source = LedgerOptions::new(config).storage;
    let copy = storage_at(config, &target.name()).map_err(WrongUsage)?;
    let beside = |folder: &Path| copy_beside(config, folder, true);
    let in_use = match backup_closed_beside(&source, (&copy, &beside), &never, &mut *progress) {
        Err(error) if error.is_in_use() => error,
        outcome => return Ok(outcome?),
    };
    let asked = admin::ask(data_dir, &target.request(), progress);
    match asked {
        Ok(Answer::Done(report)) => Ok(report),
        Ok(Answer::Error(problem)) => {
            Err(anyhow!(problem).context("Failed to make the backup: the running service reports"))
        }
        Ok(Answer::Files(..) | Answer::Ahead(..) | Answer::HandedOver(_) | Answer::TakenOver(_)) => {
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
