//! Keeps refused and conflicting records, and settles rejections whose order has come.

use super::batch::{Batch, OrderEntry, Source};
use super::days::DayRuns;
use super::error::Outcome;
use super::facts::PlatformStats;
use super::find::{Wanted, find};
use super::identity::IdentityHash;
use super::rejected::{KeptRecord, RejectedBook, RejectedIndex, RejectedRun, identity_of};
use super::resolve::Decided;
use super::row::OrderId;
use super::store::Store;
use crate::domain::platform::Platforms;
use crate::domain::posting::Disposition;
use crate::domain::reject::{ReadRevision, Readable};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::view::{Kept, Origin, Rejection, Resolution};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Bytes of raw records and headers that the store takes in one value.
const RAW_BYTES_MAX: usize = 900 << 10;
/// Longest key and headers that are kept.
const KEY_BYTES_MAX: usize = 4_096;

/// Why a conflicting record is kept.
const CONFLICT_DETAIL: &str = "the stored version of this revision has other content";
/// Why a record is refused that was decoded before its day was dropped, or that amends an order of such a day.
const DROPPED_DETAIL: &str = "the order lies on a day that retention has dropped";

/// What a commit keeps, before it is written.
#[derive(Debug, Default)]
pub struct Keeping {
    /// Records and resolutions.
    pub run: RejectedRun,
    /// Raw bytes of each record (empty when none are kept).
    pub raws: Vec<Vec<u8>>,
}

/// Booked events of the identities that refused records of the same batch tell.
type Booked<'a> = HashMap<IdentityHash, Vec<&'a OrderEntry>>;

fn booked_of_refused<'a>(batch: &'a Batch, decided: &Decided) -> Booked<'a> {
    let identities = batch.refused.iter().filter_map(|refused| identity_of(&refused.refusal.readable));
    let refused_late = decided.unbooked.iter().filter(|(_, d)| matches!(d, Disposition::Rejected(_)));
    let refused_late = refused_late.filter_map(|&(at, _)| Some(batch.orders.get(at)?.hash));
    let hashes = identities.map(|(hash, ..)| hash).chain(refused_late);
    let mut booked: Booked<'a> = hashes.map(|hash| (hash, Vec::new())).collect();
    if !booked.is_empty() {
        for entry in decided.booked.iter().filter_map(|&at| batch.orders.get(at)) {
            booked.get_mut(&entry.hash).into_iter().for_each(|list| list.push(entry));
        }
    }
    booked
}

/// What an order event tells about itself: all of it.
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
    }
}

/// What keeping needs to know.
pub struct Shelf<'a> {
    /// The store.
    pub store: &'a Store,
    /// Live runs, before this commit.
    pub runs: &'a DayRuns,
    /// Kept records.
    pub index: &'a RejectedIndex,
    /// What the writer knows of them.
    pub book: &'a RejectedBook,
    /// Zone of days.
    pub zone: &'a Zone,
    /// Registered platforms.
    pub platforms: &'a Platforms,
    /// Reach of identity.
    pub identity_days: i32,
    /// Raw bytes kept of a record.
    pub bytes_per_record: usize,
    /// Raw bytes kept of a platform.
    pub bytes_per_platform: u64,
    /// Number of the next rejection.
    pub next_id: u64,
    /// The commit under way.
    pub commit: u64,
}

