//! Observations of Kafka on their way into [`Completeness`].

use super::Completeness;
use super::PartitionFacts;
use super::PlatformFacts;
use super::SkippedSpan;
use super::TopicIdentity;
use crate::domain::finality::CoverMargins;
use crate::domain::platform::{Platforms, Promise};
use crate::domain::time::UtcMillis;
use std::collections::{BTreeMap, VecDeque};

/// End observations that wait for their records, a partition: beyond it the newest one is replaced, so that under
/// a steady lag the oldest is still reached.
const ENDS_PENDING_MAX: usize = 32;

/// An end-offset request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndObserved {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The instant just before the request was sent.
    pub requested_at: UtcMillis,
    /// The offset that the next record of the partition will get.
    pub end_offset: i64,
}

/// A metadata request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataObserved {
    /// The instant just before the request was sent.
    pub requested_at: UtcMillis,
    /// The partitions of each topic that was asked for.
    pub topics: BTreeMap<String, Vec<i32>>,
}

/// A partition is read from an offset on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStarted {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Where reading starts: the first record that Kafka had.
    pub offset: i64,
    /// The instant just after Kafka named that offset.
    pub seen_at: UtcMillis,
    /// The topic.
    pub identity: TopicIdentity,
}

/// An operator lets the ledger continue at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSkipped {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Where reading continues.
    pub offset: i64,
    /// The instant of the decision.
    pub at: UtcMillis,
    /// The topic in which it continues.
    pub identity: TopicIdentity,
}

/// Records of one partition were applied, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionApplied<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset of the first of them.
    pub first_offset: i64,
    /// By when it had arrived.
    pub first_arrived: UtcMillis,
    /// One more than the offset of the last of them.
    pub next_offset: i64,
    /// The newest of their Kafka timestamps.
    pub newest_timestamp: Option<UtcMillis>,
}

/// [`Completeness`] in the making, with the observations that a restart may lose.
#[derive(Clone, Debug, Default)]
pub struct CompletenessTracker {
    state: Completeness,
    ends: BTreeMap<String, BTreeMap<i32, VecDeque<(UtcMillis, i64)>>>,
    is_paused: bool,
}

impl CompletenessTracker {
    /// Continues from what was committed.
    pub fn new(state: Completeness) -> Self {
        Self { state, ends: BTreeMap::new(), is_paused: false }
    }

    /// What is to be committed.
    pub fn state(&self) -> &Completeness {
        &self.state
    }

    /// For facts about platforms; partition facts go through the methods of the tracker.
    pub fn state_mut(&mut self) -> &mut Completeness {
        &mut self.state
    }

    /// While the clock cannot be trusted, [`Self::advance`] raises nothing; facts are taken in as ever.
    pub const fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// A partition is read from an offset on. Known ones keep their history.
    pub fn started(&mut self, started: &PartitionStarted) {
        let identity = started.identity.clone();
        self.begin((&started.topic, started.partition), started.offset, started.seen_at, identity);
    }

    fn begin(
        &mut self,
        (topic, partition): (&str, i32),
        offset: i64,
        seen_at: UtcMillis,
        identity: TopicIdentity,
    ) {
        let partitions = &mut self.state.topics.entry(topic.to_owned()).or_default().partitions;
        partitions.entry(partition).or_insert_with(|| PartitionFacts {
            first_offset: offset,
            seen_at,
            next_offset: offset,
            identity,
            ..PartitionFacts::default()
        });
    }

    /// The broker says which topic this is. A partition of which that is known already keeps what it knows.
    pub fn identified(&mut self, topic: &str, identity: &TopicIdentity) {
        let partitions = self.state.topics.get_mut(topic).map(|facts| facts.partitions.values_mut());
        partitions.into_iter().flatten().for_each(|facts| facts.identity.learn(identity));
    }

    /// Records were applied at `now`.
    pub fn applied(&mut self, applied: &PartitionApplied<'_>, now: UtcMillis) {
        let place = (applied.topic, applied.partition);
        self.begin(place, applied.first_offset, now, TopicIdentity::default());
        if let Some(facts) = self.partition_mut(applied.topic, applied.partition) {
            facts.first_arrived.get_or_insert(applied.first_arrived);
            facts.next_offset = facts.next_offset.max(applied.next_offset);
            facts.newest_timestamp = facts.newest_timestamp.max(applied.newest_timestamp);
        }
        self.close_gaps(place, applied.first_arrived);
        self.resolve_ends(applied.topic, applied.partition);
    }

    /// The consumer is at `offset` and every record below it is applied: what lay between is control records.
    pub fn tail_reached(&mut self, topic: &str, partition: i32, offset: i64) {
        if let Some(facts) = self.partition_mut(topic, partition) {
            facts.next_offset = facts.next_offset.max(offset);
            self.resolve_ends(topic, partition);
        }
    }

    /// An end-offset request was answered; it counts once every record below the end is applied.
    pub fn end_observed(&mut self, observed: &EndObserved) {
        let ends =
            self.ends.entry(observed.topic.clone()).or_default().entry(observed.partition).or_default();
        if ends.len() >= ENDS_PENDING_MAX {
            ends.pop_back();
        }
        ends.push_back((observed.requested_at, observed.end_offset));
        self.resolve_ends(&observed.topic, observed.partition);
    }

