//! What a verification counted, and what it found wrong.

use crate::ledger::error::{LedgerError, LedgerResult};

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
    /// Why the rest could not be looked at.
    pub(super) unreachable: Option<LedgerError>,
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
                self.failed("", error);
                None
            }
        }
    }

    /// Notes why something could not be read, with what comes before it in the list.
    pub(super) fn failed(&mut self, prefix: &str, error: LedgerError) {
        if error.is_unreachable() {
            self.unreachable.get_or_insert(error);
        } else {
            self.problem(format!("{prefix}{error}"));
        }
    }

    /// Runs a part of the verification; one that cannot continue is a problem, and the next part continues. Once the store does not
    /// answer, no part runs any more.
    pub(super) fn section(&mut self, name: &str, check: impl FnOnce(&mut Self) -> LedgerResult<()>) {
        if self.unreachable.is_some() {
            return;
        }
        if let Err(error) = check(self) {
            self.failed(&format!("{name}: "), error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageError;

    #[test]
    fn a_store_that_does_not_answer_ends_the_verification_and_is_no_damage() {
        let (mut findings, place) = (Findings::default(), "s3://ledger/nation".to_owned());
        let missing = StorageError::ObjectMissing { place: place.clone() };
        findings.section("one", |_| Err(missing.into()));
        assert_eq!(findings.verification.problems_found, 1, "an object that is gone is damage");
        let away = StorageError::Object { action: "read", place, message: "timed out".to_owned() };
        findings.section("two", |_| Err(away.clone().into()));
        findings.section("three", |_| panic!("it asks a store that does not answer"));
        assert_eq!(findings.read::<()>(Err(away.into())), None);
        assert_eq!(findings.verification.problems_found, 1, "{:?}", findings.verification.problems);
        assert!(findings.unreachable.is_some_and(|error| error.to_string().contains("timed out")));
    }
}
