//! What the decoder promises, rule by rule, and against other implementations of the same standards.

mod content;
mod details;
mod order_of_checks;
mod properties;
mod readable;
mod reasons;
mod salvage;
mod salvage_properties;
mod schema;
mod times;

use super::Event;
use super::EventRules;
use super::decode;
use crate::domain::order::OrderEvent;
use crate::domain::reject::Refusal;
use crate::domain::time::{DAY_MS, HOUR_MS, LocalDay, UtcMillis, Zone};

/// 2025-01-01T00:00:00+08:00 is the start of the first kept day; orders last up to 24 hours.
fn rules() -> EventRules {
    EventRules {
        categories: vec!["instant_delivery".into(), "ride_hailing".into()],
        platforms: vec![("meituan".into(), DAY_MS), ("dada".into(), HOUR_MS)],
        unlisted_duration_ms_max: None,
        horizon: (UtcMillis::new(0), UtcMillis::new(4_133_980_800_000)),
        is_until_ahead: false,
        retention: Some((LocalDay::from_ymd(2025, 1, 1).unwrap(), Zone::new("Asia/Shanghai", 8 * 3600, []))),
    }
}

/// The fields of a valid event as JSON texts.
const VALID: [(&str, &str); 7] = [
    ("platform", r#""meituan""#),
    ("order_id", r#""8812345678901234567""#),
    ("rider_id", r#""R1""#),
    ("category", r#""instant_delivery""#),
    ("region", r#""310115""#),
    ("accepted_at", r#""2026-11-20T12:00:00.000+08:00""#),
    ("ended_at", r#""2026-11-20T12:30:00.000+08:00""#),
];

/// The valid event with fields replaced or added; an empty text leaves the field out.
fn record(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut fields: Vec<(&str, &str)> = VALID.to_vec();
    for &(name, json) in changes {
        match fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = json,
            None => fields.push((name, json)),
        }
    }
    let fields: Vec<String> = fields
        .into_iter()
        .filter(|field| !field.1.is_empty())
        .map(|(name, json)| format!("\"{name}\":{json}"))
        .collect();
    format!("{{{}}}", fields.join(",")).into_bytes()
}

fn order(record: &[u8]) -> OrderEvent<'_> {
    match decode(record, &rules()) {
        Ok(Event::Order(order)) => order,
        other => panic!("no order: {other:?} from {}", String::from_utf8_lossy(record)),
    }
}

fn refusal(record: &[u8]) -> Refusal {
    match decode(record, &rules()) {
        Err(refusal) => refusal,
        Ok(event) => panic!("not refused: {event:?} from {}", String::from_utf8_lossy(record)),
    }
}

/// The reason's name and the detail.
fn verdict(changes: &[(&str, &str)]) -> (&'static str, String) {
    let refusal = refusal(&record(changes));
    (refusal.reason.as_str(), refusal.detail)
}
