//! From the bytes of one record to an [`Event`] or a [`Refusal`]: the input contract, version 1.
//!
//! The common event is scanned once, judged without allocation and borrows from its record (`fast_path`). Whatever is out
//! of the ordinary is judged again in the order of the contract (`slow_path`), so that a refusal always names the first
//! rule that is broken. Both give the same event for the same record; a test holds them to it.

mod content;
mod detail;
mod escape;
mod fast_path;
mod fields;
mod form;
mod json;
mod names;
mod readable;
mod rfc3339;
mod rules;
mod salvage;
mod scalar;
mod slow_path;
#[cfg(test)]
mod tests;

pub use content::same_content;
pub use detail::misspelt_optional_field;
pub use rfc3339::ExactTime;
pub use rules::EventRules;

use super::order::Event;
use super::reject::{Reason, Refusal};
use fields::Fields;
use json::Malformed;
use salvage::Salvaged;

/// Decodes one record.
///
/// # Errors
/// A [`Refusal`] with the first rule that the record breaks and with what could still be read of it. Any bytes at all
/// are survived.
pub fn decode<'a>(record: &'a [u8], rules: &EventRules) -> Result<Event<'a>, Refusal> {
    decode_noting_unknown(record, rules).0
}

/// Decodes one record as [`decode`] does, and says whether it has a field that the contract does not know.
#[inline]
pub fn decode_noting_unknown<'a>(record: &'a [u8], rules: &EventRules) -> (Result<Event<'a>, Refusal>, bool) {
    let text = match std::str::from_utf8(record) {
        Ok(text) => text,
        Err(error) => {
            let malformed = Malformed { at: error.valid_up_to(), what: "the record is not UTF-8" };
            return (Err(refuse_malformed(record, malformed, rules)), false);
        }
    };
    let mut fields = Fields::EMPTY;
    let event = match fields.fill(text) {
        Ok(()) => match fast_path::order(&fields, rules) {
            Some(order) => Ok(Event::Order(order)),
            None => judge_slow_path(text, &fields, rules),
        },
        Err(malformed) => Err(refuse_malformed(record, malformed, rules)),
    };
    (event, fields.has_unknown)
}

#[cold]
fn judge_slow_path<'a>(text: &str, fields: &Fields<'a>, rules: &EventRules) -> Result<Event<'a>, Refusal> {
    slow_path::judge(fields, rules).map_err(|fault| {
        let salvaged = Salvaged::of(text.as_bytes());
        let detail = detail::of_fault(text, &fault, &salvaged);
        Refusal { reason: fault.reason, detail, readable: Box::new(readable::readable(&salvaged, rules)) }
    })
}

#[cold]
fn refuse_malformed(record: &[u8], malformed: Malformed, rules: &EventRules) -> Refusal {
    let salvaged = Salvaged::of(record);
    Refusal {
        reason: Reason::MalformedJson,
        detail: detail::of_malformed(record, malformed, &salvaged),
        readable: Box::new(readable::readable(&salvaged, rules)),
    }
}
