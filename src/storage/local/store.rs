//! The engine: immutable values in segment files, and what is small in an embedded key-value store.

use super::kv::{Kv, KvValue};
use super::lock::DirLock;
use super::reclaimer::Reclaimer;
use super::segments::{Access, Segments};
use super::table::{self, Group};
use super::temporary_copy::TemporaryCopy;
use super::value_writer::ValueWriter;
use crate::storage::cache::PartCache;
use crate::storage::error::StorageError;
use crate::storage::key::in_run;
use crate::storage::{Change, Value};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Files of which less is live are rewritten,
const LIVE_PERCENT_MIN: u64 = 30;
/// when there is as much to be gained.
const REWRITE_BYTES_MIN: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hot: Kv,
    pub(super) segments: Segments,
    pub(super) cache: Arc<PartCache>,
    /// Where the hot part lies when it is only read; goes after it.
    _scratch: Option<TemporaryCopy>,
}

/// The open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
    /// Kept as long as the store can be reached: a second process would otherwise meet a store that is still open.
    _lock: Option<Arc<DirLock>>,
}

impl Store {
    /// Opens or creates the store of a data directory; `cache_bytes` is what the hot part's page cache aims at,
    /// `index_bytes` what is kept in memory at most of where values lie.
    ///
    /// # Errors
    /// The hot part does not open, or a segment file is damaged.
    pub fn open(data_dir: &Path, cache_bytes: u64, index_bytes: usize) -> Result<Self, StorageError> {
        let cache = Arc::new(PartCache::new(index_bytes));
        let segments = Segments::open(&data_dir.join("segments"), Access::Write, Arc::clone(&cache))?;
        let hot = Kv::open(&data_dir.join("store"), cache_bytes)?;
        Ok(Self { shared: Arc::new(Shared { hot, segments, cache, _scratch: None }), _lock: None })
    }

    /// Opens the store of a data directory without changing a byte of it: the hot part is copied to the system's place for
    /// temporary files, where it may do what it does when it opens; segment files are read where they lie. What is deleted
    /// is gone in memory only.
    ///
    /// # Errors
    /// As [`Self::open`]; there is no space for the copy.
    pub fn open_read_only(
        data_dir: &Path,
        cache_bytes: u64,
        index_bytes: usize,
    ) -> Result<Self, StorageError> {
        let cache = Arc::new(PartCache::new(index_bytes));
        let segments = Segments::open(&data_dir.join("segments"), Access::Read, Arc::clone(&cache))?;
        let folder = data_dir.join("store");
        let copied = StorageError::at("copy to the folder for temporary files (TMPDIR)", &folder);
        let scratch = TemporaryCopy::copy_of(&folder).map_err(copied)?;
        let hot = Kv::open(scratch.path(), cache_bytes)?;
        Ok(Self { shared: Arc::new(Shared { hot, segments, cache, _scratch: Some(scratch) }), _lock: None })
    }

    /// The same store, holding the lock of its data directory.
    pub fn with_lock(mut self, lock: Arc<DirLock>) -> Self {
        self._lock = Some(lock);
        self
    }

    /// Whether there is no value at all: a new store.
    pub fn is_empty(&self) -> bool {
        self.shared.hot.is_empty() && self.shared.segments.catalog().segments().next().is_none()
    }

    /// Begins to write; values of more than `segment_bytes_min` go to a segment file.
    pub fn begin(&self, segment_bytes_min: u64) -> ValueWriter {
        ValueWriter::new(self.clone(), segment_bytes_min)
    }

