//! A backup: one committed state as a storage of its own, made while the ledger continues.
//!
//! The storage makes the checkpoint aside; it gets its place when what was written was looked at: a backup that has its name
//! is whole.

use crate::ledger::codec::chunked::key_name;
use crate::ledger::codec::keys;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::{Manifest, kind};
use crate::ledger::rejections::stored::RejectedEntry;
use crate::ledger::run::{RunEntry, run_values};
use crate::ledger::snapshot::Snapshot;
use crate::ledger::writer::garbage::{Named, RUN_KINDS};
use crate::storage::{Acquire, Beside, Checkpoint, Mode, Resume, Session, StagedCheckpoint, Storage};
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

/// What the page cache of the small store that is written aims at.
const CACHE_BYTES: u64 = 16 << 20;
/// Memory for where its values lie.
const INDEX_BYTES: usize = 16 << 20;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Its newest commit.
    pub commit: u64,
    /// Instant of that commit, in milliseconds.
    pub recorded_at_ms: i64,
    /// Rows of orders.
    pub rows: u64,
    /// Files that share their bytes with the ledger's.
    pub shared_files: u64,
    /// Files that are copies.
    pub copied_files: u64,
    /// Bytes of everything in it.
    pub bytes: u64,
}

/// Told of pieces done so far, and of all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Backs up a committed state that is held, beside the writer.
///
/// # Errors
/// The target is there already, cannot be written, or does not contain what it should; or `stop` was set. Nothing is left of
/// it then.
pub fn backup(
    state: &Snapshot,
    target: &Storage,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    backup_beside(state, (target, &|_| Ok(())), stop, progress)
}

/// The same; lets others put files beside the ledger's, so that the backup is whole with them or not there.
///
/// # Errors
/// As [`backup`]; what the others say.
pub fn backup_beside(
    state: &Snapshot,
    target: (&Storage, Beside<'_>),
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    back_up(state.store(), &state.manifest(), target, stop, progress)
}

/// Backs up a ledger that no process has open.
///
/// # Errors
/// As [`backup`]; another process has the storage.
pub fn backup_closed(
    source: &Storage,
    target: &Storage,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    backup_closed_beside(source, (target, &|_| Ok(())), stop, progress)
}

/// The same; lets others put files beside the ledger's, as [`backup_beside`] does.
///
/// # Errors
/// As [`backup_closed`]; what the others say.
pub fn backup_closed_beside(
    source: &Storage,
    target: (&Storage, Beside<'_>),
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    let how = Acquire { mode: Mode::WriteExisting, cache_bytes: CACHE_BYTES, index_bytes: INDEX_BYTES };
    let store = source.acquire(&how)?;
    let manifest = Manifest::load(&store)?;
    back_up(&store, &manifest, target, stop, progress)
}

fn back_up(
    store: &Session,
    manifest: &Manifest,
    (target, beside): (&Storage, Beside<'_>),
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    let (staged, report) = stage(store, manifest, (target, None), stop, progress)?;
    staged.put_beside(beside)?;
    staged.publish()?;
    Ok(report)
}

/// Copies a state into a target, and checks that it reads as it was written. Nothing shows it before it is published.
pub(crate) fn stage(
    store: &Session,
    manifest: &Manifest,
    (target, resume): (&Storage, Option<Resume>),
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<(StagedCheckpoint, BackupReport)> {
    let named = Named::by(manifest)?;
    let root = manifest.root();
    let is_run_wanted = |kind, number| match kind {
        keys::CONFIG_TEXT => named.configs.contains(&number),
        keys::SEAL_LEAVES => named.seals.contains(&number),
        kind => !RUN_KINDS.contains(&kind) || named.runs.contains(&number),
    };
    // The manifest's entries are those of the state, not those of now.
    let is_entry_wanted = |key: &[u8]| match key.first() {
        Some(&keys::MANIFEST) | None => false,
        Some(&keys::COMMIT) => keys::run_of(key).is_some_and(|number| number <= root.commit),
        Some(_) => true,
    };
    let staged = store.checkpoint(
        target,
        Checkpoint {
            version: manifest.version(),
            root: &manifest.whole(),
            is_entry_wanted: &is_entry_wanted,
            is_entry_appended: &|key| key.first() == Some(&keys::COMMIT),
            is_run_wanted: &is_run_wanted,
            cache_bytes: CACHE_BYTES,
            index_bytes: INDEX_BYTES,
            stop,
            progress,
            resume,
        },
    )?;
    let bytes = check(&staged, manifest)?;
    let report = BackupReport {
        commit: root.commit,
        recorded_at_ms: root.recorded_at.millis(),
        rows: manifest.numbered(kind::RUN, RunEntry::decode)?.iter().map(|(_, entry)| entry.rows).sum(),
        shared_files: staged.shared,
        copied_files: staged.copied,
        bytes,
    };
    Ok((staged, report))
}

/// Opens what was written as a start would, but for the content of blocks: the manifest is that of the state, and every
/// value that it names is there. `verify` reads them.
fn check(staged: &StagedCheckpoint, manifest: &Manifest) -> LedgerResult<u64> {
    let store = staged.open()?;
    let read = Manifest::load(&store)?;
    if read.root() != manifest.root() || !store.confirm(&manifest.version())? {
        return Err(LedgerError::Inconsistent(
            "Failed to check the backup: it does not read as it was written; check the disk, and make another".to_owned(),
        ));
    }
    let runs = read.numbered(kind::RUN, RunEntry::decode)?;
    let rejected = read.numbered(kind::REJECTED, RejectedEntry::decode)?;
    let commit = Some(keys::numbered(keys::COMMIT, read.root().commit)).filter(|_| read.root().commit > 0);
    let missing = |value: String| LedgerError::Missing { what: format!("the value {value} of the backup") };
    let values = runs
        .iter()
        .flat_map(|(id, entry)| run_values(entry).map(|(kind, count)| (kind, *id, count)))
        .chain(rejected.iter().map(|(id, entry)| (keys::REJECTED, *id, entry.parts)));
    for (kind, id, count) in values {
        if !store.contains_all(kind, id, count)? {
            let name = key_name(&keys::numbered(kind, id));
            return Err(missing(format!("{name}, one of {count},")));
        }
    }
    if let Some(key) = commit
        && store.entry(&key)?.is_none()
    {
        return Err(missing(key_name(&key)));
    }
    Ok(store.usage_bytes()?)
}
