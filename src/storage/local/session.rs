//! An acquired data directory: the engine, its lock, and the version of the root.

use super::lock::DirLock;
use super::reclaimer::Reclaimer;
use super::store::Store;
use super::value_writer::ValueWriter;
use super::version::Recorded;
use super::{AHEAD_BYTES, AHEAD_EVERY, data_dir, head, moved};
use crate::storage::cache::PartCache;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::key::{KIND_MIN, ValueKey};
use crate::storage::session::{Entries, Keys};
use crate::storage::{Acquire, Change, Hint, Mode, Value, Version};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// What the key of an entry begins with in the embedded store, where values lie under their own keys.
const ENTRY: u8 = 1;

/// An acquired data directory.
#[derive(Debug)]
pub struct LocalSession {
    dir: PathBuf,
    store: Store,
    /// None in a directory that no process ever wrote to, and in a checkpoint that is being made.
    lock: Option<Arc<DirLock>>,
    is_read_only: bool,
    is_older_state: bool,
    /// The version of the root; none once a swap has failed.
    version: Mutex<Option<Version>>,
}

/// The key under which the embedded store has an entry.
pub fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 1);
    stored.push(ENTRY);
    stored.extend_from_slice(key);
    stored
}

impl LocalSession {
    pub(super) fn acquire(dir: &Path, how: &Acquire) -> StorageResult<Self> {
        match how.mode {
            Mode::Write { accept_older_state, .. } => {
                let lock = data_dir::claim(dir)?;
                moved::check(dir)?;
                Self::write(dir, how, lock, accept_older_state)
            }
            Mode::WriteExisting => {
                data_dir::check_ledger(dir)?;
                let lock = DirLock::take(dir).map_err(data_dir::unusable(dir))?;
                Self::write(dir, how, lock, false)
            }
            Mode::Read => Self::read(dir, how),
        }
    }

    fn write(dir: &Path, how: &Acquire, lock: DirLock, accept_older_state: bool) -> StorageResult<Self> {
        let lock = Arc::new(lock);
        crash_points::after(Point::StartLocked);
        let store = Store::open(dir, how.cache_bytes, how.index_bytes).map_err(data_dir::blame(dir))?;
        let store = store.with_lock(Arc::clone(&lock));
        crash_points::after(Point::StartStoreOpened);
        let recorded = Recorded::load(&store)?;
        let is_older_state = recorded.reconcile(dir, accept_older_state)?;
        crash_points::after(Point::StartWitnessSettled);
        Ok(Self { is_older_state, lock: Some(lock), ..Self::new(dir, store, recorded) })
    }

    fn read(dir: &Path, how: &Acquire) -> StorageResult<Self> {
        data_dir::check_ledger(dir)?;
        let lock = DirLock::share(dir).map_err(data_dir::unreadable(dir))?.map(Arc::new);
        let mut store = Store::open_read_only(dir, how.cache_bytes, how.index_bytes)?;
        if let Some(lock) = &lock {
            store = store.with_lock(Arc::clone(lock));
        }
        let recorded = Recorded::load(&store)?;
        recorded.compare(head::read(dir)?.as_ref())?;
        Ok(Self { is_read_only: true, lock, ..Self::new(dir, store, recorded) })
    }

    /// A directory that no other process knows of: without a lock.
    pub(super) fn aside(dir: &Path, how: &Acquire) -> StorageResult<Self> {
        let store = Store::open(dir, how.cache_bytes, how.index_bytes)?;
        let recorded = Recorded::load(&store)?;
        recorded.compare(head::read(dir)?.as_ref())?;
        Ok(Self::new(dir, store, recorded))
    }

