//! The seam under the ledger: immutable values are put, read and deleted by key; the manifest advances atomically.
//!
//! Two places keep values, and nobody above needs to know which:
//! * *segment files* (`segment`), each sealed once and never changed, hold what is written in bulk: the blocks of large
//!   commits and all that compaction writes. `catalog` and `table` say where a value lies, `segments` reads them and
//!   gives space back.
//! * the *hot part* (`hot`), an embedded key-value store, holds the manifest, the records of commits and the values of
//!   small commits, until compaction moves these on.
//!
//! `writing` chooses between them, `copying` makes a second store of one in use. `error` says what can go wrong.

mod catalog;
mod copying;
mod error;
mod hot;
mod scratch;
mod segment;
mod segments;
mod table;
#[cfg(test)]
mod tests;
mod writing;

pub use copying::{Copied, Copying};
pub use error::StoreError;
pub use writing::Writing;

use super::keys::in_run;
use super::lock::DirLock;
use hot::{Hot, HotValue};
use scratch::Scratch;
use segments::{Access, Segments};
use std::path::Path;
use std::sync::Arc;
use table::Group;

/// Largest value that is put: well below what the hot part keeps in its log.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Values of a commit that are not worth a file of their own.
pub const COMMIT_SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// Files of which less is live are rewritten,
const LIVE_PERCENT_MIN: u64 = 30;
/// when there is as much to be gained.
const REWRITE_BYTES_MIN: u64 = 1 << 20;

/// A value as the store hands it out, read in place.
#[derive(Clone, Debug)]
pub enum Value {
    /// Of the hot part.
    Hot(HotValue),
    /// Read from a segment file.
    Read(Vec<u8>),
}

impl std::ops::Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Hot(value) => value,
            Self::Read(value) => value,
        }
    }
}

/// One change of the manifest's atomic batch.
#[derive(Clone, Debug)]
pub enum Change {
    /// Set a key.
    Put(Vec<u8>, Vec<u8>),
    /// Remove a key.
    Delete(Vec<u8>),
}

#[derive(Debug)]
struct Shared {
    hot: Hot,
    segments: Segments,
    /// Where the hot part lies when it is only read; goes after it.
    _scratch: Option<Scratch>,
}

/// The open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// Held as long as anybody can reach the store: a second process would otherwise meet a store that is still open.
    _lock: Option<Arc<DirLock>>,
}

impl Store {
    /// Opens or creates the store of a data directory; `cache_bytes` is what the hot part's page cache aims at.
    ///
    /// # Errors
    /// The hot part does not open, or a segment file is damaged.
    pub fn open(data_dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let segments = Segments::open(&data_dir.join("segments"), Access::Write)?;
        let hot = Hot::open(&data_dir.join("store"), cache_bytes)?;
        Ok(Self { shared: Arc::new(Shared { hot, segments, _scratch: None }), _lock: None })
    }

    /// Opens the store of a data directory without changing a byte of it: the hot part is copied to the system's place for
    /// temporary files, where it may do what it does when it opens; segment files are read where they lie. What is deleted
    /// is gone in memory only.
    ///
    /// # Errors
    /// As [`Self::open`]; there is no room for the copy.
    pub fn open_read_only(data_dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let segments = Segments::open(&data_dir.join("segments"), Access::Read)?;
        let folder = data_dir.join("store");
        let copied = StoreError::at("copying to the folder for temporary files (TMPDIR)", &folder);
        let scratch = Scratch::copy_of(&folder).map_err(copied)?;
        let hot = Hot::open(scratch.path(), cache_bytes)?;
        Ok(Self { shared: Arc::new(Shared { hot, segments, _scratch: Some(scratch) }), _lock: None })
    }

    /// The same store, holding the lock of its data directory.
    pub fn with_lock(mut self, lock: Arc<DirLock>) -> Self {
        self._lock = Some(lock);
        self
    }

    /// Whether there is no value at all: a new store.
    pub fn is_empty(&self) -> bool {
        self.shared.hot.is_empty() && self.shared.segments.catalog().segments.is_empty()
    }

    /// Begins to write; values of more than `segment_bytes_min` go to a segment file.
    pub fn begin(&self, segment_bytes_min: u64) -> Writing {
        Writing::new(self.clone(), segment_bytes_min)
    }

