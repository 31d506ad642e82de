//! The hot part: an embedded key-value store with the manifest, the commits' records and the values of small commits.
//!
//! This is the only file that names sled. What is worked around here was measured on sled 0.34.7:
//! * `apply_batch` blocks every reader, so values go in one by one and only the small manifest is a batch;
//! * `flush` does not fsync, so the data file is fsynced after it;
//! * pages above a quarter of a log segment go to files that are never fsynced, so log segments are large and `blobs/`
//!   must stay empty;
//! * it panics as it is closed where its log cannot be synced, so that is tried before;
//! * a read that fails while it opens is taken for the end of the log, which is then cut off: the log is read before;
//! * a byte put takes two on disk, and deleted space comes back only in part, so bulk goes to segment files.

use crate::storage::VALUE_BYTES_MAX;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::StorageError;
use crate::wait::poll_until;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A value of this part: cheap to clone, read in place.
pub(in super::super) type KvValue = sled::IVec;

/// A key with its value.
pub(super) type HotItem = Result<(KvValue, KvValue), StorageError>;

/// How often an open is tried while the file is held, and the pause between: five seconds in all.
const OPEN_TRIES: u32 = 1_000;
const OPEN_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// Pages above a quarter of this would leave the log for unsynced files.
const LOG_SEGMENT_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Kv {
    db: sled::Db,
    path: PathBuf,
}

impl Kv {
    /// Opens or creates it in the folder `path`; `cache_bytes` is what its page cache aims at.
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        let config = sled::Config::new()
            .path(path)
            .segment_size(LOG_SEGMENT_BYTES)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        read_through(&path.join("db")).map_err(StorageError::at("read the store's log", path))?;
        let db = open_with_retries(&config).map_err(StorageError::at("open the store", path))?;
        let this = Self { db, path: path.to_path_buf() };
        sync_names(path).map_err(StorageError::at("sync the store's folder", path))?;
        Ok(this)
    }

    /// Whether there is no value at all.
    pub(super) fn is_empty(&self) -> bool {
        self.db.is_empty()
    }

    /// Puts a value. Durable only after [`Self::sync`].
    pub(super) fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<(), StorageError> {
        self.db.insert(key, value).map_err(StorageError::at("write a value", &self.path))?;
        Ok(())
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<KvValue>, StorageError> {
        self.db.get(key).map_err(StorageError::at("read a value", &self.path))
    }

    pub(super) fn remove(&self, key: &[u8]) -> Result<(), StorageError> {
        self.db.remove(key).map_err(StorageError::at("delete a value", &self.path))?;
        Ok(())
    }

    /// Every key and value from `from` on whose key starts with `prefix`, ascending.
    pub(super) fn scan(&self, prefix: &[u8], from: &[u8]) -> impl Iterator<Item = HotItem> + use<> {
        let (path, prefix) = (self.path.clone(), prefix.to_vec());
        self.db
            .range(from.to_vec()..)
            .map(move |item| item.map_err(StorageError::at("scan the store", &path)))
            .take_while(move |item| item.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// Applies changes at once, durably: each is a key with its new value, or none to remove it. All of them are there after a
    /// crash, or none.
    pub(super) fn apply<'a>(
        &self,
        changes: impl Iterator<Item = (Vec<u8>, Option<&'a [u8]>)>,
    ) -> Result<(), StorageError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) if value.len() > VALUE_BYTES_MAX => {
                    return Err(StorageError::TooLarge { bytes: value.len() });
                }
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(StorageError::at("advance the manifest", &self.path))?;
        crash_points::after(Point::StoreBatchApplied);
        self.sync()
    }

    /// Makes everything that was put durable: flush, then fsync.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.db.flush().map_err(StorageError::at("flush the store", &self.path))?;
        crash_points::after(Point::StoreFlushed);
        self.sync_log().map_err(StorageError::at("sync the store", &self.path))?;
        let blobs = self.path.join("blobs");
        let spilled = std::fs::read_dir(&blobs).is_ok_and(|mut entries| entries.next().is_some());
        if spilled { Err(StorageError::Blobs { path: blobs }) } else { Ok(()) }
    }

    fn sync_log(&self) -> std::io::Result<()> {
        File::open(self.path.join("db"))?.sync_all()
    }

    /// Bytes on disk, by the files' sizes. Walks the folder.
    pub(super) fn bytes_on_disk(&self) -> Result<u64, StorageError> {
        self.db.size_on_disk().map_err(StorageError::at("measure the store", &self.path))
    }
}

impl Drop for Kv {
    /// sled syncs its log as it is closed, and panics where that fails. There it is left open, until the process ends:
    /// everything that was acknowledged was synced before.
    fn drop(&mut self) {
        // A folder that is already gone is no error, and closing works.
        if let Err(error) = self.sync_log()
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "Failed to sync the store on close: the next start reads again from Kafka what is missing");
            std::mem::forget(self.db.clone());
        }
    }
}

/// Reads the log to its end. sled takes what it cannot read for the end of its log and cuts it off there: a disk that fails for
/// a moment would cost the whole ledger.
fn read_through(log: &Path) -> std::io::Result<()> {
    match File::open(log) {
        Ok(mut file) => std::io::copy(&mut file, &mut std::io::sink()).map(|_| ()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens it, waiting for threads of this process that are still closing it: after a close they may keep its file open for a
/// moment. No other process can have it: this one has the lock of the data directory.
fn open_with_retries(config: &sled::Config) -> sled::Result<sled::Db> {
    let mut last = None;
    let opened = poll_until(OPEN_TRIES, OPEN_PAUSE, || match config.open() {
        Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
            last = Some(sled::Error::Io(error));
            None
        }
        opened => Some(opened),
    });
    opened.or(last.map(Err)).unwrap_or_else(|| config.open())
}

/// Makes the files and their names durable: a commit later only syncs the log itself.
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
