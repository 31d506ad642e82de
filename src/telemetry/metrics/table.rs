//! Every metric in one table: registration follows from it, and so does the check of `docs/metrics.md`.

use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// The prefix of every name.
pub(super) const NAMESPACE: &str = "coverledger";

/// 50 microseconds to 10 seconds.
const LOOKUP_S: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];
const WRITE_S: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const COUNTS: &[f64] = &[1.0, 10.0, 100.0, 1e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2e5, 5e5, 1e6];
const BYTES: &[f64] = &[1e3, 1e4, 1e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8];

macro_rules! table {
    ($($field:ident: $kind:ty = $name:literal, $labels:expr, $help:literal $(, $buckets:expr)?;)*) => {
        /// The metrics, a field each.
        #[derive(Debug)]
        pub(super) struct Table {
            $(pub(super) $field: $kind,)*
        }

        impl Table {
            pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
                $(
                    let buckets: &[&[f64]] = &[$($buckets)?];
                    let opts = Opts::new($name, $help).namespace(NAMESPACE);
                    let $field = <$kind>::make(opts, &$labels, &buckets.concat())?;
                    registry.register(Box::new($field.clone()))?;
                )*
                Ok(Self { $($field,)* })
            }
        }

        /// Name and labels of every metric.
        #[cfg(test)]
        pub(super) const NAMES: &[(&str, &[&str])] = &[$(($name, &$labels),)*];
    };
}

