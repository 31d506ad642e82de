//! What one commit takes in: decoded events, refused records and completeness records, in the order of arrival.
//!
//! Raw bytes stay in one arena, and identifiers point into it: nothing is allocated for the common event, and a record
//! that turns out to conflict can be kept as it came.

use super::identity::IdentityHash;
use crate::domain::order::{CompletenessRecord, OrderEvent, Outcome, Phase, Region};
use crate::domain::posting::{Charge, ConfigNo, Posting, Pricing};
use crate::domain::reject::Refusal;
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::view::Origin;
use rust_decimal::Decimal;
use std::collections::HashMap;
use std::sync::Arc;

/// Most names (platforms or categories) that one batch tells apart; a batch with more is committed first.
const NAMES_MAX: usize = 4_096;

/// Names that are compared one by one before the others are looked up.
const NAMES_COMPARED: usize = 12;

/// Where records of a batch come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A partition of a Kafka topic.
    Kafka {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// Ingested files.
    Files,
    /// Rejected records that are sent again.
    Redrive,
}

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
    pub timestamps: (Option<UtcMillis>, Option<UtcMillis>),
    /// Digest of the last record, by which a re-created topic is noticed.
    pub digest: [u8; 16],
    /// Value, key and timestamp of the last record.
    last: (Span, Option<Span>, Option<UtcMillis>),
}

/// The content hashes of a stretch of lines: with its number they tell a line of a file from any other.
pub trait LineHashes: std::fmt::Debug + Send + Sync {
    /// Hash of the input's content up to the end of a line; asked only for lines that are kept as rejected.
    fn content_hash(&self, line: u64) -> [u8; 16];
}

/// A record as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The batch's number of its source ([`Batch::source`]).
    pub source: u16,
    /// Offset in the partition, or line in the file, or number of the rejection.
    pub offset: i64,
    /// Kafka timestamp.
    pub timestamp: Option<UtcMillis>,
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
    at: u32,
    length: u32,
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
    pub timestamp: Option<UtcMillis>,
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
    /// Who vouches.
    pub platform: String,
    /// For what.
    pub through: UtcMillis,
    /// Batch number of the source.
    pub source: u16,
    /// Position among all records of the batch.
    pub ordinal: u32,
}

/// Names told apart by small numbers within a batch.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<String>,
    seeds: Vec<u64>,
    numbers: HashMap<String, u16>,
    last: u16,
}

impl Names {
    /// The number of a name.
    fn number(&mut self, name: &str) -> u16 {
        if self.names.get(usize::from(self.last)).is_some_and(|last| last == name) {
            return self.last;
        }
        // A handful of names is the rule: comparing them costs less than hashing one.
        let few = self.names.iter().take(NAMES_COMPARED).zip(0u16..).find(|(known, _)| *known == name);
        let known = few.map(|(_, number)| number).or_else(|| self.numbers.get(name).copied());
        let number = known.unwrap_or_else(|| self.insert(name));
        self.last = number;
        number
    }

    fn insert(&mut self, name: &str) -> u16 {
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name.to_owned());
        self.seeds.push(IdentityHash::seed(name));
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The name of a number.
    pub fn name(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", String::as_str)
    }

    /// All names, by number.
    pub fn all(&self) -> &[String] {
        &self.names
    }

    fn seed(&self, number: u16) -> u64 {
        self.seeds.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// Records on their way into one commit.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    /// Order events.
    pub orders: Vec<OrderEntry>,
    extras: Vec<Extra>,
    /// Stretches of lines, each with the position of its first record.
    lines: Vec<(u32, Arc<dyn LineHashes>)>,
    /// Refused records.
    pub refused: Vec<RefusedEntry>,
    /// Completeness records.
    pub controls: Vec<ControlEntry>,
    /// What it holds of each source.
    pub sources: Vec<SourceSpan>,
    /// Platforms met.
    pub platforms: Names,
    /// Categories met.
    pub categories: Names,
    /// Newest vouching instant of each platform's events from Kafka, by the number of the platform.
    pub newest: Vec<Option<UtcMillis>>,
    records: u32,
    day_span: Option<(LocalDay, UtcMillis, UtcMillis)>,
    refused_bytes: usize,
    header_bytes: usize,
}

impl Batch {
    /// Records of all kinds.
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.refused_bytes + self.header_bytes
    }

    /// Whether there is nothing to commit.
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Whether it must be committed before it takes more than `records_max` records or `bytes_max` bytes.
    pub fn is_full(&self, records_max: u32, bytes_max: usize) -> bool {
        self.records >= records_max
            || self.bytes() >= bytes_max
            || self.platforms.names.len() >= NAMES_MAX
            || self.categories.names.len() >= NAMES_MAX
    }

    /// Forgets everything but the memory it has.
    pub fn clear(&mut self) {
        let (mut arena, mut orders) = (std::mem::take(&mut self.arena), std::mem::take(&mut self.orders));
        arena.clear();
        orders.clear();
        let mut next = Self { arena, orders, ..Self::default() };
        if self.platforms.names.len() < NAMES_MAX / 2 && self.categories.names.len() < NAMES_MAX / 2 {
            next.platforms = std::mem::take(&mut self.platforms);
            next.categories = std::mem::take(&mut self.categories);
        }
        *self = next;
    }

