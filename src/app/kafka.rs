//! Getting from the ledger's positions to partitions that are read.

use super::ServeOptions;
use super::Skip;
use super::end_offset_poller::EndOffsetPoller;
use super::event_log::EventLog;
use super::offset_overrides::{self, Survey};
use super::reader::Reader;
use super::status::Status;
use super::threads::{Threads, Urgency};
use super::writer::Work;
use crate::config::{Config, KafkaSettings};
use crate::domain::completeness::{MetadataObserved, PartitionFacts, TopicIdentity};
use crate::domain::view::LedgerView;
use crate::ingest::kafka::{
    ClientSettings, EndsSeen, KafkaFault, KafkaHealth, KafkaProbe, LastApplied, OffsetRange, PartitionSource,
    Resume, Start, StartAt, TopicPartition, TopicPartitions, check_continuation,
};
use crate::ledger::{Batch, Ledger, Observations, Published, Snapshot, Source};
use crate::pipeline::rules_for;
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::time::Duration;
use tracing::{info, warn};

/// How long Kafka may take to answer at the start, a try.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first question of a try waits.
const REACH: Duration = Duration::from_secs(2);
/// Pause between tries.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Partitions that can be read on.
pub(super) struct Connected {
    source: PartitionSource,
    probe: KafkaProbe,
    topics: Vec<String>,
    identities: BTreeMap<String, TopicIdentity>,
    observed: Observations,
}

/// What reader and end_offset_poller share with the rest.
pub(super) struct Shared {
    pub(super) work: SyncSender<Work>,
    pub(super) to_fill: Receiver<Batch>,
    pub(super) published: Arc<Published>,
    pub(super) status: Arc<Status>,
    pub(super) stop: Stop,
}

/// What every question to Kafka at the start needs.
struct Link<'a> {
    settings: ClientSettings,
    topics: Vec<String>,
    health: Arc<KafkaHealth>,
    /// One for all tries: a slow connection can complete between them.
    probe: KafkaProbe,
    clock: &'a Clock,
}

/// Connects, waiting for the broker as long as it takes, and records what the operator decided; `None` when the
/// service was asked to stop meanwhile, or when there is nothing to read.
pub(super) fn connect(
    (config, settings, options): (&Config, &KafkaSettings, &ServeOptions),
    ledger: &mut Ledger,
    (clock, event_log, stop): (&Clock, &EventLog, &Stop),
) -> anyhow::Result<Option<Connected>> {
    let settings = ClientSettings {
        brokers: settings.brokers.clone(),
        group_id: settings.group_id.clone(),
        options: settings.options.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())).collect(),
    };
    let topics: Vec<String> = config.platforms.topics().into_iter().map(str::to_owned).collect();
    if topics.is_empty() {
        warn!("[kafka] is configured, but no platform has topics: nothing is read");
        return Ok(None);
    }
    let health = KafkaHealth::new();
    let probe = KafkaProbe::new(&settings, Arc::clone(&health))?;
    let link = Link { settings, topics, health, probe, clock };
    let state = ledger.published().current();
    let survey = with_retries((event_log, stop), || link.survey(&state, &options.skips))?;
    let Some(survey) = survey else { return Ok(None) };
    offset_overrides::record(ledger, options, &survey, clock.now())?;
    let state = ledger.published().current();
    let begun = with_retries((event_log, stop), || link.begin(&survey, &state))?;
    Ok(begun.map(|(source, observed)| Connected {
        source,
        probe: link.probe,
        topics: link.topics,
        identities: survey.identities().map(|(topic, identity)| (topic.clone(), identity.clone())).collect(),
        observed,
    }))
}

