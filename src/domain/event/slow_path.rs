//! The slow path: every rule in the order of the contract, so that a refusal names the first one broken.
//!
//! The order of checks: kind, missing, empty, too long, type and characters, known names, region, revision, times,
//! horizon, retention, ended before accepted, duration; within each the fields in table order.

use super::EventRules;
use super::fields::Fields;
use super::json::{Kind, Value};
use super::rfc3339::ExactTime;
use super::scalar;
use crate::domain::order::{
    CompletenessRecord, Event, ID_BYTES_MAX, OrderEvent, Outcome, PLATFORM_BYTES_MAX, Region,
};
use crate::domain::reject::Reason;
use std::borrow::Cow;

/// A rule that a field breaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault<'a> {
    pub(super) reason: Reason,
    pub(super) field: &'static str,
    pub(super) value: Value<'a>,
    /// What is wrong with it, for a person.
    pub(super) what: &'static str,
}

/// A field with its name.
type Named<'a> = (&'static str, Value<'a>);

const EMPTY_TEXT: &str = "is empty";

fn refuse<'a, T>(reason: Reason, (field, value): Named<'a>, what: &'static str) -> Result<T, Fault<'a>> {
    Err(Fault { reason, field, value, what })
}

/// Judges a record.
pub(super) fn judge<'a>(fields: &Fields<'a>, rules: &EventRules) -> Result<Event<'a>, Fault<'a>> {
    let kind = ("kind", fields.kind);
    if !fields.kind.is_given() {
        return order(fields, rules).map(Event::Order);
    }
    match fields.kind.text().as_deref() {
        Some("order") => order(fields, rules).map(Event::Order),
        Some("complete") => complete(fields, rules).map(Event::Complete),
        Some(_) => refuse(Reason::UnknownKind, kind, "is neither `order` nor `complete`"),
        None => refuse(Reason::BadField, kind, "is not a string"),
    }
}

fn complete<'a>(fields: &Fields<'a>, rules: &EventRules) -> Result<CompletenessRecord<'a>, Fault<'a>> {
    let (platform, through) = (("platform", fields.platform), ("through", fields.through));
    missing(&[platform, through])?;
    empty(&[platform, through])?;
    too_long(platform, PLATFORM_BYTES_MAX)?;
    let name = platform_name(platform)?;
    known_platform(platform, &name, rules)?;
    let text = time_text(through)?;
    let time = exact_time(through, &text)?;
    within_horizon(through, time, rules)?;
    Ok(CompletenessRecord { platform: name, through: time.floor() })
}

fn order<'a>(fields: &Fields<'a>, rules: &EventRules) -> Result<OrderEvent<'a>, Fault<'a>> {
    presence(fields)?;
    let platform = ("platform", fields.platform);
    too_long(platform, PLATFORM_BYTES_MAX)?;
    too_long(("order_id", fields.order_id), ID_BYTES_MAX)?;
    too_long(("rider_id", fields.rider_id), ID_BYTES_MAX)?;

    let platform_name = platform_name(platform)?;
    let order_id = identifier(("order_id", fields.order_id))?;
    let Some(leg) = scalar::leg(&fields.leg) else {
        return refuse(Reason::BadField, ("leg", fields.leg), "is not a whole number from 0 to 255");
    };
    let rider_id = identifier(("rider_id", fields.rider_id))?;
    let category = string(("category", fields.category))?;
    let outcome_name = optional_string(("outcome", fields.outcome))?;
    let fare = fare(("fare", fields.fare))?;

    let duration_ms_max = known_platform(platform, &platform_name, rules)?;
    if !rules.knows_category(&category) {
        let field = ("category", fields.category);
        return refuse(Reason::UnknownCategory, field, "is not in the tariff");
    }
    let outcome = outcome(fields, outcome_name.as_deref())?;
    let region = region(("region", fields.region))?;
    let revision = revision(("revision", fields.revision), outcome)?;
    let times = times(fields, rules, duration_ms_max)?;
    Ok(OrderEvent {
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
    })
}

/// What is required is there, and no text is empty.
fn presence<'a>(fields: &Fields<'a>) -> Result<(), Fault<'a>> {
    missing(&[
        ("platform", fields.platform),
        ("order_id", fields.order_id),
        ("rider_id", fields.rider_id),
        ("category", fields.category),
        ("region", fields.region),
        ("accepted_at", fields.accepted_at),
    ])?;
    if fields.outcome.is_given() && !fields.ended_at.is_given() {
        return refuse(Reason::MissingField, ("ended_at", fields.ended_at), "is missing beside an outcome");
    }
    empty(&[
        ("platform", fields.platform),
        ("order_id", fields.order_id),
        ("rider_id", fields.rider_id),
        ("category", fields.category),
        ("region", fields.region),
        ("accepted_at", fields.accepted_at),
        ("ended_at", fields.ended_at),
        ("outcome", fields.outcome),
        ("fare", fields.fare),
        ("previous_accepted_at", fields.previous_accepted_at),
    ])
}

