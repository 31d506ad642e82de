//! Readahead and warm-up of a run's values.

use super::Run;
use super::run_values;
use crate::domain::time::UtcMillis;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::error::LedgerResult;

impl Run {
    /// Lets the system fetch the blocks that [`Self::visit_rider`] reads, `blocks_max` at most, and does not wait for them;
    /// returns how many.
    pub fn fetch_rider(
        &self,
        rider_id: &str,
        span: (UtcMillis, UtcMillis),
        blocks_max: usize,
    ) -> LedgerResult<usize> {
        let blocks = self.look().blocks_of(rider_id, span)?.take(blocks_max);
        let count = blocks.len();
        let number = |block| u32::try_from(block).unwrap_or(u32::MAX);
        self.store.prefetch(blocks.map(|block| in_run(keys::DATA, self.id, number(block))))?;
        Ok(count)
    }

    /// Brings all values of the run into the system's memory, some at a time. After each part `go_on` receives about how many
    /// bytes these were, and says whether to.
    pub fn warm(&self, mut go_on: impl FnMut(u64) -> bool) -> LedgerResult<()> {
        for (kind, count) in run_values(&self.entry) {
            if !self.store.warm_up(kind, self.id, count, &mut go_on)? {
                break;
            }
        }
        Ok(())
    }

    /// Readahead hint before each value of a sequential scan.
    pub(super) fn read_ahead(&self, kind: u8, number: u32) -> LedgerResult<()> {
        Ok(self.store.read_ahead(kind, self.id, number)?)
    }
}
