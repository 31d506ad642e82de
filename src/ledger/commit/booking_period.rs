//! Closes booking periods: a commit of its own, which books nothing.

use crate::domain::period::PeriodNo;
use crate::domain::time::UtcMillis;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::booking_periods;
use crate::ledger::writer::Ledger;

impl Ledger {
    /// Closes the open booking period in one commit, which also opens the next; returns the number of the closed one.
    ///
    /// No command calls it yet: it is what the closing of a month will stand on.
    ///
    /// # Errors
    /// Nothing was committed yet; a failure to write poisons the ledger.
    pub fn close_period(&mut self, note: &str, now: UtcMillis) -> LedgerResult<PeriodNo> {
        if self.manifest.root().commit == 0 {
            return Err(LedgerError::Inconsistent(
                "no booking period is open before the first commit: put a configuration in force first"
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
