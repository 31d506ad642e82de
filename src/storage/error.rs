//! What can go wrong in the store, in words that say what to do.

use super::VALUE_BYTES_MAX;
use crate::storage::bytes::CodecError;
use std::io;
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
    /// What this process locked is not what lies there now.
    #[error(
        "{path} or its LOCK was moved, replaced or deleted while this process had it: another process may be at work there, \
         so nothing more is written; start again, and leave the directory alone while a process has it"
    )]
    LockLost {
        /// The data directory.
        path: PathBuf,
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
    /// `HEAD` does not say where the storage stands.
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

/// An error of the system, or what is wrong with the bytes.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Content(CodecError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Self::Content(error)
    }
}

/// What went wrong in which segment file.
#[derive(Debug)]
pub(super) struct Failure {
    path: PathBuf,
    fault: Fault,
}

impl Failure {
    pub(super) fn at<E: Into<Fault>>(path: &Path) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |fault| Self { path, fault: fault.into() }
    }

    /// Whether the file is not there: then its values may have been moved to another.
    pub(super) fn is_of_no_file(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<Failure> for StorageError {
    fn from(Failure { path, fault }: Failure) -> Self {
        match fault {
            Fault::Io(error) => Self::at("reading a segment file", &path)(error),
            Fault::Content(source) => Self::Segment { path, source },
        }
    }
}

/// Result of a storage operation.
pub type StorageResult<T> = Result<T, StorageError>;
