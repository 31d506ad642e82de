//! Verification: reads everything again and proves that it agrees, or says what does not.
//!
//! ```text
//! storage version = root = last link of the commit chain; commits add up to the sources' counts
//! manifest -> run -> blocks -> rows: in order, on their day, found by the indexes, and by nothing else
//! booking periods -> their commits; no run has totals of a period that was not open when it was booked
//! rows of a day -> versions as booked and reversed -> totals of each booking period; all versions = accepted + amended
//! kept records -> raw bytes; configurations -> texts; and no value that nothing refers to
//! ```

mod chain;
mod day;
mod findings;
mod identity;
mod kept;
mod periods;
mod run;
mod stray;

pub use findings::{PROBLEMS_MAX, Verification};

use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::options::LedgerOptions;
use crate::ledger::writer::Ledger;
use crate::storage::StorageError;
use day::DayChecker;
use findings::Findings;
use periods::Periods;

/// What to do when a ledger fails the verification.
pub const ADVICE: &str = "Stop the service and keep a copy of the data directory as it is. Then restore a backup made after `verify` \
                          passed, or rebuild the ledger in a new data directory from Kafka or files.";

/// Told of rows read so far, and of all that will be read.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Opens the ledger of a data directory read-only and verifies it. A ledger that does not open fails it.
///
/// # Errors
/// Another process has the directory, or the store does not answer or is not trusted: the verification cannot run, or not to its end.
pub fn verify_dir(options: LedgerOptions, progress: Progress<'_>) -> LedgerResult<Verification> {
    match Ledger::open_read_only(options) {
        Ok(ledger) => {
            let findings = examine(&ledger, progress);
            findings.unreachable.map_or(Ok(findings.verification), Err)
        }
        Err(error @ LedgerError::Store(StorageError::InUse { .. } | StorageError::DataDir { .. })) => {
            Err(error)
        }
        Err(error) if error.is_unreachable() => Err(error),
        Err(error @ LedgerError::Store(StorageError::NoLedger { .. })) => {
            Ok(Verification::failed(error.to_string()))
        }
        Err(error) => Ok(Verification::failed(format!("{error}"))),
    }
}

/// Verifies an open ledger. A store that does not answer is one more problem.
pub fn verify(ledger: &Ledger, progress: Progress<'_>) -> Verification {
    let mut findings = examine(ledger, progress);
    if let Some(error) = findings.unreachable.take() {
        findings.problem(error.to_string());
    }
    findings.verification
}

fn examine(ledger: &Ledger, progress: Progress<'_>) -> Findings {
    let mut findings = Findings::default();
    findings.section("the commit chain", |findings| chain::check(ledger, findings));
    let rows_total: u64 = ledger.runs.live.values().flatten().map(|run| run.entry.rows).sum();
    let periods = findings.read(Periods::load(ledger)).unwrap_or_default();
    findings.section("the booking periods", |findings| periods.check(ledger, findings));
    let mut day_checker = DayChecker::new(&periods);
    for (&day, runs) in ledger.runs.live.iter() {
        for run in runs {
            let name = format!("run {}", run.id);
            findings.section(&name, |findings| run::check(ledger, run, findings));
            progress(findings.verification.rows, rows_total);
        }
        let name = format!("day {}", day_name(day));
        findings.section(&name, |findings| day_checker.check(ledger, day, runs, findings));
        findings.section(&name, |findings| periods.check_runs(runs, findings));
        findings.verification.days += u64::from(runs.iter().any(|run| run.entry.rows > 0));
    }
    findings.section("the platforms' statistics", |findings| {
        day_checker.finish(ledger, findings);
        Ok(())
    });
    findings.section("the identities", |findings| identity::check(ledger, findings));
    findings.section("the kept records", |findings| kept::check_records(ledger, findings));
    findings.section("the configurations", |findings| kept::check_configs(ledger, findings));
    findings.section("the store", |findings| stray::check(ledger, findings));
    findings
}

fn day_name(day: crate::domain::time::LocalDay) -> String {
    let (year, month, date) = day.ymd();
    format!("{year:04}-{month:02}-{date:02}")
}
