//! What a refusal says of records that are no event, and of misspelt fields.

use super::record;
use super::refusal;
use super::verdict;
use crate::domain::event::misspelt_optional_field;
use crate::domain::reject::{Readable, Reason};

fn detail(record: &[u8]) -> String {
    let refusal = refusal(record);
    assert!(refusal.detail.len() < 250, "{}", refusal.detail);
    refusal.detail
}

#[test]
fn a_record_that_is_no_event_is_named_with_what_to_do() {
    let event = String::from_utf8(record(&[])).unwrap();
    let in_string = format!("\"{}\"", event.replace('"', "\\\""));
    let utf_16: Vec<u8> = event.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf_16_le: Vec<u8> = event.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_32: Vec<u8> = event.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let framed = |body: &[u8]| [b"\0\0\0\0\x2a", body].concat();
    let debezium = format!("{{\"before\":null,\"after\":{event},\"source\":{{}},\"op\":\"c\",\"ts_ms\":1}}");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "empty, as a Kafka tombstone is"),
        (b" \r\n".to_vec(), "empty, as a Kafka tombstone is"),
        (b"null".to_vec(), "a JSON null, as a connector writes for a deletion"),
        (debezium.clone().into_bytes(), "a Debezium envelope: set transforms=unwrap"),
        (debezium.replace("\"c\"", "NaN").into_bytes(), "a Debezium envelope"),
        (
            format!("{{\"schema\":{{\"type\":\"struct\"}},\"payload\":{debezium}}}").into_bytes(),
            "a Debezium envelope",
        ),
        (
            format!("{{\"payload\":{event},\"schema\":null}}").into_bytes(),
            "value.converter.schemas.enable=false",
        ),
        (framed(event.as_bytes()), "framed by a schema registry"),
        (framed(b"\x0emeituan\x04R1"), "framed by a schema registry"),
        (framed(b"\xff\xfe\xfd"), "framed by a schema registry"),
        (in_string.into_bytes(), "JSON within a JSON string"),
        (format!("[{event}]").into_bytes(), "a JSON array"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd\x24\x01".to_vec(), "compressed with zstd"),
        (b"\xfd7zXZ\0\0\x04".to_vec(), "compressed with xz"),
        (b"\x04\x22\x4d\x18\x60".to_vec(), "compressed with lz4"),
        (b"BZh91AY&SY\x12".to_vec(), "compressed with bzip2"),
        (b"\x82SNAPPY\0\0\0\0\x01".to_vec(), "compressed with snappy"),
        (b"\xff\x06\0\0sNaPpY\0".to_vec(), "compressed with snappy"),
        (utf_16.clone(), "UTF-16"),
        (utf_16_le.clone(), "UTF-16"),
        ([b"\xfe\xff", &utf_16[..]].concat(), "UTF-16"),
        ([b"\xff\xfe", &utf_16_le[..]].concat(), "UTF-16"),
        (utf_32.clone(), "UTF-32"),
        ([b"\0\0\xfe\xff", &utf_32[..]].concat(), "UTF-32"),
        (b"{\"rider_id\":\"\xb2\xe2\"}".to_vec(), "another encoding (such as GBK) or binary"),
        (format!("\u{feff}{event}").into_bytes(), "behind a byte order mark"),
        (b"platform,order_id,rider_id\nmeituan,1,R1".to_vec(), "looks like CSV"),
        (b"meituan;1;R1".to_vec(), "looks like CSV"),
        (b"<order/>".to_vec(), "XML"),
        (b"hello".to_vec(), "plain text"),
    ];
    for (record, expected) in cases {
        let detail = detail(&record);
        assert!(detail.contains("; the record is ") && detail.contains(expected), "{expected}: {detail}");
        assert!(!detail.contains("R1"), "{detail}");
    }
    assert_eq!(
        detail(b"[]"),
        "at byte 0: an object is expected here; the record is a JSON array: send one JSON object a record"
    );
}

#[test]
fn a_misspelt_field_is_named_and_not_taken() {
    let renamed = |from: &str, to: &str| {
        let text = String::from_utf8(record(&[])).unwrap();
        text.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1).into_bytes()
    };
    let refused = refusal(&renamed("rider_id", "riderId"));
    let expected = "field rider_id: is missing; a field \"riderId\" is at byte 56: rename it";
    assert_eq!((refused.reason, refused.detail.as_str()), (Reason::MissingField, expected));
    assert!(refused.readable.concerns_every_rider());
    for (name, key) in [
        ("platform", "Platform"),
        ("platform", "platfrom"),
        ("order_id", "orderId"),
        ("order_id", "order-id"),
        ("rider_id", "RIDER_ID"),
        ("rider_id", "ridder_id"),
        ("rider_id", "rider id"),
        ("category", "catgory"),
        ("region", "regiom"),
        ("accepted_at", "acceptedAt"),
        ("accepted_at", "acepted_at"),
    ] {
        let detail = detail(&renamed(name, key));
        assert!(
            detail.starts_with(&format!("field {name}: is missing; a field \"{key}\" is at byte ")),
            "{detail}"
        );
    }
    // A key that may contain anything is not repeated.
    let strange = detail(&renamed("rider_id", "rider_id\u{200b}"));
    assert!(strange.contains("; a field that resembles it is at byte "), "{strange}");
    assert_eq!(detail(&renamed("rider_id", "courier")), "field rider_id: is missing");
    let (reason, text) = verdict(&[("ended_at", ""), ("endedAt", "\"x\""), ("outcome", "\"completed\"")]);
    assert_eq!(reason, "missing_field");
    assert!(text.contains("is missing beside an outcome; a field \"endedAt\" is at byte "), "{text}");
    let (reason, text) = verdict(&[("outcome", "\"void\""), ("revison", "7")]);
    assert_eq!(reason, "bad_revision");
    assert!(text.contains("a field \"revison\" is at byte "), "{text}");
}

#[test]
fn an_optional_field_that_an_accepted_event_misspells_is_found() {
    let found = |key: &str| misspelt_optional_field(&record(&[(key, "\"cancelled\"")]));
    assert_eq!(found("outcom"), Some("outcome"));
    assert_eq!(found("Outcome"), Some("outcome"));
    assert_eq!(found("out_come"), Some("outcome"));
    assert_eq!(found("revisoin"), Some("revision"));
    assert_eq!(found("Fare"), Some("fare"));
    assert_eq!(found("LEG"), Some("leg"));
    assert_eq!(found("previousAcceptedAt"), Some("previous_accepted_at"));
    for other in ["note", "rate", "log", "income", "riderId", "weather", "ended_at_local", ""] {
        assert_eq!(found(other), None, "{other}");
    }
    // The field itself is there.
    assert_eq!(misspelt_optional_field(&record(&[("endedAt", "1")])), None);
}

#[test]
fn records_that_are_no_events_identify_no_rider() {
    for record in
        [&b"\x1f\x8b\x08rider_id"[..], b"[{\"rider_id\":\"R1\"}]", b"\"{\\\"rider_id\\\":\\\"R1\\\"}\""]
    {
        assert_eq!(*refusal(record).readable, Readable::default());
        assert!(refusal(record).readable.concerns_every_rider());
    }
}
