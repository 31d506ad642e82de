//! Disks that are full, cannot be read or cannot be synced: the process ends with a message, nothing that was acknowledged
//! is lost, no answer is wrong, and all continues once the disk is well again. Below a configured free space nothing is read,
//! and answers continue. `COVERLEDGER_DISK_ROUNDS` adds rounds of faults, drawn from `COVERLEDGER_DISK_SEED`.

#![cfg(test)]

mod testkit;

#[path = "disk/small.rs"]
mod small;

use coverledger::domain::time::LocalDay;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use testkit::driver::{
    COMPACTING, Death, Life, asked_to_work_in, at, commit_in_bulk, is_asked_to_live, living, tell_end,
    verified,
};
use testkit::mock;
use testkit::orders::{TOPIC, config, order, send};
use testkit::power::{Fault, tell_free};
use testkit::program::{Program, binary};
use testkit::random::{Random, number};
use testkit::told::Told;
use testkit::wait::poll_until;

/// SIGABRT
const ABORT: i32 = 6;

/// The test at which this program starts itself again.
const CHILD: &str = "a_life_on_a_bad_disk_ends_with_a_message_and_goes_on_on_a_good_one";

/// And another one.
const SMALL: &str = "a_life_on_a_small_file_system_ends_when_it_is_full_and_continues_with_more_space";

fn undisturbed(life: &Life) -> Told {
    let folder = TempDir::new().unwrap();
    life.live(folder.path(), &mut |_| {});
    life.told(folder.path())
}

/// Lives on a bad disk; whether the fault ended it.
fn suffer(data: &Path, fault: Fault, when: &str) -> bool {
    let mut command = living(CHILD, data);
    fault.enter(data, &mut command);
    let death = Death::of(command);
    ends_with_a_message(&death, fault, data, when);
    !death.lived
}

fn ends_with_a_message(death: &Death, fault: Fault, data: &Path, when: &str) {
    if !death.lived {
        // Where the disk still fails while this test's own failure unwinds, the embedded store panics once more: an abort.
        assert!(death.signal.is_none_or(|signal| signal == ABORT), "{when}: {death:?}");
        let words = if matches!(fault, Fault::Full(_)) { "No space left" } else { "Input/output error" };
        assert!(death.said.contains(words), "{when}: {death:?}");
    }
    let newest = verified(data, when);
    assert!(newest >= death.acknowledged, "{when}: {newest} < {death:?}");
}

fn goes_on(life: &Life, expected: &Told, data: &Path, when: &str, name: &str) {
    let death = Death::of(living(name, data));
    assert!(death.lived, "{when}: {death:?}");
    life.told(data).assert_is(expected, when);
}

#[test]
fn a_life_on_a_bad_disk_ends_with_a_message_and_goes_on_on_a_good_one() {
    if is_asked_to_live() {
        return;
    }
    let life = Life::new();
    let expected = undisturbed(&life);
    let (rounds, seed) = (number("COVERLEDGER_DISK_ROUNDS", 6), number("COVERLEDGER_DISK_SEED", 1));
    let mut random = Random::new(seed);
    let mut ended = [0, 0, 0];
    for round in 0..rounds {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut when = format!("seed {seed}, round {round}");
        for _ in 0..3 {
            // Small numbers as often as large ones.
            let magnitude = random.below(8);
            let kind = random.below(3);
            let fault = match kind {
                0 => Fault::Full(random.below(4_000 << magnitude)),
                1 => Fault::Unreadable(random.below(4 << magnitude)),
                _ => Fault::Unsyncable(random.below(1 << magnitude)),
            };
            when.push_str(&format!(", {fault:?}"));
            ended[usize::try_from(kind).unwrap()] += u32::from(suffer(&data, fault, &when));
        }
        goes_on(&life, &expected, &data, &when, CHILD);
    }
    println!("ended by a full disk, reads, fsyncs: {ended:?}; {rounds} rounds, seed {seed}");
    assert!(ended.iter().sum::<u32>() > 3, "{ended:?}");
}

/// Lives on a disk that fails one time, which ends the life. The one exception is a
/// write of the embedded store on close, after everything was acknowledged: no caller learns of it. A failed fsync is always reported.
fn suffer_once(name: &str, fault: Fault) -> (TempDir, Death) {
    let (folder, when) = (TempDir::new().unwrap(), format!("{fault:?}, once"));
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut command = living(name, &data);
    fault.enter_once(&data, &mut command);
    let death = Death::of(command);
    let struck = death.said.contains(Fault::ONCE);
    let closing = matches!(fault, Fault::Full(_)) && death.said.contains("/data/store/db\n");
    assert!(if struck { !death.lived || closing } else { death.lived }, "{when}: {death:?}");
    ends_with_a_message(&death, fault, &data, &when);
    (folder, death)
}

