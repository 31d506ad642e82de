//! The stream: orders by their end, and between them what comes earlier, later, again or broken.

use super::bad::break_record;
use super::curve::Curve;
use super::plan::{DURATION_MS_MAX, Mishap, PLATFORMS, Plan, Planner};
use super::record::{write_complete, write_order};
use super::settings::{GeneratorSettings, SettingsError};
use crate::domain::order::Outcome;
use crate::domain::reject::Reason;
use crate::domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS, UtcMillis};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// The first ended event of an order.
    Order,
    /// The same, sent late.
    Late,
    /// The open event of an order.
    Open,
    /// Revision 1.
    Amendment,
    /// A record again, byte for byte.
    Duplicate,
    /// Revision 0 after revision 1.
    Stale,
    /// The same revision with another end.
    Conflict,
    /// Broken: refused for this reason.
    Bad(Reason),
    /// A completeness record.
    Complete,
}

/// What the sender of a record needs to know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The platform's name.
    pub platform: &'static str,
    /// The topic that the platform streams to.
    pub topic: &'static str,
    /// When the platform sends it; never decreasing.
    pub sent_at: UtcMillis,
    /// For a record key: equal for all records of one rider (0 for completeness records).
    pub rider_hash: u64,
    /// What the record is.
    pub label: Label,
}

/// A record that is still to be sent, ordered by its instant; then as orders are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: UtcMillis,
    number: u64,
    step: Step,
    ended_at: UtcMillis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    Late,
    Duplicate,
    Amendment,
    Stale,
    Conflict,
}

/// Writes one record after the other.
///
/// What is sent later waits in memory: with a share of open events these are the ones of about half an hour, otherwise
/// only the mishaps.
#[derive(Clone, Debug)]
pub struct Generator {
    planner: Planner,
    orders: std::iter::Peekable<Curve>,
    /// Runs ahead of `orders` by the longest order, to announce what is accepted before it ends.
    scout: Option<std::iter::Peekable<Curve>>,
    later: BinaryHeap<Reverse<Due>>,
    /// The good record behind a bad one.
    behind_bad: Option<Plan>,
    completeness_every_ms: Option<i64>,
    next_complete_at: UtcMillis,
    completes: VecDeque<usize>,
    through: UtcMillis,
    sent_at: UtcMillis,
    has_ended: bool,
}

impl Generator {
    /// A generator before its first record.
    ///
    /// # Errors
    /// The setting that makes no stream.
    pub fn new(settings: &GeneratorSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let curve = Curve::new(settings.seed, settings.from, settings.orders, settings.days);
        Ok(Self {
            planner: Planner::new(settings),
            scout: (settings.open_ppm > 0).then(|| curve.clone().peekable()),
            orders: curve.peekable(),
            later: BinaryHeap::new(),
            behind_bad: None,
            completeness_every_ms: settings.completeness_every_ms,
            next_complete_at: settings.from.plus(settings.completeness_every_ms.unwrap_or(0)),
            completes: VecDeque::new(),
            through: settings.from,
            sent_at: settings.from,
            has_ended: false,
        })
    }

    /// Appends the next record to `out`, without a line end; `None` when there are no more.
    pub fn next_event(&mut self, out: &mut Vec<u8>) -> Option<Meta> {
        if let Some(plan) = self.behind_bad.take() {
            return Some(self.write(out, &plan, Label::Order));
        }
        loop {
            if let Some(platform) = self.completes.pop_front() {
                return Some(self.write_complete(out, platform));
            }
            let next_end = self.orders.peek().map(|&(_, ended_at)| ended_at);
            self.announce(next_end);
            let next_due = self.later.peek().map(|due| due.0.at);
            let is_due = next_due.is_some_and(|due| next_end.is_none_or(|end| due <= end));
            let Some(at) = (if is_due { next_due } else { next_end }) else {
                if !self.vouch_at_the_end() {
                    return None;
                }
                continue;
            };
            if self.vouch_before(at) {
                continue;
            }
            self.sent_at = self.sent_at.max(at);
            if is_due {
                return self.later.pop().map(|Reverse(due)| self.write_due(out, due));
            }
            let (number, ended_at) = self.orders.next()?;
            if let Some(meta) = self.write_first(out, number, ended_at) {
                return Some(meta);
            }
        }
    }

    /// Finds the orders that are accepted before the next one ends.
    fn announce(&mut self, next_end: Option<UtcMillis>) {
        let Some(scout) = &mut self.scout else { return };
        let until = next_end.map_or(UtcMillis::MAX, |end| end.plus(DURATION_MS_MAX));
        while let Some((number, ended_at)) = scout.next_if(|&(_, ended_at)| ended_at <= until) {
            let plan = self.planner.plan(number, ended_at);
            if plan.sends_open {
                self.later.push(Reverse(Due { at: plan.accepted_at, number, step: Step::Open, ended_at }));
            }
        }
    }

