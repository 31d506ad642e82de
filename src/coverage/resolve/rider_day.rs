//! One rider's part of a sealed day, by the same reads and rules as an answer about that rider and day.

use super::super::Terms;
use super::super::fetch::{Fetched, fetch};
use super::super::rider_days::RiderDays;
use super::{Line, claim_open_time, cover, disputes, reach_of, unsettled};
use crate::domain::finality::PlatformFinality;
use crate::domain::order::Phase;
use crate::domain::pending::Scope;
use crate::domain::platform::UnreadableRecords;
use crate::domain::posting::Posting;
use crate::domain::time::LocalDay;
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use crate::seal::rider_day::{RiderDay, SealedOrder, SealedRefusal};

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

/// What is sealed of a rider on a day whose span [`platforms_to_seal`] allows.
///
/// `None` when a time of an order has no text: it lies outside the years 0000 to 9999.
///
/// # Errors
/// A failure to read the state.
pub fn rider_day<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    rider_id: &str,
    (day, span): (LocalDay, Window),
) -> Result<Option<RiderDay>, V::Error> {
    let known = view.completeness().platforms_known(terms.platforms, view.platforms_stored());
    let (reach, rider_ids) = (reach_of(view), [rider_id.to_owned()]);
    let days = RiderDays::new(view, terms.zone, &rider_ids);
    let fetched = fetch(&days, terms, span, reach, &known)?;
    let line_of = |name: &'_ String| PlatformFinality::new(name, view.completeness(), terms.platforms, reach);
    let mut lines: Vec<Line<'_>> = known.iter().map(|name| (name.as_str(), line_of(name))).collect();
    let (_, covering) = cover(&fetched, &lines, span);
    let mut orders: Vec<Option<SealedOrder>> = covering.into_iter().map(SealedOrder::of).collect();
    orders.extend(fetched.open.iter().map(|open| SealedOrder::of(&open.posting)));
    // Orders that cover nothing: void ones, and those that ended when they were accepted.
    days.visit(0, (span.from, span.until), |version| {
        let posting: &Posting = &version.posting;
        if version.superseded_by.is_none() && posting.phase == Phase::Ended {
            orders.push(SealedOrder::of(posting));
        }
        Ok(())
    })?;
    claim_open_time(view, &mut lines, &fetched, terms, &known, span);
    let recorded_at = view.as_of().recorded_at;
    let stretches: Vec<_> = lines.iter().map(|(_, line)| line.stretches(span, recorded_at)).collect();
    let mut sealed = RiderDay::new(rider_id, day, span);
    sealed.undetermined = unsettled(&stretches, span);
    sealed.refused = refused(&fetched, &lines, terms, span);
    let Some(orders) = orders.into_iter().collect::<Option<Vec<SealedOrder>>>() else { return Ok(None) };
    sealed.orders = orders;
    Ok(Some(sealed.in_order()))
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
