//! What is read of refused records past their defects, and what is not.

use super::VALID;
use super::order;
use super::record;
use super::refusal;
use crate::domain::order::Phase;
use crate::domain::reject::{ReadRevision, Readable, Reason};
use crate::domain::time::UtcMillis;

pub(super) fn whole() -> Readable {
    Readable {
        platform: Some("meituan".into()),
        order_id: Some("8812345678901234567".into()),
        leg: Some(0),
        phase: Some(Phase::Ended),
        rider_id: Some("R1".into()),
        revision: ReadRevision::Known(0),
        accepted_at: Some(UtcMillis::new(1_795_147_200_000)),
        ended_at: Some(UtcMillis::new(1_795_149_000_000)),
        outcome: None,
        is_completeness: false,
        is_clock_wrong: false,
    }
}

fn valid() -> String {
    String::from_utf8(record(&[])).unwrap()
}

pub(super) fn read(record: impl AsRef<[u8]>) -> Readable {
    *refusal(record.as_ref()).readable
}

/// The valid event with `member` in front of its fields, and with it behind them.
pub(super) fn around(member: &str) -> [String; 2] {
    let valid = valid();
    [valid.replacen('{', &format!("{{{member},"), 1), valid.replacen('}', &format!(",{member}}}"), 1)]
}

#[track_caller]
fn is_read_past(member: &str) {
    for record in around(member) {
        let refusal = refusal(record.as_bytes());
        assert_eq!((refusal.reason, *refusal.readable), (Reason::MalformedJson, whole()), "{record}");
    }
}

#[test]
fn a_rider_behind_a_byte_order_mark_is_read() {
    assert_eq!(read(format!("\u{feff}{}", valid())), whole());
    assert_eq!(read(format!("\u{feff} \u{feff}\n{}", valid())), whole());
}

#[test]
fn a_rider_behind_nan_or_another_bad_value_is_read() {
    for value in
        ["NaN", "Infinity", "-Infinity", "undefined", "None", "True", "01", "+1", ".5", "1.", "0x1f", "1e"]
    {
        is_read_past(&format!("\"distance_km\":{value}"));
        is_read_past(&format!("\"stops\":[{{\"km\":{value}}},{value}]"));
    }
    is_read_past("\"distance_km\":");
    is_read_past("\"seen_at\": 2026-11-20T12:00:00Z");
}

#[test]
fn a_rider_beside_a_lone_surrogate_or_a_bad_escape_is_read() {
    for text in ["\\ud83d", "x\\udc00\\ud83d", "\\ud83d\\u0041", "C:\\dir", "\\x41", "\\u12", "\\'"] {
        is_read_past(&format!("\"note\":\"{text}\""));
        is_read_past(&format!("\"note\":[\"{text}\"]"));
    }
}

#[test]
fn a_rider_beside_a_raw_control_character_is_read() {
    for text in ["\t", "a\nb", "\u{0}", "\u{1f}", "\r\n\r\n"] {
        is_read_past(&format!("\"note\":\"{text}\""));
    }
    assert_eq!(read(valid().replace(",\"", ",\u{0}\u{a0}\"")), whole());
}

#[test]
fn a_rider_beside_a_repeated_key_is_read() {
    is_read_past("\"note\":1,\"note\":2");
    is_read_past("\"note\":null,\"n\\u006fte\":\"x\"");
    // A field of the contract, the rider too, may occur twice with one value.
    for (name, value) in VALID {
        is_read_past(&format!("\"{name}\":{value}"));
    }
    is_read_past("\"rider\\u005fid\":\"\\u00521\"");
}

#[test]
fn a_rider_before_bytes_behind_the_object_is_read() {
    for rest in ["x", "]", "}", ",", "\u{0}\u{0}", "\n--", " 17"] {
        assert_eq!(read(format!("{}{rest}", valid())), whole(), "{rest:?}");
    }
}

