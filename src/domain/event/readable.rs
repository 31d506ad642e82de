//! What can still be read of a refused record: each field by its own rule, whatever else is wrong.

use super::fields::Fields;
use super::json::Value;
use super::rfc3339::ExactTime;
use super::scalar;
use crate::domain::order::{Outcome, Phase};
use crate::domain::reject::{ReadRevision, Readable};
use crate::domain::time::UtcMillis;

pub(super) fn readable(fields: &Fields<'_>) -> Readable {
    Readable {
        platform: text(&fields.platform, scalar::is_platform),
        order_id: text(&fields.order_id, scalar::is_id),
        leg: scalar::leg(&fields.leg),
        phase: Some(if fields.ended_at.is_given() { Phase::Ended } else { Phase::Open }),
        rider_id: text(&fields.rider_id, scalar::is_id),
        revision: scalar::revision(&fields.revision).map_or(ReadRevision::Unreadable, ReadRevision::Known),
        accepted_at: time(&fields.accepted_at, |time| time.floor()),
        ended_at: time(&fields.ended_at, |time| time.ceil()),
        outcome: fields.outcome.text().and_then(|name| Outcome::parse(&name)),
        is_control: fields.kind.text().as_deref() == Some("complete"),
    }
}

fn text(value: &Value<'_>, is_valid: fn(&str) -> bool) -> Option<String> {
    // A longer raw text can still be valid: an escape takes up to six bytes for each byte it stands for.
    value.text().filter(|text| is_valid(text)).map(std::borrow::Cow::into_owned)
}

fn time(value: &Value<'_>, round: fn(ExactTime<'_>) -> UtcMillis) -> Option<UtcMillis> {
    value.text().as_deref().and_then(ExactTime::parse).map(round)
}
