//! A checkpoint: one version of a storage as a storage of its own, made beside the writer.
//!
//! It becomes visible as a whole: it is made aside, looked at, and only then given its place.

use super::crash_points::{self, Point};
use super::error::{StorageError, StorageResult};
use super::key::ValueKey;
use super::local::LocalStaging;
use super::memory::MemoryStaging;
#[cfg(feature = "object-store")]
use super::object::ObjectStaging;
use super::root::{Change, Version};
#[cfg(feature = "object-store")]
use super::side_copy;
use super::upload::Hint;
use super::{Acquire, Mode, Session, Storage};
use std::collections::BTreeSet;
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
    /// Told of files done, and of all; where values are copied one by one, of bytes.
    pub progress: &'a mut dyn FnMut(u64, u64),
    /// Whether what is whole stays where the copy is interrupted.
    pub resume: Option<Resume>,
}

/// How a copy continues where an earlier one of the same source was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Names the source: hexadecimal digits. Values under one key are the same in all copies of it, whenever they are made.
    pub source: String,
    /// Bytes of values after which another piece begins: what is on its way when a copy is interrupted is copied again.
    pub piece_bytes: usize,
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
    /// What was copied value by value.
    pub values: CopiedValues,
}

/// Values of a checkpoint that were not taken over as files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopiedValues {
    /// Values that were copied.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Values that an earlier copy had brought.
    pub reused: u64,
    /// Pieces that an earlier copy left whole, and their bytes.
    pub pieces_reused: (u64, u64),
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
        let failed = |folder: &Path| {
            let at = StorageError::at("copy what lies beside the ledger to", folder);
            move |message: String| at(message)
        };
        match &self.staging {
            Staging::Local(local) => beside(local.partial()).map_err(failed(local.partial())),
            Staging::Memory(_) => Ok(()),
            #[cfg(feature = "object-store")]
            Staging::Object(object) => {
                let scratch =
                    tempfile::tempdir().map_err(StorageError::at("make a folder in", Path::new("TMPDIR")))?;
                beside(scratch.path()).map_err(failed(scratch.path()))?;
                side_copy::put_folder(scratch.path(), &mut |name, bytes| object.put_beside(name, bytes))
            }
        }
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
    /// Pieces that an earlier copy left whole, and their bytes.
    const fn reused(&self) -> (u64, u64) {
        match self {
            Self::Local(local) => local.reused(),
            Self::Memory(_) => (0, 0),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.reused(),
        }
    }

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
        let staging = target.stage(what.resume.as_ref().map(|resume| (resume, what.version)))?;
        let how = Acquire { mode: Mode::WRITE, cache_bytes: what.cache_bytes, index_bytes: what.index_bytes };
        let values = CopiedValues { pieces_reused: staging.reused(), ..CopiedValues::default() };
        let mut staged = StagedCheckpoint { staging, how, shared: 0, copied: 0, values };
        // Where both lie on file systems, large files are taken as they are.
        let files = match (self, &staged.staging) {
            (Self::Local(source), Staging::Local(target)) if what.resume.is_none() => {
                Some(source.copy_files(target.partial(), what.is_run_wanted, what.stop, what.progress)?)
            }
            _ => None,
        };
        (staged.shared, staged.copied) = files.unwrap_or_default();
        let session = staged.open()?;
        if what.resume.is_some() && session.version()? == what.version {
            // The earlier copy was whole.
            return Ok(staged);
        }
        let keys = match self {
            Self::Local(source) if files.is_some() => source.list_small(),
            _ => self.list_all(),
        };
        if what.resume.is_some() {
            session.drop_unwanted(&what)?;
        }
        let mut what = what;
        self.copy_values(&session, keys, &mut what, &mut staged.values)?;
        self.copy_entries(&session, &what)?;
        session.swap_root(&Version::NONE, &what.version, what.root)?;
        crash_points::after(Point::StagedWhole);
        Ok(staged)
    }

    /// Deletes what an earlier copy brought that the source does not need any more.
    fn drop_unwanted(&self, what: &Checkpoint<'_>) -> StorageResult<()> {
        let mut unwanted = BTreeSet::new();
        for key in self.list_all() {
            let key = key?;
            if !(what.is_run_wanted)(key.kind(), key.run()) {
                unwanted.insert((key.kind(), key.run()));
            }
        }
        for (kind, run) in unwanted {
            self.delete_runs(kind, run..run.saturating_add(1))?;
        }
        Ok(())
    }

    fn copy_values(
        &self,
        target: &Self,
        keys: impl Iterator<Item = StorageResult<ValueKey>>,
        what: &mut Checkpoint<'_>,
        values: &mut CopiedValues,
    ) -> StorageResult<()> {
        // Pieces that count again have a file or an object of their own.
        let hint = if what.resume.is_some() { Hint::LongLived } else { Hint::ShortLived };
        let upload = target.begin(hint);
        // A bucket makes pieces by itself.
        let piece_bytes = what.resume.as_ref().filter(|_| matches!(target, Self::Local(_)));
        let piece_bytes = piece_bytes.map_or(usize::MAX, |resume| resume.piece_bytes);
        let (all, mut piece) = (self.usage_bytes()?, 0_usize);
        for key in keys {
            let key = key?;
            if !(what.is_run_wanted)(key.kind(), key.run()) {
                continue;
            }
            go_on(what.stop)?;
            if what.resume.is_some() && target.contains(&key)? {
                values.reused += 1;
                continue;
            }
            // One that is gone by now was deleted since.
            let Some(value) = self.get(&key)? else { continue };
            (values.copied, values.bytes) = (values.copied + 1, values.bytes + length(&value));
            piece = piece.saturating_add(value.len());
            upload.put(&key, value.to_vec())?;
            if piece >= piece_bytes {
                upload.seal()?;
                piece = 0;
                crash_points::after(Point::StagedPieceRecorded);
            }
            if what.resume.is_some() {
                (what.progress)(values.pieces_reused.1.saturating_add(values.bytes), all);
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

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Gives up once `stop` is set.
pub(super) fn go_on(stop: &AtomicBool) -> StorageResult<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(StorageError::Stopping);
    }
    Ok(())
}
