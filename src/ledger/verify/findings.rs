//! What a verification counted, and what it found wrong.

use crate::ledger::error::LedgerResult;

/// Problems that are listed; more are only counted.
pub const PROBLEMS_MAX: usize = 100;

/// The outcome of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// The newest commit.
    pub newest_commit: u64,
    /// Commits read.
    pub commits: u64,
    /// Days with orders.
    pub days: u64,
    /// Runs read.
    pub runs: u64,
    /// Blocks read.
    pub blocks: u64,
    /// Rows read.
    pub rows: u64,
    /// Versions of orders.
    pub versions: u64,
    /// Versions that are in force.
    pub current: u64,
    /// Kept rejected and conflicting records.
    pub kept_records: u64,
    /// Configurations.
    pub configurations: u64,
    /// Values in the store.
    pub values: u64,
    /// What is wrong, at most [`PROBLEMS_MAX`] of them.
    pub problems: Vec<String>,
    /// How many there are.
    pub problems_found: u64,
}

impl Verification {
    /// One that failed before anything could be read.
    pub fn failed(problem: String) -> Self {
        Self { problems: vec![problem], problems_found: 1, ..Self::default() }
    }

    /// Whether everything holds.
    pub const fn holds(&self) -> bool {
        self.problems_found == 0
    }
}

/// A verification under way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) verification: Verification,
}

impl Findings {
    /// Notes what is wrong.
    pub(super) fn problem(&mut self, problem: String) {
        let verification = &mut self.verification;
        verification.problems_found += 1;
        if verification.problems.len() < PROBLEMS_MAX {
            verification.problems.push(problem);
        }
    }

    /// Notes a problem unless `holds`.
    pub(super) fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problem(problem());
        }
    }

    /// Notes a failure to read; the value read otherwise.
    pub(super) fn read<T>(&mut self, outcome: LedgerResult<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(error.to_string());
                None
            }
        }
    }

    /// Runs a part of the verification; one that cannot continue is a problem, and the next part continues.
    pub(super) fn section(&mut self, name: &str, check: impl FnOnce(&mut Self) -> LedgerResult<()>) {
        if let Err(error) = check(self) {
            self.problem(format!("{name}: {error}"));
        }
    }
}