    /// Reads a value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        if let Some((group, number)) = Group::of(key)
            && let Some(value) = self.shared.segments.get(group, number)?
        {
            return Ok(Some(Value::Read(value)));
        }
        Ok(self.shared.hot.get(key)?.map(Value::Hot))
    }

    /// Whether there is a value of this key.
    pub fn holds(&self, key: &[u8]) -> Result<bool, StoreError> {
        let in_segment = Group::of(key)
            .is_some_and(|(group, number)| self.shared.segments.catalog().find(group, number).is_some());
        Ok(in_segment || self.shared.hot.get(key)?.is_some())
    }

    /// Deletes values that nothing refers to any more; needs no sync.
    ///
    /// After a crash values of segment files may be back: [`Self::keep_only`] deletes them again at the next start.
    pub fn delete(&self, keys: impl IntoIterator<Item = Vec<u8>>) -> Result<(), StoreError> {
        let catalog = self.shared.segments.catalog();
        let mut in_segments = Vec::new();
        for key in keys {
            match Group::of(&key).filter(|&(group, number)| catalog.find(group, number).is_some()) {
                Some(place) => in_segments.push(place),
                None => self.shared.hot.remove(&key)?,
            }
        }
        self.shared.segments.delete(in_segments)
    }

    /// Deletes, durably, every value of segment files whose (kind, run) is not `wanted`; returns how many.
    pub fn keep_only(&self, wanted: impl Fn(u8, u64) -> bool) -> Result<u64, StoreError> {
        self.shared.segments.keep_only(|group| wanted(group.kind, group.run))
    }

    /// Gives the space back that deleted values hold in segment files; returns the bytes. Takes time: not for the writer.
    pub fn reclaim(&self) -> Result<u64, StoreError> {
        self.reclaim_below(LIVE_PERCENT_MIN, REWRITE_BYTES_MIN)
    }

    /// Rewrites files of which less than so many hundredths are live, when they are of `bytes_min` in all.
    pub fn reclaim_below(&self, live_percent: u64, bytes_min: u64) -> Result<u64, StoreError> {
        self.shared.segments.rewrite(live_percent, bytes_min)
    }

    /// Every key from `from` on that starts with `prefix`, ascending; values only where they cost nothing.
    fn entries(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Option<Value>), StoreError>> + use<> {
        let mut hot = self.shared.hot.scan(prefix, from).peekable();
        let catalog = self.shared.segments.catalog();
        let mut cold = catalog
            .parts_from(Group::first_of(from))
            .map(|(group, part)| in_run(group.kind, group.run, part.place.number))
            .skip_while(|key| key.as_slice() < from)
            .take_while(|key| key.starts_with(prefix))
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        std::iter::from_fn(move || {
            let cold_next = match (hot.peek(), cold.peek()) {
                (Some(Ok((hot, _))), Some(cold)) => cold.as_slice() <= &**hot,
                (Some(Err(_)) | None, cold) => cold.is_some(),
                (Some(Ok(_)), None) => false,
            };
            if cold_next {
                let key = cold.next()?;
                // The segment file's value stands for this one.
                let _same = hot.next_if(|item| item.as_ref().is_ok_and(|(hot, _)| **hot == *key));
                return Some(Ok((key, None)));
            }
            hot.next().map(|item| item.map(|(key, value)| (key.to_vec(), Some(Value::Hot(value)))))
        })
    }

    /// Every key from `from` on that starts with `prefix`, ascending.
    pub fn keys(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + use<> {
        self.entries(prefix, from).map(|item| item.map(|(key, _)| key))
    }

    /// Every key and value from `from` on whose key starts with `prefix`, ascending.
    pub fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Value), StoreError>> + use<> {
        let this = self.clone();
        self.entries(prefix, from).filter_map(move |item| match item {
            Ok((key, Some(value))) => Some(Ok((key, value))),
            // One that is gone by now was deleted since.
            Ok((key, None)) => this.get(&key).transpose().map(|value| Ok((key, value?))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Applies the manifest's changes at once, durably. All of them hold after a crash, or none.
    pub fn advance(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.shared.hot.apply(changes)
    }

    /// Reads every byte of every segment file and tells what is damaged.
    pub fn check_segments(&self, problem: impl FnMut(StoreError)) {
        self.shared.segments.check(problem);
    }

    /// Bytes on disk, by the files' sizes.
    pub fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.shared.hot.bytes_on_disk()? + self.shared.segments.bytes_on_disk())
    }
}