    /// Queues completeness records when their instant comes before `at`.
    fn vouch_before(&mut self, at: UtcMillis) -> bool {
        let Some(every_ms) = self.completeness_every_ms else { return false };
        if at < self.next_complete_at {
            return false;
        }
        // Long silences are vouched for once.
        let passed = at.since(self.next_complete_at) / every_ms;
        self.through = self.next_complete_at.plus(passed * every_ms);
        self.next_complete_at = self.through.plus(every_ms);
        self.sent_at = self.sent_at.max(self.through);
        self.completes.extend(0..PLATFORMS.len());
        true
    }

    /// Queues the last completeness records, once.
    fn vouch_at_the_end(&mut self) -> bool {
        if self.has_ended || self.completeness_every_ms.is_none() {
            return false;
        }
        self.has_ended = true;
        self.through = self.sent_at.plus(1);
        self.sent_at = self.through;
        self.completes.extend(0..PLATFORMS.len());
        true
    }

    /// The first record of an order that has ended, unless it is late; what follows later is put aside.
    fn write_first(&mut self, out: &mut Vec<u8>, number: u64, ended_at: UtcMillis) -> Option<Meta> {
        let mut plan = self.planner.plan(number, ended_at);
        let draws = &mut plan.draws;
        let mut later = |step: Step, after_ms: i64| {
            self.later.push(Reverse(Due { at: ended_at.plus(after_ms), number, step, ended_at }));
        };
        match plan.mishap {
            Mishap::None => {}
            Mishap::Duplicate => {
                // Mostly a retry within seconds, now and then one after hours.
                let far = draws.below(10) == 0;
                later(Step::Duplicate, 1 + draws.below_ms(if far { 2 * HOUR_MS } else { 30 * SECOND_MS }));
            }
            Mishap::Late => {
                later(Step::Late, 20 * MINUTE_MS + draws.below_ms(340 * MINUTE_MS));
                return None;
            }
            Mishap::Amended => later(Step::Amendment, MINUTE_MS + draws.below_ms(HOUR_MS)),
            Mishap::Stale => {
                let amended_ms = MINUTE_MS + draws.below_ms(HOUR_MS);
                later(Step::Amendment, amended_ms);
                later(Step::Stale, amended_ms + 1 + draws.below_ms(HOUR_MS));
            }
            Mishap::Conflict => later(Step::Conflict, MINUTE_MS + draws.below_ms(HOUR_MS)),
            Mishap::Bad => {
                let start = out.len();
                let meta = self.write(out, &plan, Label::Order);
                let reason = break_record(out, start, plan.draws.next());
                self.behind_bad = Some(plan);
                return Some(Meta { label: Label::Bad(reason), ..meta });
            }
        }
        Some(self.write(out, &plan, Label::Order))
    }

    fn write_due(&mut self, out: &mut Vec<u8>, due: Due) -> Meta {
        let mut plan = self.planner.plan(due.number, due.ended_at);
        let label = match due.step {
            Step::Open => Label::Open,
            Step::Late => Label::Late,
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
        self.write(out, &plan, label)
    }

    /// Revision 1: mostly another end, sometimes another region, rider or outcome.
    fn amend(&self, plan: &mut Plan) {
        plan.revision = 1;
        match plan.draws.next() % 20 {
            0 => plan.outcome = Outcome::Void,
            1 | 2 => plan.rider = plan.rider.wrapping_add(1),
            3..=7 => plan.region = self.planner.other_region(plan.region, 7),
            _ => plan.ended_at = plan.ended_at.plus(7 * MINUTE_MS),
        }
    }

    fn write(&self, out: &mut Vec<u8>, plan: &Plan, label: Label) -> Meta {
        let rider = self.planner.rider_hash(plan.rider);
        write_order(out, plan, rider, label == Label::Open);
        let (platform, topic) = PLATFORMS.get(plan.platform).copied().unwrap_or_default();
        Meta { platform, topic, sent_at: self.sent_at, rider_hash: rider.0, label }
    }

    fn write_complete(&self, out: &mut Vec<u8>, platform: usize) -> Meta {
        let (platform, topic) = PLATFORMS.get(platform).copied().unwrap_or_default();
        write_complete(out, platform, self.through);
        Meta { platform, topic, sent_at: self.sent_at, rider_hash: 0, label: Label::Complete }
    }
}
