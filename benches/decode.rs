//! How fast records become events, beside the least that any decoder must do: one UTF-8 check of the same bytes.
//!
//! `cargo bench --bench decode [-- --enforce]`: with `--enforce` it fails when the decoder falls below [`RATIO_MIN`].

use coverledger::domain::event::{EventRules, decode};
use coverledger::domain::order::Event;
use coverledger::domain::time::{DAY_MS, UtcMillis};
use coverledger::generate::{CATEGORIES, Generator, GeneratorSettings, PLATFORMS};
use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Events in memory: more than the caches hold.
const EVENTS: u64 = 500_000;
/// The best of so many runs counts: others use the machine too.
const RUNS: u32 = 5;
/// Thousandths of the UTF-8 check's speed that the decoder must reach.
const RATIO_MIN: u128 = 40;

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
    assert_eq!((checked.1, decoded.1), (records.len(), records.len()), "every record is an order");

    let ratio = checked.0.as_nanos() * 1_000 / decoded.0.as_nanos().max(1);
    let mut out = std::io::stdout().lock();
    let written = [("generate", generated), ("utf8", checked.0), ("decode", decoded.0)]
        .into_iter()
        .try_for_each(|(name, took)| {
            let us = took.as_micros().max(1);
            let events = records.len() as u128 * 1_000_000 / us;
            writeln!(out, "{name}: {events} events/s, {} MB/s", bytes.len() as u128 / us)
        })
        .and_then(|()| {
            writeln!(
                out,
                "decode/utf8: {}.{:03} ({} bytes an event)",
                ratio / 1_000,
                ratio % 1_000,
                bytes.len() / records.len()
            )
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
