//! A coverage question and how it is put.

use super::instant::{At, InstantError, check_year, parse_at, parse_from, parse_to};
use crate::domain::order::{ID_BYTES_MAX, PLATFORM_BYTES_MAX};
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::window::Window;
use serde::Deserialize;
use thiserror::Error;

/// Most identifiers of one person, and most platforms, in one question.
pub const NAMES_MAX: usize = 64;
/// Longest reference, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 256;

/// Which time a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// One instant.
    Instant(UtcMillis),
    /// A whole minute: put without seconds.
    Minute(Window),
    /// From and to, `to` exclusive.
    Interval(Window),
}

impl When {
    /// The time as a stretch of whole milliseconds.
    pub fn window(self) -> Window {
        match self {
            Self::Instant(at) => Window::instant(at),
            Self::Minute(window) | Self::Interval(window) => window,
        }
    }
}

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The identifiers of one person, in the order given, each once.
    pub rider_ids: Vec<String>,
    /// The time.
    pub when: When,
    /// Only these, sorted; `None`: every platform ever registered or stored.
    pub platforms: Option<Vec<String>>,
    /// The client's own mark, echoed.
    pub reference: Option<String>,
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuestionError {
    /// No rider.
    #[error("rider_id is missing")]
    NoRider,
    /// A rider identifier that no record can have.
    #[error("rider_id must have 1 to 256 bytes and no control characters")]
    BadRider,
    /// Too many of one kind.
    #[error("{field} is given more than {NAMES_MAX} times")]
    TooMany {
        /// Which parameter.
        field: &'static str,
    },
    /// Neither at nor from and to, or both.
    #[error("give either at, or from and to")]
    When,
    /// A time that cannot be read.
    #[error("{field}: {error}")]
    Time {
        /// Which parameter.
        field: &'static str,
        /// What is wrong.
        error: InstantError,
    },
    /// Nothing in between.
    #[error("to must be later than from")]
    EmptyInterval,
    /// A platform name that no record can have.
    #[error("platform must have 1 to 32 characters of a-z, 0-9, _ and -")]
    BadPlatform,
    /// A long or unprintable reference.
    #[error("reference must have at most 256 bytes and no control characters")]
    BadReference,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A question as it comes in one line of a batch: `{"rider_id": ..., "at": ...}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuestionLine {
    /// The rider, or the identifiers of one person.
    pub rider_id: Option<OneOrMany>,
    /// An instant or a minute.
    pub at: Option<String>,
    /// Start of an interval.
    pub from: Option<String>,
    /// Its end, exclusive.
    pub to: Option<String>,
    /// Narrows the question.
    pub platform: Option<OneOrMany>,
    /// Echoed.
    pub reference: Option<String>,
}

impl QuestionLine {
    /// The question that the line puts.
    pub fn parse(self) -> Result<Question, QuestionError> {
        Question::parse(QuestionText {
            rider_ids: self.rider_id.map(OneOrMany::into_vec).unwrap_or_default(),
            at: self.at.as_deref(),
            from: self.from.as_deref(),
            to: self.to.as_deref(),
            platforms: self.platform.map(OneOrMany::into_vec).unwrap_or_default(),
            reference: self.reference,
        })
    }
}

/// A question as texts, whatever brought them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuestionText<'a> {
    /// The identifiers of one person.
    pub rider_ids: Vec<String>,
    /// An instant or a minute.
    pub at: Option<&'a str>,
    /// Start of an interval.
    pub from: Option<&'a str>,
    /// Its end, exclusive.
    pub to: Option<&'a str>,
    /// Narrows the question; empty: all.
    pub platforms: Vec<String>,
    /// Echoed.
    pub reference: Option<String>,
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    /// The first term that is wrong.
    pub fn parse(text: QuestionText<'_>) -> Result<Self, QuestionError> {
        let rider_ids = parse_riders(text.rider_ids)?;
        let when = parse_when(text.at, text.from, text.to)?;
        Self { rider_ids, when, platforms: None, reference: text.reference }.with_platforms(text.platforms)
    }

    /// A question about a time that was read before.
    ///
    /// # Errors
    /// No rider, or identifiers that no record can have.
    pub fn about(rider_ids: Vec<String>, when: When) -> Result<Self, QuestionError> {
        Ok(Self { rider_ids: parse_riders(rider_ids)?, when, platforms: None, reference: None })
    }

    /// The question narrowed to platforms (none: all), with its reference checked.
    pub fn with_platforms(self, platforms: Vec<String>) -> Result<Self, QuestionError> {
        let platforms = parse_platforms(platforms)?;
        let bad = |reference: &String| {
            reference.len() > REFERENCE_BYTES_MAX || reference.chars().any(char::is_control)
        };
        if self.reference.as_ref().is_some_and(bad) {
            return Err(QuestionError::BadReference);
        }
        Ok(Self { platforms, ..self })
    }
}

impl When {
    /// Refuses a time that no answer in this zone could write.
    pub fn check_years(self, zone: &Zone) -> Result<(), QuestionError> {
        match self {
            Self::Instant(at) => {
                check_year(at, zone).map_err(|error| QuestionError::Time { field: "at", error })
            }
            Self::Minute(window) => check_window_years(window, ("at", "at"), zone),
            Self::Interval(window) => check_window_years(window, ("from", "to"), zone),
        }
    }
}

/// Refuses an interval that no answer in this zone could write.
pub fn check_interval_years(window: Window, zone: &Zone) -> Result<(), QuestionError> {
    check_window_years(window, ("from", "to"), zone)
}

fn check_window_years(
    window: Window,
    (from, to): (&'static str, &'static str),
    zone: &Zone,
) -> Result<(), QuestionError> {
    check_year(window.from, zone).map_err(|error| QuestionError::Time { field: from, error })?;
    check_year(window.until, zone).map_err(|error| QuestionError::Time { field: to, error })
}

fn parse_riders(names: Vec<String>) -> Result<Vec<String>, QuestionError> {
    let mut rider_ids: Vec<String> = Vec::with_capacity(names.len().min(NAMES_MAX));
    if names.is_empty() {
        return Err(QuestionError::NoRider);
    }
    for rider_id in names {
        check_rider(&rider_id)?;
        if rider_ids.contains(&rider_id) {
            continue;
        }
        if rider_ids.len() >= NAMES_MAX {
            return Err(QuestionError::TooMany { field: "rider_id" });
        }
        rider_ids.push(rider_id);
    }
    Ok(rider_ids)
}

/// Whether a record can name this rider.
pub fn check_rider(rider_id: &str) -> Result<(), QuestionError> {
    let fits = !rider_id.is_empty() && rider_id.len() <= ID_BYTES_MAX;
    if fits && !rider_id.chars().any(char::is_control) { Ok(()) } else { Err(QuestionError::BadRider) }
}

/// Reads `from` and `to`.
pub fn parse_interval(from: &str, to: &str) -> Result<Window, QuestionError> {
    let from = parse_from(from).map_err(|error| QuestionError::Time { field: "from", error })?;
    let to = parse_to(to).map_err(|error| QuestionError::Time { field: "to", error })?;
    let window = Window::new(from, to);
    if window.is_empty() { Err(QuestionError::EmptyInterval) } else { Ok(window) }
}

fn parse_when(at: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<When, QuestionError> {
    match (at, from, to) {
        (Some(at), None, None) => {
            match parse_at(at).map_err(|error| QuestionError::Time { field: "at", error })? {
                At::Instant(at) => Ok(When::Instant(at)),
                At::Minute(window) => Ok(When::Minute(window)),
            }
        }
        (None, Some(from), Some(to)) => parse_interval(from, to).map(When::Interval),
        _ => Err(QuestionError::When),
    }
}

fn parse_platforms(mut names: Vec<String>) -> Result<Option<Vec<String>>, QuestionError> {
    let good = |name: &String| {
        (1..=PLATFORM_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    if !names.iter().all(good) {
        return Err(QuestionError::BadPlatform);
    }
    names.sort_unstable();
    names.dedup();
    if names.len() > NAMES_MAX {
        return Err(QuestionError::TooMany { field: "platform" });
    }
    Ok((!names.is_empty()).then_some(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> Result<Question, QuestionError> {
        serde_json::from_str::<QuestionLine>(json).unwrap().parse()
    }

    #[test]
    fn a_misspelt_key_is_not_a_wider_question() {
        let typo = r#"{"rider_id": "a", "at": "2026-11-20T12:07Z", "platforms": "x"}"#;
        let error = serde_json::from_str::<QuestionLine>(typo).unwrap_err().to_string();
        assert!(error.contains("unknown field `platforms`"), "{error}");
    }

    #[test]
    fn questions_and_mistakes() {
        let question = line(
            r#"{"rider_id": ["a", "b", "a"], "at": "2026-11-20T12:07Z", "platform": ["y", "x", "y"], "reference": "c-1"}"#,
        )
        .unwrap();
        assert_eq!(question.rider_ids, ["a", "b"]);
        assert_eq!(question.platforms.unwrap(), ["x", "y"]);
        assert!(matches!(question.when, When::Minute(_)));
        let from_to = r#""from": "2026-11-20T12:07:00Z", "to": "2026-11-20T12:07:00Z""#;
        assert_eq!(line(r#"{"at": "x"}"#), Err(QuestionError::NoRider));
        assert_eq!(line(r#"{"rider_id": "", "at": "2026-11-20T12:07Z"}"#), Err(QuestionError::BadRider));
        assert_eq!(line(r#"{"rider_id": "a"}"#), Err(QuestionError::When));
        assert_eq!(line(&format!(r#"{{"rider_id": "a", "at": "x", {from_to}}}"#)), Err(QuestionError::When));
        assert_eq!(line(&format!(r#"{{"rider_id": "a", {from_to}}}"#)), Err(QuestionError::EmptyInterval));
        assert_eq!(
            line(r#"{"rider_id": "a", "at": "2026-11-20T12:07:00"}"#).unwrap_err().to_string(),
            "at: the offset is missing: write Z or an offset such as +08:00 at the end"
        );
        assert_eq!(
            line(r#"{"rider_id": "a", "at": "2026-11-20T12:07Z", "platform": "A"}"#),
            Err(QuestionError::BadPlatform)
        );
    }
}
