//! Booking periods: in order, none missing, bounded by commits that exist; and no run has totals of another time.

use super::chain;
use super::findings::Findings;
use crate::domain::period::{BookingPeriod, PeriodBound, PeriodNo};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::booking_periods;
use crate::ledger::run::Run;
use crate::ledger::writer::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The booking periods of a ledger, by number.
#[derive(Default)]
pub(super) struct Periods(Vec<(PeriodNo, BookingPeriod)>);

/// What one commit or one compaction wrote for a day: first and last commit of its rows, and the periods of its totals.
struct Booked {
    commits: (u64, u64),
    periods: BTreeSet<PeriodNo>,
    name: String,
}

impl Periods {
    pub(super) fn load(ledger: &Ledger) -> LedgerResult<Self> {
        Ok(Self(booking_periods::load(&ledger.manifest)?))
    }

    /// The period that a commit books into.
    pub(super) fn of_commit(&self, commit: u64) -> PeriodNo {
        let opened_before = self.0.partition_point(|(_, period)| period.opened.commit < commit);
        self.0.get(opened_before.saturating_sub(1)).map_or(PeriodNo::FIRST, |(no, _)| *no)
    }

    pub(super) fn check(&self, ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
        let root = ledger.manifest.root();
        let mut next = Some(PeriodNo::FIRST);
        let mut bound_before: Option<PeriodBound> = None;
        for (no, period) in &self.0 {
            findings.expect(next == Some(*no), || format!("a booking period before number {no} is missing"));
            let follows = match bound_before {
                None => period.opened.commit == 1,
                Some(closed) => period.opened == closed,
            };
            findings.expect(follows, || {
                format!("booking period {no} is not opened by the commit that closed the one before")
            });
            let closed = period.closed.as_ref().map(|closing| closing.bound);
            let ordered = closed.is_none_or(|closed| period.opened.commit < closed.commit);
            findings.expect(ordered, || format!("booking period {no} is closed before it is opened"));
            findings.expect(closed.is_some() == (*no != root.period), || {
                format!("the open booking period is {}, and number {no} contradicts it", root.period)
            });
            for bound in [Some(period.opened), closed].into_iter().flatten() {
                check_bound(ledger, *no, bound, findings);
            }
            bound_before = closed;
            next = no.next();
        }
        let last = self.0.last().map(|(no, _)| *no);
        findings.expect(root.commit == 0 || last == Some(root.period), || {
            format!("the open booking period, number {}, is not the last one in the manifest", root.period)
        });
        Ok(())
    }

    /// Every period of a run's totals was open at one of the run's commits. Of a day that retention dropped, only totals
    /// are left, and no commit.
    pub(super) fn check_runs(&self, runs: &[Arc<Run>], findings: &mut Findings) -> LedgerResult<()> {
        let mut written: BTreeMap<u64, Booked> = BTreeMap::new();
        for run in runs {
            // The first output of a compaction has the totals of all of them.
            let number = if run.entry.compaction == 0 { run.id } else { run.entry.compaction };
            let none = || Booked {
                commits: (u64::MAX, 0),
                periods: BTreeSet::new(),
                name: format!("run {}", run.id),
            };
            let booked = written.entry(number).or_insert_with(none);
            if run.entry.rows > 0 {
                let (first, last) = run.entry.commits;
                booked.commits = (booked.commits.0.min(first), booked.commits.1.max(last));
            }
            booked.periods.extend(run.totals()?.periods().map(|(period, _)| period));
        }
        for Booked { commits: (first, last), periods, name } in written.into_values() {
            let has_rows = first <= last;
            let may_book = self.of_commit(first)..=self.of_commit(last);
            for period in periods {
                let known = self.0.iter().any(|(no, _)| *no == period);
                findings.expect(known && (!has_rows || may_book.contains(&period)), || {
                    format!(
                        "{name}: it has totals of booking period {period}, which was not open at any of its commits"
                    )
                });
            }
        }
        Ok(())
    }
}

/// A bound names a commit that exists, and its instant.
fn check_bound(ledger: &Ledger, no: PeriodNo, bound: PeriodBound, findings: &mut Findings) {
    let exists = (1..=ledger.manifest.root().commit).contains(&bound.commit);
    findings.expect(exists, || format!("booking period {no} names commit {}, which is none", bound.commit));
    if !exists {
        return;
    }
    // A commit that cannot be read is a problem of the chain.
    let at = chain::read(ledger, bound.commit).ok().map(|(_, record)| record.recorded_at);
    findings.expect(at.is_none_or(|at| at == bound.at), || {
        format!("booking period {no} gives commit {} another instant than its record", bound.commit)
    });
}
