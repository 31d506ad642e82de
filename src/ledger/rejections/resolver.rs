//! Resolves rejections whose order has come: what a batch refused, and what was refused before it.
//!
//! However many rejections name one order, its stored versions are looked up once, and a run of kept records is read once.

use crate::domain::order::Phase;
use crate::domain::pending::{SameIdentity, is_resolved_by, tells_time};
use crate::domain::posting::Disposition;
use crate::domain::reject::Readable;
use crate::domain::rejection::{Kept, Origin, Rejection, Resolution};
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::batch::{Batch, OrderEntry, Source};
use crate::ledger::decide::Decided;
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::identity_lookup::{Found, Wanted, find};
use crate::ledger::rejections::by_identity::resolving_revision;
use crate::ledger::rejections::dead_letters::{DeadLetterCollector, DeadLetters};
use crate::ledger::rejections::stored::identity_of;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::OrderId;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// A record of the batch that was refused, when it was read or when it was decided, and is kept.
pub(crate) struct Refused<'a> {
    /// Its number.
    pub(crate) id: u64,
    /// Rejected or conflicting.
    pub(crate) kept: Kept,
    /// What could be read of it.
    pub(crate) readable: Cow<'a, Readable>,
    /// Batch number of its source.
    pub(crate) source: u16,
    /// Its position in the batch.
    pub(crate) ordinal: u32,
}

/// Events of a batch that were booked and whose identities have one hash.
#[derive(Default)]
struct Booked<'a> {
    events: Vec<&'a OrderEntry>,
    revision_max: u64,
    last: (Option<&'a Source>, u32),
}

/// Those of the batch, by hash, where `is_awaited`.
fn booked<'a>(
    batch: &'a Batch,
    decided: &Decided,
    is_awaited: impl Fn(IdentityHash) -> bool,
) -> HashMap<IdentityHash, Booked<'a>> {
    let mut booked: HashMap<IdentityHash, Booked<'a>> = HashMap::new();
    for entry in decided.booked.iter().filter_map(|&at| batch.orders.get(at)) {
        if is_awaited(entry.hash) {
            let same = booked.entry(entry.hash).or_default();
            same.events.push(entry);
            same.revision_max = same.revision_max.max(entry.revision);
            same.last = same.last.max(batch.effect_order(entry.source, entry.ordinal));
        }
    }
    booked
}

/// An event of the batch, as the rule of resolution sees it.
fn as_same<'a>(batch: &'a Batch, entry: &OrderEntry, is_after: bool) -> SameIdentity<'a> {
    SameIdentity {
        revision: entry.revision,
        rider_id: batch.text(entry.rider),
        accepted_at: entry.accepted_at,
        ended_at: batch.event(entry).ended_at,
        is_after,
    }
}

/// The newest commit that stored an event which resolves a record that came after it. A tombstone is no event: the one that it
/// points to may lie too far away to resolve anything here.
fn resolved_before(rows: &[Found], refused: &Refused<'_>) -> Option<u64> {
    let events = rows.iter().filter(|row| row.moved_to.is_none()).map(|row| &row.posting);
    let resolving = events.filter(|posting| {
        let event = SameIdentity {
            revision: posting.revision,
            rider_id: &posting.rider_id,
            accepted_at: posting.accepted_at,
            ended_at: posting.ended_at,
            is_after: false,
        };
        is_resolved_by(refused.kept, &refused.readable, &event)
    });
    resolving.map(|posting| posting.commit).max()
}

