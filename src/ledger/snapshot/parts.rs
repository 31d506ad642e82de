//! How a snapshot is made: from what the writer has, sharing what is large.

use super::Snapshot;
use crate::domain::completeness::Completeness;
use crate::domain::time::Zone;
use crate::ledger::lookup::day_filters::DayRuns;
use crate::ledger::manifest::Manifest;
use crate::ledger::manifest::configuration_history::ConfigurationHistory;
use crate::ledger::manifest::statistics::Statistics;
use crate::ledger::rejections::stored::RejectedIndex;
use crate::storage::Session;
use std::sync::Arc;

/// What a writer shares with the state that it publishes.
pub(crate) struct SnapshotParts<'a> {
    pub(crate) store: &'a Session,
    pub(crate) manifest: &'a Manifest,
    pub(crate) runs: &'a Arc<DayRuns>,
    pub(crate) configurations: &'a Arc<ConfigurationHistory>,
    pub(crate) completeness: &'a Completeness,
    pub(crate) rejected: &'a RejectedIndex,
    pub(crate) statistics: &'a Statistics,
    pub(crate) zone: &'a Arc<Zone>,
    pub(crate) identity_days: i32,
    pub(crate) day_filter_bytes: usize,
}

impl Snapshot {
    /// The state that `parts` make up.
    pub(crate) fn of(parts: &SnapshotParts<'_>) -> Self {
        Self {
            store: parts.store.clone(),
            root: parts.manifest.root().clone(),
            entries: parts.manifest.shared_entries(),
            runs: Arc::clone(parts.runs),
            configurations: Arc::clone(parts.configurations),
            completeness: Arc::new(parts.completeness.clone()),
            rejected: parts.rejected.clone(),
            stats: Arc::clone(&parts.statistics.platforms),
            sources: Arc::clone(&parts.statistics.sources),
            zone: Arc::clone(parts.zone),
            identity_days: parts.identity_days,
            day_filter_bytes: parts.day_filter_bytes,
        }
    }
}