#[test]
fn a_rider_before_a_cut_is_read() {
    let cut = Readable { leg: None, revision: ReadRevision::Unreadable, ..whole() };
    for rest in
        ["", ",", ",\"", ",\"note", ",\"note\"", ",\"note\":", ",\"note\":\"\\u5c0f", ",\"n\":{\"a\":[1,{"]
    {
        assert_eq!(read(valid().replace('}', rest)), cut, "{rest}");
    }
    let (before, _) =
        valid().split_once(",\"accepted_at").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    // What stood behind the cut is open: the end of the order too.
    assert_eq!(read(before), Readable { phase: None, accepted_at: None, ended_at: None, ..cut });
}

#[test]
fn a_rider_beside_commas_too_many_is_read() {
    let valid = valid();
    assert_eq!(read(valid.replace('}', ",}")), whole());
    assert_eq!(read(valid.replace('{', "{,")), whole());
    assert_eq!(read(valid.replace(",\"region", ",,\"region")), whole());
    is_read_past("\"a\":[1,],\"b\":{\"c\":1,}");
}

#[test]
fn a_rider_behind_deep_nesting_is_read() {
    is_read_past(&format!("\"a\":{}{}", "[".repeat(5_000), "]".repeat(5_000)));
    let too_deep = around(&format!("\"a\":{}{}", "[".repeat(50_000), "]".repeat(50_000)));
    assert_eq!(read(&too_deep[0]).rider_id, None);
}

#[test]
fn a_rider_behind_the_header_of_a_schema_registry_is_read() {
    for id in [1_u32, 0xc8d6_e4f2] {
        let framed = [&[0][..], &id.to_be_bytes(), &record(&[])].concat();
        assert_eq!(read(framed), whole());
    }
}

#[test]
fn an_integer_counts_as_its_digits() {
    for digits in ["10023", "0", "9007199254740991", "8812345678901234567", "310115199001011231"] {
        let read = |field| read(record(&[(field, digits)]));
        assert_eq!(read("rider_id"), Readable { rider_id: Some(digits.into()), ..whole() });
        assert_eq!(read("order_id"), Readable { order_id: Some(digits.into()), ..whole() });
    }
    let beside_a_defect = valid().replace("\"R1\"", "10023").replace('}', ",\"x\":NaN}");
    assert_eq!(read(beside_a_defect).rider_id.as_deref(), Some("10023"));
}

#[test]
fn a_number_that_may_have_other_digits_is_no_rider() {
    // The last four: what a program that keeps numbers as doubles writes for 8812345678901234567 and its like.
    for number in [
        "-5",
        "-0",
        "007",
        "1.0",
        "10023.5",
        "1e4",
        "+5",
        "8812345678901235000",
        "8812345678901234688",
        "310115199001011260",
        "9007199254740992",
    ] {
        let read = read(record(&[("rider_id", number)]));
        assert_eq!(read, Readable { rider_id: None, ..whole() }, "{number}");
    }
    // Cut behind a digit, another may follow.
    assert_eq!(read("{\"platform\":\"meituan\",\"rider_id\":10023").rider_id, None);
    assert_eq!(read("{\"platform\":\"meituan\",\"rider_id\":10023,").rider_id.as_deref(), Some("10023"));
}

#[test]
fn a_rider_that_holds_the_defect_is_not_read() {
    let long = format!("\"{}\"", "x".repeat(257));
    for value in [
        "\"\"",
        "null",
        "true",
        "{}",
        "[\"R1\"]",
        "\"a\\ud83d\"",
        "\"a\tb\"",
        "\"R\\x31\"",
        "\"a\\u0000\"",
        &long,
        "NaN",
        "{\"rider_id\":\"R1\"}",
        "'R1'",
        "R1",
        "",
    ] {
        let record = valid().replace("\"R1\"", value);
        assert_eq!(read(record).rider_id, None, "{value}");
    }
    for cut in 0.."\"rider_id\":\"R1".len() {
        let record = format!("{{\"platform\":\"meituan\",{}", &"\"rider_id\":\"R1"[..cut]);
        assert_eq!(read(record).rider_id, None);
    }
}

