//! What sealing asks of a state: the seals so far, and which riders a day has.

use super::Snapshot;
use crate::domain::time::LocalDay;
use crate::ledger::codec::{chunked, keys};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::manifest::seals::{self, StoredSeal};
use crate::ledger::rejections::stored::RejectedEntry;
use std::collections::BTreeSet;

impl Snapshot {
    /// The sealed days, in the order of the log.
    ///
    /// # Errors
    /// An entry of the manifest is damaged.
    pub fn seals(&self) -> LedgerResult<Vec<StoredSeal>> {
        seals::load(&self.manifest())
    }

    /// The leaves of a sealed day.
    ///
    /// # Errors
    /// A part is missing or damaged.
    pub fn sealed_leaves(&self, index: u64, seal: &StoredSeal) -> LedgerResult<Vec<u8>> {
        chunked::get(&self.store, keys::SEAL_LEAVES, index, seal.parts)
    }

    /// Every rider whom an unresolved kept record names, ascending.
    ///
    /// # Errors
    /// A failure to read.
    pub fn riders_of_unresolved(&self) -> LedgerResult<BTreeSet<String>> {
        let mut riders = BTreeSet::new();
        self.rejected.visit(&self.store, 0, |record| {
            let rejection = record.rejection;
            if rejection.resolution.is_none() {
                riders.extend(rejection.readable.rider_id);
            }
            Ok(true)
        })?;
        Ok(riders)
    }

    /// Whether anything was booked on one of these days, or any record kept or resolved, after the state that a seal is
    /// known to agree with.
    ///
    /// # Errors
    /// An entry of the manifest is damaged.
    pub fn is_newer_than(&self, seal: &StoredSeal, days: (LocalDay, LocalDay)) -> LedgerResult<bool> {
        let mut runs = self.runs.range(days.0..=days.1).flat_map(|(_, runs)| runs);
        if runs.any(|run| run.entry.commits.1 > seal.agrees_until) {
            return Ok(true);
        }
        let kept = self.manifest().numbered(kind::REJECTED, RejectedEntry::decode)?;
        Ok(kept.iter().any(|(run, _)| *run >= seal.next_run))
    }
}