    /// A metadata request was answered; it counts for the topics all of whose partitions are being read.
    pub fn metadata_observed(&mut self, observed: &MetadataObserved) {
        for (topic, partitions) in &observed.topics {
            let Some(facts) = self.state.topics.get_mut(topic) else { continue };
            let all_read =
                !partitions.is_empty() && partitions.iter().all(|p| facts.partitions.contains_key(p));
            if all_read {
                facts.listed_at = facts.listed_at.max(Some(observed.requested_at));
            }
        }
    }

    /// What was skipped of a partition had arrived by `arrived`, or by the skip if that was later.
    fn close_gaps(&mut self, (topic, partition): (&str, i32), arrived: UtcMillis) {
        for span in self.state.platforms.values_mut().flat_map(|facts| &mut facts.skips) {
            if span.until.is_none() && span.topic == topic && span.partition == partition {
                span.until = Some(arrived.max(span.skipped_at));
            }
        }
    }

    /// An operator lets the ledger continue at an offset: what lay before is a gap of every platform of the topic.
    pub fn skipped(&mut self, skipped: &PartitionSkipped, platforms: &Platforms, reach: CoverMargins) {
        let place = (skipped.topic.as_str(), skipped.partition);
        self.begin(place, skipped.offset, skipped.at, skipped.identity.clone());
        if let Some(facts) = self.partition_mut(place.0, place.1) {
            // Of a topic that was made again the offset may be lower than the position in the old one.
            facts.next_offset = skipped.offset;
            if facts.identity.difference(&skipped.identity).is_some() {
                // The ends that were read to are those of the topic before.
                facts.read_to = None;
                facts.identity = skipped.identity.clone();
            }
            facts.identity.learn(&skipped.identity);
        }
        self.open_gap(place, skipped.at, None, platforms, reach);
    }

    /// A partition exists no more at `now`, and an operator lets the ledger continue without it: what it may still have
    /// held is a gap of every platform of the topic.
    pub fn dropped(
        &mut self,
        topic: &str,
        partition: i32,
        now: UtcMillis,
        platforms: &Platforms,
        reach: CoverMargins,
    ) {
        let Some(facts) =
            self.state.topics.get_mut(topic).and_then(|facts| facts.partitions.remove(&partition))
        else {
            return;
        };
        if let Some(ends) = self.ends.get_mut(topic) {
            ends.remove(&partition);
        }
        if let Some(until) = facts.lost_until() {
            // The gap before its first record went with the partition's facts.
            self.add_spans((topic, partition), now, platforms, |_, _| (UtcMillis::MIN, Some(until)));
        }
        // No record will come that closes what was skipped of it before.
        self.close_gaps((topic, partition), now);
        self.open_gap((topic, partition), now, Some(now), platforms, reach);
    }

    /// A gap from `complete_through` on, less what may lie open around it. A statement may lie in the future: what is skipped
    /// has arrived by now.
    fn open_gap(
        &mut self,
        place: (&str, i32),
        now: UtcMillis,
        until: Option<UtcMillis>,
        platforms: &Platforms,
        reach: CoverMargins,
    ) {
        self.add_spans(place, now, platforms, |facts, promise| {
            let back_ms = promise.max_order_duration_ms.saturating_add(reach.lead_ms);
            let from = facts.complete_through.map(|through| through.min(now).minus(back_ms));
            (from.unwrap_or(UtcMillis::MIN), until)
        });
    }

    fn add_spans(
        &mut self,
        (topic, partition): (&str, i32),
        skipped_at: UtcMillis,
        platforms: &Platforms,
        span: impl Fn(&PlatformFacts, &Promise) -> (UtcMillis, Option<UtcMillis>),
    ) {
        for name in self.state.platforms_known(platforms, Vec::new()) {
            let promise = platforms.get(&name);
            let facts = self.state.platform_mut(&name);
            if facts.topics.contains(topic) || promise.topics.iter().any(|t| t == topic) {
                let (from, until) = span(facts, promise);
                let topic = topic.to_owned();
                facts.skips.push(SkippedSpan { topic, partition, from, skipped_at, until });
            }
        }
    }

    /// See [`Completeness::advance`]. Call it last before a commit.
    pub fn advance(&mut self, platforms: &Platforms, now: UtcMillis) -> Vec<(String, UtcMillis)> {
        if self.is_paused { Vec::new() } else { self.state.advance(platforms, now) }
    }

    fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut PartitionFacts> {
        self.state.topics.get_mut(topic)?.partitions.get_mut(&partition)
    }

    fn resolve_ends(&mut self, topic: &str, partition: i32) {
        let Some(facts) =
            self.state.topics.get_mut(topic).and_then(|facts| facts.partitions.get_mut(&partition))
        else {
            return;
        };
        let Some(ends) = self.ends.get_mut(topic).and_then(|ends| ends.get_mut(&partition)) else { return };
        while let Some(&(requested_at, end_offset)) = ends.front() {
            if end_offset > facts.next_offset {
                break;
            }
            facts.read_to = facts.read_to.max(Some(requested_at));
            ends.pop_front();
        }
    }
}
