//! The end_offset_poller thread: asks Kafka, on connections of its own, where partitions end and which there are.

use super::event_log::EventLog;
use super::status::Status;
use super::writer::Work;
use crate::domain::completeness::{Difference, EndObserved, MetadataObserved, TopicIdentity};
use crate::ingest::kafka::{EndsSeen, KafkaFault, KafkaProbe, OffsetRange, Start, StartAt, TopicPartition};
use crate::ledger::Observations;
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::{Duration, Instant};

/// How often ends are asked for: lag and completeness are that fresh.
const ENDS_EVERY: Duration = Duration::from_millis(500);
/// How often partitions are asked for.
const PARTITIONS_EVERY: Duration = Duration::from_secs(5);
/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The end_offset_poller's belongings.
pub struct EndOffsetPoller {
    /// Kafka.
    pub probe: KafkaProbe,
    /// Every configured topic.
    pub topics: Vec<String>,
    /// Which topics these names meant when reading began.
    pub identities: BTreeMap<String, TopicIdentity>,
    /// Partitions that are read already.
    pub known: BTreeSet<TopicPartition>,
    /// The ends that Kafka named so far.
    pub seen: EndsSeen,
    /// Where observations go.
    pub work: SyncSender<Work>,
    /// Where new partitions go.
    pub added: Sender<Vec<Start>>,
    /// The present.
    pub clock: Clock,
    /// Shared with the query side.
    pub status: Arc<Status>,
    /// Metrics and log.
    pub event_log: EventLog,
    /// Asks to finish.
    pub stop: Stop,
}

impl EndOffsetPoller {
    /// Asks until it is asked to stop. An unreachable broker only means that nothing becomes complete.
    pub fn run(mut self) -> anyhow::Result<()> {
        let mut listed: Option<Instant> = None;
        while !self.stop.is_set() {
            let due = listed.is_none_or(|at| at.elapsed() >= PARTITIONS_EVERY);
            if due && self.answered(Self::list)? {
                listed = Some(Instant::now());
            }
            if !self.stop.is_set() {
                self.answered(Self::ends)?;
            }
            self.stop.wait(ENDS_EVERY);
        }
        Ok(())
    }

    /// Asks one question; `false` when Kafka is away.
    fn answered(
        &mut self,
        ask: impl Fn(&mut Self) -> Result<Observations, KafkaFault>,
    ) -> anyhow::Result<bool> {
        match ask(self) {
            Ok(mut observed) => {
                if let Some(ahead_ms) = self.clock.jump() {
                    // Partitions are read all the same, but a clock that jumped cannot say as of when.
                    self.event_log.clock_jumped(ahead_ms);
                    observed.ends.clear();
                    observed.metadata.clear();
                }
                self.work.send(Work::Observed(observed)).map_err(|_| {
                    anyhow::anyhow!(
                        "Failed to hand over to the writer: it ended; its own failure is in the log"
                    )
                })?;
                Ok(true)
            }
            Err(fault) if fault.is_transient() => {
                self.event_log.kafka_error();
                Ok(false)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn list(&mut self) -> Result<Observations, KafkaFault> {
        let requested_at = self.clock.now();
        let topics = self.probe.discover(self.topics.iter().map(String::as_str), TIMEOUT)?;
        let mut observed = Observations::default();
        let new: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|topic| topic.places())
            .filter(|place| !self.known.contains(place))
            .collect();
        let mut new_places = Vec::new();
        let ranges = self.probe.ranges(&new, TIMEOUT)?;
        let seen_at = self.clock.now();
        self.probe.cleanups(&self.topics, TIMEOUT)?;
        observed.identified = self.compare_topics()?;
        for OffsetRange { place, low, .. } in ranges {
            let identity = self.identities.get(&place.topic).cloned().unwrap_or_default();
            observed.started.push(place.started(low, seen_at, identity));
            // Exactly there: what retention takes before it is read must not be stepped over.
            new_places.push(Start { place, at: StartAt::Offset(low) });
        }
        self.known.extend(new);
        if !new_places.is_empty() {
            // When the reader is gone, the service is ending.
            let _ending = self.added.send(new_places);
        }
        observed.metadata.push(MetadataObserved {
            requested_at,
            topics: topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect(),
        });
        Ok(observed)
    }

    /// The names must mean the topics that are read; what was not known of these before is returned.
    fn compare_topics(&mut self) -> Result<Vec<(String, TopicIdentity)>, KafkaFault> {
        let mut learned = Vec::new();
        for (topic, now) in self.probe.identities(&self.topics, TIMEOUT)? {
            let known = self.identities.entry(topic.clone()).or_default();
            let (what, before, now_id) = match known.difference(&now) {
                None => {
                    let before = known.clone();
                    known.learn(&now);
                    if *known != before {
                        learned.push((topic, now));
                    }
                    continue;
                }
                Some(Difference::Topic) => ("id", &known.topic, now.topic),
                Some(Difference::Cluster) => ("cluster", &known.cluster, now.cluster),
            };
            let (before, now) = (before.clone().unwrap_or_default(), now_id.unwrap_or_default());
            return Err(KafkaFault::Replaced { topic, what, before, now });
        }
        Ok(learned)
    }

    fn ends(&mut self) -> Result<Observations, KafkaFault> {
        let places: Vec<TopicPartition> = self.known.iter().cloned().collect();
        let report = self.probe.ends(&places, || self.clock.now(), TIMEOUT)?;
        // Asked after the ends: they are those of the topics that are read, or nothing of them counts.
        let mut observed = Observations { identified: self.compare_topics()?, ..Observations::default() };
        for (place, end_offset) in report.ends {
            self.seen.note(&place, end_offset)?;
            self.status.note(&place, Some(end_offset));
            observed.ends.push(EndObserved {
                topic: place.topic,
                partition: place.partition,
                requested_at: report.requested_at,
                end_offset,
            });
        }
        Ok(observed)
    }
}
