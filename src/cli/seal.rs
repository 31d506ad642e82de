//! `coverledger seal`: seals the days of a ledger that are settled, makes the secrets for it, and exports the log's files.

use super::reading::Opened;
use super::{Ending, WrongUsage, load_config};
use crate::domain::time::LocalDay;
use crate::ledger::Snapshot;
use crate::seal::instant;
use crate::seal::tiles::added_tiles;
use crate::sealing::secrets::Secrets;
use crate::sealing::{Outcome, SealBook};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// The largest file of secrets, in bytes.
const SECRETS_BYTES_MAX: u64 = 16_384;
/// Days that are sealed before the seals that still agree are noted.
const CONFIRMED_EACH: usize = 256;

/// Arguments of `seal`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger seal --new-secrets seal.secrets --name ledger.example/seal
  coverledger seal --config coverledger.toml --secrets seal.secrets --export /srv/www/seal
  coverledger seal --config coverledger.toml --secrets seal.secrets --status

The service must be stopped while days are sealed. The secrets are made once; back them up apart from the ledger: without them no
further day is sealed and no receipt made. The exported folder is a log in the form of C2SP tlog-tiles: any web server can serve it.")]
pub struct SealArgs {
    /// The configuration file of the ledger.
    #[arg(long, required_unless_present = "new_secrets", conflicts_with = "new_secrets")]
    config: Option<PathBuf>,
    /// The file with the secrets.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "new_secrets",
        conflicts_with = "new_secrets"
    )]
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
    let missing = || WrongUsage("--config and --secrets are needed".to_owned());
    let (config, secrets) = args.config.as_ref().zip(args.secrets.as_ref()).ok_or_else(missing)?;
    let (config, secrets) = (load_config(config)?, read_secrets(secrets)?);
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

/// Reads the secrets; messages do not show them.
pub(super) fn read_secrets(path: &Path) -> anyhow::Result<Secrets> {
    let name = path.display();
    let metadata = fs::metadata(path).with_context(|| {
        format!("Failed to read the secrets {name}: check the path, or make some with --new-secrets")
    })?;
    if metadata.len() > SECRETS_BYTES_MAX {
        anyhow::bail!("Failed to read the secrets {name}: the file is too large to be one of secrets");
    }
    let text = fs::read_to_string(path).with_context(|| format!("Failed to read the secrets {name}"))?;
    Secrets::parse(&text).with_context(|| format!("Failed to read the secrets {name}"))
}

fn new_secrets(path: &Path, name: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let text = Secrets::new_file(name, &random_bytes()?, &random_bytes()?);
    let text = text.map_err(|error| WrongUsage(format!("--name {}: {error}", name.escape_debug())))?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let path = path.display();
            return Err(
                WrongUsage(format!("{path} exists: secrets are never replaced, name another file")).into()
            );
        }
        file => file.with_context(|| format!("Failed to write the secrets {}", path.display()))?,
    };
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    for key in Secrets::parse(&text)?.public_keys() {
        writeln!(out, "{key}")?;
    }
    Ok(())
}

fn random_bytes() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    let got = got.context("Failed to get random bytes from the system")?;
    if got != bytes.len() {
        anyhow::bail!(
            "Failed to get random bytes from the system: it gave {got} of {}; try again",
            bytes.len()
        );
    }
    Ok(bytes)
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
    let checkpoint = log.checkpoint(secrets.origin()).sign(&secrets.signing_keys());
    write_whole(&folder.join("checkpoint"), checkpoint.as_bytes())
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
