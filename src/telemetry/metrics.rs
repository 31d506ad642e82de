//! Every metric, in one struct that owns the registry. Events are told by name; what they mean in numbers is here.

mod facts;
mod http;
mod make;
mod pending;

pub use facts::{
    CommitFacts, CompactionFacts, EventCount, Lookup, PartitionFacts, PremiumMoved, RecordSource, Sample,
};

use super::label::Labels;
use crate::domain::money::Micros;
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;
use http::Http;
use make::Maker;
use pending::Pending;
use prometheus::{
    Counter, CounterVec, Encoder, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, TextEncoder,
};
use std::sync::Arc;
use std::time::Duration;

/// Different platforms in labels; later ones are `other`.
const PLATFORMS_MAX: usize = 256;
/// Different categories in labels.
const CATEGORIES_MAX: usize = 64;

/// The metrics of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    platforms: Labels,
    categories: Labels,
    events: IntCounterVec,
    rejections: IntCounterVec,
    premium_charged: CounterVec,
    premium_reversed: CounterVec,
    records_in: IntCounterVec,
    bytes_in: IntCounterVec,
    commits: IntCounter,
    commit_records: Histogram,
    commit_bytes: Histogram,
    commit_seconds: Histogram,
    fsync_seconds: Histogram,
    lag: IntGaugeVec,
    position: IntGaugeVec,
    end_offset: IntGaugeVec,
    complete_through: GaugeVec,
    late: IntGaugeVec,
    lookups: IntCounterVec,
    lookup_seconds: Histogram,
    http: Http,
    compactions: IntCounter,
    compactions_running: IntGauge,
    compaction_bytes: IntCounter,
    disk_bytes: IntGauge,
    runs: IntGauge,
    blocks: IntGauge,
    filter_bytes: IntGauge,
    days_on_disk: IntGauge,
    index_bytes: IntGauge,
    rejected_kept: IntGauge,
    rejected_unresolved: IntGauge,
    pending: Pending,
    unrated: IntGauge,
    open_with_other_rider: IntGauge,
    disk_free_bytes: IntGauge,
    ingest_paused: IntGauge,
    poisoned: IntGauge,
    ready: IntGauge,
    kafka_errors: IntCounter,
    clock_jumps: IntCounter,
    clock_jump_seconds: Counter,
}

impl Metrics {
    /// A registry with every metric, all at zero.
    ///
    /// # Errors
    /// None: names are constants, and a test registers them.
    pub fn new() -> Result<Self, prometheus::Error> {
        Ok(Self { inner: Arc::new(Maker::new().inner()?) })
    }

    /// Every metric in the text exposition format.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn encode(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.inner.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Records arrived, before anything is decided about them.
    pub fn received(&self, source: RecordSource, records: u64, bytes: u64) {
        let label = [source.as_str()];
        self.inner.records_in.with_label_values(&label).inc_by(records);
        self.inner.bytes_in.with_label_values(&label).inc_by(bytes);
    }

    /// A commit is durable.
    pub fn committed(&self, facts: &CommitFacts<'_>) {
        let inner = &self.inner;
        inner.commits.inc();
        inner.commit_records.observe(float(facts.records));
        inner.commit_bytes.observe(float(facts.bytes));
        inner.commit_seconds.observe(facts.took.as_secs_f64());
        facts.fsyncs.iter().for_each(|took| inner.fsync_seconds.observe(took.as_secs_f64()));
        for event in facts.events {
            let labels = [inner.platforms.bound(event.platform), event.disposition.as_str()];
            inner.events.with_label_values(&labels).inc_by(event.count);
        }
        for &(reason, count) in facts.rejections {
            inner.rejections.with_label_values(&[reason.as_str()]).inc_by(count);
        }
        for moved in facts.premiums {
            let labels = [inner.platforms.bound(moved.platform), inner.categories.bound(moved.category)];
            inner.premium_charged.with_label_values(&labels).inc_by(yuan(moved.charged));
            inner.premium_reversed.with_label_values(&labels).inc_by(yuan(moved.reversed));
        }
    }

