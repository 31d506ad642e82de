//! The answer, in the shape that the contract gives it: field order is part of it.

use super::explain::Why;
use super::warning::Warning;
use crate::domain::behind::Behind;
use crate::domain::verdict::Verdict;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom(format!("{name:?} is no verdict")))
    }
}

/// An answer to one question. Times are RFC 3339 with milliseconds in the configured zone, decimals are texts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Answer {
    /// The answer in a word.
    pub verdict: Verdict,
    /// The identifiers that were asked for.
    pub rider_id: Vec<String>,
    /// The time: `at`, or `from`, `to` and `parts`.
    #[serde(flatten)]
    pub when: AnswerWhen,
    /// The platforms that the question was narrowed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Vec<String>>,
    /// The client's own mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Every window that holds the time (or some of it), sorted by platform, order_id, leg as bytes.
    pub windows: Vec<WindowLine>,
    /// The nearest window that ends before, when the time is in none.
    pub nearest_before: Option<NearestBefore>,
    /// The nearest window that starts after, when the time is in none.
    pub nearest_after: Option<NearestAfter>,
    /// Whether nothing that still arrives can concern the time.
    pub settled: bool,
    /// Each platform that counts, by name.
    pub platforms: Vec<PlatformStatus>,
    /// Versions that once held the time.
    pub superseded: Vec<SupersededLine>,
    /// Conflicting records that would add cover of the time.
    pub disputed: Vec<DisputedLine>,
    /// What is known of the rider at all.
    pub rider_seen: Option<RiderSeenLine>,
    /// What a reader should know besides.
    pub warnings: Vec<Warning>,
    /// The state that answered.
    pub as_of: AsOfLine,
    /// Why, where the question asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Box<Why>>,
    /// Platform, order and leg of everything that was open near the time; no part of the document. An event of its end may change
    /// the verdict, whichever rider it names.
    #[serde(skip)]
    pub open_near: Vec<(String, String, u8)>,
}

impl Answer {
    /// Whether nothing is stored of any identifier: what was asked may be a mistake. A reader that is behind does not look.
    pub fn is_rider_unknown(&self) -> bool {
        self.rider_seen.is_none() && !self.warnings.iter().any(|warning| warning.code() == Behind::CODE)
    }
}

/// The time of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AnswerWhen {
    /// An instant.
    Instant {
        /// The instant.
        at: String,
    },
    /// A minute or an interval.
    Interval {
        /// Start.
        from: String,
        /// End, exclusive.
        to: String,
        /// The interval in parts of one verdict each, in order.
        parts: Vec<Part>,
    },
}

/// A part of an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// Start.
    pub from: String,
    /// End, exclusive.
    pub to: String,
    /// Covered, not covered or undetermined.
    pub verdict: Verdict,
}

/// The rules behind a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TariffLine {
    /// The tariff version.
    pub version: String,
    /// The rate that the charge names; null when nothing was charged.
    pub rule: Option<String>,
    /// The factor, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<String>,
    /// The cover rule that made the window; null for the built-in one.
    pub cover: Option<String>,
}

/// An order as it covers a rider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WindowLine {
    /// Platform.
    pub platform: String,
    /// Order.
    pub order_id: String,
    /// The rider's part of a split order.
    pub leg: u8,
    /// `open` or `ended`.
    pub phase: &'static str,
    /// Which of the person's identifiers it names.
    pub rider_id: String,
    /// Tariff category.
    pub category: String,
    /// Six digits.
    pub region: String,
    /// Null while open.
    pub outcome: Option<&'static str>,
    /// Revision.
    pub revision: u64,
    /// Start of cover.
    pub starts_at: String,
    /// End of cover, exclusive; null while open.
    pub ends_at: Option<String>,
    /// Yuan; null when nothing can be charged yet (open, void or unrated).
    pub premium: Option<String>,
    /// The rules behind it.
    pub tariff: TariffLine,
    /// When it was recorded.
    pub recorded_at: String,
    /// By which commit.
    pub commit: u64,
}

/// A version that no longer counts, and what replaced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SupersededLine {
    /// The version.
    #[serde(flatten)]
    pub window: WindowLine,
    /// What replaced it.
    pub superseded_by: SupersededByLine,
}

/// What replaced a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SupersededByLine {
    /// Revision of the newer version.
    pub revision: u64,
    /// When that was recorded.
    pub recorded_at: String,
    /// By which commit.
    pub commit: u64,
}

/// A record that contradicts a stored version of the same revision; the first one stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DisputedLine {
    /// Its number among the rejected records.
    pub rejection: u64,
    /// Platform.
    pub platform: Option<String>,
    /// Order.
    pub order_id: Option<String>,
    /// Leg.
    pub leg: Option<u8>,
    /// `open` or `ended`.
    pub phase: Option<&'static str>,
    /// Rider.
    pub rider_id: Option<String>,
    /// Start that it claims.
    pub accepted_at: Option<String>,
    /// End that it claims.
    pub ended_at: Option<String>,
    /// When it was recorded.
    pub recorded_at: String,
    /// By which commit.
    pub commit: u64,
}

/// The nearest window that ends before.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NearestBefore {
    /// Platform.
    pub platform: String,
    /// Order.
    pub order_id: String,
    /// Leg.
    pub leg: u8,
    /// Its end.
    pub ends_at: String,
    /// Seconds in between.
    pub distance_s: f64,
}

/// The nearest window that starts after.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NearestAfter {
    /// Platform.
    pub platform: String,
    /// Order.
    pub order_id: String,
    /// Leg.
    pub leg: u8,
    /// Its start.
    pub starts_at: String,
    /// Seconds in between.
    pub distance_s: f64,
}

/// Whether a platform can still change the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlatformStatus {
    /// Platform.
    pub platform: String,
    /// Whether the whole time is settled there.
    pub settled: bool,
    /// The first reason that applies; null when settled.
    pub reason: Option<&'static str>,
    /// Everything of the platform about earlier instants has arrived.
    pub complete_through: Option<String>,
    /// When it may be settled; null when it is, or when time alone will not help.
    pub ask_again_at: Option<String>,
}

/// What is known of the rider at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RiderSeenLine {
    /// First instant.
    pub first: String,
    /// Last instant.
    pub last: String,
    /// Platforms, sorted.
    pub platforms: Vec<String>,
}

/// The state that answered: the same question with the same state has the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AsOfLine {
    /// Its newest commit.
    pub commit: u64,
    /// When that was made.
    pub recorded_at: String,
    /// Hash of the configuration in force.
    pub config: String,
}
