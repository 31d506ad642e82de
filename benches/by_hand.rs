//! Own code beside the library code that could stand in its place, on data of the size that a commit has.
//!
//! `cargo bench --bench by_hand [-- --items N]`
//!
//! The best of interleaved rounds counts. docs/decisions/0020-measured-by-hand-code.md says what followed from the figures.

mod support;

use coverledger::domain::order::Phase;
use coverledger::ledger::run::hash_order::{Hashed, sort_by_hash};
use coverledger::ledger::run::identity::{IdentityHash, PackedEntry};
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::random::Random;
use support::{Figures, option, thousandths};

/// Rounds, of which the best counts: others use the machine too.
const ROUNDS: u32 = 15;
/// Lookups in a map each round.
const LOOKUPS: u64 = 1_000_000;
/// Rows of a block: consecutive index entries share its number.
const BLOCK_ROWS: u32 = 256;

fn main() -> ExitCode {
    let count = u32::try_from(option("items", 200_000)).unwrap_or(u32::MAX);
    let hashes: Vec<(IdentityHash, (u32, Option<u16>))> = (0..count)
        .map(|at| (IdentityHash::of("meituan", &format!("88{at:017}"), 0, Phase::Ended), (at, Some(0))))
        .collect();
    let entries: Vec<PackedEntry> =
        hashes.iter().map(|&(hash, (at, _))| PackedEntry::from((hash, at / BLOCK_ROWS))).collect();
    let figures = Figures::default();
    figures.tell("items", count);
    sorting("decide: hash and position", &hashes, |&(hash, (at, _))| (hash, at), &figures);
    sorting("identity index: packed entries", &entries, PackedEntry::entry, &figures);
    for (name, days) in [("price book of two days", 2), ("price book of sixty days", 60)] {
        let keys: Vec<(u64, i32)> = combinations(days);
        let [fx, std] =
            interleaved([&|| lookups(&keys, FxBuildHasher), &|| lookups(&keys, RandomState::new())]);
        tell(name, LOOKUPS, [("rustc-hash", fx), ("std", std)], &figures);
    }
    figures.finish()
}

/// Sorts the same items with the ledger's own function and with the two of the standard library.
fn sorting<T: Hashed, K: Ord>(name: &str, items: &[T], key: impl Fn(&T) -> K, figures: &Figures) {
    let timed = |sort: &dyn Fn(&mut Vec<T>)| {
        let mut copy = items.to_vec();
        let started = Instant::now();
        sort(black_box(&mut copy));
        let took = started.elapsed();
        assert!(copy.is_sorted_by_key(&key), "{name}: out of order");
        took
    };
    let [own, unstable, stable] = interleaved([
        &|| timed(&|items| sort_by_hash(items)),
        &|| timed(&|items| items.sort_unstable_by_key(&key)),
        &|| timed(&|items| items.sort_by_key(Hashed::hash)),
    ]);
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    tell(name, count, [("by digits", own), ("sort_unstable", unstable), ("sort", stable)], figures);
}

/// Keys as the price book has them: platform, category, leg and outcome packed; the day.
fn combinations(days: i32) -> Vec<(u64, i32)> {
    let mut keys = Vec::new();
    for day in 20_400..20_400 + days {
        for (platform, category) in
            (0..6).flat_map(|platform| (0..3).map(move |category| (platform, category)))
        {
            keys.extend((0..4_u64).map(|outcome| ((platform << 38) | (category << 16) | outcome, day)));
        }
    }
    keys
}

/// The time of lookups of known keys.
fn lookups(keys: &[(u64, i32)], hasher: impl BuildHasher) -> Duration {
    let mut map = HashMap::with_hasher(hasher);
    map.extend(keys.iter().copied().zip(0_u64..));
    let (mut numbers, ends) = (Random::new(3), u64::try_from(keys.len()).unwrap_or(1));
    let asked: Vec<(u64, i32)> = (0..LOOKUPS)
        .filter_map(|_| keys.get(usize::try_from(numbers.below(ends)).unwrap_or(0)).copied())
        .collect();
    let started = Instant::now();
    let found = asked.iter().filter(|key| map.contains_key(black_box(*key))).count();
    let took = started.elapsed();
    assert_eq!(found, asked.len(), "every key is known");
    took
}

/// The best time of each candidate; they take turns.
fn interleaved<const N: usize>(candidates: [&dyn Fn() -> Duration; N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (best, candidate) in best.iter_mut().zip(candidates) {
            *best = (*best).min(candidate());
        }
    }
    best
}

/// Nanoseconds an item of each candidate, and the first as a share of each other.
fn tell<const N: usize>(name: &str, items: u64, candidates: [(&str, Duration); N], figures: &Figures) {
    let picos = |took: Duration| {
        u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(1_000) / items.max(1)
    };
    for (nth, (candidate, took)) in candidates.into_iter().enumerate() {
        let own = candidates.first().map_or(0, |first| picos(first.1));
        let share = match nth {
            0 => String::new(),
            _ => format!(", the first takes {} of it", thousandths(own * 1_000 / picos(took).max(1))),
        };
        figures.tell(&format!("{name}, {candidate}"), format!("{} ns{share}", thousandths(picos(took))));
    }
}
