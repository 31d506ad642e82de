//! What can go wrong in the ledger, in words that say what to do.

use super::codec::CodecError;
use super::store::StoreError;
use std::path::PathBuf;
use thiserror::Error;

/// The ledger cannot go on, or cannot be trusted.
#[derive(Debug, Error, Clone)]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored value is damaged.
    #[error("{what} is damaged: {source}; restore a backup or rebuild the ledger from Kafka or files")]
    Damaged {
        /// Which value.
        what: String,
        /// How.
        #[source]
        source: CodecError,
    },
    /// A stored value is gone.
    #[error(
        "{what} is missing: the store has lost it; restore a backup or rebuild the ledger from Kafka or files"
    )]
    Missing {
        /// Which value.
        what: String,
    },
    /// The manifest does not agree with itself or with the witness.
    #[error("{0}")]
    Inconsistent(String),
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
    /// An earlier write failed: nothing is written any more.
    #[error("the ledger is poisoned by an earlier failure ({0}); nothing is written until a restart")]
    Poisoned(String),
    /// There is nothing to read.
    #[error("there is no ledger in {path}: its `store` is missing; is ledger.data_dir right?")]
    NoLedger {
        /// The data directory.
        path: PathBuf,
    },
    /// The ledger was opened to be read.
    #[error("the ledger was opened read-only: nothing is written")]
    ReadOnly,
    /// More was asked for than is read for one question.
    #[error(
        "more than {limit} stored versions of orders name this rider on one day: that is no person but a placeholder, and no \
         answer about it is worked out; ask about single orders, and have the platform correct the rider of these"
    )]
    TooManyOrders {
        /// Versions of a day that are read.
        limit: usize,
    },
    /// The disk is nearly full, and the command was not to wait.
    #[error(
        "the disk is nearly full: {bytes} bytes are free, {needed} are needed (ledger.min_free_bytes); free some and run again, \
         what is booked already will not be booked twice"
    )]
    NoRoom {
        /// Bytes free.
        bytes: u64,
        /// Bytes at which the intake goes on.
        needed: u64,
    },
    /// A sum does not fit.
    #[error("a total of {0} does not fit its number: check the tariff")]
    Overflow(String),
}

impl LedgerError {
    /// Names the damaged value.
    pub fn damaged(what: impl Into<String>) -> impl FnOnce(CodecError) -> Self {
        let what = what.into();
        move |source| Self::Damaged { what, source }
    }

    /// Names the file.
    pub fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File { doing, path, message: error.to_string() }
    }
}

/// Result of a ledger operation.
pub type Outcome<T> = Result<T, LedgerError>;
