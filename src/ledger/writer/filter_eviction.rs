//! Which filters stay in memory. All of them are in the store, or can be made from it: memory only makes them fast, and
//! the budget bounds it whatever is stored.
//!
//! Groups of days that no event met for long go in any case. Where the budget ends, the first to go are those that none met
//! for some time, then what is oldest: the identities of runs that no group needs, the identities of the other runs, the
//! riders of runs (they are small, and every question asks them), and groups last of all, since every new event asks them.

use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::day_filters::DayRuns;
use crate::ledger::run::stored_filter::RunFilter;
use crate::ledger::writer::run_set::RunSet;
use crate::storage::Session;

/// Part of the budget that is left to the groups of days when filters of runs are read at the start.
const START_SHARE: usize = 2;

impl RunSet {
    /// Brings the filters in memory within the budget again.
    pub(crate) fn balance_filters(&mut self) {
        self.filters.give_up_unused();
        let bytes_max = self.filters.bytes_max();
        let of_runs = |runs: &DayRuns| runs_filters(runs).map(|(_, filter)| filter.bytes()).sum::<usize>();
        let mut held = of_runs(&self.live);
        if held + self.filters.bytes() <= bytes_max {
            return;
        }
        self.filters.shrink(bytes_max.saturating_sub(held), false);
        let days = &self.filters;
        let mut give_up = |wanted: &dyn Fn(LocalDay, usize) -> bool| {
            for (_, runs) in self.live.iter() {
                for run in runs {
                    for (nth, filter) in run.filters().into_iter().enumerate() {
                        if held + days.bytes() <= bytes_max {
                            return;
                        }
                        if wanted(run.entry.day, nth) {
                            held -= filter.bytes().min(held);
                            filter.unload();
                        }
                    }
                }
            }
        };
        give_up(&|day, nth| nth == 0 && !days.holds(day));
        give_up(&|_, nth| nth == 0);
        give_up(&|_, _| true);
        self.filters.shrink(bytes_max.saturating_sub(held), true);
    }

    /// Reads filters of runs into memory, the newest days first, as far as the budget goes: what lookups and the first
    /// batches meet. Groups of days are filled when events meet them.
    pub(crate) fn load_filters(&self, store: &Session) -> LedgerResult<()> {
        let mut left = self.filters.bytes_max() / START_SHARE;
        for (_, runs) in self.live.iter().rev() {
            for run in runs {
                for filter in run.filters() {
                    let Some(rest) = left.checked_sub(filter.bytes_max()) else { return Ok(()) };
                    filter.load(store)?;
                    left = rest;
                }
            }
        }
        Ok(())
    }
}

/// Every filter of every run, the oldest days first.
fn runs_filters(runs: &DayRuns) -> impl Iterator<Item = (LocalDay, &RunFilter)> {
    let runs = runs.iter().flat_map(|(&day, runs)| runs.iter().map(move |run| (day, run)));
    runs.flat_map(|(day, run)| run.filters().map(|filter| (day, filter)))
}
