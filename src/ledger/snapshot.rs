//! One committed state as readers see it: immutable, shared, never blocking the writer.

mod changes;
mod finality_history;
mod known_at;
mod origins;
mod parts;
mod periods;
mod rider_scan;
mod seals;
mod versions;

pub use changes::{ChangedRecord, StateChanges};
pub(crate) use known_at::EarlierCache;
use known_at::EarlierFacts;
pub(crate) use parts::SnapshotParts;
pub use periods::TotalsOfPeriod;
pub use rider_scan::{RiderRows, RiderScan, RowsWanted};
use versions::{collect_rows, group_versions};

use crate::domain::completeness::Completeness;
use crate::domain::intake::Intake;
use crate::domain::order::Phase;
use crate::domain::pending::PendingKind;
use crate::domain::platform::Platforms;
use crate::domain::posting::RuleKind;
use crate::domain::posting::{ConfigNo, RuleNo, StoredVersion};
use crate::domain::rejection::{PendingCount, Rejection};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::totals::{Total, TotalKey};
use crate::domain::view::{AsOf, CompleteSince, KnownAt, LedgerView, Refused};
use crate::domain::window::Window;
use crate::ledger::codec::keys;
use crate::ledger::codec::unframe;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::lookup::day_filters::DayRuns;
use crate::ledger::lookup::identity_lookup::{Found, Wanted, find};
use crate::ledger::lookup::version_history::{History, Step};
use crate::ledger::manifest::commit_record::CommitRecord;
use crate::ledger::manifest::configuration_history::ConfigurationHistory;
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::{PlatformStats, SourceFacts};
use crate::ledger::manifest::{Entries, Manifest, Root};
use crate::ledger::rejections::stored::RejectedIndex;
use crate::ledger::run::Run;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::OrderId;
use crate::storage::Session;
use crate::storage::bytes::hex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Blocks that are fetched for a question before it reads the first of them: more than nearly every question reads.
const BLOCKS_FETCHED_MAX: usize = 64;

/// A committed state.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) store: Session,
    pub(crate) root: Root,
    pub(crate) entries: Entries,
    pub(crate) runs: Arc<DayRuns>,
    pub(crate) configurations: Arc<ConfigurationHistory>,
    pub(crate) completeness: Arc<Completeness>,
    pub(crate) rejected: RejectedIndex,
    pub(crate) stats: Arc<BTreeMap<String, PlatformStats>>,
    pub(crate) sources: Arc<BTreeMap<Source, SourceFacts>>,
    pub(crate) zone: Arc<Zone>,
    pub(crate) identity_days: i32,
    pub(crate) day_filter_bytes: usize,
    /// In a state as it was known earlier: what decided answers then.
    pub(crate) earlier: Option<Arc<EarlierFacts>>,
    /// Facts of earlier states that were asked for, shared by the states of one ledger.
    pub(crate) earlier_cache: Arc<EarlierCache>,
}

impl Snapshot {
    /// The live runs by day, those of days that retention dropped included.
    pub fn runs(&self) -> &DayRuns {
        &self.runs
    }

    /// The first day whose orders are shown: rows of days before it that are still there only serve identity.
    pub(crate) fn first_kept(&self) -> LocalDay {
        self.root.retention_line.unwrap_or(LocalDay(i32::MIN))
    }

    /// The runs of the days that retention kept.
    pub(crate) fn kept(&self) -> impl DoubleEndedIterator<Item = (&LocalDay, &Vec<Arc<Run>>)> {
        self.runs.range(self.first_kept()..)
    }

    /// Memory of the filters of groups of days, as of this state.
    pub const fn day_filter_bytes(&self) -> usize {
        self.day_filter_bytes
    }

    /// Memory of (filters of runs, indexes): of these what is always there, and what the store holds of the rest.
    pub fn memory_bytes(&self) -> (usize, usize) {
        let runs = self.runs.values().flatten().map(|run| run.memory_bytes());
        let (filters, index) = runs.fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
        (filters, index + self.store.parts().bytes())
    }

    /// Days of which some run's filter of identities is not in memory: it is read from the store when it is asked.
    pub fn days_on_disk(&self) -> usize {
        let on_disk = |runs: &&Vec<Arc<Run>>| runs.iter().any(|run| !run.filters()[0].is_in_memory());
        self.runs.values().filter(on_disk).count()
    }

    /// The root of the manifest.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// The manifest of this state.
    pub fn manifest(&self) -> Manifest {
        Manifest::of(self.root.clone(), self.entries.clone())
    }

    /// The kept records.
    pub const fn rejected(&self) -> &RejectedIndex {
        &self.rejected
    }

    /// The store, for reading kept records.
    pub const fn store(&self) -> &Session {
        &self.store
    }

    /// Statistics of every platform that any stored record named.
    pub fn stats(&self) -> &BTreeMap<String, PlatformStats> {
        &self.stats
    }

