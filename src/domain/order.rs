//! What a platform says about one order: identity and content.

use super::time::UtcMillis;
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::fmt;

/// Longest platform name, in bytes.
pub const PLATFORM_BYTES_MAX: usize = 32;
/// Longest order or rider identifier, in bytes.
pub const ID_BYTES_MAX: usize = 256;
/// Highest revision: the largest integer that JSON readers everywhere keep exactly (2^53 - 1).
pub const REVISION_MAX: u64 = 9_007_199_254_740_991;

/// Which part of an order's life an event tells: `open` when it has no end yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Accepted by the rider, no end known: never charged.
    Open,
    /// Accepted and ended.
    Ended,
}

impl Phase {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
        }
    }
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Delivered: the default.
    Completed,
    /// Called off after the rider had accepted.
    Cancelled,
    /// Broken off on the way.
    Interrupted,
    /// Handed to another rider.
    Transferred,
    /// Recorded by mistake: no cover, no charge.
    Void,
}

impl Outcome {
    /// Every outcome, in the order of the contract.
    pub const ALL: [Self; 5] =
        [Self::Completed, Self::Cancelled, Self::Interrupted, Self::Transferred, Self::Void];

    /// The name in events and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Transferred => "transferred",
            Self::Void => "void",
        }
    }

    /// The outcome of that name; letter case counts.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// A county-level code of GB/T 2260: six digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u32);

impl Region {
    /// 000000, which no county has.
    pub const NONE: Self = Self(0);

    /// Reads six ASCII digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 6 {
            return None;
        }
        let mut code = 0;
        for &byte in text {
            if !byte.is_ascii_digit() {
                return None;
            }
            code = code * 10 + u32::from(byte - b'0');
        }
        Some(Self(code))
    }

    /// The region of a code below 1,000,000.
    pub fn from_code(code: u32) -> Option<Self> {
        (code < 1_000_000).then_some(Self(code))
    }

    /// The six digits as a number.
    pub const fn code(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// A valid order event (input contract, version 1), borrowing from the record it was decoded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent<'a> {
    /// `[a-z0-9_-]{1,32}`.
    pub platform: Cow<'a, str>,
    /// 1..=256 bytes, no control characters.
    pub order_id: Cow<'a, str>,
    /// The rider's part of a split order.
    pub leg: u8,
    /// 1..=256 bytes, no control characters.
    pub rider_id: Cow<'a, str>,
    /// One that the tariff knows.
    pub category: Cow<'a, str>,
    /// Where the order was accepted.
    pub region: Region,
    /// Rounded down to the millisecond.
    pub accepted_at: UtcMillis,
    /// Rounded up to the millisecond; `None` while the order is open.
    pub ended_at: Option<UtcMillis>,
    /// `None` exactly when the order is open.
    pub outcome: Option<Outcome>,
    /// 0..=[`REVISION_MAX`].
    pub revision: u64,
    /// Order value in yuan, normalized (no trailing zeros), so that equal values compare equal.
    pub fare: Option<Decimal>,
    /// Where the order lay before an amendment moved it out of reach; rounded down like `accepted_at`.
    pub previous_accepted_at: Option<UtcMillis>,
}

impl OrderEvent<'_> {
    /// The phase that this event tells.
    pub const fn phase(&self) -> Phase {
        if self.ended_at.is_some() { Phase::Ended } else { Phase::Open }
    }
}
