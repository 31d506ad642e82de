//! An acquired storage.

use super::activity::WriterActivity;
use super::cache::PartCache;
use super::error::{StorageError, StorageResult};
use super::faults::FaultsSession;
use super::key::ValueKey;
use super::local::LocalSession;
use super::memory::MemorySession;
#[cfg(feature = "object-store")]
use super::object::ObjectSession;
use super::root::{Change, Version};
use super::upkeep::Upkeep;
use super::upload::{Engine, Hint, Upload};
use super::value::Value;
use std::ops::Range;
use std::sync::Arc;

/// Keys of values, ascending.
pub type Keys = Box<dyn Iterator<Item = StorageResult<ValueKey>> + Send>;
/// Entries with their keys, ascending.
pub type Entries = Box<dyn Iterator<Item = StorageResult<(Vec<u8>, Value)>> + Send>;

/// An acquired storage. Clones share it; the last one gives it back.
#[derive(Clone, Debug)]
pub enum Session {
    /// Of a directory.
    Local(Arc<LocalSession>),
    /// Of memory.
    Memory(Arc<MemorySession>),
    /// Of a bucket.
    #[cfg(feature = "object-store")]
    Object(Arc<ObjectSession>),
    /// Of another storage, with injected faults.
    Faults(Arc<FaultsSession>),
}

/// Calls the engine.
macro_rules! engine {
    ($session:expr, $engine:ident => $call:expr) => {
        match $session {
            Session::Local($engine) => $call,
            Session::Memory($engine) => $call,
            #[cfg(feature = "object-store")]
            Session::Object($engine) => $call,
            Session::Faults($engine) => $call,
        }
    };
}

/// Values.
impl Session {
    /// Reads a value.
    #[inline]
    pub fn get(&self, key: &ValueKey) -> StorageResult<Option<Value>> {
        engine!(self, engine => engine.get(key))
    }

    /// Whether there is a value of this key.
    pub fn contains(&self, key: &ValueKey) -> StorageResult<bool> {
        engine!(self, engine => engine.contains(key))
    }

    /// Whether every value of a kind and run is there, with the numbers from 0 up to `count`.
    pub fn contains_all(&self, kind: u8, run: u64, count: u32) -> StorageResult<bool> {
        engine!(self, engine => engine.contains_all(kind, run, count))
    }

    /// The keys of a kind from a run on, ascending. What is deleted meanwhile may be among them or not.
    pub fn list(&self, kind: u8, from_run: u64) -> Keys {
        engine!(self, engine => engine.list(kind, from_run))
    }

    /// The keys of all values, ascending.
    pub fn list_all(&self) -> Keys {
        engine!(self, engine => engine.list_all())
    }

    /// Begins to write values.
    pub fn begin(&self, hint: Hint) -> Upload {
        let engine = match self {
            Self::Local(local) => Engine::Local(Box::new(local.begin(hint))),
            Self::Memory(memory) => Engine::Memory(memory.begin()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => Engine::Object(object.begin(hint)),
            Self::Faults(faults) => Engine::Faults(faults.begin(hint)),
        };
        Upload::new(self.clone(), engine)
    }

    /// Deletes every value of a kind whose run is among `runs`, to which nothing leads any more; returns how many.
    ///
    /// This session does not see them again. After a restart they may be back: [`Self::retain`] deletes them again.
    pub fn delete_runs(&self, kind: u8, runs: Range<u64>) -> StorageResult<u64> {
        engine!(self, engine => engine.delete_runs(kind, runs))
    }

    /// Deletes every value of bulk storage whose (kind, run) is not `wanted`, durably: it does not come back, and its keys
    /// may be used again. Returns how many. What an engine stores otherwise is left to [`Self::delete_runs`], which is
    /// durable there once the root next changes.
    pub fn retain(&self, wanted: impl Fn(u8, u64) -> bool) -> StorageResult<u64> {
        engine!(self, engine => engine.retain(wanted))
    }

    /// Gives back the space that deleted values still take; returns the bytes. Takes its time: not for the writer's thread.
    pub fn reclaim(&self) -> StorageResult<u64> {
        engine!(self, engine => engine.reclaim())
    }

    /// Gives back at once what costs nothing: files that were removed and that no reader has open any more.
    pub fn release_removed(&self) {
        match self {
            Self::Local(local) => local.release_removed(),
            Self::Memory(_) => {}
            #[cfg(feature = "object-store")]
            Self::Object(_) => {}
            Self::Faults(faults) => faults.inner().release_removed(),
        }
    }
}

/// The root.
impl Session {
    /// The version of the root that the session is at.
    ///
    /// # Errors
    /// A swap failed: which version is in force is known when the storage is acquired again.
    pub fn version(&self) -> StorageResult<Version> {
        engine!(self, engine => engine.version())
    }

