//! What platforms promise about the events they send: registered platforms and the terms for all others.

use super::time::UtcMillis;
use std::collections::{BTreeMap, BTreeSet};

/// What one platform promises.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Promise {
    /// The topics that may speak for it. Without any, its events come from files.
    pub topics: Vec<String>,
    /// Nothing can be said about earlier instants; `None` = the platform never settles.
    pub records_from: Option<UtcMillis>,
    /// Nothing before `records_from` is missing.
    pub complete_start: bool,
    /// From an event to its arrival in Kafka.
    pub delivery_delay_ms: i64,
    /// Since then an open event is sent when an order is accepted; `None` = none is.
    pub streams_open_orders_from: Option<UtcMillis>,
    /// A longer order is rejected; exactly as long is fine.
    pub max_order_duration_ms: i64,
    /// What a rejected record in which no rider can be read does to answers.
    pub unreadable_records: UnreadableRecords,
}

/// How people call a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What an unresolved rejected record in which no rider can be read does to answers about its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnreadableRecords {
    /// It may be about any rider: absences that it could contradict stay open.
    #[default]
    Hold,
    /// Answers are final beside it and carry a warning.
    Warn,
}

/// Every platform's promise.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Platforms {
    registered: BTreeMap<String, Promise>,
    defaults: Promise,
}

impl Platforms {
    /// The registered platforms, and the terms of all others.
    pub const fn new(registered: BTreeMap<String, Promise>, defaults: Promise) -> Self {
        Self { registered, defaults }
    }

    /// The promise of a platform: its own when registered, else the defaults.
    pub fn get(&self, name: &str) -> &Promise {
        self.registered.get(name).unwrap_or(&self.defaults)
    }

    /// The terms of platforms that are not registered.
    pub const fn defaults(&self) -> &Promise {
        &self.defaults
    }

    /// The registered platforms, sorted by name.
    pub fn registered(&self) -> impl Iterator<Item = (&str, &Promise)> {
        self.registered.iter().map(|(name, promise)| (name.as_str(), promise))
    }

    /// Whether that very platform is registered.
    pub fn is_registered(&self, name: &str) -> bool {
        self.registered.contains_key(name)
    }

    /// The same without the registration of any other platform than `name`: to its asker they are as unknown as misspelt ones.
    pub fn only(&self, name: &str) -> Self {
        let own = self.registered.get_key_value(name);
        Self {
            registered: own.map(|(name, promise)| (name.clone(), promise.clone())).into_iter().collect(),
            defaults: self.defaults.clone(),
        }
    }

    /// Whether any platform is: if none is, every platform name is accepted.
    pub fn is_any_registered(&self) -> bool {
        !self.registered.is_empty()
    }

    /// The registered platforms that speak on `topic`, sorted.
    pub fn of_topic(&self, topic: &str) -> Vec<&str> {
        self.registered()
            .filter(|(_, promise)| promise.topics.iter().any(|own| own == topic))
            .map(|(name, _)| name)
            .collect()
    }

    /// Every topic that is read.
    pub fn topics(&self) -> BTreeSet<&str> {
        self.registered
            .values()
            .chain([&self.defaults])
            .flat_map(|promise| promise.topics.iter().map(String::as_str))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(topics: &[&str]) -> Promise {
        Promise {
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            records_from: None,
            complete_start: false,
            delivery_delay_ms: 1,
            streams_open_orders_from: None,
            max_order_duration_ms: 2,
            unreadable_records: UnreadableRecords::Hold,
        }
    }

    #[test]
    fn a_topic_may_carry_several_platforms_and_others_take_the_defaults() {
        let registered = BTreeMap::from([
            ("b".to_owned(), promise(&["shared"])),
            ("a".to_owned(), promise(&["own", "shared"])),
            ("files".to_owned(), promise(&[])),
        ]);
        let platforms = Platforms::new(registered, promise(&[]));
        assert_eq!(platforms.of_topic("shared"), ["a", "b"]);
        assert_eq!(platforms.of_topic("none"), Vec::<&str>::new());
        assert_eq!(platforms.topics(), BTreeSet::from(["own", "shared"]));
        assert!(platforms.is_any_registered() && platforms.is_registered("a"));
        assert_eq!(platforms.get("unheard_of"), platforms.defaults());
        assert!(!Platforms::new(BTreeMap::new(), promise(&[])).is_any_registered());
    }
}
