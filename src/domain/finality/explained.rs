//! The claims of a platform one by one, and what made them: what an explanation names.

use super::{PlatformFinality, Stretch, Unsettled, UnsettledReason};
use crate::domain::completeness::{Completeness, PlatformFacts};
use crate::domain::platform::Promise;
use crate::domain::time::UtcMillis;
use crate::domain::window::Window;

/// Why records of a partition are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// It was not read from offset 0.
    LateStart,
    /// An operator let the ledger continue behind records that could not be read.
    Skip,
}

/// Records of a partition that were never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// Why.
    pub cause: GapCause,
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// When the missing records may have arrived; the end is `UtcMillis::MAX` until a later record is read.
    pub lost: Window,
}

/// What is missing of a platform's partitions and was not stated to be complete since.
pub fn gaps<'a>(
    facts: &'a PlatformFacts,
    promise: &'a Promise,
    completeness: &'a Completeness,
) -> impl Iterator<Item = Gap<'a>> {
    let bound_now = promise.topics.iter().filter(|topic| !facts.topics.contains(*topic));
    let topics = facts.topics.iter().chain(bound_now);
    let read = topics.filter_map(|topic| Some((topic, completeness.topics.get(topic)?)));
    let late_starts = read.flat_map(move |(topic, read)| {
        read.partitions.iter().filter_map(move |(&partition, read)| {
            let until = read.lost_until().filter(|&until| facts.stated_through < Some(until))?;
            let lost = Window::new(UtcMillis::MIN, until);
            Some(Gap { cause: GapCause::LateStart, topic, partition, lost })
        })
    });
    let skips = facts.skips.iter().map(|span| Gap {
        cause: GapCause::Skip,
        topic: &span.topic,
        partition: span.partition,
        lost: Window::new(span.from, span.until.unwrap_or(UtcMillis::MAX)),
    });
    late_starts.chain(skips)
}

impl PlatformFinality {
    /// The time that a gap keeps unsettled: orders that were accepted in it reach beyond its end.
    pub fn gap_window(&self, gap: &Gap<'_>) -> Window {
        Window::new(gap.lost.from, gap.lost.until.plus(self.aftermath_ms()))
    }

    /// Each claim on some of `within`, cut to it; several may name one reason, and they may overlap.
    pub fn claims_within(&self, within: Window, recorded_at: UtcMillis) -> Vec<Stretch> {
        let touching = self.claims.iter().filter_map(|claim| Some((claim, claim.window.cut(within)?)));
        let stretch = |(claim, window): (&super::Claim, Window)| Stretch {
            window,
            unsettled: Some(Unsettled {
                reason: claim.reason,
                ask_again_at: claim.ask_again.at(window, recorded_at),
            }),
        };
        touching.map(stretch).collect()
    }

    /// The end of the time before which the platform's records do not reach; `None` when they always do.
    pub fn before_records_until(&self) -> Option<UtcMillis> {
        let before = self.claims.iter().find(|claim| claim.reason == UnsettledReason::BeforeRecords);
        before.map(|claim| claim.window.until)
    }

    /// Since when every order is announced when it is accepted, so that no unknown order lies at an instant; `None` when none is.
    pub fn announced_from(&self) -> Option<UtcMillis> {
        self.promise.streams_open_orders_from.map(|from| from.plus(self.aftermath_ms()))
    }

    /// What `complete_through` must be later than, so that nothing about a time is incomplete; and whether the longest order counts
    /// in it: it does not where every order is announced.
    pub fn complete_after(&self, time: Window) -> (UtcMillis, bool) {
        let announced_from = self.announced_from().unwrap_or(UtcMillis::MAX);
        let ended = Window::new(time.from, time.until.min(announced_from));
        let announced = Window::new(time.from.max(announced_from), time.until);
        let last = |part: Window, after_ms: i64| {
            if part.is_empty() { UtcMillis::MIN } else { part.until.minus(1).plus(after_ms) }
        };
        let (by_end, by_start) = (last(ended, self.ended_ms()), last(announced, self.reach.lead_ms));
        (by_end.max(by_start), by_end >= by_start)
    }

    /// The widest cover around an order.
    pub const fn margins(&self) -> super::CoverMargins {
        self.reach
    }
}
