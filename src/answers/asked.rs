//! What was asked, as an entry has it: enough to ask it again.

use super::entry::Digest;
use crate::coverage::question::{Question, When};
use crate::domain::time::UtcMillis;
use crate::domain::view::KnownAt;
use crate::domain::window::Window;
use serde::{Deserialize, Serialize};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "resource", rename_all = "snake_case")]
pub enum Asked {
    /// Whether a rider was covered: over the interface, or on the page.
    Coverage(CoverageAsked),
    /// A batch of such questions.
    Batch {
        /// Its lines that are not empty.
        lines: u64,
        /// SHA-256 of the body that brought them.
        sha256: Digest,
        /// The earlier state that was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known_at: Option<KnownAtLine>,
    },
    /// An entry of a log beside what its question gives now.
    Answer {
        /// The entry.
        number: u64,
        /// The log that it is in, if that is the log of another process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
    /// Anything else, by the path and parameters of the request.
    Request {
        /// As the request line had them.
        target: String,
    },
}

/// A question about cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageAsked {
    /// The identifiers of one person.
    pub rider_id: Vec<String>,
    /// `instant`, `minute` or `interval`.
    pub time: TimeForm,
    /// Start, in milliseconds.
    pub from_ms: i64,
    /// End, exclusive.
    pub until_ms: i64,
    /// The platforms that it was narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Vec<String>>,
    /// The client's own mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The earlier state that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<KnownAtLine>,
}

/// How a time was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// One instant.
    Instant,
    /// A whole minute.
    Minute,
    /// From and to.
    Interval,
}

/// An earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownAtLine {
    /// As of a commit.
    Commit(u64),
    /// As of an instant, in milliseconds.
    InstantMs(i64),
}

impl From<KnownAt> for KnownAtLine {
    fn from(at: KnownAt) -> Self {
        match at {
            KnownAt::Commit(commit) => Self::Commit(commit),
            KnownAt::Instant(at) => Self::InstantMs(at.millis()),
        }
    }
}

impl From<KnownAtLine> for KnownAt {
    fn from(line: KnownAtLine) -> Self {
        match line {
            KnownAtLine::Commit(commit) => Self::Commit(commit),
            KnownAtLine::InstantMs(ms) => Self::Instant(UtcMillis::new(ms)),
        }
    }
}

impl CoverageAsked {
    /// Of a question.
    pub fn of(question: &Question, known_at: Option<KnownAt>) -> Self {
        let time = match question.when {
            When::Instant(_) => TimeForm::Instant,
            When::Minute(_) => TimeForm::Minute,
            When::Interval(_) => TimeForm::Interval,
        };
        let window = question.when.window();
        Self {
            rider_id: question.rider_ids.clone(),
            time,
            from_ms: window.from.millis(),
            until_ms: window.until.millis(),
            platform: question.platforms.clone(),
            reference: question.reference.clone(),
            known_at: known_at.map(KnownAtLine::from),
        }
    }

    /// The time as a stretch.
    pub const fn window(&self) -> Window {
        Window::new(UtcMillis::new(self.from_ms), UtcMillis::new(self.until_ms))
    }

    /// The question, as it can be asked again.
    pub fn question(&self) -> Question {
        let when = match self.time {
            TimeForm::Instant => When::Instant(UtcMillis::new(self.from_ms)),
            TimeForm::Minute => When::Minute(self.window()),
            TimeForm::Interval => When::Interval(self.window()),
        };
        let (rider_ids, platforms) = (self.rider_id.clone(), self.platform.clone());
        Question { rider_ids, when, platforms, reference: self.reference.clone() }
    }
}

/// An order that was open near the time of a question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpenOrder {
    /// Platform.
    pub platform: String,
    /// Order.
    pub order_id: String,
    /// Leg.
    pub leg: u8,
}

impl OpenOrder {
    /// Of what an answer says was open near its time; each order once.
    pub fn of(open_near: &[(String, String, u8)]) -> Vec<Self> {
        let of = |(platform, order_id, leg): &(String, String, u8)| Self {
            platform: platform.clone(),
            order_id: order_id.clone(),
            leg: *leg,
        };
        let mut orders: Vec<Self> = open_near.iter().map(of).collect();
        orders.sort_unstable();
        orders.dedup();
        orders
    }
}
