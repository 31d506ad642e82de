//! What `doctor` asks a cluster: its brokers, the settings and copies of topics, the rights of the user.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::broker_ids::cluster_id;
use super::fault::KafkaFault;
use super::health::{KafkaContext, KafkaHealth};
use super::place::TopicPartition;
use super::probe::{Deadline, KafkaProbe};
use super::settings::ClientSettings;

/// What is known of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, where brokers tell one.
    pub id: Option<String>,
    /// Brokers that it has now.
    pub brokers: usize,
}

/// What a topic is set to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TopicSettings {
    /// Values by name, such as `retention.ms`; `None` where the user may not ask.
    pub values: Option<BTreeMap<String, String>>,
    /// Copies of the partition that has the fewest.
    pub copies: usize,
}

impl KafkaProbe {
    /// Which cluster answers.
    ///
    /// # Errors
    /// None does within `timeout`.
    pub fn cluster(&self, timeout: Duration) -> Result<Cluster, KafkaFault> {
        let deadline = Deadline::after(timeout);
        let metadata =
            self.client.fetch_metadata(None, deadline.left()).map_err(|error| KafkaFault::of(&error))?;
        let id = cluster_id(self.client.client(), deadline.left());
        Ok(Cluster { id, brokers: metadata.brokers().len() })
    }

    /// What a topic is set to; it must exist.
    ///
    /// # Errors
    /// Kafka does not answer within `timeout`.
    pub fn topic_settings(&self, topic: &str, timeout: Duration) -> Result<TopicSettings, KafkaFault> {
        let deadline = Deadline::after(timeout);
        let metadata = self
            .client
            .fetch_metadata(Some(topic), deadline.left())
            .map_err(|error| KafkaFault::of(&error))?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let copies = partitions.map(|partition| partition.replicas().len()).min().unwrap_or_default();
        let answers = self.configs(&[topic.to_owned()], deadline.left())?;
        let values: Option<BTreeMap<String, String>> =
            answers.into_iter().next().and_then(Result::ok).map(|resource| {
                let entries = resource.entries.into_iter();
                entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
            });
        // Some brokers answer without any value where the user may not ask.
        let values = values.filter(|values| !values.is_empty());
        Ok(TopicSettings { values, copies })
    }
}

/// Whether progress may be reported under the group.
///
/// # Errors
/// Kafka refuses, or does not answer within `timeout`.
pub fn may_use_group(
    settings: &ClientSettings,
    health: &Arc<KafkaHealth>,
    places: &[TopicPartition],
    timeout: Duration,
) -> Result<(), KafkaFault> {
    let context = KafkaContext::new(Arc::clone(health), "group");
    let consumer: BaseConsumer<KafkaContext> =
        settings.read_back().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
    let mut asked = TopicPartitionList::with_capacity(places.len());
    for place in places {
        asked.add_partition(&place.topic, place.partition);
    }
    let committed = consumer.committed_offsets(asked, timeout).map_err(|error| KafkaFault::of(&error))?;
    let failed = committed.elements().iter().find_map(|element| element.error().err());
    failed.map_or(Ok(()), |error| Err(KafkaFault::of(&error)))
}
