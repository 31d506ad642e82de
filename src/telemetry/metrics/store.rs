//! Metrics of the requests to an object store. The storage counts; here the counts become metrics when they are asked for. A ledger in a
//! directory has none of them.

use super::facts::{StoreFacts, StoreKind};
use super::float;
use prometheus::Error;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

type Read = Box<dyn Fn() -> StoreFacts + Send + Sync>;

/// Names without their prefix, labels, and help.
pub(super) const STORE: [(&str, &[&str], &str); 6] = [
    ("store_requests_total", &["kind", "result"], "Requests to the object store by kind and result."),
    (
        "store_request_seconds",
        &["kind"],
        "Time of a request to the object store; of a list, of all its pages.",
    ),
    ("store_sent_bytes_total", &[], "Bytes of objects sent to the object store."),
    ("store_received_bytes_total", &[], "Bytes of objects received from the object store."),
    ("store_deleted_objects_total", &[], "Objects deleted in the object store."),
    (
        "store_cache_reads_total",
        &["result"],
        "Reads of parts of segments: from the cache on the disk, or not.",
    ),
];

/// Where the counts of the store are read, once there is one.
#[derive(Clone, Default)]
pub(super) struct Store(Arc<OnceLock<Read>>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.get().is_some()).finish()
    }
}

impl Store {
    pub(super) fn watch(&self, read: Read) {
        let _watched = self.0.set(read);
    }
}

/// Makes metrics of the counts.
pub(super) struct StoreCollector {
    descs: Vec<Desc>,
    store: Store,
}

impl StoreCollector {
    pub(super) fn new(store: Store) -> Result<Self, Error> {
        let desc = |(name, labels, help): (&str, &[&str], &str)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(full(name), help.to_owned(), labels, HashMap::new())
        };
        Ok(Self { descs: STORE.into_iter().map(desc).collect::<Result<_, _>>()?, store })
    }
}

impl Collector for StoreCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(read) = self.store.0.get() else { return Vec::new() };
        let facts = read();
        let results = facts.kinds.iter().flat_map(|of| {
            let counter = |&(result, count)| counter(&[("kind", of.kind), ("result", result)], count);
            of.results.iter().map(counter)
        });
        let cache = [("hit", facts.cache_hits), ("miss", facts.cache_misses)];
        let metrics = [
            (MetricType::COUNTER, results.collect()),
            (MetricType::HISTOGRAM, facts.kinds.iter().map(times).collect()),
            (MetricType::COUNTER, vec![counter(&[], facts.sent_bytes)]),
            (MetricType::COUNTER, vec![counter(&[], facts.received_bytes)]),
            (MetricType::COUNTER, vec![counter(&[], facts.deleted_objects)]),
            (
                MetricType::COUNTER,
                cache.map(|(result, count)| counter(&[("result", result)], count)).to_vec(),
            ),
        ];
        STORE
            .iter()
            .zip(metrics)
            .map(|((name, _, help), (of, metrics))| family(name, help, of, metrics))
            .collect()
    }
}

fn full(name: &str) -> String {
    format!("{}_{name}", super::table::NAMESPACE)
}

fn family(name: &str, help: &str, of: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(full(name));
    family.set_help(help.to_owned());
    family.set_field_type(of);
    family.set_metric(metrics);
    family
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

fn counter(labels: &[(&str, &str)], count: u64) -> Metric {
    let (mut metric, mut counter) = (labelled(labels), Counter::default());
    counter.set_value(float(count));
    metric.set_counter(counter);
    metric
}

fn times(of: &StoreKind) -> Metric {
    let mut up_to = 0;
    let bucket = |(bound, count): &(Duration, u64)| {
        up_to += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(up_to);
        bucket
    };
    let (mut metric, mut histogram) = (labelled(&[("kind", of.kind)]), Histogram::default());
    histogram.set_bucket(of.classes.iter().map(bucket).collect());
    histogram.set_sample_count(up_to + of.longer);
    histogram.set_sample_sum(of.took.as_secs_f64());
    metric.set_histogram(histogram);
    metric
}
