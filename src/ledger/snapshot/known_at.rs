//! A state as it was known earlier: the rows of later commits do not count, and what decides finality is rebuilt from commit
//! records. Retention is the one thing that cannot be undone: what needs dropped rows is refused.

use super::Snapshot;
use super::versions::{collect_rows, group_versions};
use crate::domain::completeness::Completeness;
use crate::domain::finality::CoverMargins;
use crate::domain::platform::Platforms;
use crate::domain::posting::{ConfigNo, StoredVersion};
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::totals::{Total, TotalKey};
use crate::domain::view::KnownAt;
use crate::ledger::error::{LedgerError, LedgerResult, NotKnown};
use crate::ledger::lookup::identity_lookup::Found;
use crate::ledger::manifest::finality_history::FinalityFacts;
use crate::ledger::rejections::stored::RejectedIndex;
use crate::ledger::run::Run;
use crate::ledger::run::block::Select;
use crate::ledger::run::totals::{DayTotals, line_of, scaled};
use quick_cache::sync::Cache;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Earlier states whose facts stay in memory.
const STATES_CACHED: usize = 64;

/// What decided answers as of one commit, besides the orders. It does not change any more.
#[derive(Debug)]
pub(crate) struct EarlierFacts {
    pub(crate) commit: u64,
    pub(crate) recorded_at: UtcMillis,
    pub(crate) config: ConfigNo,
    pub(crate) platforms: Platforms,
    pub(crate) margins: CoverMargins,
    pub(crate) completeness: Arc<Completeness>,
    pub(crate) rejected: RejectedIndex,
    /// The first day that was shown then.
    pub(crate) retention_line: Option<LocalDay>,
}

/// Facts of earlier states by commit.
#[derive(Debug)]
pub(crate) struct EarlierCache {
    states: Cache<u64, Arc<EarlierFacts>>,
    /// Only what decided finality.
    pub(super) facts: Cache<u64, Arc<FinalityFacts>>,
}

impl Default for EarlierCache {
    fn default() -> Self {
        Self { states: Cache::new(STATES_CACHED), facts: Cache::new(STATES_CACHED) }
    }
}

impl Snapshot {
    /// The state as of an earlier commit or instant. The newest commit gives this state's answers.
    ///
    /// # Errors
    /// There is no such state, or a commit record or kept record cannot be read.
    pub(super) fn earlier(&self, at: KnownAt) -> LedgerResult<Self> {
        let facts = self.earlier_facts(self.commit_known_at(at)?)?;
        let mut state = self.clone();
        state.root.commit = facts.commit;
        state.root.recorded_at = facts.recorded_at;
        state.root.config = facts.config;
        state.completeness = Arc::clone(&facts.completeness);
        state.rejected = facts.rejected.clone();
        state.earlier = Some(facts);
        Ok(state)
    }

    /// The newest commit that was made by then.
    fn commit_known_at(&self, at: KnownAt) -> LedgerResult<u64> {
        let newest = self.root.commit;
        match at {
            KnownAt::Commit(asked) if (1..=newest).contains(&asked) => Ok(asked),
            KnownAt::Commit(asked) => Err(NotKnown::NoSuchCommit { asked, newest }.into()),
            KnownAt::Instant(at) if at > self.root.recorded_at => {
                Err(NotKnown::NotYet { newest: self.zone.rfc3339(self.root.recorded_at) }.into())
            }
            KnownAt::Instant(at) => {
                let first = self.commit(1)?.recorded_at;
                if at < first {
                    return Err(NotKnown::BeforeFirst { first: self.zone.rfc3339(first) }.into());
                }
                // Instants of commits ascend: the newest of `known` is at most `at`, that of `later` is not.
                let (mut known, mut later) = (1, newest + 1);
                while later - known > 1 {
                    let middle = known + (later - known) / 2;
                    if self.commit(middle)?.recorded_at <= at { known = middle } else { later = middle }
                }
                Ok(known)
            }
        }
    }

