//! The part of an explanation about platforms: why a time is final there, or what keeps it open.

use super::{CoveringOrder, Reach, Span};
use crate::coverage::rejection::OriginLine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is final about the time on one platform, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlatformWhy {
    /// Platform.
    pub platform: String,
    /// Everything of the platform about earlier instants has arrived.
    pub complete_through: Option<String>,
    /// What it promises.
    pub promise: PromiseLine,
    /// Why the settled part is final; null when nothing of the time is.
    #[serde(rename = "final")]
    pub is_final: Option<Final>,
    /// Everything that keeps some of the time open, in the order of precedence.
    pub open: Vec<Open>,
}

/// The promise of a platform, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromiseLine {
    /// Nothing can be said about earlier instants; null: the platform never settles.
    pub records_from: Option<String>,
    /// Nothing before `records_from` is missing.
    pub complete_start: bool,
    /// From an event to its arrival in Kafka.
    pub delivery_delay_ms: i64,
    /// A longer order is rejected.
    pub max_order_duration_ms: i64,
    /// Since then an open event is sent when an order is accepted.
    pub streams_open_orders_from: Option<String>,
    /// Its topics; none: its events come from files.
    pub topics: Vec<String>,
}

/// Why a part of the time is settled on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Final {
    /// The settled parts of the time.
    pub parts: Vec<Span>,
    /// `complete_through` had to be later than this.
    pub complete_after: String,
    /// The rule behind it.
    pub complete_rule: CompleteRule,
    /// Since which commit it is; null where no commit shows it.
    pub since: Option<Since>,
}

/// How far `complete_through` must pass the last instant of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompleteRule {
    /// By the longest order and the widest lead: an order may become known by its end only.
    EndedOrders,
    /// By the widest lead: every order is announced when it is accepted.
    AnnouncedOrders,
}

/// The first commit as of which a time was complete on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// The commit.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: String,
    /// `complete_through` as of it.
    pub complete_through: String,
    /// By whose word.
    #[serde(flatten)]
    pub by: By,
    /// The platform's partitions.
    pub partitions: u64,
    /// The one that was read least far; null where the platform has none.
    pub least_read: Option<PartitionRead>,
    /// The topic whose partitions were listed least lately; null where the platform has none.
    pub least_listed: Option<TopicListed>,
}

/// By whose word a time is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum By {
    /// A completeness record of the platform.
    CompletenessRecord {
        /// What its newest confirmed one vouches for.
        through: Option<String>,
        /// The record; null of one that was taken in before the ledger noted places.
        record: Option<RecordLine>,
    },
    /// The platform promises to deliver within `delivery_delay`, and was heard of since.
    DeliveryDelay {
        /// The newest instant that an event told, not later than its record's timestamp.
        newest_event: Option<String>,
        /// The event's record; null of one that was taken in before the ledger noted places.
        record: Option<RecordLine>,
        /// The delay.
        delivery_delay_ms: i64,
    },
    /// An operator stated it: `ingest --complete-through`.
    StatedCompleteness {
        /// What was stated.
        through: Option<String>,
    },
}

/// A record of Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordLine {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The commit that took it in.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: String,
}

/// A topic at the newest metadata request that showed no unread partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicListed {
    /// Topic.
    pub topic: String,
    /// Just before the request; null while there was none.
    pub listed_at: Option<String>,
}

/// How far a partition was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionRead {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Every record below it is applied.
    pub next_offset: i64,
    /// Every record that Kafka had acknowledged before this instant is applied; null while that is not known.
    pub read_to: Option<String>,
}

/// One reason that keeps some of the time open on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Open {
    /// The parts of the time that it keeps open.
    pub parts: Vec<Span>,
    /// When to ask again; null when time alone will not help.
    pub ask_again_at: Option<String>,
    /// The reason, and what is missing.
    #[serde(flatten)]
    pub missing: Missing,
}

