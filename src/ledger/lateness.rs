//! Counts events that add cover before a `complete_through` already committed.

use super::batch::Batch;
use super::pricing::price_posting;
use super::resolve::{Decided, Replaced};
use super::writer::Ledger;
use crate::domain::completeness::{Told, is_late};
use crate::domain::posting::Posting;
use crate::domain::settle::PlatformLine;
use std::collections::{BTreeMap, HashMap};

/// Late events of a batch, by platform.
pub fn late_events(ledger: &Ledger, batch: &Batch, decided: &Decided) -> BTreeMap<String, u64> {
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
        return late;
    }
    let previous: HashMap<usize, &Replaced> =
        decided.replaced.iter().map(|(at, replaced)| (*at, replaced)).collect();
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
        let told = Told { previous: old.as_ref(), other_phase: decided.other_phase.get(&at) };
        if is_late(line, &new, told) {
            *late.entry(new.platform).or_default() += 1;
        }
    }
    late
}