fn missing<'a>(required: &[Named<'a>]) -> Result<(), Fault<'a>> {
    match required.iter().find(|(_, value)| !value.is_given()) {
        Some(&field) => refuse(Reason::MissingField, field, "is missing"),
        None => Ok(()),
    }
}

fn empty<'a>(texts: &[Named<'a>]) -> Result<(), Fault<'a>> {
    match texts.iter().find(|(_, value)| value.plain() == Some("")) {
        Some(&field) => refuse(Reason::EmptyField, field, EMPTY_TEXT),
        None => Ok(()),
    }
}

fn too_long<'a>(field: Named<'a>, bytes_max: usize) -> Result<(), Fault<'a>> {
    match field.1.text() {
        Some(text) if text.len() > bytes_max => {
            refuse(Reason::FieldTooLong, field, "is longer than the contract allows")
        }
        _ => Ok(()),
    }
}

fn string(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    match field.1.text() {
        Some(text) => Ok(text),
        None => refuse(Reason::BadField, field, "is not a string"),
    }
}

fn optional_string(field: Named<'_>) -> Result<Option<Cow<'_, str>>, Fault<'_>> {
    if field.1.is_given() { string(field).map(Some) } else { Ok(None) }
}

fn platform_name(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    let name = string(field)?;
    if scalar::has_platform_characters(&name) {
        Ok(name)
    } else {
        refuse(Reason::BadField, field, "holds other characters than a to z, 0 to 9, _ and -")
    }
}

fn identifier(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    let id = string(field)?;
    if scalar::has_id_characters(&id) {
        Ok(id)
    } else {
        refuse(Reason::BadField, field, "holds a control character")
    }
}

fn fare(field: Named<'_>) -> Result<Option<rust_decimal::Decimal>, Fault<'_>> {
    let Some(text) = optional_string(field)? else { return Ok(None) };
    match scalar::fare(&text) {
        Some(fare) => Ok(Some(fare)),
        None => refuse(Reason::BadField, field, "is not a decimal such as 12.50 that can be kept exactly"),
    }
}

/// The longest order of the platform.
fn known_platform<'a>(field: Named<'a>, name: &str, rules: &EventRules) -> Result<i64, Fault<'a>> {
    match rules.duration_ms_max(name) {
        Some(duration_ms_max) => Ok(duration_ms_max),
        None => refuse(Reason::UnknownPlatform, field, "is not registered for this source"),
    }
}

fn outcome<'a>(fields: &Fields<'a>, name: Option<&str>) -> Result<Option<Outcome>, Fault<'a>> {
    match name.map(Outcome::parse) {
        Some(Some(outcome)) => Ok(Some(outcome)),
        Some(None) => refuse(Reason::UnknownOutcome, ("outcome", fields.outcome), "is none of the outcomes"),
        None => Ok(fields.ended_at.is_given().then_some(Outcome::Completed)),
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
    accepted_at: crate::domain::time::UtcMillis,
    ended_at: Option<crate::domain::time::UtcMillis>,
    previous_accepted_at: Option<crate::domain::time::UtcMillis>,
}

fn times<'a>(fields: &Fields<'a>, rules: &EventRules, duration_ms_max: i64) -> Result<Times, Fault<'a>> {
    let accepted_field = ("accepted_at", fields.accepted_at);
    let ended_field = ("ended_at", fields.ended_at);
    let previous_field = ("previous_accepted_at", fields.previous_accepted_at);

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

fn time_text(field: Named<'_>) -> Result<Cow<'_, str>, Fault<'_>> {
    match field.1.text() {
        Some(text) => Ok(text),
        None => refuse(Reason::BadTime, field, "is not a string"),
    }
}

fn optional_time_text(field: Named<'_>) -> Result<Option<Cow<'_, str>>, Fault<'_>> {
    if field.1.is_given() { time_text(field).map(Some) } else { Ok(None) }
}

fn exact_time<'t, 'a>(field: Named<'a>, text: &'t str) -> Result<ExactTime<'t>, Fault<'a>> {
    match ExactTime::parse(text) {
        Some(time) => Ok(time),
        None => {
            refuse(Reason::BadTime, field, "is not an RFC 3339 time with an offset, or there is no such date")
        }
    }
}

fn within_horizon<'a>(field: Named<'a>, time: ExactTime<'_>, rules: &EventRules) -> Result<(), Fault<'a>> {
    if time.is_within(rules.horizon) {
        Ok(())
    } else {
        let is_ahead =
            rules.is_until_ahead && time.is_within((rules.horizon.1, crate::domain::time::UtcMillis::MAX));
        let what = if is_ahead {
            "lies further ahead of the clock than limits.ahead_max allows"
        } else {
            "lies outside the configured horizon"
        };
        refuse(Reason::BeyondHorizon, field, what)
    }
}

impl Value<'_> {
    /// Bytes of the record before this value (inside its quotes), given the record's text.
    pub(super) fn place_in(&self, text: &str) -> Option<usize> {
        if matches!(self.kind, Kind::Absent | Kind::Null) {
            return None;
        }
        self.raw.as_ptr().addr().checked_sub(text.as_ptr().addr())
    }
}
