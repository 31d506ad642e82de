//! `Memory`: a storage in the memory of this process, for tests.
//!
//! It survives its sessions, as a disk survives a process. It is no kinder than a disk: what was not sealed is gone with its
//! session, and what was deleted comes back with the next one, until it was deleted by `retain` or reclaimed.

mod staging;

pub(super) use staging::MemoryStaging;

use super::cache::PartCache;
use super::error::{StorageError, StorageResult};
use super::key::ValueKey;
use super::root::{Change, Version};
use super::session::{Entries, Keys};
use super::value::Value;
use super::{Acquire, Mode, VALUE_BYTES_MAX};
use imbl::OrdMap;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

type Bytes = Arc<[u8]>;

/// What is stored. Copies share what is the same.
#[derive(Clone, Debug, Default)]
struct Stored {
    values: OrdMap<ValueKey, Bytes>,
    /// Deleted values that come back with the next session.
    deleted: OrdMap<ValueKey, Bytes>,
    entries: OrdMap<Bytes, Bytes>,
    version: Version,
    /// Grows with every writer.
    epoch: u64,
    /// Where the ledger lies now, if it was migrated.
    moved_to: Option<String>,
}

/// Its open sessions.
#[derive(Debug, Default)]
struct Users {
    writers: u32,
    readers: u32,
}

#[derive(Debug, Default)]
struct Shared {
    stored: RwLock<Stored>,
    users: Mutex<Users>,
    side: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// The handle: clones are the same storage.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Shared>);

fn read(stored: &RwLock<Stored>) -> RwLockReadGuard<'_, Stored> {
    stored.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(stored: &RwLock<Stored>) -> RwLockWriteGuard<'_, Stored> {
    stored.write().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    fn users(&self) -> MutexGuard<'_, Users> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn side(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acquire(&self, how: &Acquire) -> StorageResult<MemorySession> {
        let mut users = self.users();
        let in_use = || StorageError::InUse { path: PathBuf::from("memory") };
        if users.writers > 0 && !matches!(how.mode, Mode::Write { take_over: true, .. }) {
            return Err(in_use());
        }
        if let (Mode::Write { .. }, Some(to)) = (how.mode, &read(&self.0.stored).moved_to) {
            let (from, mark) = ("memory".to_owned(), "the mark".to_owned());
            return Err(StorageError::Moved { from, to: to.clone(), mark });
        }
        match how.mode {
            Mode::Read | Mode::WriteExisting if read(&self.0.stored).is_empty() => {
                return Err(StorageError::NoLedger { path: PathBuf::from("memory") });
            }
            Mode::Read => users.readers += 1,
            Mode::Write { .. } | Mode::WriteExisting if users.readers > 0 => return Err(in_use()),
            Mode::Write { .. } | Mode::WriteExisting => users.writers += 1,
        }
        drop(users);
        Ok(self.session(how))
    }

    fn session(&self, how: &Acquire) -> MemorySession {
        let is_read_only = how.mode == Mode::Read;
        let (own, epoch) = if is_read_only {
            let mut copy = read(&self.0.stored).clone();
            copy.bring_back();
            (Some(Arc::new(RwLock::new(copy))), 0)
        } else {
            let mut stored = write(&self.0.stored);
            stored.bring_back();
            stored.epoch += 1;
            (None, stored.epoch)
        };
        let contents = Contents { home: self.clone(), own, epoch };
        MemorySession { contents, is_read_only, parts: PartCache::new(how.index_bytes) }
    }
}

impl Stored {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.entries.is_empty() && self.version == Version::NONE
    }

    fn bring_back(&mut self) {
        for (key, value) in std::mem::take(&mut self.deleted) {
            self.values.entry(key).or_insert(value);
        }
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(key, value) | Change::Append(key, value) => {
                    self.entries.insert(key.as_slice().into(), value.as_slice().into());
                }
                Change::Delete(key) => {
                    self.entries.remove(key.as_slice());
                }
            }
        }
    }
}

