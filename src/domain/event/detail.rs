//! The detail of a refusal: field, place and what to do, for a person; never a value.

use super::check::Fault;
use super::form;
use super::json::Malformed;
use super::salvage::{Misspelt, Salvaged};
use super::schema::optional_fields;
use crate::domain::reject::Reason;

/// The detail of a record that breaks a rule.
pub(super) fn of_fault(text: &str, fault: &Fault<'_>, salvaged: &Salvaged<'_>) -> String {
    let Fault { reason, field, value, what } = fault;
    let place = value.place_in(text).map_or(String::new(), |place| format!(", at byte {place}"));
    let mut detail = format!("field {field}{place}: {what}");
    let form = if *reason == Reason::MissingField { form::envelope(salvaged) } else { None };
    if let Some(form) = form {
        detail.push_str("; the record is ");
        detail.push_str(form);
    } else if let Some(Misspelt { key, at }) = salvaged.misspelt(field).filter(|_| !value.is_given()) {
        // A key is shown only when it is certain to be a name.
        let is_name =
            key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '));
        let named =
            if is_name { format!("a field \"{key}\"") } else { "a field that resembles it".to_owned() };
        detail.push_str(&format!("; {named} is at byte {at}: rename it"));
    }
    detail
}

/// The detail of a record that is not one JSON object.
pub(super) fn of_malformed(record: &[u8], malformed: Malformed, salvaged: &Salvaged<'_>) -> String {
    let Malformed { at, what } = malformed;
    match form::form(record, salvaged) {
        Some(form) => format!("at byte {at}: {what}; the record is {form}"),
        None => format!("at byte {at}: {what}"),
    }
}

/// The optional field that a key of `record` misspells, such as `outcome` for the key `outcom`, when
/// the field itself is not there. Without it the event was booked by the default.
///
/// For accepted records of files only: it reads the whole record a second time, key by key, which takes about as long
/// as decoding it without the fast path; it allocates only for keys with escapes and for nested values.
pub fn misspelt_optional_field(record: &[u8]) -> Option<&'static str> {
    let salvaged = Salvaged::of(record);
    optional_fields().find(|name| salvaged.misspelt(name).is_some())
}