    /// Whether the root is older than the newest version that was acknowledged, and the operator lets that pass. The witness
    /// of the newer one goes with the first swap.
    pub fn is_older_state(&self) -> bool {
        match self {
            Self::Local(local) => local.is_older_state(),
            Self::Memory(_) => false,
            #[cfg(feature = "object-store")]
            Self::Object(_) => false,
            Self::Faults(faults) => faults.inner().is_older_state(),
        }
    }

    /// Reads an entry.
    pub fn entry(&self, key: &[u8]) -> StorageResult<Option<Value>> {
        engine!(self, engine => engine.entry(key))
    }

    /// Every entry whose key starts with `prefix`, ascending.
    pub fn entries(&self, prefix: &[u8]) -> Entries {
        engine!(self, engine => engine.entries(prefix))
    }

    /// Replaces version `expected` of the root by version `next`: all of `changes` at once and durably, with every value that
    /// was sealed before. Nothing of it holds after a crash, or all of it.
    ///
    /// `next` is the number after `expected`; in a storage without a root it may be any.
    ///
    /// # Errors
    /// [`StorageError::Fenced`]: another writer has taken over, or the root is not at `expected`; nothing was changed.
    /// Any other error leaves open whether it was.
    pub fn swap_root(&self, expected: &Version, next: &Version, changes: &[Change]) -> StorageResult<()> {
        if !next.follows(expected) {
            return Err(StorageError::Fenced {
                why: format!("version {} of the root cannot follow version {}", next.number, expected.number),
            });
        }
        engine!(self, engine => engine.swap_root(expected, next, changes))
    }

    /// Reads again what the storage itself says of the newest version, and whether it is `version` in every place.
    pub fn confirm(&self, version: &Version) -> StorageResult<bool> {
        engine!(self, engine => engine.confirm(version))
    }

    /// Where the ledger was migrated to, if it was: no writer begins here any more.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub fn moved_to(&self) -> StorageResult<Option<String>> {
        engine!(self, engine => engine.moved_to())
    }

    /// Notes, durably, that the ledger lies elsewhere from now on. A session with [`super::Mode::Write`] is refused then.
    ///
    /// # Errors
    /// The storage cannot be written, or another writer has taken over: then it is not noted.
    pub fn mark_moved(&self, to: &str) -> StorageResult<()> {
        engine!(self, engine => engine.mark_moved(to))
    }

    /// Puts entries into a storage that has no root yet, in steps: they count with its first version.
    pub(super) fn preload(&self, changes: &[Change]) -> StorageResult<()> {
        match self {
            Self::Local(local) => local.preload(changes),
            Self::Memory(memory) => memory.preload(changes),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.preload(changes),
            Self::Faults(faults) => faults.inner().preload(changes),
        }
    }
}

/// Following a writer, and taking its place.
impl Session {
    /// Asks the storage whether its root has moved on, and gives a session of what it is now; `None` where it has not. A session
    /// that writes, and one that keeps writers away, sees nothing new this way. Earlier sessions stay what they are, and all share
    /// one cache ([`Self::parts`]).
    ///
    /// # Errors
    /// The storage cannot be asked: nothing is known of whether it has moved on.
    pub fn follow(&self) -> StorageResult<Option<Self>> {
        match self {
            Self::Local(_) | Self::Memory(_) => Ok(None),
            #[cfg(feature = "object-store")]
            Self::Object(object) => Ok(object.follow()?.map(|session| Self::Object(Arc::new(session)))),
            Self::Faults(faults) => Ok(faults.follow()?.map(|session| Self::Faults(Arc::new(session)))),
        }
    }

    /// What is known of the writer, without asking the storage; `None` where readers and writers exclude each other.
    pub fn writer_activity(&self) -> Option<WriterActivity> {
        match self {
            Self::Local(_) | Self::Memory(_) => None,
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.writer_activity(),
            Self::Faults(faults) => faults.inner().writer_activity(),
        }
    }

