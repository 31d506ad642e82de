//! What Kafka says about the configured topics besides their partitions: which topics they are, and what is deleted of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::broker_ids::{cluster_id, topic_ids};
use super::fault::{KafkaFault, is_transient_code};
use super::health::KafkaContext;
use super::probe::{Deadline, KafkaProbe};
use crate::domain::completeness::TopicIdentity;

/// What Kafka deletes of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Cleanup {
    /// The broker does not tell: it does not permit the question, or does not know it.
    #[default]
    Unknown,
    /// Old records, from the start of the log.
    Deletes,
    /// Nothing.
    Keeps,
    /// Records in the middle of the log, those of whose keys there are newer ones.
    Compacts,
}

/// What Kafka says about a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Which topic it is.
    pub identity: TopicIdentity,
    /// What is deleted of it.
    pub cleanup: Cleanup,
}

impl KafkaProbe {
    /// Which topics these names mean now, and what is deleted of them; `timeout` bounds the whole call.
    ///
    /// # Errors
    /// [`KafkaFault::Compacted`] names all that are compacted.
    pub fn describe(
        &self,
        topics: &[String],
        timeout: Duration,
    ) -> Result<BTreeMap<String, Described>, KafkaFault> {
        let deadline = Deadline::after(timeout);
        let cleanups = self.cleanups(topics, deadline.left())?;
        let identities = self.identities(topics, deadline.left())?;
        let described = identities.into_iter().zip(cleanups);
        Ok(described
            .map(|((topic, identity), (_, cleanup))| (topic, Described { identity, cleanup }))
            .collect())
    }

    /// Which topics these names mean now, in their order. Asked after something else, it says that nothing was answered for
    /// another topic until then.
    pub fn identities(
        &self,
        topics: &[String],
        timeout: Duration,
    ) -> Result<Vec<(String, TopicIdentity)>, KafkaFault> {
        let answer = self.identities_within(topics, Deadline::after(timeout));
        self.answered(answer)
    }

