//! Content is compared by value, and every field counts.

use super::super::same_content;
use super::order;
use super::record;
use crate::domain::charge::{Charge, Price};
use crate::domain::order::OrderEvent;
use crate::domain::posting::{ConfigNo, CoverTerms, Posting};

fn booked(event: &OrderEvent<'_>) -> Posting {
    Posting {
        platform: event.platform.to_string(),
        order_id: event.order_id.to_string(),
        leg: event.leg,
        phase: event.phase(),
        rider_id: event.rider_id.to_string(),
        category: event.category.to_string(),
        region: event.region,
        accepted_at: event.accepted_at,
        ended_at: event.ended_at,
        outcome: event.outcome,
        revision: event.revision,
        fare: event.fare,
        previous_accepted_at: event.previous_accepted_at,
        cover: CoverTerms { config: ConfigNo(1), ..CoverTerms::NONE },
        charge: Charge::of_order(ConfigNo(1), Price::None),
        commit: 1,
    }
}

const FULL: [(&str, &str); 3] =
    [("fare", "\"12.5\""), ("revision", "1"), ("previous_accepted_at", "\"2026-11-01T00:00:00Z\"")];

#[test]
fn other_spellings_are_the_same_content() {
    let first = record(&FULL);
    let posting = booked(&order(&first));
    for change in [
        ("fare", "\"012.500\""),
        ("accepted_at", "\"2026-11-20T04:00:00Z\""),
        ("accepted_at", "\"2026-11-20t12:00:00.0000000000000000001+08:00\""),
        ("ended_at", "\"2026-11-19T23:30:00-05:00\""),
        ("outcome", "\"completed\""),
        ("leg", "0"),
        ("kind", "\"order\""),
        ("new_field", "1"),
        ("rider_id", "\"\\u00521\""),
    ] {
        let mut changes = FULL.to_vec();
        changes.push(change);
        assert!(same_content(&order(&record(&changes)), &posting), "{change:?}");
    }
}

#[test]
fn every_field_is_content() {
    let first = record(&FULL);
    let posting = booked(&order(&first));
    for change in [
        ("platform", "\"dada\""),
        ("order_id", "\"1\""),
        ("leg", "1"),
        ("rider_id", "\"R2\""),
        ("category", "\"ride_hailing\""),
        ("region", "\"310116\""),
        ("accepted_at", "\"2026-11-20T12:00:00.001+08:00\""),
        ("ended_at", "\"2026-11-20T12:30:00.00001+08:00\""),
        ("ended_at", ""),
        ("outcome", "\"cancelled\""),
        ("revision", "2"),
        ("fare", "\"12.51\""),
        ("fare", ""),
        ("previous_accepted_at", "\"2026-11-02T00:00:00Z\""),
        ("previous_accepted_at", ""),
    ] {
        let mut changes = FULL.to_vec();
        changes.push(change);
        assert!(!same_content(&order(&record(&changes)), &posting), "{change:?}");
    }
}