    fn new(dir: &Path, store: Store, recorded: Recorded) -> Self {
        Self {
            dir: dir.to_path_buf(),
            store,
            lock: None,
            is_read_only: false,
            is_older_state: false,
            version: Mutex::new(Some(recorded.version)),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn check_may_write(&self) -> StorageResult<()> {
        if self.is_read_only { Err(StorageError::ReadOnly) } else { self.check_lock() }
    }

    fn check_lock(&self) -> StorageResult<()> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.check())
    }

    #[inline]
    pub(in super::super) fn get(&self, key: &ValueKey) -> StorageResult<Option<Value>> {
        self.store.get(key)
    }

    pub(in super::super) fn contains(&self, key: &ValueKey) -> StorageResult<bool> {
        self.store.holds(key)
    }

    pub(in super::super) fn contains_all(&self, kind: u8, run: u64, count: u32) -> StorageResult<bool> {
        self.store.holds_all(kind, run, count)
    }

    pub(in super::super) fn list(&self, kind: u8, from_run: u64) -> Keys {
        let from = ValueKey::new(kind, from_run, 0);
        Box::new(self.store.keys(&[kind], &from).filter_map(value_key))
    }

    pub(in super::super) fn list_all(&self) -> Keys {
        Box::new(self.store.keys(&[], &[KIND_MIN]).filter_map(value_key))
    }

    /// The keys of values that lie in no segment file.
    pub(in super::super) fn list_small(&self) -> Keys {
        let items = self.store.shared.hot.scan(&[], &[KIND_MIN]);
        Box::new(items.filter_map(|item| value_key(item.map(|(key, _)| key.to_vec()))))
    }

    pub(in super::super) fn begin(&self, hint: Hint) -> ValueWriter {
        self.store.begin(hint.segment_bytes_min())
    }

    pub(in super::super) fn delete_runs(&self, kind: u8, runs: Range<u64>) -> StorageResult<u64> {
        self.store.delete_runs(kind, runs)
    }

    pub(in super::super) fn retain(&self, wanted: impl Fn(u8, u64) -> bool) -> StorageResult<u64> {
        self.store.keep_only(wanted)
    }

    pub(in super::super) fn reclaim(&self) -> StorageResult<u64> {
        self.store.reclaim()
    }

    pub(in super::super) fn release_removed(&self) {
        self.store.close_removed();
    }

