//! The stored form of completeness facts, source counts and platform statistics: manifest entries.

use crate::domain::completeness::{
    Completeness, PartitionFacts, PlatformFacts, SkippedSpan, TopicFacts, TopicIdentity, Vouch,
};
use crate::domain::intake::RecordPlace;
use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::{Manifest, kind};

pub(super) fn put_instant(out: &mut Vec<u8>, at: UtcMillis) {
    out.put_signed(at.millis());
}

fn instant(r: &mut Reader<'_>) -> Decoded<UtcMillis> {
    r.signed("instant").map(UtcMillis::new)
}

pub(super) fn optional(r: &mut Reader<'_>) -> Decoded<Option<UtcMillis>> {
    r.option("instant", instant)
}

fn put_identity(out: &mut Vec<u8>, identity: &TopicIdentity) {
    for id in [&identity.cluster, &identity.topic] {
        out.put_option(id.as_ref(), |out, id: &String| out.put_prefixed(id.as_bytes()));
    }
}

fn get_identity(r: &mut Reader<'_>) -> Decoded<TopicIdentity> {
    let id = |r: &mut Reader<'_>| r.option("id", |r| r.text("id").map(str::to_owned));
    Ok(TopicIdentity { cluster: id(r)?, topic: id(r)? })
}

fn encode_topic(facts: &TopicFacts) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_option(facts.listed_at, put_instant);
    out.put_len(facts.partitions.len());
    // Mostly all partitions were read from the same topic: only a change is written.
    let mut identity = &TopicIdentity::default();
    for (&partition, p) in &facts.partitions {
        out.put_signed(i64::from(partition));
        out.put_signed(p.first_offset);
        put_instant(&mut out, p.seen_at);
        out.put_option(p.first_arrived, put_instant);
        out.put_signed(p.next_offset);
        out.put_option(p.newest_timestamp, put_instant);
        out.put_option(p.read_to, put_instant);
        let changed = (p.identity != *identity).then_some(&p.identity);
        out.put_option(changed, put_identity);
        identity = &p.identity;
    }
    out
}

pub(super) fn decode_topic(r: &mut Reader<'_>) -> Decoded<TopicFacts> {
    let mut facts = TopicFacts { listed_at: optional(r)?, ..TopicFacts::default() };
    let mut identity = TopicIdentity::default();
    for _ in 0..r.count(8, "partitions")? {
        let partition =
            i32::try_from(r.signed("partition")?).map_err(|_| CodecError::Invalid("partition"))?;
        let p = PartitionFacts {
            first_offset: r.signed("first offset")?,
            seen_at: instant(r)?,
            first_arrived: optional(r)?,
            next_offset: r.signed("next offset")?,
            newest_timestamp: optional(r)?,
            read_to: optional(r)?,
            identity: r.option("topic identity", get_identity)?.unwrap_or(identity),
        };
        identity = p.identity.clone();
        facts.partitions.insert(partition, p);
    }
    Ok(facts)
}

fn encode_platform(facts: &PlatformFacts) -> Vec<u8> {
    let mut out = vec![u8::from(facts.registered)];
    out.put_len(facts.topics.len());
    facts.topics.iter().for_each(|topic| out.put_prefixed(topic.as_bytes()));
    for at in [facts.complete_through, facts.vouched_through, facts.newest_event, facts.stated_through] {
        out.put_option(at, put_instant);
    }
    out.put_len(facts.vouches_pending.len());
    for vouch in &facts.vouches_pending {
        put_instant(&mut out, vouch.through);
        put_instant(&mut out, vouch.applied_at);
    }
    out.put_len(facts.skips.len());
    for skip in &facts.skips {
        out.put_prefixed(skip.topic.as_bytes());
        out.put_signed(i64::from(skip.partition));
        put_instant(&mut out, skip.from);
        put_instant(&mut out, skip.skipped_at);
        out.put_option(skip.until, put_instant);
    }
    out.put_varint(facts.late);
    for record in [&facts.vouched_by, &facts.newest_event_by] {
        out.put_option(record.as_ref(), put_place);
    }
    facts.vouches_pending.iter().for_each(|vouch| out.put_option(vouch.record.as_ref(), put_place));
    out
}

fn put_place(out: &mut Vec<u8>, place: &RecordPlace) {
    out.put_prefixed(place.topic.as_bytes());
    out.put_signed(i64::from(place.partition));
    out.put_signed(place.offset);
    out.put_varint(place.commit);
}

fn get_place(r: &mut Reader<'_>) -> Decoded<RecordPlace> {
    Ok(RecordPlace {
        topic: r.text("topic")?.to_owned(),
        partition: i32::try_from(r.signed("partition")?).map_err(|_| CodecError::Invalid("partition"))?,
        offset: r.signed("offset")?,
        commit: r.varint("commit")?,
    })
}