    /// The number of a source in this batch.
    pub fn source(&mut self, source: &Source) -> u16 {
        let known = self.sources.iter().position(|span| span.source == *source);
        let at = known.unwrap_or_else(|| {
            self.sources.push(SourceSpan {
                source: source.clone(),
                records: 0,
                bytes: 0,
                offsets: (i64::MAX, -1),
                timestamps: (None, None),
                digest: [0; 16],
                last: (Span::default(), None, None),
            });
            self.sources.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// The source of a number.
    pub fn source_of(&self, number: u16) -> Option<&Source> {
        self.sources.get(usize::from(number)).map(|span| &span.source)
    }

    /// The records that follow are lines of this stretch.
    pub fn begin_lines(&mut self, lines: Arc<dyn LineHashes>) {
        self.lines.push((self.records, lines));
    }

    /// Makes the digest of each source's last record; called once, when the batch is whole.
    pub fn digest_last(&mut self, digest: impl Fn(Option<&[u8]>, &[u8], Option<UtcMillis>) -> [u8; 16]) {
        let mut sources = std::mem::take(&mut self.sources);
        for span in &mut sources {
            let (raw, key, timestamp) = span.last;
            span.digest = digest(key.map(|key| self.bytes_of(key)), self.bytes_of(raw), timestamp);
        }
        self.sources = sources;
    }

    /// Keeps the raw record and counts it; returns its position and where value and key lie.
    fn admit(&mut self, arrival: &Arrival<'_>) -> (u32, Span, Option<Span>) {
        let raw = self.store(arrival.payload);
        let key = arrival.key.map(|key| self.store(key));
        if let Some(span) = self.sources.get_mut(usize::from(arrival.source)) {
            if span.records == 0 {
                span.offsets.0 = arrival.offset;
                span.timestamps.0 = arrival.timestamp;
            }
            span.records += 1;
            span.bytes += u64::try_from(arrival.payload.len()).unwrap_or(0);
            span.offsets.1 = arrival.offset;
            span.timestamps.1 = span.timestamps.1.max(arrival.timestamp);
            span.last = (raw, key, arrival.timestamp);
        }
        self.records += 1;
        (self.records - 1, raw, key)
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let at = u32::try_from(self.arena.len()).unwrap_or(u32::MAX);
        self.arena.extend_from_slice(bytes);
        Span { at, length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
    }

    /// The place of `text` in the arena: inside the raw record when it was borrowed from it.
    fn place(&mut self, text: &str, payload: &[u8], raw: Span) -> Span {
        let offset = text.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        match u32::try_from(offset) {
            Ok(offset)
                if payload.get(offset_usize(offset)..).is_some_and(|rest| rest.len() >= text.len()) =>
            {
                Span { at: raw.at + offset, length: u32::try_from(text.len()).unwrap_or(u32::MAX) }
            }
            _ => self.store(text.as_bytes()),
        }
    }

    /// Takes in an order event.
    pub fn push_order(&mut self, event: &OrderEvent<'_>, arrival: &Arrival<'_>, zone: &Zone) {
        let (ordinal, raw, key) = self.admit(arrival);
        let rider = self.place(&event.rider_id, arrival.payload, raw);
        let order = self.place(&event.order_id, arrival.payload, raw);
        let platform = self.platforms.number(&event.platform);
        let extra =
            if event.fare.is_some() || event.previous_accepted_at.is_some() || !arrival.headers.is_empty() {
                self.extras.push(Extra {
                    fare: event.fare,
                    previous_accepted_at: event.previous_accepted_at,
                    headers: arrival.headers.to_vec(),
                });
                u32::try_from(self.extras.len()).unwrap_or(0)
            } else {
                0
            };
        let seed = self.platforms.seed(platform);
        if let Some(newest) = arrival
            .timestamp
            .and_then(|timestamp| crate::domain::completeness::vouching_instant(event, timestamp))
        {
            let at = usize::from(platform);
            if self.newest.len() <= at {
                self.newest.resize(at + 1, None);
            }
            if let Some(known) = self.newest.get_mut(at) {
                *known = (*known).max(Some(newest));
            }
        }
        let entry = OrderEntry {
            hash: IdentityHash::with_seed(seed, &event.order_id, event.leg, event.phase()),
            day: self.day(event.accepted_at, zone),
            accepted_at: event.accepted_at,
            ended_at: event.ended_at,
            revision: event.revision,
            offset: arrival.offset,
            timestamp: arrival.timestamp,
            raw,
            key: key.unwrap_or_default(),
            rider,
            order,
            region: event.region,
            ordinal,
            extra,
            platform,
            category: self.categories.number(&event.category),
            source: arrival.source,
            leg: event.leg,
            outcome: event.outcome,
            has_key: arrival.key.is_some(),
        };
        self.header_bytes += header_bytes(arrival);
        self.orders.push(entry);
    }

    fn day(&mut self, at: UtcMillis, zone: &Zone) -> LocalDay {
        match self.day_span {
            Some((day, from, until)) if from <= at && at < until => day,
            _ => {
                let span = zone.day_span(at);
                self.day_span = Some(span);
                span.0
            }
        }
    }

    /// Takes in a completeness record.
    pub fn push_control(&mut self, record: &CompletenessRecord<'_>, arrival: &Arrival<'_>) {
        let (ordinal, ..) = self.admit(arrival);
        self.controls.push(ControlEntry {
            platform: record.platform.clone().into_owned(),
            through: record.through,
            source: arrival.source,
            ordinal,
        });
    }

    /// Takes in a refused record.
    pub fn push_refused(&mut self, refusal: Refusal, arrival: &Arrival<'_>) {
        let (ordinal, ..) = self.admit(arrival);
        self.refused_bytes += arrival.payload.len() + header_bytes(arrival) + 512; // and what could be read of it
        self.refused.push(RefusedEntry {
            refusal,
            source: arrival.source,
            origin: self.origin(arrival.source, arrival.offset, arrival.timestamp, ordinal),
            raw: arrival.payload.to_vec(),
            key: arrival.key.map(<[u8]>::to_vec),
            headers: arrival.headers.to_vec(),
            ordinal,
            whole: None,
        });
    }

    /// The record that was refused last was too long to be held: this is its length and SHA-256.
    pub fn describe_last_refused(&mut self, length: u64, sha256: [u8; 32]) {
        if let Some(refused) = self.refused.last_mut() {
            refused.whole = Some((length, sha256));
        }
    }

    /// The origin of a record.
    fn origin(&self, source: u16, offset: i64, timestamp: Option<UtcMillis>, ordinal: u32) -> Origin {
        match self.sources.get(usize::from(source)).map(|span| &span.source) {
            Some(Source::Kafka { topic, partition }) => {
                Origin::Kafka { topic: topic.clone(), partition: *partition, offset, timestamp }
            }
            Some(Source::Files) | None => {
                let line = offset.unsigned_abs();
                let stretch = self.lines.iter().rev().find(|(first, _)| *first <= ordinal);
                let content = stretch.map_or([0; 16], |(_, lines)| lines.content_hash(line));
                Origin::File { content, line }
            }
            Some(Source::Redrive) => Origin::Redrive { of: offset.unsigned_abs() },
        }
    }

    /// The origin of an order entry.
    pub fn origin_of(&self, entry: &OrderEntry) -> Origin {
        self.origin(entry.source, entry.offset, entry.timestamp, entry.ordinal)
    }

    /// What sorts records into the order in which they take effect: topic and partition, then position; files last.
    pub fn effect_order(&self, source: u16, ordinal: u32) -> (Option<&Source>, u32) {
        (self.sources.get(usize::from(source)).map(|span| &span.source), ordinal)
    }

    /// Text of the arena.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes_of(span)).unwrap_or_default()
    }

    /// Bytes of the arena.
    pub fn bytes_of(&self, span: Span) -> &[u8] {
        let at = offset_usize(span.at);
        self.arena.get(at..at + offset_usize(span.length)).unwrap_or_default()
    }

    /// What few orders have.
    pub fn extra(&self, entry: &OrderEntry) -> Option<&Extra> {
        self.extras.get(offset_usize(entry.extra).checked_sub(1)?)
    }

    /// The version that an entry would book, not priced yet.
    pub fn posting(&self, entry: &OrderEntry) -> Posting {
        let event = self.event(entry);
        Posting {
            platform: event.platform.into_owned(),
            order_id: event.order_id.into_owned(),
            leg: event.leg,
            phase: entry.phase(),
            rider_id: event.rider_id.into_owned(),
            category: event.category.into_owned(),
            region: event.region,
            accepted_at: event.accepted_at,
            ended_at: event.ended_at,
            outcome: event.outcome,
            revision: event.revision,
            fare: event.fare,
            previous_accepted_at: event.previous_accepted_at,
            pricing: Pricing {
                config: ConfigNo(0),
                charge: Charge::None,
                cover_config: ConfigNo(0),
                cover: None,
                lead_ms: 0,
                tail_ms: 0,
            },
            commit: 0,
        }
    }

    /// The event of an entry, borrowing from the arena.
    pub fn event(&self, entry: &OrderEntry) -> OrderEvent<'_> {
        let extra = self.extra(entry);
        OrderEvent {
            platform: self.platforms.name(entry.platform).into(),
            order_id: self.text(entry.order).into(),
            leg: entry.leg,
            rider_id: self.text(entry.rider).into(),
            category: self.categories.name(entry.category).into(),
            region: entry.region,
            accepted_at: entry.accepted_at,
            ended_at: entry.ended_at,
            outcome: entry.outcome,
            revision: entry.revision,
            fare: extra.and_then(|extra| extra.fare),
            previous_accepted_at: extra.and_then(|extra| extra.previous_accepted_at),
        }
    }
}

fn header_bytes(arrival: &Arrival<'_>) -> usize {
    arrival.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum()
}

/// Arena offsets are 32 bits wide.
fn offset_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
