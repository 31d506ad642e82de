//! Only one process ever writes to a data directory, whatever becomes of it or of its lock.

#![cfg(test)]

mod testkit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::mock;
use testkit::orders::{TOPIC, config, order, send};
use testkit::program::{Program, binary};
use testkit::wait::poll_until;

/// A copy of the configuration, so that the second process logs elsewhere.
fn another(config: &Path) -> PathBuf {
    let other = config.with_file_name("another.toml");
    fs::copy(config, &other).unwrap();
    other
}

fn is_refused(config: &Path) {
    let (code, said) = Program::serve(&another(config), &[]).end();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("is in use by another coverledger process"), "{said}");
}

fn verify(config: &Path) {
    let output = binary().arg("verify").arg("--config").arg(config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Every file below a folder with what it holds.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        if kind.is_dir() {
            files.extend(contents(&path));
        } else if kind.is_file() {
            let content = fs::read(&path).unwrap();
            files.insert(path, content);
        }
    }
    files
}

#[test]
fn a_second_process_is_refused_while_the_first_works_sleeps_or_has_lost_its_lock() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers, "");
    let mut first = Program::serve(&config, &[]);
    send(&brokers, &[order(1)]);
    first.applied(1);
    is_refused(&config);
    // Stopped in the middle of whatever it was doing: it may come back, so its place is kept.
    first.signal("-STOP");
    is_refused(&config);
    first.signal("-CONT");
    send(&brokers, &[order(2)]);
    first.applied(2);
    // The directory itself is locked as well as the file in it.
    first.signal("-STOP");
    fs::remove_file(folder.path().join("data/LOCK")).unwrap();
    is_refused(&config);
    first.signal("-CONT");
    // What it locked is not what lies there: it writes no more, and says why.
    send(&brokers, &[order(3)]);
    let (code, said) = first.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("or its LOCK was moved, replaced or deleted"), "{said}");
    verify(&config);
    let mut next = Program::serve(&config, &[]);
    next.applied(3);
    assert_eq!(next.terminate(), Some(0));
    verify(&config);
}

#[test]
fn a_process_whose_directory_was_replaced_does_not_touch_the_new_one() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers, "");
    let data = folder.path().join("data");
    let mut zombie = Program::serve(&config, &[]);
    send(&brokers, &[order(1), order(2)]);
    zombie.applied(2);
    zombie.signal("-STOP");
    fs::rename(&data, folder.path().join("old")).unwrap();
    // Another process reads everything into a new ledger under the same name.
    let mut heir = Program::serve(&another(&config), &[]);
    send(&brokers, &[order(3)]);
    heir.applied(3);
    // With the heir stopped only the zombie could change anything.
    heir.signal("-STOP");
    let before = contents(&data);
    assert!(before.contains_key(&data.join("HEAD")), "{:?}", before.keys());
    zombie.signal("-CONT");
    let (code, said) = zombie.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("or its LOCK was moved, replaced or deleted"), "{said}");
    // It ends and leaves the heir's socket where it is.
    assert!(data.join("admin.sock").exists());
    assert!(contents(&data) == before, "the zombie changed a file of the heir");
    heir.signal("-CONT");
    send(&brokers, &[order(4)]);
    heir.applied(4);
    poll_until("both orders and their like are charged", || {
        let statement = heir.get("/v1/statements?month=2025-07");
        (statement["lines"][0]["orders_charged"] == 4).then_some(())
    });
    assert_eq!(heir.terminate(), Some(0));
    verify(&config);
}
