//! Sums of orders and money: the lines of statements.

use super::charge::ChargeSource;
use super::money::Micros;
use super::order::Region;

/// The key of a statement line within one local day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotalKey {
    /// Platform.
    pub platform: String,
    /// Region.
    pub region: Region,
    /// Category.
    pub category: String,
    /// What the charges are for.
    pub source: ChargeSource,
}

/// Net counts and money of one [`TotalKey`] (a difference while it is summed, hence signed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Total {
    /// Orders charged.
    pub orders_charged: i64,
    /// Their premium.
    pub premium: Micros,
    /// Covered, not charged: completed.
    pub uncharged_completed: i64,
    /// Covered, not charged: cancelled.
    pub uncharged_cancelled: i64,
    /// Covered, not charged: interrupted.
    pub uncharged_interrupted: i64,
    /// Covered, not charged: transferred.
    pub uncharged_transferred: i64,
    /// Of a charged outcome, but without a rate.
    pub unrated: i64,
}
