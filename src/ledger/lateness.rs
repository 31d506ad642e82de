//! Counts events that add cover before a `complete_through` already committed.

use super::batch::{Batch, OrderEntry};
use super::error::Outcome;
use super::identity::IdentityHash;
use super::pricing::price_posting;
use super::resolve::{Decided, Replaced};
use super::snapshot::Snapshot;
use super::writer::Ledger;
use crate::domain::completeness::{Told, is_late};
use crate::domain::order::Phase;
use crate::domain::pending::Scope;
use crate::domain::platform::UnreadableRecords;
use crate::domain::posting::Posting;
use crate::domain::settle::PlatformLine;
use crate::domain::view::{Kept, LedgerView, Origin, Rejection};
use crate::domain::window::{Window, union};
use std::collections::{BTreeMap, HashMap};

/// Late events of a batch, by platform.
pub fn late_events(ledger: &Ledger, batch: &Batch, decided: &Decided) -> Outcome<BTreeMap<String, u64>> {
    let state = ledger.tracker.state();
    let reach = ledger.reach();
    // By batch number of the platform; none where nothing was ever complete.
    let lines: Vec<Option<PlatformLine>> = batch
        .platforms
        .all()
        .iter()
        .map(|name| {
            state.complete_through(name)?;
            Some(PlatformLine::new(name, state, &ledger.setup.platforms, reach))
        })
        .collect();
    let mut late = BTreeMap::new();
    if lines.iter().all(Option::is_none) {
        return Ok(late);
    }
    let previous: HashMap<usize, &Replaced> =
        decided.replaced.iter().map(|(at, replaced)| (*at, replaced)).collect();
    let mut fresh: Option<Fresh> = None;
    for &at in &decided.booked {
        let Some(entry) = batch.orders.get(at) else { continue };
        let Some(line) = lines.get(usize::from(entry.platform)).and_then(Option::as_ref) else { continue };
        let through = line.complete_through();
        // The common event begins after everything that is complete.
        if through.is_some_and(|through| entry.accepted_at.minus(reach.lead_ms) >= through) {
            continue;
        }
        let price = |mut posting: Posting| {
            posting.pricing = price_posting(&posting, entry.day, &ledger.setup.tariff);
            posting
        };
        let new = price(batch.posting(entry));
        let old = previous.get(&at).and_then(|replaced| match replaced {
            Replaced::Stored(posting) => Some(posting.as_ref().clone()),
            Replaced::Fresh(other) => batch.orders.get(*other).map(|entry| price(batch.posting(entry))),
        });
        let fresh = fresh.get_or_insert_with(|| fresh_events(batch, decided));
        let reach = ledger.setup.identity_days.unsigned_abs();
        let here = other_phase_here(batch, fresh, (entry, decided.other_phase.get(&at)), &previous, reach);
        let other_phase = here.as_ref().or_else(|| decided.other_phase.get(&at));
        let told = Told { previous: old.as_ref(), other_phase, kept_open: &[] };
        if !is_late(line, &new, told) || is_mended(ledger, batch, entry) {
            continue;
        }
        // Read only for the few events that are late without it.
        let kept_open = kept_open(ledger, line, &new)?;
        if is_late(line, &new, Told { kept_open: &kept_open, ..told }) {
            *late.entry(new.platform).or_default() += 1;
        }
    }
    Ok(late)
}

/// The time that unresolved records kept open for an event's rider and platform before the batch, perhaps the event's own
/// earlier version among them.
fn kept_open(ledger: &Ledger, line: &PlatformLine, event: &Posting) -> Outcome<Vec<Window>> {
    let (index, platforms) = (&ledger.rejected, &ledger.setup.platforms);
    let mut windows: Vec<Window> = Vec::new();
    if line.promise().unreadable_records == UnreadableRecords::Hold {
        let unreadable = index.pending().unreadable(&event.platform, platforms, Window::ALWAYS);
        windows.extend(unreadable.into_iter().map(|window| line.with_cover(window)));
    }
    let is_known = |name: &str| ledger.knows_platform(name);
    let of_rider = index.of_rider(&ledger.store, &event.rider_id)?;
    let concerns = |record: &&Rejection| Scope::of(record, is_known).contains(&event.platform, platforms);
    let state = ledger.published.current();
    for record in of_rider.iter().filter(concerns) {
        windows.extend(match record.kept {
            Kept::Rejected(_) => Some(line.rejected_window(record)),
            Kept::Conflict => line.conflict_window(record, ended_of(&state, record)?.as_ref()),
        });
    }
    Ok(union(windows))
}

