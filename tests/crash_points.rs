//! The process dies at every named point of a write, of a compaction and of a start: what was acknowledged is there,
//! everything verifies, and continuing to the end gives exactly the results of a life without any death.
//! `COVERLEDGER_CRASH_ROUNDS` adds rounds of three deaths each, drawn from `COVERLEDGER_CRASH_SEED`.

#![cfg(test)]

mod testkit;

use coverledger::storage::crash_points::Point;
use std::path::Path;
use tempfile::TempDir;
use testkit::driver::{Death, Life, dying, is_asked_to_live, living, verified};
use testkit::folders::copy_dir;
use testkit::random::{Random, number};
use testkit::told::Told;

/// The test at which this program starts itself again.
const CHILD: &str = "a_life_without_a_death_comes_to_its_end";
/// Abort.
const SIGABRT: i32 = 6;

#[test]
fn a_life_without_a_death_comes_to_its_end() {
    if is_asked_to_live() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let (life, mut told) = (Life::new(), Vec::new());
    life.live(&data, &mut |commit| told.push(commit));
    assert!(told.is_sorted() && told.len() > 20, "{told:?}");
    assert_eq!(verified(&data, "at the end"), *told.last().unwrap());
    assert!(Life::days_dropped(&data) > 1, "retention takes its part in the life");
    // Nothing is left to do: it stays as it is.
    let before = life.told(&data);
    life.live(&data, &mut |_| {});
    life.told(&data).assert_is(&before, "lived again");
}

struct Undisturbed {
    life: Life,
    told: Told,
}

impl Undisturbed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let life = Life::new();
        life.live(folder.path(), &mut |_| {});
        let told = life.told(folder.path());
        Self { life, told }
    }

    /// Lives to the end and compares.
    fn finish(&self, data: &Path, when: &str) {
        let death = Death::of(living(CHILD, data));
        assert!(death.lived, "{when}: {death:?}");
        assert_eq!(verified(data, when), death.acknowledged, "{when}");
        self.life.told(data).assert_is(&self.told, when);
    }
}

/// Dies at a point, if it comes there; whether it did.
fn die(data: &Path, point: Point, nth: u64, when: &str) -> bool {
    let death = Death::of(dying(CHILD, data, point, nth));
    assert!(death.lived || death.signal == Some(SIGABRT), "{when}: {death:?}");
    let copy = TempDir::new().unwrap();
    if data.is_dir() {
        copy_dir(data, copy.path());
    }
    // Verifying opens the ledger, which mends it: the next death must meet the directory as this one left it.
    let newest = verified(copy.path(), when);
    assert!(newest >= death.acknowledged, "{when}: {newest} < {death:?}");
    !death.lived
}

#[test]
fn a_death_at_any_point_loses_nothing_and_repeats_nothing() {
    let undisturbed = Undisturbed::new();
    for &point in Point::ALL {
        let when = format!("at {}", point.name());
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        if point == Point::OrphansDeleted {
            // There is something to collect only after a death between two steps.
            assert!(die(&data, Point::CommitSynced, 4, &when));
        }
        assert!(die(&data, point, 1, &when), "{when}: never met");
        // In the present state of the directory the same point comes at another step, or is not met so often.
        die(&data, point, 3, &when);
        undisturbed.finish(&data, &when);
    }
}

#[test]
fn three_deaths_in_a_row_lose_nothing_and_repeat_nothing() {
    let undisturbed = Undisturbed::new();
    let (rounds, seed) = (number("COVERLEDGER_CRASH_ROUNDS", 4), number("COVERLEDGER_CRASH_SEED", 1));
    let mut random = Random::new(seed);
    let mut deaths = 0;
    for round in 0..rounds {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let mut when = format!("seed {seed}, round {round}");
        for _ in 0..3 {
            let point = *random.pick(Point::ALL);
            let nth = 1 + random.below(12);
            when.push_str(&format!(", {}:{nth}", point.name()));
            deaths += u64::from(die(&data, point, nth, &when));
        }
        undisturbed.finish(&data, &when);
    }
    assert!(deaths > rounds / 2, "only {deaths} deaths");
    println!("{deaths} deaths in {rounds} rounds, seed {seed}");
}
