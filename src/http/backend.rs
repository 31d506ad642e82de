//! What the service asks of the rest of the program.

use crate::coverage::rejection_filter::RejectionFilter;
use crate::domain::behind::Behind;
use crate::domain::rejection::Rejection;
use crate::domain::time::UtcMillis;
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The storage failure of a source's views.
pub type ViewError<S> = <<S as Source>::View as LedgerView>::Error;

/// Where answers come from. Views are read on blocking threads, but for a few blocks; all else must be quick.
pub trait Source: Send + Sync + 'static {
    /// One committed state.
    type View: LedgerView + Send + Sync + 'static;

    /// The newest committed state.
    fn view(&self) -> Arc<Self::View>;
    /// Whether the service does what it is there for: ledger open, partitions assigned, not poisoned.
    ///
    /// # Errors
    /// The first thing that is missing.
    fn readiness(&self) -> Result<(), NotReady>;
    /// What the process does with its ledger.
    fn role(&self) -> ServiceRole {
        ServiceRole::Writer
    }
    /// Whether newer commits may exist than those of [`Self::view`]: then nothing about the present is final here.
    fn behind(&self) -> Option<Behind> {
        None
    }
    /// Whether an answer from the state of a commit, which took so long, comes too late to be one about the present.
    fn outdated(&self, commit: u64, took: Duration) -> Option<Behind> {
        let _own = (commit, took);
        None
    }
    /// The position of reading.
    fn progress(&self) -> ProgressFacts;
    /// Kept rejected and conflicting records by ascending number. Called on a blocking thread.
    ///
    /// # Errors
    /// A storage failure.
    fn rejections(&self, query: &RejectionQuery) -> Result<RejectionPage, ViewError<Self>>
    where
        Self: Sized;
    /// The receipt for an answer from this state.
    ///
    /// # Errors
    /// Why there is none.
    fn receipt(
        &self,
        state: &Self::View,
        request: &ReceiptRequest<'_>,
    ) -> Result<ReceiptFile, NoReceipt<ViewError<Self>>>
    where
        Self: Sized;
    /// Whether receipts about this time can be asked for: it lies within one sealed day. Reads no leaf.
    ///
    /// # Errors
    /// Why there are none.
    fn is_sealed(&self, state: &Self::View, asked: Window) -> Result<(), NoReceipt<ViewError<Self>>>
    where
        Self: Sized;
    /// A file of the seal log; `None` for one that the log does not have.
    ///
    /// # Errors
    /// Days are not sealed here, or the log cannot be read.
    fn seal_file(&self, file: SealFile<'_>) -> Result<Option<Vec<u8>>, NoReceipt<ViewError<Self>>>
    where
        Self: Sized;
    /// Brings gauges up to date, right before they are read. Must not block.
    fn sample(&self) {}
}

/// What a process does with its ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceRole {
    /// It reads Kafka and books.
    #[default]
    Writer,
    /// It answers, and takes the writer's place when that ends or dies.
    Standby,
    /// It answers.
    Reader,
}

impl ServiceRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Writer, Self::Standby, Self::Reader];

    /// The name in answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Standby => "standby",
            Self::Reader => "reader",
        }
    }
}

/// Why the service is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotReady {
    /// The ledger is not open yet.
    #[error("the ledger is being opened")]
    Opening,
    /// Partitions are not assigned yet.
    #[error("the partitions are not assigned yet")]
    Unassigned,
    /// A write or an fsync failed.
    #[error("Failed to write to the ledger: nothing more is written, and the process is about to end")]
    Poisoned,
    /// A write of the answer log failed.
    #[error("Failed to write to the answer log: no answer is sent until the service is started again")]
    AnswersRefused,
    /// Newer commits may exist than those that it knows.
    #[error(
        "the reader is behind: it cannot confirm that its state is the newest, so answers about the present are undetermined \
         (reader_behind)"
    )]
    Behind,
    /// The service was asked to stop.
    #[error("the service is stopping")]
    Stopping,
}

/// A receipt that is asked for: one rider, a stretch of time within one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptRequest<'a> {
    /// The rider.
    pub rider_id: &'a str,
    /// The time that the answer is about.
    pub asked: Window,
    /// Whether it shall have every order and refused record of the rider on that day.
    pub is_whole: bool,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptFile {
    /// The file: one line of JSON.
    pub text: String,
    /// Its member `digest`.
    pub digest: [u8; 32],
}

/// A file of the seal log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealFile<'a> {
    /// The newest signed checkpoint.
    Checkpoint,
    /// The public keys, one a line.
    Keys,
    /// Hashes or entries, by the path of C2SP tlog-tiles, `tile/...`.
    Tile(&'a str),
}

/// Why there is no receipt, or no file of the seal log.
#[derive(Debug)]
pub enum NoReceipt<E> {
    /// Days are not sealed here.
    Off,
    /// The day is not sealed, or not as it is now; says what to do.
    NotSealed(String),
    /// No receipt can be about this; says what to ask instead.
    Unanswerable(String),
    /// The state cannot be read.
    Storage(E),
    /// The seal log cannot be used; for the log of the service.
    Failed(String),
}

/// The position of reading.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProgressFacts {
    /// The present.
    pub now: UtcMillis,
    /// Every partition that is read, by topic and number.
    pub partitions: Vec<PartitionProgress>,
    /// Why nothing is read, if so.
    pub paused: Option<Paused>,
    /// Of a ledger in a bucket: what is known of its writer.
    pub chain: Option<ChainFacts>,
}

/// What is known of the writer of a ledger that others can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainFacts {
    /// Grows with every writer.
    pub epoch: u64,
    /// Number of the newest slot.
    pub slot: u64,
    /// How long ago the state of this process was confirmed to be the newest.
    pub confirmed_ms_ago: i64,
}

/// Reading pauses: the disk is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Bytes free now.
    pub free_bytes: u64,
    /// Bytes at which reading continues.
    pub needed_bytes: u64,
}

/// The position of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The offset at which reading once started.
    pub start: i64,
    /// Every record below it is applied.
    pub position: i64,
    /// The offset that the next record will get; `None` while unknown.
    pub end: Option<i64>,
}

/// A page of kept records that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectionQuery {
    /// Which.
    pub filter: RejectionFilter,
    /// Records with a higher number than this.
    pub after: Option<u64>,
    /// Records in the page at most.
    pub limit: usize,
}

/// A page of kept records.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RejectionPage {
    /// Each with the instant of the commit that recorded it.
    pub records: Vec<(Rejection, UtcMillis)>,
    /// The number to continue after; `None` at the end.
    pub next_after: Option<u64>,
}
