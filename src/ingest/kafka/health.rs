//! How the connection to Kafka fares: counted, and reported once a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::fault::describe;

/// Shared by every client of one service, and read by its metrics.
#[derive(Debug, Default)]
pub struct KafkaHealth {
    unreachable: AtomicBool,
    outages: AtomicU64,
    errors: AtomicU64,
    progress_sent: AtomicU64,
    progress_failed: AtomicU64,
    repeated: AtomicU64,
    delivered: AtomicU64,
    undelivered: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KafkaCounts {
    /// Times that no broker could be reached.
    pub outages: u64,
    /// Errors that librdkafka reported, transient ones included.
    pub errors: u64,
    /// Progress reports sent; librdkafka confirms none.
    pub progress_sent: u64,
    /// Progress reports known to have failed; nothing depends on them.
    pub progress_failed: u64,
    /// Records handed out by librdkafka a second time, and dropped.
    pub repeated: u64,
    /// Records written and acknowledged.
    pub delivered: u64,
    /// Records given up by the writer.
    pub undelivered: u64,
}

impl KafkaHealth {
    /// A healthy start.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Whether no broker could be reached when last tried.
    pub fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    /// The counts now.
    pub fn counts(&self) -> KafkaCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KafkaCounts {
            outages: read(&self.outages),
            errors: read(&self.errors),
            progress_sent: read(&self.progress_sent),
            progress_failed: read(&self.progress_failed),
            repeated: read(&self.repeated),
            delivered: read(&self.delivered),
            undelivered: read(&self.undelivered),
        }
    }

    /// A broker answered.
    pub(super) fn reached(&self) {
        // The load keeps the usual case free of a write: this is called for every record.
        if self.unreachable.load(Ordering::Relaxed) && self.unreachable.swap(false, Ordering::Relaxed) {
            tracing::info!(event = "kafka_reachable", "Kafka answers again");
        }
    }

    /// No broker answers.
    pub(super) fn lost(&self, reason: &str) {
        if !self.unreachable.swap(true, Ordering::Relaxed) {
            bump(&self.outages);
            tracing::warn!(
                event = "kafka_unreachable",
                reason,
                "Failed to reach Kafka: the service tries again"
            );
        }
    }

    pub(super) fn repeated(&self) {
        bump(&self.repeated);
    }

    pub(super) fn progress_sent(&self) {
        bump(&self.progress_sent);
    }

    pub(super) fn progress_failed(&self, reason: &str) {
        bump(&self.progress_failed);
        tracing::debug!(event = "kafka_progress_failed", reason, "Failed to report offsets to Kafka");
    }
}

fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What librdkafka calls back.
#[derive(Debug)]
pub(super) struct KafkaContext {
    health: Arc<KafkaHealth>,
    client: &'static str,
}

impl KafkaContext {
    /// For the client named `client` in logs.
    pub(super) const fn new(health: Arc<KafkaHealth>, client: &'static str) -> Self {
        Self { health, client }
    }
}

impl ClientContext for KafkaContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        let client = self.client;
        // Nothing else reports a failed commit of offsets: rdkafka 0.39 gets no event for one that it does not wait for.
        if fac == "COMMITFAIL" {
            return self.health.progress_failed(message);
        }
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", client, fac, "{message}");
            }
            // An outage fills these levels with a line for every attempt; the change itself is reported once.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if self.health.is_unreachable() => {
                tracing::debug!(target: "librdkafka", client, fac, "{message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "librdkafka", client, fac, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", client, fac, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        tracing::debug!(
            event = "kafka_statistics",
            client = self.client,
            received_messages = statistics.rxmsgs,
            received_bytes = statistics.rxmsg_bytes,
            sent_messages = statistics.txmsgs,
            queued_operations = statistics.replyq,
        );
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::PartitionEOF) => return,
            Some(
                RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::SSL,
            ) => self.health.lost(reason),
            _ => {}
        }
        bump(&self.health.errors);
        tracing::debug!(event = "kafka_error", client = self.client, reason, "{}", describe(&error));
    }
}

impl ConsumerContext for KafkaContext {}

impl ProducerContext for KafkaContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => bump(&self.health.delivered),
            Err((error, _)) => {
                bump(&self.health.undelivered);
                tracing::debug!(
                    event = "kafka_undelivered",
                    reason = describe(error),
                    "Failed to send a record"
                );
            }
        }
    }
}
