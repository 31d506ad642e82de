//! One commit, from a batch to a published state. The order of its effects is written once, in [`Ledger::commit`].

pub mod activation;
pub mod apply;
pub mod booking_period;
pub mod lateness;
pub mod report;
pub mod seal;

use crate::domain::completeness::{
    EndObserved, MetadataObserved, PartitionApplied, PartitionSkipped, PartitionStarted, TopicIdentity,
};
use crate::domain::posting::{ConfigNo, Disposition};
use crate::domain::rejection::Resolution;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::batch::{Batch, ControlEntry, Source, SourceSpan};
use crate::ledger::build::{BuildTerms, ExtraRow, Written};
use crate::ledger::commit::report::CommitReport;
use crate::ledger::decide::{DecideContext, Decided, resolve};
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::day_filters::days_met;
use crate::ledger::manifest::booking_periods;
use crate::ledger::manifest::commit_record::{CommitRecord, ConsumedRange};
use crate::ledger::manifest::finality_history::FinalityChange;
use crate::ledger::manifest::state_codec::{self, Counts, SourceFacts};
use crate::ledger::rejections::dead_letters::{DeadLetterCollector, DeadLetters};
use crate::ledger::writer::Ledger;
use crate::storage::crash_points::{self, Point};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Events of a batch that are looked at to learn which days it meets.
const DAY_SAMPLES: usize = 2_048;

/// What was learned of Kafka besides records.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// Partitions that are read from an offset on.
    pub started: Vec<PartitionStarted>,
    /// Which topics these names mean.
    pub identified: Vec<(String, TopicIdentity)>,
    /// Answers to end-offset requests.
    pub ends: Vec<EndObserved>,
    /// Positions that the consumer reached with every record below applied (control records lie between).
    pub tails: Vec<(String, i32, i64)>,
    /// Answers to metadata requests.
    pub metadata: Vec<MetadataObserved>,
    /// Offsets to which an operator lets the ledger go.
    pub skips: Vec<PartitionSkipped>,
    /// Partitions that existed no more at an instant, and that an operator lets the ledger continue without.
    pub dropped: Vec<(String, i32, UtcMillis)>,
}

/// What a commit takes in besides its batch.
#[derive(Clone, Debug, Default)]
pub struct CommitExtras {
    /// Statements of completeness: for one platform, or for all in the ledger.
    pub stated: Vec<(Option<String>, UtcMillis)>,
    /// Rejections that an operator resolves, with the reason.
    pub resolved: Vec<(u64, String)>,
    /// What an operator did, with the reason.
    pub notes: Vec<String>,
}

impl Ledger {
    /// Takes in what was learned of Kafka. It is committed with the next commit.
    pub fn observe(&mut self, observed: &Observations) {
        observed.started.iter().for_each(|started| self.tracker.started(started));
        observed.identified.iter().for_each(|(topic, identity)| self.tracker.identified(topic, identity));
        if !observed.skips.is_empty() || !observed.dropped.is_empty() {
            self.apply_overrides(observed);
        }
        observed.ends.iter().for_each(|end| self.tracker.end_observed(end));
        for (topic, partition, offset) in &observed.tails {
            self.tracker.tail_reached(topic, *partition, *offset);
        }
        observed.metadata.iter().for_each(|metadata| self.tracker.metadata_observed(metadata));
    }

    /// Takes in what an operator decided. Whatever the partition is now, it is not compared with what it was.
    fn apply_overrides(&mut self, observed: &Observations) {
        let (reach, platforms) = (self.reach(), self.options.platforms.clone());
        observed.skips.iter().for_each(|skipped| self.tracker.skipped(skipped, &platforms, reach));
        for (topic, partition, at) in &observed.dropped {
            self.tracker.dropped(topic, *partition, *at, &platforms, reach);
        }
        let skipped = observed.skips.iter().map(|skipped| (&skipped.topic, skipped.partition));
        let dropped = observed.dropped.iter().map(|(topic, partition, _)| (topic, *partition));
        let sources = Arc::make_mut(&mut self.statistics.sources);
        for (topic, partition) in skipped.chain(dropped) {
            if let Some(facts) = sources.get_mut(&Source::Kafka { topic: topic.clone(), partition }) {
                facts.digest = SourceFacts::NOTHING_TO_COMPARE;
            }
        }
    }

    /// While the clock cannot be trusted, nothing becomes complete; records are taken in as ever.
    pub const fn pause_completeness(&mut self, is_paused: bool) {
        self.tracker.pause(is_paused);
    }

    /// Whether completeness moved since the last commit.
    pub fn has_news(&mut self, now: UtcMillis) -> bool {
        self.tracker.advance(&self.options.platforms, now);
        *self.tracker.state() != *self.published.current().completeness
    }

