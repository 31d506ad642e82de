//! Puts each checkpoint of the seal log into a Kafka topic: a place where it cannot be taken back. Sealing never waits for it.

use super::receipts::Receipts;
use super::threads::{Threads, Urgency};
use crate::config::Config;
use crate::ingest::kafka::{
    ClientSettings, EventProducer, KafkaFault, KafkaHealth, Outgoing, TopicPartition, last_record,
};
use crate::ledger::Published;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::log::SealLog;
use crate::wait::Stop;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;
use tracing::{error, info, warn};

/// How often the publisher looks for a new checkpoint.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long Kafka may take to answer, and to acknowledge a checkpoint.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Publishes the checkpoints of one log, in the order of their sizes.
struct Publisher {
    receipts: Receipts,
    published: Arc<Published>,
    settings: ClientSettings,
    topic: String,
    /// The size of the newest checkpoint in the topic; `None` until Kafka has told it.
    done: Option<u64>,
    stop: Stop,
}

/// Starts the publisher where the configuration names a topic; the sender receives each new checkpoint.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(
    sealing: Option<(Receipts, &Arc<Published>)>,
    config: &Config,
    stop: &Stop,
    threads: &mut Threads,
) -> anyhow::Result<Option<Sender<()>>> {
    let topic = config.seal.as_ref().and_then(|seal| seal.checkpoint_topic.clone());
    let (Some((receipts, published)), Some(topic), Some(kafka)) = (sealing, topic, &config.kafka) else {
        return Ok(None);
    };
    let settings = ClientSettings {
        brokers: kafka.brokers.clone(),
        group_id: kafka.group_id.clone(),
        options: kafka.options.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())).collect(),
    };
    let (told, news) = channel();
    let (published, stop) = (Arc::clone(published), stop.clone());
    let publisher = Publisher { receipts, published, settings, topic, done: None, stop };
    threads.start_errand("checkpoint publisher", Urgency::Background, move || publisher.run(&news))?;
    Ok(Some(told))
}

impl Publisher {
    /// Works until the service stops. What is not in the topic then is put there after the next start.
    fn run(mut self, news: &Receiver<()>) {
        // What the log already has is news, too.
        let mut has_news = true;
        while !self.stop.is_set() {
            if has_news {
                match self.publish() {
                    Ok(()) => has_news = false,
                    Err(fault) => {
                        self.receipts.event_log.checkpoint_failed(&self.topic, &fault);
                        self.stop.wait(RETRY_AFTER);
                        continue;
                    }
                }
            }
            match news.try_recv() {
                Ok(()) => has_news = true,
                Err(TryRecvError::Empty) => {
                    self.stop.wait(LOOK_EVERY);
                }
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }

    fn publish(&mut self) -> Result<(), KafkaFault> {
        let state = self.published.current();
        let log = match self.receipts.issuer.log(&state, self.receipts.terms()) {
            Ok(log) if log.size() > 0 => log,
            Ok(_) => return Ok(()),
            Err(problem) => {
                error!(%problem, "Failed to read the seal log: no checkpoint is published until the next day is sealed");
                return Ok(());
            }
        };
        let (place, health) = (TopicPartition::new(self.topic.as_str(), 0), KafkaHealth::new());
        let done = match self.done {
            Some(done) => done,
            None => {
                let last = last_record(&self.settings, &health, &place, TIMEOUT)?;
                self.continues(&log, last.as_deref())
            }
        };
        self.done = Some(done);
        // One for all that is new: what a failure left behind does not stay in its queue.
        let producer = EventProducer::new(&self.settings, Arc::clone(&health))?;
        let secrets = self.receipts.issuer.secrets();
        for size in done.saturating_add(1)..=log.size() {
            let note = log.checkpoint_at(size, secrets.origin()).sign(&secrets.signing_keys());
            let (topic, key) = (self.topic.as_str(), Some(secrets.origin().as_bytes()));
            let payload = note.as_bytes();
            producer.send(&Outgoing { topic, partition: Some(0), key, payload, timestamp: None })?;
            producer.flush(TIMEOUT)?;
            self.done = Some(size);
            self.receipts.event_log.checkpoint_published(size);
        }
        let size = log.size();
        info!(topic = self.topic, size, "the topic has every checkpoint of the seal log");
        Ok(())
    }

    /// The size of the newest checkpoint of this log in the topic. In a topic without one the newest of the log comes first: the
    /// earlier ones follow from it.
    fn continues(&self, log: &SealLog, last: Option<&[u8]>) -> u64 {
        let before_newest = log.size().saturating_sub(1);
        let Some(last) = last else { return before_newest };
        let secrets = self.receipts.issuer.secrets();
        let text = std::str::from_utf8(last).unwrap_or_default();
        match Checkpoint::verify(text, &secrets.public_keys()) {
            Ok(last) => {
                let last = last.checkpoint;
                let is_ours =
                    last.size <= log.size() && log.checkpoint_at(last.size, secrets.origin()) == last;
                if !is_ours {
                    // Two logs of one name: a reader who compares them sees it. It must not pass unnoticed here.
                    error!(
                        topic = self.topic,
                        size = last.size,
                        "the newest checkpoint in the topic is none of this seal log: the ledger was rebuilt, or is older than the one \
                         that published it; restore the newest backup, or seal under another name"
                    );
                }
                if is_ours { last.size } else { before_newest }
            }
            Err(problem) => {
                warn!(
                    topic = self.topic,
                    %problem,
                    "the newest record of the topic is no checkpoint of this seal log: the newest checkpoint follows it"
                );
                before_newest
            }
        }
    }
}
