//! Which partitions the configured topics have.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataBroker;

use super::fault::{KafkaFault, is_transient_code};
use super::place::TopicPartition;
use super::probe::{Deadline, KafkaProbe};

/// A topic and its partitions, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// Topic.
    pub topic: String,
    /// Partitions.
    pub partitions: Vec<i32>,
}

impl TopicPartitions {
    /// Each partition by its full name.
    pub fn places(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        self.partitions.iter().map(|&partition| TopicPartition::new(self.topic.as_str(), partition))
    }
}

impl KafkaProbe {
    /// The partitions of `topics`, in their order; `timeout` bounds the whole call.
    ///
    /// Calling it again from time to time is how new partitions are noticed. All missing topics are named at once.
    pub fn discover<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a str>,
        timeout: Duration,
    ) -> Result<Vec<TopicPartitions>, KafkaFault> {
        let answer = self.discover_within(topics, Deadline::after(timeout));
        self.answered(answer)
    }

    fn discover_within<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a str>,
        deadline: Deadline,
    ) -> Result<Vec<TopicPartitions>, KafkaFault> {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for topic in topics {
            match self.partitions_of(topic, deadline)? {
                Some(partitions) => found.push(TopicPartitions { topic: topic.to_owned(), partitions }),
                None => missing.push(topic.to_owned()),
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(KafkaFault::TopicMissing { topics: missing }) }
    }

    /// `None` when there is no such topic.
    fn partitions_of(&self, topic: &str, deadline: Deadline) -> Result<Option<Vec<i32>>, KafkaFault> {
        let metadata = self.client.fetch_metadata(Some(topic), deadline.left());
        let metadata = metadata.map_err(|error| KafkaFault::of(&error))?;
        self.brokers.replace(metadata.brokers().iter().map(MetadataBroker::id).collect());
        let Some(described) = metadata.topics().iter().find(|described| described.name() == topic) else {
            return Ok(None);
        };
        if let Some(code) = described.error() {
            return match RDKafkaErrorCode::from(code) {
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::InvalidTopic => Ok(None),
                code if is_transient_code(code) => Err(KafkaFault::Unreachable { reason: code.to_string() }),
                code => Err(KafkaFault::Refused { reason: format!("topic {topic}: {code}") }),
            };
        }
        let mut partitions: Vec<i32> =
            described.partitions().iter().map(|partition| partition.id()).collect();
        partitions.sort_unstable();
        Ok(if partitions.is_empty() { None } else { Some(partitions) })
    }
}
