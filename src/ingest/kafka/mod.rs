//! The Kafka edge: partitions read at the positions that the ledger holds.
//!
//! Kafka is the write-ahead log: what is not committed in the ledger is read again. So nothing here decides where
//! reading continues, nothing skips, and whatever cannot be continued exactly stops with a [`KafkaFault`] that says what
//! to do. Two clients share the work: [`PartitionSource`] reads committed records, [`KafkaProbe`] asks for partitions
//! and end offsets on connections of its own, where no waiting fetch delays the answer.
//!
//! Nothing here starts a thread and every call that waits has a bound; one ingest thread, owned by `app`, calls
//! [`PartitionSource::poll`] in a loop. Not polling is the back-pressure: the client's queue is bounded in bytes.

#[expect(unsafe_code, reason = "rdkafka offers neither topic ids nor a cluster id without a leak")]
mod broker_ids;
mod consumer;
mod damage;
mod described;
mod digest;
mod discovery;
mod fault;
mod health;
mod inspect;
mod last_record;
mod place;
mod probe;
mod producer;
mod progress;
mod record;
mod settings;
mod topics;
mod version;
mod watermark;

pub use consumer::{PartitionSource, Polled, Start, StartAt};
pub use described::{Cleanup, Described};
pub use digest::{Continuation, LastApplied, Resume, Standing, check_continuation, record_digest};
pub use discovery::TopicPartitions;
pub use fault::KafkaFault;
pub use health::{KafkaCounts, KafkaHealth};
pub use inspect::{Cluster, TopicSettings, may_use_group};
pub use last_record::{NewestRecord, last_record, newest_record};
pub use place::{TopicPartition, next_offset};
pub use probe::KafkaProbe;
pub use producer::{EventProducer, Outgoing};
pub use record::Record;
pub use settings::ClientSettings;
pub use topics::create_topics;
pub use version::client_version;
pub use watermark::{EndReport, EndsSeen, OffsetRange};