    /// Commits a batch. Exactly one of two things holds afterwards, after a crash too: everything of it counts, or nothing.
    ///
    /// # Errors
    /// A failure poisons the ledger: what was written so far is collected at the next start, and Kafka is read again.
    pub fn commit(
        &mut self,
        batch: &Batch,
        extras: &CommitExtras,
        now: UtcMillis,
    ) -> LedgerResult<CommitReport> {
        self.guarded(|ledger| {
            let started = Instant::now();
            let commit = ledger.manifest.root().commit + 1;
            // 1. Decide, touching nothing.
            let decided = ledger.decide(batch)?;
            crash_points::after(Point::CommitDecided);
            let mut report = CommitReport::new(commit, batch, &decided);
            report.conserves(batch)?;
            report.late = lateness::late_events(ledger, batch, &decided)?;
            let mut stats = (*ledger.statistics.platforms).clone();
            let dead_letters = ledger.keep((batch, &decided), extras, &mut stats, now)?;
            report.decide = started.elapsed();
            // 2. Write blocks. They count for nothing before the manifest names them.
            let (runs, totals) = ledger.write_orders(batch, &decided, &[])?;
            crash_points::after(Point::CommitOrdersWritten);
            let kept = ledger.write_kept(&dead_letters)?;
            crash_points::after(Point::CommitKeptWritten);
            report.written(&runs, &totals, &dead_letters);
            report.write = started.elapsed() - report.decide;
            // 3. Blocks are durable.
            let syncing = Instant::now();
            ledger.builder.upload.seal()?;
            crash_points::after(Point::CommitSynced);
            report.sync = syncing.elapsed();
            // 4. The manifest moves on, atomically and durably.
            report.add_to(&mut stats, batch, &decided);
            ledger.statistics.platforms = Arc::new(stats);
            ledger.take_in(batch, &report, extras, now);
            ledger.stage_runs(&runs, &kept);
            crash_points::after(Point::CommitStaged);
            let recorded_at = ledger.advance(&report.consumed, &extras.notes, now)?;
            // 5. Durable before visible: only now do readers see it, and only after that is Kafka told.
            ledger.apply(runs, &kept)?;
            crash_points::after(Point::CommitApplied);
            ledger.publish();
            crash_points::after(Point::CommitPublished);
            report.recorded_at = recorded_at;
            report.total = started.elapsed();
            Ok(report)
        })
    }

    fn decide(&mut self, batch: &Batch) -> LedgerResult<Decided> {
        self.runs.filters.prepare(&days_met(days_of(batch), self.options.identity_days), &self.runs.live)?;
        let terms = DecideContext {
            identity_days: self.options.identity_days,
            zone: &self.options.zone,
            with_open: &self.statistics.with_open,
            retention_line: self.retention_line(),
        };
        resolve(batch, &self.runs.live, &self.runs.filters, terms)
    }

    fn keep(
        &self,
        (batch, decided): (&Batch, &Decided),
        extras: &CommitExtras,
        stats: &mut BTreeMap<String, state_codec::PlatformStats>,
        now: UtcMillis,
    ) -> LedgerResult<DeadLetters> {
        let commit = self.manifest.root().commit + 1;
        let collector = DeadLetterCollector {
            store: &self.store,
            runs: &self.runs.live,
            index: &self.rejections.index,
            by_identity: &self.rejections.by_identity,
            zone: &self.options.zone,
            platforms: &self.options.platforms,
            identity_days: self.options.identity_days,
            bytes_per_record: self.options.rejected_bytes_per_record,
            bytes_per_platform: self.options.rejected_bytes_per_platform,
            next_id: self.manifest.root().next_rejection,
            commit,
            now,
            completeness: self.tracker.state(),
        };
        let mut dead_letters = collector.keep(batch, decided, stats)?;
        for (id, reason) in &extras.resolved {
            let known = *id < self.manifest.root().next_rejection;
            if known && self.rejections.index.resolution(*id).is_none() {
                dead_letters.resolve(*id, Resolution::Operator { commit, reason: reason.clone() });
            }
        }
        Ok(dead_letters)
    }

    /// Writes the runs of a batch and of rows that are written again.
    pub(crate) fn write_orders(
        &mut self,
        batch: &Batch,
        decided: &Decided,
        again: &[ExtraRow],
    ) -> LedgerResult<Written> {
        let mut extra: Vec<ExtraRow> = decided
            .tombstones
            .iter()
            .map(|tombstone| ExtraRow::tombstone(tombstone, &self.options.zone))
            .collect();
        extra.extend_from_slice(again);
        let commit = self.manifest.root().commit + 1;
        let mut next_run = self.manifest.root().next_run;
        let terms = BuildTerms {
            tariff: &self.options.tariff,
            zone: &self.options.zone,
            next_run: &mut next_run,
            released: &self.runs.released.0,
            commit,
            period: self.manifest.root().period,
        };
        let written = self.builder.write_runs(batch, decided, &extra, terms)?;
        self.manifest.root_mut().next_run = next_run;
        Ok(written)
    }

