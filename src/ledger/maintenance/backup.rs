//! A backup: one committed state as a data directory of its own, made while the ledger goes on.
//!
//! Segment files are immutable: they are linked, or copied to another file system. What else the state needs is written
//! to a store of its own, then its manifest at once, then the witness. The folder gets its name last: one that has it is
//! whole.

use crate::ledger::codec::chunked::key_name;
use crate::ledger::codec::keys;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::{Manifest, Witness, kind};
use crate::ledger::rejections::stored::RejectedEntry;
use crate::ledger::run::{RunEntry, run_values};
use crate::ledger::snapshot::Snapshot;
use crate::ledger::writer::garbage::{Named, RUN_KINDS};
use crate::storage::StorageError;
use crate::storage::head;
use crate::storage::lock::DirLock;
use crate::storage::{Checkpoint, Store};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// Segment files that are linked: they share their bytes with the ledger's.
    pub linked_files: u64,
    /// Segment files that are copied.
    pub copied_files: u64,
    /// Bytes of everything in it.
    pub bytes: u64,
}

/// Told of segment files done so far, and of all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Backs up a committed state that is held, beside whoever writes.
///
/// # Errors
/// The target is there already, cannot be written, or does not hold what it should; or `stop` was set. Nothing is left of
/// it then.
pub fn backup(
    state: &Snapshot,
    target: &Path,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    back_up(state.store(), &state.manifest(), target, stop, progress)
}

/// Backs up a ledger that no process has open.
///
/// # Errors
/// As [`backup`]; another process has the directory.
pub fn backup_dir(
    data_dir: &Path,
    target: &Path,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    crate::storage::data_dir::check_ledger(data_dir)?;
    let lock = DirLock::take(data_dir).map_err(crate::storage::data_dir::unusable(data_dir))?;
    let store = Store::open(data_dir, CACHE_BYTES, INDEX_BYTES)?.with_lock(Arc::new(lock));
    let manifest = Manifest::load(&store)?;
    manifest.witness(head::read(data_dir)?.as_ref())?;
    back_up(&store, &manifest, target, stop, progress)
}

fn back_up(
    store: &Store,
    manifest: &Manifest,
    target: &Path,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    let partial = begin(target)?;
    let made = fill(store, manifest, &partial, stop, progress).and_then(|report| {
        fs::rename(&partial, target).map_err(StorageError::file("naming the backup", target))?;
        target.parent().map_or(Ok(()), head::sync_dir)?;
        Ok(report)
    });
    if made.is_err() {
        // The failure is what counts; what is left has a name that nobody takes for a backup.
        let _left = fs::remove_dir_all(&partial);
    }
    made
}

/// Creates the folder in which the backup grows.
fn begin(target: &Path) -> LedgerResult<PathBuf> {
    let refused = |message: &str| {
        LedgerError::from(StorageError::File {
            doing: "backing up to",
            path: target.to_path_buf(),
            message: message.to_owned(),
        })
    };
    let name = target.file_name().and_then(|name| name.to_str());
    let (Some(parent), Some(name), true) = (target.parent(), name, target.is_absolute()) else {
        return Err(refused("name a folder by its whole path"));
    };
    match fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(refused("the folder is not empty; name a new one")),
        Ok(false) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(&error.to_string())),
    }
    let partial = parent.join(format!(".{name}.partial"));
    match fs::create_dir(&partial) {
        Ok(()) => Ok(partial),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(refused(&format!(
            "another backup to it is under way, or one was interrupted: then remove {}",
            partial.display()
        ))),
        Err(error) => Err(StorageError::file("creating", &partial)(error).into()),
    }
}

fn fill(
    store: &Store,
    manifest: &Manifest,
    folder: &Path,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> LedgerResult<BackupReport> {
    let named = Named::by(manifest)?;
    let root = manifest.root();
    let holds = |key: &[u8]| match key.first() {
        Some(&keys::MANIFEST) | None => false,
        Some(&keys::COMMIT) => keys::run_of(key).is_some_and(|number| number <= root.commit),
        Some(&keys::CONFIG_TEXT) => keys::run_of(key).is_some_and(|number| named.configs.contains(&number)),
        Some(kind) if RUN_KINDS.contains(kind) => {
            keys::run_of(key).is_some_and(|number| named.runs.contains(&number))
        }
        Some(_) => true,
    };
    let copying =
        Checkpoint { cache_bytes: CACHE_BYTES, index_bytes: INDEX_BYTES, wanted: &holds, stop, progress };
    let copied = store.copy_to(folder, copying)?;
    manifest.write_whole(&copied.store)?;
    head::write(folder, &manifest.head())?;
    drop(copied.store);
    let bytes = check(folder, manifest)?;
    let entries = manifest.numbered(kind::RUN, RunEntry::decode)?;
    Ok(BackupReport {
        commit: root.commit,
        recorded_at_ms: root.recorded_at.millis(),
        rows: entries.iter().map(|(_, entry)| entry.rows).sum(),
        linked_files: copied.linked_files,
        copied_files: copied.copied_files,
        bytes,
    })
}

/// Opens what was written as a start would, but for the content of blocks: the manifest is that of the state, and every
/// value that it names is there. `verify` reads them.
fn check(folder: &Path, manifest: &Manifest) -> LedgerResult<u64> {
    let store = Store::open(folder, CACHE_BYTES, INDEX_BYTES)?;
    let read = Manifest::load(&store)?;
    let same = read.root() == manifest.root() && read.witness(head::read(folder)?.as_ref())? == Witness::Same;
    if !same {
        return Err(LedgerError::Inconsistent(format!(
            "the backup in {} does not read as it was written: look at the disk, and make another",
            folder.display()
        )));
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
        if !store.holds_all(kind, id, count)? {
            let name = key_name(&keys::numbered(kind, id));
            return Err(missing(format!("{name}, one of {count},")));
        }
    }
    if let Some(key) = commit
        && !store.holds(&key)?
    {
        return Err(missing(key_name(&key)));
    }
    Ok(store.bytes_on_disk()?)
}
