//! Where stored facts came from: what a commit took in from each source, and the places of single records.

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

/// The records that one commit took in from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The source.
    pub source: Source,
    /// First and last position, both inclusive: offsets, lines of files, or numbers of rejections.
    pub positions: (i64, i64),
    /// Records that became versions of orders: accepted and amended ones.
    pub booked: u64,
}

/// The place of a Kafka record, and the commit that took it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Commit.
    pub commit: u64,
}
