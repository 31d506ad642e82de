//! A backup is one committed state, made while the ledger continues, and a ledger like any other afterwards.

#![cfg(test)]

mod testkit;

use coverledger::app::admin::{self, Answer, Request};
use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::domain::view::LedgerView;
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::{
    Arrival, Batch, CommitExtras, Ledger, LedgerOptions, Snapshot, Source, backup, backup_closed, verify_dir,
};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;
use testkit::mock;
use testkit::orders::{TOPIC, config_of, order, send, text};
use testkit::program::{Program, binary};
use testkit::wait::poll_until;

const CONFIG: &str = r#"
timezone = "Asia/Shanghai"
[platform_defaults]
records_from = 2026-01-01
[[rate]]
category = "instant_delivery"
per_order = "0.07"
[[rate]]
category = "ride_hailing"
per_order = "0.04"
"#;
const NOW: UtcMillis = UtcMillis::new(1_795_300_000_000);
const BATCH: usize = 100;

fn setup(data_dir: &Path) -> LedgerOptions {
    let mut setup = LedgerOptions::new(&Config::from_text(CONFIG).unwrap());
    setup.storage = Storage::local(data_dir);
    setup
}

/// Batches of generated events, each as Kafka brings it.
fn batches(count: usize) -> Vec<Batch> {
    let config = Config::from_text(CONFIG).unwrap();
    let rules = rules_for(&config, None, None);
    let settings = GeneratorSettings {
        orders: u64::try_from(count * BATCH).unwrap(),
        seed: 3,
        riders: 200,
        days: 3,
        amended_ppm: 50_000,
        late_ppm: 20_000,
        bad_ppm: 20_000,
        open_ppm: 100_000,
        ..GeneratorSettings::default()
    };
    let mut generator = Generator::new(&settings).unwrap();
    let mut offset = 0;
    let one = |_| {
        let mut batch = Batch::default();
        let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 0 });
        for _ in 0..BATCH {
            let mut line = Vec::new();
            generator.next_event(&mut line);
            let arrival = Arrival {
                source,
                offset,
                timestamp: Timestamp::Broker(NOW),
                payload: &line,
                key: None,
                headers: &[],
            };
            receive(&mut batch, &arrival, &rules, &config.zone);
            offset += 1;
        }
        batch
    };
    (0..count).map(one).collect()
}

/// Everything that a state tells of days and commits.
fn told(state: &Snapshot) -> Vec<String> {
    let mut lines = vec![format!("{:?}", state.as_of()), format!("{:?}", state.completeness())];
    lines.extend(
        state.totals(LocalDay(i32::MIN), LocalDay(i32::MAX)).unwrap().iter().map(|t| format!("{t:?}")),
    );
    let visit = state.rejected().visit(state.store(), 0, |record| {
        lines.push(format!("{record:?}"));
        Ok(true)
    });
    visit.unwrap();
    lines
}

fn is_whole(data_dir: &Path) {
    let verification = verify_dir(setup(data_dir), &mut |_, _| {}).unwrap();
    assert_eq!(verification.problems, Vec::<String>::new());
}

#[test]
fn a_backup_made_beside_commits_and_compactions_is_one_committed_state() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let (never, batches) = (AtomicBool::new(false), batches(30));
    let mut ledger = Ledger::open(setup(&data)).unwrap();
    ledger.activate_configuration(NOW).unwrap();
    let published = ledger.published();
    let (first, rest) = batches.split_at(6);
    for batch in first {
        ledger.commit(batch, &CommitExtras::default(), NOW).unwrap();
    }
    let states = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for batch in rest {
                ledger.commit(batch, &CommitExtras::default(), NOW).unwrap();
                ledger.compact_now(LocalDay(i32::MAX), NOW).unwrap();
            }
        });
        let mut states = Vec::new();
        while !writing.is_finished() || states.is_empty() {
            let state = published.current();
            let target = folder.path().join(format!("backup-{}", states.len()));
            let report = backup(&state, &Storage::local(&target), &never, &mut |_, _| {}).unwrap();
            assert_eq!(report.commit, state.root().commit);
            states.push((target, told(&state)));
        }
        writing.join().unwrap();
        states
    });
    // The files that are linked are the ledger's own: that it continues, and what it deletes, changes nothing.
    for (target, told_then) in &states {
        is_whole(target);
        assert_eq!(told(&Ledger::open(setup(target)).unwrap().published().current()), *told_then);
    }
    // The first continues to the same end.
    let end = told(&published.current());
    drop((published, ledger));
    let mut restored = Ledger::open(setup(&states[0].0)).unwrap();
    let taken = restored.published().current().sources().values().map(|s| s.records).sum::<u64>();
    for batch in batches.iter().skip(usize::try_from(taken).unwrap() / BATCH) {
        restored.commit(batch, &CommitExtras::default(), NOW).unwrap();
    }
    // But for numbers and instants of commits.
    let orders =
        |lines: &[String]| lines.iter().filter(|line| line.contains("Total")).cloned().collect::<Vec<_>>();
    assert_eq!(orders(&told(&restored.published().current())), orders(&end));
    assert!(!orders(&end).is_empty());
    drop(restored);
    is_whole(&states[0].0);
}