    /// Where a partition stands.
    pub fn partition(&self, facts: &PartitionFacts<'_>) {
        let partition = facts.partition.to_string();
        let labels = [facts.topic, partition.as_str()];
        self.inner.position.with_label_values(&labels).set(facts.position);
        if let Some(end) = facts.end {
            self.inner.end_offset.with_label_values(&labels).set(end);
            self.inner.lag.with_label_values(&labels).set(end.saturating_sub(facts.position).max(0));
        }
    }

    /// `complete_through` of a platform rose; seconds since the epoch.
    pub fn completed_through(&self, platform: &str, through: UtcMillis) {
        let label = [self.inner.platforms.bound(platform)];
        self.inner.complete_through.with_label_values(&label).set(seconds(through.millis()));
    }

    /// How many events of a platform were late so far.
    pub fn late(&self, platform: &str, count: u64) {
        let label = [self.inner.platforms.bound(platform)];
        self.inner.late.with_label_values(&label).set(int(count));
    }

    /// A coverage question was answered, or could not be.
    pub fn looked_up(&self, lookup: Lookup, took: Duration) {
        self.inner.lookups.with_label_values(&[lookup.as_str()]).inc();
        // What is refused at once would make answers look fast.
        if lookup != Lookup::Refused {
            self.inner.lookup_seconds.observe(took.as_secs_f64());
        }
    }

    /// A compaction began.
    pub fn compaction_began(&self) {
        self.inner.compactions_running.inc();
    }

    /// A compaction that began is over.
    pub fn compaction_ended(&self, facts: CompactionFacts) {
        self.inner.compactions_running.dec();
        if facts.done {
            self.inner.compactions.inc();
        }
        self.inner.compaction_bytes.inc_by(facts.bytes);
    }

    /// What the ledger measures now and then.
    pub fn sampled(&self, sample: &Sample) {
        let inner = &self.inner;
        inner.disk_bytes.set(int(sample.disk_bytes));
        inner.runs.set(int(sample.runs));
        inner.blocks.set(int(sample.blocks));
        inner.filter_bytes.set(int(sample.filter_bytes));
        inner.days_on_disk.set(int(sample.days_on_disk));
        inner.index_bytes.set(int(sample.index_bytes));
        inner.rejected_kept.set(int(sample.rejected_kept));
        inner.rejected_unresolved.set(int(sample.rejected_unresolved));
        inner.unrated.set(sample.unrated);
        inner.open_with_other_rider.set(int(sample.open_with_other_rider));
    }

    /// How much room there is on the disk, and whether it is too little to read on.
    pub fn room(&self, free_bytes: u64, is_short: bool) {
        self.inner.disk_free_bytes.set(int(free_bytes));
        self.inner.ingest_paused.set(i64::from(is_short));
    }

    /// Storage failed: nothing is written any more.
    pub fn poisoned(&self) {
        self.inner.poisoned.set(1);
    }

    /// Whether `/readyz` says so.
    pub fn ready(&self, ready: bool) {
        self.inner.ready.set(i64::from(ready));
    }

    /// The Kafka client reported an error.
    pub fn kafka_error(&self) {
        self.inner.kafka_errors.inc();
    }

    /// Wall clock and monotonic time disagree: completeness does not advance.
    pub fn clock_jumped(&self, ahead_ms: i64) {
        self.inner.clock_jumps.inc();
        self.inner.clock_jump_seconds.inc_by(seconds(ahead_ms.saturating_abs()));
    }
}

impl Inner {
    /// Label values that are known from the start are there from the start, so that a rate over them is right.
    fn at_zero(self) -> Self {
        for reason in Reason::ALL {
            self.rejections.with_label_values(&[reason.as_str()]).inc_by(0);
        }
        for lookup in Lookup::ALL {
            self.lookups.with_label_values(&[lookup.as_str()]).inc_by(0);
        }
        for source in RecordSource::ALL {
            self.records_in.with_label_values(&[source.as_str()]).inc_by(0);
            self.bytes_in.with_label_values(&[source.as_str()]).inc_by(0);
        }
        self
    }
}

// Prometheus counts in floats. Here, and nowhere else, numbers become floats; nothing is ever computed from them.

#[expect(clippy::cast_precision_loss, reason = "a float is what Prometheus takes")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "a float is what Prometheus takes")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "a float is what Prometheus takes")]
fn yuan(amount: Micros) -> f64 {
    // A counter only goes up: what is taken back is counted as reversed.
    amount.get().max(0) as f64 / 1e6
}

fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
