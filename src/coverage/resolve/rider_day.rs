//! One rider's part of a sealed day, by the same reads and rules as an answer about that rider and day.

use super::super::Terms;
use super::super::fetch::{Fetched, accepted_range, near, window_of};
use super::{Line, claim_open_time, disputes, reach_of, unsettled};
use crate::domain::finality::{CoverMargins, PlatformFinality};
use crate::domain::order::{Outcome, Phase};
use crate::domain::pending::Scope;
use crate::domain::platform::UnreadableRecords;
use crate::domain::posting::{Posting, StoredVersion};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use crate::seal::rider_day::{RiderDay, SealedRefusal};
use std::collections::BTreeSet;

/// The instants of a local day, as it is sealed.
pub fn span_of(terms: Terms<'_>, day: LocalDay) -> Window {
    Window::new(terms.zone.start_of(day), terms.zone.end_of(day))
}

/// The platforms on which all of `span` is settled for every rider, and on which every order that can concern it has ended:
/// all that are known, sorted. `None` when one of them is not, or none is known: then the day is not sealed yet.
///
/// An answer about the span may be final earlier, where a platform announces its orders. A seal waits for their ends, so that
/// what is sealed does not depend on when.
pub fn platforms_to_seal<V: LedgerView>(view: &V, terms: Terms<'_>, span: Window) -> Option<Vec<String>> {
    let known = view.completeness().platforms_known(terms.platforms, view.platforms_stored());
    let (reach, recorded_at) = (reach_of(view), view.as_of().recorded_at);
    let is_settled = |name: &String| {
        let mut line = PlatformFinality::new(name, view.completeness(), terms.platforms, reach);
        if line.promise().unreadable_records == UnreadableRecords::Hold {
            for window in view.unreadable_time(name, terms.platforms, line.unreadable_near(span)) {
                line.claim_unreadable(window);
            }
        }
        let last_end = span.until.plus(reach.lead_ms).plus(line.promise().max_order_duration_ms);
        let is_settled = line.stretches(span, recorded_at).iter().all(|piece| piece.unsettled.is_none());
        is_settled && line.complete_through() > Some(last_end)
    };
    (!known.is_empty() && known.iter().all(is_settled)).then_some(known)
}

/// One day that may be sealed, with what is the same for all of its riders.
#[derive(Debug)]
pub struct DayRules<'a, V> {
    view: &'a V,
    terms: Terms<'a>,
    day: LocalDay,
    span: Window,
    known: Vec<String>,
    reach: CoverMargins,
    /// When orders that can concern the day were accepted; `None` when nothing is stored.
    accepted: Option<Window>,
    /// What platforms keep undetermined for every rider.
    undetermined: Vec<Window>,
}

impl<'a, V: LedgerView> DayRules<'a, V> {
    /// The rules of a day whose span [`platforms_to_seal`] allows.
    pub fn new(view: &'a V, terms: Terms<'a>, day: LocalDay) -> Self {
        Self::of_span(view, terms, (day, span_of(terms, day)))
    }

    fn of_span(view: &'a V, terms: Terms<'a>, (day, span): (LocalDay, Window)) -> Self {
        let reach = reach_of(view);
        let known = view.completeness().platforms_known(terms.platforms, view.platforms_stored());
        let accepted = accepted_range(view, terms, span, reach);
        let mut rules = Self { view, terms, day, span, known, reach, accepted, undetermined: Vec::new() };
        rules.undetermined = rules.undetermined_of(&Fetched::default());
        rules
    }

    /// When orders that can concern the day were accepted, and from which start on an ended order can reach it.
    pub fn accepted(&self) -> Option<(Window, UtcMillis)> {
        let accepted = self.accepted?;
        let longest_ms = self.view.longest_order_ms((LocalDay(i32::MIN), LocalDay(i32::MAX)));
        Some((accepted, self.span.from.minus(longest_ms.saturating_add(self.reach.tail_ms))))
    }

    /// What is sealed of a rider, read from the state.
    ///
    /// # Errors
    /// A failure to read the state.
    pub fn rider_day(&self, rider_id: &str) -> Result<RiderDay, V::Error> {
        let versions = match self.accepted {
            Some(accepted) => self.view.rider_versions(rider_id, accepted.from, accepted.until)?,
            None => Vec::new(),
        };
        self.of_versions(rider_id, versions)
    }

