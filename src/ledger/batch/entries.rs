//! What a batch holds: records by kind, and where they come from.

use crate::domain::arrival::Timestamp;
use crate::domain::order::{Outcome, Phase, Region};
use crate::domain::reject::Refusal;
use crate::domain::rejection::Origin;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::manifest::source::Source;
use crate::ledger::run::identity::IdentityHash;
use rust_decimal::Decimal;

/// What one batch holds of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    /// The source.
    pub source: Source,
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// First and last offset (or line).
    pub offsets: (i64, i64),
    /// Kafka timestamps of the first and the newest record.
    pub timestamps: (Timestamp, Option<UtcMillis>),
    /// Digest of the last record, by which a re-created topic is noticed.
    pub digest: [u8; 16],
    /// Value, key and timestamp of the last record.
    pub(super) last: (Span, Option<Span>, Option<UtcMillis>),
}

/// The content hashes of a stretch of lines: with its number they identify a line of a file.
pub trait LineHashes: std::fmt::Debug + Send + Sync {
    /// Hash of the input's content up to the end of a line; asked only for lines that are kept as rejected.
    fn content_hash(&self, line: u64) -> [u8; 16];
}

/// A record as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The batch's number of its source ([`super::Batch::source`]).
    pub source: u16,
    /// Offset in the partition, or line in the file, or number of the rejection.
    pub offset: i64,
    /// Kafka timestamp.
    pub timestamp: Timestamp,
    /// The record's value.
    pub payload: &'a [u8],
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's headers.
    pub headers: &'a [(String, Vec<u8>)],
}

/// A stretch of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    pub(super) at: u32,
    pub(super) length: u32,
}

/// What few orders have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// Order value.
    pub fare: Option<Decimal>,
    /// `previous_accepted_at`.
    pub previous_accepted_at: Option<UtcMillis>,
    /// Kafka headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A decoded order event.
#[derive(Clone, Copy, Debug)]
pub struct OrderEntry {
    /// Hash of the identity.
    pub hash: IdentityHash,
    /// Event day.
    pub day: LocalDay,
    /// Start.
    pub accepted_at: UtcMillis,
    /// End.
    pub ended_at: Option<UtcMillis>,
    /// Revision.
    pub revision: u64,
    /// Offset, line or number.
    pub offset: i64,
    /// Kafka timestamp.
    pub timestamp: Timestamp,
    /// The record's value.
    pub raw: Span,
    /// The record's key; empty and `has_key` false when there is none.
    pub key: Span,
    /// Rider identifier.
    pub rider: Span,
    /// Order identifier.
    pub order: Span,
    /// Region.
    pub region: Region,
    /// Position among all records of the batch.
    pub ordinal: u32,
    /// Position of its [`Extra`], plus one; 0 = none.
    pub extra: u32,
    /// Batch number of the platform's name.
    pub platform: u16,
    /// Batch number of the category's name.
    pub category: u16,
    /// Batch number of the source.
    pub source: u16,
    /// Leg.
    pub leg: u8,
    /// Outcome; `None` = open.
    pub outcome: Option<Outcome>,
    /// Whether the record had a key.
    pub has_key: bool,
}

impl OrderEntry {
    /// Phase.
    pub const fn phase(&self) -> Phase {
        if self.ended_at.is_some() { Phase::Ended } else { Phase::Open }
    }
}

/// A refused record.
#[derive(Clone, Debug)]
pub struct RefusedEntry {
    /// Why, and what could be read.
    pub refusal: Refusal,
    /// Batch number of the source.
    pub source: u16,
    /// Where it came from.
    pub origin: Origin,
    /// Kafka timestamp.
    pub timestamp: Timestamp,
    /// The record's value.
    pub raw: Vec<u8>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Position among all records of the batch.
    pub ordinal: u32,
    /// Length and SHA-256 of a value of which `raw` is not the whole.
    pub whole: Option<(u64, [u8; 32])>,
}

/// A completeness record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlEntry {
    /// The platform that vouches.
    pub platform: String,
    /// For what.
    pub through: UtcMillis,
    /// Batch number of the source.
    pub source: u16,
    /// Offset or line.
    pub offset: i64,
    /// Position among all records of the batch.
    pub ordinal: u32,
}