    /// Updates sources and completeness with what the batch brought.
    fn take_in(&mut self, batch: &Batch, report: &CommitReport, extras: &CommitExtras, now: UtcMillis) {
        let mut sources = (*self.statistics.sources).clone();
        for (span, consumed) in batch.sources.iter().zip(&report.by_source) {
            add_source(sources.entry(span.source.clone()).or_default(), span, consumed);
            if let Source::Kafka { topic, partition } = &span.source {
                let applied = PartitionApplied {
                    topic,
                    partition: *partition,
                    first_offset: span.offsets.0,
                    first_arrived: span.timestamps.0.arrival(None, now).by,
                    next_offset: span.offsets.1 + 1,
                    newest_timestamp: span.timestamps.1,
                };
                self.tracker.applied(&applied, now);
            }
        }
        self.statistics.sources = Arc::new(sources);
        // A line of a file says nothing about what Kafka still holds.
        let from_kafka =
            |control: &&ControlEntry| matches!(batch.source_of(control.source), Some(Source::Kafka { .. }));
        let mut controls: Vec<&ControlEntry> = batch.controls.iter().filter(from_kafka).collect();
        controls.sort_by_key(|control| batch.effect_order(control.source, control.ordinal));
        let commit = self.manifest.root().commit + 1;
        for control in controls {
            let record = batch.place_of(control.source, control.offset, commit);
            self.tracker.state_mut().vouched(&control.platform, control.through, now, record);
        }
        for (platform, newest) in batch.platforms.all().iter().zip(&batch.newest) {
            if let Some((newest, source, offset)) = *newest {
                let record = batch.place_of(source, offset, commit);
                self.tracker.state_mut().events_applied(platform, newest.min(now), record);
            }
        }
        for (platform, through) in &extras.stated {
            match platform {
                Some(platform) => self.tracker.state_mut().stated(platform, *through),
                None => {
                    let stored = self.statistics.with_orders();
                    self.tracker.state_mut().stated_for_all(stored, *through);
                }
            }
        }
        for (platform, late) in &report.late {
            self.tracker.state_mut().late_applied(platform, *late);
        }
    }

    /// Moves the manifest on: the commit's record, every staged entry and the root, by one swap of the storage's root.
    pub(crate) fn advance(
        &mut self,
        consumed: &[ConsumedRange],
        notes: &[String],
        now: UtcMillis,
    ) -> LedgerResult<UtcMillis> {
        self.tracker.advance(&self.options.platforms, now);
        state_codec::stage(&mut self.manifest, self.tracker.state());
        self.statistics.stage(&mut self.manifest);
        let pending = self.runs.compactions.keys().next().copied().unwrap_or(u64::MAX);
        let margins = self.reach();
        booking_periods::stage_first(&mut self.manifest, now);
        let root = self.manifest.root_mut();
        root.recorded_at = root.next_instant(now);
        root.oldest_pending_run = root.next_run.min(pending);
        let (recorded_at, config) = (root.recorded_at, root.config);
        let record = CommitRecord {
            recorded_at,
            config,
            consumed: consumed.to_vec(),
            complete_through: self
                .tracker
                .state()
                .platforms
                .iter()
                .filter_map(|(name, facts)| Some((name.clone(), facts.complete_through?)))
                .collect(),
            notes: notes.to_vec(),
            finality: FinalityChange::staged(&self.manifest, margins),
        };
        self.manifest.advance(&self.store, &record.encode())?;
        Ok(recorded_at)
    }

    /// The configuration that prices are made with.
    pub fn config_no(&self) -> ConfigNo {
        self.manifest.root().config
    }
}

/// The days of the events of a batch, by a sample, with how many of them each has.
fn days_of(batch: &Batch) -> BTreeMap<LocalDay, u64> {
    let step = (batch.orders.len() / DAY_SAMPLES).max(1);
    let mut days = BTreeMap::new();
    batch.orders.iter().step_by(step).for_each(|entry| *days.entry(entry.day).or_default() += 1);
    days
}

fn add_source(source: &mut SourceFacts, span: &SourceSpan, counts: &Counts) {
    source.records += span.records;
    source.bytes += span.bytes;
    source.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    if span.records > 0 {
        source.last_offset = span.offsets.1;
        source.digest = span.digest;
    }
}

/// The place of a disposition in [`Counts`].
pub const fn count_index(disposition: Disposition) -> usize {
    match disposition {
        Disposition::Accepted => 0,
        Disposition::Amended => 1,
        Disposition::Duplicate => 2,
        Disposition::Stale => 3,
        Disposition::Conflict => 4,
        Disposition::Rejected(_) => 5,
        Disposition::Control => 6,
    }
}
