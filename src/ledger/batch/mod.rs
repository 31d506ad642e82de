//! What one commit takes in: decoded events, refused records and completeness records, in the order of arrival.
//!
//! Raw bytes stay in one arena, and identifiers point into it: nothing is allocated for the common event, and a record
//! that turns out to conflict can be kept as it came.

pub mod staged_row;

mod entries;
mod names;

pub use crate::ledger::manifest::source::Source;
pub use entries::{Arrival, ControlEntry, Extra, LineHashes, OrderEntry, RefusedEntry, SourceSpan, Span};
pub use names::Names;

use crate::domain::arrival::Timestamp;
use crate::domain::charge::Charge;
use crate::domain::event::CompletenessRecord;
use crate::domain::intake::RecordPlace;
use crate::domain::order::OrderEvent;
use crate::domain::posting::{CoverTerms, Posting};
use crate::domain::reject::Refusal;
use crate::domain::rejection::Origin;
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::ledger::batch::staged_row::StagedRow;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::OrderId;
use std::sync::Arc;

/// Most names (platforms or categories) that one batch distinguishes; a batch with more is committed first.
const NAMES_MAX: usize = 4_096;

/// Records on their way into one commit.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    /// Order events.
    pub orders: Vec<OrderEntry>,
    /// The staged row of each order, made while the record is in the nearest cache; the dictionary entry is not known yet.
    pub staged_rows: Vec<StagedRow>,
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
    /// Newest vouching instant of each platform's events from Kafka, with the number of its source and its offset, by the number of
    /// the platform.
    pub newest: Vec<Option<(UtcMillis, u16, i64)>>,
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
            || self.platforms.len() >= NAMES_MAX
            || self.categories.len() >= NAMES_MAX
    }

    /// Clears everything and keeps its memory.
    pub fn clear(&mut self) {
        let (mut arena, mut orders) = (std::mem::take(&mut self.arena), std::mem::take(&mut self.orders));
        let mut staged_rows = std::mem::take(&mut self.staged_rows);
        arena.clear();
        orders.clear();
        staged_rows.clear();
        let mut next = Self { arena, orders, staged_rows, ..Self::default() };
        if self.platforms.len() < NAMES_MAX / 2 && self.categories.len() < NAMES_MAX / 2 {
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
                timestamps: (Timestamp::Missing, None),
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

    /// The place of a record of Kafka that `commit` takes in.
    pub fn place_of(&self, source: u16, offset: i64, commit: u64) -> Option<RecordPlace> {
        match self.source_of(source)? {
            Source::Kafka { topic, partition } => {
                Some(RecordPlace { topic: topic.clone(), partition: *partition, offset, commit })
            }
            Source::Files | Source::Redrive => None,
        }
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
            span.timestamps.1 = span.timestamps.1.max(arrival.timestamp.instant());
            span.last = (raw, key, arrival.timestamp.instant());
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
        let packed = OrderId::pack(&event.order_id);
        if let Some(newest) = arrival
            .timestamp
            .instant()
            .and_then(|timestamp| crate::domain::completeness::vouching_instant(event, timestamp))
        {
            let at = usize::from(platform);
            if self.newest.len() <= at {
                self.newest.resize(at + 1, None);
            }
            if let Some(known) = self.newest.get_mut(at)
                && known.is_none_or(|(known, ..)| known < newest)
            {
                *known = Some((newest, arrival.source, arrival.offset));
            }
        }
        let entry = OrderEntry {
            hash: IdentityHash::with_seed(seed, &packed, event.leg, event.phase()),
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
        let at = u32::try_from(self.orders.len()).unwrap_or(u32::MAX);
        self.staged_rows.push(StagedRow::of_order(&entry, event.rider_id.as_bytes(), &packed, at));
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
            offset: arrival.offset,
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
            timestamp: arrival.timestamp,
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
    fn origin(&self, source: u16, offset: i64, timestamp: Timestamp, ordinal: u32) -> Origin {
        match self.sources.get(usize::from(source)).map(|span| &span.source) {
            Some(Source::Kafka { topic, partition }) => Origin::kafka(topic, *partition, offset, timestamp),
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
            cover: CoverTerms::NONE,
            charge: Charge::UNPRICED,
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
