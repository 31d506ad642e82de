//! The rebuild that `docs/operations.md` describes: a ledger beyond repair is made again from Kafka and from files, and tells
//! the same.

#![cfg(test)]

mod testkit;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use testkit::mock;
use testkit::orders::{TOPIC, config, order, send};
use testkit::program::{Program, binary};

fn run(config: &Path, args: &[&str]) -> Output {
    let mut command: Command = binary();
    command.arg(args[0]).arg("--config").arg(config).args(&args[1..]).output().unwrap()
}

fn statement(config: &Path) -> String {
    let output = run(config, &["statement", "--month", "2025-07"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Overwrites the middle of every large file of the store, where live values lie.
fn damage(data: &Path) {
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            // Files are made longer ahead of their use.
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if written > 4_096 {
                bytes[written / 4..written * 3 / 4].fill(0x5a);
                fs::write(&path, bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_ledger_beyond_repair_is_made_again_from_kafka_and_files() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers, "");
    let data = folder.path().join("data");
    let archive = folder.path().join("archive.jsonl");
    let archived: Vec<String> = (1_000..3_000).map(order).collect();
    fs::write(&archive, archived.join("\n")).unwrap();
    let archive = archive.display().to_string();
    let from_kafka: Vec<String> = (0..400).map(order).collect();
    send(&brokers, &from_kafka);

    assert!(run(&config, &["ingest", &archive]).status.success());
    let mut program = Program::serve(&config, &[]);
    program.applied(400);
    assert_eq!(program.terminate(), Some(0));
    let before = statement(&config);
    assert!(before.contains("2400"), "{before}");

    for destroy in [damage as fn(&Path), |data| fs::remove_dir_all(data).unwrap()] {
        destroy(&data);
        let verified = run(&config, &["verify"]);
        assert_eq!(verified.status.code(), Some(1), "{verified:?}");
        // As the runbook says: move it aside, read everything again.
        if data.exists() {
            fs::rename(&data, folder.path().join("data.broken")).unwrap();
        }
        assert!(run(&config, &["ingest", &archive]).status.success());
        let mut program = Program::serve(&config, &[]);
        program.applied(400);
        assert_eq!(program.terminate(), Some(0));
        assert!(run(&config, &["verify"]).status.success());
        assert_eq!(statement(&config), before);
    }
}
