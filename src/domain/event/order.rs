//! The kind `order`: a rider accepted an order, or it ended.
//!
//! The ordinary event is judged without allocation and borrows from its record (`fast_path`). Whatever is out of the
//! ordinary is judged again in the order of the contract (`slow_path`). Both give the same event for the same record; a test
//! compares them.

mod content;
mod fast_path;
mod readable;
mod slow_path;

pub use content::same_content;
pub(super) use fast_path::decode_ordinary;
pub(super) use readable::readable;
pub(super) use slow_path::decode;

use super::fields::{Fields, Next};
use super::json::{Malformed, Scanner, Value};
use super::salvage::Salvaged;
use super::schema::{Field, FieldSpec, Schema, fields};

pub(super) const SCHEMA: Schema = Schema { kind: "order", fields: FIELDS, decode, may_be_in, readable };

fields! {
    scan_in_order;
    KIND = "kind" optional;
    PLATFORM = "platform" required;
    ORDER_ID = "order_id" required;
    LEG = "leg" optional;
    RIDER_ID = "rider_id" required;
    CATEGORY = "category" required;
    REGION = "region" required;
    ACCEPTED_AT = "accepted_at" required;
    ENDED_AT = "ended_at" optional;
    OUTCOME = "outcome" optional;
    REVISION = "revision" optional;
    FARE = "fare" optional;
    PREVIOUS_ACCEPTED_AT = "previous_accepted_at" optional;
}

/// Fields that make a record an order event, whatever its kind says.
const DISTINCTIVE: [Field; 6] = [ORDER_ID, RIDER_ID, CATEGORY, REGION, ACCEPTED_AT, ENDED_AT];

/// Whether any field of an order is there, or may be.
fn may_be_in(salvaged: &Salvaged<'_>) -> bool {
    DISTINCTIVE.iter().any(|field| salvaged.value(field.name) != Some(Value::ABSENT))
}
