//! The slow path: every rule in the order of the contract, so that a refusal names the first one broken.
//!
//! The order of checks: missing, empty, too long, type and characters, known names, region, revision, times, horizon,
//! retention, ended before accepted, duration; within each the fields in table order.

use super::{
    ACCEPTED_AT, CATEGORY, ENDED_AT, FARE, FIELDS, LEG, ORDER_ID, OUTCOME, PLATFORM, PREVIOUS_ACCEPTED_AT,
    REGION, REVISION, RIDER_ID,
};
use crate::domain::event::check::{
    Fault, Named, empty, exact_time, identifier, known_platform, missing, optional_string,
    optional_time_text, platform_name, refuse, string, time_text, too_long, within_horizon,
};
use crate::domain::event::fields::Fields;
use crate::domain::event::rfc3339::ExactTime;
use crate::domain::event::{Event, EventRules, scalar};
use crate::domain::order::{ID_BYTES_MAX, OrderEvent, Outcome, PLATFORM_BYTES_MAX, Region};
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;

pub(in crate::domain::event) fn decode<'a>(
    fields: &Fields<'a>,
    rules: &EventRules,
) -> Result<Event<'a>, Fault<'a>> {
    presence(fields)?;
    let platform = fields.named(PLATFORM);
    too_long(platform, PLATFORM_BYTES_MAX)?;
    too_long(fields.named(ORDER_ID), ID_BYTES_MAX)?;
    too_long(fields.named(RIDER_ID), ID_BYTES_MAX)?;

    let platform_name = platform_name(platform)?;
    let order_id = identifier(fields.named(ORDER_ID))?;
    let Some(leg) = scalar::leg(&fields.value(LEG)) else {
        return refuse(Reason::BadField, fields.named(LEG), "is not a whole number from 0 to 255");
    };
    let rider_id = identifier(fields.named(RIDER_ID))?;
    let category = string(fields.named(CATEGORY))?;
    let outcome_name = optional_string(fields.named(OUTCOME))?;
    let fare = fare(fields.named(FARE))?;

    let duration_ms_max = known_platform(platform, &platform_name, rules)?;
    if !rules.knows_category(&category) {
        let field = fields.named(CATEGORY);
        return refuse(Reason::UnknownCategory, field, "is not in the tariff");
    }
    let outcome = outcome(fields, outcome_name.as_deref())?;
    let region = region(fields.named(REGION))?;
    let revision = revision(fields.named(REVISION), outcome)?;
    let times = times(fields, rules, duration_ms_max)?;
    Ok(Event::Order(OrderEvent {
        platform: platform_name,
        order_id,
        leg,
        rider_id,
        category,
        region,
        accepted_at: times.accepted_at,
        ended_at: times.ended_at,
        outcome,
        revision,
        fare,
        previous_accepted_at: times.previous_accepted_at,
    }))
}

/// What is required is there, and no text is empty.
fn presence<'a>(fields: &Fields<'a>) -> Result<(), Fault<'a>> {
    missing(FIELDS, fields)?;
    if fields.value(OUTCOME).is_given() && !fields.value(ENDED_AT).is_given() {
        return refuse(Reason::MissingField, fields.named(ENDED_AT), "is missing beside an outcome");
    }
    empty(&[
        fields.named(PLATFORM),
        fields.named(ORDER_ID),
        fields.named(RIDER_ID),
        fields.named(CATEGORY),
        fields.named(REGION),
        fields.named(ACCEPTED_AT),
        fields.named(ENDED_AT),
        fields.named(OUTCOME),
        fields.named(FARE),
        fields.named(PREVIOUS_ACCEPTED_AT),
    ])
}

fn fare(field: Named<'_>) -> Result<Option<rust_decimal::Decimal>, Fault<'_>> {
    let Some(text) = optional_string(field)? else { return Ok(None) };
    match scalar::fare(&text) {
        Some(fare) => Ok(Some(fare)),
        None => refuse(Reason::BadField, field, "is not a decimal such as 12.50 that can be kept exactly"),
    }
}

fn outcome<'a>(fields: &Fields<'a>, name: Option<&str>) -> Result<Option<Outcome>, Fault<'a>> {
    match name.map(Outcome::parse) {
        Some(Some(outcome)) => Ok(Some(outcome)),
        Some(None) => refuse(Reason::UnknownOutcome, fields.named(OUTCOME), "is none of the outcomes"),
        None => Ok(fields.value(ENDED_AT).is_given().then_some(Outcome::Completed)),
    }
}

fn region(field: Named<'_>) -> Result<Region, Fault<'_>> {
    match field.1.text().and_then(|text| Region::parse(text.as_bytes())) {
        Some(region) => Ok(region),
        None => refuse(Reason::BadRegion, field, "is not a string of six digits"),
    }
}

fn revision(field: Named<'_>, outcome: Option<Outcome>) -> Result<u64, Fault<'_>> {
    match scalar::revision(&field.1) {
        None => refuse(Reason::BadRevision, field, "is not a whole number from 0 to 9007199254740991"),
        Some(0) if outcome == Some(Outcome::Void) => {
            refuse(Reason::BadRevision, field, "is 0, and a void order needs a higher one")
        }
        Some(revision) => Ok(revision),
    }
}

/// The times of an order as they are kept.
struct Times {
    accepted_at: UtcMillis,
    ended_at: Option<UtcMillis>,
    previous_accepted_at: Option<UtcMillis>,
}

fn times<'a>(fields: &Fields<'a>, rules: &EventRules, duration_ms_max: i64) -> Result<Times, Fault<'a>> {
    let accepted_field = fields.named(ACCEPTED_AT);
    let ended_field = fields.named(ENDED_AT);
    let previous_field = fields.named(PREVIOUS_ACCEPTED_AT);

    let accepted_text = time_text(accepted_field)?;
    let accepted = exact_time(accepted_field, &accepted_text)?;
    let ended_text = optional_time_text(ended_field)?;
    let ended = ended_text.as_deref().map(|text| exact_time(ended_field, text)).transpose()?;
    let previous_text = optional_time_text(previous_field)?;
    let previous = previous_text.as_deref().map(|text| exact_time(previous_field, text)).transpose()?;

    within_horizon(accepted_field, accepted, rules)?;
    ended.map_or(Ok(()), |time| within_horizon(ended_field, time, rules))?;
    previous.map_or(Ok(()), |time| within_horizon(previous_field, time, rules))?;
    if rules.is_before_retention(accepted.floor()) {
        return refuse(Reason::BeforeRetention, accepted_field, "lies on a day that retention has dropped");
    }
    if let Some(ended) = ended {
        if ended < accepted {
            return refuse(Reason::EndedBeforeAccepted, ended_field, "lies before accepted_at");
        }
        if ended.is_later_by_more_than(duration_ms_max, accepted) {
            let what = "lies later than the platform's longest order allows";
            return refuse(Reason::DurationTooLong, ended_field, what);
        }
    }
    Ok(Times {
        accepted_at: accepted.floor(),
        ended_at: ended.map(ExactTime::ceil),
        previous_accepted_at: previous.map(ExactTime::floor),
    })
}
