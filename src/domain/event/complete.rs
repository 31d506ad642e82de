//! The kind `complete`: a platform states that it has sent every event before an instant.

use super::check::{
    Fault, empty, exact_time, known_platform, missing, platform_name, time_text, too_long, within_horizon,
};
use super::fields::Fields;
use super::salvage::Salvaged;
use super::schema::{Field, FieldSpec, Schema, fields};
use super::{Event, EventRules, order};
use crate::domain::order::PLATFORM_BYTES_MAX;
use crate::domain::reject::Readable;
use crate::domain::time::UtcMillis;
use std::borrow::Cow;

pub(super) const SCHEMA: Schema =
    Schema { kind: "complete", fields: FIELDS, decode, may_be_in: |_| false, readable };

fields! {
    _ = "kind" required;
    PLATFORM = "platform" required;
    THROUGH = "through" required;
}

/// `{"kind": "complete"}`: every event of `platform` about instants before `through` was acknowledged by Kafka
/// before this record was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletenessRecord<'a> {
    /// The platform that vouches.
    pub platform: Cow<'a, str>,
    /// Rounded down to the millisecond, so that rounding never claims more.
    pub through: UtcMillis,
}

fn decode<'a>(fields: &Fields<'a>, rules: &EventRules) -> Result<Event<'a>, Fault<'a>> {
    let (platform, through) = (fields.named(PLATFORM), fields.named(THROUGH));
    missing(FIELDS, fields)?;
    empty(&[platform, through])?;
    too_long(platform, PLATFORM_BYTES_MAX)?;
    let name = platform_name(platform)?;
    known_platform(platform, &name, rules)?;
    let text = time_text(through)?;
    let time = exact_time(through, &text)?;
    within_horizon(through, time, rules)?;
    Ok(Event::Complete(CompletenessRecord { platform: name, through: time.floor() }))
}

/// It concerns no rider. The other fields are read as those of an order, the kind that a refused record counts as elsewhere.
fn readable(salvaged: &Salvaged<'_>, rules: &EventRules) -> Readable {
    Readable { is_completeness: true, ..order::readable(salvaged, rules) }
}