/// A disk that fails one time and is well again at once. No process can tell what of a write or before an fsync that failed is there,
/// whatever the disk says afterwards: the life ends all the same.
#[test]
fn one_fault_ends_a_life_though_the_disk_is_well_again() {
    let life = Life::new();
    let expected = undisturbed(&life);
    let writes = (0..10).map(|nth| Fault::Full(300 << nth));
    let syncs = (0..40).step_by(4).map(Fault::Unsyncable);
    let mut struck = [0, 0];
    for fault in writes.chain(syncs) {
        let (folder, death) = suffer_once(CHILD, fault);
        goes_on(&life, &expected, &folder.path().join("data"), &format!("after {fault:?}, once"), CHILD);
        struck[usize::from(matches!(fault, Fault::Full(_)))] += u32::from(!death.lived);
    }
    assert!(struck.iter().all(|&times| times > 3), "{struck:?} fsyncs and writes failed");
}

/// The same of large files, which are written and synced piece by piece.
#[test]
fn one_fault_within_a_large_file_ends_its_commit_though_the_disk_is_well_again() {
    if let Some(data) = asked_to_work_in() {
        commit_in_bulk(&data).compact_now(LocalDay(i32::MAX), at(0)).expect(COMPACTING);
        return tell_end();
    }
    let name = "one_fault_within_a_large_file_ends_its_commit_though_the_disk_is_well_again";
    let writes = (1..8).map(|nth| Fault::Full(nth * 700_000));
    let mut ends = Vec::new();
    for fault in writes.chain((5..40).step_by(5).map(Fault::Unsyncable)) {
        ends.push(suffer_once(name, fault).1.said);
    }
    let in_files = ends.iter().filter(|said| said.contains("write a segment file")).count();
    assert!(in_files > 3, "{in_files} of {} lives ended within a large file", ends.len());
}

/// Lives on a small file system until it is full, with free space that grows until a life ends well. Each time, what came before is
/// whole, and with space again everything continues.
#[test]
fn a_life_on_a_small_file_system_ends_when_it_is_full_and_continues_with_more_space() {
    if is_asked_to_live() {
        return;
    }
    let Some(small) = small::file_system(SMALL) else { return };
    let life = Life::new();
    let expected = undisturbed(&life);
    let mut ends: Vec<String> = Vec::new();
    // A sixteenth more each time: it ends within one thing that is written or the next. To open its store again it needs eight
    // megabytes, whatever there is to write.
    let sizes = std::iter::successors(Some(16 << 10), |size| Some(size + size / 16))
        .take_while(|&size| size < 400_000);
    for size in sizes.chain([16 << 20]) {
        let (data, when) = (small.join("data"), format!("{size} bytes free"));
        fs::create_dir(&data).unwrap();
        let ballast = small::leave_free(&small, size);
        let death = Death::of(living(SMALL, &data));
        fs::remove_file(ballast).unwrap();
        assert_eq!(death.lived, size == 16 << 20, "{when}: {death:?}");
        assert!(death.lived || death.said.contains("No space left on device"), "{when}: {death:?}");
        let newest = verified(&data, &when);
        assert!(newest >= death.acknowledged, "{when}: {newest} < {death:?}");
        goes_on(&life, &expected, &data, &when, SMALL);
        fs::remove_dir_all(&data).unwrap();
        ends.push(death.said);
    }
    let within = |what: &str| ends.iter().filter(|said| said.contains(what)).count();
    for what in ["write a segment file", "flush the store", "HEAD.tmp", COMPACTING] {
        println!("ended within {what:?}: {}", within(what));
        assert!(within(what) > 0, "no life ended within {what:?}: {ends:#?}");
    }
}

/// Files with events, and `ingest` of them.
struct Files {
    folder: TempDir,
    config: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = config(&folder, "127.0.0.1:1", "");
        let lines: Vec<String> = (0..3_000).map(order).collect();
        fs::write(folder.path().join("orders.jsonl"), lines.join("\n")).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}\n[ingest]\nbatch_records = 200\n")).unwrap();
        Self { folder, config }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Output {
        let mut command = binary();
        command.arg(args[0]).arg("--config").arg(&self.config).args(&args[1..]);
        command.current_dir(self.folder.path());
        change(&mut command);
        command.output().unwrap()
    }

    fn statement(&self) -> String {
        let output = self.run(&["statement", "--month", "2025-07"], |_| {});
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn ingest_reports_a_full_disk_and_continues_when_space_is_free() {
    let good = Files::new();
    assert!(good.run(&["ingest", "orders.jsonl"], |_| {}).status.success());
    let files = Files::new();
    for bytes in [100, 20_000, 50_000] {
        let output = files.run(&["ingest", "orders.jsonl"], |c| Fault::Full(bytes).enter(&files.data(), c));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("No space left on device"), "{said}");
        assert!(said.contains(&files.data().display().to_string()), "it names the place: {said}");
    }
    assert!(files.run(&["ingest", "orders.jsonl"], |_| {}).status.success());
    assert!(files.run(&["verify"], |_| {}).status.success());
    assert_eq!(files.statement(), good.statement());
}

