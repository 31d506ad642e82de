//! `coverledger seal`: seals the days of a ledger that are settled, makes the secrets for it, and exports the log's files.

use super::reading::Opened;
use super::{Ending, WrongUsage, load_config};
use crate::config::Config;
use crate::domain::time::LocalDay;
use crate::ledger::Snapshot;
use crate::seal::instant;
use crate::seal::tiles::added_tiles;
use crate::sealing::secrets::Secrets;
use crate::sealing::secrets_file::{self, SecretsFileError};
use crate::sealing::{Outcome, SealBook};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Days that are sealed before the seals that still agree are noted.
const CONFIRMED_EACH: usize = 256;

/// Arguments of `seal`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger seal --new-secrets seal.secrets --name ledger.example/seal
  coverledger seal --config coverledger.toml --export /srv/www/seal
  coverledger seal --config coverledger.toml --secrets seal.secrets --status

A service with [seal] in its configuration seals by itself; this command needs it stopped. The secrets are made once; back them up apart from the ledger: without them no
further day is sealed and no receipt made. The exported folder is a log in the form of C2SP tlog-tiles: any web server can serve it.")]
pub struct SealArgs {
    /// The configuration file of the ledger.
    #[arg(long, required_unless_present = "new_secrets", conflicts_with = "new_secrets")]
    config: Option<PathBuf>,
    /// The file with the secrets; that of `[seal]` where none is named.
    #[arg(long, value_name = "FILE", conflicts_with = "new_secrets")]
    secrets: Option<PathBuf>,
    /// Make new secrets in a file that is not there yet, print the public key, and do nothing else.
    #[arg(long, value_name = "FILE", requires = "name")]
    new_secrets: Option<PathBuf>,
    /// The name of the log, best an address without `https://`.
    #[arg(long, requires = "new_secrets")]
    name: Option<String>,
    /// Only say what is sealed and what is due. A running service keeps its ledger to itself: stop it, or ask a backup.
    #[arg(long)]
    status: bool,
    /// Write checkpoint, tiles and entries of the log into this folder; what is there already stays.
    #[arg(long, value_name = "FOLDER", conflicts_with = "new_secrets")]
    export: Option<PathBuf>,
}

/// Seals.
///
/// # Errors
/// Secrets or a ledger that cannot be read, a day that cannot be sealed.
pub fn run(args: &SealArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    if let (Some(path), Some(name)) = (&args.new_secrets, &args.name) {
        new_secrets(path, name, out)?;
        return Ok(Ending::Holds);
    }
    let missing = || WrongUsage("--config is needed".to_owned());
    let config = load_config(args.config.as_ref().ok_or_else(missing)?)?;
    let secrets = secrets_of(args.secrets.as_deref(), &config)?;
    let other_way = "stop the service while days are sealed";
    let mut opened =
        if args.status { Opened::read(config, other_way) } else { Opened::open(config, other_way) }?;
    let (mut sealed, mut agree) = (Vec::new(), Vec::new());
    if !args.status {
        seal_due(&mut opened, &secrets, &mut sealed, &mut agree)?;
    }
    let state = opened.snapshot();
    let book = SealBook::of(&state, opened.terms(&state))?;
    if let Some(folder) = &args.export {
        export(&book, &secrets, folder)?;
    }
    let text = |day: LocalDay| instant::day_text(day).unwrap_or_default();
    let days: Vec<String> = book.log().days().map(text).collect();
    let due: Vec<String> = book.due()?.into_iter().map(text).collect();
    let keys: Vec<String> = secrets.public_keys().iter().map(ToString::to_string).collect();
    let checkpoint = book.log().checkpoint(secrets.origin());
    let said = json!({
        "log": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.to_string(),
        "keys": keys,
        "sealed_now": sealed.into_iter().map(text).collect::<Vec<_>>(),
        "checked_again": agree.len(),
        "days": days.len(),
        "first_day": days.first(),
        "last_day": days.last(),
        "due": due,
    });
    writeln!(out, "{said}")?;
    Ok(Ending::Holds)
}

fn seal_due(
    opened: &mut Opened,
    secrets: &Secrets,
    sealed: &mut Vec<LocalDay>,
    agree: &mut Vec<u64>,
) -> anyhow::Result<()> {
    let (state, never) = (opened.snapshot(), AtomicBool::new(false));
    let due = SealBook::of(&state, opened.terms(&state))?.due()?;
    for days in due.chunks(CONFIRMED_EACH) {
        let mut confirmed = Vec::new();
        for day in days {
            // The state before: what is sealed meanwhile changes no order. The log is that of the newest commit.
            let newest = opened.snapshot();
            match SealBook::of(&newest, opened.terms(&newest))?.seal(*day, secrets.sealing(), &never)? {
                Outcome::Agrees(index) => confirmed.push(index),
                Outcome::Stopped => {}
                Outcome::Sealed(seal) => {
                    let now = opened.clock.now();
                    opened.ledger.add_seal(&seal, now)?;
                    sealed.push(*day);
                }
            }
        }
        let as_of = (state.root().commit, state.root().next_run);
        let now = opened.clock.now();
        opened.ledger.confirm_seals(&confirmed, as_of, now)?;
        agree.append(&mut confirmed);
    }
    Ok(())
}

/// Reads the secrets that an argument names, else those of `[seal]`. Messages do not show them.
pub(super) fn secrets_of(argument: Option<&Path>, config: &Config) -> anyhow::Result<Secrets> {
    let configured = config.seal.as_ref().map(|seal| seal.secrets.as_path());
    let missing = || {
        WrongUsage("the secrets of sealing are needed: name their file with --secrets, or in [seal] of the configuration".to_owned())
    };
    Ok(secrets_file::read(argument.or(configured).ok_or_else(missing)?)?)
}

fn new_secrets(path: &Path, name: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let secrets = secrets_file::create(path, name).map_err(|error| match error {
        SecretsFileError::Exists { .. } | SecretsFileError::Name { .. } => {
            WrongUsage(error.to_string()).into()
        }
        error => anyhow::Error::from(error),
    })?;
    for key in secrets.public_keys() {
        writeln!(out, "{key}")?;
    }
    Ok(())
}

/// Writes the log's files: tiles and entries first, the checkpoint that needs them last.
fn export(book: &SealBook<'_>, secrets: &Secrets, folder: &Path) -> anyhow::Result<()> {
    let log = book.log();
    for tile in added_tiles(0, log.size()) {
        let place = folder.join(tile.path());
        if place.is_file() {
            continue;
        }
        let bytes = log.file(tile).with_context(|| format!("Failed to make {}", tile.path()))?;
        write_whole(&place, &bytes)?;
    }
    write_whole(&folder.join("checkpoint"), book.checkpoint(secrets).as_bytes())
}

/// Puts a file in its place whole.
fn write_whole(place: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("Failed to write {}: check the folder and its permissions", place.display());
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(failed)?;
    let mut file =
        tempfile::Builder::new().prefix(".coverledger-").tempfile_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    // For the web server that serves it.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable).with_context(failed)?;
    file.persist(place).with_context(failed)?;
    Ok(())
}

/// For commands that read: what to do while a service has the ledger.
pub(super) const ASK_A_BACKUP: &str =
    "a running service keeps its ledger to itself: stop it, or ask a backup of it";

/// The seal log of an opened ledger and its state.
pub(super) fn book_of<'a>(state: &'a Snapshot, opened: &'a Opened) -> anyhow::Result<SealBook<'a>> {
    Ok(SealBook::of(state, opened.terms(state))?)
}
