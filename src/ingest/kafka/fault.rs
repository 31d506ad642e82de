//! What can go wrong with Kafka, in words that say what to do.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::place::TopicPartition;

/// A reason why reading cannot continue. All but [`KafkaFault::Unreachable`] need an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaFault {
    /// An option that librdkafka refuses. Its value is never repeated: it may be a secret.
    #[error("Failed to set the Kafka option `{option}`: {problem}; correct it under [kafka] options")]
    Settings {
        /// The option's name.
        option: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The client could not be made.
    #[error("Failed to start the Kafka client: {reason}; correct [kafka]")]
    Client {
        /// librdkafka's words.
        reason: String,
    },
    /// Retention has passed the position.
    #[error(
        "Failed to read {place}: its next records are gone; the ledger continues at offset {position}, Kafka holds \
         {low} to {end} (exclusive); restore the topic, or record the loss and continue from the first offset left \
         with `--skip {place}:{low} --reason ...`"
    )]
    OffsetGone {
        /// Which partition.
        place: TopicPartition,
        /// Where the ledger continues.
        position: i64,
        /// First offset that Kafka has.
        low: i64,
        /// The offset after the last one that Kafka has.
        end: i64,
    },
    /// The partition ends before the position: truncated, re-created, or another cluster.
    #[error(
        "Failed to read {place}: it is shorter than what was read of it; the ledger continues at offset {position}, \
         Kafka holds {low} to {end} (exclusive): the log was truncated, the topic re-created, or this is another \
         cluster: restore the topic or correct `brokers`, or record the break and continue with `--skip {place}:{low} \
         --reason ...`"
    )]
    LogTooShort {
        /// Which partition.
        place: TopicPartition,
        /// Where the ledger continues.
        position: i64,
        /// First offset that Kafka has.
        low: i64,
        /// The offset after the last one that Kafka has.
        end: i64,
    },
    /// The end of a partition moved back while it was read.
    #[error(
        "Failed to read {place}: it ended at offset {before} and ends at {end} now, so the topic was made again while \
         it was read, or Kafka lost records of it; start again, and the service compares what Kafka holds with what it \
         read"
    )]
    LogShrank {
        /// Which partition.
        place: TopicPartition,
        /// The end that Kafka named before.
        before: i64,
        /// The end that it names now.
        end: i64,
    },
    /// The record at the last applied offset is another one.
    #[error(
        "Failed to read {place}: it is not the log that was read before: the record at offset {offset} differs from \
         the one that the ledger applied there; the topic was re-created, or this is another cluster: restore the \
         topic or correct `brokers`, or record the break and continue with `--skip {place}:{low} --reason ...`"
    )]
    AnotherLog {
        /// Which partition.
        place: TopicPartition,
        /// The offset of the last applied record.
        offset: i64,
        /// First offset that Kafka has.
        low: i64,
    },
    /// The topic has another id than the one that was read.
    #[error(
        "Failed to read {place}: it belongs to another topic than the one that was read before: the ledger read the \
         topic with the id {before}, and the topic of this name has the id {now}: it was deleted and made again; \
         nothing of it was taken. Restore the topic that was read or correct `brokers`, or record the break and \
         continue in the topic of now with `--skip {place}:{low} --reason ...`, once for each partition"
    )]
    AnotherTopic {
        /// Which partition.
        place: TopicPartition,
        /// The id of the topic that was read.
        before: String,
        /// The id of the topic of now.
        now: String,
        /// First offset that Kafka has.
        low: i64,
    },
    /// The cluster has another id than the one that was read.
    #[error(
        "Failed to read {place}: it belongs to another cluster than the one that was read before: the ledger read it \
         in the cluster with the id {before}, and the brokers are those of the cluster {now}, where the same offset \
         means another record; nothing of it was taken. Correct `brokers`, or record the break and continue in the \
         cluster of now with `--skip {place}:{low} --reason ...`, once for each partition"
    )]
    AnotherCluster {
        /// Which partition.
        place: TopicPartition,
        /// The id of the cluster that was read.
        before: String,
        /// The id of the cluster of now.
        now: String,
        /// First offset that Kafka has.
        low: i64,
    },
    /// The topic or its cluster became another one while it was read.
    #[error(
        "Failed to read the topic {topic}: it was replaced meanwhile, its {what} was {before} and is {now}; the topic \
         was deleted and made again, or the address of the brokers leads to another cluster. Start again: the message \
         then names what to do for each partition"
    )]
    Replaced {
        /// Topic.
        topic: String,
        /// Which id: the topic's or the cluster's.
        what: &'static str,
        /// The id that was read.
        before: String,
        /// The id of now.
        now: String,
    },
    /// There is no record at the last applied offset, though Kafka deletes nothing there.
    #[error(
        "Failed to read {place}: it is not the log that was read before: the ledger applied the record at offset \
         {offset}, and Kafka holds none there, though nothing is deleted there ({why}); the topic was made again, \
         records were deleted by hand, or this is another cluster: restore the topic or correct `brokers`, or record \
         the break and continue with `--skip {place}:{low} --reason ...`"
    )]
    LastRecordMissing {
        /// Which partition.
        place: TopicPartition,
        /// The offset of the last applied record.
        offset: i64,
        /// Why it should be there.
        why: &'static str,
        /// First offset that Kafka has.
        low: i64,
    },
    /// Topics that are compacted: records vanish from the middle of their logs.
    #[error(
        "Failed to read compacted topics: {}; with `cleanup.policy=compact` Kafka removes records of which a newer one \
         has the same key, read or not, and an order that was removed looks like one that never was. Set \
         `cleanup.policy=delete` on them, make good from the platform what was removed, and start again",
         topics.join(", ")
    )]
    Compacted {
        /// Their names.
        topics: Vec<String>,
    },
    /// Kafka refused a position, and no single partition could be found out of range any more.
    #[error(
        "Failed to set a position in Kafka: {reason}; nothing was skipped. Start again: the service then checks the \
         positions"
    )]
    PositionRefused {
        /// librdkafka's words.
        reason: String,
    },
    /// Configured topics that do not exist.
    #[error("Failed to find the topics: no such topic: {}; create it or correct `topics`", topics.join(", "))]
    TopicMissing {
        /// Their names.
        topics: Vec<String>,
    },
    /// A partition that was read before does not exist any more.
    #[error(
        "Failed to read {place}: the partition no longer exists; the topic was re-created with fewer partitions, or \
         this is another cluster: restore the topic or correct `brokers`, or record the loss and continue without the \
         partition with `--skip {place}:0 --reason ...`"
    )]
    PartitionMissing {
        /// Which partition.
        place: TopicPartition,
    },
    /// Several partitions cannot be continued.
    #[error("Failed to read {} partitions: {}", faults.len(), list(faults))]
    Several {
        /// What is wrong with each.
        faults: Vec<KafkaFault>,
    },
    /// Kafka keeps records that are not what was written: their checksum does not match.
    #[error(
        "Failed to read {place}: records from offset {position} on are damaged; their checksum does not match, \
         whenever they are read; nothing of them was taken and nothing skipped. Restore the partition (from another \
         replica), or record the loss and continue behind them with {}", way(place, *next)
    )]
    RecordsDamaged {
        /// Which partition.
        place: TopicPartition,
        /// The offset of the first damaged record, the position of reading.
        position: i64,
        /// The first offset behind them; `None` when nothing lies behind them yet.
        next: Option<i64>,
    },
    /// Records came damaged once and are whole when they are read again.
    #[error(
        "Failed to read from Kafka: records came damaged, and were whole when they were read again; nothing was taken or \
         skipped. Start again, and check the network and the memory of the machines"
    )]
    DamagedOnTheWay,
    /// Anything else that Kafka refuses: missing rights, a fatal client error.
    #[error(
        "Failed to read from Kafka: it refuses the request ({reason}); check the rights of the user and the log of the \
         broker"
    )]
    Refused {
        /// librdkafka's words.
        reason: String,
    },
    /// No answer in time; nothing is lost and trying again is right.
    #[error("Failed to reach Kafka: {reason}")]
    Unreachable {
        /// librdkafka's words.
        reason: String,
    },
}