#[test]
fn a_field_that_stands_twice_with_other_values_is_not_read() {
    for (member, expected) in [
        ("\"rider_id\":\"R2\"", Readable { rider_id: None, ..whole() }),
        ("\"rider_id\":null", Readable { rider_id: None, ..whole() }),
        ("\"rider_id\":1", Readable { rider_id: None, ..whole() }),
        ("\"rider\\u005fid\":\"R2\"", Readable { rider_id: None, ..whole() }),
        ("\"platform\":\"dada\"", Readable { platform: None, ..whole() }),
        ("\"order_id\":\"1\"", Readable { order_id: None, ..whole() }),
        ("\"leg\":1,\"leg\":2", Readable { leg: None, ..whole() }),
        ("\"revision\":1,\"revision\":2", Readable { revision: ReadRevision::Unreadable, ..whole() }),
        ("\"accepted_at\":\"2026-11-20T04:00:00Z\"", Readable { accepted_at: None, ..whole() }),
        ("\"ended_at\":\"2026-11-20T04:00:00Z\"", Readable { ended_at: None, ..whole() }),
        ("\"ended_at\":null", Readable { ended_at: None, phase: None, ..whole() }),
    ] {
        for record in around(member) {
            assert_eq!(read(&record), expected, "{record}");
        }
    }
}

#[test]
fn a_rider_behind_a_doubtful_place_is_not_read() {
    let valid = valid();
    for (from, to) in [
        ("{", "{\"note\":\"he said \"yes\"\","),
        ("{", "{\"note\":\"a\" \"b\","),
        ("{", "{\"note\":\"it's, ,"),
        ("{", "{note:1,"),
        ("{", "{'note':1,"),
        ("{", "{\"note\":'x',"),
        ("{", "{/* c */"),
        ("{", "{\"a\":[1}},"),
        ("{", "{\"a\":{\"b\":1]},"),
        ("{", "{\"a\":1},"),
        ("{", "{\"a\":{\"b\":{},"),
        ("{", "{\"a\":“x”,"),
        (",\"rider_id", "\"rider_id"),
        ("\"R1\"", "\"R\"1\""),
        ("\"R1\"", "\"R1\" 7"),
    ] {
        assert_eq!(read(valid.replacen(from, to, 1)).rider_id, None, "{to}");
    }
    // A second event, or a second rider behind the doubt, makes the first doubtful too.
    for rest in
        [",\"a\" 1,\"rider_id\":\"R2\"}", ",\"a\" 1,\"rider\\u005fid\":\"R2\"}", "},\"rider_id\":\"R2\"}"]
    {
        assert_eq!(read(valid.replace('}', rest)).rider_id, None, "{rest}");
    }
    assert_eq!(read(format!("{valid}{valid}")).rider_id, None);
    assert_eq!(read(format!("{valid}{{\"riderId\":\"R2\"}}")).rider_id, None);
    // Nothing there names it again.
    assert_eq!(read(valid.replace('}', ",\"note\":\"he said \"yes\"\"}")).rider_id.as_deref(), Some("R1"));
}

#[test]
fn a_rider_inside_another_value_is_never_taken() {
    let without = record(&[("rider_id", "")]);
    let without = String::from_utf8(without).unwrap();
    for decoy in [
        "\"x\":{\"rider_id\":\"R9\"}",
        "\"x\":[{\"rider_id\":\"R9\"}]",
        "\"x\":{\"y\":NaN,\"rider_id\":\"R9\"}",
        "\"x\":{\"y\":[}],\"rider_id\":\"R9\"}",
        "\"x\":{\"y\":{},\"rider_id\":\"R9\"",
        "\"x\":\"\\\"rider_id\\\":\\\"R9\\\"\"",
        "\"x\":\"\\ud83d\\\",\\\"rider_id\\\":\\\"R9\\\"\"",
        "\"x\":'\"rider_id\":\"R9\"'",
        "\"x\":\"\",rider_id\":\"R9\"",
        "\"x\":\"y\"z\",\"rider_id\":\"R9\"",
        "\"x\":1/*,\"rider_id\":\"R9\",*/",
        "\"riderId\":\"R9\"",
        "\"rider_id \":\"R9\"",
        "\"RIDER_ID\":\"R9\"",
    ] {
        for record in [format!("{{{decoy},{}", &without[1..]), without.replace('}', &format!(",{decoy}}}"))] {
            assert_eq!(read(&record).rider_id, None, "{record}");
        }
    }
    for envelope in ["{\"schema\":{},\"payload\":@}", "{\"before\":null,\"after\":@,\"op\":\"c\"}", "[@]"] {
        assert_eq!(
            read(envelope.replace('@', &valid())),
            Readable {
                leg: envelope.starts_with('{').then_some(0),
                phase: envelope.starts_with('{').then_some(Phase::Open),
                revision: if envelope.starts_with('{') {
                    ReadRevision::Known(0)
                } else {
                    ReadRevision::Unreadable
                },
                ..Readable::default()
            }
        );
    }
    assert_eq!(read(format!("\"{}\"", valid().replace('"', "\\\""))), Readable::default());
}

