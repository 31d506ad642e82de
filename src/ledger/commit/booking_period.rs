//! Closes booking periods: a commit of its own, which books nothing.

use crate::domain::period::PeriodNo;
use crate::domain::time::UtcMillis;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::booking_periods;
use crate::ledger::writer::Ledger;

impl Ledger {
    /// Closes the open booking period in one commit, which also opens the next; returns the number of the closed one.
    ///
    /// No command calls it yet. The closing of a month will be built on it.
    ///
    /// # Errors
    /// Nothing was committed yet; a failure to write poisons the ledger.
    pub fn close_period(&mut self, note: &str, now: UtcMillis) -> LedgerResult<PeriodNo> {
        if self.manifest.root().commit == 0 {
            return Err(LedgerError::Inconsistent(
                "Failed to close the booking period: none is open before the first commit; put a configuration in \
                 force first"
                    .to_owned(),
            ));
        }
        self.guarded(|ledger| {
            let closed = booking_periods::stage_closing(&mut ledger.manifest, note, now)?;
            ledger.advance(&[], &[format!("closed booking period {closed}: {note}")], now)?;
            ledger.publish();
            Ok(closed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Micros;
    use crate::domain::period::PeriodBound;
    use crate::domain::time::LocalDay;
    use crate::domain::view::LedgerView;
    use crate::ledger::manifest::{Manifest, kind};
    use crate::ledger::testing::{commit, day, event, event_at, open};
    use crate::ledger::verify::verify;

    fn at(ms: i64) -> UtcMillis {
        UtcMillis::new(1_795_000_000_000 + ms)
    }

    /// Of each period the orders charged and their premium, of the day of the orders.
    fn charged(ledger: &Ledger) -> Vec<(u32, i64, i64)> {
        let view = ledger.published().current();
        let periods = view.totals_by_period(day(), day().plus_days(1)).unwrap();
        let of = |(no, lines): &(PeriodNo, Vec<_>)| {
            let (mut orders, mut premium) = (0, Micros::ZERO);
            for (_, total) in lines {
                let total: &crate::domain::totals::Total = total;
                orders += total.orders_charged;
                premium = premium.checked_add(total.premium).unwrap();
            }
            (no.get(), orders, premium.get())
        };
        periods.iter().map(of).collect()
    }

    /// The event of an order that was charged, now void.
    fn void(order_id: u64) -> String {
        event(order_id, 1).replace("\"revision\"", "\"outcome\":\"void\",\"revision\"")
    }

    fn problems(ledger: &Ledger) -> String {
        verify(ledger, &mut |_, _| {}).problems.join("\n")
    }

    /// Two orders in the first period; in the second one of them is taken back, and a third comes.
    fn two_periods(dir: &std::path::Path) -> Ledger {
        let mut ledger = open(dir);
        commit(&mut ledger, 0, &[event(1, 0), event(2, 0)]);
        assert_eq!(charged(&ledger), [(1, 2, 20_000)]);
        assert_eq!(ledger.close_period("November", at(50)).unwrap().get(), 1);
        commit(&mut ledger, 100, &[void(1), void(2), event(3, 0)]);
        ledger
    }

    #[test]
    fn what_a_closed_period_booked_is_reversed_in_the_open_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = two_periods(dir.path());
        assert_eq!(charged(&ledger), [(1, 2, 20_000), (2, -1, -10_000)]);
        let total = ledger.published().current().totals(day(), day().plus_days(1)).unwrap();
        assert_eq!(total.iter().map(|(_, total)| total.orders_charged).collect::<Vec<_>>(), [1]);
        let compacted = ledger.compact_now(LocalDay(i32::MAX), at(200)).unwrap();
        assert!(compacted.iter().any(|report| report.installed && report.runs == (2, 1)));
        assert_eq!(charged(&ledger), [(1, 2, 20_000), (2, -1, -10_000)]);
        assert_eq!(problems(&ledger), "");
        drop(ledger);
        assert_eq!(charged(&open(dir.path())), [(1, 2, 20_000), (2, -1, -10_000)]);
    }

    #[test]
    fn a_period_keeps_the_commits_that_bound_it() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = two_periods(dir.path());
        let periods = ledger.published().current().booking_periods().unwrap();
        let bound = |period: &PeriodBound| (period.commit, period.at);
        let opened: Vec<_> = periods.iter().map(|(no, period)| (no.get(), bound(&period.opened))).collect();
        assert_eq!(opened, [(1, (1, at(0))), (2, (3, at(50)))]);
        let closed: Vec<_> = periods.iter().filter_map(|(_, period)| period.closed.as_ref()).collect();
        assert_eq!(closed.len(), 1);
        assert_eq!((bound(&closed[0].bound), closed[0].note.as_str()), ((3, at(50)), "November"));
        let record = ledger.published().current().commit(3).unwrap();
        assert_eq!(record.notes, ["closed booking period 1: November"]);
    }

    #[test]
    fn retention_keeps_the_periods_of_the_totals_that_it_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = two_periods(dir.path());
        ledger.options.retention_days = Some(1);
        let later = event_at(9, 0, "2026-12-20T12:00:00Z", "2026-12-20T12:30:00Z");
        commit(&mut ledger, 200, &[later]);
        let report = ledger.drop_all_expired(at(60 * 86_400_000)).unwrap().unwrap();
        assert_eq!((report.days, report.rows), (1, 5));
        assert_eq!(charged(&ledger), [(1, 2, 20_000), (2, -1, -10_000)]);
        assert_eq!(problems(&ledger), "");
    }

    #[test]
    fn verify_finds_a_booking_into_a_closed_period() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = two_periods(dir.path());
        ledger.manifest.root_mut().period = PeriodNo::FIRST;
        commit(&mut ledger, 200, &[event(4, 0)]);
        ledger.manifest.root_mut().period = PeriodNo::new(2).unwrap();
        commit(&mut ledger, 300, &[event(5, 0)]);
        let problems = problems(&ledger);
        assert!(problems.contains("totals of booking period 1, which was not open at any"), "{problems}");
        let line = "are not those of its orders, first at p 310115 ride, booking period 1";
        assert!(problems.contains(line), "{problems}");
    }

    #[test]
    fn verify_finds_a_missing_period_and_a_wrong_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = two_periods(dir.path());
        ledger.close_period("December", at(200)).unwrap();
        assert_eq!(problems(&ledger), "");
        let key = |no: u64| no.to_be_bytes();
        let second = ledger.manifest.get(kind::PERIOD, &key(2)).unwrap().to_vec();
        ledger.manifest.delete(kind::PERIOD, &key(2));
        ledger.advance(&[], &[], at(300)).unwrap();
        assert!(problems(&ledger).contains("a booking period before number 3 is missing"));
        // The commit that opened it, one too high.
        let mut wrong = second.clone();
        wrong[0] += 1;
        ledger.manifest.put(kind::PERIOD, &key(2), wrong);
        ledger.advance(&[], &[], at(400)).unwrap();
        let found = problems(&ledger);
        assert!(
            found.contains("booking period 2 is not opened by the commit that closed the one"),
            "{found}"
        );
        assert!(found.contains("booking period 2 gives commit 4 another instant than its record"), "{found}");
        ledger.manifest.put(kind::PERIOD, &key(2), second);
        ledger.advance(&[], &[], at(500)).unwrap();
        assert_eq!(problems(&ledger), "");
    }

    #[test]
    fn no_period_is_closed_before_the_first_commit() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        ledger.manifest = Manifest::default();
        assert!(ledger.close_period("too early", at(1)).is_err());
        assert!(ledger.poisoned().is_none());
    }
}
