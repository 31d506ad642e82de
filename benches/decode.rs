//! How fast records become events, beside the least that any decoder must do, one UTF-8 check of the same bytes, and
//! beside two JSON libraries that find the same fields and judge none: no check of duplicate keys, times, lengths or names.
//!
//! `cargo bench --bench decode [-- --enforce]`: with `--enforce` it fails when the decoder falls below [`RATIO_MIN`].

use coverledger::domain::event::{Event, EventRules, decode};
use coverledger::domain::time::{DAY_MS, UtcMillis};
use coverledger::generate::{CATEGORIES, Generator, GeneratorSettings, PLATFORMS};
use serde::Deserialize;
use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Events in memory: more than fits the caches.
const EVENTS: u64 = 500_000;
/// The best of so many runs counts: others use the machine too.
const RUNS: u32 = 5;
/// Thousandths of the UTF-8 check's speed that the decoder must reach.
const RATIO_MIN: u128 = 40;

/// What the libraries read: borrowed fields without a meaning.
#[derive(Debug, Deserialize)]
struct Fields<'a> {
    platform: &'a str,
    order_id: &'a str,
    rider_id: &'a str,
    category: &'a str,
    region: &'a str,
    accepted_at: &'a str,
    ended_at: Option<&'a str>,
    outcome: Option<&'a str>,
    revision: Option<u64>,
}

/// Whether every field was read, so that no library can leave one out.
fn is_order(fields: &Fields<'_>) -> bool {
    black_box((fields.ended_at, fields.outcome, fields.revision));
    let texts = [fields.platform, fields.order_id, fields.rider_id, fields.category, fields.region];
    texts.iter().all(|text| !text.is_empty()) && !fields.accepted_at.is_empty()
}

fn main() -> ExitCode {
    let is_enforced = std::env::args().any(|argument| argument == "--enforce");
    let settings = GeneratorSettings { orders: EVENTS, ..GeneratorSettings::default() };
    let mut generator = Generator::new(&settings).expect("the settings make a stream");
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    let started = Instant::now();
    while generator.next_event(&mut bytes).is_some() {
        ends.push(bytes.len());
    }
    let generated = started.elapsed();
    let records: Vec<&[u8]> = std::iter::once(&0)
        .chain(&ends)
        .zip(&ends)
        .map(|(&from, &to)| bytes.get(from..to).unwrap_or_default())
        .collect();
    let rules = EventRules {
        categories: CATEGORIES.map(str::to_owned).to_vec(),
        platforms: PLATFORMS.map(|(name, _)| (name.to_owned(), DAY_MS)).to_vec(),
        unlisted_duration_ms_max: None,
        horizon: (UtcMillis::new(0), UtcMillis::new(4_133_980_800_000)),
        is_until_ahead: false,
        retention: None,
    };

    let checked =
        best(|| records.iter().filter(|record| std::str::from_utf8(black_box(record)).is_ok()).count());
    let decoded = best(|| {
        records
            .iter()
            .filter(|record| matches!(black_box(decode(black_box(record), &rules)), Ok(Event::Order(_))))
            .count()
    });
    let serde_json = best(|| {
        let read =
            |record: &&&[u8]| serde_json::from_slice(black_box(record)).is_ok_and(|fields| is_order(&fields));
        records.iter().filter(read).count()
    });
    let sonic_rs = best(|| {
        let read =
            |record: &&&[u8]| sonic_rs::from_slice(black_box(record)).is_ok_and(|fields| is_order(&fields));
        records.iter().filter(read).count()
    });
    for count in [checked.1, decoded.1, serde_json.1, sonic_rs.1] {
        assert_eq!(count, records.len(), "every record is an order");
    }

    let ratio = checked.0.as_nanos() * 1_000 / decoded.0.as_nanos().max(1);
    let mut out = std::io::stdout().lock();
    let rows = [
        ("generate", generated),
        ("utf8", checked.0),
        ("decode", decoded.0),
        ("serde_json, fields only", serde_json.0),
        ("sonic-rs, fields only", sonic_rs.0),
    ];
    let written = rows.into_iter().try_for_each(|(name, took)| {
        let us = took.as_micros().max(1);
        let events = records.len() as u128 * 1_000_000 / us;
        writeln!(out, "{name}: {events} events/s, {} MB/s", bytes.len() as u128 / us)
    });
    let written = written.and_then(|()| {
        let (whole, rest, size) = (ratio / 1_000, ratio % 1_000, bytes.len() / records.len());
        writeln!(out, "decode/utf8: {whole}.{rest:03} ({size} bytes an event)")
    });
    if written.is_err() || (is_enforced && ratio < RATIO_MIN) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The shortest of some runs, and what they counted.
fn best(mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let mut best = (Duration::MAX, 0);
    for _ in 0..RUNS {
        let started = Instant::now();
        let count = run();
        best = (best.0.min(started.elapsed()), count);
    }
    best
}
