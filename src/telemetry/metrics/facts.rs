//! What happened, as plain data.

use crate::domain::money::Micros;
use crate::domain::posting::Disposition;
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;
use crate::domain::verdict::Verdict;
use std::time::Duration;

/// Where records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordSource {
    /// A topic.
    Kafka,
    /// A file.
    File,
    /// Rejected records, sent again.
    Redrive,
}

impl RecordSource {
    pub(super) const ALL: [Self; 3] = [Self::Kafka, Self::File, Self::Redrive];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::File => "file",
            Self::Redrive => "redrive",
        }
    }
}

/// Records of one platform with one disposition. Reasons are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCount<'a> {
    /// Platform; empty when a rejected record does not tell.
    pub platform: &'a str,
    /// Disposition.
    pub disposition: Disposition,
    /// How many.
    pub count: u64,
}

/// Money that a commit moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PremiumMoved<'a> {
    /// Platform.
    pub platform: &'a str,
    /// Category.
    pub category: &'a str,
    /// Newly charged, not negative.
    pub charged: Micros,
    /// Taken back by amendments, not negative.
    pub reversed: Micros,
}

/// A durable commit.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommitFacts<'a> {
    /// Records that it decided about.
    pub records: u64,
    /// Bytes that it wrote.
    pub bytes: u64,
    /// From its first write to visible.
    pub took: Duration,
    /// Each fsync.
    pub fsyncs: &'a [Duration],
    /// Records by platform and disposition.
    pub events: &'a [EventCount<'a>],
    /// Rejected records by reason.
    pub rejections: &'a [(Reason, u64)],
    /// Money by platform and category.
    pub premiums: &'a [PremiumMoved<'a>],
}

/// A partition that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionFacts<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Every record below it is applied.
    pub position: i64,
    /// The offset that the next record will get, when known.
    pub end: Option<i64>,
}

/// How a coverage question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// With an answer.
    Answered(Verdict),
    /// The question was no question.
    Refused,
    /// Storage failed.
    Failed,
}

impl Lookup {
    pub(super) const ALL: [Self; 6] = [
        Self::Answered(Verdict::Covered),
        Self::Answered(Verdict::NotCovered),
        Self::Answered(Verdict::Undetermined),
        Self::Answered(Verdict::PartlyCovered),
        Self::Refused,
        Self::Failed,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered(verdict) => verdict.as_str(),
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// How a question for a receipt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// With a receipt.
    Made,
    /// The day is not sealed, or the question cannot have one.
    Refused,
    /// The ledger cannot be read.
    Failed,
}

impl ReceiptOutcome {
    pub(super) const ALL: [Self; 3] = [Self::Made, Self::Refused, Self::Failed];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The sealed days of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SealFacts {
    /// Days that are sealed.
    pub days: u64,
    /// Entries of the seal log: a day and generation each.
    pub entries: u64,
    /// The end of the newest sealed day.
    pub through: Option<UtcMillis>,
}

/// A compaction that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionFacts {
    /// Whether its result is in force.
    pub done: bool,
    /// Bytes that it wrote.
    pub bytes: u64,
}

/// What the ledger measures now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sample {
    /// Bytes of the data directory.
    pub disk_bytes: u64,
    /// Runs in force.
    pub runs: u64,
    /// Blocks in force.
    pub blocks: u64,
    /// Memory of filters of identities and riders.
    pub filter_bytes: u64,
    /// Days whose filters of identities are read from the store when they are asked.
    pub days_on_disk: u64,
    /// Memory of what tells where values and blocks lie.
    pub index_bytes: u64,
    /// Rejected and conflicting records kept.
    pub rejected_kept: u64,
    /// Rejected records of them that are not resolved; conflicts are none.
    pub rejected_unresolved: u64,
    /// Orders of a charged outcome without a rate.
    pub unrated: i64,
    /// Open orders that another rider ended.
    pub open_with_other_rider: u64,
}

/// Requests of one kind to an object store, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StoreKind {
    /// The kind.
    pub kind: &'static str,
    /// How many ended in each way.
    pub results: Vec<(&'static str, u64)>,
    /// How many took up to each time, and longer than the time before it.
    pub classes: Vec<(Duration, u64)>,
    /// How many took longer than the last one.
    pub longer: u64,
    /// The sum of their times.
    pub took: Duration,
}

/// Requests to an object store, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StoreFacts {
    /// Requests of each kind.
    pub kinds: Vec<StoreKind>,
    /// Bytes of objects that were sent.
    pub sent_bytes: u64,
    /// Bytes of objects that arrived.
    pub received_bytes: u64,
    /// Objects that were deleted.
    pub deleted_objects: u64,
    /// Reads that the cache on the disk answered.
    pub cache_hits: u64,
    /// Reads that went to the store.
    pub cache_misses: u64,
}

/// What the page *Operations* shows of the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Figures {
    /// Records taken in from Kafka and files, since the start.
    pub records: u64,
    /// Questions answered, refused or failed, since the start.
    pub lookups: u64,
    /// Errors of the Kafka client, since the start.
    pub kafka_errors: u64,
    /// Times that the clocks disagreed, since the start.
    pub clock_jumps: u64,
    /// Bytes of the ledger.
    pub disk_bytes: u64,
    /// Bytes free on the disk of the data directory, where they are known.
    pub disk_free_bytes: Option<u64>,
    /// Bytes free on the disk of the answer log, where it has a folder of its own.
    pub answers_free_bytes: Option<u64>,
    /// Platforms whose answers are kept open by a rejected record without a readable rider.
    pub unreadable: u64,
    /// Orders of a charged outcome without a rate.
    pub unrated: u64,
    /// Logged answers that would now be others.
    pub answers_changed: u64,
    /// Days that are sealed.
    pub seals: u64,
    /// End of the newest sealed day, in seconds since the epoch.
    pub sealed_through_s: i64,
    /// Days that wait to be sealed.
    pub seals_due: u64,
    /// Times that a day could not be sealed, since the start.
    pub seal_failures: u64,
    /// Whether the service is ready.
    pub is_ready: bool,
    /// Whether nothing is read for want of disk space.
    pub is_paused: bool,
    /// Whether a write to the storage failed.
    pub is_poisoned: bool,
    /// Whether another process took the place of this writer.
    pub is_fenced: bool,
    /// Whether answers about the present are undetermined, as newer commits may exist.
    pub is_reader_behind: bool,
    /// Whether a write to the answer log failed.
    pub is_answer_log_stopped: bool,
}
