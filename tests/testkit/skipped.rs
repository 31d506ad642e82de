//! Checks that could not run here: the test command lists them at its end, and continuous integration fails.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Notes that a check did not run, and what it needs.
pub(crate) fn skipped(check: &str, needs: &str) {
    println!("NOT RUN: {check}: {needs}");
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped.txt");
    let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
    writeln!(list, "{check}: {needs}").unwrap();
}