    fn identities_within(
        &self,
        topics: &[String],
        deadline: Deadline,
    ) -> Result<Vec<(String, TopicIdentity)>, KafkaFault> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let ids = match topic_ids(self.client.client(), &names, self.broker(), deadline.left()) {
            Ok(ids) => ids,
            // The digests of the last records are compared all the same.
            Err(code) if is_unknown_to_broker(code) => vec![Ok(None); topics.len()],
            Err(code) => return Err(KafkaFault::of(&KafkaError::MetadataFetch(code))),
        };
        let cluster = cluster_id(self.client.client(), deadline.left());
        let mut identities = Vec::with_capacity(topics.len());
        for (topic, id) in topics.iter().zip(ids) {
            let id = id.map_err(|code| match code {
                // Just made, or just deleted: discovery tells which.
                code if is_transient_code(code) || is_missing(code) => {
                    KafkaFault::Unreachable { reason: format!("{topic}: {code}") }
                }
                code => KafkaFault::Refused { reason: format!("topic {topic}: {code}") },
            })?;
            identities.push((topic.clone(), TopicIdentity { cluster: cluster.clone(), topic: id }));
        }
        self.report_unknown("kafka_topic_ids_unknown", identities.iter().any(|(_, id)| id.topic.is_none()), || {
            "the broker reports no topic ids (Kafka before 2.8): a topic that is deleted and made again under its name is noticed \
             by its last record and its length only"
                .to_owned()
        });
        Ok(identities)
    }

    /// What Kafka deletes of these topics, in their order.
    ///
    /// # Errors
    /// [`KafkaFault::Compacted`] names all that are compacted.
    pub fn cleanups(
        &self,
        topics: &[String],
        timeout: Duration,
    ) -> Result<Vec<(String, Cleanup)>, KafkaFault> {
        let answer = self.cleanups_within(topics, timeout);
        self.answered(answer)
    }

    fn cleanups_within(
        &self,
        topics: &[String],
        timeout: Duration,
    ) -> Result<Vec<(String, Cleanup)>, KafkaFault> {
        let answers = self.configs(topics, timeout)?;
        let mut cleanups = Vec::with_capacity(topics.len());
        let mut refused = None;
        for (topic, answer) in topics.iter().zip(answers) {
            let cleanup = match answer {
                Ok(resource) => cleanup_of(&resource),
                // One that is gone again is for discovery to tell.
                Err(code) if is_transient_code(code) || is_missing(code) => {
                    return Err(KafkaFault::Unreachable { reason: format!("{topic}: {code}") });
                }
                Err(code) => {
                    refused.get_or_insert(format!("{topic}: {code}"));
                    Cleanup::Unknown
                }
            };
            cleanups.push((topic.clone(), cleanup));
        }
        let compacted = cleanups.iter().filter(|(_, cleanup)| *cleanup == Cleanup::Compacts);
        let compacted: Vec<String> = compacted.map(|(topic, _)| topic.clone()).collect();
        if !compacted.is_empty() {
            return Err(KafkaFault::Compacted { topics: compacted });
        }
        self.report_unknown("kafka_cleanup_policy_unknown", refused.is_some(), || {
            format!(
                "Failed to read the configuration of the topics: {}; whether one of them is compacted is not checked. \
                 Permit DescribeConfigs on them, and set cleanup.policy to `delete`",
                refused.unwrap_or_default()
            )
        });
        Ok(cleanups)
    }

    /// What the broker says of the settings of each topic, in their order.
    pub(super) fn configs(
        &self,
        topics: &[String],
        timeout: Duration,
    ) -> Result<Vec<Result<ConfigResource, RDKafkaErrorCode>>, KafkaFault> {
        let asked: Vec<ResourceSpecifier<'_>> =
            topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let options = AdminOptions::new().request_timeout(Some(timeout)).broker_id(self.broker());
        // One request and its answer: the client's own threads do the work, this runtime only waits.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| KafkaFault::Refused { reason: error.to_string() })?;
        let answers = runtime.block_on(self.admin()?.describe_configs(&asked, &options));
        answers.or_else(|error| match error {
            KafkaError::AdminOp(code) if is_transient_code(code) => {
                Err(KafkaFault::Unreachable { reason: code.to_string() })
            }
            // Not permitted, or not known: the same for every topic.
            KafkaError::AdminOp(code) => Ok(topics.iter().map(|_| Err(code)).collect()),
            other => Err(KafkaFault::of(&other)),
        })
    }

    /// A client for administration, made when it is first needed.
    fn admin(&self) -> Result<&AdminClient<KafkaContext>, KafkaFault> {
        if let Some(admin) = self.admin.get() {
            return Ok(admin);
        }
        let context = KafkaContext::new(Arc::clone(&self.health), "admin");
        let made =
            self.settings.probe().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
        Ok(self.admin.get_or_init(|| made))
    }

    /// Warns once of what the broker does not tell.
    fn report_unknown(&self, event: &'static str, is_unknown: bool, text: impl FnOnce() -> String) {
        if is_unknown && self.unknown.borrow_mut().insert(event) {
            let text = text();
            tracing::warn!(event, "{text}");
        }
    }
}

const fn is_missing(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
}

/// The broker is too old for a request.
const fn is_unknown_to_broker(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion)
}

fn cleanup_of(resource: &ConfigResource) -> Cleanup {
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.as_deref());
    let Some(policy) = value("cleanup.policy") else { return Cleanup::Unknown };
    let has = |wanted: &str| policy.split(',').any(|part| part.trim() == wanted);
    // A limit below zero is none.
    let is_limited = |name: &str| value(name).is_none_or(|limit| !limit.starts_with('-'));
    if has("compact") {
        Cleanup::Compacts
    } else if has("delete") && (is_limited("retention.ms") || is_limited("retention.bytes")) {
        Cleanup::Deletes
    } else {
        Cleanup::Keeps
    }
}
