//! Times as people type them: local times of a zone, a whole day, Chinese dates, full-width digits; and RFC 3339.

use super::At;
use super::InstantError;
use super::parse_at;
use super::parse_to;
use crate::coverage::question::When;
use crate::domain::time::{DAY_MS, HOUR_MS, LocalDay, MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use crate::domain::window::Window;
use thiserror::Error;

/// The forms that [`parse_typed`] reads, for messages, with what to call a whole minute and a whole day.
pub fn typed_forms(whole_minute: &str, whole_day: &str) -> String {
    format!(
        "2026-11-20 12:07:31, 2026/11/20 9:07 ({whole_minute}), 2026-11-20 ({whole_day}), 2026年11月20日 12:07, \
         2026年11月20日12时07分, 2026-11-20T12:07:31+08:00"
    )
}

fn forms() -> String {
    typed_forms("the whole minute", "the whole day")
}

/// Why a typed text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TypedError {
    /// Not of any form.
    #[error("this is no time; write it like one of: {}", forms())]
    Form,
    /// `11/20/2026` or `4/5/26`: day and month cannot be told apart.
    #[error(
        "day and month of this date cannot be told apart: write the year first, like one of: {}",
        forms()
    )]
    DayOrder,
    /// A time of day alone.
    #[error("the date is missing; write the time like one of: {}", forms())]
    NoDate,
    /// No such date or time of day.
    #[error("there is no such date or time of day")]
    NoSuchTime,
    /// The year of the local date has not four digits.
    #[error("{}", InstantError::Year)]
    Year,
    /// The clocks went back.
    #[error("the clocks went back, so this local time came twice: write its offset, {} or {}", offset(*first_s), offset(*second_s))]
    Twice {
        /// Offset of the first, in seconds east of UTC.
        first_s: i32,
        /// Offset of the second.
        second_s: i32,
    },
    /// The clocks went forward.
    #[error("the clocks went forward over this local time: it never came")]
    Never,
}

/// An offset as RFC 3339 writes it.
pub fn offset(seconds: i32) -> String {
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads a time as people type it: an instant, a whole minute (no seconds), or a whole local day (no time of day).
///
/// # Errors
/// What is no time, or a local time that the zone's clocks showed twice or never.
pub fn parse_typed(text: &str, zone: &Zone) -> Result<When, TypedError> {
    let text = plain(text);
    let when = match parse_at(&text) {
        Ok(at) => at.into(),
        Err(InstantError::NoSuchTime) => return Err(TypedError::NoSuchTime),
        Err(_) => Typed::read(&text)?.when(zone)?,
    };
    in_four_digits(when, zone)
}

/// Reads the first instant of an interval: of a minute or a day, its start.
///
/// # Errors
/// As [`parse_typed`].
pub fn parse_typed_from(text: &str, zone: &Zone) -> Result<UtcMillis, TypedError> {
    parse_typed(text, zone).map(|when| when.window().from)
}

/// Reads the end of an interval, exclusive: of a minute, its start; a day counts through its end; what is finer than a
/// millisecond is rounded up.
///
/// # Errors
/// As [`parse_typed`].
pub fn parse_typed_to(text: &str, zone: &Zone) -> Result<UtcMillis, TypedError> {
    match parse_typed(text, zone)? {
        When::Instant(at) => match parse_to(&plain(text)) {
            Ok(at) => Ok(at),
            Err(_) => Ok(if Typed::read(&plain(text))?.finer { at.plus(1) } else { at }),
        },
        When::Minute(minute) => Ok(minute.from),
        When::Interval(day) => Ok(day.until),
    }
}

/// The instant of a local time, which is given as if it were UTC.
///
/// # Errors
/// A local time that came twice or never.
pub fn from_local(local: UtcMillis, zone: &Zone) -> Result<UtcMillis, TypedError> {
    let offsets = [zone.offset_s(local.minus(DAY_MS)), zone.offset_s(local.plus(DAY_MS))];
    let fits = |offset_s: i32| {
        let at = local.minus(i64::from(offset_s) * SECOND_MS);
        (zone.offset_s(at) == offset_s).then_some(at)
    };
    let [first_s, second_s] = offsets;
    match offsets.map(fits) {
        [Some(first), Some(second)] if first != second => Err(TypedError::Twice { first_s, second_s }),
        [Some(at), _] | [None, Some(at)] => Ok(at),
        [None, None] => Err(TypedError::Never),
    }
}

impl From<At> for When {
    fn from(at: At) -> Self {
        match at {
            At::Instant(at) => Self::Instant(at),
            At::Minute(minute) => Self::Minute(minute),
        }
    }
}

/// Answers write years in four digits.
fn in_four_digits(when: When, zone: &Zone) -> Result<When, TypedError> {
    let Window { from, until } = when.window();
    let fits = |at: UtcMillis| zone.rfc3339(at).find('-') == Some(4);
    if fits(from) && fits(until) { Ok(when) } else { Err(TypedError::Year) }
}

/// The text in ASCII where that changes no meaning: full-width forms, spaces, dashes and colons of other scripts;
/// without characters that cannot be seen.
fn plain(text: &str) -> String {
    let ascii = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{ad}' => None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{2236}' | '\u{fe30}' => Some(':'),
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    };
    text.chars().filter_map(ascii).collect::<String>().trim().to_owned()
}