#[test]
fn what_is_not_utf_8_names_no_rider() {
    let note = [&record(&[])[..70], b"\xff", &record(&[])[70..]].concat();
    assert_eq!(read(note), Readable::default());
}

#[test]
fn the_phase_is_open_only_where_that_is_certain() {
    let phase = |changes: &[(&str, &str)]| read(record(changes)).phase;
    assert_eq!(phase(&[("region", "1"), ("ended_at", "")]), Some(Phase::Open));
    assert_eq!(phase(&[("region", "1"), ("ended_at", "null")]), Some(Phase::Open));
    assert_eq!(phase(&[("ended_at", "\"tomorrow\"")]), Some(Phase::Ended));
    assert_eq!(phase(&[("ended_at", "NaN")]), None);
    assert_eq!(phase(&[("region", "1"), ("ended_at", ""), ("endedAt", "\"2026-11-20T04:00:00Z\"")]), None);
    // An outcome comes with an end only: one is missing.
    assert_eq!(phase(&[("ended_at", ""), ("outcome", "\"completed\"")]), None);
    let broken_key = record(&[("region", "1"), ("ended_at", ""), ("ended\\ud83d_at", "1")]);
    assert_eq!(read(broken_key).phase, None);
}

#[test]
fn a_completeness_record_concerns_no_rider() {
    let record = "{\"kind\":\"complete\",\"platform\":\"dada\",\"through\":\"2026\"}";
    assert!(read(record).is_completeness && !read(record).concerns_every_rider());
    assert!(read(format!("\u{feff}{record}")).is_completeness);
    for other in [
        record.replace("complete", "completed"),
        record.replace('}', ",\"rider_id\":\"R1\"}"),
        record.replace('}', ",\"riderId\":\"R1\"}"),
        record.replace('}', ",\"kind\":\"order\"}"),
        record.replace('}', ""),
        format!("{record}{}", valid()),
    ] {
        assert!(!read(&other).is_completeness, "{other}");
        assert_eq!(read(&other).concerns_every_rider(), !read(&other).names_rider(), "{other}");
    }
}

#[test]
fn times_in_the_wrong_order_are_both_read() {
    let read = |accepted, ended| {
        let refusal = refusal(&record(&[("accepted_at", accepted), ("ended_at", ended)]));
        assert_eq!(refusal.reason, Reason::EndedBeforeAccepted);
        (refusal.readable.accepted_at.unwrap().millis(), refusal.readable.ended_at.unwrap().millis())
    };
    // Rounded outwards, they look as if they were in order: the reason says that they are not.
    let sub_ms = read("\"2026-11-20T12:00:00.0009+08:00\"", "\"2026-11-20T12:00:00.0001+08:00\"");
    assert_eq!(sub_ms, (1_795_147_200_000, 1_795_147_200_001));
}

#[test]
fn many_keys_of_any_kind_take_linear_time() {
    let long = format!("\"rider_id\":\"{}\",", "\\u0041".repeat(200_000));
    let many: String =
        (0..100_000).map(|n| format!("\"k{n}\":{n},\"rider_id\":\"{n}\",\"leg\":NaN,")).collect();
    let record = format!("{{{long}{many}{long}\"platform\":\"meituan\",\"x\" 1");
    assert_eq!(read(&record), Readable { platform: Some("meituan".into()), ..Readable::default() });
    order(&record_with_many_keys());
}

fn record_with_many_keys() -> Vec<u8> {
    let many: String = (0..10_000).map(|n| format!(",\"k{n}\":{n}")).collect();
    valid().replace('}', &format!("{many}}}")).into_bytes()
}
