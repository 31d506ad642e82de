//! Orders as they happen: an endless, steady stream from an instant on, each event at the instant at which it is sent.
//!
//! Unlike [`super::Generator`] there is no day curve, so that there is something to see at night too; every order is
//! announced when it is accepted; nothing that comes later adds cover, so that who sends these events on time may vouch for
//! them; and broken records name their riders: one that names none would keep answers about every rider open.

use super::Label;
use super::bad::break_but_for_rider;
use super::plan::{Mishap, PLATFORMS, Plan, Planner};
use super::record::{write_complete, write_order};
use super::settings::GeneratorSettings;
use crate::domain::order::Outcome;
use crate::domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS, UtcMillis};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Riders for each order in a second: about half of them are under way at a time.
const RIDERS_PER_RATE: u64 = 2_400;
/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// Another seed, other orders.
    pub seed: u64,
    /// The first order is accepted here.
    pub from: UtcMillis,
    /// Orders accepted in a second, 1 at least.
    pub orders_per_second: u32,
}

/// An event with what its sender may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEvent {
    /// The topic that the platform streams to.
    pub topic: &'static str,
    /// When it is sent; never decreasing.
    pub sent_at: UtcMillis,
    /// What it is.
    pub label: Label,
    /// The rider's number: equal for all events of one rider.
    pub rider: u64,
    /// The rider's identifier.
    pub rider_id: String,
    /// When its order is accepted.
    pub accepted_at: UtcMillis,
    /// When its order ends (an open event does not say it).
    pub ended_at: UtcMillis,
    /// Nothing will ever happen to the order but its end.
    pub is_plain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    Bad,
    End,
    Duplicate,
    Amendment,
    Stale,
    Conflict,
}

/// An event that is still to be sent, ordered by its instant, then as orders are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: UtcMillis,
    number: u64,
    step: Step,
}

/// Writes one event after the other, for ever.
#[derive(Clone, Debug)]
pub struct LiveGenerator {
    planner: Planner,
    settings: LiveSettings,
    next: u64,
    due: BinaryHeap<Reverse<Due>>,
}

impl LiveGenerator {
    /// A generator before its first event.
    pub fn new(settings: LiveSettings) -> Self {
        let rate = u64::from(settings.orders_per_second.max(1));
        let planned = GeneratorSettings {
            orders: rate * DAY_S,
            seed: settings.seed,
            riders: rate * RIDERS_PER_RATE,
            from: settings.from,
            days: 1,
            duplicate_ppm: 10_000,
            late_ppm: 0,
            amended_ppm: 10_000,
            stale_ppm: 2_000,
            conflict_ppm: 1_000,
            bad_ppm: 3_000,
            open_ppm: 1_000_000,
            completeness_every_ms: None,
        };
        let mut generator =
            Self { planner: Planner::new(&planned), settings, next: 0, due: BinaryHeap::new() };
        generator.accept_next();
        generator
    }

    /// When the next event is to be sent.
    pub fn next_at(&self) -> UtcMillis {
        self.due.peek().map_or(self.settings.from, |due| due.0.at)
    }

    /// Appends the next event to `out`, without a line end.
    pub fn next_event(&mut self, out: &mut Vec<u8>) -> Option<LiveEvent> {
        let Reverse(due) = self.due.pop()?;
        if due.step == Step::Open {
            self.follow(due);
            if due.number + 1 == self.next {
                self.accept_next();
            }
        }
        let mut plan = self.plan(due.number);
        let is_plain = plan.mishap == Mishap::None && plan.outcome == Outcome::Completed;
        let (accepted_at, ended_at) = (plan.accepted_at, plan.ended_at);
        let rider = self.planner.rider_hash(plan.rider);
        let start = out.len();
        let label = match due.step {
            Step::Open => Label::Open,
            Step::Bad | Step::End => Label::Order,
            Step::Duplicate => Label::Duplicate,
            Step::Stale => Label::Stale,
            Step::Amendment => {
                self.amend(&mut plan);
                Label::Amendment
            }
            Step::Conflict => {
                plan.ended_at = plan.ended_at.plus(3 * MINUTE_MS);
                Label::Conflict
            }
        };
        write_order(out, &plan, rider, label == Label::Open);
        let label = match due.step {
            Step::Bad => Label::Bad(break_but_for_rider(out, start, plan.draws.next())),
            _ => label,
        };
        let topic = PLATFORMS.get(plan.platform).map_or("", |platform| platform.1);
        let rider_id = format!("{:016x}{:08x}", rider.0, rider.1);
        let sent_at = due.at;
        Some(LiveEvent { topic, sent_at, label, rider: rider.0, rider_id, accepted_at, ended_at, is_plain })
    }

