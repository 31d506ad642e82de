//! The sources of records, for each of which the ledger keeps counts.

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A partition of a Kafka topic.
    Kafka {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// Ingested files.
    Files,
    /// Rejected records that are sent again.
    Redrive,
}
