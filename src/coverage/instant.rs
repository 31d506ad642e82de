//! The instants of questions: RFC 3339, or a whole minute without its seconds. People may type more: [`parse_typed`].

mod typed;

pub use typed::{TypedError, from_local, offset, parse_typed, parse_typed_from, parse_typed_to, typed_forms};

use crate::domain::event::ExactTime;
use crate::domain::time::{MINUTE_MS, UtcMillis, Zone};
use crate::domain::view::KnownAt;
use crate::domain::window::Window;
use thiserror::Error;

/// Why a text is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InstantError {
    /// Not of the form at all.
    #[error("not an RFC 3339 time with an offset, such as 2026-11-20T12:07:31+08:00")]
    Form,
    /// A local time.
    #[error("the offset is missing: write Z or an offset such as +08:00 at the end")]
    NoOffset,
    /// A `+` that a URL decoder turned into a space.
    #[error("there is a space where the offset's sign belongs: in a URL write + as %2B")]
    SpaceForPlus,
    /// No such date or time of day.
    #[error("there is no such date or time of day")]
    NoSuchTime,
    /// A minute where an instant is needed.
    #[error("the seconds are missing")]
    NoSeconds,
    /// No answer could write it.
    #[error("its year in the configured time zone does not have four digits (0000 to 9999)")]
    Year,
}

/// Refuses an instant that no answer could write: RFC 3339 has years of four digits.
pub fn check_year(at: UtcMillis, zone: &Zone) -> Result<(), InstantError> {
    if zone.has_four_digit_year(at) { Ok(()) } else { Err(InstantError::Year) }
}

/// What `at` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// With seconds. Cover starts and ends on whole milliseconds: what is finer is cut.
    Instant(UtcMillis),
    /// Without: the whole minute.
    Minute(Window),
}

/// Reads an instant with seconds, or a minute.
pub fn parse_at(text: &str) -> Result<At, InstantError> {
    let time = Parsed::read(text)?;
    if time.seconds {
        return Ok(At::Instant(time.floor));
    }
    Ok(At::Minute(Window::new(time.floor, time.floor.plus(MINUTE_MS))))
}

/// Reads the first instant of an interval: without seconds, the start of that minute.
pub fn parse_from(text: &str) -> Result<UtcMillis, InstantError> {
    Parsed::read(text).map(|time| time.floor)
}

/// Reads the end of an interval, exclusive: what is finer than a millisecond is rounded up, so that nothing asked for is
/// left out.
pub fn parse_to(text: &str) -> Result<UtcMillis, InstantError> {
    Parsed::read(text).map(|time| time.ceil)
}

/// Reads which earlier state is asked for: the number of a commit, or an instant with its seconds.
///
/// # Errors
/// It is neither.
pub fn parse_known_at(text: &str) -> Result<KnownAt, InstantError> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number beyond 64 bits is that of no commit.
        return Ok(KnownAt::Commit(text.parse().unwrap_or(u64::MAX)));
    }
    match parse_at(text)? {
        At::Instant(at) => Ok(KnownAt::Instant(at)),
        At::Minute(_) => Err(InstantError::NoSeconds),
    }
}

/// Length of `2026-11-20T12:07`.
const MINUTE_LENGTH: usize = 16;

/// A time as events write it, or the same without its seconds.
struct Parsed {
    floor: UtcMillis,
    ceil: UtcMillis,
    seconds: bool,
}

impl Parsed {
    fn read(text: &str) -> Result<Self, InstantError> {
        Self::of(text).ok_or_else(|| why_not(text))
    }

    fn of(text: &str) -> Option<Self> {
        let parse = |text: &str, seconds| {
            let time = ExactTime::parse(text)?;
            Some(Self { floor: time.floor(), ceil: time.ceil(), seconds })
        };
        parse(text, true).or_else(|| {
            let (minute, offset) = text.split_at_checked(MINUTE_LENGTH)?;
            let is_offset = offset.starts_with(['Z', 'z', '+', '-']);
            is_offset.then(|| parse(&format!("{minute}:00{offset}"), false))?
        })
    }
}

/// What is wrong with a text that is no time.
fn why_not(text: &str) -> InstantError {
    // With digits that make a time that exists, only the form can be wrong.
    let possible: String = text
        .char_indices()
        .map(|(index, character)| match (index, character) {
            (6 | 9, '0'..='9') => '1',
            (_, '0'..='9') => '0',
            _ => character,
        })
        .collect();
    let is_form = |text: &str| Parsed::of(text).is_some();
    let lacks_offset = |text: &str| is_form(&format!("{text}Z"));
    if is_form(&possible) {
        InstantError::NoSuchTime
    } else if lacks_offset(&possible) {
        InstantError::NoOffset
    } else if possible.split_once(' ').is_some_and(|(time, _)| lacks_offset(time)) {
        InstantError::SpaceForPlus
    } else {
        InstantError::Form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_minutes_and_mistakes() {
        let noon = UtcMillis::new(1_795_147_620_000); // 2026-11-20T04:07:00Z
        assert_eq!(parse_at("2026-11-20T12:07:00+08:00"), Ok(At::Instant(noon)));
        assert_eq!(parse_at("2026-11-20t04:07:00.0009z"), Ok(At::Instant(noon)));
        assert_eq!(parse_at("2026-11-20T12:07+08:00"), Ok(At::Minute(Window::new(noon, noon.plus(60_000)))));
        assert_eq!(parse_from("2026-11-20T04:07:00.0009Z"), Ok(noon));
        assert_eq!(parse_to("2026-11-20T04:07:00.0009Z"), Ok(noon.plus(1)));
        assert_eq!(parse_to("2026-11-20T04:07:00.000000Z"), Ok(noon));
        assert_eq!(parse_from("2026-11-19T23:07:00.25-05:00"), Ok(noon.plus(250)));
        for (text, error) in [
            ("", InstantError::Form),
            ("2026-11-20", InstantError::Form),
            ("2026-11-20 12:07:00Z", InstantError::Form),
            ("2026-11-20T12:07:00", InstantError::NoOffset),
            ("2026-11-20T12:07:00 08:00", InstantError::SpaceForPlus),
            ("2026-11-20T12:07:00+0800", InstantError::Form),
            ("2026-11-20T12:07:00.Z", InstantError::Form),
            ("2026-11-20T12:07:00Z ", InstantError::Form),
            ("2026-02-29T12:07:00Z", InstantError::NoSuchTime),
            ("2026-13-01T12:07:00Z", InstantError::NoSuchTime),
            ("2026-11-20T24:00:00Z", InstantError::NoSuchTime),
            ("2026-11-20T12:07:60Z", InstantError::NoSuchTime),
            ("2026-11-20T12:07:00+24:00", InstantError::NoSuchTime),
            ("2026-11-20T12:07+08:60", InstantError::NoSuchTime),
            ("2026-11-20T12:07", InstantError::NoOffset),
            ("2026-13-20T12:07 08:00", InstantError::SpaceForPlus),
            ("2026-11-20T12:07.5Z", InstantError::Form),
            ("2026-11-20T12:07:Z", InstantError::Form),
        ] {
            assert_eq!(parse_at(text), Err(error), "{text}");
        }
    }
}
