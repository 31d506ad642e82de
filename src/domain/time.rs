//! Instants, local days and months, and the zone that connects them.
//!
//! Every instant that is stored is a whole millisecond of UTC ([`UtcMillis`]); a business day ([`LocalDay`]) is a
//! date of the configured [`Zone`].

use std::fmt;

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant in milliseconds since 1970-01-01T00:00:00Z (leap seconds do not count).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMillis(i64);

impl UtcMillis {
    /// Earlier than every instant that can be recorded.
    pub const MIN: Self = Self(i64::MIN);
    /// Later than every instant that can be recorded.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `millis` milliseconds after the epoch.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This instant moved by `delta_ms` milliseconds; the ends of time ([`Self::MIN`], [`Self::MAX`]) stay.
    #[must_use]
    pub const fn plus(self, delta_ms: i64) -> Self {
        if self.0 == i64::MIN || self.0 == i64::MAX { self } else { Self(self.0.saturating_add(delta_ms)) }
    }

    /// This instant moved back by `delta_ms` milliseconds; the ends of time stay.
    #[must_use]
    pub const fn minus(self, delta_ms: i64) -> Self {
        if self.0 == i64::MIN || self.0 == i64::MAX { self } else { Self(self.0.saturating_sub(delta_ms)) }
    }

    /// Milliseconds from `earlier` to this instant (negative when it is later), saturating.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A calendar date of the configured zone, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LocalDay(pub i32);

impl LocalDay {
    /// The date `year-month-day` of the proleptic Gregorian calendar; `None` when there is no such date.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Option<Self> {
        if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
            return None;
        }
        Some(Self(days_from_civil(year, month, day)))
    }

    /// Year, month (1..=12) and day (1..=31) of this date.
    pub fn ymd(self) -> (i32, u8, u8) {
        civil_from_days(self.0)
    }

    /// The month that holds this date.
    pub fn month(self) -> Month {
        let (year, month, _) = self.ymd();
        Month { year, month }
    }

    /// This date moved by `days`.
    #[must_use]
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl fmt::Display for LocalDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A calendar month of the configured zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// Year of the Gregorian calendar.
    pub year: i32,
    /// 1..=12.
    pub month: u8,
}

impl Month {
    /// The first date of the month.
    pub fn first_day(self) -> LocalDay {
        LocalDay(days_from_civil(self.year, self.month, 1))
    }

    /// The first date of the month after this one.
    pub fn end_day(self) -> LocalDay {
        let next = if self.month >= 12 {
            Self { year: self.year.saturating_add(1), month: 1 }
        } else {
            Self { year: self.year, month: self.month.saturating_add(1) }
        };
        next.first_day()
    }

    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        if year.len() != 4 || month.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return None;
        }
        let month_value: u8 = month.parse().ok()?;
        (1..=12).contains(&month_value).then_some(Self { year: year.parse().ok()?, month: month_value })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// Whether `year` has a 29 February.
pub const fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month (1..=12) of `year`.
#[inline]
pub const fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
#[inline]
pub const fn days_from_civil(year: i32, month: u8, day: u8) -> i32 {
    let month = month as i32;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// An instant in RFC 3339, east and west of Greenwich, before its digits are filled in.
const RFC3339_EAST: [u8; 29] = *b"0000-00-00T00:00:00.000+00:00";
const RFC3339_WEST: [u8; 29] = *b"0000-00-00T00:00:00.000-00:00";

/// Writes the last digits of a number, as many as there is place for.
fn put_digits(place: &mut [u8], value: i64) {
    let mut left = value;
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left.rem_euclid(10)).unwrap_or_default();
        left /= 10;
    }
}