/// What a text says, before the zone has its word.
#[derive(Clone, Copy, Debug)]
struct Typed {
    day: LocalDay,
    /// `None`: the whole day.
    time: Option<TimeOfDay>,
    offset_ms: Option<i64>,
    /// Something finer than a millisecond was cut.
    finer: bool,
}

#[derive(Clone, Copy, Debug)]
struct TimeOfDay {
    ms: i64,
    has_seconds: bool,
}

impl Typed {
    fn read(text: &str) -> Result<Self, TypedError> {
        let mut rest = Text(text);
        let day = rest.date()?;
        let spaces = rest.spaces();
        if rest.0.is_empty() {
            return Ok(Self { day, time: None, offset_ms: None, finer: false });
        }
        let separated =
            spaces || rest.take(&['T', 't']).is_some() || text.contains('日') || text.contains('号');
        if !separated {
            return Err(TypedError::Form);
        }
        rest.spaces();
        let (time, finer) = rest.time()?;
        rest.spaces();
        let offset_ms = rest.offset()?;
        if rest.0.is_empty() {
            Ok(Self { day, time: Some(time), offset_ms, finer })
        } else {
            Err(TypedError::Form)
        }
    }

    fn when(self, zone: &Zone) -> Result<When, TypedError> {
        let Some(time) = self.time else {
            let day = Window::new(zone.start_of(self.day), zone.end_of(self.day));
            return if day.is_empty() { Err(TypedError::Never) } else { Ok(When::Interval(day)) };
        };
        let local = UtcMillis::new(i64::from(self.day.0) * DAY_MS + time.ms);
        let at = match self.offset_ms {
            Some(offset_ms) => local.minus(offset_ms),
            None => from_local(local, zone)?,
        };
        let minute = Window::new(at, at.plus(MINUTE_MS));
        Ok(if time.has_seconds { When::Instant(at) } else { When::Minute(minute) })
    }
}

