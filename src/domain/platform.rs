//! What each platform promises about its stream.

use super::time::UtcMillis;
use std::collections::{BTreeMap, BTreeSet};

/// What one platform promises.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Promise {
    /// Kafka topics that may speak for it.
    pub topics: Vec<String>,
    /// Nothing can be said about earlier instants; `None`: nothing can ever be settled.
    pub records_from: Option<UtcMillis>,
    /// Nothing before `records_from` is missing.
    pub complete_start: bool,
    /// From an event to its arrival in Kafka.
    pub delivery_delay_ms: i64,
    /// Since then an open event is sent when an order is accepted.
    pub streams_open_orders_from: Option<UtcMillis>,
    /// A longer order is rejected.
    pub max_order_duration_ms: i64,
}

/// Registered platforms, and the promise of all others.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Platforms {
    registered: BTreeMap<String, Promise>,
    defaults: Promise,
}

impl Platforms {
    /// From the registered platforms and the promise of all others.
    pub fn new(registered: BTreeMap<String, Promise>, defaults: Promise) -> Self {
        Self { registered, defaults }
    }

    /// The promise of a platform; the defaults when it is not registered.
    pub fn get(&self, name: &str) -> &Promise {
        self.registered.get(name).unwrap_or(&self.defaults)
    }

    /// The registered platforms, sorted by name.
    pub fn registered(&self) -> impl Iterator<Item = (&str, &Promise)> {
        self.registered.iter().map(|(name, promise)| (name.as_str(), promise))
    }

    /// Whether any platform is registered.
    pub fn is_any_registered(&self) -> bool {
        !self.registered.is_empty()
    }

    /// The registered platforms that a topic may speak for.
    pub fn of_topic(&self, topic: &str) -> Vec<&str> {
        self.registered()
            .filter(|(_, promise)| promise.topics.iter().any(|t| t == topic))
            .map(|(name, _)| name)
            .collect()
    }

    /// Every topic of any registered platform.
    pub fn topics(&self) -> BTreeSet<&str> {
        self.registered.values().flat_map(|promise| promise.topics.iter().map(String::as_str)).collect()
    }
}
