//! What is known of a rider at all, without reading every order: the ends of the rider's time and one order for each
//! platform.

use super::error::Outcome;
use super::run::Run;
use super::snapshot::Snapshot;
use crate::domain::time::UtcMillis;
use crate::domain::view::{LedgerView, RiderSeen};

const EVER: (UtcMillis, UtcMillis) = (UtcMillis::MIN, UtcMillis::MAX);

impl Snapshot {
    /// First and last instant of the rider's stored versions, and the platforms that named the rider.
    pub(super) fn seen(&self, rider_id: &str) -> Outcome<Option<RiderSeen>> {
        let mut seen: Option<RiderSeen> = None;
        for (_, runs) in self.kept() {
            for run in runs {
                join(&mut seen, seen_in(run, rider_id)?);
            }
            if seen.is_some() {
                break;
            }
        }
        let Some(mut all) = seen.take() else { return Ok(None) };
        self.see_last(rider_id, &mut all)?;
        let mut missing = self.platforms_stored();
        missing.retain(|platform| all.platforms.binary_search(platform).is_err());
        for run in self.kept().rev().flat_map(|(_, runs)| runs) {
            if missing.is_empty() {
                break;
            }
            let named = run.platforms_of(rider_id)?;
            if named.iter().any(|name| missing.iter().any(|platform| **platform == **name))
                && let Some(here) = seen_in(run, rider_id)?
            {
                missing.retain(|platform| here.platforms.binary_search(platform).is_err());
                all.join(here);
            }
        }
        Ok(Some(all))
    }

    /// From the newest day back, until no earlier order can have ended later.
    fn see_last(&self, rider_id: &str, all: &mut RiderSeen) -> Outcome<()> {
        let mut newest: Option<UtcMillis> = None;
        for (day, runs) in self.kept().rev() {
            let day_end = self.zone().start_of(day.plus_days(1));
            let longest_ms = runs.iter().map(|run| run.entry.longest_ms).max().unwrap_or(0);
            if newest.is_some_and(|newest| day_end.plus(longest_ms) <= newest) {
                break;
            }
            for run in runs {
                if let Some(here) = seen_in(run, rider_id)? {
                    newest = newest.max(Some(here.last));
                    all.join(here);
                }
            }
        }
        Ok(())
    }
}

fn join(seen: &mut Option<RiderSeen>, here: Option<RiderSeen>) {
    match (seen.as_mut(), here) {
        (Some(seen), Some(here)) => seen.join(here),
        (None, here) => *seen = here,
        (Some(_), None) => {}
    }
}

/// What one run knows of a rider.
fn seen_in(run: &Run, rider_id: &str) -> Outcome<Option<RiderSeen>> {
    let mut seen = None;
    if !run.may_know(rider_id)? {
        return Ok(seen);
    }
    run.visit_rider(rider_id, EVER, |row| {
        let class = run.class(row.class)?;
        if row.moved_to.is_none() {
            let last = row.ended_at.unwrap_or(row.accepted_at).max(row.accepted_at);
            let here =
                RiderSeen { first: row.accepted_at, last, platforms: vec![class.platform.to_string()] };
            join(&mut seen, Some(here));
        }
        Ok(())
    })?;
    Ok(seen)
}