/// What is not read yet.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn take(&mut self, allowed: &[char]) -> Option<char> {
        let first = self.0.chars().next().filter(|c| allowed.contains(c))?;
        self.0 = self.0.get(first.len_utf8()..)?;
        Some(first)
    }

    fn spaces(&mut self) -> bool {
        let length = self.0.len();
        self.0 = self.0.trim_start_matches(' ');
        self.0.len() < length
    }

    /// A number and its count of digits.
    fn number(&mut self, digits_max: usize) -> Option<(i32, usize)> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).take(digits_max + 1).count();
        let (digits, rest) = self.0.split_at_checked(count).filter(|_| (1..=digits_max).contains(&count))?;
        let value = digits.parse().ok()?;
        self.0 = rest;
        Some((value, count))
    }

    fn date(&mut self) -> Result<LocalDay, TypedError> {
        let (year, digits) = self.number(8).ok_or(TypedError::Form)?;
        if digits == 8 {
            return day(year / 10_000, year / 100 % 100, year % 100);
        }
        if digits < 3 {
            return Err(match self.take(&[':', '时', '点', '/', '-', '.', '月', ' ']) {
                Some(':' | '时' | '点') => TypedError::NoDate,
                Some('/' | '-' | '.') => TypedError::DayOrder,
                _ => TypedError::Form,
            });
        }
        if digits != 4 {
            return Err(TypedError::Form);
        }
        self.spaces();
        let separator = self.take(&['-', '/', '.', '年']).ok_or(TypedError::Form)?;
        let chinese = separator == '年';
        self.spaces();
        let (month, _) = self.number(2).ok_or(TypedError::Form)?;
        self.spaces();
        self.take(&[if chinese { '月' } else { separator }]).ok_or(TypedError::Form)?;
        self.spaces();
        let (number, _) = self.number(2).ok_or(TypedError::Form)?;
        if chinese {
            let before = self.0;
            self.spaces();
            if self.take(&['日', '号']).is_none() {
                self.0 = before;
            }
        }
        day(year, month, number)
    }

    /// The time of day, and whether something finer than a millisecond was cut.
    fn time(&mut self) -> Result<(TimeOfDay, bool), TypedError> {
        let (hour, _) = self.number(2).ok_or(TypedError::Form)?;
        let after_hour = self.0;
        self.spaces();
        let chinese = self.take(&['时', '点']).is_some();
        if chinese {
            self.spaces();
        } else {
            self.0 = after_hour;
            self.take(&[':']).ok_or(TypedError::Form)?;
        }
        let (minute, _) =
            self.number(2).filter(|(_, digits)| chinese || *digits == 2).ok_or(TypedError::Form)?;
        let mut seconds = None;
        let mut fraction = (0, false);
        if chinese {
            self.spaces();
            self.take(&['分']).ok_or(TypedError::Form)?;
            let before = self.0;
            self.spaces();
            seconds = self.number(2);
            match seconds {
                Some(_) => {
                    fraction = self.fraction();
                    self.spaces();
                    self.take(&['秒']).ok_or(TypedError::Form)?;
                }
                None => self.0 = before,
            }
        } else if self.take(&[':']).is_some() {
            let two = self.number(2).filter(|(_, digits)| *digits == 2);
            seconds = Some(two.ok_or(TypedError::Form)?);
            fraction = self.fraction();
        }
        let second = seconds.map_or(0, |(second, _)| second);
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TypedError::NoSuchTime);
        }
        let whole = i64::from(hour) * HOUR_MS + i64::from(minute) * MINUTE_MS + i64::from(second) * SECOND_MS;
        Ok((TimeOfDay { ms: whole + fraction.0, has_seconds: seconds.is_some() }, fraction.1))
    }

    /// Milliseconds, and whether anything finer follows.
    fn fraction(&mut self) -> (i64, bool) {
        let Some(digits) = self.0.strip_prefix(['.', ',']) else { return (0, false) };
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let Some((digits, rest)) = digits.split_at_checked(count).filter(|_| count > 0) else {
            return (0, false);
        };
        self.0 = rest;
        let ms = digits.chars().chain("00".chars()).take(3).collect::<String>().parse().unwrap_or(0);
        (ms, digits.bytes().skip(3).any(|digit| digit != b'0'))
    }

    /// `Z`, `+08:00` or `+0800`; none: a local time.
    fn offset(&mut self) -> Result<Option<i64>, TypedError> {
        let Some(sign) = self.take(&['Z', 'z', '+', '-']) else { return Ok(None) };
        if matches!(sign, 'Z' | 'z') {
            return Ok(Some(0));
        }
        let (hours, minutes) = match self.number(4).ok_or(TypedError::Form)? {
            (value, 4) => (value / 100, value % 100),
            (hours, 2) => {
                self.take(&[':']).ok_or(TypedError::Form)?;
                (hours, self.number(2).filter(|(_, digits)| *digits == 2).ok_or(TypedError::Form)?.0)
            }
            _ => return Err(TypedError::Form),
        };
        if hours > 23 || minutes > 59 {
            return Err(TypedError::NoSuchTime);
        }
        let offset_ms = i64::from(hours) * HOUR_MS + i64::from(minutes) * MINUTE_MS;
        Ok(Some(if sign == '-' { -offset_ms } else { offset_ms }))
    }
}

fn day(year: i32, month: i32, day: i32) -> Result<LocalDay, TypedError> {
    let (month, day) = (u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0));
    LocalDay::from_ymd(year, month, day).ok_or(TypedError::NoSuchTime)
}

#[cfg(test)]
mod tests;