/// Where a session reads and writes: the storage itself, or, to read only, a copy of its own.
#[derive(Clone, Debug)]
struct Contents {
    home: Memory,
    own: Option<Arc<RwLock<Stored>>>,
    /// The writer's.
    epoch: u64,
}

impl Contents {
    fn lock(&self) -> &RwLock<Stored> {
        self.own.as_deref().unwrap_or(&self.home.0.stored)
    }

    fn change(&self) -> StorageResult<RwLockWriteGuard<'_, Stored>> {
        let stored = write(self.lock());
        if self.own.is_none() && stored.epoch != self.epoch {
            let why = format!(
                "another writer has taken over: it has epoch {}, this one {}; start again",
                stored.epoch, self.epoch
            );
            return Err(StorageError::Fenced { why });
        }
        Ok(stored)
    }
}

/// An acquired storage in memory.
#[derive(Debug)]
pub struct MemorySession {
    contents: Contents,
    is_read_only: bool,
    parts: PartCache,
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        let mut users = self.contents.home.users();
        let users = if self.is_read_only { &mut users.readers } else { &mut users.writers };
        *users = users.saturating_sub(1);
    }
}

impl MemorySession {
    fn stored(&self) -> RwLockReadGuard<'_, Stored> {
        read(self.contents.lock())
    }

    /// To change it: nothing is changed by a writer from which another took over.
    fn stored_mut(&self) -> StorageResult<RwLockWriteGuard<'_, Stored>> {
        self.contents.change()
    }

    pub(super) fn get(&self, key: &ValueKey) -> StorageResult<Option<Value>> {
        Ok(self.stored().values.get(key).cloned().map(Value::shared))
    }

    pub(super) fn contains(&self, key: &ValueKey) -> StorageResult<bool> {
        Ok(self.stored().values.contains_key(key))
    }

    pub(super) fn contains_all(&self, kind: u8, run: u64, count: u32) -> StorageResult<bool> {
        let stored = self.stored();
        Ok((0..count).all(|number| stored.values.contains_key(&ValueKey::new(kind, run, number))))
    }

    pub(super) fn list(&self, kind: u8, from_run: u64) -> Keys {
        self.keys(ValueKey::new(kind, from_run, 0), Some(kind))
    }

    pub(super) fn list_all(&self) -> Keys {
        self.keys(ValueKey::new(0, 0, 0), None)
    }

    fn keys(&self, from: ValueKey, kind: Option<u8>) -> Keys {
        let values = self.stored().values.clone();
        let mut next = Bound::Included(from);
        Box::new(std::iter::from_fn(move || {
            let (key, _) = values.range((next, Bound::Unbounded)).next()?;
            next = Bound::Excluded(*key);
            kind.is_none_or(|kind| key.kind() == kind).then_some(Ok(*key))
        }))
    }

    pub(super) fn begin(&self) -> Upload {
        Upload { contents: self.contents.clone(), is_read_only: self.is_read_only, put: Mutex::default() }
    }

    pub(super) fn delete_runs(&self, kind: u8, runs: Range<u64>) -> StorageResult<u64> {
        let mut stored = self.stored_mut()?;
        let (from, to) = (ValueKey::new(kind, runs.start, 0), ValueKey::new(kind, runs.end, 0));
        let gone: Vec<_> =
            stored.values.range(from..to).map(|(key, value)| (*key, Arc::clone(value))).collect();
        for (key, value) in &gone {
            stored.values.remove(key);
            stored.deleted.insert(*key, Arc::clone(value));
        }
        Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn retain(&self, wanted: impl Fn(u8, u64) -> bool) -> StorageResult<u64> {
        let mut stored = self.stored_mut()?;
        let before = stored.values.len();
        let is_wanted = |key: &ValueKey| wanted(key.kind(), key.run());
        let keep = |values: &OrdMap<ValueKey, Bytes>| -> OrdMap<ValueKey, Bytes> {
            values
                .iter()
                .filter(|(key, _)| is_wanted(key))
                .map(|(key, value)| (*key, Arc::clone(value)))
                .collect()
        };
        stored.values = keep(&stored.values);
        stored.deleted = keep(&stored.deleted);
        Ok(u64::try_from(before - stored.values.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn reclaim(&self) -> StorageResult<u64> {
        Ok(bytes(&std::mem::take(&mut self.stored_mut()?.deleted)))
    }

    pub(super) fn version(&self) -> StorageResult<Version> {
        Ok(self.stored().version)
    }

    pub(super) fn entry(&self, key: &[u8]) -> StorageResult<Option<Value>> {
        Ok(self.stored().entries.get(key).cloned().map(Value::shared))
    }

    pub(super) fn entries(&self, prefix: &[u8]) -> Entries {
        let entries = self.stored().entries.clone();
        let (prefix, mut last) = (prefix.to_vec(), None::<Bytes>);
        Box::new(std::iter::from_fn(move || {
            let from = last.as_deref().map_or(Bound::Included(prefix.as_slice()), Bound::Excluded);
            let (key, value) = entries.range::<_, [u8]>((from, Bound::Unbounded)).next()?;
            let found =
                key.starts_with(&prefix).then(|| Ok((key.to_vec(), Value::shared(Arc::clone(value)))));
            last = Some(Arc::clone(key));
            found
        }))
    }

    pub(super) fn swap_root(
        &self,
        expected: &Version,
        next: &Version,
        changes: &[Change],
    ) -> StorageResult<()> {
        if self.is_read_only {
            return Err(StorageError::ReadOnly);
        }
        for change in changes {
            if let Change::Put(_, value) | Change::Append(_, value) = change
                && value.len() > VALUE_BYTES_MAX
            {
                return Err(StorageError::TooLarge { bytes: value.len() });
            }
        }
        let mut stored = self.stored_mut()?;
        if stored.version != *expected {
            let why = format!("the root is at version {}, not at {}", stored.version.number, expected.number);
            return Err(StorageError::Fenced { why });
        }
        stored.apply(changes);
        stored.version = *next;
        Ok(())
    }

    pub(super) fn preload(&self, changes: &[Change]) -> StorageResult<()> {
        self.stored_mut()?.apply(changes);
        Ok(())
    }

    pub(super) fn moved_to(&self) -> StorageResult<Option<String>> {
        Ok(self.stored().moved_to.clone())
    }

    pub(super) fn mark_moved(&self, to: &str) -> StorageResult<()> {
        self.stored_mut()?.moved_to = Some(to.to_owned());
        Ok(())
    }

    pub(super) fn confirm(&self, version: &Version) -> StorageResult<bool> {
        Ok(self.stored().version == *version)
    }

    pub(super) const fn parts(&self) -> &PartCache {
        &self.parts
    }

    pub(super) fn usage_bytes(&self) -> u64 {
        let stored = self.stored();
        let entries = stored.entries.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        bytes(&stored.values) + bytes(&stored.deleted) + u64::try_from(entries).unwrap_or(u64::MAX)
    }
}

fn bytes(values: &OrdMap<ValueKey, Bytes>) -> u64 {
    values.values().map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)).sum()
}

/// Values on their way into a storage in memory.
#[derive(Debug)]
pub(super) struct Upload {
    contents: Contents,
    is_read_only: bool,
    put: Mutex<Vec<(ValueKey, Bytes)>>,
}

impl Upload {
    fn waiting(&self) -> MutexGuard<'_, Vec<(ValueKey, Bytes)>> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, key: &ValueKey, value: Vec<u8>) -> StorageResult<()> {
        if self.is_read_only {
            return Err(StorageError::ReadOnly);
        }
        self.waiting().push((*key, value.into()));
        Ok(())
    }

    pub(super) fn seal(&self) -> StorageResult<()> {
        let sealed = std::mem::take(&mut *self.waiting());
        let mut stored = self.contents.change()?;
        for (key, value) in sealed {
            stored.deleted.remove(&key);
            stored.values.insert(key, value);
        }
        Ok(())
    }
}
