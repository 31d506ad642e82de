//! Checks that cannot run here: the test command lists them at its end, and fails where all of them must run
//! (`COVERLEDGER_NOTHING_SKIPPED`). Unit tests share this file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// Notes in `target/tmp/skipped.txt` that a check did not run, and what it needs.
pub(crate) fn skipped(check: &str, needs: &str) {
    println!("NOT RUN: {check}: {needs}");
    let folder = option_env!("CARGO_TARGET_TMPDIR").map_or_else(beside_this_program, PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    let list = folder.join("skipped.txt");
    let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
    list.write_all(format!("{check}: {needs}\n").as_bytes()).unwrap();
}

/// The folder that Cargo names to integration tests only: `target/tmp`, where this program is `target/debug/deps/NAME`.
fn beside_this_program() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("tmp")
}
