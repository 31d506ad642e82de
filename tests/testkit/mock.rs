//! librdkafka's broker inside this process.

use coverledger::ingest::kafka::ClientSettings;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// A running one.
pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A mock cluster with one broker, and the topics asked for.
pub(crate) fn cluster(topics: &[(&str, i32)]) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    for (name, partitions) in topics {
        cluster.create_topic(name, *partitions, 1).unwrap();
    }
    cluster
}

/// Settings that reconnect quickly.
pub(crate) fn settings(brokers: String, group: &str) -> ClientSettings {
    let mut settings = ClientSettings::new(brokers, group);
    for (name, value) in [("reconnect.backoff.max.ms", "100"), ("fetch.wait.max.ms", "20")] {
        settings.options.insert(name.to_owned(), value.to_owned());
    }
    settings
}