impl Shelf<'_> {
    /// Everything that the batch's refusals, conflicts and bookings change about kept records.
    pub fn keep(
        &self,
        batch: &Batch,
        decided: &Decided,
        stats: &mut BTreeMap<String, PlatformStats>,
    ) -> Outcome<Keeping> {
        let mut keeping = Keeping::default();
        let booked = booked_of_refused(batch, decided);
        let mut here: HashSet<Origin> = HashSet::new();
        for refused in &batch.refused {
            let again = matches!(refused.origin, Origin::Redrive { .. });
            if again || self.book.knows(&refused.origin) || !here.insert(refused.origin.clone()) {
                continue;
            }
            let mut rejection = self.rejection(
                Kept::Rejected(refused.refusal.reason),
                refused.refusal.detail.clone(),
                refused.origin.clone(),
                (*refused.refusal.readable).clone(),
                &refused.raw,
            );
            if let Some((length, sha256)) = refused.whole {
                (rejection.raw_len, rejection.raw_sha256, rejection.raw_truncated) = (length, sha256, true);
            }
            self.push(&mut keeping, rejection, refused.key.as_deref(), &refused.headers, &refused.raw, stats);
            self.settle_refused(batch, &booked, (refused.source, refused.ordinal), &mut keeping)?;
        }
        for &(at, disposition) in &decided.unbooked {
            let (kept, detail) = match disposition {
                Disposition::Conflict => (Kept::Conflict, CONFLICT_DETAIL),
                Disposition::Rejected(reason) => (Kept::Rejected(reason), DROPPED_DETAIL),
                _ => continue,
            };
            let Some(entry) = batch.orders.get(at) else { continue };
            let origin = batch.origin_of(entry);
            let again = matches!(origin, Origin::Redrive { .. });
            if again || self.book.knows(&origin) || !here.insert(origin.clone()) {
                continue;
            }
            let raw = batch.bytes_of(entry.raw);
            let rejection = self.rejection(kept, detail.to_owned(), origin, readable_of(batch, entry), raw);
            let key = entry.has_key.then(|| batch.bytes_of(entry.key));
            let headers = batch.extra(entry).map_or(&[][..], |extra| &extra.headers);
            self.push(&mut keeping, rejection, key, headers, raw, stats);
            if kept != Kept::Conflict {
                self.settle_refused(batch, &booked, (entry.source, entry.ordinal), &mut keeping)?;
            }
        }
        self.settle_stored(batch, decided, &mut keeping)?;
        self.settle_redriven(batch, decided, &mut keeping);
        Ok(keeping)
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
            origin,
            readable,
            raw_len: u64::try_from(raw.len()).unwrap_or(u64::MAX),
            raw_sha256: Sha256::digest(raw).into(),
            raw_truncated: false,
            resolution: None,
        }
    }

    fn push(
        &self,
        keeping: &mut Keeping,
        mut rejection: Rejection,
        key: Option<&[u8]>,
        headers: &[(String, Vec<u8>)],
        raw: &[u8],
        stats: &mut BTreeMap<String, PlatformStats>,
    ) {
        rejection.id = self.next_id + u64::try_from(keeping.run.records.len()).unwrap_or(0);
        // Names that nobody registered and no order has share one budget: anybody can invent them.
        let known = |name: &String| {
            self.platforms.is_registered(name) || stats.get(name).is_some_and(|stats| stats.orders > 0)
        };
        let platform = rejection.readable.platform.clone().filter(known).unwrap_or_default();
        let used = stats.entry(platform).or_default();
        let left =
            usize::try_from(self.bytes_per_platform.saturating_sub(used.raw_bytes)).unwrap_or(usize::MAX);
        let room = self.bytes_per_record.min(RAW_BYTES_MAX).min(left);
        let kept = raw.get(..raw.len().min(room)).unwrap_or_default();
        used.raw_bytes += u64::try_from(kept.len()).unwrap_or(0);
        let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = header_bytes <= KEY_BYTES_MAX && key.is_none_or(|key| key.len() <= KEY_BYTES_MAX);
        rejection.raw_truncated |= kept.len() < raw.len() || !fits;
        keeping.run.records.push(KeptRecord {
            rejection,
            key: key.filter(|_| fits).map(<[u8]>::to_vec),
            headers: if fits { headers.to_vec() } else { Vec::new() },
            raw_kept: u32::try_from(kept.len()).unwrap_or(u32::MAX),
        });
        keeping.raws.push(kept.to_vec());
    }

    /// A refused record whose order is stored already, or booked by the same batch, is settled as it comes.
    fn settle_refused(
        &self,
        batch: &Batch,
        booked: &Booked<'_>,
        (source, ordinal): (u16, u32),
        keeping: &mut Keeping,
    ) -> Outcome<()> {
        let Some(record) = keeping.run.records.last() else { return Ok(()) };
        let (id, readable) = (record.rejection.id, record.rejection.readable.clone());
        let Some((hash, platform, order_id, leg, phase)) = identity_of(&readable) else { return Ok(()) };
        let here = booked.get(&hash).into_iter().flatten().any(|entry| {
            let later = batch.effect_order(entry.source, entry.ordinal) > batch.effect_order(source, ordinal);
            batch.platforms.name(entry.platform) == platform
                && batch.text(entry.order) == order_id
                && self.in_reach(&readable, entry.day)
                && match readable.revision {
                    ReadRevision::Unreadable => later,
                    ReadRevision::Known(revision) => entry.revision >= revision,
                }
        });
        let before = match readable.revision {
            ReadRevision::Known(revision) if !here => {
                let days = self.days_of(&readable);
                let order = OrderId::pack(order_id);
                let wanted = Wanted { hash, order_id: order, platform, leg, phase, days, also: Vec::new() };
                let rows = find(self.runs, &[wanted])?.pop().unwrap_or_default();
                rows.iter().filter(|row| row.posting.revision >= revision).map(|row| row.posting.commit).max()
            }
            _ => None,
        };
        let by = if here { Some(self.commit) } else { before };
        keeping.run.resolved.extend(by.map(|commit| (id, Resolution::Event { commit })));
        Ok(())
    }

    /// Days on which the order of a refused record may lie; all of them when it tells no time.
    fn days_of(&self, readable: &Readable) -> (LocalDay, LocalDay) {
        match self.day_of(readable) {
            Some(day) => (day.plus_days(-self.identity_days), day.plus_days(self.identity_days)),
            None => (LocalDay(i32::MIN), LocalDay(i32::MAX)),
        }
    }

    fn day_of(&self, readable: &Readable) -> Option<LocalDay> {
        let at: Option<UtcMillis> = readable.accepted_at.or(readable.ended_at);
        at.map(|at| self.zone.day(at))
    }

    fn in_reach(&self, readable: &Readable, day: LocalDay) -> bool {
        let (from, to) = self.days_of(readable);
        from <= day && day <= to
    }

    /// Stored rejections whose order the batch books.
    fn settle_stored(&self, batch: &Batch, decided: &Decided, keeping: &mut Keeping) -> Outcome<()> {
        if !self.book.has_unresolved() {
            return Ok(());
        }
        for entry in decided.booked.iter().filter_map(|&at| batch.orders.get(at)) {
            for &id in self.book.unresolved(entry.hash) {
                let Some(record) = self.index.get(self.store, id)? else { continue };
                let readable = &record.rejection.readable;
                let Some((_, platform, order_id, leg, phase)) = identity_of(readable) else { continue };
                let same = batch.platforms.name(entry.platform) == platform
                    && batch.text(entry.order) == order_id
                    && entry.leg == leg
                    && entry.phase() == phase
                    && self.in_reach(readable, entry.day);
                let enough = match readable.revision {
                    ReadRevision::Unreadable => true,
                    ReadRevision::Known(revision) => entry.revision >= revision,
                };
                if same && enough && keeping.run.resolved.iter().all(|(known, _)| *known != id) {
                    keeping.run.resolved.push((id, Resolution::Event { commit: self.commit }));
                }
            }
        }
        Ok(())
    }

    /// Rejections that were sent again and whose order counts now, or counted before in this or a newer version: what
    /// could be read of them then may not have told the order.
    fn settle_redriven(&self, batch: &Batch, decided: &Decided, keeping: &mut Keeping) {
        if !batch.sources.iter().any(|span| span.source == Source::Redrive) {
            return;
        }
        let known = |disposition| matches!(disposition, Disposition::Duplicate | Disposition::Stale);
        let before =
            decided.unbooked.iter().filter(|(_, disposition)| known(*disposition)).map(|&(at, _)| at);
        let again = decided.booked.iter().copied().chain(before).filter_map(|at| batch.orders.get(at));
        for entry in again {
            let Origin::Redrive { of } = batch.origin_of(entry) else { continue };
            let settled = |(known, _): &(u64, Resolution)| *known == of;
            if self.index.resolution(of).is_none() && !keeping.run.resolved.iter().any(settled) {
                keeping.run.resolved.push((of, Resolution::Event { commit: self.commit }));
            }
        }
    }
}
