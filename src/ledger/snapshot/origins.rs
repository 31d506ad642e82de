//! Where stored facts came from: what commits took in, and which commit made a time complete.

use super::Snapshot;
use crate::domain::intake::Intake;
use crate::domain::platform::Platforms;
use crate::domain::rejection::Rejection;
use crate::domain::time::UtcMillis;
use crate::domain::view::CompleteSince;
use crate::domain::window::Window;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::commit_record::{CommitRecord, ConsumedRange};

impl Snapshot {
    /// What a commit took in, by source.
    pub(super) fn intakes_of(&self, commit: u64) -> LedgerResult<Vec<Intake>> {
        Ok(self.commit(commit)?.consumed.into_iter().map(intake).collect())
    }

    /// The first commit of this state as of which `complete_through` of a platform is later than an instant.
    pub(super) fn first_complete(
        &self,
        platform: &str,
        after: UtcMillis,
    ) -> LedgerResult<Option<CompleteSince>> {
        if self.completeness.complete_through(platform) <= Some(after) {
            return Ok(None);
        }
        // complete_through never goes back: it is not later than `after` as of `open`, and is as of `complete`.
        let (mut open, mut complete) = (0, self.root.commit);
        while complete - open > 1 {
            let middle = open + (complete - open) / 2;
            if through_of(&self.commit(middle)?, platform) > Some(after) {
                complete = middle;
            } else {
                open = middle;
            }
        }
        let record = self.commit(complete)?;
        let missing = || LedgerError::Missing { what: format!("the record of commit {complete}") };
        let facts = self.cached_finality_facts_at(complete)?.ok_or_else(missing)?;
        Ok(through_of(&record, platform).map(|complete_through| CompleteSince {
            commit: complete,
            recorded_at: record.recorded_at,
            complete_through,
            promise: facts.platforms.get(platform).clone(),
            completeness: facts.completeness.clone(),
        }))
    }

    /// The first of the unresolved records in which no rider can be read that may concern a time of a platform, and their number.
    pub(super) fn unreadable_near(
        &self,
        platform: &str,
        platforms: &Platforms,
        within: Window,
        most: usize,
    ) -> LedgerResult<(Vec<Rejection>, u64)> {
        let (ids, count) = self.rejected.pending().unreadable_ids(platform, platforms, within, most);
        let mut found = Vec::with_capacity(ids.len());
        self.rejected.visit_these(&self.store, &ids, |record| found.push(record.rejection))?;
        Ok((found, count))
    }
}

fn through_of(record: &CommitRecord, platform: &str) -> Option<UtcMillis> {
    record.complete_through.iter().find(|(name, _)| name == platform).map(|(_, through)| *through)
}

fn intake(consumed: ConsumedRange) -> Intake {
    let [accepted, amended, ..] = consumed.counts;
    Intake { source: consumed.source, positions: consumed.offsets, booked: accepted.saturating_add(amended) }
}
