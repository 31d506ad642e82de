//! Salvage on random events, defects and mutations.

use super::VALID;
use super::properties::{cases, changed, generated};
use super::rules;
use super::salvage::{around, read, whole};
use crate::domain::event::{decode, misspelt_optional_field};
use crate::domain::reject::Readable;
use proptest::collection::vec;
use proptest::prelude::*;

/// Values without a defect and no doubt.
fn value() -> impl Strategy<Value = String> {
    "[ -~]{0,12}".prop_map(|text| serde_json::Value::from(text).to_string())
}

const DEFECTS: [&str; 16] = [
    "\"note\":\"\\ud83d\"",
    "\"note\":\"a\tb\"",
    "\"note\":\"\\x\"",
    "\"km\":NaN",
    "\"km\":-Infinity",
    "\"km\":",
    "\"km\":01",
    "\"km\":[NaN,{\"a\":.5}]",
    "\"note\":1,\"note\":1",
    "\"x\":{\"rider_id\":\"R9\",\"rider_id\":\"R8\"},\"y\":NaN",
    "\"x\":[{\"rider_id\":\"R9\"},],\"platform\\t\":1",
    "\"x\":\"{\\\"rider_id\\\":\\\"R9\\\"}\",\"y\":undefined",
    "",
    ",\"x\":{}",
    "\"x\":{\"a\":{\"order_id\":\"9\"},}",
    "\"x\":\"\u{1}\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_defect_in_another_field_hides_nothing(
        fields in Just(VALID.to_vec()).prop_shuffle(),
        (rider, order_id) in ("[!-~]{1,12}", "[ -~é小]{1,12}"),
        defect in prop::sample::select(DEFECTS.to_vec()),
        (place, extra) in (0..=VALID.len(), value()),
        (before, behind) in prop::sample::select(vec![("", ""), ("\u{feff}", ""), ("", "]"), (" ", "\u{0}x")]),
    ) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut members: Vec<String> = fields.iter().map(|(name, value)| match *name {
            "rider_id" => format!("\"rider_id\":{}", quoted(&rider)),
            "order_id" => format!("\"order_id\":{}", quoted(&order_id)),
            name => format!("\"{name}\" : {value}"),
        }).collect();
        members.insert(place, format!("{defect},\"extra\":{extra}"));
        let record = format!("{before}{{{}}}{behind}", members.join(","));
        let expected = Readable { rider_id: Some(rider), order_id: Some(order_id), ..whole() };
        prop_assert_eq!(read(&record), expected, "{}", record);
    }

    #[test]
    fn no_other_rider_is_named_than_a_strict_parser_reads(
        event in any::<prop::sample::Index>(),
        integer in any::<Option<u32>>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..4),
    ) {
        let events = generated();
        let mut bytes = events[event.index(events.len())].clone();
        if let Some(rider) = integer.filter(|_| bytes.starts_with(b"{")) {
            bytes.splice(..1, format!("{{\"rider_id\":{rider},").into_bytes());
        }
        let bytes = changed(bytes, changes);
        prop_assert!(misspelt_optional_field(&bytes) != Some("rider_id"));
        let Err(refusal) = decode(&bytes, &rules()) else { return Ok(()) };
        if let Some(named) = &refusal.readable.rider_id {
            let text = String::from_utf8_lossy(&bytes);
            // Whatever it is, it is there: as it is, or with escapes.
            prop_assert!(text.contains(named.as_str()) || text.contains('\\'), "{} {}", named, text);
            if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                let strict = match &json["rider_id"] {
                    serde_json::Value::String(text) => Some(text.clone()),
                    serde_json::Value::Number(number) if !number.is_f64() => Some(number.to_string()),
                    // The other parser keeps it as a double.
                    serde_json::Value::Number(_) => return Ok(()),
                    _ => None,
                };
                prop_assert_eq!(Some(named), strict.as_ref(), "{}", text);
            }
        }
    }

    #[test]
    fn one_changed_byte_lets_no_decoy_out(
        decoy in prop::sample::select(vec![
            "\"x\":{\"rider_id\":\"DECOY\",\"z\":1}",
            "\"x\":{\"y\":[{\"rider_id\":\"DECOY\"}],\"z\":\"1\"}",
            "\"x\":\"a\\\",\\\"rider_id\\\":\\\"DECOY\\\",\\\"b\\\":\\\"c\"",
            "\"x\":{\"y\":{},\"rider_id\":\"DECOY\"}",
        ]),
        is_in_front in any::<bool>(),
        change in (any::<prop::sample::Index>(), any::<u8>(), 0_u8..4),
        mark in prop::sample::select(vec![None, Some(b'"'), Some(b'{'), Some(b'}'), Some(b','), Some(b':'), Some(b'\\')]),
    ) {
        let record = around(decoy)[usize::from(!is_in_front)].clone().into_bytes();
        let (at, byte, how) = change;
        let bytes = changed(record, vec![(at, mark.unwrap_or(byte), how)]);
        if let Err(refusal) = decode(&bytes, &rules()) {
            let rider = refusal.readable.rider_id.unwrap_or_default();
            prop_assert!(!rider.contains("DECOY"), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
