//! Why a time is complete on a platform, and what it still waits for.

use super::{By, CompleteRule, Final, Findings, PartitionRead, RecordLine, Since, TopicListed, WaitsFor};
use crate::coverage::resolve::Line;
use crate::domain::completeness::{HeldBy, PlatformFacts};
use crate::domain::finality::PlatformFinality;
use crate::domain::intake::RecordPlace;
use crate::domain::time::UtcMillis;
use crate::domain::view::{CompleteSince, LedgerView};
use crate::domain::window::Window;

/// What `complete_through` must be later than, so that nothing about some parts is incomplete; `None` without parts.
pub(super) fn complete_after(line: &PlatformFinality, parts: &[Window]) -> Option<(UtcMillis, CompleteRule)> {
    let (after, by_end) = parts.iter().map(|&part| line.complete_after(part)).max()?;
    Some((after, if by_end { CompleteRule::EndedOrders } else { CompleteRule::AnnouncedOrders }))
}

impl<V: LedgerView> Findings<'_, V> {
    /// Why the settled parts of a time are final; `None` without any.
    pub(super) fn is_final(
        &self,
        name: &str,
        line: &PlatformFinality,
        settled: Vec<Window>,
    ) -> Result<Option<Final>, V::Error> {
        let Some((after, complete_rule)) = complete_after(line, &settled) else {
            return Ok(None);
        };
        let since = self.formatter.view.complete_since(name, after)?;
        Ok(Some(Final {
            parts: self.spans(&settled),
            complete_after: self.time(after),
            complete_rule,
            since: since.map(|since| self.since(name, &since)).transpose()?,
        }))
    }

    fn since(&self, name: &str, since: &CompleteSince) -> Result<Since, V::Error> {
        let topics = since.promise.topics.iter().map(|topic| (topic, since.completeness.topics.get(topic)));
        let topics: Vec<_> = topics.collect();
        let read = topics.iter().flat_map(|(topic, facts)| {
            facts.iter().flat_map(|facts| &facts.partitions).map(|(&partition, read)| {
                let (next_offset, read_to) = (read.next_offset, read.read_to);
                (
                    read_to,
                    PartitionRead {
                        topic: (*topic).clone(),
                        partition,
                        next_offset,
                        read_to: self.optional(read_to),
                    },
                )
            })
        });
        let (mut partitions, mut least) = (0, None);
        for (read_to, read) in read {
            partitions += 1;
            if least.as_ref().is_none_or(|(known, _)| read_to < *known) {
                least = Some((read_to, read));
            }
        }
        let listed = topics.iter().map(|(topic, facts)| (facts.and_then(|facts| facts.listed_at), topic));
        let least_listed = listed.min_by_key(|(listed_at, _)| *listed_at);
        Ok(Since {
            commit: since.commit,
            recorded_at: self.time(since.recorded_at),
            complete_through: self.time(since.complete_through),
            by: self.by(name, since)?,
            partitions,
            least_read: least.map(|(_, read)| read),
            least_listed: least_listed.map(|(listed_at, topic)| TopicListed {
                topic: (*topic).clone(),
                listed_at: self.optional(listed_at),
            }),
        })
    }

    /// By whose word a platform was complete as of a commit.
    fn by(&self, name: &str, since: &CompleteSince) -> Result<By, V::Error> {
        let none = PlatformFacts::default();
        let facts = since.completeness.platforms.get(name).unwrap_or(&none);
        let record = |place: &Option<RecordPlace>| place.as_ref().map(|place| self.record(place)).transpose();
        Ok(if since.promise.topics.is_empty() {
            By::StatedCompleteness { through: self.optional(facts.stated_through) }
        } else if facts.sends_completeness() {
            let through = self.optional(facts.vouched_through);
            By::CompletenessRecord { through, record: record(&facts.vouched_by)? }
        } else {
            By::DeliveryDelay {
                newest_event: self.optional(facts.newest_event),
                record: record(&facts.newest_event_by)?,
                delivery_delay_ms: since.promise.delivery_delay_ms,
            }
        })
    }

    fn record(&self, place: &RecordPlace) -> Result<RecordLine, V::Error> {
        Ok(RecordLine {
            topic: place.topic.clone(),
            partition: place.partition,
            offset: place.offset,
            commit: place.commit,
            recorded_at: self.time(self.formatter.view.commit_instant(place.commit)?),
        })
    }

    /// What keeps `complete_through` of a platform from being later.
    pub(super) fn waits_for(&self, (name, line): &Line<'_>) -> WaitsFor {
        let view = self.formatter.view;
        let bound = view.completeness().bound(name, self.terms.platforms, view.as_of().recorded_at);
        let through = |at: Option<UtcMillis>| self.optional(at);
        // Each commit raises complete_through as far as its facts allow, unless its clock was not trusted.
        if bound.through > line.complete_through() && bound.held_by != HeldBy::Now {
            return WaitsFor::Paused;
        }
        let through = through(bound.through);
        match bound.held_by {
            HeldBy::Partition { topic, partition } => {
                let read_to = self.optional(view.completeness().read_to(&topic, partition));
                WaitsFor::Partition { topic, partition, read_to }
            }
            HeldBy::Listing { topic } => {
                let listed = view.completeness().topics.get(&topic).and_then(|facts| facts.listed_at);
                WaitsFor::Listing { topic, listed_at: self.optional(listed) }
            }
            HeldBy::Vouch => WaitsFor::CompletenessRecord { through },
            HeldBy::NewestEvent => WaitsFor::NewestEvent { newest_event: through },
            HeldBy::Statement => WaitsFor::Statement { through },
            HeldBy::Now => WaitsFor::Now,
        }
    }
}
