//! What the read side may ask of one committed state of the ledger.
//!
//! The ledger implements [`LedgerView`] for its snapshots; answers are computed against the trait, so that the same
//! rules can be run over a naive model in a test.

use super::arrival::{Arrived, Timestamp};
use super::completeness::Completeness;
use super::money::Micros;
use super::order::Region;
use super::pending::PendingKind;
use super::platform::Platforms;
use super::posting::{ConfigNo, RuleNo, StoredVersion};
use super::reject::{Readable, Reason};
use super::time::{LocalDay, UtcMillis};
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

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A Kafka record.
    Kafka {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
        /// The record's timestamp, from the producer or the broker, if it has one.
        timestamp: Option<UtcMillis>,
        /// When the record arrived, which a producer's timestamp does not tell.
        arrived: Arrived,
    },
    /// A line of an ingested file.
    File {
        /// Hash of the file's content up to and including the line.
        content: [u8; 16],
        /// Line number from 1, within the file.
        line: u64,
    },
    /// A rejected record that was sent through the pipeline again.
    Redrive {
        /// The rejection that was sent again.
        of: u64,
    },
}

impl Origin {
    /// The place of a Kafka record; when it arrived is known once it is taken in ([`Self::arrived`]).
    pub fn kafka(topic: &str, partition: i32, offset: i64, timestamp: Timestamp) -> Self {
        let (topic, timestamp) = (topic.to_owned(), timestamp.instant());
        Self::Kafka { topic, partition, offset, timestamp, arrived: Arrived::UNKNOWN }
    }

    /// The same place, with when the record arrived; files have no such instant.
    #[must_use]
    pub fn arrived(mut self, at: Arrived) -> Self {
        if let Self::Kafka { arrived, .. } = &mut self {
            *arrived = at;
        }
        self
    }
}

/// Why a record is kept with the rejected ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It broke a rule.
    Rejected(Reason),
    /// The same revision as a stored version, with other content.
    Conflict,
}

/// How a rejection was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// By an accepted or amended event of the same identity with the same or a higher revision.
    Event {
        /// The commit that recorded it.
        commit: u64,
    },
    /// By an operator.
    Operator {
        /// The commit that recorded it.
        commit: u64,
        /// The operator's reason.
        reason: String,
    },
}

/// A rejected or conflicting record, without its raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Ascending number in the ledger.
    pub id: u64,
    /// The commit that recorded it.
    pub commit: u64,
    /// Rejected or conflicting.
    pub kept: Kept,
    /// Names field and place.
    pub detail: String,
    /// Where it came from.
    pub origin: Origin,
    /// The `complete_through` of its platforms that was committed before it, the latest of several: what was settled by then, it
    /// did not keep open.
    pub settled_by: Option<UtcMillis>,
    /// What could be read of it. For a conflict: all of it.
    pub readable: Readable,
    /// Length of the record's value in bytes.
    pub raw_len: u64,
    /// SHA-256 of the record's value.
    pub raw_sha256: [u8; 32],
    /// Whether the raw bytes are not kept (whole).
    pub raw_truncated: bool,
    /// `None` while unresolved.
    pub resolution: Option<Resolution>,
}

/// How many unresolved records of one kind keep answers open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingCount {
    /// Records.
    pub records: u64,
    /// The commit that recorded the oldest of them.
    pub since_commit: u64,
}

/// The key of a statement line within one local day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotalKey {
    /// Platform.
    pub platform: String,
    /// Region.
    pub region: Region,
    /// Category.
    pub category: String,
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

/// What is known of a rider at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiderSeen {
    /// The earliest `accepted_at` of any stored version.
    pub first: UtcMillis,
    /// The latest `ended_at` or `accepted_at`.
    pub last: UtcMillis,
    /// The platforms that named the rider, sorted.
    pub platforms: Vec<String>,
}

impl RiderSeen {
    /// What these versions know; `None` when there are none.
    pub fn of<'a>(versions: impl IntoIterator<Item = &'a StoredVersion>) -> Option<Self> {
        let mut seen: Option<Self> = None;
        for posting in versions.into_iter().map(|version| &version.posting) {
            let first = posting.accepted_at;
            let last = posting.ended_at.unwrap_or(first).max(first);
            let seen = seen.get_or_insert_with(|| Self { first, last, platforms: Vec::new() });
            seen.first = seen.first.min(first);
            seen.last = seen.last.max(last);
            seen.add_platform(&posting.platform);
        }
        seen
    }

    /// Two identifiers of one person.
    pub fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        other.platforms.iter().for_each(|platform| self.add_platform(platform));
    }

    fn add_platform(&mut self, platform: &str) {
        if let Err(place) = self.platforms.binary_search_by(|known| known.as_str().cmp(platform)) {
            self.platforms.insert(place, platform.to_owned());
        }
    }
}

/// Read access to one committed, immutable state. Every call may read storage; errors are storage failures.
pub trait LedgerView {
    /// A storage failure, or a question that is too large.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What the asker is told when an error is about what was asked; `None` when storage failed.
    fn refusal(error: &Self::Error) -> Option<String> {
        let _storage = error;
        None
    }

    /// Which state this is.
    fn as_of(&self) -> AsOf;
    /// When a commit was made.
    fn commit_instant(&self, commit: u64) -> Result<UtcMillis, Self::Error>;
    /// The tariff version (a short hash) of a configuration that was in force.
    fn tariff_version(&self, config: ConfigNo) -> String;
    /// The label of a rule of a configuration that was in force, e.g. `rate instant_delivery platform=meituan from=2025-07-01`.
    fn rule_label(&self, config: ConfigNo, kind: RuleKind, rule: RuleNo) -> String;
    /// The largest lead and tail (ms) of any cover rule ever in force.
    fn widest_cover(&self) -> (i64, i64);

    /// First and last local day that hold any order; `None` when there are none.
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
    /// The orders of these riders on these days are asked for next: a view that has to fetch them begins with all of them at
    /// once. No answer depends on it: what cannot be fetched fails when it is read.
    fn expect_riders(&self, rider_ids: &[String], days: &BTreeSet<LocalDay>) {
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
    fn may_name_rider(&self, rider_id: &str, day: LocalDay, platforms: &[&str]) -> Result<bool, Self::Error>;
    /// First and last local day that hold any total: those of days that retention dropped stay.
    fn days_of_totals(&self) -> Option<(LocalDay, LocalDay)> {
        self.days()
    }
    /// Unresolved rejected and conflicting records that name the rider.
    fn rejections_of_rider(&self, rider_id: &str) -> Result<Vec<Rejection>, Self::Error>;
    /// The time, without lead and tail, that unresolved records in which no rider can be read may concern on a platform, as
    /// far as it meets `within`.
    fn unreadable_time(&self, platform: &str, platforms: &Platforms, within: Window) -> Vec<Window>;
    /// Unresolved rejected and conflicting records that concern a platform, by kind.
    fn pending_counts(&self, platform: &str, platforms: &Platforms) -> BTreeMap<PendingKind, PendingCount>;
}
