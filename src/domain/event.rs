//! From the bytes of one record to an [`Event`] or a [`Refusal`]: the input contract, version 1.
//!
//! The common event is scanned once, judged without allocation and borrows from its record (`fast`). Whatever is out
//! of the ordinary is judged again in the order of the contract (`careful`), so that a refusal always names the first
//! rule that is broken. Both give the same event for the same record; a test holds them to it.

mod careful;
mod content;
mod escape;
mod fast;
mod fields;
mod json;
mod readable;
mod rfc3339;
mod rules;
mod scalar;
#[cfg(test)]
mod tests;

pub use content::same_content;
pub use rfc3339::ExactTime;
pub use rules::EventRules;

use super::order::Event;
use super::reject::{Readable, Reason, Refusal};
use careful::Fault;
use fields::Fields;
use json::Malformed;

/// Decodes one record.
///
/// # Errors
/// A [`Refusal`] with the first rule that the record breaks and with what could still be read of it. Any bytes at all
/// are survived.
pub fn decode<'a>(record: &'a [u8], rules: &EventRules) -> Result<Event<'a>, Refusal> {
    let text = match std::str::from_utf8(record) {
        Ok(text) => text,
        Err(error) => return Err(malformed(error.valid_up_to(), "the record is not UTF-8")),
    };
    let mut fields = Fields::EMPTY;
    match fields.fill(text) {
        Ok(()) => match fast::order(&fields, rules) {
            Some(order) => Ok(Event::Order(order)),
            None => judge_carefully(text, &fields, rules),
        },
        Err(Malformed { at, what }) => Err(malformed(at, what)),
    }
}

#[cold]
fn judge_carefully<'a>(text: &str, fields: &Fields<'a>, rules: &EventRules) -> Result<Event<'a>, Refusal> {
    careful::judge(fields, rules).map_err(|Fault { reason, field, value, what }| {
        let detail = match value.place_in(text) {
            Some(place) => format!("field {field}, at byte {place}: {what}"),
            None => format!("field {field}: {what}"),
        };
        Refusal { reason, detail, readable: Box::new(readable::readable(fields)) }
    })
}

#[cold]
fn malformed(at: usize, what: &str) -> Refusal {
    Refusal {
        reason: Reason::MalformedJson,
        detail: format!("at byte {at}: {what}"),
        readable: Box::new(Readable::default()),
    }
}
