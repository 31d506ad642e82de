//! Instants and days as texts with one form each.

use crate::domain::time::{
    DAY_MS, HOUR_MS, LocalDay, MINUTE_MS, SECOND_MS, UtcMillis, civil_from_days, days_in_month,
};

/// Bytes of the text of an instant.
pub const INSTANT_BYTES: usize = 24;
/// Bytes of the text of a day.
const DAY_BYTES: usize = 10;

/// `2026-11-20T04:07:31.000Z`: UTC to the millisecond. `None` outside the years 0000 to 9999.
pub fn to_text(at: UtcMillis) -> Option<String> {
    String::from_utf8(to_bytes(at)?.to_vec()).ok()
}

/// The text of an instant in ASCII. Sealing a day writes millions of them: no allocation, and a tenth of the time of `format!`.
pub fn to_bytes(at: UtcMillis) -> Option<[u8; INSTANT_BYTES]> {
    let millis = at.millis();
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let (date, time) = text.split_first_chunk_mut::<DAY_BYTES>()?;
    *date = day_bytes(LocalDay(i32::try_from(millis.div_euclid(DAY_MS)).ok()?))?;
    let rest = u32::try_from(millis.rem_euclid(DAY_MS)).ok()?;
    let (hour_ms, minute_ms, second_ms) = (3_600_000, 60_000, 1_000);
    put_digits(time.get_mut(1..3)?, rest / hour_ms);
    put_digits(time.get_mut(4..6)?, rest / minute_ms % 60);
    put_digits(time.get_mut(7..9)?, rest / second_ms % 60);
    put_digits(time.get_mut(10..13)?, rest % second_ms);
    Some(text)
}

/// Writes the last digits of a number into all of `text`.
fn put_digits(text: &mut [u8], number: u32) {
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
}

fn day_bytes(LocalDay(days): LocalDay) -> Option<[u8; DAY_BYTES]> {
    let (year, month, day) = civil_from_days(days);
    let year = u32::try_from(year).ok().filter(|year| *year <= 9999)?;
    let mut text = *b"0000-00-00";
    put_digits(text.get_mut(..4)?, year);
    put_digits(text.get_mut(5..7)?, month.into());
    put_digits(text.get_mut(8..)?, day.into());
    Some(text)
}

/// The instant of such a text; `None` for any other text.
pub fn from_text(text: &str) -> Option<UtcMillis> {
    let (date, time) = text.split_once('T')?;
    let LocalDay(days) = day_from_text(date)?;
    let digits = |from: usize, until: usize| -> Option<i64> {
        let part = time.get(from..until)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let of_day =
        digits(0, 2)? * HOUR_MS + digits(3, 5)? * MINUTE_MS + digits(6, 8)? * SECOND_MS + digits(9, 12)?;
    let at = UtcMillis::new(i64::from(days) * DAY_MS + of_day);
    (to_text(at).as_deref() == Some(text)).then_some(at)
}

/// `2026-11-20`. `None` outside the years 0000 to 9999.
pub fn day_text(day: LocalDay) -> Option<String> {
    String::from_utf8(day_bytes(day)?.to_vec()).ok()
}

/// The day of such a text; `None` for any other text.
pub fn day_from_text(text: &str) -> Option<LocalDay> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let day = exists.then(|| LocalDay::from_ymd(year, month, day))??;
    (day_text(day).as_deref() == Some(text)).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_instant_has_one_text() {
        let text = "2026-11-20T04:07:31.050Z";
        assert_eq!(to_text(from_text(text).unwrap()).as_deref(), Some(text));
        assert_eq!(from_text("1970-01-01T00:00:00.001Z"), Some(UtcMillis::new(1)));
        for other in [
            "2026-11-20T04:07:31.05Z",
            "2026-11-20T04:07:31.0500Z",
            "2026-11-20t04:07:31.050Z",
            "2026-11-20T04:07:31.050z",
            "2026-11-20T24:00:00.000Z",
            "2026-11-20T23:59:60.000Z",
            "2026-11-20T04:+7:31.050Z",
            "2026-02-29T04:07:31.050Z",
            "+2026-11-20T04:07:31.050Z",
            "2026-11-20T04:07:31.050",
            "2026-11-20",
            "é2026-11-20T0é",
            "",
        ] {
            assert_eq!(from_text(other), None, "{other}");
        }
        assert_eq!(day_from_text("2026-1-20"), None);
        assert_eq!(to_text(UtcMillis::MAX), None);
        assert_eq!(to_text(UtcMillis::MIN), None);
    }

    proptest! {
        #[test]
        fn texts_are_read_back(millis in -62_167_219_200_000_i64..253_402_300_800_000) {
            let at = UtcMillis::new(millis);
            let text = to_text(at).unwrap();
            prop_assert_eq!(from_text(&text), Some(at));
            prop_assert_eq!(text.len(), 24);
        }
    }
}
