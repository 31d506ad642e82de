//! What can go wrong in the ledger, in words that say what to do.

use crate::domain::time::LocalDay;
use crate::storage::StorageError;
use crate::storage::bytes::CodecError;
use thiserror::Error;

/// The ledger cannot continue, or cannot be trusted.
#[derive(Debug, Error, Clone)]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StorageError),
    /// A stored value is damaged.
    #[error(
        "Failed to read {what}: it is damaged ({source}); restore a backup or rebuild the ledger from Kafka or files"
    )]
    Damaged {
        /// Which value.
        what: String,
        /// How.
        #[source]
        source: CodecError,
    },
    /// The ledger was written by a version of the program with another stored format.
    #[error(
        "Failed to open the ledger: it is stored in format {found}, this program reads format {known}; move the data \
         directory away and rebuild it: `coverledger serve --config FILE` reads Kafka from its start, `coverledger \
         ingest --config FILE INPUT...` takes the files in again"
    )]
    OtherFormat {
        /// The format of the stored values.
        found: u8,
        /// The format of this program.
        known: u8,
    },
    /// A stored value is gone.
    #[error(
        "Failed to read {what}: the store has lost it; restore a backup or rebuild the ledger from Kafka or files"
    )]
    Missing {
        /// Which value.
        what: String,
    },
    /// The manifest does not agree with itself or with the storage.
    #[error("{0}")]
    Inconsistent(String),
    /// An earlier write failed: nothing is written any more.
    #[error("Failed to write to the ledger: an earlier write failed ({0}); restart the process")]
    Poisoned(String),
    /// The ledger was opened to be read.
    #[error("Failed to write to the ledger: it was opened read-only; open it with a command that writes")]
    ReadOnly,
    /// More was asked for than is read for one question.
    #[error(
        "Failed to answer: more than {limit} stored versions of orders name this rider on one day, so the identifier \
         is a placeholder, not a person; ask about single orders, and have the platform correct the rider of these"
    )]
    TooManyOrders {
        /// Versions of a day that are read.
        limit: usize,
    },
    /// An earlier state that cannot be shown was asked for.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// The disk is nearly full, and the command was not to wait.
    #[error(
        "Failed to write to the ledger: the disk is nearly full, {bytes} bytes are free and {needed} are needed \
         (ledger.min_free_bytes); free some and run again: nothing is booked twice"
    )]
    NoRoom {
        /// Bytes free.
        bytes: u64,
        /// Bytes at which the intake continues.
        needed: u64,
    },
    /// A sum does not fit.
    #[error(
        "Failed to add up a total of {0}: it exceeds the number that stores it; check the rates of the tariff"
    )]
    Overflow(String),
}

/// Why a state as it was known earlier cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotKnown {
    /// There is no such commit yet.
    #[error("known_at names commit {asked}, but the newest commit is {newest}; ask about one that exists")]
    NoSuchCommit {
        /// The commit that was asked for.
        asked: u64,
        /// The newest one.
        newest: u64,
    },
    /// The instant is not over: a commit may still get it.
    #[error(
        "known_at is later than the newest commit ({newest}), so what was known by then can still grow; ask about an \
         instant up to that commit, or leave known_at out"
    )]
    NotYet {
        /// Instant of the newest commit, RFC 3339.
        newest: String,
    },
    /// Nothing was committed by then.
    #[error("known_at is before the first commit of the ledger ({first}); ask about a later instant")]
    BeforeFirst {
        /// Instant of the first commit, RFC 3339.
        first: String,
    },
    /// Retention dropped rows that the answer needs.
    #[error(
        "Failed to answer as it was known then: retention has dropped the orders accepted before {first_kept} since; \
         restore a backup from before, or look up the answer that was given"
    )]
    Dropped {
        /// The first day that is kept.
        first_kept: LocalDay,
    },
}

impl LedgerError {
    /// Whether another process has the data directory.
    pub const fn is_in_use(&self) -> bool {
        matches!(self, Self::Store(StorageError::InUse { .. }))
    }

    /// Whether the data directory cannot be used at all.
    pub const fn is_of_data_dir(&self) -> bool {
        matches!(self, Self::Store(StorageError::DataDir { .. }))
    }

    /// Whether there is no ledger to read.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Store(StorageError::NoLedger { .. }))
    }

    /// Whether another process took the place of this writer.
    pub const fn is_fenced(&self) -> bool {
        matches!(self, Self::Store(StorageError::Fenced { .. }))
    }

    /// Whether the object store is not trusted, or cannot be: the ledger itself was not looked at.
    pub const fn is_untrusted(&self) -> bool {
        matches!(self, Self::Store(StorageError::Untrusted { .. } | StorageError::Authorities { .. }))
    }

    /// Whether an object store did not answer, or is not trusted: the error says nothing about the ledger.
    pub const fn is_unreachable(&self) -> bool {
        self.is_untrusted() || matches!(self, Self::Store(StorageError::Object { .. }))
    }

    /// Names the damaged value; a value of another format is no damage.
    pub fn damaged(what: impl Into<String>) -> impl FnOnce(CodecError) -> Self {
        let what = what.into();
        move |source| match source {
            CodecError::Format { found, known } => Self::OtherFormat { found, known },
            source => Self::Damaged { what, source },
        }
    }
}

/// Result of a ledger operation.
pub type LedgerResult<T> = Result<T, LedgerError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_refused_with_the_commands_that_rebuild() {
        let error = LedgerError::damaged("the manifest root")(CodecError::Format { found: 2, known: 3 });
        let text = error.to_string();
        assert!(
            text.starts_with(
                "Failed to open the ledger: it is stored in format 2, this program reads format 3"
            ),
            "{text}"
        );
        assert!(
            text.contains("`coverledger serve --config FILE`") && text.contains("`coverledger ingest"),
            "{text}"
        );
    }
}
