//! Every metric, in one struct that owns the registry. Callers report events by name; this module maps them to numbers.

mod chain;
mod facts;
mod figures;
mod store;
mod table;

pub use facts::{
    CommitFacts, CompactionFacts, EventCount, Figures, Lookup, PartitionFacts, PremiumMoved, ReceiptOutcome,
    RecordSource, Sample, SealFacts, StoreFacts, StoreKind,
};

use super::label::{Labels, OTHER};
use crate::domain::money::Micros;
use crate::domain::reject::Reason;
use crate::domain::time::UtcMillis;
use axum::http::StatusCode;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::LabelPair;
use prometheus::{Encoder, Error, Registry, TextEncoder};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreCollector};
use table::Table;

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
    table: Table,
    store: Store,
}

impl Metrics {
    /// A registry with every metric, all at zero.
    ///
    /// # Errors
    /// None: names are constants, and a test registers them.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let table = Table::register(&registry)?;
        // What the system says of the process: processor time, memory, open files.
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let store = Store::default();
        registry.register(Box::new(StoreCollector::new(store.clone())?))?;
        start(&table);
        let (platforms, categories) = (Labels::new(PLATFORMS_MAX), Labels::new(CATEGORIES_MAX));
        Ok(Self { inner: Arc::new(Inner { registry, platforms, categories, table, store }) })
    }

    fn table(&self) -> &Table {
        &self.inner.table
    }

    fn platform<'a>(&self, name: &'a str) -> &'a str {
        self.inner.platforms.bound(name)
    }

    /// Every metric in the text exposition format.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.inner.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// The metrics of one platform in the same format: those that carry its name, and those of its topics.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn encode_of(&self, platform: &str, topics: &BTreeSet<String>) -> Result<Vec<u8>, Error> {
        // The label of all platforms beyond the bound is the name of none of them.
        let is_own = |pair: &LabelPair| match pair.name() {
            "platform" => pair.value() == platform && platform != OTHER,
            "topic" => topics.contains(pair.value()),
            _ => false,
        };
        let mut families = self.inner.registry.gather();
        for family in &mut families {
            family.mut_metric().retain(|metric| metric.get_label().iter().any(is_own));
        }
        families.retain(|family| !family.get_metric().is_empty());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }

    /// What the metrics say now, for people.
    pub fn figures(&self) -> Figures {
        figures::read(self.table())
    }

    /// From now on there are metrics of the requests to an object store: what `read` says when they are asked for. Only the first counts.
    pub fn watch_store(&self, read: impl Fn() -> StoreFacts + Send + Sync + 'static) {
        self.inner.store.watch(Box::new(read));
    }

    /// Records arrived, before anything is decided about them.
    pub fn received(&self, source: RecordSource, records: u64, bytes: u64) {
        let label = [source.as_str()];
        self.table().records_in.with_label_values(&label).inc_by(records);
        self.table().bytes_in.with_label_values(&label).inc_by(bytes);
    }

    /// A commit is durable.
    pub fn committed(&self, facts: &CommitFacts<'_>) {
        let table = self.table();
        table.commits.inc();
        table.commit_records.observe(float(facts.records));
        table.commit_bytes.observe(float(facts.bytes));
        table.commit_seconds.observe(facts.took.as_secs_f64());
        facts.fsyncs.iter().for_each(|took| table.fsync_seconds.observe(took.as_secs_f64()));
        for event in facts.events {
            let labels = [self.platform(event.platform), event.disposition.as_str()];
            table.events.with_label_values(&labels).inc_by(event.count);
        }
        for &(reason, count) in facts.rejections {
            table.rejections.with_label_values(&[reason.as_str()]).inc_by(count);
        }
        for moved in facts.premiums {
            let labels = [self.platform(moved.platform), self.inner.categories.bound(moved.category)];
            table.premium_charged.with_label_values(&labels).inc_by(yuan(moved.charged));
            table.premium_reversed.with_label_values(&labels).inc_by(yuan(moved.reversed));
        }
    }

    /// The position of a partition.
    pub fn partition(&self, facts: &PartitionFacts<'_>) {
        let partition = facts.partition.to_string();
        let labels = [facts.topic, partition.as_str()];
        self.table().position.with_label_values(&labels).set(facts.position);
        if let Some(end) = facts.end {
            self.table().end_offset.with_label_values(&labels).set(end);
            self.table().lag.with_label_values(&labels).set(end.saturating_sub(facts.position).max(0));
        }
    }

    /// `complete_through` of a platform rose; seconds since the epoch.
    pub fn completed_through(&self, platform: &str, through: UtcMillis) {
        let label = [self.platform(platform)];
        self.table().complete_through.with_label_values(&label).set(seconds(through.millis()));
    }

    /// How many events of a platform were late so far.
    pub fn late(&self, platform: &str, count: u64) {
        let label = [self.platform(platform)];
        self.table().late.with_label_values(&label).set(int(count));
    }

    /// A coverage question was answered, or could not be.
    pub fn looked_up(&self, lookup: Lookup, took: Duration) {
        self.table().lookups.with_label_values(&[lookup.as_str()]).inc();
        // What is refused at once would make answers look fast.
        if lookup != Lookup::Refused {
            self.table().lookup_seconds.observe(took.as_secs_f64());
        }
    }

    /// Entries of the answer log became durable together.
    pub fn answers_logged(&self, entries: usize, took: Duration) {
        self.table().answers_logged.inc_by(u64::try_from(entries).unwrap_or(u64::MAX));
        self.table().answer_log_seconds.observe(took.as_secs_f64());
    }

    /// How many logged answers would now have another verdict.
    pub fn answers_changed(&self, count: usize) {
        self.table().answers_changed.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Logged questions were asked again, because a commit may concern them.
    pub fn answers_asked_again(&self, count: usize) {
        self.table().answers_asked_again.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A compaction began.
    pub fn compaction_began(&self) {
        self.table().compactions_running.inc();
    }

    /// A compaction that began is over.
    pub fn compaction_ended(&self, facts: CompactionFacts) {
        self.table().compactions_running.dec();
        if facts.done {
            self.table().compactions.inc();
        }
        self.table().compaction_bytes.inc_by(facts.bytes);
    }

    /// A day was sealed, in this time.
    pub fn sealed(&self, took: Duration) {
        self.table().seal_seconds.observe(took.as_secs_f64());
    }

    /// A day could not be sealed.
    pub fn seal_failed(&self) {
        self.table().seal_failures.inc();
    }

    /// Days that are settled and wait to be sealed.
    pub fn seals_due(&self, days: u64) {
        self.table().seals_due.set(int(days));
    }

    /// What is sealed.
    pub fn seal_log(&self, facts: &SealFacts) {
        let table = self.table();
        table.seals.set(int(facts.days));
        table.seal_log_entries.set(int(facts.entries));
        table.sealed_through.set(facts.through.map_or(0, |through| through.millis() / 1_000));
    }

    /// A receipt was asked for.
    pub fn receipt(&self, outcome: ReceiptOutcome) {
        self.table().receipts.with_label_values(&[outcome.as_str()]).inc();
    }

    /// A checkpoint of the seal log is in its topic.
    pub fn checkpoint_published(&self) {
        self.table().checkpoints_published.inc();
    }

    /// A checkpoint could not be put into its topic; it is tried again.
    pub fn checkpoint_failed(&self) {
        self.table().checkpoint_failures.inc();
    }

    /// Whether files beside the chain of a bucket cannot be exchanged; `what` is one of a few names.
    pub fn beside_failing(&self, what: &str, is_failing: bool) {
        self.table().beside_failing.with_label_values(&[what]).set(i64::from(is_failing));
    }

    /// What the ledger measures now and then.
    pub fn sampled(&self, sample: &Sample) {
        let table = self.table();
        table.disk_bytes.set(int(sample.disk_bytes));
        table.runs.set(int(sample.runs));
        table.blocks.set(int(sample.blocks));
        table.filter_bytes.set(int(sample.filter_bytes));
        table.days_on_disk.set(int(sample.days_on_disk));
        table.index_bytes.set(int(sample.index_bytes));
        table.rejected_kept.set(int(sample.rejected_kept));
        table.rejected_unresolved.set(int(sample.rejected_unresolved));
        table.unrated.set(sample.unrated);
        table.open_with_other_rider.set(int(sample.open_with_other_rider));
    }

    /// Whether there is too little free space to read on.
    pub fn ingest_paused(&self, is_paused: bool) {
        self.table().ingest_paused.set(i64::from(is_paused));
    }

    /// The free space on the disks of the data directory and of an answer log in a folder of its own, as far as it is known.
    pub fn disks(&self, of_data: Option<u64>, of_answers: Option<u64>) {
        let table = self.table();
        for (gauge, free) in [(&table.disk_free_bytes, of_data), (&table.answers_free_bytes, of_answers)] {
            match free {
                Some(free) => gauge.with_label_values::<&str>(&[]).set(int(free)),
                None => gauge.reset(),
            }
        }
    }

    /// Storage failed: nothing is written any more.
    pub fn poisoned(&self) {
        self.table().poisoned.set(1);
    }

    /// Another process took the place of this writer.
    pub fn fenced(&self) {
        self.table().fenced.set(1);
    }

    /// Whether a write to the answer log failed, so that no answer is sent.
    pub fn answer_log_stopped(&self, is_stopped: bool) {
        self.table().answer_log_stopped.set(i64::from(is_stopped));
    }

    /// When the certificate of the service expires.
    pub fn certificate_expires(&self, file: &str, at: UtcMillis) {
        self.table().certificate_expires.with_label_values(&[file]).set(seconds(at.millis()));
    }

    /// Whether `/readyz` reports readiness.
    pub fn ready(&self, ready: bool) {
        self.table().ready.set(i64::from(ready));
    }

    /// The Kafka client reported an error.
    pub fn kafka_error(&self) {
        self.table().kafka_errors.inc();
    }

    /// Wall clock and monotonic time disagree: completeness does not advance.
    pub fn clock_jumped(&self, ahead_ms: i64) {
        self.table().clock_jumps.inc();
        self.table().clock_jump_seconds.inc_by(seconds(ahead_ms.saturating_abs()));
    }

    /// A request was answered: by which route, of which method, with which status. Route and method come from small sets.
    pub fn requested(&self, route: &str, method: &str, status: StatusCode, took: Duration) {
        let table = self.table();
        table.http_requests.with_label_values(&[route, method, status.as_str()]).inc();
        table.http_seconds.with_label_values(&[route, status.as_str()]).observe(took.as_secs_f64());
    }

    /// A request was refused whose head could not be read: nothing is known of it.
    pub fn refused_head(&self, status: StatusCode) {
        self.table().http_requests.with_label_values(&["unread", "other", status.as_str()]).inc();
    }

    /// A request was refused because too many others were being answered.
    pub fn request_shed(&self) {
        self.table().http_shed.inc();
    }

    /// How many unresolved records keep answers about a platform open for a reason, and since when.
    pub fn pending(&self, platform: &str, reason: &str, records: u64, since: Option<UtcMillis>) {
        let labels = [self.platform(platform), reason];
        self.table().pending_records.with_label_values(&labels).set(int(records));
        match since {
            Some(since) => {
                self.table().pending_since.with_label_values(&labels).set(seconds(since.millis()));
            }
            // No series says that nothing is pending; zero would be the year 1970.
            None => drop(self.table().pending_since.remove_label_values(&labels)),
        }
    }
}

/// Label values that are known from the start are there from the start, so that a rate over them is right.
fn start(table: &Table) {
    for reason in Reason::ALL {
        table.rejections.with_label_values(&[reason.as_str()]).inc_by(0);
    }
    for lookup in Lookup::ALL {
        table.lookups.with_label_values(&[lookup.as_str()]).inc_by(0);
    }
    for outcome in ReceiptOutcome::ALL {
        table.receipts.with_label_values(&[outcome.as_str()]).inc_by(0);
    }
    for source in RecordSource::ALL {
        table.records_in.with_label_values(&[source.as_str()]).inc_by(0);
        table.bytes_in.with_label_values(&[source.as_str()]).inc_by(0);
    }
    table.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("COVERLEDGER_COMMIT")]).set(1);
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