    /// Tries whether the storage does what writers rely on, once in a process: for one that may take over, since [`Self::take_over`] does
    /// not do it, and for a writer whose start did not because the storage passed before. It takes some seconds.
    ///
    /// # Errors
    /// It does not, or cannot be asked.
    pub fn prepare(&self) -> StorageResult<()> {
        match self {
            Self::Local(_) | Self::Memory(_) => Ok(()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.prepare(),
            Self::Faults(faults) => faults.inner().prepare(),
        }
    }

    /// Makes a writer of a session that reads: it continues after whatever is newest, and fences the writer before it. With
    /// `judged`, only if nothing is newer than this number ([`WriterActivity::newest`]).
    ///
    /// # Errors
    /// [`StorageError::InUse`]: something newer is there, or another took over at the same time. [`StorageError::ReadOnly`]: this storage
    /// has no readers beside its writer, or the session is none that reads.
    pub fn take_over(&self, judged: Option<u64>) -> StorageResult<Self> {
        match self {
            Self::Local(_) | Self::Memory(_) => Err(StorageError::ReadOnly),
            #[cfg(feature = "object-store")]
            Self::Object(object) => Ok(Self::Object(Arc::new(object.take_over(judged)?))),
            Self::Faults(faults) => Ok(Self::Faults(Arc::new(faults.take_over(judged)?))),
        }
    }

    /// Ends writing for good: the next writer need not wait. Values can still be read.
    pub fn release(&self) {
        match self {
            Self::Local(_) | Self::Memory(_) => {}
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.release(),
            Self::Faults(faults) => faults.inner().release(),
        }
    }
}

/// Hints: they change when bytes are in memory, and nothing else.
impl Session {
    /// These values are read soon: where they are not in memory the storage begins to bring them, and does not wait.
    pub fn prefetch(&self, keys: impl IntoIterator<Item = ValueKey>) -> StorageResult<()> {
        match self {
            Self::Local(local) => local.prefetch(keys),
            Self::Memory(_) => Ok(()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.prefetch(keys),
            Self::Faults(faults) => faults.inner().prefetch_all(&mut keys.into_iter()),
        }
    }

    fn prefetch_all(&self, keys: &mut dyn Iterator<Item = ValueKey>) -> StorageResult<()> {
        match self {
            Self::Local(local) => local.prefetch(keys),
            Self::Memory(_) => Ok(()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.prefetch(keys),
            Self::Faults(faults) => faults.inner().prefetch_all(keys),
        }
    }

    /// Whether [`Self::prefetch`] is worth its time: reads had to wait of late. Each asking uses that up a little.
    pub fn is_prefetch_useful(&self) -> bool {
        match self {
            Self::Local(local) => local.is_prefetch_useful(),
            Self::Memory(_) => false,
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.is_prefetch_useful(),
            Self::Faults(faults) => faults.inner().is_prefetch_useful(),
        }
    }

    /// Before each value that a sequential scan of a kind and run reads: the storage brings what follows in large pieces.
    pub fn read_ahead(&self, kind: u8, run: u64, number: u32) -> StorageResult<()> {
        match self {
            Self::Local(local) => local.read_ahead(kind, run, number),
            Self::Memory(_) => Ok(()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.read_ahead(kind, run, number),
            Self::Faults(faults) => faults.inner().read_ahead(kind, run, number),
        }
    }

    /// Brings the values of a kind and run with numbers up to `count` into memory, a little at a time. After each time
    /// it passes to `go_on` about how many bytes these were, and stops when that returns `false`; returns its last result.
    pub fn warm_up(
        &self,
        kind: u8,
        run: u64,
        count: u32,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> StorageResult<bool> {
        match self {
            Self::Local(local) => local.warm_up(kind, run, count, go_on),
            Self::Memory(_) => Ok(true),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.warm_up(kind, run, count, go_on),
            Self::Faults(faults) => faults.inner().warm_up(kind, run, count, go_on),
        }
    }

    /// The bounded cache of what leads to values, in which the user of the storage keeps parts of its own indexes.
    #[inline]
    pub fn parts(&self) -> &PartCache {
        match self {
            Self::Local(local) => local.parts(),
            Self::Memory(memory) => memory.parts(),
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.parts(),
            Self::Faults(faults) => faults.inner().parts(),
        }
    }
}

/// Care.
impl Session {
    /// Bytes that the storage takes.
    pub fn usage_bytes(&self) -> StorageResult<u64> {
        match self {
            Self::Local(local) => local.usage_bytes(),
            Self::Memory(memory) => Ok(memory.usage_bytes()),
            #[cfg(feature = "object-store")]
            Self::Object(object) => Ok(object.usage_bytes()),
            Self::Faults(faults) => faults.inner().usage_bytes(),
        }
    }

    /// Reads every byte that has a checksum of the storage's own, and reports what is damaged.
    pub fn scrub(&self, problem: &mut dyn FnMut(StorageError)) {
        match self {
            Self::Local(local) => local.scrub(problem),
            Self::Memory(_) => {}
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.scrub(problem),
            Self::Faults(faults) => faults.inner().scrub(problem),
        }
    }

    /// What the storage does beside its writer, to be run on a thread of its own; `None` where there is nothing to do.
    pub fn upkeep(&self) -> Option<Upkeep> {
        match self {
            Self::Local(local) => Some(Upkeep::local(local.reclaimer())),
            Self::Memory(_) => None,
            #[cfg(feature = "object-store")]
            Self::Object(object) => object.upkeep().map(Upkeep::object),
            Self::Faults(faults) => faults.inner().upkeep(),
        }
    }
}
