//! A client of its own for questions: which partitions there are, and where they end.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::consumer::BaseConsumer;

use super::fault::KafkaFault;
use super::health::{KafkaContext, KafkaHealth};
use super::settings::KafkaSettings;

/// Asks Kafka about topics and offsets; never reads a record. Its connections are not shared with the reader, so an
/// answer does not wait behind a fetch.
pub struct KafkaProbe {
    pub(super) client: BaseConsumer<KafkaContext>,
    pub(super) health: Arc<KafkaHealth>,
    pub(super) settings: KafkaSettings,
    pub(super) admin: OnceCell<AdminClient<KafkaContext>>,
    /// What the broker was found not to tell: warned of once.
    pub(super) unknown: RefCell<BTreeSet<&'static str>>,
}

impl KafkaProbe {
    /// A probe; it connects when it is first asked.
    pub fn new(settings: &KafkaSettings, health: Arc<KafkaHealth>) -> Result<Self, KafkaFault> {
        let context = KafkaContext::new(Arc::clone(&health), "probe");
        let client = settings.probe().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
        let (admin, unknown) = (OnceCell::new(), RefCell::default());
        Ok(Self { client, health, settings: settings.clone(), admin, unknown })
    }

    /// Hands librdkafka's queued log lines and errors to the context; without this they would pile up.
    pub(super) fn drain(&self) {
        const AT_MOST: usize = 1_000;
        for _ in 0..AT_MOST {
            if self.client.poll(Duration::ZERO).is_none() {
                break;
            }
        }
    }

    /// Counts an answer as a sign of life.
    pub(super) fn answered<T>(&self, answer: Result<T, KafkaFault>) -> Result<T, KafkaFault> {
        self.drain();
        match &answer {
            Err(KafkaFault::Unreachable { reason }) => self.health.lost(reason),
            _ => self.health.reached(),
        }
        answer
    }
}

/// A bound for several requests together.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(timeout).unwrap_or(now))
    }

    /// What is left of it; never nothing, so that the last request of several still gets a chance.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now()).max(Duration::from_millis(10))
    }

    pub(super) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}
