//! The machine loses power: what the process had not synced is gone, whole or in parts, the embedded store's own files
//! included. What was acknowledged is there, everything verifies, and continuing gives the results of a life without a loss.
//! `COVERLEDGER_POWER_ROUNDS` adds rounds of five losses each, drawn from `COVERLEDGER_POWER_SEED`.

#![cfg(test)]

mod testkit;

use coverledger::domain::time::LocalDay;
use coverledger::storage::crash_points::Point;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use testkit::driver::{
    Death, Life, asked_to_work_in, at, commit_in_bulk, dying, holds, is_asked_to_live, living, tell_end,
    verified,
};
use testkit::power::{Loss, Watch};
use testkit::random::{Random, number};
use testkit::told::Told;
use testkit::wait::poll_until;

/// The test at which this program starts itself again.
const CHILD: &str = "a_life_under_watch_comes_to_its_end";

fn undisturbed(life: &Life) -> Told {
    let folder = TempDir::new().unwrap();
    life.live(folder.path(), &mut |_| {});
    life.told(folder.path())
}

fn finish(life: &Life, expected: &Told, data: &Path, when: &str) {
    let death = Death::of(living(CHILD, data));
    assert!(death.lived, "{when}: {death:?}");
    life.told(data).assert_is(expected, when);
}

#[test]
fn a_life_under_watch_comes_to_its_end() {
    if is_asked_to_live() {
        return;
    }
    // At its end everything is durable: even the loss of all else changes nothing.
    let folder = begun();
    let data = folder.path().join("data");
    let watch = Watch::over(&data);
    let mut command = living(CHILD, &data);
    watch.enter(&mut command);
    let death = Death::of(command);
    assert!(death.lived, "{death:?}");
    watch.lose(Loss::Everything, &mut Random::new(1));
    assert!(verified(&data, "at the end") >= death.acknowledged);
    let life = Life::new();
    life.told(&data).assert_is(&undisturbed(&life), "at the end");
}

/// A folder with an empty data directory.
fn begun() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    folder
}

/// Dies at a point, or comes to its end, and then the power goes; whether it died, and what was not durable.
fn lose(
    data: &Path,
    (point, nth): (Point, u64),
    loss: Loss,
    random: &mut Random,
    when: &str,
) -> (bool, usize) {
    let watch = Watch::over(data);
    let mut command = dying(CHILD, data, point, nth);
    watch.enter(&mut command);
    let death = Death::of(command);
    let (writes, names) = watch.lose(loss, random);
    let newest = verified(data, when);
    assert!(newest >= death.acknowledged, "{when}: {newest} < {death:?}");
    (!death.lived, writes + names)
}

#[test]
fn a_loss_at_any_point_takes_nothing_that_was_acknowledged() {
    let life = Life::new();
    let expected = undisturbed(&life);
    let mut random = Random::new(7);
    let mut losses = 0;
    let mut folder = begun();
    // One life continues from loss to loss; where it came to its end, another one begins.
    for (at, &point) in Point::ALL.iter().enumerate() {
        let data = folder.path().join("data");
        let loss = Loss::ALL[at % 3];
        let when = format!("{loss:?} at {}", point.name());
        let (died, lost) = lose(&data, (point, 2), loss, &mut random, &when);
        losses += usize::from(died && lost > 0);
        if !died {
            life.told(&data).assert_is(&expected, &when);
            folder = begun();
        }
    }
    finish(&life, &expected, &folder.path().join("data"), "after losses at every point");
    assert!(losses > 10, "only {losses} deaths left anything that was not durable");
}

#[test]
fn losses_in_a_row_take_nothing_that_was_acknowledged() {
    let life = Life::new();
    let expected = undisturbed(&life);
    let (rounds, seed) = (number("COVERLEDGER_POWER_ROUNDS", 4), number("COVERLEDGER_POWER_SEED", 1));
    let mut random = Random::new(seed);
    let (mut deaths, mut lost) = (0, 0);
    for round in 0..rounds {
        let folder = begun();
        let data = folder.path().join("data");
        let mut when = format!("seed {seed}, round {round}");
        for _ in 0..5 {
            let point = *random.pick(Point::ALL);
            let nth = 1 + random.below(2);
            let loss = *random.pick(&Loss::ALL);
            when.push_str(&format!(", {loss:?} at {}:{nth}", point.name()));
            let (died, not_durable) = lose(&data, (point, nth), loss, &mut random, &when);
            deaths += usize::from(died);
            lost += not_durable;
        }
        finish(&life, &expected, &data, &when);
    }
    println!("{deaths} deaths, {lost} writes and names were not durable, {rounds} rounds, seed {seed}");
    assert!(deaths > 0 && lost > 0, "{deaths} deaths, {lost} lost");
}

/// The space of removed files comes back in steps. Where a name comes back after the loss, all of its file must be there:
/// what is cut short would not even be opened.
#[test]
fn removed_files_are_cut_short_once_their_names_cannot_come_back() {
    if let Some(data) = asked_to_work_in() {
        return give_space_back(&data);
    }
    let folder = begun();
    let data = folder.path().join("data");
    let watch = Watch::over(&data);
    let mut command = living("removed_files_are_cut_short_once_their_names_cannot_come_back", &data);
    watch.enter(&mut command);
    let death = Death::of(command);
    assert!(death.lived, "{death:?}");
    let (cut, early) = watch.cut_short();
    assert!(cut > 0 && early == 0, "{early} of {cut} files were cut short too early");
    watch.lose(Loss::Torn, &mut Random::new(1));
    assert!(verified(&data, "after space came back") > 0);
}

/// Replaces the files of some commits by those of a compaction, and ends when they are empty.
fn give_space_back(data: &Path) {
    let mut ledger = commit_in_bulk(data);
    let files = fs::read_dir(data.join("segments")).unwrap();
    let files: Vec<File> = files.map(|file| File::open(file.unwrap().path()).unwrap()).collect();
    let (upkeep, stop) = (ledger.upkeep().unwrap(), AtomicBool::new(false));
    ledger.compact_now(LocalDay(i32::MAX), at(0)).unwrap();
    ledger.collect_released().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| upkeep.run(&stop));
        poll_until("the files are empty", || {
            files.iter().all(|file| file.metadata().unwrap().len() == 0).then_some(())
        });
        stop.store(true, Ordering::Release);
    });
    tell_end();
}

/// The same check where fsync makes nothing durable: it must fail, or it would prove nothing.
#[test]
fn without_fsync_every_loss_is_noticed() {
    for (nth, loss) in [(2, Loss::Everything), (9, Loss::Everything), (5, Loss::Tails), (6, Loss::Torn)] {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        // A ledger that was begun on a good disk.
        let death = Death::of(dying(CHILD, &data, Point::CommitPublished, 3));
        assert!(!death.lived, "{death:?}");
        let watch = Watch::over(&data);
        let mut command = dying(CHILD, &data, Point::CommitPublished, nth);
        watch.enter(&mut command);
        command.env("LOSSY_IGNORE_SYNC", "1");
        let death = Death::of(command);
        watch.lose(loss, &mut Random::new(nth));
        let noticed = holds(&data).is_none_or(|newest| newest < death.acknowledged);
        assert!(noticed, "{loss:?} of {death:?}");
    }
}
