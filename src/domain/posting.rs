//! What the ledger books for an order: its charge, its cover window, and the version history at its place.

use super::money::Micros;
use super::order::{Outcome, Phase, Region};
use super::time::UtcMillis;
use rust_decimal::Decimal;

/// The number under which a configuration entered the ledger (1 for the first, ascending).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConfigNo(pub u32);

/// The position of a rule among its kind (`[[rate]]`, `[[factor]]`, `[[cover]]`) in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleNo(pub u16);

/// What an order costs its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charge {
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

/// A charge and the cover rule, as one configuration decided them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pricing {
    /// The configuration that decided.
    pub config: ConfigNo,
    /// The charge.
    pub charge: Charge,
    /// The configuration of the cover rule: the one at booking, also when an order without a rate is priced later.
    pub cover_config: ConfigNo,
    /// The `[[cover]]` rule, `None` for the built-in one (no lead, no tail).
    pub cover: Option<RuleNo>,
    /// Cover before `accepted_at`, in milliseconds.
    pub lead_ms: i64,
    /// Cover after `ended_at`, in milliseconds.
    pub tail_ms: i64,
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
    /// Charge and cover rule.
    pub pricing: Pricing,
    /// The commit that recorded this version.
    pub commit: u64,
}

impl Posting {
    /// The start of the cover window, inclusive.
    pub fn starts_at(&self) -> UtcMillis {
        self.accepted_at.minus(self.pricing.lead_ms)
    }

    /// The end of the cover window, exclusive; `None` for an open order.
    pub fn ends_at(&self) -> Option<UtcMillis> {
        self.ended_at.map(|ended_at| ended_at.plus(self.pricing.tail_ms))
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
