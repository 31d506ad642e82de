//! Booking periods: when an amount was booked, beside the event day, which says when its order was accepted.
//!
//! Every commit books into the one open period. A correction of an order whose charge lies in a closed period changes
//! nothing there: it books the reversal of the old charge and the new charge in the open period, each on its own event day.
//! So the totals of a closed period never change, and those of all periods up to one are what was known when it closed.

use super::time::UtcMillis;
use std::fmt;

/// The number of a booking period, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeriodNo(u32);

impl PeriodNo {
    /// The period of the first commit.
    pub const FIRST: Self = Self(1);

    /// A number; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The period after it; `None` after the last one that has a number.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl Default for PeriodNo {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for PeriodNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A commit that opens or closes a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodBound {
    /// Its number.
    pub commit: u64,
    /// Its instant.
    pub at: UtcMillis,
}

/// How a period was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The commit, which books nothing and opens the next period.
    pub bound: PeriodBound,
    /// Why, in the words of who closed it.
    pub note: String,
}

/// A booking period: the commits after the one that opened it, up to the one that closed it. The first one is opened by
/// the first commit, which books into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingPeriod {
    /// The commit that opened it.
    pub opened: PeriodBound,
    /// `None` of the open period.
    pub closed: Option<Closing>,
}
