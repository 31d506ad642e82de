//! What can go wrong in the store, in words that say what to do.

use super::VALUE_BYTES_MAX;
use crate::storage::bytes::CodecError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The store failed: disk full, unreadable, damaged.
#[derive(Debug, Error, Clone)]
pub enum StorageError {
    /// The embedded store or the system reports a failure.
    #[error("{doing} failed in {path}: {message}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The message of the store or the system.
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
    /// Another process has the data directory.
    #[error(
        "{path} is in use by another coverledger process; stop it first, or choose another ledger.data_dir"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("the data directory {path} (`data_dir` under [ledger]) cannot be used: {reason}")]
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
    #[error("the storage was opened to be read: nothing is written to it")]
    ReadOnly,
    /// A change failed before: its result is unknown.
    #[error("a write failed before, and its result is unknown: start again")]
    Unknown,
    /// The storage was laid out by another version of the program.
    #[error(
        "{path} was written by an earlier version of coverledger, whose store this one does not read: move the data directory \
         away and rebuild it; `coverledger serve --config FILE` reads Kafka from its start, `coverledger ingest --config FILE \
         INPUT...` takes the files in again"
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
    #[error("{doing} {path} failed: {message}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's message.
        message: String,
    },
    /// There is nothing to read.
    #[error("there is no ledger in {path}: its `store` is missing; is ledger.data_dir right?")]
    NoLedger {
        /// The data directory.
        path: PathBuf,
    },
    /// `HEAD` does not name the version of the storage.
    #[error("{0}")]
    Inconsistent(String),
    /// A sealed segment file is not as it was written.
    #[error(
        "the segment file {path} is damaged: {source}; keep a copy of the data directory, then restore a backup or rebuild \
         the ledger from Kafka or files"
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
    /// Names the file.
    pub fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File { doing, path, message: error.to_string() }
    }

    /// Names what was being done, and where.
    pub(super) fn at<E: std::fmt::Display>(doing: &'static str, path: &Path) -> impl Fn(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |error| Self::Failed { doing, path: path.clone(), message: error.to_string() }
    }
}

/// Result of a storage operation.
pub type StorageResult<T> = Result<T, StorageError>;
