//! Named events: each is one log line and its metrics, together. No rider is ever named.

use super::status::Status;
use crate::access::Change;
use crate::domain::money::Micros;
use crate::domain::posting::Disposition;
use crate::domain::reject::Reason;
use crate::domain::view::LedgerView;
use crate::ingest::kafka::KafkaFault;
use crate::ledger::{CommitReport, FreeSpace, Ledger, LedgerError, NewSeal, Snapshot, Source};
use crate::sealing::SealingError;
use crate::telemetry::metrics::{
    CommitFacts, EventCount, Metrics, PartitionFacts, PremiumMoved, RecordSource, Sample,
};
use crate::telemetry::traces::{CommitSpan, Traces};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Dispositions in the order of counts; the reason of a rejection is counted apart.
const DISPOSITIONS: [Disposition; 7] = [
    Disposition::Accepted,
    Disposition::Amended,
    Disposition::Duplicate,
    Disposition::Stale,
    Disposition::Conflict,
    Disposition::Rejected(Reason::MalformedJson),
    Disposition::Control,
];

/// Tells what happens. Clones share the metrics.
#[derive(Clone, Debug)]
pub struct EventLog {
    /// The metrics.
    pub metrics: Metrics,
    /// Spans for a collector.
    pub traces: Traces,
}

impl EventLog {
    /// Metrics without samples, and spans for the collector that the environment names, if it names one.
    ///
    /// # Errors
    /// A metric cannot be registered.
    pub fn start() -> anyhow::Result<Self> {
        let traces = Traces::from_env(&|name| std::env::var(name).ok()).unwrap_or_else(|problem| {
            warn!("{problem}");
            Traces::default()
        });
        Ok(Self { metrics: Metrics::new()?, traces })
    }

    /// A commit is durable and visible.
    pub fn committed(&self, report: &CommitReport, ledger: &Ledger) {
        let mut events: Vec<EventCount<'_>> = Vec::new();
        for (platform, counts) in &report.by_platform {
            let named = DISPOSITIONS.iter().zip(counts).filter(|(_, count)| **count > 0);
            events.extend(named.map(|(&disposition, &count)| EventCount { platform, disposition, count }));
        }
        let unnamed = DISPOSITIONS.iter().zip(report.counts).skip(5).filter(|(_, count)| *count > 0);
        events.extend(unnamed.map(|(&disposition, count)| EventCount { platform: "", disposition, count }));
        let rejections: Vec<(Reason, u64)> = report.rejected.iter().map(|(&r, &count)| (r, count)).collect();
        let premiums: Vec<PremiumMoved<'_>> = report
            .premium
            .iter()
            .map(|((platform, category), &net)| PremiumMoved {
                platform,
                category,
                charged: Micros::new(net.max(0)),
                reversed: Micros::new(net.saturating_neg().max(0)),
            })
            .collect();
        self.metrics.committed(&CommitFacts {
            records: report.records,
            bytes: report.bytes_out,
            took: report.total,
            fsyncs: &[report.sync],
            events: &events,
            rejections: &rejections,
            premiums: &premiums,
        });
        self.traces.commit(&CommitSpan {
            commit: report.commit,
            records: report.records,
            rows: report.rows,
            bytes: report.bytes_out,
            decide: report.decide,
            write: report.write,
            sync: report.sync,
            total: report.total,
        });
        for (range, &bytes) in report.consumed.iter().zip(&report.consumed_bytes) {
            let source = match &range.source {
                Source::Kafka { .. } => RecordSource::Kafka,
                Source::Files => RecordSource::File,
                Source::Redrive => RecordSource::Redrive,
            };
            self.metrics.received(source, range.counts.iter().sum(), bytes);
        }
        debug!(
            commit = report.commit,
            records = report.records,
            rows = report.rows,
            bytes = report.bytes_out,
            took_ms = report.total.as_millis(),
            "committed"
        );
        for (platform, count) in report.unrated.iter().filter(|(_, count)| **count > 0) {
            warn!(
                platform,
                count,
                "orders without a rate were booked: add the rate to the tariff, and the ledger prices them"
            );
        }
        for (platform, count) in &report.late {
            warn!(platform, count, "late events: the platform broke its promise of completeness");
        }
        self.completeness(&ledger.published().current());
    }

