//! The stream is what it says it is.

use super::CATEGORIES;
use super::Generator;
use super::GeneratorSettings;
use super::Label;
use super::PLATFORMS;
use super::SettingsError;
use super::county_codes;
use crate::domain::event::{Event, EventRules, decode};
use crate::domain::order::OrderEvent;
use crate::domain::time::{DAY_MS, MINUTE_MS, UtcMillis};
use std::collections::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

fn rules() -> EventRules {
    EventRules {
        categories: CATEGORIES.map(str::to_owned).to_vec(),
        platforms: PLATFORMS.map(|(name, _)| (name.to_owned(), DAY_MS)).to_vec(),
        unlisted_duration_ms_max: None,
        horizon: (UtcMillis::new(0), UtcMillis::new(4_133_980_800_000)),
        is_until_ahead: false,
        retention: None,
    }
}

fn everything(orders: u64, seed: u64) -> GeneratorSettings {
    GeneratorSettings {
        orders,
        seed,
        riders: orders / 10,
        days: 2,
        late_ppm: 20_000,
        amended_ppm: 30_000,
        stale_ppm: 10_000,
        conflict_ppm: 10_000,
        bad_ppm: 40_000,
        open_ppm: 500_000,
        completeness_every_ms: Some(5 * MINUTE_MS),
        ..GeneratorSettings::default()
    }
}

fn records(settings: &GeneratorSettings) -> Vec<(super::Meta, Vec<u8>)> {
    let mut generator = Generator::new(settings).unwrap();
    std::iter::from_fn(|| {
        let mut record = Vec::new();
        generator.next_event(&mut record).map(|meta| (meta, record))
    })
    .collect()
}

fn fingerprint(settings: &GeneratorSettings) -> u64 {
    let mut generator = Generator::new(settings).unwrap();
    let mut bytes = Vec::new();
    while generator.next_event(&mut bytes).is_some() {
        bytes.push(b'\n');
    }
    xxh3_64(&bytes)
}

#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    // These figures may only change together with a note that streams of earlier versions differ.
    assert_eq!(fingerprint(&everything(5_000, 7)), FINGERPRINT);
    assert_ne!(fingerprint(&everything(5_000, 8)), FINGERPRINT);
}
const FINGERPRINT: u64 = 11_155_382_603_538_382_190;

#[test]
fn every_record_is_what_its_label_says() {
    let all = records(&everything(20_000, 3));
    let mut seen: HashMap<&'static str, u64> = HashMap::new();
    let mut last = UtcMillis::MIN;
    for (meta, record) in &all {
        assert!(meta.sent_at >= last, "sending instants never decrease");
        last = meta.sent_at;
        let label = match (meta.label, decode(record, &rules())) {
            (Label::Bad(reason), Err(refusal)) => {
                assert_eq!(refusal.reason, reason, "{}", String::from_utf8_lossy(record));
                reason.as_str()
            }
            (Label::Complete, Ok(Event::Complete(complete))) => {
                assert_eq!(complete.platform, meta.platform);
                assert!(complete.through <= meta.sent_at);
                "complete"
            }
            (label, Ok(Event::Order(order))) => {
                assert_eq!(order.platform, meta.platform);
                let seen_at = order.ended_at.unwrap_or(order.accepted_at);
                assert!(seen_at <= meta.sent_at || label == Label::Conflict || label == Label::Amendment);
                match label {
                    Label::Order => "order",
                    Label::Late => "late",
                    Label::Open => "open",
                    Label::Amendment => "amendment",
                    Label::Duplicate => "duplicate",
                    Label::Stale => "stale",
                    _ => "conflict",
                }
            }
            (label, other) => panic!("{label:?} gave {other:?}: {}", String::from_utf8_lossy(record)),
        };
        *seen.entry(label).or_default() += 1;
    }
    assert_eq!(seen["order"] + seen["late"], 20_000);
    for (label, low, high) in [
        ("open", 9_500, 10_500),
        ("duplicate", 150, 250),
        ("late", 320, 480),
        ("amendment", 700, 900),
        ("stale", 150, 250),
        ("conflict", 150, 250),
        ("malformed_json", 100, 220),
        ("complete", 3_450, 3_900),
    ] {
        assert!((low..high).contains(&seen[label]), "{label}: {}", seen[label]);
    }
    let reasons = seen.keys().filter(|label| crate::domain::reject::Reason::parse(label).is_some()).count();
    assert_eq!(
        reasons, 13,
        "all but unknown_platform, unknown_outcome and before_retention are made: {seen:?}"
    );
}

