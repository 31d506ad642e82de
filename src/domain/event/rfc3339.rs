//! RFC 3339 instants, exactly: whole milliseconds and whatever digits follow them.

use crate::domain::time::{UtcMillis, days_from_civil, days_in_month};
use std::cmp::Ordering;

/// An instant with all its digits. It rounds down to the millisecond as a start and up as an end, so that rounding
/// never takes cover away; limits compare it unrounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactTime<'a> {
    floor_ms: i64,
    /// The decimal digits below the millisecond, without trailing zeros: they order like the fractions they are.
    rest: &'a str,
}

impl<'a> ExactTime<'a> {
    /// Reads `YYYY-MM-DDTHH:MM:SS[.f...](Z|+hh:mm|-hh:mm)`: `T` and `Z` in either case, any number of fraction
    /// digits, no second 60. `None` when the text is anything else or there is no such date.
    #[inline]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (whole, tail) = text.as_bytes().split_first_chunk::<19>()?;
        let local_s = seconds(whole)?;
        let (ms, rest, zone) = match tail {
            [b'.', a, b, c, zone @ ..] if !matches!(zone, [b'0'..=b'9', ..]) && digit(*c).is_some() => {
                (i64::from(pair(*a, *b)?) * 10 + i64::from(digit(*c)?), "", zone)
            }
            [b'.', ..] => fraction(text.get(20..)?)?,
            zone => (0, "", zone),
        };
        Some(Self { floor_ms: (local_s - offset_s(zone)?) * 1_000 + ms, rest })
    }

    /// Rounded down to the millisecond.
    pub const fn floor(self) -> UtcMillis {
        UtcMillis::new(self.floor_ms)
    }

    /// Rounded up to the millisecond.
    pub const fn ceil(self) -> UtcMillis {
        UtcMillis::new(self.floor_ms + if self.rest.is_empty() { 0 } else { 1 })
    }

    /// Whether this instant lies more than `limit_ms` after `earlier`; exactly the limit does not.
    #[inline]
    pub fn is_later_by_more_than(self, limit_ms: i64, earlier: Self) -> bool {
        match (self.floor_ms - earlier.floor_ms).cmp(&limit_ms) {
            Ordering::Less => false,
            Ordering::Equal => self.rest > earlier.rest,
            Ordering::Greater => true,
        }
    }

    /// Whether this instant lies in `[from, until)`.
    pub fn is_within(self, (from, until): (UtcMillis, UtcMillis)) -> bool {
        from <= self.floor() && self.floor() < until
    }
}

impl Ord for ExactTime<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.floor_ms, self.rest).cmp(&(other.floor_ms, other.rest))
    }
}

impl PartialOrd for ExactTime<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Seconds from the epoch to `YYYY-MM-DDTHH:MM:SS`, as if it were UTC.
#[inline]
fn seconds(text: &[u8; 19]) -> Option<i64> {
    let &[c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2, b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2] = text
    else {
        return None;
    };
    let year = i32::from(pair(c1, c2)?) * 100 + i32::from(pair(y1, y2)?);
    let (month, day) = (pair(m1, m2)?, pair(d1, d2)?);
    if !(1..=12).contains(&month) || day == 0 || (day > 28 && day > days_in_month(year, month)) {
        return None;
    }
    let (hour, minute, second) = (pair(h1, h2)?, pair(n1, n2)?, pair(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some(i64::from(days_from_civil(year, month, day)) * 86_400 + of_day)
}

/// Milliseconds, further digits and the zone of the text after the point.
fn fraction(text: &str) -> Option<(i64, &str, &[u8])> {
    let length = text.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, zone) = text.split_at_checked(length)?;
    if digits.is_empty() {
        return None;
    }
    let place = |index: usize| digits.as_bytes().get(index).map_or(0, |byte| i64::from(byte - b'0'));
    let rest = digits.get(3..).unwrap_or_default().trim_end_matches('0');
    Some((place(0) * 100 + place(1) * 10 + place(2), rest, zone.as_bytes()))
}

/// Seconds east of UTC.
#[inline]
fn offset_s(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (pair(h1, h2)?, pair(m1, m2)?);
            let offset_s = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
            (hours < 24 && minutes < 60).then_some(if sign == b'-' { -offset_s } else { offset_s })
        }
        _ => None,
    }
}

#[inline]
fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(digit)
}

#[inline]
fn pair(tens: u8, units: u8) -> Option<u8> {
    Some(digit(tens)? * 10 + digit(units)?)
}
