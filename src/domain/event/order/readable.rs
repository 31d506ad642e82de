//! What can still be read of a refused order event: each field by its own rule, whatever else is wrong.

use super::{ACCEPTED_AT, ENDED_AT, LEG, ORDER_ID, OUTCOME, PLATFORM, REVISION, RIDER_ID};
use crate::domain::event::json::{Kind, Value};
use crate::domain::event::rfc3339::ExactTime;
use crate::domain::event::salvage::Salvaged;
use crate::domain::event::schema::Field;
use crate::domain::event::{EventRules, scalar};
use crate::domain::order::{Outcome, Phase};
use crate::domain::reject::{ReadRevision, Readable};
use crate::domain::time::UtcMillis;

/// The largest integer below which every integer survives a program that keeps numbers as doubles.
const EXACT_INTEGER_MAX: u128 = (1 << 53) - 1;

pub(in crate::domain::event) fn readable(salvaged: &Salvaged<'_>, rules: &EventRules) -> Readable {
    let value = |field: Field| salvaged.value(field.name);
    let accepted_at = value(ACCEPTED_AT).and_then(|value| time(&value, |time| time.floor()));
    let ended_at = value(ENDED_AT).and_then(|value| time(&value, |time| time.ceil()));
    let (from, until) = rules.horizon;
    let is_beyond = |at: &UtcMillis| *at < from || until < *at;
    Readable {
        platform: value(PLATFORM).and_then(|value| text(&value, scalar::is_platform)),
        order_id: value(ORDER_ID).and_then(|value| identifier(&value)),
        leg: value(LEG).and_then(|value| scalar::leg(&value)),
        phase: phase(salvaged),
        rider_id: value(RIDER_ID).and_then(|value| identifier(&value)),
        revision: value(REVISION)
            .and_then(|value| scalar::revision(&value))
            .map_or(ReadRevision::Unreadable, ReadRevision::Known),
        accepted_at,
        ended_at,
        is_completeness: false,
        is_clock_wrong: accepted_at.iter().chain(&ended_at).any(is_beyond),
        outcome: value(OUTCOME).and_then(|value| Outcome::parse(&value.text()?)),
    }
}

/// The phase, where it is certain. An outcome without an end is no open order: its end is missing.
fn phase(salvaged: &Salvaged<'_>) -> Option<Phase> {
    match (salvaged.is_given(ENDED_AT.name)?, salvaged.is_given(OUTCOME.name)) {
        (true, _) => Some(Phase::Ended),
        (false, Some(false)) => Some(Phase::Open),
        (false, _) => None,
    }
}

fn text(value: &Value<'_>, is_valid: fn(&str) -> bool) -> Option<String> {
    // A longer raw text can still be valid: an escape takes up to six bytes for each byte it stands for.
    value.text().filter(|text| is_valid(text)).map(std::borrow::Cow::into_owned)
}

/// An identifier: a valid string, or the digits of an integer.
fn identifier(value: &Value<'_>) -> Option<String> {
    if value.kind == Kind::Number {
        return is_exact_integer(value.raw).then(|| value.raw.to_owned());
    }
    text(value, scalar::is_id)
}

/// Whether the digits are those that the sender meant. No sign, fraction or exponent; and beyond 2^53 - 1 a program
/// that keeps numbers as doubles writes other digits than it was given: an integer that may be its work is not read.
fn is_exact_integer(digits: &str) -> bool {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Ok(number) = digits.parse::<u128>() else { return false };
    if number <= EXACT_INTEGER_MAX {
        return true;
    }
    let bits = u128::BITS - number.leading_zeros() - number.trailing_zeros();
    let is_double = bits <= f64::MANTISSA_DIGITS;
    let is_shortest = digits.parse::<f64>().is_ok_and(|double| double.to_string() == digits);
    !is_double && !is_shortest
}

fn time(value: &Value<'_>, round: fn(ExactTime<'_>) -> UtcMillis) -> Option<UtcMillis> {
    value.text().as_deref().and_then(ExactTime::parse).map(round)
}
