//! What the read side may ask of one committed state of the ledger.
//!
//! The ledger implements [`LedgerView`] for its snapshots; answers are computed against the trait, so that the same
//! rules can be run over a naive model in a test.

use super::completeness::Completeness;
use super::intake::Intake;
use super::pending::PendingKind;
use super::platform::{Platforms, Promise};
use super::posting::{ConfigNo, RuleKind, RuleNo, StoredVersion};
use super::rejection::{PendingCount, Rejection};
use super::time::{LocalDay, UtcMillis};
use super::totals::{Total, TotalKey};
use super::window::Window;
use std::collections::{BTreeMap, BTreeSet};

/// The state that an answer was given from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The newest commit of the state.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: UtcMillis,
    /// Hash of the configuration in force, hexadecimal.
    pub config: String,
}

/// Why a question has no answer although storage is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// More was asked for than is read for one question; says what to ask instead.
    TooLarge(String),
    /// The earlier state that was asked for cannot be shown; says why.
    NotKnown(String),
}

impl Refused {
    /// What the client reads.
    pub fn detail(self) -> String {
        match self {
            Self::TooLarge(detail) | Self::NotKnown(detail) => detail,
        }
    }
}

/// An earlier state of the ledger: what was known then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAt {
    /// As of a commit.
    Commit(u64),
    /// As of the newest commit up to an instant.
    Instant(UtcMillis),
}

/// The first commit as of which everything of a platform up to an instant was complete, and what made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteSince {
    /// The commit.
    pub commit: u64,
    /// Its instant.
    pub recorded_at: UtcMillis,
    /// `complete_through` of the platform as of it.
    pub complete_through: UtcMillis,
    /// What the platform promised then.
    pub promise: Promise,
    /// The facts as of it.
    pub completeness: Completeness,
}

/// Read access to one committed, immutable state. Every call may read storage; errors are storage failures.
pub trait LedgerView {
    /// A storage failure, or a question that is too large.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What the client learns when an error is about what was asked; `None` when storage failed.
    fn refusal(error: &Self::Error) -> Option<Refused> {
        let _storage = error;
        None
    }

    /// Which state this is.
    fn as_of(&self) -> AsOf;
    /// The state as it was known earlier: a view of its own.
    ///
    /// # Errors
    /// There is no such state (see [`Self::refusal`]), or it cannot be read.
    fn known_at(&self, at: KnownAt) -> Result<Self, Self::Error>
    where
        Self: Sized;
    /// In a state as it was known earlier, what the platforms promised then; `None` in the newest state.
    fn earlier_promises(&self) -> Option<&Platforms>;
    /// When a commit was made.
    fn commit_instant(&self, commit: u64) -> Result<UtcMillis, Self::Error>;
    /// What a commit took in, by source, in the order in which records took effect.
    fn intakes(&self, commit: u64) -> Result<Vec<Intake>, Self::Error>;
    /// The first commit, up to that of this state, as of which `complete_through` of a platform is later than `after`; `None`
    /// while it is not.
    fn complete_since(&self, platform: &str, after: UtcMillis) -> Result<Option<CompleteSince>, Self::Error>;
    /// The tariff version (a short hash) of a configuration that was in force.
    fn tariff_version(&self, config: ConfigNo) -> String;
    /// The label of a rule of a configuration that was in force, e.g. `rate instant_delivery platform=meituan from=2025-07-01`.
    fn rule_label(&self, config: ConfigNo, kind: RuleKind, rule: RuleNo) -> String;
    /// The largest lead and tail (ms) of any cover rule ever in force.
    fn widest_cover(&self) -> (i64, i64);

    /// First and last local day with any order; `None` when there are none.
    fn days(&self) -> Option<(LocalDay, LocalDay)>;
    /// The largest `ended_at - accepted_at` (ms) of any stored order accepted on a day of `days` (inclusive pair).
    fn longest_order_ms(&self, days: (LocalDay, LocalDay)) -> i64;
    /// Every stored version of the rider's orders with `from <= accepted_at < to`, superseded ones included, sorted by
    /// (accepted_at, platform, order_id, leg, phase, revision).
    fn rider_versions(
        &self,
        rider_id: &str,
        from: UtcMillis,
        to: UtcMillis,
    ) -> Result<Vec<StoredVersion>, Self::Error>;
    /// Prefetches the orders of these riders on these days, all at once. No answer depends on it: what cannot be fetched
    /// fails when it is read.
    fn prefetch_riders(&self, rider_ids: &[String], days: &BTreeSet<LocalDay>) {
        let _in_memory = (rider_ids, days);
    }
    /// Every stored version of an order, all legs, phases, days and revisions, sorted by (leg, phase, accepted_at, revision).
    fn order_versions(&self, platform: &str, order_id: &str) -> Result<Vec<StoredVersion>, Self::Error>;
    /// The current ended version that supersedes an open order: same platform, order_id, leg, within the reach of
    /// identity around `accepted_at` of the open one.
    fn ended_version(
        &self,
        platform: &str,
        order_id: &str,
        leg: u8,
        accepted_at: UtcMillis,
    ) -> Result<Option<StoredVersion>, Self::Error>;
    /// Net totals of the days in `[from, until)`, summed a key, keys with nothing left omitted, sorted.
    fn totals(&self, from: LocalDay, until: LocalDay) -> Result<Vec<(TotalKey, Total)>, Self::Error>;

    /// Completeness as committed.
    fn completeness(&self) -> &Completeness;
    /// Every platform that any stored record or order named, sorted.
    fn platforms_stored(&self) -> Vec<&str>;
    /// Every local day that holds any order, ascending.
    fn days_stored(&self) -> impl DoubleEndedIterator<Item = LocalDay>;
    /// Whether one of `platforms` may have named the rider in an order accepted on a day; `false` is certain.
    fn may_have_orders_of(
        &self,
        rider_id: &str,
        day: LocalDay,
        platforms: &[&str],
    ) -> Result<bool, Self::Error>;
    /// First and last local day with any total: those of days that retention dropped stay.
    fn days_of_totals(&self) -> Option<(LocalDay, LocalDay)> {
        self.days()
    }
    /// Unresolved rejected and conflicting records that name the rider.
    fn rejections_of_rider(&self, rider_id: &str) -> Result<Vec<Rejection>, Self::Error>;
    /// The time, without lead and tail, that unresolved records in which no rider can be read may concern on a platform, as
    /// far as it meets `within`.
    fn unreadable_time(&self, platform: &str, platforms: &Platforms, within: Window) -> Vec<Window>;
    /// The first `most` (by number) of the unresolved records in which no rider can be read that may concern some of `within` on a
    /// platform, lead and tail not counted; and how many there are.
    fn unreadable_records(
        &self,
        platform: &str,
        platforms: &Platforms,
        within: Window,
        most: usize,
    ) -> Result<(Vec<Rejection>, u64), Self::Error>;
    /// Unresolved rejected and conflicting records that concern a platform, by kind.
    fn pending_counts(&self, platform: &str, platforms: &Platforms) -> BTreeMap<PendingKind, PendingCount>;
}
