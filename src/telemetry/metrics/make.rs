//! Names, help texts and buckets.

use super::super::label::Labels;
use super::CATEGORIES_MAX;
use super::Inner;
use super::PLATFORMS_MAX;
use super::http::Http;
use super::pending::Pending;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Counter, CounterVec, Error, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry,
};

const PLATFORM: &[&str] = &["platform"];
const PARTITION: &[&str] = &["topic", "partition"];
const MONEY: &[&str] = &["platform", "category"];
/// 50 microseconds to 10 seconds.
pub(super) const LOOKUP_S: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];
const WRITE_S: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const COUNTS: &[f64] = &[1.0, 10.0, 100.0, 1e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2e5, 5e5, 1e6];
const BYTES: &[f64] = &[1e3, 1e4, 1e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8];

pub(super) struct Maker {
    registry: Registry,
}

pub(super) type Made<T> = Result<T, Error>;

impl Maker {
    pub(super) fn new() -> Self {
        Self { registry: Registry::new() }
    }

    /// What the system says of the process: processor time, memory, open files.
    fn process(&self) -> Made<()> {
        self.registry.register(Box::new(ProcessCollector::for_self()))
    }

    pub(super) fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Made<C> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Made<IntCounter> {
        self.register(IntCounter::with_opts(opts(name, help))?)
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntCounterVec> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn sums(&self, name: &str, help: &str, labels: &[&str]) -> Made<CounterVec> {
        self.register(CounterVec::new(opts(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Made<IntGauge> {
        self.register(IntGauge::with_opts(opts(name, help))?)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
        self.register(IntGaugeVec::new(opts(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Made<Histogram> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts)?)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Made<HistogramVec> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, labels)?)
    }

    fn build_info(&self) -> Made<()> {
        let info = self.gauges("build_info", "1, with version and commit.", &["version", "commit"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("COVERLEDGER_COMMIT")]).set(1);
        Ok(())
    }

    pub(super) fn inner(self) -> Made<Inner> {
        self.build_info()?;
        self.process()?;
        let m = &self;
        let inner = Inner {
            platforms: Labels::new(PLATFORMS_MAX),
            categories: Labels::new(CATEGORIES_MAX),
            events: m.counters(
                "events_total",
                "Records by platform and disposition.",
                &["platform", "disposition"],
            )?,
            rejections: m.counters("rejections_total", "Rejected records by reason.", &["reason"])?,
            premium_charged: m.sums("premium_charged_yuan_total", "Premium charged.", MONEY)?,
            premium_reversed: m.sums(
                "premium_reversed_yuan_total",
                "Premium taken back by amendments.",
                MONEY,
            )?,
            records_in: m.counters("records_in_total", "Records received.", &["source"])?,
            bytes_in: m.counters("bytes_in_total", "Bytes of records received.", &["source"])?,
            commits: m.counter("commits_total", "Durable commits.")?,
            commit_records: m.histogram("commit_records", "Records of a commit.", COUNTS)?,
            commit_bytes: m.histogram("commit_bytes", "Bytes that a commit wrote.", BYTES)?,
            commit_seconds: m.histogram("commit_duration_seconds", "Time of a commit.", WRITE_S)?,
            fsync_seconds: m.histogram("fsync_duration_seconds", "Time of an fsync.", WRITE_S)?,
            lag: m.gauges("partition_lag", "Records not applied yet.", PARTITION)?,
            position: m.gauges("partition_position", "Every record below it is applied.", PARTITION)?,
            end_offset: m.gauges("partition_end_offset", "Offset of the next record in Kafka.", PARTITION)?,
            complete_through: m.register(GaugeVec::new(
                opts(
                    "complete_through_seconds",
                    "Events about earlier instants (since the epoch) have arrived.",
                ),
                PLATFORM,
            )?)?,
            late: m.gauges("late_events", "Events that broke the platform's promise.", PLATFORM)?,
            lookups: m.counters("lookups_total", "Coverage questions by verdict.", &["verdict"])?,
            lookup_seconds: m.histogram("lookup_duration_seconds", "Time of a coverage answer.", LOOKUP_S)?,
            http: Http::new(m)?,
            compactions: m.counter("compactions_total", "Compactions done.")?,
            compactions_running: m.gauge("compactions_running", "Compactions under way.")?,
            compaction_bytes: m.counter("compaction_bytes_total", "Bytes that compactions wrote.")?,
            disk_bytes: m.gauge("ledger_disk_bytes", "Bytes of the data directory.")?,
            runs: m.gauge("ledger_runs", "Runs in force.")?,
            blocks: m.gauge("ledger_blocks", "Blocks in force.")?,
            filter_bytes: m.gauge("ledger_filter_bytes", "Memory of filters of identities and riders.")?,
            days_on_disk: m.gauge("ledger_unloaded_filters", "Day filters that are not in memory.")?,
            index_bytes: m
                .gauge("ledger_index_bytes", "Memory of what tells where values and blocks lie.")?,
            rejected_kept: m.gauge("rejected_kept", "Rejected and conflicting records kept.")?,
            rejected_unresolved: m
                .gauge("rejected_unresolved", "Rejected records not resolved, without conflicts.")?,
            pending: Pending::new(m)?,
            unrated: m.gauge("unrated_orders", "Orders of a charged outcome without a rate.")?,
            open_with_other_rider: m
                .gauge("open_orders_with_other_rider", "Open orders that another rider ended.")?,
            disk_free_bytes: m.gauge("ledger_disk_free_bytes", "Bytes free on the disk of the ledger.")?,
            ingest_paused: m.gauge("ingest_paused", "1 while nothing is read for want of disk space.")?,
            poisoned: m.gauge("poisoned", "1 after storage failed.")?,
            ready: m.gauge("ready", "1 while the service is ready.")?,
            kafka_errors: m.counter("kafka_errors_total", "Errors of the Kafka client.")?,
            clock_jumps: m.counter("clock_jumps_total", "Times wall and monotonic clock disagreed.")?,
            clock_jump_seconds: m.register(Counter::with_opts(opts(
                "clock_jump_seconds_total",
                "By how much they disagreed.",
            ))?)?,
            registry: self.registry.clone(),
        };
        Ok(inner.at_zero())
    }
}

pub(super) fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("coverledger")
}