/// What is missing. The codes are the reasons of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Missing {
    /// The reader that answered cannot say that its state is the newest.
    ReaderBehind {
        /// When that was confirmed last.
        since: String,
        /// The newest commit that it has: with `known_at` the answer is exact.
        commit: u64,
    },
    /// The platform's records do not reach back so far.
    BeforeRecords {
        /// End of the last day that retention dropped.
        dropped_until: Option<String>,
        /// The end of the time that cannot be told; null: the platform has no `records_from`.
        until: Option<String>,
    },
    /// Records of its partitions were never read.
    Gap {
        /// Each gap that meets the time.
        gaps: Vec<GapLine>,
    },
    /// Events about the time may still arrive.
    Incomplete {
        /// `complete_through` must be later than this; null where its year has more than four digits.
        complete_after: Option<String>,
        /// The rule behind it.
        complete_rule: CompleteRule,
        /// What keeps it from being later.
        waits_for: WaitsFor,
    },
    /// The rider has an order there whose end is not known.
    OrderOpen {
        /// The first of the orders, by platform, order_id and leg.
        orders: Vec<OpenOrderLine>,
        /// All of them.
        count: u64,
    },
    /// Unresolved rejected records name the rider.
    RejectedRecord(PendingRecordsLine),
    /// Unresolved rejected records may be about any rider.
    UnreadableRecord(PendingRecordsLine),
    /// Unresolved conflicting records would add cover.
    ConflictingRecord(PendingRecordsLine),
}

/// Records of a partition that were never read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapLine {
    /// `late_start`: the partition was not read from offset 0; `skip`: an operator let the ledger continue behind records.
    pub cause: GapCode,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The records are of this time or later; null: of any earlier time.
    pub from: Option<String>,
    /// They had arrived by then; null: not known until a later record is read.
    pub arrived_by: Option<String>,
    /// The end of the time that the gap keeps open, `max_order_duration` and the widest tail later; null: not known yet.
    pub until: Option<String>,
}

/// Why records of a partition are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapCode {
    /// The partition was not read from offset 0.
    LateStart,
    /// An operator let the ledger continue behind records that could not be read.
    Skip,
}

/// What keeps `complete_through` of a platform from being later: the `held_by` of `/v1/progress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WaitsFor {
    /// A partition was not read to a later end.
    Partition {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// It was read to an end that was asked for at this instant; null: to none yet.
        read_to: Option<String>,
    },
    /// No later request showed a topic without an unread partition.
    Listing {
        /// Topic.
        topic: String,
        /// The newest such request; null: none yet.
        listed_at: Option<String>,
    },
    /// The platform's completeness records vouch for no more, or are not confirmed yet.
    CompletenessRecord {
        /// What they vouch for; null: nothing confirmed yet.
        through: Option<String>,
    },
    /// The platform sends no completeness records and no later event.
    NewestEvent {
        /// The newest instant that an event told; null: none yet.
        newest_event: Option<String>,
    },
    /// No later instant was stated by `ingest --complete-through`.
    Statement {
        /// What was stated; null: nothing.
        through: Option<String>,
    },
    /// The platform is complete up to the state that answered.
    Now,
    /// The facts allow a later one, but the clock was not trusted when the state was committed.
    Paused,
}

/// An order whose end for the rider is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenOrderLine {
    /// Order and rider.
    #[serde(flatten)]
    pub order: CoveringOrder,
    /// An ended event of the order names another rider, with this end.
    pub ended_by_another_rider_at: Option<String>,
    /// A rejected record may be its end.
    pub end_rejected: bool,
    /// The time over which it may cover the rider.
    pub may_cover: Span,
}

/// Unresolved kept records: the first of them, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingRecordsLine {
    /// The first, by number.
    pub records: Vec<KeptLine>,
    /// All of them.
    pub count: u64,
}

/// A rejected or conflicting record that is not resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptLine {
    /// Its number among the kept records.
    pub rejection: u64,
    /// Why it was rejected; `conflict` for a conflicting one.
    pub reason: String,
    /// Platform, if readable.
    pub platform: Option<String>,
    /// Order, if readable.
    pub order_id: Option<String>,
    /// The time that it may concern.
    pub may_concern: Reach,
    /// Where it came from.
    pub origin: OriginLine,
    /// The commit that recorded it.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: String,
}