#[test]
fn repeated_records_are_equal_and_follow_their_first() {
    let mut firsts: HashSet<Vec<u8>> = HashSet::new();
    let mut ids: HashSet<(String, u8)> = HashSet::new();
    for (meta, record) in records(&everything(10_000, 5)) {
        match meta.label {
            Label::Order | Label::Late => {
                let Ok(Event::Order(order)) = decode(&record, &rules()) else { panic!("no order") };
                assert!(ids.insert((order.order_id.to_string(), order.leg)), "an order number occurs twice");
                assert!(firsts.insert(record));
            }
            Label::Duplicate | Label::Stale => assert!(firsts.contains(&record)),
            _ => {}
        }
    }
}

#[test]
fn completeness_is_broken_by_late_events_only() {
    let settings = GeneratorSettings { late_ppm: 0, ..everything(5_000, 11) };
    let mut through = UtcMillis::MIN;
    let all = records(&settings);
    for (meta, record) in &all {
        match decode(record, &rules()) {
            Ok(Event::Complete(complete)) => through = complete.through,
            Ok(Event::Order(order)) if matches!(meta.label, Label::Order | Label::Open) => {
                assert!(order.ended_at.unwrap_or(order.accepted_at) >= through);
            }
            _ => {}
        }
    }
    assert!(all.iter().rev().take(PLATFORMS.len()).all(|(meta, _)| meta.label == Label::Complete));
}

#[test]
fn the_day_looks_like_a_day() {
    let settings = GeneratorSettings { orders: 200_000, riders: 20_000, ..GeneratorSettings::default() };
    let all = records(&settings);
    let bytes: usize = all.iter().map(|(_, record)| record.len()).sum();
    assert!((226..238).contains(&(bytes / all.len())), "{} bytes a record", bytes / all.len());

    let orders: Vec<OrderEvent<'_>> = all
        .iter()
        .filter(|(meta, _)| meta.label == Label::Order)
        .map(|(_, record)| match decode(record, &rules()) {
            Ok(Event::Order(order)) => order,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut minutes: HashMap<i64, u64> = HashMap::new();
    let mut riders: HashMap<&str, Vec<(UtcMillis, UtcMillis)>> = HashMap::new();
    for order in &orders {
        let ended_at = order.ended_at.unwrap();
        let duration_ms = ended_at.since(order.accepted_at);
        assert!((15 * MINUTE_MS..=45 * MINUTE_MS).contains(&duration_ms));
        assert!((0..DAY_MS).contains(&ended_at.since(settings.from)));
        *minutes.entry(ended_at.since(settings.from) / MINUTE_MS).or_default() += 1;
        riders.entry(&order.rider_id).or_default().push((order.accepted_at, ended_at));
    }
    let peak = minutes.values().max().unwrap() * 1_440 / orders.len() as u64;
    assert!((5..8).contains(&peak), "the peak minute has {peak} times the mean");
    let overlaps = riders
        .values_mut()
        .map(|windows| {
            windows.sort_unstable();
            windows.windows(2).filter(|pair| pair[1].0 < pair[0].1).count()
        })
        .sum::<usize>();
    assert!((60_000..120_000).contains(&overlaps), "{overlaps} overlaps");
}

#[test]
fn county_codes_are_about_as_many_as_there_are() {
    let codes = county_codes();
    assert_eq!(codes.len(), 2_843);
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(codes.iter().all(|&code| (110_000..660_000).contains(&code)));
}

#[test]
fn settings_that_make_no_stream_are_named() {
    let default = GeneratorSettings::default;
    for (settings, error) in [
        (GeneratorSettings { days: 0, ..default() }, SettingsError::Days),
        (GeneratorSettings { orders: u64::MAX, ..default() }, SettingsError::OrdersPerDay),
        (GeneratorSettings { riders: 0, ..default() }, SettingsError::Riders),
        (GeneratorSettings { late_ppm: 990_001, ..default() }, SettingsError::Shares),
        (GeneratorSettings { bad_ppm: u32::MAX, ..default() }, SettingsError::Shares),
        (GeneratorSettings { open_ppm: 1_000_001, ..default() }, SettingsError::OpenShare),
        (GeneratorSettings { completeness_every_ms: Some(0), ..default() }, SettingsError::Completeness),
        (GeneratorSettings { from: UtcMillis::MAX, ..default() }, SettingsError::Start),
    ] {
        assert_eq!(Generator::new(&settings).err(), Some(error));
    }
    assert!(records(&GeneratorSettings { orders: 0, ..default() }).is_empty());
}
