//! The kept records in memory: the index that readers share, and what only the writer asks.

use crate::domain::platform::Platforms;
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::statistics::Statistics;
use crate::ledger::manifest::{Manifest, kind};
use crate::ledger::rejections::by_identity::RejectionsByIdentity;
use crate::ledger::rejections::stored::{RejectedEntry, RejectedIndex, RejectedRun};
use crate::storage::Session;

/// A run of kept records that a commit wrote.
#[derive(Debug)]
pub struct KeptRun {
    /// Number of the run.
    pub id: u64,
    /// Its entry in the manifest.
    pub entry: RejectedEntry,
    /// Its records and resolutions.
    pub content: RejectedRun,
}

/// Every kept record, as the writer sees it.
#[derive(Debug, Default)]
pub struct RejectionStore {
    /// What is stored and what is unresolved. Snapshots share it.
    pub index: RejectedIndex,
    /// Which records wait for which order, and which lines of files are kept.
    pub by_identity: RejectionsByIdentity,
}

impl RejectionStore {
    /// Reads every kept record that the manifest names.
    ///
    /// # Errors
    /// The storage fails, or a run is damaged.
    pub fn open(
        store: &Session,
        manifest: &Manifest,
        registered: &Platforms,
        statistics: &Statistics,
    ) -> LedgerResult<Self> {
        let mut kept = Vec::new();
        for (id, entry) in manifest.numbered(kind::REJECTED, RejectedEntry::decode)? {
            kept.push(KeptRun { id, entry, content: RejectedRun::load(store, id, &entry)? });
        }
        let mut opened = Self::default();
        opened.add(&kept, registered, statistics);
        Ok(opened)
    }

    /// Takes in what was committed.
    pub fn add(&mut self, kept: &[KeptRun], registered: &Platforms, statistics: &Statistics) {
        for run in kept {
            let is_known = |name: &str| statistics.knows_platform(name, registered);
            self.index.add(run.id, run.entry, &run.content, is_known);
        }
        self.index.refresh(kept.iter().map(|run| &run.content), registered);
        kept.iter().for_each(|run| self.by_identity.add(&run.content, &self.index));
    }
}
