//! Storage: the seam between the ledger and an engine that stores its bytes.
//!
//! Two kinds of things are stored:
//! * **values**, immutable, under a [`ValueKey`] (kind, run, number). They are put through an [`Upload`], sealed, read, and
//!   deleted by run. They count for nothing until an entry of the root leads to them;
//! * **entries** of the **root**, small, under keys of any form. They change together, by [`Session::swap_root`]: from one
//!   [`Version`] of the root to the next, atomically, durably, and only if no other writer came between.
//!
//! The order of a commit's effects: put, seal, swap. A crash before the swap leaves values without an owner, which the next
//! start finds with [`Session::list`] and deletes with [`Session::retain`] and [`Session::delete_runs`]. An operation that
//! changes something and fails has an unknown result: the caller writes nothing more and acquires the storage again.
//!
//! | module | engine |
//! |---|---|
//! | `local` | a directory of this machine: segment files, an embedded key-value store, a witness file, locks |
//! | `memory` | the memory of this process, for tests |
//! | `object` | a bucket of an S3-compatible object store (Cargo feature `object-store`) |
//! | `faults` | another storage, with injected faults |
//!
//! Every engine passes the same contract tests (`contract_tests`). What an engine for object storage needs, and how it maps
//! onto this interface, is in `docs/decisions/0015-storage-seam.md`. Nothing here knows what the ledger stores.

mod activity;
pub mod bytes;
mod cache;
mod checkpoint;
#[cfg(test)]
mod contract_tests;
pub mod crash_points;
mod error;
pub mod faults;
pub mod key;
pub mod local;
pub mod memory;
#[cfg(feature = "object-store")]
pub mod object;
mod place_pages;
pub mod requests;
mod root;
mod session;
mod side_copy;
mod side_files;
mod upkeep;
mod upload;
mod value;

pub use activity::WriterActivity;
pub use cache::{PartCache, RunToken};
pub use checkpoint::{Beside, Checkpoint, CopiedValues, Resume, StagedCheckpoint};
pub use error::{StorageError, StorageResult};
pub use key::ValueKey;
pub use root::{Change, Version};
pub use session::{Entries, Keys, Session};
pub use side_files::{SIDE_FILE_BYTES_MAX, SideFile, SideFiles};
pub use upkeep::Upkeep;
pub use upload::{Hint, Upload};
pub use value::Value;

use checkpoint::Staging;
use faults::Faults;
use local::Local;
use memory::Memory;
use requests::StoreFigures;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Where a ledger is stored. A cheap handle: it opens nothing before [`Storage::acquire`], and survives every session.
#[derive(Clone, Debug)]
pub enum Storage {
    /// A directory of this machine.
    Local(Local),
    /// The memory of this process.
    Memory(Memory),
    /// A bucket of an object store.
    #[cfg(feature = "object-store")]
    Object(object::Object),
    /// Another storage, with injected faults.
    Faults(Faults),
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything; the storage is created if it does not exist.
    Write {
        /// Whether to continue from an older state than the newest that was acknowledged ([`Session::is_older_state`]).
        accept_older_state: bool,
        /// Whether to take over from a writer that still has the storage: it is fenced from then on. A lock of a directory
        /// cannot be taken over.
        take_over: bool,
    },
    /// Everything, in a storage that exists.
    WriteExisting,
    /// Read only: what is deleted is so for this session alone, and no byte of the storage changes.
    Read,
}

impl Mode {
    /// Everything, where no other writer is.
    pub const WRITE: Self = Self::Write { accept_older_state: false, take_over: false };
}

/// How a storage is acquired.
#[derive(Clone, Copy, Debug)]
pub struct Acquire {
    /// What the session may do.
    pub mode: Mode,
    /// What the page cache of small values aims at.
    pub cache_bytes: u64,
    /// Memory that the cache of what leads to values takes at most ([`Session::parts`]).
    pub index_bytes: usize,
}

impl Storage {
    /// A data directory of this machine.
    pub fn local(dir: impl Into<PathBuf>) -> Self {
        Self::Local(Local::new(dir.into()))
    }

