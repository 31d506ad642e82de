//! The checks that fields of every kind of event share, each named as in the contract.

use super::EventRules;
use super::fields::Fields;
use super::json::{Kind, Value};
use super::rfc3339::ExactTime;
use super::scalar;
use super::schema::FieldSpec;
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;
use std::borrow::Cow;

/// A rule that a field breaks.
#[derive(Clone, Debug)]
pub(super) struct Fault<'a> {
    pub(super) reason: Reason,
    pub(super) field: &'static str,
    pub(super) value: Value<'a>,
    /// What is wrong with it, for a person.
    pub(super) what: Cow<'static, str>,
}

/// A field's name and its value in a record.
pub(super) type Named<'a> = (&'static str, Value<'a>);

const EMPTY_TEXT: &str = "is empty";

pub(super) fn refuse<'a, T>(
    reason: Reason,
    (field, value): Named<'a>,
    what: &'static str,
) -> Result<T, Fault<'a>> {
    Err(Fault { reason, field, value, what: Cow::Borrowed(what) })
}

/// Every required field is there.
pub(super) fn missing<'a>(specs: &[FieldSpec], fields: &Fields<'a>) -> Result<(), Fault<'a>> {
    let required = specs.iter().filter(|spec| !spec.is_optional).map(|spec| fields.of_name(spec.name));
    match required.into_iter().find(|(_, value)| !value.is_given()) {
        Some(field) => refuse(Reason::MissingField, field, "is missing"),
        None => Ok(()),
    }
}

/// None of the texts is empty.
pub(super) fn empty<'a>(texts: &[Named<'a>]) -> Result<(), Fault<'a>> {
    match texts.iter().find(|(_, value)| value.plain() == Some("")) {
        Some(&field) => refuse(Reason::EmptyField, field, EMPTY_TEXT),
        None => Ok(()),
    }
}

pub(super) fn too_long<'a>(field: Named<'a>, bytes_max: usize) -> Result<(), Fault<'a>> {
    match field.1.text() {
        Some(text) if text.len() > bytes_max => {
            refuse(Reason::FieldTooLong, field, "is longer than the contract allows")
        }
        _ => Ok(()),
    }
}

pub(super) fn string(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    match field.1.text() {
        Some(text) => Ok(text),
        None => refuse(Reason::BadField, field, "is not a string"),
    }
}

pub(super) fn optional_string(field: Named<'_>) -> Result<Option<Cow<'_, str>>, Fault<'_>> {
    if field.1.is_given() { string(field).map(Some) } else { Ok(None) }
}

pub(super) fn platform_name(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    let name = string(field)?;
    if scalar::has_platform_characters(&name) {
        Ok(name)
    } else {
        refuse(Reason::BadField, field, "holds other characters than a to z, 0 to 9, _ and -")
    }
}

pub(super) fn identifier(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    let id = string(field)?;
    if scalar::has_id_characters(&id) {
        Ok(id)
    } else {
        refuse(Reason::BadField, field, "holds a control character")
    }
}

/// The longest order of the platform.
pub(super) fn known_platform<'a>(field: Named<'a>, name: &str, rules: &EventRules) -> Result<i64, Fault<'a>> {
    match rules.duration_ms_max(name) {
        Some(duration_ms_max) => Ok(duration_ms_max),
        None => refuse(Reason::UnknownPlatform, field, "is not registered for this source"),
    }
}

pub(super) fn time_text(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    match field.1.text() {
        Some(text) => Ok(text),
        None => refuse(Reason::BadTime, field, "is not a string"),
    }
}

pub(super) fn optional_time_text(field: Named<'_>) -> Result<Option<Cow<'_, str>>, Fault<'_>> {
    if field.1.is_given() { time_text(field).map(Some) } else { Ok(None) }
}

pub(super) fn exact_time<'t, 'a>(field: Named<'a>, text: &'t str) -> Result<ExactTime<'t>, Fault<'a>> {
    match ExactTime::parse(text) {
        Some(time) => Ok(time),
        None => {
            refuse(Reason::BadTime, field, "is not an RFC 3339 time with an offset, or there is no such date")
        }
    }
}

pub(super) fn within_horizon<'a>(
    field: Named<'a>,
    time: ExactTime<'_>,
    rules: &EventRules,
) -> Result<(), Fault<'a>> {
    if time.is_within(rules.horizon) {
        Ok(())
    } else {
        let is_ahead = rules.is_until_ahead && time.is_within((rules.horizon.1, UtcMillis::MAX));
        let what = if is_ahead {
            "lies further ahead of the clock than limits.ahead_max allows"
        } else {
            "lies outside the configured horizon"
        };
        refuse(Reason::BeyondHorizon, field, what)
    }
}

impl Value<'_> {
    /// Bytes of the record before this value (inside its quotes), given the record's text.
    pub(super) fn place_in(&self, text: &str) -> Option<usize> {
        if matches!(self.kind, Kind::Absent | Kind::Null) {
            return None;
        }
        self.raw.as_ptr().addr().checked_sub(text.as_ptr().addr())
    }
}
