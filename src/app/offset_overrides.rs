//! An operator's decisions to continue past what cannot be read: checked against Kafka and the ledger, then recorded.

use super::ServeOptions;
use super::Skip;
use crate::domain::completeness::{PartitionSkipped, TopicIdentity};
use crate::domain::time::UtcMillis;
use crate::domain::view::LedgerView;
use crate::ingest::kafka::{Described, KafkaFault, OffsetRange, Standing, TopicPartition, TopicPartitions};
use crate::ledger::{Batch, CommitExtras, Ledger, Observations, Snapshot};
use anyhow::{anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{info, warn};

/// What Kafka says at the start about everything that is to be read.
pub(super) struct Survey {
    /// Just before the topics were asked for.
    pub(super) requested_at: UtcMillis,
    /// The configured topics.
    pub(super) found: Vec<TopicPartitions>,
    /// Which topics they are, and what is deleted of them.
    pub(super) described: BTreeMap<String, Described>,
    /// Position of each partition that the ledger read before, and whether it can be read on there.
    pub(super) standings: BTreeMap<TopicPartition, (i64, Standing)>,
    /// What Kafka holds of the partitions that decisions name, as far as they exist.
    pub(super) ranges: BTreeMap<TopicPartition, OffsetRange>,
}

impl Survey {
    /// Which topics the configured names mean.
    pub(super) fn identities(&self) -> impl Iterator<Item = (&String, &TopicIdentity)> {
        self.described.iter().map(|(topic, described)| (topic, &described.identity))
    }

    /// Which topic a name means.
    pub(super) fn identity(&self, topic: &str) -> TopicIdentity {
        self.described.get(topic).map(|described| described.identity.clone()).unwrap_or_default()
    }
}

/// What a decision comes to.
enum Verdict {
    /// Reading continues at the offset.
    To,
    /// The partition exists no more: reading continues without it.
    Without,
    /// It was made before, or reading is at that offset anyway.
    Nothing,
}

/// Records the decisions in a commit of their own.
///
/// # Errors
/// A decision that does not fit what Kafka holds, and every partition that cannot be read on without one.
pub(super) fn record(
    ledger: &mut Ledger,
    options: &ServeOptions,
    survey: &Survey,
    now: UtcMillis,
) -> anyhow::Result<()> {
    let state = ledger.published().current();
    let mut observed = Observations::default();
    let mut notes = Vec::new();
    let mut decided = BTreeSet::new();
    for skip in &options.skips {
        let place = skip.place();
        if !decided.insert(place.clone()) {
            bail!("--skip {place} is given twice: keep one");
        }
        let verdict = judge(skip, &options.reason, survey, &state)
            .map_err(|problem| problem.context(format!("Failed to apply --skip {place}:{}", skip.offset)))?;
        let note = note(&verdict, skip, &options.reason);
        match verdict {
            Verdict::To => observed.skips.push(PartitionSkipped {
                identity: survey.identity(&place.topic),
                topic: place.topic,
                partition: place.partition,
                offset: skip.offset,
                at: now,
            }),
            Verdict::Without => observed.dropped.push((place.topic, place.partition, now)),
            Verdict::Nothing => {
                info!(%place, "this --skip was made before, or is not needed: reading continues at its present offset");
            }
        }
        notes.extend(note);
    }
    if !notes.is_empty() {
        notes.iter().for_each(|note| {
            warn!(note, "continuing by an operator's decision: the offsets between are a gap")
        });
        ledger.observe(&observed);
        ledger.commit(&Batch::default(), &CommitExtras { notes, ..CommitExtras::default() }, now)?;
    }
    let mut faults: Vec<KafkaFault> = survey
        .standings
        .iter()
        .filter(|(place, _)| !decided.contains(*place))
        .filter_map(|(_, (_, standing))| standing.clone().err())
        .collect();
    match faults.pop() {
        None => Ok(()),
        Some(fault) if faults.is_empty() => Err(fault.into()),
        Some(fault) => {
            faults.push(fault);
            Err(KafkaFault::Several { faults }.into())
        }
    }
}

fn note(verdict: &Verdict, skip: &Skip, reason: &str) -> Option<String> {
    let place = skip.place();
    match verdict {
        Verdict::To => Some(format!("skipped to {place}:{}: {reason}", skip.offset)),
        Verdict::Without => Some(format!("went on without {place}: {reason}")),
        Verdict::Nothing => None,
    }
}

fn judge(skip: &Skip, reason: &str, survey: &Survey, state: &Snapshot) -> anyhow::Result<Verdict> {
    let place = skip.place();
    if survey.found.iter().all(|topic| topic.topic != place.topic) {
        bail!(
            "no platform of the configuration reads the topic {}; correct the topic, or name it under [platform.NAME] topics",
            place.topic
        );
    }
    let known = survey.standings.get(&place);
    let fault = known.and_then(|(_, standing)| standing.as_ref().err());
    // A decision that was left in a unit file must not open another gap at every start.
    let before = has_gap(state, &place);
    let made = before && fault.is_none() && known.is_none_or(|(position, _)| *position >= skip.offset);
    if made || (fault.is_none() && known.is_some_and(|(position, _)| *position == skip.offset)) {
        return Ok(Verdict::Nothing);
    }
    let verdict = match survey.ranges.get(&place) {
        None if known.is_none() => {
            bail!("Kafka has no such partition, and the ledger never read it; correct the number")
        }
        None => Verdict::Without,
        Some(range) => {
            let (low, end) = (range.low, range.end);
            range.check(skip.offset).map_err(|_| {
                anyhow!("Kafka holds {low} to {end} (exclusive) of it: choose an offset from {low} to {end}")
            })?;
            Verdict::To
        }
    };
    // Nor must it cover for what happens to the partition later.
    if let Some(fault) = fault.filter(|_| before)
        && let Some(note) = note(&verdict, skip, reason)
        && let Some(commit) = find(state, &note)?
    {
        bail!(
            "the same decision was made before, in commit {commit}, and the partition broke again since: {fault}; \
             look again, then decide with a reason of its own"
        );
    }
    Ok(verdict)
}

/// Whether an operator ever let the ledger go past something in this partition.
fn has_gap(state: &Snapshot, place: &TopicPartition) -> bool {
    let mut spans = state.completeness().platforms.values().flat_map(|facts| &facts.skips);
    spans.any(|span| span.topic == place.topic && span.partition == place.partition)
}

/// The commit with this note.
fn find(state: &Snapshot, note: &str) -> anyhow::Result<Option<u64>> {
    for number in (1..=state.root().commit).rev() {
        if state.commit(number)?.notes.iter().any(|known| known == note) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}