    /// Counts and positions of every source.
    pub fn sources(&self) -> &BTreeMap<Source, SourceFacts> {
        &self.sources
    }

    /// Every configuration that was in force.
    pub fn configurations(&self) -> &ConfigurationHistory {
        &self.configurations
    }

    /// The zone of days and months.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The record of a commit.
    pub fn commit(&self, number: u64) -> LedgerResult<CommitRecord> {
        let key = keys::numbered(keys::COMMIT, number);
        let name = || format!("the record of commit {number}");
        let value = self.store.entry(&key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
        let body = unframe(&key, &value).map_err(LedgerError::damaged(name()))?;
        CommitRecord::decode(body.get(32..).unwrap_or_default()).map_err(LedgerError::damaged(name()))
    }

    /// Lets the system fetch the blocks of these riders on these days, as many as one question may.
    fn fetch_riders(&self, rider_ids: &[String], days: &BTreeSet<LocalDay>) -> LedgerResult<()> {
        let all = (UtcMillis::MIN, UtcMillis::MAX);
        let runs = || days.range(self.first_kept()..).filter_map(|day| self.runs.get(day)).flatten();
        let mut left = BLOCKS_FETCHED_MAX;
        for (rider_id, run) in rider_ids.iter().flat_map(|rider_id| runs().map(move |run| (rider_id, run))) {
            if left == 0 {
                break;
            }
            if run.may_know(rider_id)? {
                left -= run.fetch_rider(rider_id, all, left)?;
            }
        }
        Ok(())
    }

    /// Whether a commit is one of this state's.
    pub(crate) const fn is_known(&self, commit: u64) -> bool {
        commit <= self.root.commit
    }

    /// The rows of wanted identities that are known in this state.
    fn find(&self, wanted: &[Wanted<'_>]) -> LedgerResult<Vec<Vec<Found>>> {
        let mut found = find(&self.runs, wanted)?;
        found.iter_mut().for_each(|rows| rows.retain(|row| self.is_known(row.posting.commit)));
        Ok(found)
    }

    fn wanted<'a>(&self, platform: &'a str, order_id: &'a str, leg: u8, phase: Phase) -> Wanted<'a> {
        Wanted {
            hash: IdentityHash::of(platform, order_id, leg, phase),
            order_id: OrderId::pack(order_id),
            platform,
            leg,
            phase,
            days: (self.first_kept(), LocalDay(i32::MAX)),
            extras: Vec::new(),
        }
    }
}

impl LedgerView for Snapshot {
    type Error = LedgerError;

    fn refusal(error: &LedgerError) -> Option<Refused> {
        match error {
            LedgerError::TooManyOrders { .. } => Some(Refused::TooLarge(error.to_string())),
            LedgerError::NotKnown(_) => Some(Refused::NotKnown(error.to_string())),
            _ => None,
        }
    }

    fn as_of(&self) -> AsOf {
        let config =
            self.configurations.get(self.root.config).map_or_else(String::new, |entry| hex(&entry.hash));
        AsOf { commit: self.root.commit, recorded_at: self.root.recorded_at, config }
    }

    fn known_at(&self, at: KnownAt) -> LedgerResult<Self> {
        self.earlier(at)
    }

    fn earlier_promises(&self) -> Option<&Platforms> {
        self.earlier.as_ref().map(|earlier| &earlier.platforms)
    }

    fn commit_instant(&self, commit: u64) -> LedgerResult<UtcMillis> {
        Ok(self.commit(commit)?.recorded_at)
    }

    fn intakes(&self, commit: u64) -> LedgerResult<Vec<Intake>> {
        self.intakes_of(commit)
    }

    fn complete_since(&self, platform: &str, after: UtcMillis) -> LedgerResult<Option<CompleteSince>> {
        self.first_complete(platform, after)
    }

    fn tariff_version(&self, config: ConfigNo) -> String {
        self.configurations.get(config).map_or_else(String::new, |entry| entry.rules.version.clone())
    }

    fn rule_label(&self, config: ConfigNo, kind: RuleKind, rule: RuleNo) -> String {
        self.configurations.label(config, kind, rule)
    }

    fn widest_cover(&self) -> (i64, i64) {
        match &self.earlier {
            Some(earlier) => (earlier.margins.lead_ms, earlier.margins.tail_ms),
            None => self.configurations.widest_cover(),
        }
    }

    fn days(&self) -> Option<(LocalDay, LocalDay)> {
        let kept = self.kept().next().map(|(&day, _)| day);
        let first = self.first_shown_then().into_iter().chain(kept).min()?;
        Some((first, *self.runs.last_key_value()?.0))
    }

    fn days_of_totals(&self) -> Option<(LocalDay, LocalDay)> {
        Some((*self.runs.first_key_value()?.0, *self.runs.last_key_value()?.0))
    }

    fn longest_order_ms(&self, days: (LocalDay, LocalDay)) -> i64 {
        let runs = self.runs.range(days.0..=days.1).flat_map(|(_, runs)| runs);
        runs.map(|run| run.entry.longest_ms).max().unwrap_or(0)
    }

    fn rider_versions(
        &self,
        rider_id: &str,
        from: UtcMillis,
        to: UtcMillis,
    ) -> LedgerResult<Vec<StoredVersion>> {
        let mut rows = Vec::new();
        if from >= to {
            return Ok(Vec::new());
        }
        let (first, last) = self.zone.days_between(from, to);
        self.check_not_dropped(first, last)?;
        let first = first.max(self.first_kept());
        if first > last {
            return Ok(Vec::new());
        }
        for run in self.runs.range(first..=last).flat_map(|(_, runs)| runs) {
            if self.is_known(run.entry.commits.0) && run.overlaps(from, to) {
                collect_rows(run, rider_id, (from, to), self.root.commit, &mut rows)?;
            }
        }
        Ok(group_versions(rows))
    }

    fn prefetch_riders(&self, rider_ids: &[String], days: &BTreeSet<LocalDay>) {
        if !days.is_empty()
            && self.store.is_prefetch_useful()
            && let Err(error) = self.fetch_riders(rider_ids, days)
        {
            tracing::debug!(%error, "Failed to fetch ahead what a question reads next: it reads it itself");
        }
    }

    fn order_versions(&self, platform: &str, order_id: &str) -> LedgerResult<Vec<StoredVersion>> {
        let phases = [Phase::Open, Phase::Ended];
        let wanted: Vec<Wanted<'_>> = (0..=u8::MAX)
            .flat_map(|leg| phases.map(|phase| self.wanted(platform, order_id, leg, phase)))
            .collect();
        let rows = self.find(&wanted)?.into_iter().flatten().collect();
        let mut versions = group_versions(rows);
        versions.sort_by_key(|v| {
            let p = &v.posting;
            (p.leg, p.phase, p.accepted_at, p.revision)
        });
        Ok(versions)
    }

    fn ended_version(
        &self,
        platform: &str,
        order_id: &str,
        leg: u8,
        accepted_at: UtcMillis,
    ) -> LedgerResult<Option<StoredVersion>> {
        let day = self.zone.day(accepted_at);
        let reach = (day.plus_days(-self.identity_days), day.plus_days(self.identity_days));
        let mut want = self.wanted(platform, order_id, leg, Phase::Ended);
        want.days = reach;
        let near = History::stored(self.find(&[want.clone()])?.pop().unwrap_or_default());
        // A version may have been moved beyond the reach since: then all of its history is read.
        let history = if near.leads_outside(reach, |at| self.zone.day(at)).is_empty() {
            near
        } else {
            want.days = (LocalDay(i32::MIN), LocalDay(i32::MAX));
            History::stored(self.find(&[want])?.pop().unwrap_or_default())
        };
        let current = history.current(day, self.identity_days, None).map(|item| &item.step);
        Ok(match current {
            Some(Step::Stored(posting)) => {
                Some(StoredVersion { posting: posting.as_ref().clone(), superseded_by: None })
            }
            _ => None,
        })
    }

    fn totals(&self, from: LocalDay, until: LocalDay) -> LedgerResult<Vec<(TotalKey, Total)>> {
        self.totals_known(from, until)
    }

    fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    fn platforms_stored(&self) -> Vec<&str> {
        let known = |stats: &PlatformStats| stats.orders > 0 && self.is_known(stats.first_commit);
        self.stats.iter().filter(|(_, stats)| known(stats)).map(|(name, _)| name.as_str()).collect()
    }

    fn days_stored(&self) -> impl DoubleEndedIterator<Item = LocalDay> {
        self.kept().map(|(&day, _)| day)
    }

    fn may_have_orders_of(&self, rider_id: &str, day: LocalDay, platforms: &[&str]) -> LedgerResult<bool> {
        for run in self.runs.get(&day).into_iter().flatten() {
            if run.may_name(rider_id, platforms)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rejections_of_rider(&self, rider_id: &str) -> LedgerResult<Vec<Rejection>> {
        self.rejected.of_rider(&self.store, rider_id)
    }
    fn unreadable_time(&self, platform: &str, platforms: &Platforms, within: Window) -> Vec<Window> {
        self.rejected.pending().unreadable(platform, platforms, within)
    }

    fn unreadable_records(
        &self,
        platform: &str,
        platforms: &Platforms,
        within: Window,
        most: usize,
    ) -> LedgerResult<(Vec<Rejection>, u64)> {
        self.unreadable_near(platform, platforms, within, most)
    }

    fn pending_counts(&self, platform: &str, platforms: &Platforms) -> BTreeMap<PendingKind, PendingCount> {
        self.rejected.pending().counts(platform, platforms)
    }
}