    /// Reads a value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, StorageError> {
        if let Some((group, number)) = table::group_of(key)
            && let Some(value) = self.shared.segments.get(group, number)?
        {
            return Ok(Some(Value::read(value)));
        }
        Ok(self.shared.hot.get(key)?.map(|value: KvValue| Value::kv(value)))
    }

    /// Readahead hint for sequential scans of a kind and run: the system fetches this value and those that follow.
    pub fn read_ahead(&self, kind: u8, run: u64, number: u32) -> Result<(), StorageError> {
        self.shared.segments.read_ahead(Group { kind, run }, number)
    }

    /// Whether [`Self::fetch`] is worth its time: reads waited for a disk of late. Each asking uses it up a little.
    pub fn is_worth_fetching(&self) -> bool {
        self.shared.segments.is_worth_fetching()
    }

    /// Said of a value that is read soon: where the system has not got it in memory it begins to fetch it.
    pub fn fetch(&self, kind: u8, run: u64, number: u32) -> Result<(), StorageError> {
        self.shared.segments.fetch(Group { kind, run }, number)
    }

    /// Whether there is a value of this key.
    pub fn holds(&self, key: &[u8]) -> Result<bool, StorageError> {
        let in_segment = match table::group_of(key) {
            Some((group, number)) => self.shared.segments.holds(group, number)?,
            None => false,
        };
        Ok(in_segment || self.shared.hot.get(key)?.is_some())
    }

    /// Whether every value of a kind and run is there, with the numbers from 0 up to `count`.
    pub fn holds_all(&self, kind: u8, run: u64, count: u32) -> Result<bool, StorageError> {
        if self.shared.segments.catalog().is_whole(Group { kind, run }, count) {
            return Ok(true);
        }
        for number in 0..count {
            if !self.holds(&in_run(kind, run, number))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes values that nothing refers to any more; needs no sync.
    ///
    /// After a crash values of segment files may be back: [`Self::keep_only`] deletes them again at the next start.
    pub fn delete(&self, keys: impl IntoIterator<Item = Vec<u8>>) -> Result<(), StorageError> {
        let mut in_segments = Vec::new();
        for key in keys {
            match table::group_of(&key) {
                Some(place) if self.shared.segments.holds(place.0, place.1)? => in_segments.push(place),
                _ => self.shared.hot.remove(&key)?,
            }
        }
        self.shared.segments.delete(&in_segments)
    }

    /// Deletes every value of a kind whose run is among `runs`, as [`Self::delete`] does; returns how many.
    pub fn delete_runs(&self, kind: u8, runs: Range<u64>) -> Result<u64, StorageError> {
        let mut deleted = self.shared.segments.delete_runs(kind, runs.clone())?;
        for item in self.shared.hot.scan(&[kind], &in_run(kind, runs.start, 0)) {
            let (key, _) = item?;
            let Some((group, _)) = table::group_of(&key) else { continue };
            if group.run >= runs.end {
                break;
            }
            self.shared.hot.remove(&key)?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Deletes, durably, every value of segment files whose (kind, run) is not `wanted`; returns how many.
    pub fn keep_only(&self, wanted: impl Fn(u8, u64) -> bool) -> Result<u64, StorageError> {
        self.shared.segments.keep_only(|group| wanted(group.kind, group.run))
    }

    /// Closes removed segment files without readers, so that the file system gives their space back. Leaves that to
    /// `Reclaimer` where there is one.
    pub fn close_removed(&self) {
        self.shared.segments.close_removed();
    }

    /// What gives the space of removed segment files back in steps, on a thread of its own.
    pub fn reclaimer(&self) -> Reclaimer {
        self.shared.segments.reclaimer()
    }

    /// Gives the space back that deleted values occupy in segment files; returns the bytes. Takes time: not for the writer.
    pub fn reclaim(&self) -> Result<u64, StorageError> {
        self.reclaim_below(LIVE_PERCENT_MIN, REWRITE_BYTES_MIN)
    }

    /// Rewrites files of which less than so many hundredths are live, when they are of `bytes_min` in all.
    pub fn reclaim_below(&self, live_percent: u64, bytes_min: u64) -> Result<u64, StorageError> {
        self.shared.segments.rewrite(live_percent, bytes_min)
    }

    /// Applies changes of small values at once, durably. All of them are there after a crash, or none.
    pub(super) fn apply<'a>(
        &self,
        changes: impl Iterator<Item = (Vec<u8>, Option<&'a [u8]>)>,
    ) -> Result<(), StorageError> {
        self.shared.hot.apply(changes)
    }

    /// The same, by the keys under which they lie here.
    pub fn advance(&self, changes: &[Change]) -> Result<(), StorageError> {
        self.apply(changes.iter().map(|change| match change {
            Change::Put(key, value) | Change::Append(key, value) => (key.clone(), Some(value.as_slice())),
            Change::Delete(key) => (key.clone(), None),
        }))
    }

    /// Reads every byte of every segment file and reports what is damaged.
    pub fn check_segments(&self, problem: impl FnMut(StorageError)) {
        self.shared.segments.check(problem);
    }

    /// Bytes on disk, by the files' sizes.
    pub fn bytes_on_disk(&self) -> Result<u64, StorageError> {
        Ok(self.shared.hot.bytes_on_disk()? + self.shared.segments.bytes_on_disk())
    }
}
