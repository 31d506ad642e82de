//! Progress for the usual lag tools: positions committed to Kafka after the ledger's own commit.
//!
//! Nothing is ever read back from it; the ledger's positions are the only ones that count.

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::consumer::PartitionSource;
use super::fault::describe;
use super::place::TopicPartition;

impl PartitionSource {
    /// Tells Kafka the positions (next offsets) that the ledger has committed. Does not wait; failures are counted.
    pub fn report_progress(&self, positions: &[(TopicPartition, i64)]) {
        if positions.is_empty() {
            return;
        }
        self.note_progress();
        if let Err(error) = self.send_progress(positions) {
            self.health().progress_failed(&describe(&error));
        }
    }

    fn send_progress(&self, positions: &[(TopicPartition, i64)]) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::with_capacity(positions.len());
        for (place, position) in positions {
            offsets.add_partition_offset(&place.topic, place.partition, Offset::Offset(*position))?;
        }
        self.client().commit(&offsets, CommitMode::Async)
    }
}
