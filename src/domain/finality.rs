//! Whether an absence of records is final: the state of one platform over a stretch of time.
//!
//! A [`PlatformFinality`] collects what may keep an instant from being settled as claims over stretches of time, so that
//! a question about an instant, a minute or a month takes one path: cut the claims to the question and name, for each
//! piece, the first reason that applies.

use super::completeness::{Completeness, PlatformFacts};
use super::pending::{PendingKind, RecordTimes, conflict_window};
use super::platform::{Platforms, Promise};
use super::posting::Posting;
use super::rejection::Rejection;
use super::time::UtcMillis;
use super::window::{Window, subtract, union};

/// The shortest wait for what is overdue.
const OVERDUE_WAIT_MIN_MS: i64 = 60_000;
/// The longest.
const OVERDUE_WAIT_MAX_MS: i64 = 86_400_000;

/// The widest cover around an order of any cover rule that was ever in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CoverMargins {
    /// Before `accepted_at`.
    pub lead_ms: i64,
    /// After `ended_at`.
    pub tail_ms: i64,
}

/// Why an instant is not settled on a platform, first that applies first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnsettledReason {
    /// Before the platform's records start (or before what retention left).
    BeforeRecords,
    /// Records are missing: lost before they were read, or skipped.
    Gap,
    /// Records that concern the instant may still arrive.
    Incomplete,
    /// The rider has an order there whose end is not known.
    OrderOpen,
    /// A rejected record names the rider and may concern the instant.
    RejectedRecord,
    /// A rejected record in which no rider can be read may concern the instant.
    UnreadableRecord,
    /// A conflicting record would add cover of the instant to the rider.
    ConflictingRecord,
}

impl UnsettledReason {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeRecords => "before_records",
            Self::Gap => "gap",
            Self::Incomplete => "incomplete",
            Self::OrderOpen => "order_open",
            Self::RejectedRecord => PendingKind::Rejected.as_str(),
            Self::UnreadableRecord => PendingKind::Unreadable.as_str(),
            Self::ConflictingRecord => PendingKind::Conflicting.as_str(),
        }
    }
}

/// Why a stretch is not settled, and when it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The first reason that applies.
    pub reason: UnsettledReason,
    /// `None` when time alone will not help.
    pub ask_again_at: Option<UtcMillis>,
}

/// A piece of a question, settled or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The piece.
    pub window: Window,
    /// `None` when it is settled.
    pub unsettled: Option<Unsettled>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskAgain {
    /// Time alone will not help.
    Never,
    At(UtcMillis),
    /// So long after the end of the piece.
    AfterEnd(i64),
}

impl AskAgain {
    /// When to ask again about a piece.
    fn at(self, piece: Window, recorded_at: UtcMillis) -> Option<UtcMillis> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(not_before(recorded_at, at)),
            Self::AfterEnd(after_ms) => Some(not_before(recorded_at, piece.until.plus(after_ms))),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    window: Window,
    reason: UnsettledReason,
    ask_again: AskAgain,
}

/// One platform as one committed state sees it.
#[derive(Clone, Debug)]
pub struct PlatformFinality {
    complete_through: Option<UtcMillis>,
    promise: Promise,
    reach: CoverMargins,
    /// From the end of what `complete_through` must pass to the instant at which it can; `None` without topics.
    delay_ms: Option<i64>,
    claims: Vec<Claim>,
    first_rider_claim: usize,
}

impl PlatformFinality {
    /// The state of a platform that concerns every rider.
    pub fn new(
        platform: &str,
        completeness: &Completeness,
        platforms: &Platforms,
        reach: CoverMargins,
    ) -> Self {
        let promise = platforms.get(platform).clone();
        let none = PlatformFacts::default();
        let facts = completeness.platforms.get(platform).unwrap_or(&none);
        let delay_ms = if facts.sends_completeness() { 0 } else { promise.delivery_delay_ms };
        let mut line = Self {
            complete_through: facts.complete_through,
            reach,
            delay_ms: (!promise.topics.is_empty()).then_some(delay_ms),
            claims: Vec::new(),
            first_rider_claim: 0,
            promise,
        };
        line.claim_before_records(completeness.dropped_until);
        line.claim_gaps(facts, completeness);
        line.claim_incomplete();
        line.first_rider_claim = line.claims.len();
        line
    }

    /// Everything of the platform about earlier instants has arrived.
    pub fn complete_through(&self) -> Option<UtcMillis> {
        self.complete_through
    }

