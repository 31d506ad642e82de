//! What the ledger books for an order: its cover window, its [`Charge`], and the version history at its place.

use super::charge::Charge;
use super::order::{Outcome, Phase, Region};
use super::time::UtcMillis;
use rust_decimal::Decimal;

/// The number under which a configuration entered the ledger (1 for the first, ascending).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConfigNo(pub u32);

/// The position of a rule among its kind (`[[rate]]`, `[[factor]]`, `[[cover]]`) in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleNo(pub u16);

/// What an order covers around its work, as the configuration at booking decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoverTerms {
    /// The configuration of the rule: the one at booking, also when an order without a rate is priced later.
    pub config: ConfigNo,
    /// The `[[cover]]` rule, `None` for the built-in one (no lead, no tail).
    pub rule: Option<RuleNo>,
    /// Cover before `accepted_at`, in milliseconds.
    pub lead_ms: i64,
    /// Cover after `ended_at`, in milliseconds.
    pub tail_ms: i64,
}

impl CoverTerms {
    /// The built-in terms, before any configuration decided: no lead, no tail.
    pub const NONE: Self = Self { config: ConfigNo(0), rule: None, lead_ms: 0, tail_ms: 0 };
}

/// What one configuration makes of an order: its charge, and what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pricing {
    /// The charge.
    pub charge: Charge,
    /// The cover.
    pub cover: CoverTerms,
}

/// One version of one order as it is kept, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Identity.
    pub platform: String,
    /// Identity.
    pub order_id: String,
    /// Identity.
    pub leg: u8,
    /// Identity.
    pub phase: Phase,
    /// Whom the order covers.
    pub rider_id: String,
    /// Tariff category.
    pub category: String,
    /// Where it was accepted.
    pub region: Region,
    /// Start, to the millisecond.
    pub accepted_at: UtcMillis,
    /// End; `None` exactly when `phase` is open.
    pub ended_at: Option<UtcMillis>,
    /// `None` exactly when `phase` is open.
    pub outcome: Option<Outcome>,
    /// Revision of this version.
    pub revision: u64,
    /// Order value, normalized.
    pub fare: Option<Decimal>,
    /// Part of the content.
    pub previous_accepted_at: Option<UtcMillis>,
    /// What it covers.
    pub cover: CoverTerms,
    /// What its platform pays for it.
    pub charge: Charge,
    /// The commit that recorded this version.
    pub commit: u64,
}

impl Posting {
    /// The start of the cover window, inclusive.
    pub fn starts_at(&self) -> UtcMillis {
        self.accepted_at.minus(self.cover.lead_ms)
    }

    /// The end of the cover window, exclusive; `None` for an open order.
    pub fn ends_at(&self) -> Option<UtcMillis> {
        self.ended_at.map(|ended_at| ended_at.plus(self.cover.tail_ms))
    }

    /// Whether this version covers its rider for a known stretch: ended and not void.
    pub fn has_window(&self) -> bool {
        self.phase == Phase::Ended && self.outcome != Some(Outcome::Void)
    }

    /// Whether the cover window holds `at` (open orders have none).
    pub fn covers(&self, at: UtcMillis) -> bool {
        self.has_window() && self.starts_at() <= at && self.ends_at().is_some_and(|end| at < end)
    }
}

/// What replaced a version: the revision that did, and the commit that booked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupersededBy {
    /// Revision of the newer version.
    pub revision: u64,
    /// Commit of the newer version.
    pub commit: u64,
}

/// A stored version and whether it is superseded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The version.
    pub posting: Posting,
    /// `None` while it is the current version of its identity.
    pub superseded_by: Option<SupersededBy>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// A new identity.
    Accepted,
    /// A higher revision: replaces the stored one.
    Amended,
    /// The same revision and content again.
    Duplicate,
    /// A lower revision than the stored one.
    Stale,
    /// The same revision with other content: the first one stands.
    Conflict,
    /// Refused.
    Rejected(super::reject::Reason),
    /// A completeness record.
    Control,
}

impl Disposition {
    /// The name without the reason: a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Amended => "amended",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Conflict => "conflict",
            Self::Rejected(_) => "rejected",
            Self::Control => "control",
        }
    }
}

/// The kinds of tariff rules that a posting names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// `[[rate]]`
    Rate,
    /// `[[factor]]`
    Factor,
    /// `[[cover]]`
    Cover,
}
