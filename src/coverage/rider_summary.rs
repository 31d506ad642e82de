//! What is known of a person at all, without reading every order: the ends of the time, and one order for each platform.

use super::rider_days::RiderDays;
use crate::domain::rider_seen::RiderSeen;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::LedgerView;

/// First and last instant of the riders' stored versions, and the platforms that named them; `None` when none did.
pub(super) fn rider_seen<V: LedgerView>(days: &RiderDays<'_, V>) -> Result<Option<RiderSeen>, V::Error> {
    let mut all: Option<RiderSeen> = None;
    for rider in 0..days.rider_ids.len() {
        join(&mut all, seen(days, rider)?);
    }
    Ok(all)
}

/// Whether any stored order names this rider, superseded versions included.
///
/// # Errors
/// What reading the ledger fails with.
pub fn rider_is_stored<V: LedgerView>(view: &V, zone: &Zone, rider_id: &str) -> Result<bool, V::Error> {
    let rider_ids = [rider_id.to_owned()];
    let days = RiderDays::new(view, zone, &rider_ids);
    for day in view.days_stored().rev() {
        if !days.of(0, day)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn join(all: &mut Option<RiderSeen>, here: Option<RiderSeen>) {
    match (all.as_mut(), here) {
        (Some(all), Some(here)) => all.join(here),
        (None, here) => *all = here,
        (Some(_), None) => {}
    }
}

fn seen<V: LedgerView>(days: &RiderDays<'_, V>, rider: usize) -> Result<Option<RiderSeen>, V::Error> {
    let mut first: Option<RiderSeen> = None;
    for day in days.view.days_stored() {
        if first.as_ref().is_some_and(|seen| seen.first <= days.zone.start_of(day)) {
            break;
        }
        join(&mut first, RiderSeen::of(days.of(rider, day)?.iter()));
    }
    let Some(mut all) = first else { return Ok(None) };
    see_last(days, rider, &mut all)?;
    see_platforms(days, rider, &mut all)?;
    Ok(Some(all))
}

/// From the newest day back, until no earlier order can have ended later.
fn see_last<V: LedgerView>(
    days: &RiderDays<'_, V>,
    rider: usize,
    all: &mut RiderSeen,
) -> Result<(), V::Error> {
    let Some((first, _)) = days.view.days() else { return Ok(()) };
    let mut newest: Option<UtcMillis> = None;
    for day in days.view.days_stored().rev() {
        let latest = || days.zone.end_of(day).plus(days.view.longest_order_ms((first, day)));
        if newest.is_some_and(|newest| latest() <= newest) {
            break;
        }
        if let Some(here) = RiderSeen::of(days.of(rider, day)?.iter()) {
            newest = newest.max(Some(here.last));
            all.join(here);
        }
    }
    Ok(())
}

/// The platforms that named the rider on no day seen so far.
fn see_platforms<V: LedgerView>(
    days: &RiderDays<'_, V>,
    rider: usize,
    all: &mut RiderSeen,
) -> Result<(), V::Error> {
    let Some(rider_id) = days.rider_ids.get(rider) else { return Ok(()) };
    let mut missing = days.view.platforms_stored();
    missing.retain(|platform| !names(all, platform));
    for day in days.view.days_stored().rev() {
        if missing.is_empty() {
            break;
        }
        if days.view.may_have_orders_of(rider_id, day, &missing)?
            && let Some(here) = RiderSeen::of(days.of(rider, day)?.iter())
        {
            missing.retain(|platform| !names(&here, platform));
            all.join(here);
        }
    }
    Ok(())
}

fn names(seen: &RiderSeen, platform: &str) -> bool {
    seen.platforms.binary_search_by(|known| known.as_str().cmp(platform)).is_ok()
}
