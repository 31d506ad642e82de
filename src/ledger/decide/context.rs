//! What decisions depend on besides the batch and the runs.

use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::ledger::lookup::version_history::{Item, Step};
use std::collections::HashSet;

/// What the decisions need besides batch and runs.
#[derive(Clone, Copy, Debug)]
pub struct DecideContext<'a> {
    /// Days either side of its own in which an event meets its identity.
    pub identity_days: i32,
    /// The zone of days.
    pub zone: &'a Zone,
    /// Platforms of which open orders are stored: their events are looked up in both phases.
    pub with_open: &'a HashSet<String>,
    /// Days before it were dropped by retention.
    pub retention_line: Option<LocalDay>,
}

impl DecideContext<'_> {
    /// Whether orders of this day are refused.
    pub(crate) fn is_dropped(&self, day: LocalDay) -> bool {
        self.retention_line.is_some_and(|line| day < line)
    }

    /// Whether an event amends an order of a day whose rows are gone, as far as the ledger can know: `current` is the step
    /// that is known of it. Booked beside the dropped one, one order might be charged twice.
    pub(crate) fn amends_dropped(&self, current: Option<&Item>, previous: Option<UtcMillis>) -> bool {
        let Some(line) = self.retention_line else { return false };
        let given_up = |at: UtcMillis| self.zone.day(at) < line.plus_days(-self.identity_days);
        match current.map(|current| &current.step) {
            Some(Step::Moved(to)) => given_up(*to),
            Some(_) => false,
            None => previous.is_some_and(given_up),
        }
    }
}
