//! The happy path: an ordinary order event without escapes. Anything else is left to the slow path.

use super::EventRules;
use super::fields::Fields;
use super::json::{Kind, Value};
use super::rfc3339::ExactTime;
use super::scalar;
use crate::domain::order::{OrderEvent, Outcome, Region};
use std::borrow::Cow;

/// The order, or `None` when anything about the record is wrong or out of the ordinary.
#[inline]
pub(super) fn order<'a>(fields: &Fields<'a>, rules: &EventRules) -> Option<OrderEvent<'a>> {
    if fields.kind.is_given() && fields.kind.plain() != Some("order") {
        return None;
    }
    let platform = fields.platform.plain()?;
    let duration_ms_max = match rules.listed_duration_ms_max(platform) {
        Some(duration_ms_max) => duration_ms_max,
        None => rules.unlisted_duration_ms_max.filter(|_| scalar::is_platform(platform))?,
    };
    let order_id = fields.order_id.plain().filter(|id| scalar::is_id(id))?;
    let rider_id = fields.rider_id.plain().filter(|id| scalar::is_id(id))?;
    let category = fields.category.plain().filter(|name| rules.knows_category(name))?;
    let region = Region::parse(fields.region.plain()?.as_bytes())?;
    let accepted = time(&fields.accepted_at, rules)?;
    let (ended_at, outcome) = if fields.ended_at.is_given() {
        let ended = time(&fields.ended_at, rules)?;
        if ended < accepted || ended.is_later_by_more_than(duration_ms_max, accepted) {
            return None;
        }
        let outcome = match fields.outcome.kind {
            Kind::Absent | Kind::Null => Outcome::Completed,
            _ => Outcome::parse(fields.outcome.plain()?)?,
        };
        (Some(ended.ceil()), Some(outcome))
    } else if fields.outcome.is_given() {
        return None;
    } else {
        (None, None)
    };
    let revision = scalar::revision(&fields.revision)?;
    if (outcome == Some(Outcome::Void) && revision == 0) || rules.is_before_retention(accepted.floor()) {
        return None;
    }
    let fare = if fields.fare.is_given() { Some(scalar::fare(fields.fare.plain()?)?) } else { None };
    let previous_accepted_at = if fields.previous_accepted_at.is_given() {
        Some(time(&fields.previous_accepted_at, rules)?.floor())
    } else {
        None
    };
    Some(OrderEvent {
        platform: Cow::Borrowed(platform),
        order_id: Cow::Borrowed(order_id),
        leg: scalar::leg(&fields.leg)?,
        rider_id: Cow::Borrowed(rider_id),
        category: Cow::Borrowed(category),
        region,
        accepted_at: accepted.floor(),
        ended_at,
        outcome,
        revision,
        fare,
        previous_accepted_at,
    })
}

#[inline]
fn time<'a>(value: &Value<'a>, rules: &EventRules) -> Option<ExactTime<'a>> {
    ExactTime::parse(value.plain()?).filter(|time| time.is_within(rules.horizon))
}
