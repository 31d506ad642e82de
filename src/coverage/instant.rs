//! The instants of questions: RFC 3339, or a whole minute without its seconds. People may type more: [`parse_typed`].

mod typed;

pub use typed::{TYPED_FORMS, TypedError, from_local, offset, parse_typed, parse_typed_from, parse_typed_to};

use crate::domain::time::{
    DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMillis, Zone, days_from_civil, days_in_month,
};
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
    Parsed::read(text).map(|time| if time.finer { time.floor.plus(1) } else { time.floor })
}

struct Parsed {
    floor: UtcMillis,
    /// Something finer than a millisecond was cut.
    finer: bool,
    seconds: bool,
}

impl Parsed {
    fn read(text: &str) -> Result<Self, InstantError> {
        let mut rest = Cursor(text.as_bytes());
        let year = rest.digits(4)?;
        rest.one_of(b"-")?;
        let month = rest.digits(2)?;
        rest.one_of(b"-")?;
        let day = rest.digits(2)?;
        rest.one_of(b"Tt")?;
        let hour = rest.digits(2)?;
        rest.one_of(b":")?;
        let minute = rest.digits(2)?;
        let seconds = rest.one_of(b":").is_ok();
        let second = if seconds { rest.digits(2)? } else { 0 };
        let (ms, finer) = if seconds && rest.one_of(b".").is_ok() { rest.fraction()? } else { (0, false) };
        let offset_ms = rest.offset()?;
        let (month, day) = (u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0));
        let date_exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        if !date_exists || hour > 23 || minute > 59 || second > 59 {
            return Err(InstantError::NoSuchTime);
        }
        let of_day =
            i64::from(hour) * HOUR_MS + i64::from(minute) * MINUTE_MS + i64::from(second) * SECOND_MS;
        let local = i64::from(days_from_civil(year, month, day)) * DAY_MS + of_day + ms;
        Ok(Self { floor: UtcMillis::new(local - offset_ms), finer, seconds })
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn one_of(&mut self, allowed: &[u8]) -> Result<u8, InstantError> {
        match self.0.split_first() {
            Some((&byte, rest)) if allowed.contains(&byte) => {
                self.0 = rest;
                Ok(byte)
            }
            _ => Err(InstantError::Form),
        }
    }

    fn digit(&mut self) -> Result<i32, InstantError> {
        self.one_of(b"0123456789").map(|byte| i32::from(byte - b'0'))
    }

    fn digits(&mut self, count: usize) -> Result<i32, InstantError> {
        (0..count).try_fold(0, |value, _| Ok(value * 10 + self.digit()?))
    }

    /// At least one digit: milliseconds, and whether anything finer follows.
    fn fraction(&mut self) -> Result<(i64, bool), InstantError> {
        let mut ms = i64::from(self.digit()?) * 100;
        let mut scale = 10;
        let mut finer = false;
        while let Ok(digit) = self.digit() {
            ms += i64::from(digit) * scale;
            finer |= scale == 0 && digit != 0;
            scale /= 10;
        }
        Ok((ms, finer))
    }

    fn offset(&mut self) -> Result<i64, InstantError> {
        if self.0.is_empty() {
            return Err(InstantError::NoOffset);
        }
        if self.0.first() == Some(&b' ') {
            return Err(InstantError::SpaceForPlus);
        }
        let sign = self.one_of(b"Zz+-")?;
        let mut offset_ms = 0;
        if matches!(sign, b'+' | b'-') {
            let hours = self.digits(2)?;
            self.one_of(b":")?;
            let minutes = self.digits(2)?;
            if hours > 23 || minutes > 59 {
                return Err(InstantError::NoSuchTime);
            }
            offset_ms = i64::from(hours) * HOUR_MS + i64::from(minutes) * MINUTE_MS;
        }
        if !self.0.is_empty() {
            return Err(InstantError::Form);
        }
        Ok(if sign == b'-' { -offset_ms } else { offset_ms })
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
        ] {
            assert_eq!(parse_at(text), Err(error), "{text}");
        }
    }
}
