//! Counts events that add cover before a `complete_through` already committed.

use super::batch::{Batch, OrderEntry};
use super::error::Outcome;
use super::identity::IdentityHash;
use super::pricing::price_posting;
use super::rejected::identity_of;
use super::resolve::{Decided, Replaced};
use super::writer::Ledger;
use crate::domain::completeness::{Told, is_late};
use crate::domain::order::Phase;
use crate::domain::pending::{RecordTimes, Scope};
use crate::domain::posting::Posting;
use crate::domain::settle::PlatformLine;
use crate::domain::view::{Origin, Rejection};
use crate::domain::window::Window;
use std::collections::{BTreeMap, HashMap, HashSet};

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
    let mut arrived: Option<Arrived<'_>> = None;
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
        let told = Told { previous: old.as_ref(), other_phase };
        if !is_late(line, &new, told) {
            continue;
        }
        let arrived = arrived.get_or_insert_with(|| Arrived::new(ledger, batch, decided));
        if !arrived.had(batch, entry, &new)? {
            *late.entry(new.platform).or_default() += 1;
        }
    }
    Ok(late)
}

/// What arrived before and was refused or in conflict: it kept its time open, so that an event which mends it breaks no promise.
struct Arrived<'a> {
    ledger: &'a Ledger,
    /// Identities of the batch's own refused and conflicting records.
    here: HashSet<IdentityHash>,
}

impl<'a> Arrived<'a> {
    fn new(ledger: &'a Ledger, batch: &Batch, decided: &Decided) -> Self {
        let refused = batch.refused.iter().filter_map(|refused| identity_of(&refused.refusal.readable));
        let conflicts = decided.conflicts.keys().filter_map(|&at| batch.orders.get(at));
        let here = refused.map(|(hash, ..)| hash).chain(conflicts.map(|entry| entry.hash)).collect();
        Self { ledger, here }
    }

    /// Whether a version of the event's order had arrived before, or may have: in either phase, or as a record without a
    /// readable identity that is unresolved.
    fn had(&self, batch: &Batch, entry: &OrderEntry, event: &Posting) -> Outcome<bool> {
        if matches!(batch.origin_of(entry), Origin::Redrive { .. }) {
            return Ok(true);
        }
        let phases = [Phase::Open, Phase::Ended];
        let hashes = phases.map(|p| IdentityHash::of(&event.platform, &event.order_id, event.leg, p));
        if hashes.iter().any(|hash| self.here.contains(hash) || self.ledger.book.has_arrived(*hash)) {
            return Ok(true);
        }
        let platforms = &self.ledger.setup.platforms;
        let promise = platforms.get(&event.platform);
        let longest = event.accepted_at.plus(promise.max_order_duration_ms);
        // One millisecond more: an order of no length has a time, too.
        let window = Window::new(event.accepted_at, event.ended_at.unwrap_or(longest).plus(1));
        let index = &self.ledger.rejected;
        if !index.pending().unreadable(&event.platform, platforms, window).is_empty() {
            return Ok(true);
        }
        let of_rider = index.of_rider(&self.ledger.store, &event.rider_id)?;
        let is_known = |name: &str| self.ledger.knows_platform(name);
        let concerns = |record: &&Rejection| Scope::of(record, is_known).contains(&event.platform, platforms);
        Ok(of_rider.iter().filter(concerns).any(|r| RecordTimes::of(r).window(promise).overlaps(window)))
    }
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
