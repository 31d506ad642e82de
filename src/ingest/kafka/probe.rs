//! A client of its own for questions: which partitions there are, and where they end.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::consumer::BaseConsumer;

use super::fault::KafkaFault;
use super::health::{KafkaContext, KafkaHealth};
use super::settings::ClientSettings;

/// Asks Kafka about topics and offsets; never reads a record. Its connections are not shared with the reader, so an
/// answer does not wait behind a fetch.
pub struct KafkaProbe {
    pub(super) client: BaseConsumer<KafkaContext>,
    pub(super) health: Arc<KafkaHealth>,
    pub(super) settings: ClientSettings,
    pub(super) admin: OnceCell<AdminClient<KafkaContext>>,
    /// The brokers that the newest metadata named, and whose turn it is to say more about topics: any of them can, and the one
    /// that is asked may be away.
    pub(super) brokers: RefCell<Vec<i32>>,
    pub(super) turn: Cell<usize>,
    /// What the broker was found not to tell: warned of once.
    pub(super) unknown: RefCell<BTreeSet<&'static str>>,
}

impl KafkaProbe {
    /// A probe; it connects when it is first asked.
    pub fn new(settings: &ClientSettings, health: Arc<KafkaHealth>) -> Result<Self, KafkaFault> {
        let context = KafkaContext::new(Arc::clone(&health), "probe");
        let client = settings.probe().create_with_context(context).map_err(|error| KafkaFault::of(&error))?;
        Ok(Self {
            client,
            health,
            settings: settings.clone(),
            admin: OnceCell::new(),
            brokers: RefCell::default(),
            turn: Cell::default(),
            unknown: RefCell::default(),
        })
    }

    /// The broker whose turn it is; `None` before any metadata.
    pub(super) fn broker(&self) -> Option<i32> {
        let brokers = self.brokers.borrow();
        brokers.get(self.turn.get().checked_rem(brokers.len())?).copied()
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
            Err(KafkaFault::Unreachable { reason }) => {
                self.turn.set(self.turn.get().wrapping_add(1));
                self.health.lost(reason);
            }
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
