//! The fast path: an ordinary order event without escapes. Anything else is left to the slow path.

use super::{
    ACCEPTED_AT, CATEGORY, ENDED_AT, FARE, KIND, LEG, ORDER_ID, OUTCOME, PLATFORM, PREVIOUS_ACCEPTED_AT,
    REGION, REVISION, RIDER_ID, SCHEMA,
};
use crate::domain::event::fields::Fields;
use crate::domain::event::json::{Kind, Value};
use crate::domain::event::rfc3339::ExactTime;
use crate::domain::event::{Event, EventRules, scalar};
use crate::domain::order::{OrderEvent, Outcome, Region};
use std::borrow::Cow;

/// The order, or `None` when anything about the record is wrong or out of the ordinary.
#[inline]
pub(in crate::domain::event) fn decode_ordinary<'a>(
    fields: &Fields<'a>,
    rules: &EventRules,
) -> Option<Event<'a>> {
    if fields.value(KIND).is_given() && fields.value(KIND).plain() != Some(SCHEMA.kind) {
        return None;
    }
    let platform = fields.value(PLATFORM).plain()?;
    let duration_ms_max = match rules.listed_duration_ms_max(platform) {
        Some(duration_ms_max) => duration_ms_max,
        None => rules.unlisted_duration_ms_max.filter(|_| scalar::is_platform(platform))?,
    };
    let order_id = fields.value(ORDER_ID).plain().filter(|id| scalar::is_id(id))?;
    let rider_id = fields.value(RIDER_ID).plain().filter(|id| scalar::is_id(id))?;
    let category = fields.value(CATEGORY).plain().filter(|name| rules.knows_category(name))?;
    let region = Region::parse(fields.value(REGION).plain()?.as_bytes())?;
    let accepted = time(&fields.value(ACCEPTED_AT), rules)?;
    let (ended_at, outcome) = if fields.value(ENDED_AT).is_given() {
        let ended = time(&fields.value(ENDED_AT), rules)?;
        if ended < accepted || ended.is_later_by_more_than(duration_ms_max, accepted) {
            return None;
        }
        let outcome = match fields.value(OUTCOME).kind {
            Kind::Absent | Kind::Null => Outcome::Completed,
            _ => Outcome::parse(fields.value(OUTCOME).plain()?)?,
        };
        (Some(ended.ceil()), Some(outcome))
    } else if fields.value(OUTCOME).is_given() {
        return None;
    } else {
        (None, None)
    };
    let revision = scalar::revision(&fields.value(REVISION))?;
    if (outcome == Some(Outcome::Void) && revision == 0) || rules.is_before_retention(accepted.floor()) {
        return None;
    }
    let fare =
        if fields.value(FARE).is_given() { Some(scalar::fare(fields.value(FARE).plain()?)?) } else { None };
    let previous_accepted_at = if fields.value(PREVIOUS_ACCEPTED_AT).is_given() {
        Some(time(&fields.value(PREVIOUS_ACCEPTED_AT), rules)?.floor())
    } else {
        None
    };
    Some(Event::Order(OrderEvent {
        platform: Cow::Borrowed(platform),
        order_id: Cow::Borrowed(order_id),
        leg: scalar::leg(&fields.value(LEG))?,
        rider_id: Cow::Borrowed(rider_id),
        category: Cow::Borrowed(category),
        region,
        accepted_at: accepted.floor(),
        ended_at,
        outcome,
        revision,
        fare,
        previous_accepted_at,
    }))
}

#[inline]
fn time<'a>(value: &Value<'a>, rules: &EventRules) -> Option<ExactTime<'a>> {
    ExactTime::parse(value.plain()?).filter(|time| time.is_within(rules.horizon))
}
