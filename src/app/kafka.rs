//! Getting from the ledger's positions to partitions that are read.

use super::prober::Prober;
use super::reader::Reader;
use super::status::Status;
use super::telling::Telling;
use super::threads::{Stop, Threads, Urgency};
use super::writer::Work;
use crate::config::{Config, KafkaSettings as Settings};
use crate::domain::view::LedgerView;
use crate::ingest::kafka::{
    Continuation, KafkaFault, KafkaHealth, KafkaProbe, KafkaSettings, LastApplied, PartitionSource, Resume,
    Start, StartAt, TopicPartition, check_continuation,
};
use crate::ledger::batch::{Batch, Source};
use crate::ledger::commit::Observations;
use crate::ledger::snapshot::Snapshot;
use crate::ledger::writer::{Ledger, Published};
use crate::pipeline::rules_for;
use crate::telemetry::clock::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::Duration;
use tracing::{info, warn};

/// How long Kafka may take to answer at the start, a try.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between tries.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Partitions that can be read on.
pub(super) struct Connected {
    source: PartitionSource,
    probe: KafkaProbe,
    topics: Vec<String>,
    observed: Observations,
}

/// What reader and prober share with the rest.
pub(super) struct Shared {
    pub(super) work: SyncSender<Work>,
    pub(super) to_fill: Receiver<Batch>,
    pub(super) published: Arc<Published>,
    pub(super) status: Arc<Status>,
    pub(super) stop: Stop,
}

/// Connects, waiting for the broker as long as it takes; `None` when the service was asked to stop meanwhile.
pub(super) fn connect(
    config: &Config,
    settings: &Settings,
    ledger: &Ledger,
    (clock, telling, stop): (&Clock, &Telling, &Stop),
) -> anyhow::Result<Option<Connected>> {
    let settings = KafkaSettings {
        brokers: settings.brokers.clone(),
        group_id: settings.group_id.clone(),
        options: settings.options.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())).collect(),
    };
    let topics: Vec<String> = config.platforms.topics().into_iter().map(str::to_owned).collect();
    if topics.is_empty() {
        warn!("[kafka] is configured, but no platform has topics: nothing is read");
        return Ok(None);
    }
    let state = ledger.published().current();
    let (_keep, pause) = channel::<()>();
    let mut told = false;
    while !stop.is_set() {
        match begin(&settings, &topics, &state, clock) {
            Ok(connected) => return Ok(Some(connected)),
            Err(fault) if fault.is_transient() => {
                telling.kafka_error();
                if !told {
                    warn!(%fault, "Kafka cannot be reached; trying again until it can, answers are given meanwhile");
                    told = true;
                }
                let _timeout = pause.recv_timeout(RETRY_EVERY);
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(None)
}

fn begin(
    settings: &KafkaSettings,
    topics: &[String],
    state: &Snapshot,
    clock: &Clock,
) -> Result<Connected, KafkaFault> {
    let health = KafkaHealth::new();
    let probe = KafkaProbe::new(settings, Arc::clone(&health))?;
    let requested_at = clock.now();
    let found = probe.discover(topics.iter().map(String::as_str), TIMEOUT)?;
    let positions = positions(state);
    let places: Vec<TopicPartition> = found.iter().flat_map(|topic| topic.places()).collect();
    let resumes: Vec<Resume> = positions
        .iter()
        .filter(|(place, _)| topics.contains(&place.topic))
        .map(|(place, &position)| Resume {
            place: place.clone(),
            position,
            last: last_applied(state, place, position),
        })
        .collect();
    for (resume, sure) in
        resumes.iter().zip(check_continuation(settings, &health, &probe, &resumes, TIMEOUT)?)
    {
        if sure == Continuation::LastRecordGone {
            let (topic, partition) = (&resume.place.topic, resume.place.partition);
            warn!(
                topic,
                partition,
                "the last applied record is gone from Kafka: that this is the same log cannot be checked"
            );
        }
    }
    let new: Vec<TopicPartition> =
        places.iter().filter(|place| !positions.contains_key(place)).cloned().collect();
    let mut observed = Observations::default();
    for range in probe.ranges(&new, TIMEOUT)? {
        observed.started.push((range.place.topic, range.place.partition, range.low));
    }
    let mut source = PartitionSource::new(settings, Arc::clone(&health))?;
    let starts: Vec<Start> = places
        .into_iter()
        .map(|place| {
            let at = positions.get(&place).map_or(StartAt::Beginning, |&position| StartAt::Offset(position));
            Start { place, at }
        })
        .collect();
    source.add(&starts)?;
    info!(partitions = starts.len(), "reading from Kafka");
    observed.metadata.push(crate::domain::completeness::MetadataObserved {
        requested_at,
        topics: found.into_iter().map(|topic| (topic.topic, topic.partitions)).collect(),
    });
    Ok(Connected { source, probe, topics: topics.to_vec(), observed })
}

/// The ledger's positions.
fn positions(state: &Snapshot) -> BTreeMap<TopicPartition, i64> {
    let topics = state.completeness().topics.iter();
    topics
        .flat_map(|(topic, facts)| {
            facts.partitions.iter().map(move |(&partition, facts)| {
                (TopicPartition::new(topic.as_str(), partition), facts.next_offset)
            })
        })
        .collect()
}

fn last_applied(state: &Snapshot, place: &TopicPartition, position: i64) -> Option<LastApplied> {
    let source = Source::Kafka { topic: place.topic.clone(), partition: place.partition };
    let facts = state.sources().get(&source).filter(|facts| facts.records > 0)?;
    // After a skip to a lower offset the last applied record belongs to a log that is gone.
    (facts.last_offset < position).then_some(LastApplied { offset: facts.last_offset, digest: facts.digest })
}

impl Connected {
    /// Starts reader and prober; the service pauses the prober by keeping what this returns.
    pub(super) fn start(
        self,
        config: &Config,
        threads: &mut Threads,
        shared: Shared,
        (clock, telling): (&Clock, &Telling),
    ) -> anyhow::Result<Sender<()>> {
        let Shared { work, to_fill, published, status, stop } = shared;
        let known: BTreeSet<TopicPartition> = self.source.places().into_iter().collect();
        known.iter().for_each(|place| status.note(place, None));
        work.send(Work::Observed(self.observed)).map_err(|_| anyhow::anyhow!("the writer is gone"))?;
        let line = published.current().root().retention_line;
        let rules =
            self.topics.iter().map(|topic| (topic.clone(), rules_for(config, Some(topic), line))).collect();
        let (added, to_add) = channel();
        let reader = Reader {
            source: self.source,
            added: to_add,
            work: work.clone(),
            emptied: to_fill,
            rules,
            zone: config.zone.clone(),
            batch_records: u32::try_from(config.ingest.batch_records).unwrap_or(u32::MAX),
            batch_bytes: config.ingest.batch_bytes,
            batch_interval: config.ingest.batch_interval,
            published,
            status: Arc::clone(&status),
            stop: stop.clone(),
        };
        threads.start("Kafka reader", Urgency::Ingest, move || reader.run())?;
        let (pauses, pause) = channel();
        let prober = Prober {
            probe: self.probe,
            topics: self.topics,
            known,
            work,
            added,
            clock: *clock,
            status,
            telling: telling.clone(),
            stop,
            pause,
        };
        threads.start("Kafka prober", Urgency::Answering, move || prober.run())?;
        Ok(pauses)
    }
}