    fn completeness(&self, state: &Snapshot) {
        for (platform, facts) in &state.completeness().platforms {
            if let Some(through) = facts.complete_through {
                self.metrics.completed_through(platform, through);
            }
            self.metrics.late(platform, facts.late);
        }
    }

    /// The position of a partition.
    pub fn partition(&self, topic: &str, partition: i32, position: i64, end: Option<i64>) {
        self.metrics.partition(&PartitionFacts { topic, partition, position, end });
    }

    /// What the ledger measures now and then.
    pub fn sampled(&self, sample: &Sample) {
        self.metrics.sampled(sample);
    }

    /// A write or an fsync failed.
    pub fn poisoned(&self, why: &LedgerError) {
        self.metrics.poisoned();
        if why.is_fenced() {
            self.metrics.fenced();
        }
        error!(%why, "Failed to write to the ledger: nothing more is written, and the process ends; restart it, and it reads from Kafka again what is not committed");
    }

    /// The free space for new values.
    pub fn disk_space(&self, free: &FreeSpace, status: &Status) {
        status.set_free(*free);
        self.metrics.ingest_paused(free.is_short);
        let (free_bytes, needed_bytes) = (free.bytes, free.needed);
        if free.has_changed && free.is_short {
            warn!(
                free_bytes,
                needed_bytes,
                "the disk is nearly full: reading pauses until enough space is free (ledger.min_free_bytes); queries are still served"
            );
        } else if free.has_changed {
            info!(free_bytes, "the disk has enough free space again: reading continues");
        }
    }

    /// Kafka did not answer.
    pub fn kafka_error(&self) {
        self.metrics.kafka_error();
    }

    /// Wall clock and monotonic time disagree.
    pub fn clock_jumped(&self, ahead_ms: i64) {
        self.metrics.clock_jumped(ahead_ms);
        warn!(
            ahead_ms,
            "the wall clock jumped: completeness does not advance until the clock is back; if the new time is right, restart the service"
        );
    }

    /// A day was sealed.
    pub fn sealed(&self, day: &str, seal: &NewSeal, took: Duration) {
        self.metrics.sealed(took);
        let (leaf_bytes, took_ms) = (seal.leaves.len(), took.as_millis());
        info!(day, entry = seal.index, leaf_bytes, took_ms, "sealed a day");
    }

    /// A day could not be sealed: answers do not depend on it.
    pub fn seal_failed(&self, problem: &SealingError) {
        self.metrics.seal_failed();
        error!(%problem, "Failed to seal a day: no further day is sealed before it; the service tries again in ten minutes");
    }

    /// Checkpoints of the seal log are in their topic.
    pub fn checkpoint_published(&self, size: u64) {
        self.metrics.checkpoint_published();
        debug!(size, "published a checkpoint of the seal log");
    }

    /// Checkpoints could not be put into their topic.
    pub fn checkpoint_failed(&self, topic: &str, problem: &KafkaFault) {
        self.metrics.checkpoint_failed();
        warn!(topic, %problem, "Failed to publish a checkpoint of the seal log: the service tries again; check that the topic exists and that the service may read and write it");
    }

    /// A token or an account was changed. What keeps a log of its own of such changes is told here, too; the store has them all
    /// ([`crate::access::AccessStore::changes_after`]).
    pub fn access_changed(&self, change: &Change) {
        info!(
            target: "coverledger::access",
            number = change.number,
            actor = change.actor,
            action = change.action,
            subject = change.subject,
            detail = change.detail,
            "access changed"
        );
    }

    /// The service answers.
    pub fn listening(&self, address: &str) {
        info!(address, "listening");
    }
}
