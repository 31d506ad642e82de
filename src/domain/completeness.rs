//! Up to which instant everything of a platform has arrived.
//!
//! [`Completeness`] is what the ledger keeps in its commits: facts that must survive a restart, and the instant
//! `complete_through` of every platform that follows from them and never goes back. [`CompletenessTracker`] wraps it
//! with what may be forgotten: end-offset requests whose records are not all applied yet.

mod advance;
mod facts;
mod identity;
mod late;
mod tracker;

pub use advance::{Bound, HeldBy};
pub use identity::{Difference, TopicIdentity};
pub use late::{Told, is_late, newest_instant, vouching_instant};
pub use tracker::{
    CompletenessTracker, EndObserved, MetadataObserved, PartitionApplied, PartitionSkipped, PartitionStarted,
};

use super::intake::RecordPlace;
use super::time::UtcMillis;
use std::collections::{BTreeMap, BTreeSet};

/// Unconfirmed completeness records that are kept for a platform: the oldest, so that a steady stream of new ones
/// cannot starve it, and the newest.
pub const VOUCHES_PENDING_MAX: usize = 2;

/// Everything that must be known to say what an absence of records means. Plain data; the ledger encodes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Every topic that was ever read.
    pub topics: BTreeMap<String, TopicFacts>,
    /// Every platform that was ever registered, stated or heard of in Kafka.
    pub platforms: BTreeMap<String, PlatformFacts>,
    /// The end of the last day that retention dropped.
    pub dropped_until: Option<UtcMillis>,
}

/// What is known about a Kafka topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicFacts {
    /// The newest instant just before a metadata request that showed no unread partition.
    pub listed_at: Option<UtcMillis>,
    /// The partitions that are read.
    pub partitions: BTreeMap<i32, PartitionFacts>,
}

/// What is known about a Kafka partition that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionFacts {
    /// The offset at which reading started. The first record may lie behind it: aborted transactions leave none.
    pub first_offset: i64,
    /// When that start was first seen: whatever lay before it had arrived by then.
    pub seen_at: UtcMillis,
    /// By when the first record read had arrived: the broker's stamp, else the instant of its commit; `None` until one is
    /// read.
    pub first_arrived: Option<UtcMillis>,
    /// The topic that is read.
    pub identity: TopicIdentity,
    /// Every record below it is applied or was skipped.
    pub next_offset: i64,
    /// Kafka timestamp of the newest record applied.
    pub newest_timestamp: Option<UtcMillis>,
    /// Every record that Kafka had acknowledged before this instant is applied (or was skipped).
    pub read_to: Option<UtcMillis>,
}

/// A completeness record that was applied, not yet confirmed by reading every partition to an end requested later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouch {
    /// What it vouches for, capped at `applied_at`.
    pub through: UtcMillis,
    /// When it was applied.
    pub applied_at: UtcMillis,
    /// The record; `None` of one that was applied before records were noted.
    pub record: Option<RecordPlace>,
}

/// A span that an operator let the ledger go past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedSpan {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// `complete_through` at the skip, or the skip if that was earlier, less the longest order and the widest lead.
    pub from: UtcMillis,
    /// The instant of the skip.
    pub skipped_at: UtcMillis,
    /// By when the next record read had arrived, at least [`Self::skipped_at`]; `None` until there is one. Of a partition that
    /// exists no more, the instant of the skip.
    pub until: Option<UtcMillis>,
}

/// What is known about a platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformFacts {
    /// Whether a configuration ever registered it.
    pub registered: bool,
    /// Every topic that a configuration ever bound to it.
    pub topics: BTreeSet<String>,
    /// Nothing about earlier instants is still to come; never goes back.
    pub complete_through: Option<UtcMillis>,
    /// What its confirmed completeness records vouch for.
    pub vouched_through: Option<UtcMillis>,
    /// The completeness record behind [`Self::vouched_through`].
    pub vouched_by: Option<RecordPlace>,
    /// Unconfirmed ones, at most [`VOUCHES_PENDING_MAX`], oldest first.
    pub vouches_pending: Vec<Vouch>,
    /// The newest accepted_at or ended_at applied from Kafka that is not later than its record's Kafka timestamp.
    pub newest_event: Option<UtcMillis>,
    /// The record behind [`Self::newest_event`].
    pub newest_event_by: Option<RecordPlace>,
    /// What `ingest --complete-through` stated.
    pub stated_through: Option<UtcMillis>,
    /// Skipped spans of its topics.
    pub skips: Vec<SkippedSpan>,
    /// Events that added cover before a complete_through already committed.
    pub late: u64,
}

impl PartitionFacts {
    /// What lay before the start of reading had arrived by this instant; `None` when nothing did.
    ///
    /// A producer's timestamp has no say in it: it may be the time of an event, or anything else.
    pub fn lost_until(&self) -> Option<UtcMillis> {
        let until = self.first_arrived.map_or(self.seen_at, |arrived| arrived.min(self.seen_at));
        (self.first_offset != 0).then_some(until)
    }
}

impl Completeness {
    /// Every record that Kafka had acknowledged in a partition before this instant is applied (or was skipped).
    pub fn read_to(&self, topic: &str, partition: i32) -> Option<UtcMillis> {
        self.topics.get(topic)?.partitions.get(&partition)?.read_to
    }
}

impl PlatformFacts {
    /// Whether the platform ever sent a completeness record: then its word counts, not its silence.
    pub fn sends_completeness(&self) -> bool {
        self.vouched_through.is_some() || !self.vouches_pending.is_empty()
    }
}

#[cfg(test)]
mod tests;
