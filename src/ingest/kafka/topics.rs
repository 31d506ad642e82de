//! Making topics, for `generate` and benchmarks: the service itself never makes one.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::fault::KafkaFault;
use super::settings::ClientSettings;

/// As many copies as the brokers' own default says.
const BROKER_DEFAULT: i32 = -1;

/// Makes the topics that do not exist yet, each with `partitions` partitions; returns the names of those that were made.
pub fn create_topics(
    settings: &ClientSettings,
    topics: &[&str],
    partitions: i32,
    timeout: Duration,
) -> Result<Vec<String>, KafkaFault> {
    let admin: AdminClient<DefaultClientContext> =
        settings.probe().create().map_err(|error| KafkaFault::of(&error))?;
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(BROKER_DEFAULT)))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(timeout)).request_timeout(Some(timeout));
    // One request and its answer: the client's own threads do the work, this runtime only waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| KafkaFault::Refused { reason: error.to_string() })?;
    let results =
        runtime.block_on(admin.create_topics(&wanted, &options)).map_err(|error| KafkaFault::of(&error))?;
    let mut made = Vec::new();
    for result in results {
        match result {
            Ok(topic) => made.push(topic),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(KafkaFault::Refused { reason: format!("topic {topic} was not created: {code}") });
            }
        }
    }
    Ok(made)
}
