//! The seam under the ledger: immutable values are put, read and deleted by key; the manifest advances atomically.
//!
//! This is the only file that names sled. What is worked around here was measured on sled 0.34.7:
//! * `apply_batch` blocks every reader, so blocks go in one by one and only the small manifest is a batch;
//! * `flush` does not fsync, so the data file is fsynced after it;
//! * pages above a quarter of a segment go to files that are never fsynced, so segments are large and `blobs/` must
//!   stay empty.

use super::crash::{self, Point};
use super::lock::DirLock;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// A value as the store hands it out: cheap to clone, read in place.
pub type Value = sled::IVec;

/// Pages above a quarter of this would leave the log for unsynced files.
const SEGMENT_BYTES: usize = 8 << 20;
/// Largest value that is put: well below a quarter of a segment.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// The store failed: disk full, unreadable, damaged.
#[derive(Debug, Error, Clone)]
pub enum StoreError {
    /// The embedded store reports a failure.
    #[error("{doing} failed in {path}: {message}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The store's folder.
        path: PathBuf,
        /// The store's own message.
        message: String,
    },
    /// A value is larger than the store takes safely.
    #[error("a value of {bytes} bytes is larger than the {VALUE_BYTES_MAX} that the store keeps safely")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Values left the log for files that are not synced.
    #[error("{path} holds files: values were moved out of the log and are not safe against power loss")]
    Blobs {
        /// The folder that must stay empty.
        path: PathBuf,
    },
}

/// One change of the manifest's atomic batch.
#[derive(Clone, Debug)]
pub enum Change {
    /// Set a key.
    Put(Vec<u8>, Vec<u8>),
    /// Remove a key.
    Delete(Vec<u8>),
}

/// The open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    db: sled::Db,
    path: Arc<PathBuf>,
    /// Held as long as anybody can reach the store: a second process would otherwise meet a store that is still open.
    _lock: Option<Arc<DirLock>>,
}

impl Store {
    /// Opens or creates the store in the folder `path`; `cache_bytes` is what its page cache aims at.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let db = sled::Config::new()
            .path(path)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput)
            .open()
            .map_err(|error| engine("opening the store", path, &error))?;
        sync_names(path).map_err(|error| engine("fsync of the store's folder", path, &error))?;
        Ok(Self { db, path: Arc::new(path.to_path_buf()), _lock: None })
    }

    /// The same store, holding the lock of its data directory.
    pub fn with_lock(mut self, lock: DirLock) -> Self {
        self._lock = Some(Arc::new(lock));
        self
    }

    /// Whether there is no value at all: a new store.
    pub fn is_empty(&self) -> bool {
        self.db.is_empty()
    }

    /// Puts an immutable value. Durable only after [`Self::sync`].
    pub fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: value.len() });
        }
        self.db.insert(key, value).map_err(|error| self.engine("writing a block", &error))?;
        crash::after(Point::ValuePut);
        Ok(())
    }

    /// Reads a value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        self.db.get(key).map_err(|error| self.engine("reading a value", &error))
    }

    /// Deletes a value that nothing refers to any more; needs no sync.
    pub fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        self.db.remove(key).map_err(|error| self.engine("deleting a block", &error))?;
        Ok(())
    }

    /// Every key and value from `from` on whose key starts with `prefix`, ascending.
    pub fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Value, Value), StoreError>> {
        let (this, prefix) = (self.clone(), prefix.to_vec());
        self.db
            .range(from.to_vec()..)
            .map(move |item| item.map_err(|error| this.engine("scanning", &error)))
            .take_while(move |item| item.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// Makes everything that was put durable: flush, then fsync.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| self.engine("flushing", &error))?;
        crash::after(Point::StoreFlushed);
        File::open(self.path.join("db"))
            .and_then(|file| file.sync_all())
            .map_err(|error| self.engine("fsync of the store", &error))?;
        let blobs = self.path.join("blobs");
        let spilled = std::fs::read_dir(&blobs).is_ok_and(|mut entries| entries.next().is_some());
        if spilled { Err(StoreError::Blobs { path: blobs }) } else { Ok(()) }
    }

    /// Applies the manifest's changes at once, durably. All of them hold after a crash, or none.
    pub fn advance(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                Change::Put(_, value) if value.len() > VALUE_BYTES_MAX => {
                    return Err(StoreError::TooLarge { bytes: value.len() });
                }
                Change::Put(key, value) => batch.insert(key.as_slice(), value.as_slice()),
                Change::Delete(key) => batch.remove(key.as_slice()),
            }
        }
        self.db.apply_batch(batch).map_err(|error| self.engine("advancing the manifest", &error))?;
        crash::after(Point::StoreBatchApplied);
        self.sync()
    }

    /// Bytes on disk, by the files' sizes. Walks the folder.
    pub fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(|error| self.engine("measuring the store", &error))
    }

    fn engine(&self, doing: &'static str, error: &dyn std::fmt::Display) -> StoreError {
        engine(doing, &self.path, error)
    }
}

/// Makes the store's files and their names durable: a commit later only syncs the log itself.
fn sync_names(path: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(path)?.sync_all()?;
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn engine(doing: &'static str, path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Engine { doing, path: path.to_path_buf(), message: error.to_string() }
}
