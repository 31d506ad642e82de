//! A rejected or conflicting record in the words of an answer.

use crate::domain::pending::{PendingKind, Scope, pending_kind};
use crate::domain::platform::{Platforms, UnreadableRecords};
use crate::domain::reject::ReadRevision;
use crate::domain::rejection::{Kept, Origin, Rejection, Resolution};
use crate::domain::time::{UtcMillis, Zone};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kept record as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectionLine {
    /// Its number among the kept records.
    pub id: u64,
    /// `rejected` or `conflict`.
    pub disposition: &'static str,
    /// The rule that it broke; null for a conflict.
    pub reason: Option<&'static str>,
    /// Names field and place.
    pub detail: String,
    /// Where it came from.
    pub origin: OriginLine,
    /// Platform, if readable.
    pub platform: Option<String>,
    /// Order, if readable.
    pub order_id: Option<String>,
    /// Leg, if readable.
    pub leg: Option<u8>,
    /// `open` or `ended`.
    pub phase: Option<&'static str>,
    /// Rider, if readable.
    pub rider_id: Option<String>,
    /// Revision, if readable.
    pub revision: Option<u64>,
    /// Start, if readable.
    pub accepted_at: Option<String>,
    /// End, if readable.
    pub ended_at: Option<String>,
    /// Length of the record's value.
    pub raw_bytes: u64,
    /// SHA-256 of the record's value, hexadecimal.
    pub raw_sha256: String,
    /// Whether something of the record was too large to be kept.
    pub raw_truncated: bool,
    /// Why it keeps answers open, as in an answer: `rejected_record` and `conflicting_record` those about its rider,
    /// `unreadable_record` those about every rider. Null when it keeps none open.
    pub keeps_open: Option<&'static str>,
    /// How it was settled; null while it is not.
    pub resolution: Option<ResolutionLine>,
    /// When it was recorded.
    pub recorded_at: String,
    /// By which commit.
    pub commit: u64,
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum OriginLine {
    /// A Kafka record.
    Kafka {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
        /// The record's timestamp, if it has one.
        timestamp: Option<String>,
    },
    /// A line of a file.
    File {
        /// Hash of the file's content up to the line's end, hexadecimal.
        content: String,
        /// Line, from 1.
        line: u64,
    },
    /// A rejected record that was sent again.
    Redrive {
        /// Its number.
        of: u64,
    },
}

/// How a rejection was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum ResolutionLine {
    /// By an event of the same order.
    Event {
        /// The commit that recorded it.
        commit: u64,
    },
    /// By an operator.
    Operator {
        /// The commit that recorded it.
        commit: u64,
        /// Why.
        reason: String,
    },
}

impl RejectionLine {
    /// The same without the rider, for those who mend records and need not know whom they are about.
    #[must_use]
    pub fn without_rider(self) -> Self {
        Self { rider_id: None, ..self }
    }

    /// The words of a kept record. What it keeps open depends on the configuration: `known` are the platforms that were ever
    /// registered or stored.
    pub fn new(
        record: Rejection,
        recorded_at: UtcMillis,
        zone: &Zone,
        (platforms, known): (&Platforms, &[String]),
    ) -> Self {
        let keeps_open = keeps_open(&record, platforms, known);
        let read = record.readable;
        let (disposition, reason) = match record.kept {
            Kept::Rejected(reason) => ("rejected", Some(reason.as_str())),
            Kept::Conflict => ("conflict", None),
        };
        Self {
            id: record.id,
            disposition,
            reason,
            detail: record.detail,
            origin: origin(record.origin, zone),
            platform: read.platform,
            order_id: read.order_id,
            leg: read.leg,
            phase: read.phase.map(|phase| phase.as_str()),
            rider_id: read.rider_id,
            revision: match read.revision {
                ReadRevision::Known(revision) => Some(revision),
                ReadRevision::Unreadable => None,
            },
            accepted_at: read.accepted_at.map(|at| zone.rfc3339(at)),
            ended_at: read.ended_at.map(|at| zone.rfc3339(at)),
            raw_bytes: record.raw_len,
            raw_sha256: hexadecimal(&record.raw_sha256),
            raw_truncated: record.raw_truncated,
            keeps_open,
            resolution: record.resolution.map(|resolution| match resolution {
                Resolution::Event { commit } => ResolutionLine::Event { commit },
                Resolution::Operator { commit, reason } => ResolutionLine::Operator { commit, reason },
            }),
            recorded_at: zone.rfc3339(recorded_at),
            commit: record.commit,
        }
    }
}

/// Why a record keeps answers open. Where each platform that it may concern passes over records in which no rider can be
/// read, such a record keeps none open.
fn keeps_open(record: &Rejection, platforms: &Platforms, known: &[String]) -> Option<&'static str> {
    let kind = pending_kind(record).filter(|_| record.resolution.is_none())?;
    let is_known = |name: &str| known.iter().any(|known| known == name);
    let scope = Scope::of(record, is_known);
    let mut concerned = known.iter().filter(|name| scope.contains(name, platforms)).peekable();
    let passed_over = kind == PendingKind::Unreadable
        && concerned.peek().is_some()
        && concerned.all(|name| platforms.get(name).unreadable_records == UnreadableRecords::Warn);
    (!passed_over).then_some(kind.as_str())
}

/// The words of an origin.
pub(super) fn origin(origin: Origin, zone: &Zone) -> OriginLine {
    match origin {
        Origin::Kafka { topic, partition, offset, timestamp, .. } => {
            let timestamp = timestamp.map(|at| zone.rfc3339(at));
            OriginLine::Kafka { topic, partition, offset, timestamp }
        }
        Origin::File { content, line } => OriginLine::File { content: hexadecimal(&content), line },
        Origin::Redrive { of } => OriginLine::Redrive { of },
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