    fn earlier_facts(&self, commit: u64) -> LedgerResult<Arc<EarlierFacts>> {
        if let Some(facts) = self.earlier_cache.states.get(&commit) {
            return Ok(facts);
        }
        let missing = || LedgerError::Missing { what: format!("the record of commit {commit}") };
        let facts = self.finality_facts_at(commit)?.ok_or_else(missing)?;
        let is_stored = |name: &str| {
            self.stats.get(name).is_some_and(|stats| stats.orders > 0 && stats.first_commit <= commit)
        };
        let is_known = |name: &str| facts.platforms.is_registered(name) || is_stored(name);
        let facts = Arc::new(EarlierFacts {
            commit,
            recorded_at: self.commit(commit)?.recorded_at,
            config: facts.config,
            rejected: self.rejected.known_at(&self.store, commit, &facts.platforms, is_known)?,
            platforms: facts.platforms,
            margins: facts.margins,
            completeness: Arc::new(facts.completeness),
            retention_line: facts.retention_line,
        });
        self.earlier_cache.states.insert(commit, Arc::clone(&facts));
        Ok(facts)
    }

    /// In an earlier state, the first day that it showed, also if retention has dropped it since: a question that needs the day must
    /// meet it, and be refused.
    pub(super) fn first_shown_then(&self) -> Option<LocalDay> {
        let line = self.earlier.as_ref()?.retention_line.unwrap_or(LocalDay(i32::MIN));
        self.runs.range(line..).next().map(|(&day, _)| day)
    }

    /// Refuses days that were shown in the earlier state and that retention has dropped since.
    pub(super) fn check_not_dropped(&self, first: LocalDay, last: LocalDay) -> LedgerResult<()> {
        let Some(earlier) = &self.earlier else { return Ok(()) };
        let first_kept = self.first_kept();
        let shown_then = first.max(earlier.retention_line.unwrap_or(LocalDay(i32::MIN)));
        if shown_then <= last && shown_then < first_kept {
            return Err(NotKnown::Dropped { first_kept }.into());
        }
        Ok(())
    }

    /// Net totals of the days in `[from, until)` in this state: those of the runs, less what later commits changed.
    pub(super) fn totals_known(
        &self,
        from: LocalDay,
        until: LocalDay,
    ) -> LedgerResult<Vec<(TotalKey, Total)>> {
        if self.earlier.is_some() && from < until {
            self.check_not_dropped(from, until.plus_days(-1))?;
        }
        let mut totals = DayTotals::default();
        if from < until {
            for (&day, runs) in self.runs.range(from..until) {
                if runs.iter().any(|run| self.is_known(run.entry.commits.0)) {
                    totals.merge(&self.day_totals(day, runs)?)?;
                }
            }
        }
        Ok(totals.lines())
    }

    fn day_totals(&self, day: LocalDay, runs: &[Arc<Run>]) -> LedgerResult<DayTotals> {
        let mut totals = self.period_totals(day, day.plus_days(1))?.sum()?;
        let mut changed = BTreeSet::new();
        for run in runs.iter().filter(|run| !self.is_known(run.entry.commits.1)) {
            self.places_changed_later(run, &mut changed)?;
        }
        for (rider_id, accepted_at) in changed {
            let (now, then) = self.versions_now_and_then(&rider_id, accepted_at, runs)?;
            for (versions, times) in [(now, -1), (then, 1)] {
                for version in versions.iter().filter(|version| version.superseded_by.is_none()) {
                    let (key, unit) = line_of(&version.posting);
                    let change =
                        scaled(&unit, times).ok_or_else(|| LedgerError::Overflow(key.platform.clone()))?;
                    totals.add(&key, &change)?;
                }
            }
        }
        Ok(totals)
    }

    /// The places (rider, start) of a run at which later commits wrote rows.
    fn places_changed_later(
        &self,
        run: &Run,
        changed: &mut BTreeSet<(String, UtcMillis)>,
    ) -> LedgerResult<()> {
        for block in 0..usize::try_from(run.entry.blocks).unwrap_or(0) {
            run.visit_block(block, Select::All, |row| {
                if !self.is_known(row.commit) {
                    changed.insert((row.rider_id.to_owned(), row.accepted_at));
                }
                true
            })?;
        }
        Ok(())
    }

    /// The versions at one place, with the rows of all commits and with those of this state.
    fn versions_now_and_then(
        &self,
        rider_id: &str,
        accepted_at: UtcMillis,
        runs: &[Arc<Run>],
    ) -> LedgerResult<(Vec<StoredVersion>, Vec<StoredVersion>)> {
        let mut rows = Vec::new();
        let place = (accepted_at, accepted_at.plus(1));
        for run in runs.iter().filter(|run| run.overlaps(place.0, place.1)) {
            collect_rows(run, rider_id, place, u64::MAX, &mut rows)?;
        }
        let then: Vec<Found> = rows.iter().filter(|row| self.is_known(row.posting.commit)).cloned().collect();
        Ok((group_versions(rows), group_versions(then)))
    }
}