/// Asks until Kafka answers; `None` when the service was asked to stop meanwhile.
fn with_retries<T>(
    (event_log, stop): (&EventLog, &Stop),
    ask: impl Fn() -> Result<T, KafkaFault>,
) -> anyhow::Result<Option<T>> {
    let mut warned = false;
    while !stop.is_set() {
        match ask() {
            Ok(answer) => return Ok(Some(answer)),
            Err(fault) if fault.is_transient() => {
                event_log.kafka_error();
                if !warned {
                    warn!(%fault, "Failed to reach Kafka: the service tries again, and answers meanwhile");
                    warned = true;
                }
                stop.wait(RETRY_EVERY);
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(None)
}

impl Link<'_> {
    /// What there is, and whether what was read before can be read on.
    fn survey(&self, state: &Snapshot, skips: &[Skip]) -> Result<Survey, KafkaFault> {
        // Asked for first, with a short deadline: a broker that is away must not keep a stop waiting.
        self.probe.discover(self.topics.first().map(String::as_str), REACH)?;
        let requested_at = self.clock.now();
        let found = self.probe.discover(self.topics.iter().map(String::as_str), TIMEOUT)?;
        let described = self.probe.describe(&self.topics, TIMEOUT)?;
        let resumes: Vec<Resume> = partitions(state)
            .filter(|(place, _)| self.topics.contains(&place.topic))
            .map(|(place, facts)| Resume {
                last: last_applied(state, &place),
                position: facts.next_offset,
                identity: facts.identity.clone(),
                place,
            })
            .collect();
        let checked =
            check_continuation(&self.settings, &self.health, &self.probe, &resumes, &described, TIMEOUT)?;
        let named: Vec<TopicPartition> = found
            .iter()
            .flat_map(TopicPartitions::places)
            .filter(|place| skips.iter().any(|skip| skip.place() == *place))
            .collect();
        let ranges = self.probe.ranges(&named, TIMEOUT)?;
        let standings = resumes.into_iter().zip(checked);
        Ok(Survey {
            requested_at,
            found,
            described,
            standings: standings.map(|(r, standing)| (r.place, (r.position, standing))).collect(),
            ranges: ranges.into_iter().map(|range| (range.place.clone(), range)).collect(),
        })
    }

    /// Reads on from the ledger's offsets, and reads new partitions from the first record that Kafka has.
    fn begin(
        &self,
        survey: &Survey,
        state: &Snapshot,
    ) -> Result<(PartitionSource, Observations), KafkaFault> {
        let positions: BTreeMap<TopicPartition, i64> =
            partitions(state).map(|(place, facts)| (place, facts.next_offset)).collect();
        let (known, new): (Vec<_>, Vec<_>) = survey
            .found
            .iter()
            .flat_map(TopicPartitions::places)
            .partition(|place| positions.contains_key(place));
        let mut starts: Vec<Start> = Vec::new();
        for place in known {
            if let Some(&position) = positions.get(&place) {
                starts.push(Start { place, at: StartAt::Offset(position) });
            }
        }
        let mut observed = Observations::default();
        for OffsetRange { place, low, .. } in self.probe.ranges(&new, TIMEOUT)? {
            observed.started.push(place.started(low, self.clock.now(), survey.identity(&place.topic)));
            // Exactly there: what retention takes before it is read must not be stepped over.
            starts.push(Start { place, at: StartAt::Offset(low) });
        }
        let identities = survey.identities();
        observed.identified = identities.map(|(topic, identity)| (topic.clone(), identity.clone())).collect();
        observed.metadata.push(MetadataObserved {
            requested_at: survey.requested_at,
            topics: survey.found.iter().map(|t| (t.topic.clone(), t.partitions.clone())).collect(),
        });
        let mut source = PartitionSource::new(&self.settings, Arc::clone(&self.health))?;
        source.add(&starts)?;
        info!(partitions = starts.len(), "reading from Kafka");
        Ok((source, observed))
    }
}

/// What the ledger knows of the partitions that it reads.
fn partitions(state: &Snapshot) -> impl Iterator<Item = (TopicPartition, &PartitionFacts)> {
    state.completeness().topics.iter().flat_map(|(topic, facts)| {
        let partitions = facts.partitions.iter();
        partitions.map(move |(&partition, facts)| (TopicPartition::new(topic.as_str(), partition), facts))
    })
}

fn last_applied(state: &Snapshot, place: &TopicPartition) -> Option<LastApplied> {
    let source = Source::Kafka { topic: place.topic.clone(), partition: place.partition };
    let (offset, digest) = state.sources().get(&source)?.last()?;
    Some(LastApplied { offset, digest })
}

impl Connected {
    /// Starts reader and end_offset_poller.
    pub(super) fn start(
        self,
        config: &Config,
        threads: &mut Threads,
        shared: Shared,
        (clock, event_log): (&Clock, &EventLog),
    ) -> anyhow::Result<()> {
        let Shared { work, to_fill, published, status, stop } = shared;
        let known: BTreeSet<TopicPartition> = self.source.places().into_iter().collect();
        known.iter().for_each(|place| status.note(place, None));
        work.send(Work::Observed(self.observed)).map_err(|_| {
            anyhow::anyhow!("Failed to hand over to the writer: it ended; its own failure is in the log")
        })?;
        let line = published.current().root().retention_line;
        let rules =
            self.topics.iter().map(|topic| (topic.clone(), rules_for(config, Some(topic), line))).collect();
        let (added, to_add) = channel();
        let (batch_records, batch_bytes) = config.ingest.batch_limits();
        let reader = Reader {
            source: self.source,
            added: to_add,
            work: work.clone(),
            emptied: to_fill,
            rules,
            zone: config.zone.clone(),
            limits: config.limits.clone(),
            clock: *clock,
            batch_records,
            batch_bytes,
            batch_interval: config.ingest.batch_interval,
            published,
            status: Arc::clone(&status),
            stop: stop.clone(),
        };
        threads.start("Kafka reader", Urgency::Ingest, move || reader.run())?;
        let end_offset_poller = EndOffsetPoller {
            probe: self.probe,
            topics: self.topics,
            identities: self.identities,
            known,
            seen: EndsSeen::default(),
            work,
            added,
            clock: *clock,
            status,
            event_log: event_log.clone(),
            stop,
        };
        threads.start("Kafka end-offset poller", Urgency::Answering, move || end_offset_poller.run())?;
        Ok(())
    }
}