impl DeadLetterCollector<'_> {
    /// Refused records, with their numbers, whose order is stored already, or booked by the same batch, are resolved as
    /// they come.
    pub(crate) fn resolve_refused(
        &self,
        batch: &Batch,
        decided: &Decided,
        kept: &[Refused<'_>],
        dead_letters: &mut DeadLetters,
    ) -> LedgerResult<()> {
        let told =
            || kept.iter().filter_map(|refused| Some((refused.id, refused, identity_of(&refused.readable)?)));
        let awaited: BTreeSet<IdentityHash> = told().map(|(_, _, (hash, ..))| hash).collect();
        if awaited.is_empty() {
            return Ok(());
        }
        let booked = booked(batch, decided, |hash| awaited.contains(&hash));
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        let mut places: HashMap<(&str, &str, u8, Phase, LocalDay, LocalDay), usize> = HashMap::new();
        let mut asked: Vec<(u64, &Refused<'_>, usize)> = Vec::new();
        for (id, refused, (hash, platform, order_id, leg, phase)) in told() {
            let readable = &*refused.readable;
            if booked.get(&hash).is_some_and(|same| self.is_booked_here(batch, refused, same)) {
                dead_letters.resolve(id, Resolution::Event { commit: self.commit });
            } else if refused.kept != Kept::Conflict && tells_time(readable) {
                let days = self.days_of(readable);
                let place =
                    places.entry((platform, order_id, leg, phase, days.0, days.1)).or_insert_with(|| {
                        let order_id = OrderId::pack(order_id);
                        wanted.push(Wanted {
                            hash,
                            order_id,
                            platform,
                            leg,
                            phase,
                            days,
                            extras: Vec::new(),
                        });
                        wanted.len() - 1
                    });
                asked.push((id, refused, *place));
            }
        }
        let stored = find(self.runs, &wanted)?;
        for (id, refused, place) in asked {
            let rows = stored.get(place).map(Vec::as_slice).unwrap_or_default();
            if let Some(commit) = resolved_before(rows, refused) {
                dead_letters.resolve(id, Resolution::Event { commit });
            }
        }
        Ok(())
    }

    fn is_booked_here(&self, batch: &Batch, refused: &Refused<'_>, same: &Booked<'_>) -> bool {
        let readable = &*refused.readable;
        let Some((_, platform, order_id, leg, phase)) = identity_of(readable) else { return false };
        let place = batch.effect_order(refused.source, refused.ordinal);
        let lowest = resolving_revision(refused.kept, readable.revision);
        let is_possible = lowest.map_or(same.last > place, |lowest| same.revision_max >= lowest);
        is_possible
            && same.events.iter().rev().any(|entry| {
                let is_after = batch.effect_order(entry.source, entry.ordinal) > place;
                // What came before is looked for where the stored versions are: how a batch was cut changes nothing.
                let (from, to) = self.days_of(readable);
                let is_near = (from <= entry.day && entry.day <= to)
                    || (is_after && self.in_reach(readable, entry.day));
                is_of(batch, entry, (platform, order_id, leg, phase))
                    && is_near
                    && is_resolved_by(refused.kept, readable, &as_same(batch, entry, is_after))
            })
    }

    /// Stored rejections whose order the batch books.
    pub(crate) fn resolve_stored(
        &self,
        batch: &Batch,
        decided: &Decided,
        dead_letters: &mut DeadLetters,
    ) -> LedgerResult<()> {
        if !self.by_identity.has_unresolved() {
            return Ok(());
        }
        let booked = booked(batch, decided, |hash| self.by_identity.is_awaited(hash));
        let waiting: BTreeSet<u64> = booked
            .iter()
            .flat_map(|(hash, same)| self.by_identity.waiting(*hash, same.revision_max))
            .collect();
        self.index.visit_these(self.store, &waiting, |record| {
            if self.is_resolved(batch, &record.rejection, &booked) {
                dead_letters.resolve(record.rejection.id, Resolution::Event { commit: self.commit });
            }
        })
    }

    fn is_resolved(
        &self,
        batch: &Batch,
        rejection: &Rejection,
        booked: &HashMap<IdentityHash, Booked<'_>>,
    ) -> bool {
        let readable = &rejection.readable;
        let Some((hash, platform, order_id, leg, phase)) = identity_of(readable) else { return false };
        booked.get(&hash).into_iter().flat_map(|same| same.events.iter().rev()).any(|entry| {
            is_of(batch, entry, (platform, order_id, leg, phase))
                && self.in_reach(readable, entry.day)
                && is_resolved_by(rejection.kept, readable, &as_same(batch, entry, true))
        })
    }

    /// Rejections that were sent again and whose order counts now, or counted before in this or a newer version: what
    /// could be read of them then may not have told the order.
    pub(crate) fn resolve_redriven(&self, batch: &Batch, decided: &Decided, dead_letters: &mut DeadLetters) {
        if !batch.sources.iter().any(|span| span.source == Source::Redrive) {
            return;
        }
        let known = |disposition| matches!(disposition, Disposition::Duplicate | Disposition::Stale);
        let before =
            decided.unbooked.iter().filter(|(_, disposition)| known(*disposition)).map(|&(at, _)| at);
        let again = decided.booked.iter().copied().chain(before).filter_map(|at| batch.orders.get(at));
        for entry in again {
            let Origin::Redrive { of } = batch.origin_of(entry) else { continue };
            if self.index.resolution(of).is_none() {
                dead_letters.resolve(of, Resolution::Event { commit: self.commit });
            }
        }
    }

    /// Days within the reach of identity around a time.
    fn days_around(&self, at: UtcMillis) -> (LocalDay, LocalDay) {
        let day = self.zone.day(at);
        (day.plus_days(-self.identity_days), day.plus_days(self.identity_days))
    }

    /// Days on which the order of a refused record may lie; all of them when it names no time.
    fn days_of(&self, readable: &Readable) -> (LocalDay, LocalDay) {
        let at = readable.accepted_at.or(readable.ended_at).filter(|_| tells_time(readable));
        at.map_or((LocalDay(i32::MIN), LocalDay(i32::MAX)), |at| self.days_around(at))
    }

    /// Whether a day lies within the reach of any time that the record names: where two are far apart, one is wrong.
    fn in_reach(&self, readable: &Readable, day: LocalDay) -> bool {
        let mut times = readable.accepted_at.iter().chain(&readable.ended_at);
        !tells_time(readable)
            || times.any(|&at| {
                let (from, to) = self.days_around(at);
                from <= day && day <= to
            })
    }
}

/// Whether an event has this very identity: hashes may be equal by chance.
fn is_of(batch: &Batch, entry: &OrderEntry, identity: (&str, &str, u8, Phase)) -> bool {
    let (platform, order_id, leg, phase) = identity;
    batch.platforms.name(entry.platform) == platform
        && batch.text(entry.order) == order_id
        && entry.leg == leg
        && entry.phase() == phase
}

#[cfg(test)]
mod tests {
    use crate::ledger::testing::{commit as commit_records, event_at, open};
    use crate::ledger::writer::Ledger;

    const NOON: &str = "2026-11-20T12:00:00Z";

    /// Commits one event of the order for each revision; how many rejections wait then.
    fn commit(
        ledger: &mut Ledger,
        first_offset: i64,
        revisions: impl Iterator<Item = u64>,
        ended: &str,
    ) -> u64 {
        let events = revisions.map(|revision| event_at(7, revision, NOON, ended));
        commit_all(ledger, first_offset, &events.collect::<Vec<_>>())
    }

    /// Commits events; how many rejections wait then.
    fn commit_all(ledger: &mut Ledger, first_offset: i64, events: &[String]) -> u64 {
        commit_records(ledger, first_offset, events);
        ledger.published().current().rejected().unresolved_count()
    }

    #[test]
    fn a_version_that_moved_out_of_reach_settles_nothing_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        assert_eq!(commit(&mut ledger, 0, 0..=0, "2026-11-20T12:30:00Z"), 0);
        let moved = event_at(7, 1, "2026-11-02T12:00:00Z", "2026-11-02T12:30:00Z");
        let moved = moved.replace('}', &format!(r#","previous_accepted_at":"{NOON}"}}"#));
        assert_eq!(commit_all(&mut ledger, 10, &[moved]), 0);
        assert_eq!(commit(&mut ledger, 20, 1..=1, "noon"), 1, "it speaks of another day");
        assert_eq!(commit(&mut ledger, 30, 0..=0, "noon"), 1, "of revision 0 the version is known");
    }

    #[test]
    fn thousands_of_rejections_of_one_order_are_resolved_by_revision() {
        let (bad, good) = ("noon", "2026-11-20T12:30:00Z");
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        assert_eq!(commit(&mut ledger, 0, 1..=3_000, bad), 3_000);
        assert_eq!(commit(&mut ledger, 10_000, 1_500..=1_500, good), 1_500, "those up to its revision");
        assert_eq!(commit(&mut ledger, 20_000, 1..=3_000, bad), 3_000, "as many again, half of them at once");
        drop(ledger);
        let mut ledger = open(dir.path());
        assert_eq!(commit(&mut ledger, 30_000, 2_000..=2_000, good), 2_000);
        assert_eq!(commit(&mut ledger, 40_000, 3_000..=3_000, good), 0);
        // A conflict is kept, and waits for nothing.
        assert_eq!(commit(&mut ledger, 50_000, 3_000..=3_000, "2026-11-20T12:31:00Z"), 0);
        assert_eq!(ledger.published().current().rejected().count(), 6_001);
    }
}
