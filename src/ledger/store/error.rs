//! What can go wrong in the store, in words that say what to do.

use super::super::codec::CodecError;
use super::VALUE_BYTES_MAX;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The store failed: disk full, unreadable, damaged.
#[derive(Debug, Error, Clone)]
pub enum StoreError {
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

impl StoreError {
    /// Names what was being done, and where.
    pub(super) fn at<E: std::fmt::Display>(doing: &'static str, path: &Path) -> impl Fn(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |error| Self::Failed { doing, path: path.clone(), message: error.to_string() }
    }

    /// Names the damaged segment file.
    pub(super) fn segment(path: &Path) -> impl Fn(CodecError) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Segment { path: path.clone(), source }
    }
}
