//! When several rules are broken, the first one of the contract is named.

use super::verdict;

#[test]
fn the_first_broken_rule_is_named() {
    // Each breaks one rule more gently than the one before it; taking away the first leaves the next.
    let long = format!("\"{}\"", "x".repeat(300));
    let faults: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![("kind", "\"refund\"")], "unknown_kind"),
        (vec![("rider_id", "")], "missing_field"),
        (vec![("fare", "\"\"")], "empty_field"),
        (vec![("order_id", &long)], "field_too_long"),
        (vec![("leg", "300")], "bad_field"),
        (vec![("platform", "\"nobody\"")], "unknown_platform"),
        (vec![("category", "\"nothing\"")], "unknown_category"),
        (vec![("outcome", "\"lost\"")], "unknown_outcome"),
        (vec![("region", "\"3\"")], "bad_region"),
        (vec![("revision", "-1")], "bad_revision"),
        (vec![("previous_accepted_at", "\"once\"")], "bad_time"),
        (vec![("ended_at", "\"1960-01-01T00:00:00Z\"")], "beyond_horizon"),
        (vec![("accepted_at", "\"2024-01-02T00:00:00Z\"")], "before_retention"),
    ];
    for first in 0..faults.len() {
        let changes: Vec<(&str, &str)> =
            faults[first..].iter().flat_map(|fault| fault.0.iter().copied()).collect();
        assert_eq!(verdict(&changes).0, faults[first].1);
    }
    let backwards = [("accepted_at", "\"2024-01-02T00:00:00Z\""), ("ended_at", "\"2023-01-01T00:00:00Z\"")];
    assert_eq!(verdict(&backwards).0, "before_retention");
}

#[test]
fn within_one_check_the_fields_come_in_table_order() {
    let long = format!("\"{}\"", "x".repeat(300));
    let pairs: &[(&str, [(&str, &str); 2])] = &[
        ("platform", [("region", ""), ("platform", "")]),
        ("accepted_at", [("outcome", "\"void\""), ("accepted_at", "")]),
        ("category", [("outcome", "\"\""), ("category", "\"\"")]),
        ("order_id", [("rider_id", &long), ("order_id", &long)]),
        ("leg", [("rider_id", "1"), ("leg", "\"1\"")]),
        ("rider_id", [("fare", "1"), ("rider_id", "1")]),
        ("category", [("outcome", "1"), ("category", "1")]),
        ("platform", [("category", "\"x\""), ("platform", "\"x\"")]),
        ("accepted_at", [("ended_at", "1"), ("accepted_at", "1")]),
        ("ended_at", [("previous_accepted_at", "1"), ("ended_at", "1")]),
    ];
    for (expected, changes) in pairs {
        let (_, detail) = verdict(changes);
        assert!(detail.contains(&format!("field {expected}")), "{changes:?}: {detail}");
    }
}

#[test]
fn a_detail_names_the_place_and_never_the_value() {
    let (_, detail) = verdict(&[("platform", "\"Secret\"")]);
    assert_eq!(detail, "field platform, at byte 13: holds other characters than a to z, 0 to 9, _ and -");
    let (_, detail) = verdict(&[("rider_id", "")]);
    assert_eq!(detail, "field rider_id: is missing");
}