    /// A new, empty storage in memory. Clones of the handle are the same storage.
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// Opens the storage. The session owns what keeps other writers away (a lock, later an epoch) until its last clone goes.
    ///
    /// # Errors
    /// Another process has the storage; it is damaged; it is at another version than was acknowledged last.
    pub fn acquire(&self, how: &Acquire) -> StorageResult<Session> {
        match self {
            Self::Local(local) => local.acquire(how).map(|session| Session::Local(Arc::new(session))),
            Self::Memory(memory) => memory.acquire(how).map(|session| Session::Memory(Arc::new(session))),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.acquire(how).map(|session| Session::Object(Arc::new(session))),
            Self::Faults(faults) => faults.acquire(how).map(|session| Session::Faults(Arc::new(session))),
        }
    }

    /// Bytes that are free for new values; `None` where there is no such limit.
    ///
    /// # Errors
    /// The system cannot be asked.
    pub fn free_bytes(&self) -> StorageResult<Option<u64>> {
        match self {
            Self::Local(local) => local.free_bytes().map(Some),
            Self::Memory(_) => Ok(None),
            #[cfg(feature = "object-store")]
            Self::Object(_) => Ok(None),
            Self::Faults(faults) => faults.inner().free_bytes(),
        }
    }

    /// The folder of this machine in which the storage lies, if it lies in one: for messages and for what operators ask.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Local(local) => Some(local.dir()),
            Self::Memory(_) => None,
            #[cfg(feature = "object-store")]
            Self::Object(_) => None,
            Self::Faults(faults) => faults.inner().folder(),
        }
    }

    /// Tries whether an object store does what the engine relies on, and deletes what it wrote for that; `None` where the ledger lies
    /// in no object store.
    pub fn probe(&self) -> Option<StorageResult<()>> {
        match self {
            Self::Local(_) | Self::Memory(_) => None,
            #[cfg(feature = "object-store")]
            Self::Object(object) => Some(object.probe()),
            Self::Faults(faults) => faults.inner().probe(),
        }
    }

    /// What was asked of an object store through this handle, from the first session on; `None` before that, and where the ledger lies
    /// in no object store.
    pub fn figures(&self) -> Option<Arc<StoreFigures>> {
        match self {
            Self::Local(_) | Self::Memory(_) => None,
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.figures(),
            Self::Faults(faults) => faults.inner().figures(),
        }
    }

    /// The files beside the chain of the same bucket; `None` where the ledger lies in a directory: that has room for files.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn side_files(&self) -> StorageResult<Option<SideFiles>> {
        match self {
            Self::Local(_) => Ok(None),
            Self::Memory(memory) => Ok(Some(SideFiles(side_files::Engine::Memory(memory.clone())))),
            #[cfg(feature = "object-store")]
            Self::Object(object) => Ok(Some(SideFiles(side_files::Engine::Object(object.side_files()?)))),
            Self::Faults(faults) => faults.inner().side_files(),
        }
    }

    /// Forgets what was noted of a copy of a source that has its place by now: another copy would continue with that.
    ///
    /// # Errors
    /// The storage fails.
    #[cfg_attr(
        not(feature = "object-store"),
        expect(clippy::only_used_in_recursion, reason = "other engines note nothing")
    )]
    pub fn forget_copy(&self, source: &str) -> StorageResult<()> {
        match self {
            Self::Local(_) | Self::Memory(_) => Ok(()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.forget_copy(source),
            Self::Faults(faults) => faults.inner().forget_copy(source),
        }
    }

    /// Begins a storage that nothing shows before it is whole.
    fn stage(&self, resume: Option<(&Resume, Version)>) -> StorageResult<Staging> {
        match self {
            Self::Local(local) => local.stage(resume).map(Staging::Local),
            // It does not outlive the process.
            Self::Memory(memory) => memory.stage().map(Staging::Memory),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.stage(resume.map(|(resume, _)| resume)).map(Staging::Object),
            Self::Faults(faults) => faults.inner().stage(resume),
        }
    }
}
