//! A checkpoint: one version of a storage as a storage of its own, made beside the writer.
//!
//! It becomes visible as a whole: it is made aside, looked at, and only then given its place.

use super::error::{StorageError, StorageResult};
use super::key::ValueKey;
use super::local::LocalStaging;
use super::memory::MemoryStaging;
#[cfg(feature = "object-store")]
use super::object::ObjectStaging;
use super::root::{Change, Version};
use super::upload::Hint;
use super::{Acquire, Mode, Session, Storage};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of entries that are copied at once.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// What a checkpoint holds.
pub struct Checkpoint<'a> {
    /// The version of its root.
    pub version: Version,
    /// The entries that differ from the source's newest version: those of `version` itself.
    pub root: &'a [Change],
    /// The other entries to copy.
    pub is_entry_wanted: &'a dyn Fn(&[u8]) -> bool,
    /// Which of them are neither set again nor removed.
    pub is_entry_appended: &'a dyn Fn(&[u8]) -> bool,
    /// The values to copy, by kind and run. The caller sees to it that none is deleted meanwhile.
    pub is_run_wanted: &'a dyn Fn(u8, u64) -> bool,
    /// Memory for the page cache of the copy.
    pub cache_bytes: u64,
    /// Memory for what leads to values of the copy.
    pub index_bytes: usize,
    /// Set to give up.
    pub stop: &'a AtomicBool,
    /// Told of pieces done, and of all.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// Writes files of others into the folder of a checkpoint, before it gets its place.
pub type Beside<'a> = &'a dyn Fn(&Path) -> Result<(), String>;

/// A storage that is made aside.
#[derive(Debug)]
pub(super) enum Staging {
    Local(LocalStaging),
    Memory(MemoryStaging),
    #[cfg(feature = "object-store")]
    Object(ObjectStaging),
}

/// A checkpoint that is whole but has not got its place yet. Dropped before [`StagedCheckpoint::publish`], it is removed.
#[derive(Debug)]
pub struct StagedCheckpoint {
    staging: Staging,
    how: Acquire,
    /// Pieces that share their bytes with the source.
    pub shared: u64,
    /// Pieces that do not.
    pub copied: u64,
}

impl StagedCheckpoint {
    /// Opens it, to look at what was written.
    pub fn open(&self) -> StorageResult<Session> {
        self.staging.open(&self.how)
    }

    /// Lets others put files into its folder, if it has one.
    ///
    /// # Errors
    /// What they say.
    pub fn put_beside(&self, beside: Beside<'_>) -> StorageResult<()> {
        let Staging::Local(local) = &self.staging else { return Ok(()) };
        let failed = |message: String| {
            StorageError::at("copying what lies beside the ledger to", local.partial())(message.as_str())
        };
        beside(local.partial()).map_err(failed)
    }

    /// Gives it its place, durably. No session of it may be open.
    ///
    /// # Errors
    /// It cannot be placed. Nothing is left of it then.
    pub fn publish(self) -> StorageResult<()> {
        match self.staging {
            Staging::Local(local) => local.publish(),
            Staging::Memory(memory) => memory.publish(),
            #[cfg(feature = "object-store")]
            Staging::Object(object) => object.publish(),
        }
    }
}

impl Staging {
    fn open(&self, how: &Acquire) -> StorageResult<Session> {
        match self {
            Self::Local(local) => local.open(how).map(|session| Session::Local(Arc::new(session))),
            Self::Memory(memory) => memory.open(how).map(|session| Session::Memory(Arc::new(session))),
            #[cfg(feature = "object-store")]
            Self::Object(object) => Ok(Session::Object(Arc::new(object.open()))),
        }
    }
}

impl Session {
    /// Makes a checkpoint in `target`, which must be empty.
    ///
    /// # Errors
    /// The target holds something, or cannot be written; `stop` was set. Nothing is left of it then.
    pub fn checkpoint(&self, target: &Storage, what: Checkpoint<'_>) -> StorageResult<StagedCheckpoint> {
        if let Self::Faults(faults) = self {
            return faults.checkpoint(target, what);
        }
        let staging = target.stage()?;
        let how = Acquire { mode: Mode::WRITE, cache_bytes: what.cache_bytes, index_bytes: what.index_bytes };
        let mut staged = StagedCheckpoint { staging, how, shared: 0, copied: 0 };
        // Where both lie on file systems, large files are taken as they are.
        let files = match (self, &staged.staging) {
            (Self::Local(source), Staging::Local(target)) => {
                Some(source.copy_files(target.partial(), what.is_run_wanted, what.stop, what.progress)?)
            }
            _ => None,
        };
        (staged.shared, staged.copied) = files.unwrap_or_default();
        let session = staged.open()?;
        let keys = match self {
            Self::Local(source) if files.is_some() => source.list_small(),
            _ => self.list_all(),
        };
        self.copy_values(&session, keys, &what)?;
        self.copy_entries(&session, &what)?;
        session.swap_root(&Version::NONE, &what.version, what.root)?;
        Ok(staged)
    }

    fn copy_values(
        &self,
        target: &Self,
        keys: impl Iterator<Item = StorageResult<ValueKey>>,
        what: &Checkpoint<'_>,
    ) -> StorageResult<()> {
        let upload = target.begin(Hint::ShortLived);
        for key in keys {
            let key = key?;
            if !(what.is_run_wanted)(key.kind(), key.run()) {
                continue;
            }
            go_on(what.stop)?;
            // One that is gone by now was deleted since.
            if let Some(value) = self.get(&key)? {
                upload.put(&key, value.to_vec())?;
            }
        }
        upload.seal()
    }

    fn copy_entries(&self, target: &Self, what: &Checkpoint<'_>) -> StorageResult<()> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for entry in self.entries(&[]) {
            let (key, value) = entry?;
            if !(what.is_entry_wanted)(&key) {
                continue;
            }
            bytes += key.len() + value.len();
            let is_appended = (what.is_entry_appended)(&key);
            let change = if is_appended { Change::Append } else { Change::Put };
            batch.push(change(key, value.to_vec()));
            if bytes > BATCH_BYTES_MAX {
                go_on(what.stop)?;
                target.preload(&std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        target.preload(&batch)
    }
}

/// Gives up once `stop` is set.
pub(super) fn go_on(stop: &AtomicBool) -> StorageResult<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(StorageError::Stopping);
    }
    Ok(())
}
