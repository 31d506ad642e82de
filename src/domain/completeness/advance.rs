//! The rule by which `complete_through` advances.

use super::Completeness;
use super::PlatformFacts;
use crate::domain::platform::{Platforms, Promise};
use crate::domain::time::UtcMillis;

/// Which fact keeps `complete_through` from being later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// A partition that was not read to a later end.
    Partition {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// No later metadata request showed a topic without an unread partition.
    Listing {
        /// Topic.
        topic: String,
    },
    /// The platform's completeness records vouch for no more (or are not confirmed yet).
    Vouch,
    /// The platform sends no completeness records and no later event: silence is not completeness.
    NewestEvent,
    /// A platform without topics: no later instant was stated.
    Statement,
    /// The present.
    Now,
}

/// How far `complete_through` may rise by the facts of this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `None`: nothing is complete yet.
    pub through: Option<UtcMillis>,
    /// Why not further.
    pub held_by: HeldBy,
}

impl Bound {
    fn or_smaller(&mut self, through: Option<UtcMillis>, held_by: impl FnOnce() -> HeldBy) {
        if through < self.through {
            *self = Self { through, held_by: held_by() };
        }
    }
}

impl Completeness {
    /// Recomputes `complete_through` of every platform. It never goes back. Returns those that rose, with the new
    /// instant.
    pub fn advance(&mut self, platforms: &Platforms, now: UtcMillis) -> Vec<(String, UtcMillis)> {
        let mut risen = Vec::new();
        for name in self.platforms_known(platforms, Vec::new()) {
            let promise = platforms.get(&name);
            self.confirm_vouches(&name, promise);
            let through = self.bound_of(&name, promise, now).through;
            let facts = self.platform_mut(&name);
            if let Some(instant) = through
                && through > facts.complete_through
            {
                facts.complete_through = through;
                risen.push((name, instant));
            }
        }
        risen
    }

    /// How far `complete_through` of a platform may rise now, and why not further.
    pub fn bound(&self, platform: &str, platforms: &Platforms, now: UtcMillis) -> Bound {
        self.bound_of(platform, platforms.get(platform), now)
    }

    fn bound_of(&self, platform: &str, promise: &Promise, now: UtcMillis) -> Bound {
        let none = PlatformFacts::default();
        let facts = self.platforms.get(platform).unwrap_or(&none);
        if promise.topics.is_empty() {
            // A statement may lie in the future: it is the operator's word, not an observation.
            return Bound { through: facts.stated_through, held_by: HeldBy::Statement };
        }
        let mut bound = self.read_bound(promise, now);
        if facts.sends_completeness() {
            bound.or_smaller(facts.vouched_through, || HeldBy::Vouch);
        } else {
            bound.through = bound.through.map(|through| through.minus(promise.delivery_delay_ms));
            bound.or_smaller(facts.newest_event, || HeldBy::NewestEvent);
        }
        bound
    }

    /// Everything that Kafka had acknowledged before this instant in any partition of the platform's topics is applied.
    fn read_bound(&self, promise: &Promise, now: UtcMillis) -> Bound {
        let mut bound = Bound { through: Some(now), held_by: HeldBy::Now };
        for topic in &promise.topics {
            let facts = self.topics.get(topic);
            let listed_at = facts.and_then(|facts| facts.listed_at);
            bound.or_smaller(listed_at, || HeldBy::Listing { topic: topic.clone() });
            for (&partition, read) in facts.iter().flat_map(|facts| &facts.partitions) {
                bound.or_smaller(read.read_to, || HeldBy::Partition { topic: topic.clone(), partition });
            }
        }
        bound
    }

    /// Completeness records count once every partition was read to an end that was requested after they were applied,
    /// and no partition was unread then: what they vouch for was acknowledged before they were sent, anywhere.
    fn confirm_vouches(&mut self, platform: &str, promise: &Promise) {
        // `now` only caps observations, and these were all made before it.
        let read_to = self.read_bound(promise, UtcMillis::MAX).through;
        let Some(facts) = self.platforms.get_mut(platform) else { return };
        if promise.topics.is_empty() {
            return;
        }
        // Strictly later: within one millisecond the request may have been the first.
        let confirmed = facts.vouches_pending.iter().filter(|vouch| Some(vouch.applied_at) < read_to);
        if let Some(best) = confirmed.max_by_key(|vouch| vouch.through)
            && facts.vouched_through < Some(best.through)
        {
            (facts.vouched_through, facts.vouched_by) = (Some(best.through), best.record.clone());
        }
        facts.vouches_pending.retain(|vouch| Some(vouch.applied_at) >= read_to);
    }
}