impl KafkaFault {
    /// Whether trying again later is the right answer.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// The fault behind an error of a request or of making a client.
    pub(super) fn of(error: &KafkaError) -> Self {
        match error {
            // The fourth field is the option's value, and the description may quote it.
            KafkaError::ClientConfig(_, description, option, _) => Self::Settings {
                option: option.clone(),
                problem: if may_be_secret(option) { "bad value".to_owned() } else { description.clone() },
            },
            KafkaError::ClientCreation(reason) => Self::Client { reason: reason.clone() },
            other => match other.rdkafka_error_code() {
                Some(code) if !is_transient_code(code) => Self::Refused { reason: code.to_string() },
                _ => Self::Unreachable { reason: describe(other) },
            },
        }
    }
}

fn way(place: &TopicPartition, next: Option<i64>) -> String {
    next.map_or_else(
        || format!("`--skip {place}:END --reason ...`, END being the end of the partition"),
        |next| format!("`--skip {place}:{next} --reason ...`"),
    )
}

fn list(faults: &[KafkaFault]) -> String {
    let numbered = (1..).zip(faults).map(|(number, fault)| format!("({number}) {fault}"));
    numbered.collect::<Vec<_>>().join("; ")
}

/// librdkafka's words for an error, without its wrapper.
pub(super) fn describe(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Whether the value of an option must not be shown.
pub(super) fn may_be_secret(option: &str) -> bool {
    ["password", "secret", "pem", "key", "passphrase", "token", "oauthbearer", "jaas", "certificate"]
        .iter()
        .any(|part| option.contains(part))
}

/// Whether librdkafka continues by itself after this error, without having skipped anything.
///
/// The list is closed on purpose: after any other error (a failed checksum, an unknown codec, missing rights)
/// librdkafka may step over records, so reading must stop instead.
pub(super) const fn is_transient_code(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::MessageTimedOut
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            // The cluster named its brokers anew while one was asked: asked again, another one answers.
            | Code::DestroyBroker
            | Code::ReplicaNotAvailable
            | Code::PreferredLeaderNotAvailable
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::WaitingForCoordinator
            | Code::WaitCache
            | Code::InProgress
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::KafkaStorageError
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL
            | Code::NodeUpdate
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_partition_the_range_and_the_way_out() {
        let place = TopicPartition::new("orders", 3);
        let text = KafkaFault::OffsetGone { place, position: 7, low: 20, end: 31 }.to_string();
        for part in ["orders:3", "offset 7", "20 to 31", "--skip orders:3:20 --reason"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn only_a_missing_answer_is_tried_again() {
        for code in [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::DestroyBroker] {
            let away = KafkaFault::of(&KafkaError::MetadataFetch(code));
            assert!(away.is_transient(), "{away:?}");
        }
        let corrupt = KafkaFault::of(&KafkaError::MessageConsumption(RDKafkaErrorCode::BadMessage));
        assert!(!corrupt.is_transient(), "{corrupt:?}");
    }
}
