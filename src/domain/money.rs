//! Exact money: millionths of a yuan in an `i64`, checked arithmetic, never a float.

use rust_decimal::{Decimal, RoundingStrategy};
use std::fmt;

/// An amount in millionths of a yuan. Premiums of single orders have up to six decimals; nothing is rounded before the
/// statement line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(i64);

impl Micros {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// An amount of `micros` millionths of a yuan.
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths of a yuan.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The exact amount of `yuan`; `None` when it has more than six decimals or does not fit.
    pub fn from_decimal(yuan: Decimal) -> Option<Self> {
        let micros = yuan.checked_mul(Decimal::from(1_000_000))?;
        if !micros.fract().is_zero() {
            return None;
        }
        i64::try_from(micros.trunc().mantissa().checked_div(10_i128.checked_pow(micros.trunc().scale())?)?)
            .ok()
            .map(Self)
    }

    /// The sum, or `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The amount as a decimal with six decimals.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 6)
    }

    /// The amount rounded half up (away from zero) to the cent, with two decimals: the only rounding there is, done
    /// once a statement line.
    pub fn rounded_to_cent(self) -> Decimal {
        let mut cents = self.to_decimal().round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        cents.rescale(2);
        cents
    }

    /// Yuan with as few decimals as the amount needs, e.g. `0.25`.
    pub fn to_short_string(self) -> String {
        self.to_decimal().normalize().to_string()
    }
}

/// Yuan with six decimals, e.g. `0.250000`.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        assert_eq!(Micros::from_decimal(Decimal::new(56, 3)), Some(Micros::new(56_000)));
        assert_eq!(Micros::from_decimal(Decimal::new(1, 7)), None);
        assert_eq!(Micros::from_decimal(Decimal::MAX), None);
        assert_eq!(Micros::from_decimal(Decimal::new(2, 0)), Some(Micros::new(2_000_000)));
        assert_eq!(Micros::new(250_000).to_string(), "0.250000");
        assert_eq!(Micros::new(250_000).to_short_string(), "0.25");
    }

    #[test]
    fn half_a_cent_rounds_up() {
        assert_eq!(Micros::new(5_000).rounded_to_cent().to_string(), "0.01");
        assert_eq!(Micros::new(4_999).rounded_to_cent().to_string(), "0.00");
        assert_eq!(Micros::new(-5_000).rounded_to_cent().to_string(), "-0.01");
    }
}
