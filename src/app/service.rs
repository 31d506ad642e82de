//! What the HTTP side asks of the ledger and of the threads.

use super::disks::Disks;
use super::event_log::EventLog;
use super::freshness::Freshness;
use super::receipts::Receipts;
use super::status::Status;
use crate::domain::behind::Behind;
use crate::domain::pending::PendingKind;
use crate::domain::platform::{Platforms, UnreadableRecords};
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use crate::http::{
    ChainFacts, NoReceipt, NotReady, PartitionProgress, Paused, ProgressFacts, ReceiptFile, ReceiptRequest,
    RejectionPage, RejectionQuery, SealFile, ServiceRole, Source,
};
use crate::ledger::{LedgerError, Published, Snapshot};
use crate::storage::WriterActivity;
use crate::telemetry::clock::Clock;
use crate::telemetry::metrics::Sample;
use std::sync::Arc;
use std::time::Duration;

/// The read side of a running service.
#[derive(Debug)]
pub struct Service {
    /// The committed state.
    pub published: Arc<Published>,
    /// Readiness and partitions.
    pub status: Arc<Status>,
    /// The present.
    pub clock: Clock,
    /// Metrics.
    pub event_log: EventLog,
    /// What platforms promise.
    pub platforms: Platforms,
    /// Makes receipts, where days are sealed.
    pub receipts: Option<Receipts>,
    /// Whether the committed state is the newest.
    pub freshness: Arc<Freshness>,
    /// The disks of this process.
    pub disks: Disks,
}

impl Source for Service {
    type View = Snapshot;

    fn view(&self) -> Arc<Snapshot> {
        self.published.current()
    }

    fn readiness(&self) -> Result<(), NotReady> {
        if self.status.is_poisoned() {
            return Err(NotReady::Poisoned);
        }
        if self.status.is_stopping() {
            return Err(NotReady::Stopping);
        }
        if self.behind().is_some() {
            return Err(NotReady::Behind);
        }
        if self.status.is_assigned() { Ok(()) } else { Err(NotReady::Unassigned) }
    }

    fn role(&self) -> ServiceRole {
        self.status.role()
    }

    fn behind(&self) -> Option<Behind> {
        self.freshness.behind(&self.clock, || self.activity())
    }

    fn outdated(&self, commit: u64, took: Duration) -> Option<Behind> {
        let is_newest = || self.published.current().root().commit == commit;
        match self.behind() {
            Some(behind) if self.freshness.is_late(took) => Some(behind),
            None if self.freshness.is_late(took) && !is_newest() => {
                Some(self.freshness.since(took, &self.clock))
            }
            _ => None,
        }
    }

    fn progress(&self) -> ProgressFacts {
        let state = self.published.current();
        let topics = &state.completeness().topics;
        let ends = self.status.partitions();
        let partitions = topics.iter().flat_map(|(topic, facts)| {
            let ends = &ends;
            facts.partitions.iter().map(move |(&partition, facts)| {
                let place = crate::ingest::kafka::TopicPartition::new(topic.as_str(), partition);
                PartitionProgress {
                    topic: topic.clone(),
                    partition,
                    start: facts.first_offset,
                    position: facts.next_offset,
                    end: ends.get(&place).and_then(|status| status.end),
                }
            })
        });
        let free = self.status.free();
        let paused =
            self.status.is_paused().then_some(Paused { free_bytes: free.bytes, needed_bytes: free.needed });
        ProgressFacts { now: self.clock.now(), partitions: partitions.collect(), paused, chain: self.chain() }
    }

    fn rejections(&self, query: &RejectionQuery) -> Result<RejectionPage, LedgerError> {
        let state = self.published.current();
        let mut page = RejectionPage::default();
        let from = query.after.map_or(0, |after| after.saturating_add(1)).max(query.filter.first_id());
        state.rejected().visit(state.store(), from, |record| {
            let rejection = record.rejection;
            if query.filter.ends_before(rejection.id) {
                return Ok(false);
            }
            if !query.filter.names(&rejection) {
                return Ok(true);
            }
            let recorded_at = state.commit_instant(rejection.commit)?;
            if !query.filter.is_in_time(recorded_at) {
                return Ok(true);
            }
            if page.records.len() >= query.limit {
                page.next_after = page.records.last().map(|(last, _)| last.id);
                return Ok(false);
            }
            page.records.push((rejection, recorded_at));
            Ok(true)
        })?;
        Ok(page)
    }

