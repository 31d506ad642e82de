//! The small values of an event: identifiers, whole numbers, decimal strings.

use super::json::{Kind, Value};
use crate::domain::order::{ID_BYTES_MAX, PLATFORM_BYTES_MAX, REVISION_MAX};
use rust_decimal::Decimal;

/// Digits that always fit an `i64`.
const I64_DIGITS: usize = 18;

/// Whether every character may occur in a platform's name.
pub(super) fn has_platform_characters(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Whether `name` is a valid platform name, registered or not.
pub(super) fn is_platform(name: &str) -> bool {
    (1..=PLATFORM_BYTES_MAX).contains(&name.len()) && has_platform_characters(name)
}

/// Whether there is no control character in `id`.
pub(super) fn has_id_characters(id: &str) -> bool {
    // Folded without an early exit, so that it is done many bytes at a time.
    let is_plain_ascii = id.bytes().fold(true, |plain, byte| plain & (0x20..0x7f).contains(&byte));
    is_plain_ascii || !id.chars().any(char::is_control)
}

/// Whether `id` is a valid order or rider identifier.
pub(super) fn is_id(id: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && has_id_characters(id)
}

/// A JSON number without fraction or exponent, from 0 to `max`; 0 when absent.
fn whole_number(value: &Value<'_>, max: u64) -> Option<u64> {
    match value.kind {
        Kind::Absent | Kind::Null => Some(0),
        Kind::Number if value.raw == "-0" => Some(0),
        // Unlike the grammar, `parse` takes a plus sign, which the scanner has refused.
        Kind::Number => value.raw.parse().ok().filter(|&number| number <= max),
        _ => None,
    }
}

/// The leg; `None` when it is not one.
pub(super) fn leg(value: &Value<'_>) -> Option<u8> {
    whole_number(value, u64::from(u8::MAX)).and_then(|leg| u8::try_from(leg).ok())
}

/// The revision; `None` when it is not one.
pub(super) fn revision(value: &Value<'_>) -> Option<u64> {
    whole_number(value, REVISION_MAX)
}

/// A decimal string: digits, and if there is a point, digits on both its sides. No sign, no exponent. `None` also when
/// it has more digits than can be kept exactly. Equal values are equal as results.
pub(super) fn fare(text: &str) -> Option<Decimal> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = u32::try_from(fraction.len()).ok()?;
    if whole.len() + fraction.len() <= I64_DIGITS {
        let number = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0_i64, |number, byte| number * 10 + i64::from(byte - b'0'));
        return Some(Decimal::new(number, scale));
    }
    let mut number = 0_i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        number = number.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    Decimal::try_from_i128_with_scale(number, scale).ok()
}