    /// What the platform promises.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    fn max_ms(&self) -> i64 {
        self.promise.max_order_duration_ms
    }

    /// After a stretch without records, orders that were accepted inside it reach so far into the recorded time.
    fn aftermath_ms(&self) -> i64 {
        self.max_ms().saturating_add(self.reach.tail_ms)
    }

    fn claim(&mut self, window: Window, reason: UnsettledReason, ask_again: AskAgain) {
        if !window.is_empty() {
            self.claims.push(Claim { window, reason, ask_again });
        }
    }

    fn claim_before_records(&mut self, dropped_until: Option<UtcMillis>) {
        let starts = match self.promise.records_from {
            None => UtcMillis::MAX,
            Some(from) if self.promise.complete_start => from,
            Some(from) => from.plus(self.aftermath_ms()),
        };
        let kept = dropped_until.map_or(UtcMillis::MIN, |until| until.plus(self.aftermath_ms()));
        let window = Window::new(UtcMillis::MIN, starts.max(kept));
        self.claim(window, UnsettledReason::BeforeRecords, AskAgain::Never);
    }

    fn claim_gaps(&mut self, facts: &PlatformFacts, completeness: &Completeness) {
        let gaps = gaps(facts, &self.promise, completeness).map(|gap| self.gap_window(&gap)).collect();
        for gap in union(gaps) {
            self.claim(gap, UnsettledReason::Gap, AskAgain::Never);
        }
    }

    /// While any order may still arrive, `complete_through` must pass the end of the longest order around the instant;
    /// where every order is announced when it is accepted, only its acceptance.
    fn claim_incomplete(&mut self) {
        let ask = |after_ms: i64| {
            self.delay_ms.map_or(AskAgain::Never, |delay| AskAgain::AfterEnd(after_ms.saturating_add(delay)))
        };
        let (ask_ended, ask_announced) = (ask(self.ended_ms()), ask(self.reach.lead_ms));
        let [ended, announced] = self.incomplete(self.complete_through);
        self.claim(ended, UnsettledReason::Incomplete, ask_ended);
        self.claim(announced, UnsettledReason::Incomplete, ask_announced);
    }

    /// How far `complete_through` must pass an instant where an order is known by its end only.
    fn ended_ms(&self) -> i64 {
        self.reach.lead_ms.saturating_add(self.max_ms())
    }

    /// What a `complete_through` leaves incomplete: before open events were sent, and since.
    pub fn incomplete(&self, complete_through: Option<UtcMillis>) -> [Window; 2] {
        let announced_from = self.announced_from().unwrap_or(UtcMillis::MAX);
        let through = complete_through.unwrap_or(UtcMillis::MIN);
        let ended = Window::new(through.minus(self.ended_ms()), announced_from);
        let announced = Window::new(through.minus(self.reach.lead_ms).max(announced_from), UtcMillis::MAX);
        [ended, announced]
    }

    /// The stretch over which an open order may cover its rider: up to the longest order, or up to an end that was reported
    /// of another rider.
    pub fn open_window(&self, open: &Posting, ended_elsewhere_at: Option<UtcMillis>) -> Window {
        let from = open.accepted_at.minus(self.reach.lead_ms);
        let latest = open.accepted_at.plus(self.aftermath_ms());
        // An end before the start is that of an earlier order with the same number.
        let ended_at = ended_elsewhere_at.filter(|&ended_at| ended_at >= open.accepted_at);
        let until = ended_at.map_or(latest, |ended_at| ended_at.plus(self.reach.tail_ms).min(latest));
        Window::new(from, until)
    }

    /// What an open order covers for certain: until `complete_through`, for its end would have arrived; nothing once
    /// the longest order has passed; and nothing in a gap, where its end may have been lost.
    pub fn open_cover(&self, open: &Posting) -> Vec<Window> {
        match self.complete_through {
            Some(through) if through <= open.accepted_at.plus(self.max_ms()) => {
                let gaps: Vec<Window> = self
                    .claims
                    .iter()
                    .filter(|claim| claim.reason == UnsettledReason::Gap)
                    .map(|claim| claim.window)
                    .collect();
                subtract(Window::new(open.starts_at(), through), &gaps)
            }
            _ => Vec::new(),
        }
    }

    /// The rider has an open order here.
    pub fn claim_open(&mut self, open: &Posting, ended_elsewhere_at: Option<UtcMillis>) {
        let window = self.open_window(open, ended_elsewhere_at);
        let longest_until = open.accepted_at.plus(self.max_ms());
        let ask_again = match self.delay_ms {
            // Its end is due; when that did not come, no later time will bring it.
            Some(delay) if ended_elsewhere_at.is_none() && self.complete_through <= Some(longest_until) => {
                AskAgain::At(longest_until.plus(delay))
            }
            _ => AskAgain::Never,
        };
        self.claim(window, UnsettledReason::OrderOpen, ask_again);
    }

    /// A window with the widest cover around it.
    pub fn with_cover(&self, window: Window) -> Window {
        Window::new(window.from.minus(self.reach.lead_ms), window.until.plus(self.reach.tail_ms))
    }

    /// The stretch that a rejected record may concern.
    pub fn rejected_window(&self, rejection: &Rejection) -> Window {
        self.with_cover(RecordTimes::of(rejection).window(&self.promise))
    }

    /// The stretch of cover that a conflicting record would add; `None` when it adds none. `ended` is the current ended
    /// version of its order.
    pub fn conflict_window(&self, conflict: &Rejection, ended: Option<&Posting>) -> Option<Window> {
        let window = conflict_window(conflict, ended, &self.promise)?;
        Some(self.with_cover(window)).filter(|window| !window.is_empty())
    }

    /// An unresolved rejected record names the rider and counts here.
    pub fn claim_rejected(&mut self, rejection: &Rejection) {
        self.claim(self.rejected_window(rejection), UnsettledReason::RejectedRecord, AskAgain::Never);
    }

    /// The time of records, lead and tail not counted, that can concern some of `around`.
    pub fn unreadable_near(&self, around: Window) -> Window {
        Window::new(around.from.minus(self.reach.tail_ms), around.until.plus(self.reach.lead_ms))
    }

    /// Unresolved records in which no rider can be read may concern this time, lead and tail not counted.
    pub fn claim_unreadable(&mut self, window: Window) {
        self.claim(self.with_cover(window), UnsettledReason::UnreadableRecord, AskAgain::Never);
    }

    /// An unresolved conflicting record would add this cover.
    pub fn claim_conflicting(&mut self, window: Window) {
        self.claim(window, UnsettledReason::ConflictingRecord, AskAgain::Never);
    }

    /// Where the platform is not settled, for every rider: all of it, and what of it is a gap.
    pub fn unsettled_for_all(&self) -> [Vec<Window>; 2] {
        let of_all = self.claims.iter().take(self.first_rider_claim);
        let gaps = of_all.clone().filter(|claim| claim.reason == UnsettledReason::Gap);
        [union(of_all.map(|claim| claim.window).collect()), union(gaps.map(|claim| claim.window).collect())]
    }

    /// Removes the claims of the rider: what [`Self::new`] made is left.
    pub fn clear_rider_claims(&mut self) {
        self.claims.truncate(self.first_rider_claim);
    }

    /// `within` in pieces, ascending, without holes. `recorded_at` is the instant of the state: it is no use to ask
    /// again before, nor at once where something is overdue.
    pub fn stretches(&self, within: Window, recorded_at: UtcMillis) -> Vec<Stretch> {
        let mut cuts: Vec<UtcMillis> = Vec::with_capacity(2 * self.claims.len() + 2);
        cuts.extend([within.from, within.until]);
        let touching: Vec<Claim> =
            self.claims.iter().copied().filter(|c| c.window.overlaps(within)).collect();
        let ends = touching.iter().flat_map(|claim| [claim.window.from, claim.window.until]);
        cuts.extend(ends.filter(|&at| within.from < at && at < within.until));
        cuts.sort_unstable();
        cuts.dedup();
        let mut pieces = Vec::with_capacity(cuts.len());
        for (&from, &until) in cuts.iter().zip(cuts.iter().skip(1)) {
            let window = Window::new(from, until);
            let holding = touching.iter().filter(|claim| claim.window.contains(window));
            let unsettled = holding.min_by_key(|claim| claim.reason).map(|claim| Unsettled {
                reason: claim.reason,
                ask_again_at: claim.ask_again.at(window, recorded_at),
            });
            pieces.push(Stretch { window, unsettled });
        }
        pieces
    }

    /// The parts of `within` that are settled.
    pub fn settled(&self, within: Window) -> impl Iterator<Item = Window> {
        self.stretches(within, UtcMillis::MIN)
            .into_iter()
            .filter(|piece| piece.unsettled.is_none())
            .map(|piece| piece.window)
    }
}

/// When to ask again for what was due at an instant. What is overdue at `recorded_at` is most likely as long in coming as
/// it has been overdue: not now, or a client that obeys would ask without end; and a day from now at the latest.
fn not_before(recorded_at: UtcMillis, due: UtcMillis) -> UtcMillis {
    if recorded_at < due {
        return due;
    }
    recorded_at.plus(recorded_at.since(due).clamp(OVERDUE_WAIT_MIN_MS, OVERDUE_WAIT_MAX_MS))
}

mod explained;

pub use explained::{Gap, GapCause, gaps};

#[cfg(test)]
mod tests;
