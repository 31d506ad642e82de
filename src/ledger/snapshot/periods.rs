//! Booking periods of a state, and its totals by them.

use super::Snapshot;
use crate::domain::period::{BookingPeriod, PeriodNo};
use crate::domain::time::LocalDay;
use crate::domain::totals::{Total, TotalKey};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::booking_periods;
use crate::ledger::run::period_totals::PeriodTotals;

/// The totals of one booking period, sorted by key.
pub type TotalsOfPeriod = (PeriodNo, Vec<(TotalKey, Total)>);

impl Snapshot {
    /// Every booking period, by number; the last one is open.
    pub fn booking_periods(&self) -> LedgerResult<Vec<(PeriodNo, BookingPeriod)>> {
        booking_periods::load(&self.manifest())
    }

    /// Net totals of the event days in `[from, until)`, apart by the booking period in which they were booked. Those of
    /// all periods add up to [`totals`](crate::domain::view::LedgerView::totals), those up to a closed one are what was
    /// known when it closed.
    pub fn totals_by_period(&self, from: LocalDay, until: LocalDay) -> LedgerResult<Vec<TotalsOfPeriod>> {
        let totals = self.period_totals(from, until)?;
        Ok(totals.periods().map(|(period, totals)| (period, totals.lines())).collect())
    }

    pub(super) fn period_totals(&self, from: LocalDay, until: LocalDay) -> LedgerResult<PeriodTotals> {
        let mut totals = PeriodTotals::default();
        if from < until {
            for run in self.runs.range(from..until).flat_map(|(_, runs)| runs) {
                totals.merge(&run.totals()?)?;
            }
        }
        Ok(totals)
    }
}
