//! What a platform pays, and for what: a charge names its source.
//!
//! Every charge today is for an order. The stored form has a code for the source of each charge and of each total, so that
//! charges without an order (a month of headcount, an adjustment) can join without another format.

use super::money::Micros;
use super::posting::{ConfigNo, RuleNo};

/// What a charge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargeSource {
    /// One version of one order.
    Order,
}

impl ChargeSource {
    /// Every source.
    pub const ALL: [Self; 1] = [Self::Order];
}

/// What the tariff makes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Price {
    /// An open or void order: nothing to charge.
    None,
    /// The outcome is covered, not charged.
    Uncharged,
    /// A charged outcome for which the tariff has no rate: covered, counted, priced when the tariff is mended.
    Unrated,
    /// Rate times factor, exact.
    Charged {
        /// The premium.
        premium: Micros,
        /// The rate rule that applied.
        rate: RuleNo,
        /// The factor rule that applied, if any.
        factor: Option<RuleNo>,
    },
}

/// What a platform pays for one source, as one configuration decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Charge {
    /// What it is for.
    pub source: ChargeSource,
    /// The configuration that decided.
    pub config: ConfigNo,
    /// How much.
    pub price: Price,
}

impl Charge {
    /// The charge for an order.
    pub const fn of_order(config: ConfigNo, price: Price) -> Self {
        Self { source: ChargeSource::Order, config, price }
    }

    /// The charge for an order that no tariff has priced: a tombstone, or an event that is not booked.
    pub const UNPRICED: Self = Self::of_order(ConfigNo(0), Price::None);
}
