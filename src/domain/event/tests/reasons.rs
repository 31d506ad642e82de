//! Every reason by itself, and what is fine just beside it.

use super::super::decode;
use super::order;
use super::record;
use super::refusal;
use super::rules;
use super::verdict;
use crate::domain::event::Event;
use crate::domain::order::{Outcome, Phase};
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;
use rust_decimal::Decimal;
use std::borrow::Cow;

#[test]
fn a_common_event_borrows_everything() {
    let record = record(&[("fare", r#""12.50""#), ("revision", "7"), ("leg", "2"), ("new_field", "[1,{}]")]);
    let order = order(&record);
    assert!(
        [&order.platform, &order.order_id, &order.rider_id, &order.category]
            .iter()
            .all(|text| matches!(text, Cow::Borrowed(_)))
    );
    assert_eq!((order.leg, order.revision, order.region.code()), (2, 7, 310_115));
    assert_eq!(order.accepted_at, UtcMillis::new(1_795_147_200_000));
    assert_eq!(order.ended_at, Some(UtcMillis::new(1_795_149_000_000)));
    assert_eq!((order.phase(), order.outcome), (Phase::Ended, Some(Outcome::Completed)));
    assert_eq!(order.fare, Some(Decimal::new(125, 1)));
}

#[test]
fn absent_and_null_are_the_same() {
    let with_null = record(&[
        ("kind", "null"),
        ("leg", "null"),
        ("outcome", "null"),
        ("revision", "null"),
        ("fare", "null"),
        ("previous_accepted_at", "null"),
    ]);
    assert_eq!(order(&with_null), order(&record(&[])));
    let open = record(&[("ended_at", "null"), ("outcome", "null")]);
    assert_eq!(order(&open).phase(), Phase::Open);
    assert_eq!(order(&open).outcome, None);
    assert_eq!(verdict(&[("rider_id", "null")]).0, "missing_field");
}

#[test]
fn escapes_are_resolved_in_keys_and_values() {
    let escaped = String::from_utf8(record(&[]))
        .unwrap()
        .replace("rider_id", "r\\u0069der_id")
        .replace("\"R1\"", "\"\\u5c0f\\ud83d\\ude00\\/\"");
    assert_eq!(order(escaped.as_bytes()).rider_id, "小😀/");
    let time =
        record(&[("accepted_at", r#""2026-11-20\u005412:00:00.000+08:00""#), ("kind", r#""\u006frder""#)]);
    assert_eq!(order(&time), order(&record(&[])));
}

#[test]
fn malformed_json_is_refused() {
    let valid = String::from_utf8(record(&[])).unwrap();
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"  \r".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"{".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"\xff\xfe".to_vec(),
        valid.replace("R1", "R\u{0}1").into_bytes(),
        valid.as_bytes()[..valid.len() - 1].to_vec(),
        format!("{valid}x").into_bytes(),
        format!("{valid}{valid}").into_bytes(),
        valid.replace("\"R1\"", "'R1'").into_bytes(),
        valid.replace('}', ",}").into_bytes(),
        valid.replace("R1", "\\ud800").into_bytes(),
        valid.replace("R1", "\\udc00\\ud800").into_bytes(),
        valid.replace("R1", "\\x41").into_bytes(),
        record(&[("new_field", "01")]),
        record(&[("new_field", "+1")]),
        record(&[("new_field", "1.")]),
        record(&[("new_field", ".5")]),
        record(&[("new_field", "1e")]),
        record(&[("new_field", "NaN")]),
        record(&[("new_field", "[1,]")]),
        record(&[("new_field", "{\"a\":1,}")]),
        record(&[("new_field", "[}")]),
        record(&[("new_field", &"[".repeat(100_000))]),
        record(&[("new_field", &format!("{}{}", "[".repeat(127), "]".repeat(127)))]),
    ];
    for case in cases {
        assert_eq!(refusal(&case).reason, Reason::MalformedJson, "{}", String::from_utf8_lossy(&case));
    }
    assert_eq!(refusal(b"{\"a\":x}").detail, "at byte 5: a value is expected here");
}

#[test]
fn a_repeated_key_is_malformed_however_it_is_written() {
    let valid = String::from_utf8(record(&[])).unwrap();
    for twice in [
        "\"rider_id\":\"R1\"",
        "\"rider_\\u0069d\":\"R2\"",
        "\"leg\":null,\"leg\":null",
        "\"x\":1,\"y\":2,\"\\u0078\":3",
        "\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"10\":0,\"9\":0",
        "\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"1\":0",
    ] {
        let record = valid.replace('}', &format!(",{twice}}}"));
        assert_eq!(refusal(record.as_bytes()).reason, Reason::MalformedJson, "{twice}");
    }
    // A repeated key inside a value that is not read is no error.
    order(&record(&[("new_field", "{\"a\":1,\"a\":2}")]));
}

#[test]
fn many_unknown_keys_take_linear_time() {
    let many: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let valid = String::from_utf8(record(&[])).unwrap();
    order(valid.replace('}', &format!(",{}}}", many.join(","))).as_bytes());
}

#[test]
fn unknown_fields_may_hold_any_json() {
    let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
    for json in ["-0.1e+5", "1E9", "true", "false", "{}", "[]", "[[],{\"a\":[{}]}, \"\\n\"]", &deep] {
        order(&record(&[("new_field", json)]));
    }
    let spaced = format!(
        " \t\r\n{}\r\n",
        String::from_utf8(record(&[])).unwrap().replace(':', " : ").replace(",\"", "\n,\t\"",)
    );
    // The colons of the times are touched too: what matters is that the JSON is read.
    assert_eq!(refusal(spaced.as_bytes()).reason, Reason::BadTime);
}

/// Field, its JSON, and what becomes of the record.
const CASES: &[(&str, &str, &str)] = &[
    ("kind", "\"refund\"", "unknown_kind"),
    ("kind", "\"\"", "unknown_kind"),
    ("kind", "\"Order\"", "unknown_kind"),
    ("kind", "1", "bad_field"),
    ("platform", "", "missing_field"),
    ("platform", "\"\"", "empty_field"),
    ("platform", "\"Meituan\"", "bad_field"),
    ("platform", "\"mei tuan\"", "bad_field"),
    ("platform", "\"eleme\"", "unknown_platform"),
    ("platform", "{}", "bad_field"),
    ("order_id", "", "missing_field"),
    ("order_id", "\"\"", "empty_field"),
    ("order_id", "\"a\\u0000b\"", "bad_field"),
    ("order_id", "\"a\u{7f}b\"", "bad_field"),
    ("order_id", "\"a\u{85}b\"", "bad_field"),
    ("order_id", "8812345678901234567", "bad_field"),
    ("leg", "256", "bad_field"),
    ("leg", "-1", "bad_field"),
    ("leg", "1.0", "bad_field"),
    ("leg", "1e0", "bad_field"),
    ("leg", "\"1\"", "bad_field"),
    ("leg", "\"\"", "bad_field"),
    ("leg", "true", "bad_field"),
    ("rider_id", "", "missing_field"),
    ("rider_id", "\"\"", "empty_field"),
    ("rider_id", "[]", "bad_field"),
    ("rider_id", "\"a\\tb\"", "bad_field"),
    ("category", "", "missing_field"),
    ("category", "\"\"", "empty_field"),
    ("category", "\"Instant_delivery\"", "unknown_category"),
    ("category", "1", "bad_field"),
    ("region", "", "missing_field"),
    ("region", "\"\"", "empty_field"),
    ("region", "\"31011\"", "bad_region"),
    ("region", "\"31011a\"", "bad_region"),
    ("region", "\"３１０１１５\"", "bad_region"),
    ("region", "310115", "bad_region"),
    ("accepted_at", "", "missing_field"),
    ("accepted_at", "\"\"", "empty_field"),
    ("accepted_at", "\"2026-11-20T12:00:00\"", "bad_time"),
    ("accepted_at", "\"2026-11-20 12:00:00Z\"", "bad_time"),
    ("accepted_at", "\"2026-02-29T12:00:00Z\"", "bad_time"),
    ("accepted_at", "\"2026-11-20T12:00:60Z\"", "bad_time"),
    ("accepted_at", "1795147200000", "bad_time"),
    ("accepted_at", "\"1969-12-31T23:59:59.999Z\"", "beyond_horizon"),
    ("accepted_at", "\"0000-01-01T00:00:00Z\"", "beyond_horizon"),
    ("accepted_at", "\"9999-12-31T23:59:59-23:59\"", "beyond_horizon"),
    ("accepted_at", "\"2101-01-01T00:00:00Z\"", "beyond_horizon"),
    ("accepted_at", "\"2024-12-31T23:59:59.999+08:00\"", "before_retention"),
    ("accepted_at", "\"2026-11-20T12:30:00.0000000001+08:00\"", "ended_before_accepted"),
    ("accepted_at", "\"2026-11-19T12:29:59.999999999+08:00\"", "duration_too_long"),
    ("ended_at", "\"\"", "empty_field"),
    ("ended_at", "\"tomorrow\"", "bad_time"),
    ("ended_at", "\"2101-01-01T00:00:00Z\"", "beyond_horizon"),
    ("ended_at", "\"2026-11-20T11:59:59.9999999Z\"", "ok"),
    ("ended_at", "\"2026-11-20T11:59:59.9999999+08:00\"", "ended_before_accepted"),
    ("ended_at", "\"2026-11-21T12:00:00.00000001+08:00\"", "duration_too_long"),
    ("ended_at", "\"2026-11-21T12:00:00.00000000+08:00\"", "ok"),
    ("outcome", "\"\"", "empty_field"),
    ("outcome", "\"Completed\"", "unknown_outcome"),
    ("outcome", "1", "bad_field"),
    ("outcome", "\"transferred\"", "ok"),
    ("outcome", "\"void\"", "bad_revision"),
    ("revision", "-1", "bad_revision"),
    ("revision", "9007199254740991", "ok"),
    ("revision", "9007199254740992", "bad_revision"),
    ("revision", "99999999999999999999999", "bad_revision"),
    ("revision", "1.0", "bad_revision"),
    ("revision", "1e3", "bad_revision"),
    ("revision", "\"1\"", "bad_revision"),
    ("revision", "-0", "ok"),
    ("fare", "\"\"", "empty_field"),
    ("fare", "12.5", "bad_field"),
    ("fare", "\"-1\"", "bad_field"),
    ("fare", "\"1e3\"", "bad_field"),
    ("fare", "\".5\"", "bad_field"),
    ("fare", "\"5.\"", "bad_field"),
    ("fare", "\"1.2.3\"", "bad_field"),
    ("fare", "\"79228162514264337593543950336\"", "bad_field"),
    ("fare", "\"79228162514264337593543950335\"", "ok"),
    ("fare", "\"0.00000000000000000000000000001\"", "bad_field"),
    ("previous_accepted_at", "\"\"", "empty_field"),
    ("previous_accepted_at", "7", "bad_time"),
    ("previous_accepted_at", "\"3000-01-01T00:00:00Z\"", "beyond_horizon"),
];

fn check(field: &str, json: &str, expected: &str) {
    let record = record(&[(field, json)]);
    let got = match decode(&record, &rules()) {
        Ok(_) => "ok",
        Err(refusal) => {
            let names_field = refusal.detail.contains(&format!("field {field}"))
                || (refusal.detail.contains("ended_at") && field == "accepted_at")
                || (refusal.detail.contains("revision") && field == "outcome");
            assert!(names_field, "{field}={json}: {}", refusal.detail);
            refusal.reason.as_str()
        }
    };
    assert_eq!(got, expected, "{field}={json}");
}

#[test]
fn each_field_is_refused_for_its_own_reason() {
    for (field, json, expected) in CASES {
        check(field, json, expected);
    }
}

#[test]
fn lengths_count_in_bytes_after_escapes() {
    let quoted = |text: &str, times: usize| format!("\"{}\"", text.repeat(times));
    check("platform", &quoted("m", 33), "field_too_long");
    check("platform", &quoted("m", 32), "unknown_platform");
    for field in ["order_id", "rider_id"] {
        check(field, &quoted("x", 256), "ok");
        check(field, &quoted("x", 257), "field_too_long");
        check(field, &quoted("\\u0041", 256), "ok");
        check(field, &quoted("\\u0041", 257), "field_too_long");
        check(field, &quoted("é", 128), "ok");
        check(field, &quoted("é", 129), "field_too_long");
    }
}

#[test]
fn an_outcome_needs_an_end_and_void_needs_a_revision() {
    let (reason, detail) = verdict(&[("outcome", "\"completed\""), ("ended_at", "")]);
    assert_eq!((reason, detail.as_str()), ("missing_field", "field ended_at: is missing beside an outcome"));
    let void = record(&[("outcome", "\"void\""), ("revision", "1")]);
    assert_eq!(order(&void).outcome, Some(Outcome::Void));
}

#[test]
fn completeness_records_are_read_and_judged() {
    let record =
        br#"{"through":"2026-11-20T12:00:00.0009+08:00","kind":"complete","platform":"dada","leg":"x"}"#;
    match decode(record, &rules()) {
        Ok(Event::Complete(complete)) => {
            assert_eq!(complete.platform, "dada");
            assert_eq!(complete.through, UtcMillis::new(1_795_147_200_000));
        }
        other => panic!("{other:?}"),
    }
    for (fields, expected) in [
        (r#""platform":"dada""#, "missing_field"),
        (r#""through":"2026-11-20T12:00:00Z""#, "missing_field"),
        (r#""through":"","platform":"dada""#, "empty_field"),
        (r#""through":"2026-11-20T12:00:00Z","platform":"""#, "empty_field"),
        (
            r#""through":"2026-11-20T12:00:00Z","platform":"ddddddddddddddddddddddddddddddddd""#,
            "field_too_long",
        ),
        (r#""through":"2026-11-20T12:00:00Z","platform":"D""#, "bad_field"),
        (r#""through":"2026-11-20T12:00:00Z","platform":1"#, "bad_field"),
        (r#""through":"2026-11-20T12:00:00Z","platform":"eleme""#, "unknown_platform"),
        (r#""through":"2026-11-20","platform":"dada""#, "bad_time"),
        (r#""through":1,"platform":"dada""#, "bad_time"),
        (r#""through":"2101-01-01T00:00:00Z","platform":"dada""#, "beyond_horizon"),
    ] {
        let record = format!("{{\"kind\":\"complete\",{fields}}}");
        assert_eq!(refusal(record.as_bytes()).reason.as_str(), expected, "{fields}");
    }
}

#[test]
fn without_registered_platforms_any_name_is_accepted() {
    let mut rules = rules();
    rules.platforms.clear();
    rules.unlisted_duration_ms_max = Some(30 * 60_000);
    assert!(decode(&record(&[("platform", "\"anyone\"")]), &rules).is_ok());
    let refused = decode(&record(&[("platform", "\"Anyone\"")]), &rules).unwrap_err();
    assert_eq!(refused.reason, Reason::BadField);
    rules.unlisted_duration_ms_max = Some(30 * 60_000 - 1);
    let refused = decode(&record(&[("platform", "\"anyone\"")]), &rules).unwrap_err();
    assert_eq!(refused.reason, Reason::DurationTooLong);
}
