//! Keeps refused and conflicting records.

use crate::domain::arrival::Timestamp;
use crate::domain::completeness::Completeness;
use crate::domain::platform::Platforms;
use crate::domain::posting::Disposition;
use crate::domain::reject::{ReadRevision, Readable};
use crate::domain::rejection::{Kept, Origin, Rejection, Resolution};
use crate::domain::time::{UtcMillis, Zone};
use crate::ledger::batch::{Batch, OrderEntry};
use crate::ledger::decide::Decided;
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::day_filters::DayRuns;
use crate::ledger::manifest::state_codec::PlatformStats;
use crate::ledger::rejections::by_identity::RejectionsByIdentity;
use crate::ledger::rejections::resolver::Refused;
use crate::ledger::rejections::stored::{KeptRecord, RejectedIndex, RejectedRun};
use crate::storage::Session;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// Bytes of a raw record that the store takes in one value: what the configuration may ask for at most.
const RAW_BYTES_MAX: usize = 900 << 10;
/// Longest key and headers that are kept.
const KEY_BYTES_MAX: usize = 4_096;

/// Why a record is refused that was decoded before its day was dropped, or that amends an order of such a day.
const DROPPED_DETAIL: &str = "the order lies on a day that retention has dropped";

/// What a commit keeps, before it is written.
#[derive(Debug, Default)]
pub struct DeadLetters {
    /// Records and resolutions.
    pub run: RejectedRun,
    /// Raw bytes of each record (empty when none are kept).
    pub raws: Vec<Vec<u8>>,
    /// Numbers of what is resolved.
    resolved: HashSet<u64>,
}

impl DeadLetters {
    /// Resolves a rejection, once.
    pub fn resolve(&mut self, id: u64, by: Resolution) {
        if self.resolved.insert(id) {
            self.run.resolved.push((id, by));
        }
    }
}

/// The readable fields of an order event: all of them.
fn readable_of(batch: &Batch, entry: &OrderEntry) -> Readable {
    let event = batch.event(entry);
    Readable {
        platform: Some(event.platform.into_owned()),
        order_id: Some(event.order_id.into_owned()),
        leg: Some(event.leg),
        phase: Some(entry.phase()),
        rider_id: Some(event.rider_id.into_owned()),
        revision: ReadRevision::Known(event.revision),
        accepted_at: Some(event.accepted_at),
        ended_at: event.ended_at,
        outcome: event.outcome,
        is_completeness: false,
        is_clock_wrong: false,
    }
}

/// What keeping needs to know.
pub struct DeadLetterCollector<'a> {
    /// The store.
    pub store: &'a Session,
    /// Live runs, before this commit.
    pub runs: &'a DayRuns,
    /// Kept records.
    pub index: &'a RejectedIndex,
    /// What the writer knows of them.
    pub by_identity: &'a RejectionsByIdentity,
    /// Zone of days.
    pub zone: &'a Zone,
    /// Registered platforms.
    pub platforms: &'a Platforms,
    /// The reach of identity.
    pub identity_days: i32,
    /// Raw bytes kept of a record.
    pub bytes_per_record: usize,
    /// Raw bytes kept of a platform.
    pub bytes_per_platform: u64,
    /// Number of the next rejection.
    pub next_id: u64,
    /// The commit under way.
    pub commit: u64,
    /// Its instant.
    pub now: UtcMillis,
    /// What was read before it.
    pub completeness: &'a Completeness,
}

