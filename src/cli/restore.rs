//! `coverledger restore`: a backup into the empty place that the configuration names; verified before it counts.

use super::migrate::{Bars, PIECE_BYTES, place, write};
use super::{Ending, WrongUsage, load_config};
use crate::access::STORE_FILE;
use crate::answers::{ANSWERS_FOLDER, bring_logs};
use crate::app::answers_folder;
use crate::config::{Config, is_bucket};
use crate::ledger::{LedgerOptions, Migration, storage_at};
use crate::storage::Storage;
use clap::Args;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Begins the names of the files of answer logs in a backup.
const LOGS: &str = "answers/";

/// Arguments of `restore`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: coverledger restore --from s3://backups/2026-11-22 --config coverledger.toml

Copies the backup into the place that the configuration names, which must be empty: the bucket of [storage], else data_dir. Tokens,
accounts and answer logs of the backup go to data_dir (answer logs to `dir` of [answers], if it is set), where there are none. The backup is only read. A run that is interrupted is
run again: it continues with what is whole."
)]
pub struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    from: String,
    /// The configuration file of the ledger that is to be there again.
    #[arg(long)]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Restores.
///
/// # Errors
/// The place is not empty; it or the backup cannot be read or written; the copy does not hold.
pub fn run(args: &RestoreArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    let config = load_config(&args.config)?;
    let from = place(&args.from)?;
    let source = storage_at(&config, &from).map_err(WrongUsage)?;
    let target_name = match &config.storage {
        Some(settings) => place(&settings.url())?,
        None => place(&config.ledger.data_dir.display().to_string())?,
    };
    let backup = Backup { source: source.clone(), from };
    let is_to_bucket = config.storage.is_some();
    // Beside a ledger in a bucket the data directory is there already, or made below.
    let answers = config.answers.dir.as_deref();
    let beside = |folder: &Path| match is_to_bucket {
        true => Ok(()),
        false => backup.bring_beside(folder, answers.unwrap_or(&folder.join(ANSWERS_FOLDER))),
    };
    let migration = Migration {
        options: LedgerOptions { storage: source, ..LedgerOptions::new(&config) },
        target: storage_at(&config, &target_name).map_err(WrongUsage)?,
        target_name: &target_name,
        is_move: false,
        piece_bytes: usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX),
        beside: &beside,
    };
    let (started, bars) = (Instant::now(), Bars::new());
    let restored = migration.run(&AtomicBool::new(false), &mut |step| bars.show(step))?;
    bars.clear();
    if is_to_bucket {
        bring_to_data_dir(&backup, &config)?;
    }
    write(&restored, (&target_name, started), (&config, args.json), out)?;
    Ok(Ending::Holds)
}

fn bring_to_data_dir(backup: &Backup, config: &Config) -> anyhow::Result<()> {
    let data_dir = &config.ledger.data_dir;
    std::fs::create_dir_all(data_dir)
        .map_err(|error| anyhow::anyhow!("Failed to make {}: {error}", data_dir.display()))?;
    backup.bring_beside(data_dir, &answers_folder(config)).map_err(|error| anyhow::anyhow!(error))
}

/// The backup, of which more than the ledger is brought.
struct Backup {
    source: Storage,
    from: String,
}

impl Backup {
    /// Brings tokens and accounts into a folder, and answer logs into the folder of logs, where there are none.
    fn bring_beside(&self, folder: &Path, answers: &Path) -> Result<(), String> {
        let store = folder.join(STORE_FILE);
        let mut there = Vec::new();
        if is_bucket(&self.from) {
            let kept = self.bring_files(folder, &|name| name == STORE_FILE)?;
            there.extend(kept.into_iter().map(|name| folder.join(name)));
            let scratch = tempfile::tempdir().map_err(|error| {
                format!("Failed to make a folder for the answer logs of the backup (TMPDIR): {error}")
            })?;
            self.bring_files(scratch.path(), &|name| name.starts_with(LOGS))?;
            there.extend(bring(&scratch.path().join(ANSWERS_FOLDER), answers)?);
        } else {
            let from = Path::new(&self.from);
            if store.exists() {
                there.push(store);
            } else {
                match std::fs::copy(from.join(STORE_FILE), &store) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(format!("Failed to write {}: {error}", store.display()));
                    }
                    _ => {}
                }
            }
            there.extend(bring(&from.join(ANSWERS_FOLDER), answers)?);
        }
        for path in there {
            eprintln!("warning: {} is there and stays", path.display());
        }
        Ok(())
    }

    /// Brings files beside the chain of a bucket; returns the names of those that were there.
    fn bring_files(&self, folder: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>, String> {
        let files = self.source.side_files().map_err(|error| error.to_string())?;
        let kept = files.map(|files| files.restore_beside(folder, is_wanted)).transpose();
        Ok(kept.map_err(|error| error.to_string())?.unwrap_or_default())
    }
}

/// Brings answer logs; returns those that were there.
fn bring(from: &Path, answers: &Path) -> Result<Vec<PathBuf>, String> {
    let there = bring_logs(from, answers).map_err(|error| error.to_string())?;
    Ok(there.into_iter().map(|name| answers.join(name)).collect())
}