table! {
    events: IntCounterVec = "events_total", ["platform", "disposition"], "Records by platform and disposition.";
    rejections: IntCounterVec = "rejections_total", ["reason"], "Rejected records by reason.";
    premium_charged: CounterVec = "premium_charged_yuan_total", ["platform", "category"], "Premium charged.";
    premium_reversed: CounterVec = "premium_reversed_yuan_total", ["platform", "category"], "Premium taken back by amendments.";
    records_in: IntCounterVec = "records_in_total", ["source"], "Records received.";
    bytes_in: IntCounterVec = "bytes_in_total", ["source"], "Bytes of records received.";
    commits: IntCounter = "commits_total", [], "Durable commits.";
    commit_records: Histogram = "commit_records", [], "Records of a commit.", COUNTS;
    commit_bytes: Histogram = "commit_bytes", [], "Bytes that a commit wrote.", BYTES;
    commit_seconds: Histogram = "commit_duration_seconds", [], "Time of a commit.", WRITE_S;
    fsync_seconds: Histogram = "fsync_duration_seconds", [], "Time of an fsync.", WRITE_S;
    lag: IntGaugeVec = "partition_lag", ["topic", "partition"], "Records not applied yet.";
    position: IntGaugeVec = "partition_position", ["topic", "partition"], "Every record below it is applied.";
    end_offset: IntGaugeVec = "partition_end_offset", ["topic", "partition"], "Offset of the next record in Kafka.";
    complete_through: GaugeVec = "complete_through_seconds", ["platform"], "Events about earlier instants (since the epoch) have arrived.";
    late: IntGaugeVec = "late_events", ["platform"], "Events that broke the platform's promise.";
    lookups: IntCounterVec = "lookups_total", ["verdict"], "Coverage questions by verdict.";
    lookup_seconds: Histogram = "lookup_duration_seconds", [], "Time of a coverage answer.", LOOKUP_S;
    http_requests: IntCounterVec = "http_requests_total", ["route", "method", "status"], "Requests by route, method and status.";
    http_seconds: HistogramVec = "http_request_duration_seconds", ["route", "status"], "Time from the head of a request to the head of its answer.", LOOKUP_S;
    http_shed: IntCounter = "http_requests_shed_total", [], "Requests refused: too many at a time.";
    answers_logged: IntCounter = "answer_log_entries_total", [], "Entries of the answer log.";
    answer_log_seconds: Histogram = "answer_log_write_duration_seconds", [], "Time until a group of entries was durable.", WRITE_S;
    answers_changed: IntGauge = "answers_changed", [], "Logged answers whose verdict would now differ.";
    answers_asked_again: IntCounter = "answers_asked_again_total", [], "Logged questions that were asked again after a commit.";
    compactions: IntCounter = "compactions_total", [], "Compactions done.";
    compactions_running: IntGauge = "compactions_running", [], "Compactions under way.";
    compaction_bytes: IntCounter = "compaction_bytes_total", [], "Bytes that compactions wrote.";
    seals: IntGauge = "seals", [], "Days that are sealed.";
    seal_log_entries: IntGauge = "seal_log_entries", [], "Entries of the seal log: a day and generation each.";
    sealed_through: IntGauge = "sealed_through_seconds", [], "End of the newest sealed day (since the epoch).";
    seals_due: IntGauge = "seals_due", [], "Days that are settled and wait to be sealed.";
    seal_seconds: Histogram = "seal_duration_seconds", [], "Time to seal a day.", WRITE_S;
    seal_failures: IntCounter = "seal_failures_total", [], "Times that a day could not be sealed.";
    receipts: IntCounterVec = "receipts_total", ["outcome"], "Receipts asked for, by how that ended.";
    checkpoints_published: IntCounter = "checkpoints_published_total", [], "Checkpoints of the seal log that are in their topic.";
    checkpoint_failures: IntCounter = "checkpoint_failures_total", [], "Times that checkpoints could not be put into their topic.";
    beside_failing: IntGaugeVec = "beside_failing", ["what"], "1 while files beside the chain of a bucket cannot be exchanged.";
    disk_bytes: IntGauge = "ledger_disk_bytes", [], "Bytes of the data directory.";
    runs: IntGauge = "ledger_runs", [], "Runs in force.";
    blocks: IntGauge = "ledger_blocks", [], "Blocks in force.";
    filter_bytes: IntGauge = "ledger_filter_bytes", [], "Memory of filters of identities and riders.";
    days_on_disk: IntGauge = "ledger_unloaded_filters", [], "Day filters that are not in memory.";
    index_bytes: IntGauge = "ledger_index_bytes", [], "Memory of what tells where values and blocks lie.";
    rejected_kept: IntGauge = "rejected_kept", [], "Rejected and conflicting records kept.";
    rejected_unresolved: IntGauge = "rejected_unresolved", [], "Rejected records not resolved, without conflicts.";
    pending_records: IntGaugeVec = "pending_records", ["platform", "reason"], "Unresolved rejected and conflicting records that keep answers open, by reason.";
    pending_since: GaugeVec = "pending_since_seconds", ["platform", "reason"], "When the oldest of them was recorded (since the epoch).";
    unrated: IntGauge = "unrated_orders", [], "Orders of a charged outcome without a rate.";
    open_with_other_rider: IntGauge = "open_orders_with_other_rider", [], "Open orders that another rider ended.";
    // Vectors without labels: absent as long as the figure is not known.
    disk_free_bytes: IntGaugeVec = "ledger_disk_free_bytes", [], "Bytes free on the disk of the data directory.";
    answers_free_bytes: IntGaugeVec = "answer_log_disk_free_bytes", [], "Bytes free on the disk of the answer log, in a folder of its own.";
    ingest_paused: IntGauge = "ingest_paused", [], "1 while nothing is read for want of disk space.";
    poisoned: IntGauge = "poisoned", [], "1 after a write to the storage failed.";
    fenced: IntGauge = "fenced", [], "1 after another process took the place of this writer.";
    answer_log_stopped: IntGauge = "answer_log_stopped", [], "1 after a write to the answer log failed.";
    certificate_expires: GaugeVec = "tls_certificate_expires_seconds", ["file"], "When the certificate of the service expires (since the epoch).";
    role: IntGaugeVec = "role", ["role"], "1 of the role of the process: writer, standby or reader.";
    writer_epoch: IntGauge = "writer_epoch", [], "Grows with every writer of a ledger in a bucket; 0 elsewhere.";
    newest_slot: IntGauge = "newest_slot", [], "Number of the newest slot of a ledger in a bucket.";
    state_age: Gauge = "state_age_seconds", [], "Since the state was confirmed to be the newest; 0 where no other process writes.";
    reader_behind: IntGauge = "reader_behind", [], "1 while answers about the present are undetermined, as newer commits may exist.";
    ready: IntGauge = "ready", [], "1 while the service is ready.";
    kafka_errors: IntCounter = "kafka_errors_total", [], "Errors of the Kafka client.";
    clock_jumps: IntCounter = "clock_jumps_total", [], "Times wall and monotonic clock disagreed.";
    clock_jump_seconds: Counter = "clock_jump_seconds_total", [], "By how much they disagreed.";
    build_info: IntGaugeVec = "build_info", ["version", "commit"], "1, with version and commit.";
}

/// How a metric of this kind is made.
trait Kind: Collector + Clone + 'static {
    fn make(opts: Opts, labels: &[&str], buckets: &[f64]) -> Result<Self, Error>;
}

macro_rules! kinds {
    ($($kind:ty: $make:expr;)*) => {
        $(
            impl Kind for $kind {
                fn make(opts: Opts, labels: &[&str], buckets: &[f64]) -> Result<Self, Error> {
                    let make: fn(Opts, &[&str], &[f64]) -> Result<Self, Error> = $make;
                    make(opts, labels, buckets)
                }
            }
        )*
    };
}

kinds! {
    IntCounter: |opts, _, _| Self::with_opts(opts);
    Counter: |opts, _, _| Self::with_opts(opts);
    IntGauge: |opts, _, _| Self::with_opts(opts);
    IntCounterVec: |opts, labels, _| Self::new(opts, labels);
    CounterVec: |opts, labels, _| Self::new(opts, labels);
    IntGaugeVec: |opts, labels, _| Self::new(opts, labels);
    Gauge: |opts, _, _| Self::with_opts(opts);
    GaugeVec: |opts, labels, _| Self::new(opts, labels);
    Histogram: |opts, _, buckets| Self::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()));
    HistogramVec: |opts, labels, buckets| Self::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels);
}
