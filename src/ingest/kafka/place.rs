//! Where records lie.

use std::fmt;

use crate::domain::completeness::{PartitionStarted, TopicIdentity};
use crate::domain::time::UtcMillis;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic.
    pub topic: String,
    /// Partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }

    /// It is read from `offset` on, where it began at `seen_at`.
    pub fn started(&self, offset: i64, seen_at: UtcMillis, identity: TopicIdentity) -> PartitionStarted {
        let (topic, partition) = (self.topic.clone(), self.partition);
        PartitionStarted { topic, partition, offset, seen_at, identity }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.partition)
    }
}

/// The position after the record at `applied`. Every position is a *next* offset, and this is the only `+ 1`.
pub const fn next_offset(applied: i64) -> i64 {
    applied.saturating_add(1)
}