#[test]
fn ingest_on_a_disk_that_cannot_be_synced_says_so_and_nothing_panics() {
    let files = Files::new();
    for syncs in [2, 9, 12, 15, 18, 21] {
        let fault = Fault::Unsyncable(syncs);
        let output = files.run(&["ingest", "orders.jsonl"], |c| fault.enter(&files.data(), c));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{fault:?}: {said}");
        assert!(said.contains("Input/output error") && !said.contains("panicked"), "{fault:?}: {said}");
    }
    assert!(files.run(&["ingest", "orders.jsonl"], |_| {}).status.success());
    assert!(files.run(&["verify"], |_| {}).status.success());
}

#[test]
fn reading_pauses_while_the_disk_is_nearly_full_and_answers_continue() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers, "min_free_bytes = \"1GiB\"");
    let free = folder.path().join("free");
    let say = |bytes: u64| {
        // Replaced at once: the process may be reading it.
        fs::write(folder.path().join("free.new"), bytes.to_string()).unwrap();
        fs::rename(folder.path().join("free.new"), &free).unwrap();
    };
    say(5 << 30);
    let mut program = Program::serve_with(&config, &[], &mut |command| tell_free(&free, command));
    send(&brokers, &[order(1), order(2)]);
    program.applied(2);
    assert!(program.get("/v1/progress")["paused"].is_null());
    say(1000 << 20);
    let paused = poll_until("it pauses", || {
        let paused = program.get("/v1/progress")["paused"].clone();
        paused.is_object().then_some(paused)
    });
    assert_eq!(paused["reason"], "free_space");
    assert!(paused["free_bytes"].as_u64().unwrap() <= 1000 << 20, "{paused}");
    assert_eq!(paused["needed_bytes"], (1_u64 << 30) + (1 << 27));
    send(&brokers, &[order(3)]);
    // It knows of the record, and leaves it where it is.
    poll_until("the end is seen", || {
        let partition = program.get("/v1/progress")["partitions"][0].clone();
        assert_eq!(partition["position"], 2, "{partition}");
        (partition["end"] == 3).then_some(())
    });
    let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T09:07:31%2B08:00");
    assert_eq!(answer["verdict"], "covered", "{answer}");
    assert!(program.text("/metrics", "*/*").contains("\ncoverledger_ingest_paused 1\n"));
    assert_eq!(program.text("/readyz", "*/*"), "ready\n");
    // A little more is not enough, or it would switch back and forth.
    say(1100 << 20);
    poll_until("it has looked", || {
        let paused = program.get("/v1/progress")["paused"].clone();
        assert!(paused.is_object(), "{paused}");
        (paused["free_bytes"].as_u64().unwrap() > 1000 << 20).then_some(())
    });
    say(2 << 30);
    program.applied(3);
    poll_until("it reads", || program.get("/v1/progress")["paused"].is_null().then_some(()));
    let said = program.said();
    assert!(
        said.contains("the disk is nearly full") && said.contains("the disk has enough free space again"),
        "{said}"
    );
    say(0);
    poll_until("it pauses again", || program.get("/v1/progress")["paused"].is_object().then_some(()));
    send(&brokers, &[order(4)]);
    assert_eq!(program.terminate(), Some(0), "it stops while it is paused");
}

#[test]
fn ingest_waits_for_disk_space() {
    let files = Files::new();
    let free = files.folder.path().join("free");
    fs::write(&free, "10").unwrap();
    let log = files.folder.path().join("log");
    let mut command = binary();
    command.arg("ingest").arg("--config").arg(&files.config).arg("orders.jsonl");
    command.current_dir(files.folder.path()).stderr(fs::File::create(&log).unwrap());
    tell_free(&free, &mut command);
    let mut child = command.spawn().unwrap();
    poll_until("it says that it waits", || {
        assert!(child.try_wait().unwrap().is_none());
        fs::read_to_string(&log).unwrap().contains("waiting until").then_some(())
    });
    fs::write(files.folder.path().join("free.new"), (9_u64 << 30).to_string()).unwrap();
    fs::rename(files.folder.path().join("free.new"), &free).unwrap();
    assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(&log).unwrap());
}