#[test]
fn a_backup_that_is_not_made_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let never = AtomicBool::new(false);
    let target = folder.path().join("backup");
    let refused = |target: &Path| {
        backup_closed(&Storage::local(&data), &Storage::local(target), &never, &mut |_, _| {})
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&target).contains("no ledger in"));
    assert!(!data.exists() && !target.exists());
    let mut ledger = Ledger::open(setup(&data)).unwrap();
    ledger.activate_configuration(NOW).unwrap();
    for batch in batches(4) {
        ledger.commit(&batch, &CommitExtras::default(), NOW).unwrap();
    }
    ledger.compact_now(LocalDay(i32::MAX), NOW).unwrap();
    assert!(refused(&target).contains("in use"));
    drop(ledger);
    assert!(refused(Path::new("relative")).contains("whole path"));
    assert!(refused(&folder.path().join("nowhere/backup")).contains("Failed to create"));
    assert!(refused(folder.path()).contains("not empty"));
    fs::create_dir(folder.path().join(".backup.partial")).unwrap();
    assert!(refused(&target).contains("remove"));
    fs::remove_dir(folder.path().join(".backup.partial")).unwrap();
    let report =
        backup_closed(&Storage::local(&data), &Storage::local(&target), &never, &mut |_, _| {}).unwrap();
    assert!(
        report.rows > 0 && report.bytes > 0 && report.shared_files + report.copied_files > 0,
        "{report:?}"
    );
    is_whole(&target);
    assert!(!folder.path().join(".backup.partial").exists());
    // A file that is gone is noticed when it is copied, and nothing that looks like a backup is left.
    let file = fs::read_dir(data.join("segments")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(file).unwrap();
    let again = folder.path().join("again");
    assert!(refused(&again).contains("the store has lost it"));
    assert!(!again.exists() && !folder.path().join(".again.partial").exists());
}

fn config(folder: &Path, name: &str, brokers: &str) -> PathBuf {
    config_of(folder, name, &text(brokers, &format!("data_dir = \"{name}\"")))
}

fn run(args: &[&str], config: &Path) -> Output {
    binary().args(args).arg("--config").arg(config).output().unwrap()
}

fn charged(program: &mut Program) -> Option<i64> {
    program.get("/v1/statements?month=2025-07")["lines"][0]["orders_charged"].as_i64()
}

/// Paths below a folder.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.clone());
        if path.is_dir() && !path.is_symlink() {
            found.extend(paths(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn a_backup_into_the_data_directory_is_refused_before_anything_is_touched() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(folder.path(), "data", &brokers);
    send(&brokers, &(0..50).map(order).collect::<Vec<_>>());
    let mut program = Program::serve(&config, &[]);
    program.applied(50);
    symlink("data", folder.path().join("link")).unwrap();
    fs::create_dir(folder.path().join("data/segments/empty")).unwrap();
    symlink("data/segments/empty", folder.path().join("link-to-empty")).unwrap();
    let refuse = || {
        for target in [
            "data",
            "data/b",
            "data/store/blobs",
            "data/store/x",
            "data/segments",
            "data/segments/x",
            "data/segments/x/y",
            "data/segments/empty",
            "./link/b",
            "link/../data/b",
            "link-to-empty",
            "link-to-empty/x",
        ] {
            let mut command = binary();
            command.current_dir(folder.path()).args(["backup", target, "--config"]).arg(&config);
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{target}: {said}");
            assert!(said.contains("is in the data directory"), "{target}: {said}");
        }
        paths(&folder.path().join("data"))
    };
    let while_it_runs = refuse();
    assert!(
        !while_it_runs.iter().any(|path| path.ends_with("b") || path.ends_with("x")),
        "{while_it_runs:?}"
    );
    // The service refuses it, too: another client may ask.
    let request = Request::Backup(folder.path().join("link/segments/x"));
    let answer = admin::ask(&folder.path().join("data"), &request, |_, _| ()).unwrap();
    assert!(matches!(&answer, Answer::Error(why) if why.contains("is in the data directory")), "{answer:?}");
    assert_eq!(program.terminate(), Some(0));
    let before = paths(&folder.path().join("data"));
    assert_eq!(refuse(), before);
}

#[test]
fn a_running_service_is_backed_up_restored_and_catches_up() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let original = config(folder.path(), "data", &brokers);
    send(&brokers, &(0..50).map(order).collect::<Vec<_>>());
    let mut program = Program::serve(&original, &[]);
    program.applied(50);
    let target = folder.path().join("restored");
    let made = run(&["backup", target.to_str().unwrap(), "--json"], &original);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["orders"], 50, "{made}");
    // The service continues; a second backup to the same place is refused, in its words.
    let again = run(&["backup", target.to_str().unwrap()], &original);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"), "{again:?}");
    send(&brokers, &(50..80).map(order).collect::<Vec<_>>());
    program.applied(80);
    assert_eq!(charged(&mut program), Some(80));
    assert_eq!(program.terminate(), Some(0));
    assert!(!folder.path().join("data/admin.sock").exists());
    let copy = config(folder.path(), "restored", &brokers);
    let verified = run(&["verify"], &copy);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    // It continues where the backup was made, and ends where the original ended.
    let mut program = Program::serve(&copy, &[]);
    program.applied(80);
    poll_until("both tell the same", || charged(&mut program).filter(|orders| *orders == 80));
    assert_eq!(program.terminate(), Some(0));
    let offline = run(&["backup", folder.path().join("offline").to_str().unwrap()], &original);
    let said = String::from_utf8_lossy(&offline.stdout);
    assert!(offline.status.success() && said.contains("80 rows of orders"), "{offline:?}");
}