    fn receipt(
        &self,
        state: &Snapshot,
        request: &ReceiptRequest<'_>,
    ) -> Result<ReceiptFile, NoReceipt<LedgerError>> {
        self.receipts.as_ref().ok_or(NoReceipt::Off)?.receipt(state, request)
    }

    fn is_sealed(&self, state: &Snapshot, asked: Window) -> Result<(), NoReceipt<LedgerError>> {
        self.receipts.as_ref().ok_or(NoReceipt::Off)?.is_sealed(state, asked)
    }

    fn seal_file(&self, file: SealFile<'_>) -> Result<Option<Vec<u8>>, NoReceipt<LedgerError>> {
        self.receipts.as_ref().ok_or(NoReceipt::Off)?.seal_file(&self.published.current(), file)
    }

    fn sample(&self) {
        let state = self.published.current();
        self.receipts.iter().for_each(|receipts| receipts.sample(&state));
        for progress in self.progress().partitions {
            self.event_log.partition(&progress.topic, progress.partition, progress.position, progress.end);
        }
        let runs = || state.runs().values().flatten();
        let memory = state.memory_bytes();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.event_log.sampled(&Sample {
            disk_bytes: state.store().usage_bytes().unwrap_or(0),
            runs: count(runs().count()),
            blocks: runs().map(|run| u64::from(run.entry.blocks)).sum(),
            filter_bytes: count(memory.0.saturating_add(state.day_filter_bytes())),
            days_on_disk: count(state.days_on_disk()),
            index_bytes: count(memory.1),
            rejected_kept: state.rejected().count(),
            rejected_unresolved: state.rejected().unresolved_count(),
            unrated: state.stats().values().map(|stats| stats.unrated).sum(),
            open_with_other_rider: state.stats().values().map(|stats| stats.other_rider).sum(),
        });
        self.sample_pending(&state);
        self.disks.sample(&self.event_log.metrics);
        self.event_log.metrics.ready(self.readiness().is_ok());
        self.sample_chain();
    }
}

impl Service {
    /// What is known of the writer, as of the last look.
    fn activity(&self) -> Option<WriterActivity> {
        self.published.current().store().writer_activity()
    }

    fn chain(&self) -> Option<ChainFacts> {
        let activity = self.activity()?;
        let age = self.freshness.age().unwrap_or(activity.quiet);
        Some(ChainFacts {
            epoch: activity.epoch,
            slot: activity.newest,
            confirmed_ms_ago: i64::try_from(age.as_millis()).unwrap_or(i64::MAX),
        })
    }

    fn sample_chain(&self) {
        let role = self.status.role();
        let roles = ServiceRole::ALL.map(|other| (other.as_str(), other == role));
        let chain = self.chain().map(|chain| (chain.epoch, chain.slot, chain.confirmed_ms_ago));
        self.event_log.metrics.chain(&roles, chain, self.behind().is_some());
    }

    fn sample_pending(&self, state: &Snapshot) {
        let known = state.completeness().platforms_known(&self.platforms, state.platforms_stored());
        for platform in known {
            let counts = state.pending_counts(&platform, &self.platforms);
            let treatment = self.platforms.get(&platform).unreadable_records;
            for kind in PendingKind::ALL {
                // What is passed over keeps no answer open: `/v1/progress` lists it, and no alert may rest on it.
                let passed_over = kind == PendingKind::Unreadable && treatment == UnreadableRecords::Warn;
                let count = counts.get(&kind).filter(|_| !passed_over);
                let since = count.and_then(|count| state.commit_instant(count.since_commit).ok());
                let records = count.map_or(0, |count| count.records);
                self.event_log.metrics.pending(&platform, kind.as_str(), records, since);
            }
        }
    }
}