/// The civil date of a day number (the inverse of [`days_from_civil`], same source).
pub fn civil_from_days(days: i32) -> (i32, u8, u8) {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (
        i32::try_from(year).unwrap_or(i32::MAX),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

/// A time zone as its offset transitions: from each instant on, this many seconds east of UTC.
///
/// Built at the edge (`config::zone`) from the bundled time-zone database; here it is only data, so days are computed
/// without I/O and without a library on the hot path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// (first instant, seconds east of UTC), ascending; the first entry starts at [`UtcMillis::MIN`].
    transitions: Vec<(UtcMillis, i32)>,
}

impl Zone {
    /// A zone from its transitions, in ascending order. Instants before the first have `before_s` seconds.
    pub fn new(
        name: impl Into<String>,
        before_s: i32,
        later: impl IntoIterator<Item = (UtcMillis, i32)>,
    ) -> Self {
        let mut transitions = vec![(UtcMillis::MIN, before_s)];
        transitions.extend(later);
        Self { name: name.into(), transitions }
    }

    /// UTC.
    pub fn utc() -> Self {
        Self::new("UTC", 0, [])
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds east of UTC at `at`.
    pub fn offset_s(&self, at: UtcMillis) -> i32 {
        self.transitions.get(self.nth(at)).map_or(0, |&(_, offset_s)| offset_s)
    }

    /// The number of the stretch of time with one offset in which `at` lies.
    fn nth(&self, at: UtcMillis) -> usize {
        self.transitions.partition_point(|&(from, _)| from <= at).saturating_sub(1)
    }

    /// The nth stretch of time with one offset: its first instant, its end, the offset in milliseconds.
    fn stretch(&self, nth: usize) -> Option<(UtcMillis, UtcMillis, i64)> {
        let &(began, offset_s) = self.transitions.get(nth)?;
        let ends = self.transitions.get(nth + 1).map_or(UtcMillis::MAX, |next| next.0);
        Some((began, ends, i64::from(offset_s) * SECOND_MS))
    }

    /// The local date at `at`.
    pub fn day(&self, at: UtcMillis) -> LocalDay {
        let local_ms = at.millis().saturating_add(i64::from(self.offset_s(at)) * SECOND_MS);
        let days = local_ms.div_euclid(DAY_MS);
        LocalDay(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The stretch around `at` with one local date and one offset: `(day, from, until)`, `until` exclusive.
    ///
    /// For callers that map many nearby instants: as long as an instant lies inside, its day is `day`.
    pub fn day_span(&self, at: UtcMillis) -> (LocalDay, UtcMillis, UtcMillis) {
        let day = self.day(at);
        let (began, ends, offset_ms) =
            self.stretch(self.nth(at)).unwrap_or((UtcMillis::MIN, UtcMillis::MAX, 0));
        let start = i64::from(day.0) * DAY_MS - offset_ms;
        (day, UtcMillis::new(start).max(began), UtcMillis::new(start.saturating_add(DAY_MS)).min(ends))
    }

    /// The first instant whose local date is `day` or later.
    pub fn start_of(&self, day: LocalDay) -> UtcMillis {
        let local_ms = i64::from(day.0) * DAY_MS;
        // Offsets lie within a day of UTC: before this instant all local dates are earlier.
        let first = self.nth(UtcMillis::new(local_ms - DAY_MS));
        let mut starts = (first..self.transitions.len()).filter_map(|nth| {
            let (began, ends, offset_ms) = self.stretch(nth)?;
            let start = UtcMillis::new(local_ms - offset_ms).max(began);
            (start < ends).then_some(start)
        });
        starts.next().unwrap_or(UtcMillis::MAX)
    }

    /// The first instant from which on every local date is later than `day`. Where clocks are set back over midnight, it
    /// lies after the start of the next date.
    pub fn end_of(&self, day: LocalDay) -> UtcMillis {
        let local_ms = (i64::from(day.0) + 1) * DAY_MS;
        let last = self.nth(UtcMillis::new(local_ms + DAY_MS));
        let mut ends = (0..=last).rev().filter_map(|nth| {
            let (began, ends, offset_ms) = self.stretch(nth)?;
            let end = UtcMillis::new(local_ms - offset_ms).min(ends);
            (end > began).then_some(end)
        });
        ends.next().unwrap_or(UtcMillis::MIN)
    }

    /// The first and the last local date of the instants in `[from, until)`.
    pub fn days_between(&self, from: UtcMillis, until: UtcMillis) -> (LocalDay, LocalDay) {
        let (first, last) = (self.day(from), self.day(until.minus(1)));
        let (before, after) = (first.plus_days(-1), last.plus_days(1));
        let first = if self.end_of(before) > from { before } else { first };
        (first, if self.start_of(after) < until { after } else { last })
    }

    /// Whether the local year of an instant has four digits: RFC 3339 can write no other.
    pub fn has_four_digit_year(&self, at: UtcMillis) -> bool {
        let minutes = self.offset_s(at) / 60;
        let local_ms = at.millis().saturating_add(i64::from(minutes) * MINUTE_MS);
        let days = i32::try_from(local_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX);
        (0..=9_999).contains(&civil_from_days(days).0)
    }

    /// `at` as RFC 3339 with milliseconds and this zone's offset, e.g. `2026-11-20T12:07:31.000+08:00`.
    pub fn rfc3339(&self, at: UtcMillis) -> String {
        // Whole minutes only in RFC 3339: local mean time before the first standard time is cut to the minute.
        let minutes = self.offset_s(at) / 60;
        let local_ms = at.millis().saturating_add(i64::from(minutes) * MINUTE_MS);
        let days = i32::try_from(local_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX);
        let ms = local_ms.rem_euclid(DAY_MS);
        let (year, month, day) = civil_from_days(days);
        let parts = [
            (5..7, i64::from(month)),
            (8..10, i64::from(day)),
            (11..13, ms.div_euclid(HOUR_MS)),
            (14..16, ms.div_euclid(MINUTE_MS) % 60),
            (17..19, ms.div_euclid(SECOND_MS) % 60),
            (20..23, ms.rem_euclid(SECOND_MS)),
            (24..26, i64::from(minutes.abs() / 60)),
            (27..29, i64::from(minutes.abs() % 60)),
        ];
        let mut text = if minutes < 0 { RFC3339_WEST } else { RFC3339_EAST };
        for (place, value) in [(0..4, i64::from(year))].into_iter().chain(parts) {
            put_digits(text.get_mut(place).unwrap_or_default(), value);
        }
        let text = std::str::from_utf8(&text).unwrap_or_default();
        match text.get(4..) {
            Some(rest) if !(0..=9_999).contains(&year) => format!("{year:04}{rest}"),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_go_there_and_back() {
        for day in -800_000..800_000 {
            let (y, m, d) = civil_from_days(day);
            assert_eq!(days_from_civil(y, m, d), day);
        }
        assert_eq!(LocalDay::from_ymd(2026, 11, 22).unwrap().to_string(), "2026-11-22");
        assert_eq!(LocalDay::from_ymd(2025, 2, 29), None);
        assert_eq!(LocalDay::from_ymd(2024, 2, 29).unwrap().plus_days(1).to_string(), "2024-03-01");
    }

    #[test]
    fn a_day_starts_where_the_local_date_changes_even_across_a_clock_change() {
        let change = UtcMillis::new(1_362_898_800_000); // 2013-03-10T07:00:00Z, New York leaves -05:00
        let zone = Zone::new("America/New_York", -5 * 3600, [(change, -4 * 3600)]);
        let day = zone.day(change);
        assert_eq!(day.to_string(), "2013-03-10");
        let start = zone.start_of(day);
        assert_eq!(zone.rfc3339(start), "2013-03-10T00:00:00.000-05:00");
        assert_eq!(zone.start_of(day.plus_days(1)).since(start), 23 * HOUR_MS);
        assert_eq!(zone.day_span(change), (day, change, zone.start_of(day.plus_days(1))));
        assert_eq!(zone.day_span(change.minus(1)), (day, start, change));
    }

    #[test]
    fn months_parse_and_bound() {
        let month = Month::parse("2025-12").unwrap();
        assert_eq!(month.first_day().to_string(), "2025-12-01");
        assert_eq!(month.end_day().to_string(), "2026-01-01");
        assert_eq!(Month::parse("2025-13"), None);
        assert_eq!(Month::parse("+025-1"), None);
    }
}
