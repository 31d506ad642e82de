//! The nearest windows around a time that is in none: day by day outward, over everything that is stored.

use super::fetch::window_of;
use super::rider_days::RiderDays;
use crate::domain::finality::CoverMargins;
use crate::domain::posting::Posting;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::view::LedgerView;
use crate::domain::window::Window;

/// Where to look.
pub(super) struct Search<'a, V> {
    pub(super) riders: &'a RiderDays<'a, V>,
    /// Sorted.
    pub(super) platforms: &'a [String],
    pub(super) reach: CoverMargins,
    /// The first and last instant that any stored version of the rider names.
    pub(super) seen: Window,
}

impl<V: LedgerView> Search<'_, V> {
    /// The window with the latest end that is not later than `at`.
    pub(super) fn before(&self, at: UtcMillis) -> Result<Option<Posting>, V::Error> {
        let Some((first, last)) = self.days() else { return Ok(None) };
        let mut best: Option<(UtcMillis, Posting)> = None;
        // A window that ends by `at` was accepted by then.
        let mut day = self.riders.zone.days_between(at, at.plus(1)).1.min(last);
        while day >= first {
            self.visit_windows(day, |window, posting| {
                if window.until <= at {
                    keep(&mut best, window.until, posting, |new, old| new > old);
                }
            })?;
            if day == first {
                break;
            }
            if let Some((end, _)) = best {
                let longest_ms = self.riders.view.longest_order_ms((first, day.plus_days(-1)));
                let latest = self.riders.zone.end_of(day.plus_days(-1));
                let latest = latest.plus(longest_ms.saturating_add(self.reach.tail_ms));
                // Earlier days end before `latest`: not even a tie is left there.
                if end >= latest {
                    break;
                }
            }
            day = day.plus_days(-1);
        }
        Ok(best.map(|(_, posting)| posting))
    }

    /// The window with the earliest start that is later than `after` (exclusive).
    pub(super) fn after(&self, after: UtcMillis) -> Result<Option<Posting>, V::Error> {
        let Some((first, last)) = self.days() else { return Ok(None) };
        let mut best: Option<(UtcMillis, Posting)> = None;
        // A window starts at its acceptance or before it.
        let mut day = self.riders.zone.days_between(after, after.plus(1)).0.max(first);
        while day <= last {
            self.visit_windows(day, |window, posting| {
                if window.from > after {
                    keep(&mut best, window.from, posting, |new, old| new < old);
                }
            })?;
            day = day.plus_days(1);
            if let Some((start, _)) = best
                && start < self.riders.zone.start_of(day).minus(self.reach.lead_ms)
            {
                break;
            }
        }
        Ok(best.map(|(_, posting)| posting))
    }

    /// The days on which the rider may have orders.
    fn days(&self) -> Option<(LocalDay, LocalDay)> {
        let (first, last) = self.riders.view.days()?;
        let seen = self.riders.zone.days_between(self.seen.from, self.seen.until.plus(1));
        Some((first.max(seen.0), last.min(seen.1)))
    }

    /// Calls `see` with every current window of the day's orders.
    fn visit_windows(&self, day: LocalDay, mut see: impl FnMut(Window, &Posting)) -> Result<(), V::Error> {
        for rider in 0..self.riders.rider_ids.len() {
            for version in self.riders.of(rider, day)?.iter() {
                let counts = version.superseded_by.is_none()
                    && self.platforms.binary_search(&version.posting.platform).is_ok();
                if let Some(window) = window_of(&version.posting).filter(|_| counts) {
                    see(window, &version.posting);
                }
            }
        }
        Ok(())
    }
}

/// Keeps the nearer one; of equally near ones the first by platform, order_id and leg.
fn keep(
    best: &mut Option<(UtcMillis, Posting)>,
    at: UtcMillis,
    posting: &Posting,
    nearer: impl Fn(UtcMillis, UtcMillis) -> bool,
) {
    let identity = |p: &Posting| (p.platform.clone(), p.order_id.clone(), p.leg);
    let wins = match best {
        None => true,
        Some((old, _)) if *old != at => nearer(at, *old),
        Some((_, held)) => identity(posting) < identity(held),
    };
    if wins {
        *best = Some((at, posting.clone()));
    }
}
