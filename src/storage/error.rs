//! What can go wrong in the store, in words that say what to do.

use super::VALUE_BYTES_MAX;
use crate::storage::bytes::CodecError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The store failed: disk full, unreadable, damaged.
#[derive(Debug, Error, Clone)]
pub enum StorageError {
    /// The embedded store or the system reports a failure.
    #[error("Failed to {action} in {path}: {message}; check the disk and its permissions, then start again")]
    Failed {
        /// What failed, as a verb and its object: `write a value`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The message of the store or the system.
        message: String,
    },
    /// A value is larger than the store takes safely.
    #[error(
        "Failed to store a value: it has {bytes} bytes, and the store keeps {VALUE_BYTES_MAX} at most; report this as \
         a defect"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Values left the log for files that are not synced.
    #[error(
        "Failed to open the store: {path} holds files, so values were moved out of the log and are not safe against \
         power loss; restore a backup or rebuild the ledger from Kafka or files"
    )]
    Blobs {
        /// The folder that must stay empty.
        path: PathBuf,
    },
    /// Another process has the data directory.
    #[error(
        "Failed to lock {path}: it is in use by another coverledger process; stop that process, or choose another \
         ledger.data_dir or storage.url"
    )]
    InUse {
        /// The data directory, or the address of the bucket.
        path: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("Failed to use the data directory {path} (`data_dir` under [ledger]): {reason}")]
    DataDir {
        /// The data directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another writer has taken over, or may have: this one writes nothing more.
    #[error("{why}")]
    Fenced {
        /// How that shows, and what to do.
        why: String,
    },
    /// The storage was acquired to be read.
    #[error("Failed to write to the storage: it was opened to be read; open it for writing")]
    ReadOnly,
    /// A change failed before: its result is unknown.
    #[error("Failed to use the storage: an earlier write failed, and its result is unknown; start again")]
    Unknown,
    /// A copy was cancelled.
    #[error("Failed to copy the storage: the process is stopping; run the backup again")]
    Stopping,
    /// The storage was laid out by another version of the program.
    #[error(
        "Failed to open {path}: it was written by an earlier version of coverledger, whose store this one does not \
         read; move the data directory away and rebuild it; `coverledger serve --config FILE` reads Kafka from its \
         start, `coverledger ingest --config FILE INPUT...` takes the files in again"
    )]
    OtherFormat {
        /// The file that says so.
        path: PathBuf,
    },
    /// A fault that a test asked for.
    #[error("injected fault: {what}, in operation {number} ({operation})")]
    Injected {
        /// Which fault.
        what: &'static str,
        /// The number of the operation.
        number: u64,
        /// What the operation was.
        operation: &'static str,
    },
    /// A file beside the store cannot be used.
    #[error("Failed to {action} {path}: {message}")]
    File {
        /// What failed, as a verb: `open`. The path is its object.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's message.
        message: String,
    },
    /// There is nothing to read.
    #[error(
        "Failed to open the ledger: there is no ledger in {path}, its `store` is missing; check ledger.data_dir and \
         storage.url"
    )]
    NoLedger {
        /// The data directory.
        path: PathBuf,
    },
    /// An object that counts is not in the bucket.
    #[error(
        "Failed to read {place}: the object does not exist; keep the bucket as it is, and restore a backup or rebuild the ledger"
    )]
    ObjectMissing {
        /// The object.
        place: String,
    },
    /// A request to an object store failed for good.
    #[error(
        "Failed to {action} {place}: {message}; check the object store, its address and the credentials, then start again"
    )]
    Object {
        /// What failed, as a verb: `read`.
        action: &'static str,
        /// The object.
        place: String,
        /// The message of the store.
        message: String,
    },
    /// An object is not as it was written.
    #[error(
        "Failed to read {place}: it is damaged ({source}); keep a copy of the bucket, then restore a backup or rebuild the \
         ledger from Kafka or files"
    )]
    DamagedObject {
        /// The object.
        place: String,
        /// How.
        #[source]
        source: CodecError,
    },
    /// The object store does not do what several writers need.
    #[error(
        "Failed to use the object store {place}: {what}; two writers could both believe to have the ledger there: use \
         another store, or another version of it"
    )]
    Unsuitable {
        /// The storage.
        place: String,
        /// What failed.
        what: String,
    },
    /// TLS does not trust an endpoint of the object store, or could trust none.
    #[error("Failed to use the object store {place}: {what}")]
    Untrusted {
        /// The storage.
        place: String,
        /// Which endpoint, why, and what to do.
        what: String,
    },
    /// The file with the authorities of an object store cannot be used.
    #[error(
        "Failed to use {path} (`ca_file` under [storage]): {reason}; put the certificates of the store's authorities there, in PEM, or \
         correct the name"
    )]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The ledger was migrated: it lies elsewhere now.
    #[error(
        "Failed to write to the ledger in {from}: it was migrated to {to}, and continues there; use that place in the configuration. \
         To go back, migrate it back to a new place; only if nothing was written in {to} since, delete {mark} and go on here"
    )]
    Moved {
        /// Where it was.
        from: String,
        /// Where it is.
        to: String,
        /// What says so.
        mark: String,
    },
    /// `HEAD` does not name the version of the storage.
    #[error("{0}")]
    Inconsistent(String),
    /// A sealed segment file is not as it was written.
    #[error(
        "Failed to read the segment file {path}: it is damaged ({source}); keep a copy of the data directory, then \
         restore a backup or rebuild the ledger from Kafka or files"
    )]
    Segment {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: CodecError,
    },
}

impl StorageError {
    /// Names what failed (a verb), and the file.
    pub fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File { action, path, message: error.to_string() }
    }

    /// Names what failed (a verb), and which object.
    #[cfg(feature = "object-store")]
    pub(super) fn object(action: &'static str, place: &str) -> impl FnOnce(String) -> Self + use<> {
        let place = place.to_owned();
        move |message| Self::Object { action, place, message }
    }

    /// Names what failed (a verb and its object), and where.
    pub(super) fn at<E: std::fmt::Display>(action: &'static str, path: &Path) -> impl Fn(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |error| Self::Failed { action, path: path.clone(), message: error.to_string() }
    }
}

/// Result of a storage operation.
pub type StorageResult<T> = Result<T, StorageError>;
