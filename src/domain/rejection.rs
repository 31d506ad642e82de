//! Rejected and conflicting records: where each came from, why it is kept, what resolved it.

use super::arrival::{Arrived, Timestamp};
use super::reject::{Readable, Reason};
use super::time::UtcMillis;

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A Kafka record.
    Kafka {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
        /// The record's timestamp, from the producer or the broker, if it has one.
        timestamp: Option<UtcMillis>,
        /// When the record arrived, which a producer's timestamp does not tell.
        arrived: Arrived,
    },
    /// A line of an ingested file.
    File {
        /// Hash of the file's content up to and including the line.
        content: [u8; 16],
        /// Line number from 1, within the file.
        line: u64,
    },
    /// A rejected record that was sent through the pipeline again.
    Redrive {
        /// The rejection that was sent again.
        of: u64,
    },
}

impl Origin {
    /// The place of a Kafka record; when it arrived is known once it is taken in ([`Self::arrived`]).
    pub fn kafka(topic: &str, partition: i32, offset: i64, timestamp: Timestamp) -> Self {
        let (topic, timestamp) = (topic.to_owned(), timestamp.instant());
        Self::Kafka { topic, partition, offset, timestamp, arrived: Arrived::UNKNOWN }
    }

    /// The same place, with when the record arrived; files have no such instant.
    #[must_use]
    pub fn arrived(mut self, at: Arrived) -> Self {
        if let Self::Kafka { arrived, .. } = &mut self {
            *arrived = at;
        }
        self
    }
}

/// Why a record is kept with the rejected ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It broke a rule.
    Rejected(Reason),
    /// The same revision as a stored version, with other content.
    Conflict,
}

/// How a rejection was resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// By an accepted or amended event of the same identity with the same or a higher revision.
    Event {
        /// The commit that recorded it.
        commit: u64,
    },
    /// By an operator.
    Operator {
        /// The commit that recorded it.
        commit: u64,
        /// The operator's reason.
        reason: String,
    },
}

/// A rejected or conflicting record, without its raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Ascending number in the ledger.
    pub id: u64,
    /// The commit that recorded it.
    pub commit: u64,
    /// Rejected or conflicting.
    pub kept: Kept,
    /// Names field and place.
    pub detail: String,
    /// Where it came from.
    pub origin: Origin,
    /// The `complete_through` of its platforms that was committed before it, the latest of several: what was settled by then, it
    /// did not keep open.
    pub settled_by: Option<UtcMillis>,
    /// What could be read of it. For a conflict: all of it.
    pub readable: Readable,
    /// Length of the record's value in bytes.
    pub raw_len: u64,
    /// SHA-256 of the record's value.
    pub raw_sha256: [u8; 32],
    /// Whether the raw bytes are not kept (whole).
    pub raw_truncated: bool,
    /// `None` while unresolved.
    pub resolution: Option<Resolution>,
}

/// How many unresolved records of one kind keep answers open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingCount {
    /// Records.
    pub records: u64,
    /// The commit that recorded the oldest of them.
    pub since_commit: u64,
}
