//! Booking periods: closed at random, and what was known when each closed, as totals of the orders of that moment.

use super::drive::Drive;
use super::naive::{Model, Version};
use super::terms::Charge;
use coverledger::domain::period::{BookingPeriod, PeriodNo};
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::domain::totals::{Total, TotalKey};
use coverledger::domain::view::LedgerView;
use coverledger::ledger::Snapshot;
use std::collections::BTreeMap;

/// By day, platform, region, category: charged, micros, completed, cancelled, interrupted, transferred, unrated.
pub(crate) type Totals = BTreeMap<(i32, String, String, String), [i64; 7]>;

/// A closed period.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    commit: u64,
    note: String,
    /// The totals of every order as it was known then.
    known: Totals,
}

/// What a version adds to its line.
pub(crate) fn counts_of(version: &Version) -> [i64; 7] {
    let mut counts = [0; 7];
    match (version.price.charge, version.event.outcome) {
        (Charge::Charged(micros), _) => (counts[0], counts[1]) = (1, micros),
        (Charge::Unrated, _) => counts[6] = 1,
        (Charge::Uncharged, Some("completed")) => counts[2] = 1,
        (Charge::Uncharged, Some("cancelled")) => counts[3] = 1,
        (Charge::Uncharged, Some("interrupted")) => counts[4] = 1,
        (Charge::Uncharged, Some("transferred")) => counts[5] = 1,
        _ => {}
    }
    counts
}

impl Model {
    /// The totals of the orders as they are known now.
    fn totals(&self) -> Totals {
        let mut totals = Totals::new();
        for version in self.current() {
            let e = &version.event;
            let key = (self.terms.day(e.accepted), e.platform.clone(), e.region.clone(), e.category.clone());
            let line = totals.entry(key).or_default();
            line.iter_mut().zip(counts_of(version)).for_each(|(sum, count)| *sum += count);
        }
        totals
    }

    /// The totals of each period: what was known at its end less what was known at the end of the one before.
    fn totals_by_period(&self) -> BTreeMap<u32, Totals> {
        let mut periods = BTreeMap::new();
        let mut before = Totals::new();
        let ends = self.closed.iter().map(|closed| closed.known.clone()).chain([self.totals()]);
        for (number, known) in (1..).zip(ends) {
            let mut net = known.clone();
            for (key, counts) in &before {
                let line = net.entry(key.clone()).or_default();
                line.iter_mut().zip(counts).for_each(|(sum, count)| *sum -= count);
            }
            net.retain(|_, counts| *counts != [0; 7]);
            if !net.is_empty() {
                periods.insert(number, net);
            }
            before = known;
        }
        periods
    }
}

impl Drive {
    /// Closes the open booking period.
    pub(crate) fn close_period(&mut self) {
        let number = u32::try_from(self.model.closed.len()).unwrap() + 1;
        let (note, now) = (format!("month {number}"), self.now);
        let closed = self.ledger().close_period(&note, UtcMillis::new(now)).unwrap();
        assert_eq!(closed.get(), number);
        let commit = self.ledger().published().current().root().commit;
        let known = self.model.totals();
        self.model.closed.push(Closed { commit, note, known });
        // It was a commit, with what is known of completeness.
        self.model.facts.advance(&self.model.terms, now);
        self.committed = self.model.clone();
        self.shown.count("booking periods closed", 1);
    }
}

fn counts(total: &Total) -> [i64; 7] {
    let Total { orders_charged, premium, unrated, .. } = *total;
    let (completed, cancelled) = (total.uncharged_completed, total.uncharged_cancelled);
    let (interrupted, transferred) = (total.uncharged_interrupted, total.uncharged_transferred);
    [orders_charged, premium.get(), completed, cancelled, interrupted, transferred, unrated]
}

/// The periods and their bounds, and the totals of each by day.
pub(crate) fn check(model: &Model, view: &Snapshot) {
    let mut stored: BTreeMap<u32, Totals> = BTreeMap::new();
    let days = view.days_of_totals().map_or(0..0, |(first, last)| first.0..last.0 + 1);
    for day in days {
        for (period, lines) in view.totals_by_period(LocalDay(day), LocalDay(day + 1)).unwrap() {
            for (TotalKey { platform, region, category, .. }, total) in lines {
                let key = (day, platform, region.to_string(), category);
                stored.entry(period.get()).or_default().insert(key, counts(&total));
            }
        }
    }
    assert_eq!(stored, model.totals_by_period(), "the totals by day and booking period");
    let periods: Vec<(PeriodNo, BookingPeriod)> = view.booking_periods().unwrap();
    let closings = model.closed.iter().map(|closed| Some((closed.commit, closed.note.clone())));
    let expected: Vec<_> = (1..).zip(closings.chain([None])).collect();
    let closing = |period: &BookingPeriod| {
        period.closed.as_ref().map(|closing| (closing.bound.commit, closing.note.clone()))
    };
    let told: Vec<_> = periods.iter().map(|(no, period)| (no.get(), closing(period))).collect();
    assert_eq!(told, expected, "the booking periods");
}
