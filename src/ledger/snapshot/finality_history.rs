//! What decided finality, as of this state and as of any commit before it.

use super::Snapshot;
use crate::domain::finality::CoverMargins;
use crate::domain::view::LedgerView;
use crate::ledger::codec::CodecError;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::finality_history::{FinalityChange, FinalityFacts, rebuild};
use std::sync::Arc;

impl Snapshot {
    /// The facts that decide finality in this state; `None` before the first commit.
    pub fn finality_facts(&self) -> Option<FinalityFacts> {
        let (lead_ms, tail_ms) = self.widest_cover();
        Some(FinalityFacts {
            config: self.root.config,
            platforms: self.configurations.get(self.root.config)?.platforms.clone(),
            completeness: (*self.completeness).clone(),
            margins: CoverMargins { lead_ms, tail_ms },
            retention_line: self.root.retention_line,
        })
    }

    /// [`Self::finality_facts_at`], of which those asked for last stay in memory.
    pub(super) fn cached_finality_facts_at(&self, commit: u64) -> LedgerResult<Option<Arc<FinalityFacts>>> {
        if let Some(facts) = self.earlier_cache.facts.get(&commit) {
            return Ok(Some(facts));
        }
        let facts = self.finality_facts_at(commit)?.map(Arc::new);
        facts.iter().for_each(|facts| self.earlier_cache.facts.insert(commit, Arc::clone(facts)));
        Ok(facts)
    }

    /// The facts that decided finality as of a commit, rebuilt from commit records; `None` when there is no such commit.
    ///
    /// # Errors
    /// A record or a configuration is missing or damaged.
    pub fn finality_facts_at(&self, commit: u64) -> LedgerResult<Option<FinalityFacts>> {
        if commit == 0 || commit > self.root.commit {
            return Ok(None);
        }
        let newest = self.commit(commit)?;
        let mut changes: Vec<FinalityChange> = vec![newest.finality];
        for earlier in (1..commit).rev() {
            if changes.last().is_some_and(|change| change.is_full) {
                break;
            }
            changes.push(self.commit(earlier)?.finality);
        }
        changes.reverse();
        let damaged = || LedgerError::damaged(format!("the facts of commit {commit}"));
        let completeness = rebuild(&changes).map_err(damaged())?;
        let last = changes.last().ok_or(CodecError::Truncated("the records")).map_err(damaged())?;
        let entry = self.configurations.get(newest.config);
        let entry = entry.ok_or(CodecError::Invalid("configuration")).map_err(damaged())?;
        Ok(Some(FinalityFacts {
            config: newest.config,
            platforms: entry.platforms.clone(),
            completeness,
            margins: last.margins,
            retention_line: last.retention_line,
        }))
    }
}
