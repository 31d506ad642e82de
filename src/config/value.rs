//! Single values: durations, sizes, dates, instants, decimals; each says what it wants when it gets something else.

use crate::domain::time::{DAY_MS, HOUR_MS, LocalDay, MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use rust_decimal::Decimal;
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

fn string<'v>(value: &'v DeValue<'_>, want: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("write {want} as a string, not as {}", value.type_str()))
}

/// A string that says something.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = string(value, "it")?;
    if text.trim().is_empty() {
        return Err("it must not be empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("it must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// A list of such strings.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let array =
        value.as_array().ok_or_else(|| format!("write a list of strings, not {}", value.type_str()))?;
    array.iter().map(|value| text(value.get_ref())).collect()
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("write true or false, not {}", value.type_str()))
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    value.as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
}

fn bounded<T: TryFrom<u64>>(value: u64, bounds: (u64, u64)) -> Option<T> {
    (bounds.0..=bounds.1).contains(&value).then(|| T::try_from(value).ok()).flatten()
}

/// A whole number within bounds, both included.
pub(super) fn integer<T: TryFrom<u64>>(min: u64, max: u64) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let number = whole(value).and_then(|number| bounded(number, (min, max)));
        number.ok_or_else(|| format!("write a whole number from {min} to {max}"))
    }
}

/// Splits `15m` into number and unit.
fn amount(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

fn duration_ms(text: &str) -> Option<u64> {
    let (number, unit) = amount(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    number.checked_mul(u64::try_from(unit_ms).ok()?)
}

/// A duration within bounds, in milliseconds.
pub(super) fn duration<T: TryFrom<u64>>(
    min: &'static str,
    max: &'static str,
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let text = string(value, "a duration such as \"15m\"")?;
        let bounds = (duration_ms(min).unwrap_or(0), duration_ms(max).unwrap_or(u64::MAX));
        let number = duration_ms(text).and_then(|number| bounded(number, bounds));
        number.ok_or_else(|| {
            format!("`{text}` is not a duration from {min} to {max}: a whole number and ms, s, m, h or d, as in \"15m\"")
        })
    }
}

/// Whole days within bounds.
pub(super) fn days<T: TryFrom<u64>>(min: u64, max: u64) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let text = string(value, "whole days such as \"1095d\"")?;
        let day_ms = u64::try_from(DAY_MS).unwrap_or(u64::MAX);
        let days = duration_ms(text).filter(|ms| ms % day_ms == 0).map(|ms| ms / day_ms);
        let number = days.and_then(|days| bounded(days, (min, max)));
        number.ok_or_else(|| format!("`{text}` is not a number of whole days from {min}d to {max}d"))
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = amount(text)?;
    let unit: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A size in bytes within bounds: a whole number, or a string with a unit.
pub(super) fn size<T: TryFrom<u64>>(
    min: &'static str,
    max: &'static str,
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let number = whole(value).or_else(|| value.as_str().and_then(bytes));
        let bounds = (bytes(min).unwrap_or(0), bytes(max).unwrap_or(u64::MAX));
        let number = number.and_then(|number| bounded(number, bounds));
        number.ok_or_else(|| {
            format!("write a size from {min} to {max}: bytes, or a whole number and KiB, MiB, GiB or TiB, as in \"1GiB\"")
        })
    }
}

/// A decimal, from 0 to `max`.
pub(super) fn decimal(max: u32) -> impl Fn(&DeValue<'_>) -> Result<Decimal, String> {
    move |value| {
        let text = string(value, "a decimal such as \"0.25\"")?;
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let decimal = plain.then(|| Decimal::from_str_exact(text).ok()).flatten();
        let fits = decimal.filter(|decimal| *decimal <= Decimal::from(max));
        fits.ok_or_else(|| format!("`{text}` is not a decimal from 0 to {max}, such as \"0.25\""))
    }
}

fn datetime<'v>(value: &'v DeValue<'_>, want: &str) -> Result<&'v Datetime, String> {
    value.as_datetime().ok_or_else(|| format!("write {want}, without quotes"))
}

/// A local date.
pub(super) fn date(value: &DeValue<'_>) -> Result<LocalDay, String> {
    let want = "a date such as 2025-07-01";
    let datetime = datetime(value, want)?;
    match (datetime.date, datetime.time) {
        (Some(date), None) => LocalDay::from_ymd(i32::from(date.year), date.month, date.day),
        _ => None,
    }
    .ok_or_else(|| format!("write {want}, without a time"))
}

/// An instant with an offset.
pub(super) fn instant(value: &DeValue<'_>) -> Result<UtcMillis, String> {
    let want = "an instant with an offset, such as 2026-01-01T00:00:00+08:00";
    from_datetime(datetime(value, want)?).ok_or_else(|| format!("write {want}, with milliseconds at most"))
}

fn from_datetime(datetime: &Datetime) -> Option<UtcMillis> {
    let (date, time) = (datetime.date?, datetime.time?);
    let offset_minutes = match datetime.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let (second, nanosecond) = (time.second.unwrap_or(0), time.nanosecond.unwrap_or(0));
    if time.hour > 23 || time.minute > 59 || second > 59 || nanosecond % 1_000_000 != 0 {
        return None;
    }
    let day = LocalDay::from_ymd(i32::from(date.year), date.month, date.day)?;
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - offset_minutes;
    let ms = i64::from(second) * SECOND_MS + i64::from(nanosecond / 1_000_000);
    Some(UtcMillis::new(i64::from(day.0) * DAY_MS + minutes * MINUTE_MS + ms))
}

/// A local date (its first instant) or an instant with an offset.
pub(super) fn date_or_instant(zone: &Zone) -> impl Fn(&DeValue<'_>) -> Result<UtcMillis, String> {
    move |value| {
        let start = date(value).map(|day| zone.start_of(day));
        start.or_else(|_| instant(value)).map_err(|_| {
            "write a date such as 2025-07-01 (it begins at midnight in the configured zone) or an instant with an \
             offset, such as 2026-01-01T00:00:00+08:00, without quotes"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration_ms("15m"), Some(900_000));
        assert_eq!(duration_ms("0s"), Some(0));
        assert_eq!(duration_ms("1095d"), Some(1095 * 86_400_000));
        for wrong in ["", "15", "m", "-1s", "1.5h", "1w", "99999999999999999999s", "400000000000d"] {
            assert_eq!(duration_ms(wrong), None, "{wrong}");
        }
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        assert_eq!(bytes("1GB"), None);
        assert_eq!(bytes("99999999TiB"), None);
    }

    #[test]
    fn instants_have_an_offset_and_dates_have_no_time() {
        let read = |text: &str| from_datetime(&Datetime::from_str(text).unwrap()).map(UtcMillis::millis);
        assert_eq!(read("1970-01-01T08:00:00+08:00"), Some(0));
        assert_eq!(read("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(read("1970-01-01T00:00:01.0001Z"), None);
        assert_eq!(read("1970-01-01T00:00:01"), None);
        assert_eq!(read("1970-01-01"), None);
    }
}
