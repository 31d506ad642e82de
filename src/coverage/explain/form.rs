//! An explanation in the shape that `docs/explain.md` gives it. It alone suffices to work out the verdict again.
//!
//! Times are RFC 3339 with milliseconds in the configured zone, durations whole milliseconds. Every `code` is stable.

use crate::domain::verdict::Verdict;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod platforms;

pub use platforms::*;

/// Why an answer is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The verdict that is explained.
    pub verdict: Verdict,
    /// The time asked about: `{at}`, or `{from, to}`. An instant is its millisecond.
    pub time: Asked,
    /// The identifiers asked about.
    pub rider_id: Vec<String>,
    /// Whether anything is stored of any of them.
    pub rider_known: bool,
    /// The part of the ledger that the asker may see; absent where that is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_to: Option<LimitedTo>,
    /// The widest cover of any rule ever in force, by which finality is judged.
    pub margins: Margins,
    /// Every order that covers some of the time.
    pub windows: Vec<CoveringOrder>,
    /// Every platform that counts; empty where all of the time is covered, or no platform is known.
    pub platforms: Vec<PlatformWhy>,
    /// Versions that once covered some of the time.
    pub superseded: Vec<SupersededOrder>,
    /// The nearest window that ends before, when no part of the time is covered.
    pub nearest_before: Option<CoveringOrder>,
    /// The nearest window that starts after, when no part of the time is covered.
    pub nearest_after: Option<CoveringOrder>,
}

/// The time of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Asked {
    /// An instant.
    Instant {
        /// The instant.
        at: String,
    },
    /// A minute or an interval.
    Interval(Span),
}

/// A stretch of time, the end excluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// First instant.
    pub from: String,
    /// First instant after it.
    pub to: String,
}

/// A stretch of time that may have no bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reach {
    /// First instant; null: any earlier one, too.
    pub from: Option<String>,
    /// First instant after it; null: any later one, too.
    pub to: Option<String>,
}

/// What a limited view shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitedTo {
    /// Orders of this platform only.
    pub platform: Option<String>,
    /// Orders accepted in these regions only; empty: in any.
    pub regions: Vec<String>,
}

/// Cover around an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Margins {
    /// Before `accepted_at`.
    pub lead_ms: i64,
    /// After `ended_at`.
    pub tail_ms: i64,
}

/// How the window of an order came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowCode {
    /// From `accepted_at` less lead to `ended_at` plus tail.
    EndedOrder,
    /// From `accepted_at` less lead to `complete_through` of the platform: an earlier end would have arrived.
    OpenOrder,
    /// An open order that has no window yet.
    NotEnded,
}

/// An order and the time that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoveringOrder {
    /// How the window came about.
    pub code: WindowCode,
    /// Platform.
    pub platform: String,
    /// Order.
    pub order_id: String,
    /// The rider's part of a split order.
    pub leg: u8,
    /// Revision.
    pub revision: u64,
    /// Which of the person's identifiers it names.
    pub rider_id: String,
    /// Null while open.
    pub outcome: Option<String>,
    /// The accepting event.
    pub accepted_at: String,
    /// The ending event; null while open.
    pub ended_at: Option<String>,
    /// The window, whole; of an open order in pieces where records are missing.
    pub covers: Vec<Span>,
    /// The rule that made it.
    pub rule: CoverRule,
    /// Of an open order: what its cover rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenTerms>,
    /// Where the version came from.
    pub source: CommitSource,
}

/// The cover rule of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverRule {
    /// Its label; null for the built-in one: no lead, no tail.
    pub rule: Option<String>,
    /// The tariff version that has it.
    pub tariff: String,
    /// Before `accepted_at`.
    pub lead_ms: i64,
    /// After `ended_at`.
    pub tail_ms: i64,
}

/// What the cover of an open order rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenTerms {
    /// Of the platform.
    pub complete_through: Option<String>,
    /// Of the platform: a longer order is rejected.
    pub max_order_duration_ms: i64,
}

/// The commit that recorded something, and the records that it took in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitSource {
    /// The commit.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: String,
    /// The records among which the one in question is.
    pub records: Vec<Records>,
}

/// Records that a commit took in from one source; positions are inclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Records {
    /// Records of a partition.
    Kafka {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The first.
        first_offset: i64,
        /// The last: equal to the first where it is one record.
        last_offset: i64,
    },
    /// Lines of ingested files.
    Files {
        /// The first, by its number within its file.
        first_line: i64,
        /// The last, by its number within its file: a later file's may be smaller.
        last_line: i64,
    },
    /// Rejected records that were sent again.
    Redrive {
        /// Number of the first rejection.
        first_rejection: i64,
        /// Number of the last.
        last_rejection: i64,
    },
}

/// A version that no longer counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SupersededOrder {
    /// The version.
    #[serde(flatten)]
    pub order: CoveringOrder,
    /// What replaced it.
    pub superseded_by: Superseding,
}

/// What replaced a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Superseding {
    /// Revision of the newer version.
    pub revision: u64,
    /// Where it came from.
    pub source: CommitSource,
}
