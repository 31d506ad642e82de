//! Whether an event says what is already booked.

use crate::domain::order::OrderEvent;
use crate::domain::posting::Posting;

/// Whether every field of the event equals the booked version, compared by value: instants as instants, amounts as
/// amounts, defaults as their values.
pub fn same_content(event: &OrderEvent<'_>, booked: &Posting) -> bool {
    // Taken apart, so that a new field cannot be forgotten here.
    let OrderEvent {
        platform,
        order_id,
        leg,
        rider_id,
        category,
        region,
        accepted_at,
        ended_at,
        outcome,
        revision,
        fare,
        previous_accepted_at,
    } = event;
    *order_id == booked.order_id
        && *platform == booked.platform
        && *leg == booked.leg
        && *rider_id == booked.rider_id
        && *category == booked.category
        && *region == booked.region
        && *accepted_at == booked.accepted_at
        && *ended_at == booked.ended_at
        && *outcome == booked.outcome
        && *revision == booked.revision
        && *fare == booked.fare
        && *previous_accepted_at == booked.previous_accepted_at
}