/// The current ended version of the order of a conflicting open event.
fn ended_of(state: &Snapshot, conflict: &Rejection) -> Outcome<Option<Posting>> {
    let read = &conflict.readable;
    let order = read.platform.as_ref().zip(read.order_id.as_ref()).zip(read.leg.zip(read.accepted_at));
    let Some(((platform, order_id), (leg, accepted_at))) = order.filter(|_| read.phase == Some(Phase::Open))
    else {
        return Ok(None);
    };
    Ok(state.ended_version(platform, order_id, leg, accepted_at)?.map(|version| version.posting))
}

/// Whether the event mends a record that an operator sent again or had resolved: an earlier version of it had arrived.
fn is_mended(ledger: &Ledger, batch: &Batch, entry: &OrderEntry) -> bool {
    matches!(batch.origin_of(entry), Origin::Redrive { .. }) || ledger.book.was_given_up(entry.hash)
}

/// Positions of booked events by the hash of their identity, in the order of effect; none when the batch has no open ones.
type Fresh = HashMap<IdentityHash, Vec<usize>>;

fn fresh_events(batch: &Batch, decided: &Decided) -> Fresh {
    let mut fresh = Fresh::new();
    if batch.orders.iter().all(|entry| entry.phase() == Phase::Ended) {
        return fresh;
    }
    for &at in &decided.booked {
        batch.orders.get(at).into_iter().for_each(|entry| fresh.entry(entry.hash).or_default().push(at));
    }
    let place = |at: &usize| batch.orders.get(*at).map(|e| batch.effect_order(e.source, e.ordinal));
    fresh.values_mut().for_each(|events| events.sort_by(|a, b| place(a).cmp(&place(b))));
    fresh
}

/// What the batch itself told of the other phase of an event's order before the event, whose stored version is given: how
/// a batch was cut changes nothing.
fn other_phase_here(
    batch: &Batch,
    fresh: &Fresh,
    (entry, stored): (&OrderEntry, Option<&Posting>),
    previous: &HashMap<usize, &Replaced>,
    reach: u32,
) -> Option<Posting> {
    let before = told_before(batch, fresh, entry);
    let is_near =
        |at: &&usize| batch.orders.get(**at).is_some_and(|other| other.day.0.abs_diff(entry.day.0) <= reach);
    let replaces_stored = |at: &&usize| match (previous.get(*at), stored) {
        (Some(Replaced::Stored(old)), Some(stored)) => old.accepted_at == stored.accepted_at,
        _ => false,
    };
    // What began within reach may have been moved beyond it since: it is still the same order.
    let mut at = *before.iter().find(is_near).or_else(|| before.iter().find(replaces_stored))?;
    let next = |of: usize| {
        before.iter().find(|at| matches!(previous.get(at), Some(Replaced::Fresh(old)) if *old == of))
    };
    while let Some(&later) = next(at) {
        at = later;
    }
    batch.orders.get(at).map(|entry| batch.posting(entry))
}

/// The booked events of the other phase of an event's order that take effect before it, the newest first.
fn told_before(batch: &Batch, fresh: &Fresh, entry: &OrderEntry) -> Vec<usize> {
    let (platform, order_id) = (batch.platforms.name(entry.platform), batch.text(entry.order));
    let phase = if entry.phase() == Phase::Open { Phase::Ended } else { Phase::Open };
    let place = batch.effect_order(entry.source, entry.ordinal);
    let is_before = |other: &OrderEntry| {
        other.platform == entry.platform
            && batch.text(other.order) == order_id
            && batch.effect_order(other.source, other.ordinal) < place
    };
    let events = fresh.get(&IdentityHash::of(platform, order_id, entry.leg, phase));
    let events = events.into_iter().flatten().rev().copied();
    events.filter(|&at| batch.orders.get(at).is_some_and(is_before)).collect()
}
