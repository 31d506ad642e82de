//! From the bytes of one record to an [`Event`] or a [`Refusal`]: the input contract, version 1.
//!
//! One scan finds the fields of a record (`fields`), the same for every kind. `schema` lists the kinds; `order` and
//! `complete` say of their kind which fields it has, how a record of it is judged, and what a refused one concerns. A refused
//! record is read again leniently (`salvage`).

mod check;
mod complete;
mod detail;
mod escape;
mod fields;
mod form;
mod json;
mod names;
mod order;
mod rfc3339;
mod rules;
mod salvage;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;

pub use complete::CompletenessRecord;
pub use detail::misspelt_optional_field;
pub use order::same_content;
pub use rfc3339::ExactTime;
pub use rules::EventRules;

use super::order::OrderEvent;
use super::reject::{Reason, Refusal};
use fields::Fields;
use json::Malformed;
use salvage::Salvaged;

/// A valid record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An order, open or ended.
    Order(OrderEvent<'a>),
    /// A completeness record.
    Complete(CompletenessRecord<'a>),
}

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
        Ok(()) => match schema::decode_ordinary(&fields, rules) {
            Some(event) => Ok(event),
            None => decode_slowly(text, &fields, rules),
        },
        Err(malformed) => Err(refuse_malformed(record, malformed, rules)),
    };
    (event, fields.has_unknown)
}

/// Whether a field of order events has that name, in whatever letter case.
pub fn is_order_field(name: &[u8]) -> bool {
    schema::DEFAULT.fields.iter().any(|field| name.eq_ignore_ascii_case(field.name.as_bytes()))
}

#[cold]
fn decode_slowly<'a>(text: &str, fields: &Fields<'a>, rules: &EventRules) -> Result<Event<'a>, Refusal> {
    schema::decode(fields, rules).map_err(|fault| {
        let salvaged = Salvaged::of(text.as_bytes());
        let detail = detail::of_fault(text, &fault, &salvaged);
        Refusal { reason: fault.reason, detail, readable: Box::new(schema::readable(&salvaged, rules)) }
    })
}

#[cold]
fn refuse_malformed(record: &[u8], malformed: Malformed, rules: &EventRules) -> Refusal {
    let salvaged = Salvaged::of(record);
    Refusal {
        reason: Reason::MalformedJson,
        detail: detail::of_malformed(record, malformed, &salvaged),
        readable: Box::new(schema::readable(&salvaged, rules)),
    }
}
