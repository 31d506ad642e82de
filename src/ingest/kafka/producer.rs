//! ValueWriter events to Kafka, for `generate` and the demo.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::fault::{KafkaFault, describe};
use super::health::{KafkaContext, KafkaHealth};
use super::probe::Deadline;
use super::settings::ClientSettings;
use crate::domain::time::UtcMillis;

/// How long a full queue may stay full before the writer gives up.
const QUEUE_FULL_AT_MOST: Duration = Duration::from_secs(60);

/// A record to write.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition; `None` = by the key's hash.
    pub partition: Option<i32>,
    /// Key; `None` spreads the records.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub payload: &'a [u8],
    /// Timestamp; `None` = now.
    pub timestamp: Option<UtcMillis>,
}

/// Writes records in large batches, each exactly once while it lives. Its queue is bounded: when that is full,
/// [`EventProducer::send`] waits.
pub struct EventProducer {
    producer: BaseProducer<KafkaContext>,
    health: Arc<KafkaHealth>,
}

impl EventProducer {
    /// A writer; it connects when something is sent.
    pub fn new(settings: &ClientSettings, health: Arc<KafkaHealth>) -> Result<Self, KafkaFault> {
        let context = KafkaContext::new(Arc::clone(&health), "writer");
        let producer =
            settings.writer().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
        Ok(Self { producer, health })
    }

    /// Queues a record, waiting while the queue is full (a minute at most).
    pub fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), KafkaFault> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(outgoing.topic).payload(outgoing.payload);
        record.key = outgoing.key;
        record.partition = outgoing.partition;
        record.timestamp = outgoing.timestamp.map(UtcMillis::millis);
        let mut deadline = None;
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    let deadline = *deadline.get_or_insert_with(|| Deadline::after(QUEUE_FULL_AT_MOST));
                    if deadline.is_over() {
                        return Err(KafkaFault::Unreachable {
                            reason: "the send queue stays full".to_owned(),
                        });
                    }
                    // Delivery reports free the queue.
                    self.producer.poll(Duration::from_millis(50));
                    record = back;
                }
                Err((error, _)) => return Err(refused(&error)),
            }
        }
    }

    /// Serves delivery reports without waiting; call it now and then between sends.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until everything sent is acknowledged, `timeout` at most. A record that was given up since the writer was
    /// made is an error.
    pub fn flush(&self, timeout: Duration) -> Result<(), KafkaFault> {
        self.producer.flush(timeout).map_err(|error| KafkaFault::of(&error))?;
        match self.health.counts().undelivered {
            0 => Ok(()),
            lost => Err(KafkaFault::Refused { reason: format!("{lost} records were not delivered") }),
        }
    }
}

fn refused(error: &KafkaError) -> KafkaFault {
    KafkaFault::Refused { reason: describe(error) }
}