    pub(in super::super) fn version(&self) -> StorageResult<Version> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).ok_or(StorageError::Unknown)
    }

    pub(in super::super) const fn is_older_state(&self) -> bool {
        self.is_older_state
    }

    pub(in super::super) fn entry(&self, key: &[u8]) -> StorageResult<Option<Value>> {
        self.store.get(&entry_key(key))
    }

    pub(in super::super) fn entries(&self, prefix: &[u8]) -> Entries {
        let from = entry_key(prefix);
        let unprefixed = |(key, value): (Vec<u8>, Value)| (key.get(1..).unwrap_or_default().to_vec(), value);
        Box::new(self.store.scan(&from, &from).map(move |item| item.map(unprefixed)))
    }

    /// The store's batch first, then the witness: a crash between leaves the store one version ahead, which the next start
    /// completes.
    pub(in super::super) fn swap_root(
        &self,
        expected: &Version,
        next: &Version,
        changes: &[Change],
    ) -> StorageResult<()> {
        if self.is_read_only {
            return Err(StorageError::ReadOnly);
        }
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let at = version.ok_or(StorageError::Unknown)?;
        if at != *expected {
            let why = format!(
                "the root is at version {}, not at {}: another writer has taken over; start again",
                at.number, expected.number
            );
            return Err(StorageError::Fenced { why });
        }
        // Where another process may be at work, this one must not write, least of all what names its own state.
        self.check_lock()?;
        *version = None;
        let recorded = Recorded { version: *next, previous_hash: expected.hash };
        let (key, value) = recorded.stored();
        self.store.apply(stored(changes).chain([(key, Some(value.as_slice()))]))?;
        crash_points::after(Point::ManifestAdvanced);
        self.check_lock()?;
        head::write(&self.dir, next)?;
        *version = Some(*next);
        Ok(())
    }

    pub(in super::super) fn preload(&self, changes: &[Change]) -> StorageResult<()> {
        self.store.apply(stored(changes))
    }

    pub(in super::super) fn confirm(&self, version: &Version) -> StorageResult<bool> {
        let recorded = Recorded::load(&self.store)?;
        // A swap that a crash cut off before the witness is completed by the next writer, not by a reader.
        let witness = head::read(&self.dir)?;
        Ok(recorded.version == *version
            && (self.is_read_only || witness.unwrap_or(Version::NONE) == *version))
    }

    pub(in super::super) fn prefetch(&self, keys: impl IntoIterator<Item = ValueKey>) -> StorageResult<()> {
        keys.into_iter().try_for_each(|key| self.store.fetch(key.kind(), key.run(), key.number()))
    }

    pub(in super::super) fn is_prefetch_useful(&self) -> bool {
        self.store.is_worth_fetching()
    }

    pub(in super::super) fn read_ahead(&self, kind: u8, run: u64, number: u32) -> StorageResult<()> {
        if usize::try_from(number).is_ok_and(|number| number.is_multiple_of(AHEAD_EVERY)) {
            self.store.read_ahead(kind, run, number)?;
        }
        Ok(())
    }

    pub(in super::super) fn warm_up(
        &self,
        kind: u8,
        run: u64,
        count: u32,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> StorageResult<bool> {
        let mut next = 0;
        while next < count {
            self.store.read_ahead(kind, run, next)?;
            // The first of them is waited for: one request at a time is on its way, however slow the disk is.
            let value = self.store.get(&ValueKey::new(kind, run, next))?;
            let length = value.map_or(0, |value| u64::try_from(value.len()).unwrap_or(0)).max(1);
            // Lengths of a kind are much alike. Where they are not, some bytes are left out, or come twice.
            let step = u32::try_from(AHEAD_BYTES / length).unwrap_or(u32::MAX).max(1);
            if !go_on(length * u64::from(step.min(count - next))) {
                return Ok(false);
            }
            next = next.saturating_add(step);
        }
        Ok(true)
    }

    #[inline]
    pub(in super::super) fn parts(&self) -> &PartCache {
        &self.store.shared.cache
    }

    pub(in super::super) fn usage_bytes(&self) -> StorageResult<u64> {
        self.store.bytes_on_disk()
    }

    pub(in super::super) fn scrub(&self, problem: &mut dyn FnMut(StorageError)) {
        self.store.check_segments(problem);
    }

    pub(in super::super) fn reclaimer(&self) -> Reclaimer {
        self.store.reclaimer()
    }

    /// Takes the segment files with a wanted run over into another directory; returns how many were linked and copied.
    pub(in super::super) fn copy_files(
        &self,
        target: &Path,
        is_run_wanted: &dyn Fn(u8, u64) -> bool,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> StorageResult<(u64, u64)> {
        let folder = target.join("segments");
        std::fs::create_dir(&folder).map_err(StorageError::at("create a folder", &folder))?;
        let is_wanted = |group: super::table::Group| is_run_wanted(group.kind, group.run);
        self.store.shared.segments.copy_to(&folder, &is_wanted, stop, progress)
    }
}

fn value_key(key: StorageResult<Vec<u8>>) -> Option<StorageResult<ValueKey>> {
    match key {
        Ok(key) => ValueKey::read(&key).map(Ok),
        Err(error) => Some(Err(error)),
    }
}

/// The changes as the embedded store knows them.
fn stored(changes: &[Change]) -> impl Iterator<Item = (Vec<u8>, Option<&[u8]>)> {
    changes.iter().map(|change| match change {
        Change::Put(key, value) | Change::Append(key, value) => (entry_key(key), Some(value.as_slice())),
        Change::Delete(key) => (entry_key(key), None),
    })
}
