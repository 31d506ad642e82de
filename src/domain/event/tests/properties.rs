//! Any bytes are survived; what is JSON and what is not is decided as `serde_json` decides it; the fast path and the
//! slow path agree.

use super::super::fields::Fields;
use super::super::salvage::Salvaged;
use super::super::schema::{self, NAMES};
use super::record;
use super::rules;
use crate::generate::{Generator, GeneratorSettings};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::OnceLock;

/// Whether the bytes are one JSON object without a repeated key at its top, by `serde_json`.
fn is_object(bytes: &[u8]) -> Option<bool> {
    let mut keys = Keys::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde::Deserializer::deserialize_map(&mut reader, &mut keys).and_then(|()| reader.end());
    match read {
        // A number of any size is JSON; whether it fits a float is no question of grammar.
        Err(error) if error.to_string().contains("number out of range") => None,
        other => Some(other.is_ok() && !keys.repeated),
    }
}

#[derive(Default)]
struct Keys {
    seen: std::collections::HashSet<String>,
    repeated: bool,
}

impl<'de> serde::de::Visitor<'de> for &mut Keys {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, _)) = map.next_entry::<String, Json>()? {
            self.repeated |= !self.seen.insert(key);
        }
        Ok(())
    }
}

/// Holds all the promises to one input.
fn properties_of(bytes: &[u8]) -> Result<(), TestCaseError> {
    let rules = rules();
    let scanned = std::str::from_utf8(bytes).ok().and_then(|text| {
        let mut fields = Fields::EMPTY;
        fields.fill(text).ok().map(|()| fields)
    });
    if let Some(expected) = is_object(bytes) {
        prop_assert_eq!(scanned.is_some(), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
    if let Some(mut fields) = scanned.clone() {
        // What is JSON is read alike by the lenient reader, but for what a misspelt key leaves open.
        let salvaged = Salvaged::of(bytes);
        for name in NAMES.into_iter().filter(|name| salvaged.misspelt(name).is_none()) {
            let (read, strict) = (salvaged.value(name), fields.slot(name).copied());
            prop_assert_eq!(read, strict);
        }
    }
    if let Some(fields) = &scanned
        && let Some(event) = schema::decode_ordinary(fields, &rules)
    {
        let slow = schema::decode(fields, &rules).ok();
        prop_assert_eq!(slow, Some(event));
    }
    prop_assert_eq!(
        super::decode(bytes, &rules).is_err_and(|refusal| refusal.reason.code() == 0),
        scanned.is_none()
    );
    Ok(())
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e300..1e300).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[ -~]{0,20}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec(("[a-c]{0,3}|.{0,3}", inner), 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

fn field() -> impl Strategy<Value = (String, String)> {
    let name = prop::sample::select(vec![
        "kind",
        "platform",
        "order_id",
        "leg",
        "rider_id",
        "category",
        "region",
        "accepted_at",
        "ended_at",
        "outcome",
        "revision",
        "fare",
        "previous_accepted_at",
        "through",
        "unknown",
    ]);
    let value = prop_oneof![
        json().prop_map(|json| json.to_string()),
        prop::sample::select(vec![
            "\"complete\"",
            "\"void\"",
            "\"dada\"",
            "1",
            "1.0",
            "\"5.00\"",
            "\"2026-11-20T12:30:00.9999Z\"",
            "\"2025-01-01T00:00:00+08:00\"",
            "\"\\u0041\"",
            "\"ride_hailing\"",
            "\"110101\"",
        ])
        .prop_map(str::to_owned),
    ];
    (name.prop_map(str::to_owned), value)
}

/// How many inputs each property gets.
pub(super) fn cases() -> u32 {
    std::env::var("COVERLEDGER_FUZZ_ROUNDS").map_or(2_000, |text| text.parse().unwrap())
}

/// Events as platforms send them, broken ones too.
pub(super) fn generated() -> &'static [Vec<u8>] {
    static EVENTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let settings = GeneratorSettings {
            orders: 200,
            bad_ppm: 200_000,
            open_ppm: 200_000,
            completeness_every_ms: Some(3_600_000),
            ..GeneratorSettings::default()
        };
        let mut generator = Generator::new(&settings).unwrap();
        let mut events = Vec::new();
        loop {
            let mut line = Vec::new();
            if generator.next_event(&mut line).is_none() {
                return events;
            }
            events.push(line);
        }
    })
}

/// Bytes replaced, put in, taken out, or cut off.
pub(super) fn changed(mut bytes: Vec<u8>, changes: Vec<(prop::sample::Index, u8, u8)>) -> Vec<u8> {
    for (place, byte, how) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..80)) {
        properties_of(&bytes)?;
    }

    #[test]
    fn white_space_may_stand_between_any_two_tokens(
        blanks in vec(prop::sample::select(vec!["", " ", "  ", "\t", "\n", "\r\n", " \t "]), 40),
    ) {
        let tokens = [
            "{", "\"platform\"", ":", "\"p\"", ",", "\"order_id\"", ":", "\"o\"", ",", "\"leg\"", ":", "1", ",",
            "\"rider_id\"", ":", "\"r\"", ",", "\"category\"", ":", "\"instant_delivery\"", ",", "\"accepted_at\"", ":",
            "\"2026-11-20T12:00:00+08:00\"", "}",
        ];
        let text: String = blanks.iter().zip(tokens).flat_map(|(blank, token)| [*blank, token]).collect();
        let text = text + blanks[tokens.len()];
        properties_of(text.as_bytes())?;
        prop_assert_eq!(is_object(text.as_bytes()), Some(true));
    }

    #[test]
    fn any_mix_of_json_marks_is_judged_like_serde_json(
        marks in vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "d800", "dc00", "0041", "0", "-", "1", ".", "e", "E",
            "+", "true", "null", "false", " ", "\n", "a", "\"a\"", "\"b\":", "é", "\u{1}", "\"leg\":", "\"x\":{",
        ]), 0..24),
    ) {
        let inside = marks.concat();
        properties_of(inside.as_bytes())?;
        properties_of(format!("{{\"a\":{inside}}}").as_bytes())?;
    }

    #[test]
    fn objects_changed_byte_by_byte_are_judged_like_serde_json(
        fields in vec(field(), 0..5),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..3),
    ) {
        let pairs: Vec<(&str, &str)> =
            fields.iter().map(|(name, json)| (name.as_str(), json.as_str())).collect();
        let bytes = record(&pairs);
        properties_of(&bytes)?;
        properties_of(&changed(bytes, changes))?;
    }

    #[test]
    fn generated_events_changed_byte_by_byte_are_judged_like_serde_json(
        event in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..4),
    ) {
        let events = generated();
        properties_of(&changed(events[event.index(events.len())].clone(), changes))?;
    }
}