pub(super) fn decode_platform(r: &mut Reader<'_>) -> Decoded<PlatformFacts> {
    let mut facts = PlatformFacts { registered: r.u8("registered")? != 0, ..PlatformFacts::default() };
    for _ in 0..r.count(1, "topics")? {
        facts.topics.insert(r.text("topic")?.to_owned());
    }
    facts.complete_through = optional(r)?;
    facts.vouched_through = optional(r)?;
    facts.newest_event = optional(r)?;
    facts.stated_through = optional(r)?;
    for _ in 0..r.count(2, "vouches")? {
        facts.vouches_pending.push(Vouch { through: instant(r)?, applied_at: instant(r)?, record: None });
    }
    for _ in 0..r.count(5, "skips")? {
        facts.skips.push(SkippedSpan {
            topic: r.text("topic")?.to_owned(),
            partition: i32::try_from(r.signed("partition")?).map_err(|_| CodecError::Invalid("partition"))?,
            from: instant(r)?,
            skipped_at: instant(r)?,
            until: optional(r)?,
        });
    }
    facts.late = r.varint("late")?;
    // Facts of ledgers from before records were noted end here.
    if r.remaining() > 0 {
        facts.vouched_by = r.option("completeness record", get_place)?;
        facts.newest_event_by = r.option("newest event", get_place)?;
        for vouch in &mut facts.vouches_pending {
            vouch.record = r.option("completeness record", get_place)?;
        }
    }
    Ok(facts)
}

/// Puts every fact into the commit under way.
pub fn stage(manifest: &mut Manifest, facts: &Completeness) {
    for (topic, topic_facts) in &facts.topics {
        manifest.put(kind::TOPIC, topic.as_bytes(), encode_topic(topic_facts));
    }
    for (platform, platform_facts) in &facts.platforms {
        manifest.put(kind::PLATFORM, platform.as_bytes(), encode_platform(platform_facts));
    }
    manifest.root_mut().dropped_until = facts.dropped_until;
}

/// Reads every fact.
pub fn load(manifest: &Manifest) -> LedgerResult<Completeness> {
    let mut facts = Completeness { dropped_until: manifest.root().dropped_until, ..Completeness::default() };
    for (topic, body) in manifest.entries(kind::TOPIC) {
        let decoded =
            decode_topic(&mut Reader::new(body)).map_err(LedgerError::damaged("the facts of a topic"))?;
        facts.topics.insert(name(topic), decoded);
    }
    for (platform, body) in manifest.entries(kind::PLATFORM) {
        let decoded = decode_platform(&mut Reader::new(body))
            .map_err(LedgerError::damaged("the facts of a platform"))?;
        facts.platforms.insert(name(platform), decoded);
    }
    Ok(facts)
}

/// The text of an entry's key.
pub fn name(rest: &[u8]) -> String {
    String::from_utf8_lossy(rest).into_owned()
}

/// Counts of dispositions, in the order accepted, amended, duplicate, stale, conflict, rejected, control.
pub type Counts = [u64; 7];

/// What is known about a source of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// Records taken in.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// What became of them.
    pub counts: Counts,
    /// Offset of the last one.
    pub last_offset: i64,
    /// Digest of the last one.
    pub digest: [u8; 16],
}

impl SourceFacts {
    /// In place of the digest once an operator let the ledger go past the record.
    pub const NOTHING_TO_COMPARE: [u8; 16] = [0; 16];

    /// Offset and digest of the last record, if what is read next has to follow it.
    pub fn last(&self) -> Option<(i64, [u8; 16])> {
        let compared = self.records > 0 && self.digest != Self::NOTHING_TO_COMPARE;
        compared.then_some((self.last_offset, self.digest))
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.records);
        out.put_varint(self.bytes);
        self.counts.iter().for_each(|&count| out.put_varint(count));
        out.put_signed(self.last_offset);
        out.extend_from_slice(&self.digest);
        out
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        let (records, bytes) = (r.varint("records")?, r.varint("bytes")?);
        let mut counts = Counts::default();
        for count in &mut counts {
            *count = r.varint("count")?;
        }
        Ok(Self { records, bytes, counts, last_offset: r.signed("last offset")?, digest: r.array("digest")? })
    }
}

/// Statistics of a platform that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlatformStats {
    /// Versions ever booked.
    pub orders: u64,
    /// Open orders ever stored.
    pub open_orders: u64,
    /// Open orders whose ended event names another rider.
    pub other_rider: u64,
    /// Raw bytes of rejected records kept.
    pub raw_bytes: u64,
    /// Current orders without a rate.
    pub unrated: i64,
    /// The commit that booked its first order; 0 while it has none.
    pub first_commit: u64,
}

impl PlatformStats {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.orders);
        out.put_varint(self.open_orders);
        out.put_varint(self.other_rider);
        out.put_varint(self.raw_bytes);
        out.put_signed(self.unrated);
        out.put_varint(self.first_commit);
        out
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        Ok(Self {
            orders: r.varint("orders")?,
            open_orders: r.varint("open orders")?,
            other_rider: r.varint("other rider")?,
            raw_bytes: r.varint("raw bytes")?,
            unrated: r.signed("unrated")?,
            first_commit: r.varint("first commit")?,
        })
    }
}