    /// What is sealed of a rider with these stored versions: at least those that were accepted when [`Self::accepted`] says.
    ///
    /// # Errors
    /// A failure to read the state.
    pub fn of_versions(&self, rider_id: &str, versions: Vec<StoredVersion>) -> Result<RiderDay, V::Error> {
        let mut fetched = Fetched::default();
        fetched.add_unresolved(self.view, rider_id)?;
        let ends = ends_of(&versions, self.terms.zone);
        let mut sealed = RiderDay::new(rider_id, self.day, self.span);
        for StoredVersion { posting, superseded_by } in versions {
            match (posting.phase, superseded_by) {
                (Phase::Ended, None) => {
                    let touches = window_of(&posting).is_some_and(|window| window.overlaps(self.span));
                    // Orders that cover nothing: void ones, and those that ended when they were accepted.
                    if touches || self.span.holds(posting.accepted_at) {
                        sealed.orders.push(posting.into());
                    }
                }
                (Phase::Open, None)
                    if near(&posting, self.terms, self.reach).overlaps(self.span)
                        && !ends.contains(&end_of(&posting, self.terms.zone)) =>
                {
                    fetched.add_open(self.view, self.terms, posting, None)?;
                }
                _ => {}
            }
        }
        sealed.orders.extend(fetched.open.iter().map(|open| open.posting.clone().into()));
        let is_plain = fetched.open.is_empty() && fetched.rejected.is_empty() && fetched.conflicts.is_empty();
        if is_plain {
            sealed.undetermined.clone_from(&self.undetermined);
        } else {
            sealed.undetermined = self.undetermined_of(&fetched);
            sealed.refused = refused(&fetched, &self.lines(), self.terms, self.span);
        }
        Ok(sealed.in_order())
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let completeness = self.view.completeness();
        let line =
            |name: &'_ String| PlatformFinality::new(name, completeness, self.terms.platforms, self.reach);
        self.known.iter().map(|name| (name.as_str(), line(name))).collect()
    }

    /// The time that what was fetched, or a platform, keeps undetermined.
    fn undetermined_of(&self, fetched: &Fetched) -> Vec<Window> {
        let mut lines = self.lines();
        claim_open_time(self.view, &mut lines, fetched, self.terms, &self.known, self.span);
        let recorded_at = self.view.as_of().recorded_at;
        let stretches: Vec<_> =
            lines.iter().map(|(_, line)| line.stretches(self.span, recorded_at)).collect();
        unsettled(&stretches, self.span)
    }
}

/// An order as its end tells it, with its day.
type End = (String, String, u8, LocalDay);

fn end_of(posting: &Posting, zone: &Zone) -> End {
    (posting.platform.clone(), posting.order_id.clone(), posting.leg, zone.day(posting.accepted_at))
}

/// The ends in force among a rider's versions. An open version with its end among them ended as open orders do: within the reach of
/// identity no other version of its order is nearer than one of the same day. The others ask the state.
fn ends_of(versions: &[StoredVersion], zone: &Zone) -> BTreeSet<End> {
    if versions.iter().all(|version| version.posting.phase == Phase::Ended) {
        return BTreeSet::new();
    }
    let in_force = |version: &&StoredVersion| {
        version.superseded_by.is_none()
            && version.posting.phase == Phase::Ended
            && version.posting.outcome != Some(Outcome::Void)
    };
    versions.iter().filter(in_force).map(|version| end_of(&version.posting, zone)).collect()
}

/// The unresolved records that name the rider and may concern the span.
fn refused(fetched: &Fetched, lines: &[Line<'_>], terms: Terms<'_>, span: Window) -> Vec<SealedRefusal> {
    let is_known = |name: &str| lines.iter().any(|(known, _)| *known == name);
    let rejected = fetched.rejected.iter().filter(|record| {
        let scope = Scope::of(record, is_known);
        let concerns = |(name, line): &Line<'_>| {
            scope.contains(name, terms.platforms) && line.rejected_window(record).overlaps(span)
        };
        lines.iter().any(concerns)
    });
    let conflicts = fetched.conflicts.iter().filter(|conflict| disputes(conflict, lines, span));
    rejected.chain(conflicts.map(|conflict| &conflict.record)).map(SealedRefusal::of).collect()
}

#[cfg(test)]
mod tests;
