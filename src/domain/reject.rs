//! Why a record was refused, and what could still be read of it.

use super::order::{Outcome, Phase};
use super::time::UtcMillis;
use std::fmt;

/// The bounded set of reasons: a metric label and part of the disposition `rejected:REASON`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not UTF-8, not JSON, not an object, empty, or a repeated key.
    MalformedJson = 0,
    /// A required field is absent or null.
    MissingField = 1,
    /// A text is empty.
    EmptyField = 2,
    /// A text is longer than its limit.
    FieldTooLong = 3,
    /// A wrong type or wrong characters.
    BadField = 4,
    /// `kind` is neither `order` nor `complete`.
    UnknownKind = 5,
    /// The platform is not registered for this topic.
    UnknownPlatform = 6,
    /// The tariff does not know the category.
    UnknownCategory = 7,
    /// Not one of the outcomes.
    UnknownOutcome = 8,
    /// Not six ASCII digits.
    BadRegion = 9,
    /// Not a whole number from 0 to 2^53 - 1, or a `void` with revision 0.
    BadRevision = 10,
    /// Not RFC 3339 with an offset, or no such date.
    BadTime = 11,
    /// A time outside the configured horizon.
    BeyondHorizon = 12,
    /// The event's day was dropped by retention.
    BeforeRetention = 13,
    /// `ended_at` lies before `accepted_at`.
    EndedBeforeAccepted = 14,
    /// Longer than the platform's `max_order_duration`.
    DurationTooLong = 15,
}

impl Reason {
    /// Every reason, in the order of the contract.
    pub const ALL: [Self; 16] = [
        Self::MalformedJson,
        Self::MissingField,
        Self::EmptyField,
        Self::FieldTooLong,
        Self::BadField,
        Self::UnknownKind,
        Self::UnknownPlatform,
        Self::UnknownCategory,
        Self::UnknownOutcome,
        Self::BadRegion,
        Self::BadRevision,
        Self::BadTime,
        Self::BeyondHorizon,
        Self::BeforeRetention,
        Self::EndedBeforeAccepted,
        Self::DurationTooLong,
    ];

    /// The name in dispositions, metrics and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::MissingField => "missing_field",
            Self::EmptyField => "empty_field",
            Self::FieldTooLong => "field_too_long",
            Self::BadField => "bad_field",
            Self::UnknownKind => "unknown_kind",
            Self::UnknownPlatform => "unknown_platform",
            Self::UnknownCategory => "unknown_category",
            Self::UnknownOutcome => "unknown_outcome",
            Self::BadRegion => "bad_region",
            Self::BadRevision => "bad_revision",
            Self::BadTime => "bad_time",
            Self::BeyondHorizon => "beyond_horizon",
            Self::BeforeRetention => "before_retention",
            Self::EndedBeforeAccepted => "ended_before_accepted",
            Self::DurationTooLong => "duration_too_long",
        }
    }

    /// The number in stored records.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A revision as far as a refused record told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadRevision {
    /// Whether a revision is there is in doubt, or it is not a whole number in range.
    #[default]
    Unreadable,
    /// The revision (0 when the field is certainly absent).
    Known(u64),
}

/// What could be read of a refused record without guessing, each field valid by its own rule or absent.
///
/// It decides whom an unresolved rejection may concern (`rejected_record` or `unreadable_record` in an answer) and which
/// later event resolves it. A value counts when it is at the top of the record, is whole, and occurs there once or
/// always the same; defects elsewhere in the record do not matter as long as they leave its structure certain.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Readable {
    /// Valid characters and length; known to the configuration or not.
    pub platform: Option<String>,
    /// A valid order identifier; of an integer its digits.
    pub order_id: Option<String>,
    /// The leg (0 when the field is certainly absent); `None` when unreadable.
    pub leg: Option<u8>,
    /// `Ended` when an `ended_at` is there, readable or not; `Open` when there is certainly none; `None` in doubt.
    pub phase: Option<Phase>,
    /// A valid rider identifier; of an integer its digits. `None`: see [`Readable::concerns_every_rider`].
    pub rider_id: Option<String>,
    /// The revision (0 when the field is certainly absent).
    pub revision: ReadRevision,
    /// A valid instant, rounded down, within the horizon or not.
    pub accepted_at: Option<UtcMillis>,
    /// A valid instant, rounded up. With `ended_before_accepted` it can lie after `accepted_at`: the check compares
    /// unrounded instants.
    pub ended_at: Option<UtcMillis>,
    /// One of the known outcomes.
    pub outcome: Option<Outcome>,
    /// The record is a completeness record beyond doubt: no order is in it, and it concerns no rider.
    pub is_completeness: bool,
    /// One of its times lies outside the horizon: its clock is wrong, so its times bound nothing.
    pub is_clock_wrong: bool,
}

impl Readable {
    /// Whether the record names its rider: it concerns that rider and no other.
    pub const fn names_rider(&self) -> bool {
        self.rider_id.is_some()
    }

    /// Whether the record may be about any rider: it names none, and an order may be in it.
    pub const fn concerns_every_rider(&self) -> bool {
        self.rider_id.is_none() && !self.is_completeness
    }
}

/// A refused record: reason, the detail that names field and place, and what could still be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first rule that the record breaks, in the order of the contract.
    pub reason: Reason,
    /// Names field and place for a person, never a value.
    pub detail: String,
    /// Boxed: refusals are rare and large, results are returned for every record.
    pub readable: Box<Readable>,
}
