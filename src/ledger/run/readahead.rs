//! What is read of a run before anybody waits for it.

use super::Run;
use super::run_values;
use crate::domain::time::UtcMillis;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::error::LedgerResult;
use crate::storage::{AHEAD_BYTES, AHEAD_EVERY};

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
        for block in blocks {
            self.store.fetch(keys::DATA, self.id, u32::try_from(block).unwrap_or(u32::MAX))?;
        }
        Ok(count)
    }

    /// Brings all values of the run into the system's memory, some at a time. After each time `go_on` is told about how many
    /// bytes these were, and says whether to.
    pub fn warm(&self, mut go_on: impl FnMut(u64) -> bool) -> LedgerResult<()> {
        for (kind, count) in run_values(&self.entry) {
            let mut next = 0;
            while next < count {
                self.store.read_ahead(kind, self.id, next)?;
                // The first of them is waited for: one request at a time is on its way, however slow the disk is.
                let value = self.store.get(&in_run(kind, self.id, next))?;
                let length = value.map_or(0, |value| u64::try_from(value.len()).unwrap_or(0)).max(1);
                // Lengths of a kind are much alike. Where they are not, some bytes are left out, or come twice.
                let step = u32::try_from(AHEAD_BYTES / length).unwrap_or(u32::MAX).max(1);
                if !go_on(length * u64::from(step.min(count - next))) {
                    return Ok(());
                }
                next = next.saturating_add(step);
            }
        }
        Ok(())
    }

    /// Said before each value by whoever reads all of a kind in order.
    pub(super) fn read_ahead(&self, kind: u8, number: u32) -> LedgerResult<()> {
        if usize::try_from(number).is_ok_and(|number| number.is_multiple_of(AHEAD_EVERY)) {
            self.store.read_ahead(kind, self.id, number)?;
        }
        Ok(())
    }
}