    /// Appends a completeness record: what was sent so far is everything about instants before `through`.
    pub fn write_complete(out: &mut Vec<u8>, platform: &str, through: UtcMillis) {
        write_complete(out, platform, through);
    }

    /// The order `number`: accepted in its own share of the time, so that they ascend.
    fn plan(&self, number: u64) -> Plan {
        let rate = i64::from(self.settings.orders_per_second.max(1));
        let number_ms = i64::try_from(number).unwrap_or(i64::MAX / SECOND_MS).saturating_mul(SECOND_MS);
        let mut plan = self.planner.plan(number, self.settings.from);
        let share_ms = plan.draws.below_ms(SECOND_MS);
        let lasts_ms = plan.ended_at.since(plan.accepted_at);
        plan.accepted_at = self.settings.from.plus(number_ms.saturating_add(share_ms) / rate);
        plan.ended_at = plan.accepted_at.plus(lasts_ms);
        plan
    }

    fn accept_next(&mut self) {
        let number = self.next;
        self.next += 1;
        self.due.push(Reverse(Due { at: self.plan(number).accepted_at, number, step: Step::Open }));
    }

    /// Puts aside what follows the open event.
    fn follow(&mut self, open: Due) {
        let plan = self.plan(open.number);
        let mut draws = plan.draws;
        let mut later = |step, after_ms| {
            self.due.push(Reverse(Due { at: plan.ended_at.plus(after_ms), number: open.number, step }));
        };
        later(Step::End, 0);
        match plan.mishap {
            Mishap::None | Mishap::Late => {}
            Mishap::Bad => later(Step::Bad, 0),
            Mishap::Duplicate => later(Step::Duplicate, 1 + draws.below_ms(30 * SECOND_MS)),
            Mishap::Amended => later(Step::Amendment, MINUTE_MS + draws.below_ms(HOUR_MS)),
            Mishap::Stale => {
                let amended_ms = MINUTE_MS + draws.below_ms(HOUR_MS);
                later(Step::Amendment, amended_ms);
                later(Step::Stale, amended_ms + 1 + draws.below_ms(HOUR_MS));
            }
            Mishap::Conflict => later(Step::Conflict, MINUTE_MS + draws.below_ms(HOUR_MS)),
        }
    }

    /// Revision 1: another outcome, region or an earlier end. None of them adds cover.
    fn amend(&self, plan: &mut Plan) {
        plan.revision = 1;
        match plan.draws.next() % 10 {
            0 => plan.outcome = Outcome::Void,
            1 | 2 => plan.outcome = Outcome::Cancelled,
            3 | 4 => plan.region = self.planner.other_region(plan.region, 7),
            _ => plan.ended_at = plan.ended_at.minus(2 * MINUTE_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const FROM: UtcMillis = UtcMillis::new(1_795_104_000_000);

    fn events(seed: u64, hours: i64) -> Vec<(LiveEvent, Vec<u8>)> {
        let mut generator = LiveGenerator::new(LiveSettings { seed, from: FROM, orders_per_second: 2 });
        let mut events = Vec::new();
        while generator.next_at() < FROM.plus(hours * HOUR_MS) {
            let mut payload = Vec::new();
            let event = generator.next_event(&mut payload).unwrap();
            events.push((event, payload));
        }
        events
    }

    #[test]
    fn a_seed_gives_one_steady_stream() {
        let all = events(7, 3);
        assert_eq!(all, events(7, 3));
        assert_ne!(all, events(8, 3));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (event, payload) in &all {
            let label = format!("{:?}", event.label);
            *counts.entry(label.split('(').next().unwrap().to_owned()).or_default() += 1;
            if event.label == Label::Open {
                assert!(!String::from_utf8_lossy(payload).contains("ended_at"), "{event:?}");
            }
        }
        assert_eq!(counts.get("Open"), Some(&(2 * 3 * 3_600)));
        for label in ["Order", "Bad", "Duplicate", "Amendment", "Stale", "Conflict"] {
            assert!(counts.get(label).is_some_and(|&count| count > 0), "{label}: {counts:?}");
        }
    }

    #[test]
    fn nothing_is_sent_before_it_happened_nor_out_of_order() {
        let all = events(7, 2);
        assert!(all.is_sorted_by_key(|(event, _)| event.sent_at));
        for (event, _) in &all {
            let happened = if event.label == Label::Open { event.accepted_at } else { event.ended_at };
            assert!(event.sent_at >= happened, "{event:?}");
        }
    }
}