impl DeadLetterCollector<'_> {
    /// Everything that the batch's refusals, conflicts and bookings change about kept records.
    pub fn keep(
        &self,
        batch: &Batch,
        decided: &Decided,
        stats: &mut BTreeMap<String, PlatformStats>,
    ) -> LedgerResult<DeadLetters> {
        let mut dead_letters = DeadLetters::default();
        let mut refusals: Vec<Refused<'_>> = Vec::new();
        let mut here: HashSet<Origin> = HashSet::new();
        for refused in &batch.refused {
            let again = matches!(refused.origin, Origin::Redrive { .. });
            if again || self.by_identity.knows(&refused.origin) || !here.insert(refused.origin.clone()) {
                continue;
            }
            let mut rejection = self.rejection(
                Kept::Rejected(refused.refusal.reason),
                refused.refusal.detail.clone(),
                self.arrived(&refused.origin, refused.timestamp),
                (*refused.refusal.readable).clone(),
                &refused.raw,
            );
            if let Some((length, sha256)) = refused.whole {
                (rejection.raw_len, rejection.raw_sha256, rejection.raw_truncated) = (length, sha256, true);
            }
            refusals.push(Refused {
                id: self.id_of_next(&dead_letters),
                kept: rejection.kept,
                readable: Cow::Borrowed(&*refused.refusal.readable),
                source: refused.source,
                ordinal: refused.ordinal,
            });
            self.push(
                &mut dead_letters,
                rejection,
                refused.key.as_deref(),
                &refused.headers,
                &refused.raw,
                stats,
            );
        }
        for &(at, disposition) in &decided.unbooked {
            let (kept, detail) = match disposition {
                Disposition::Conflict => {
                    let kind = decided.conflicts.get(&at).copied().unwrap_or_default();
                    (Kept::Conflict, kind.detail())
                }
                Disposition::Rejected(reason) => (Kept::Rejected(reason), DROPPED_DETAIL),
                _ => continue,
            };
            let Some(entry) = batch.orders.get(at) else { continue };
            let origin = batch.origin_of(entry);
            let again = matches!(origin, Origin::Redrive { .. });
            if again || self.by_identity.knows(&origin) || !here.insert(origin.clone()) {
                continue;
            }
            let raw = batch.bytes_of(entry.raw);
            let origin = self.arrived(&origin, entry.timestamp);
            let rejection = self.rejection(kept, detail.to_owned(), origin, readable_of(batch, entry), raw);
            let key = entry.has_key.then(|| batch.bytes_of(entry.key));
            let headers = batch.extra(entry).map_or(&[][..], |extra| &extra.headers);
            refusals.push(Refused {
                id: self.id_of_next(&dead_letters),
                kept,
                readable: Cow::Owned(rejection.readable.clone()),
                source: entry.source,
                ordinal: entry.ordinal,
            });
            self.push(&mut dead_letters, rejection, key, headers, raw, stats);
        }
        self.resolve_refused(batch, decided, &refusals, &mut dead_letters)?;
        self.resolve_stored(batch, decided, &mut dead_letters)?;
        self.resolve_redriven(batch, decided, &mut dead_letters);
        Ok(dead_letters)
    }

    /// The latest `complete_through` of the platforms that a record of this commit may concern.
    fn settled_by(&self, origin: &Origin, readable: &Readable) -> Option<UtcMillis> {
        let state = self.completeness;
        match (readable.platform.as_ref().filter(|name| state.platforms.contains_key(*name)), origin) {
            (Some(name), _) => state.complete_through(name),
            (None, Origin::Kafka { topic, .. }) if !self.platforms.of_topic(topic).is_empty() => {
                let of_topic = self.platforms.of_topic(topic);
                of_topic.into_iter().filter_map(|name| state.complete_through(name)).max()
            }
            _ => state.platforms.values().filter_map(|facts| facts.complete_through).max(),
        }
    }

    /// The origin of a record of this commit, with when it arrived.
    fn arrived(&self, origin: &Origin, timestamp: Timestamp) -> Origin {
        let read_after = match origin {
            Origin::Kafka { topic, partition, .. } => self.completeness.read_to(topic, *partition),
            Origin::File { .. } | Origin::Redrive { .. } => None,
        };
        origin.clone().arrived(timestamp.arrival(read_after, self.now))
    }

    fn rejection(
        &self,
        kept: Kept,
        detail: String,
        origin: Origin,
        readable: Readable,
        raw: &[u8],
    ) -> Rejection {
        Rejection {
            id: 0,
            commit: self.commit,
            kept,
            detail,
            settled_by: self.settled_by(&origin, &readable),
            origin,
            readable,
            raw_len: u64::try_from(raw.len()).unwrap_or(u64::MAX),
            raw_sha256: Sha256::digest(raw).into(),
            raw_truncated: false,
            resolution: None,
        }
    }

    fn id_of_next(&self, dead_letters: &DeadLetters) -> u64 {
        self.next_id + u64::try_from(dead_letters.run.records.len()).unwrap_or(0)
    }

    fn push(
        &self,
        dead_letters: &mut DeadLetters,
        mut rejection: Rejection,
        key: Option<&[u8]>,
        headers: &[(String, Vec<u8>)],
        raw: &[u8],
        stats: &mut BTreeMap<String, PlatformStats>,
    ) {
        rejection.id = self.id_of_next(dead_letters);
        // Names are attacker-controlled: those that are not registered and that no order has share one quota.
        let known = |name: &String| {
            self.platforms.is_registered(name) || stats.get(name).is_some_and(|stats| stats.orders > 0)
        };
        let platform = rejection.readable.platform.clone().filter(known).unwrap_or_default();
        let used = stats.entry(platform).or_default();
        let left =
            usize::try_from(self.bytes_per_platform.saturating_sub(used.raw_bytes)).unwrap_or(usize::MAX);
        let bytes_max = self.bytes_per_record.min(RAW_BYTES_MAX).min(left);
        let kept = raw.get(..raw.len().min(bytes_max)).unwrap_or_default();
        used.raw_bytes += u64::try_from(kept.len()).unwrap_or(0);
        let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = header_bytes <= KEY_BYTES_MAX && key.is_none_or(|key| key.len() <= KEY_BYTES_MAX);
        rejection.raw_truncated |= kept.len() < raw.len() || !fits;
        dead_letters.run.records.push(KeptRecord {
            rejection,
            key: key.filter(|_| fits).map(<[u8]>::to_vec),
            headers: if fits { headers.to_vec() } else { Vec::new() },
            raw_kept: u32::try_from(kept.len()).unwrap_or(u32::MAX),
        });
        dead_letters.raws.push(kept.to_vec());
    }
}
