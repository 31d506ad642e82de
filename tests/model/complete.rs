//! Completeness as the contract defines it, and what it leaves unsettled.

use super::event::{Event, Read};
use super::naive::{Model, Origin, Version};
use super::terms::Terms;
use super::world::{Place, places};
use std::collections::BTreeMap;

/// All time that a history may speak of, far from the bounds of the type.
pub(crate) const ALWAYS: (i64, i64) = (i64::MIN / 4, i64::MAX / 4);

#[derive(Clone, Debug, Default)]
struct Partition {
    first_offset: i64,
    /// When its start was first seen.
    seen: i64,
    first_sent: Option<i64>,
    next: i64,
    read_to: Option<i64>,
    /// End-offset requests whose records are not all applied: instant and end.
    ends: Vec<(i64, i64)>,
}

impl Partition {
    /// What lay before its start had arrived by then.
    fn lost_until(&self) -> i64 {
        self.first_sent.map_or(self.seen, |sent| sent.min(self.seen))
    }
}

#[derive(Clone, Debug, Default)]
struct Platform {
    through: Option<i64>,
    vouched: Option<i64>,
    pending: Vec<(i64, i64)>,
    newest: Option<i64>,
    stated: Option<i64>,
}

/// What is known, committed or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    partitions: BTreeMap<Place, Partition>,
    listed: BTreeMap<&'static str, i64>,
    platforms: BTreeMap<String, Platform>,
    pub(crate) late: BTreeMap<String, u64>,
}

impl Facts {
    pub(crate) fn new(terms: &Terms) -> Self {
        let mut facts = Self::default();
        for promise in &terms.promises {
            facts.platforms.insert(promise.name.to_owned(), Platform::default());
        }
        for place in places() {
            facts.partitions.insert(place, Partition::default());
        }
        facts
    }

    pub(crate) fn through(&self, platform: &str) -> Option<i64> {
        self.platforms[platform].through
    }

    /// Reading begins at this offset.
    pub(crate) fn started(&mut self, place: Place, offset: i64, seen: i64) {
        let partition = self.partitions.get_mut(&place).unwrap();
        (partition.first_offset, partition.next, partition.seen) = (offset, offset, seen);
    }

    pub(crate) fn listed(&mut self, requested: i64) {
        for promise_topic in ["own", "shared"] {
            self.listed.insert(promise_topic, requested);
        }
    }

    pub(crate) fn end(&mut self, place: Place, requested: i64, end: i64) {
        let partition = self.partitions.get_mut(&place).unwrap();
        partition.ends.push((requested, end));
        partition.pass();
    }

    pub(crate) fn applied(&mut self, place: Place, offset: i64, sent: i64) {
        let partition = self.partitions.get_mut(&place).unwrap();
        partition.first_sent.get_or_insert(sent);
        partition.next = offset + 1;
        partition.pass();
    }

    /// What a restart loses: requests whose records were not all applied.
    pub(crate) fn restarted(&mut self) {
        self.partitions.values_mut().for_each(|partition| partition.ends.clear());
    }

    pub(crate) fn told(&mut self, platform: &str, event: &Event, origin: &Origin, sent: i64) {
        let instants = [Some(event.accepted), event.ended];
        let newest = instants.into_iter().flatten().filter(|&at| at <= sent).max();
        if matches!(origin, Origin::Kafka(..)) {
            let facts = self.platforms.get_mut(platform).unwrap();
            facts.newest = facts.newest.max(newest);
        }
    }

    pub(crate) fn vouched(&mut self, platform: &str, through: i64, applied: i64) {
        let facts = self.platforms.get_mut(platform).unwrap();
        let through = through.min(applied);
        if facts.pending.iter().map(|(known, _)| *known).chain(facts.vouched).all(|known| known < through) {
            // Of those that are not confirmed, the oldest and the newest are kept.
            facts.pending.truncate(1);
            facts.pending.push((through, applied));
        }
    }

    pub(crate) fn stated(&mut self, platform: &str, through: i64) {
        let facts = self.platforms.get_mut(platform).unwrap();
        facts.stated = facts.stated.max(Some(through));
    }

    /// Everything that Kafka had acknowledged before this instant is applied.
    fn read_to(&self, topics: &[&'static str]) -> Option<i64> {
        let listed = topics.iter().map(|topic| self.listed.get(topic).copied());
        let read = self.partitions.iter().filter(|((topic, _), _)| topics.contains(topic));
        listed.chain(read.map(|(_, partition)| partition.read_to)).min().flatten()
    }

    pub(crate) fn advance(&mut self, terms: &Terms, now: i64) {
        for promise in &terms.promises {
            let read_to = self.read_to(&promise.topics);
            let facts = self.platforms.get_mut(promise.name).unwrap();
            if promise.topics.is_empty() {
                facts.through = facts.through.max(facts.stated);
                continue;
            }
            let (confirmed, pending) =
                facts.pending.iter().copied().partition(|(_, applied)| Some(*applied) < read_to);
            facts.pending = pending;
            let confirmed: Vec<(i64, i64)> = confirmed;
            facts.vouched = facts.vouched.max(confirmed.iter().map(|(through, _)| *through).max());
            let through = if facts.vouched.is_some() || !facts.pending.is_empty() {
                facts.vouched.min(read_to)
            } else {
                facts.newest.min(read_to.map(|at| at.min(now) - promise.delay))
            };
            facts.through = facts.through.max(through);
        }
    }
}

impl Partition {
    fn pass(&mut self) {
        let next = self.next;
        let passed = self.ends.iter().filter(|(_, end)| *end <= next).map(|(requested, _)| *requested);
        self.read_to = self.read_to.max(passed.max());
        self.ends.retain(|(_, end)| *end > next);
    }
}

/// Open orders that nothing superseded, with the end that another rider's event told.
pub(crate) struct Open<'a> {
    pub(crate) version: &'a Version,
    pub(crate) elsewhere: Option<i64>,
}

impl Model {
    /// Why an instant is not settled on a platform, for any client.
    fn unsettled(&self, platform: &str, at: i64) -> Option<&'static str> {
        let promise = self.terms.promise(platform);
        let (_, tail) = self.widest;
        let start = promise.records_from + if promise.complete_start { 0 } else { promise.max + tail };
        if at < start {
            return Some("before_records");
        }
        let parts = self.facts.partitions.iter().filter(|((topic, _), _)| promise.topics.contains(topic));
        for (_, partition) in parts.filter(|(_, partition)| partition.first_offset != 0) {
            if at < partition.lost_until() + promise.max + tail {
                return Some("gap");
            }
        }
        self.is_incomplete(platform, at, self.facts.through(platform)).then_some("incomplete")
    }

    /// Whether events about an instant may still come after this was complete.
    fn is_incomplete(&self, platform: &str, at: i64, through: Option<i64>) -> bool {
        let promise = self.terms.promise(platform);
        let (lead, tail) = self.widest;
        let announced = promise.opens_from.is_some_and(|from| at >= from + promise.max + tail);
        let after = if announced { lead } else { lead + promise.max };
        through.is_none_or(|through| through <= at + after)
    }

    /// What is complete on the platforms that a record may concern, the latest.
    pub(crate) fn settled_by(&self, read: &Read, origin: &Origin) -> Option<i64> {
        let promises = self.terms.promises.iter().filter(|promise| match (&read.platform, origin) {
            (Some(named), _) if self.terms.promises.iter().any(|promise| promise.name == named) => {
                promise.name == named
            }
            (_, Origin::Kafka((topic, _), _)) => promise.topics.contains(topic),
            (_, Origin::File(..)) => true,
        });
        promises.filter_map(|promise| self.facts.through(promise.name)).max()
    }

    /// Instants at which [`Self::unsettled`] may change.
    fn changes(&self, platform: &str) -> Vec<i64> {
        let promise = self.terms.promise(platform);
        let (lead, tail) = self.widest;
        let mut at = vec![promise.records_from, promise.records_from + promise.max + tail];
        let lost = self.facts.partitions.values().map(Partition::lost_until);
        at.extend(lost.map(|until| until + promise.max + tail));
        at.extend(promise.opens_from.map(|from| from + promise.max + tail));
        at.extend(self.facts.through(platform).map(|through| through - lead - promise.max));
        at
    }

    /// What a version covers, or for an open order may cover.
    pub(crate) fn may_cover(&self, version: &Version) -> (i64, i64) {
        let event = &version.event;
        let max = self.terms.promise(&event.platform).max;
        match event.ended {
            None => (event.accepted - self.widest.0, event.accepted + max + self.widest.1),
            Some(_) => version.window().unwrap_or((event.accepted, event.accepted)),
        }
    }

    /// Whether an event adds cover that was already excluded when it came. `self` is the state as committed, `now` the
    /// one just before the event.
    pub(crate) fn is_late(&self, now: &Self, version: &Version, current: Option<&Version>) -> bool {
        let event = &version.event;
        let Some(through) = self.facts.through(&event.platform) else { return false };
        let (from, until) = self.may_cover(version);
        let mut other = event.clone();
        (other.ended, other.previous) = (event.ended.is_none().then_some(event.accepted), None);
        let other = now.find(&other).and_then(|at| now.orders[at].last());
        let other = other.filter(|other| other.event.rider == event.rider);
        if event.ended.is_none() && other.is_some() {
            return false;
        }
        let known = current.filter(|current| current.event.rider == event.rider).map(|v| self.may_cover(v));
        let inside =
            |of: Option<(i64, i64)>, at: i64| of.is_some_and(|(from, until)| from <= at && at < until);
        // An open order whose end was known held nothing.
        let open = other.filter(|other| other.event.ended.is_none() && known.is_none());
        let open = open.map(|open| self.may_cover(open));
        // What was settled when a record came, that record did not keep open.
        let kept_open = self.kept_open_by(&event.rider, &event.platform);
        let is_kept_open = |at: i64| {
            kept_open.iter().any(|(_, window, kept)| {
                inside(Some(*window), at) && self.is_incomplete(&event.platform, at, kept.settled_by)
            })
        };
        let mut instants = self.changes(&event.platform);
        instants.extend(kept_open.iter().flat_map(|(_, (from, until), _)| [*from, *until]));
        let max = self.terms.promise(&event.platform).max;
        let settled_by = kept_open.iter().filter_map(|(.., kept)| kept.settled_by);
        instants.extend(settled_by.flat_map(|at| [at - self.widest.0, at - self.widest.0 - max]));
        instants.extend([from, from.max(event.accepted)]);
        instants.extend(known.into_iter().chain(open).flat_map(|(from, until)| [from, until]));
        let added = |at: &i64| from <= *at && *at < until && !inside(known, *at) && !is_kept_open(*at);
        let mut added = instants.into_iter().filter(added).peekable();
        if added.peek().is_none() {
            return false;
        }
        // An end before that is overdue, open event or not, unless a version of it came in time.
        let last = (event.newest() - 1).max(event.accepted);
        (event.newest() < through && !is_kept_open(last))
            || added.any(|at| !inside(open, at) && self.unsettled(&event.platform, at).is_none())
    }

    /// The rider's open orders whose end is not known.
    pub(crate) fn open_orders(&self, rider: &str) -> Vec<Open<'_>> {
        let mut open = Vec::new();
        for version in self.current().filter(|v| v.event.ended.is_none() && v.event.rider == rider) {
            let like = Event { ended: Some(version.event.accepted), previous: None, ..version.event.clone() };
            let ended = self.find(&like).and_then(|at| self.orders[at].last());
            if ended.is_none_or(|ended| ended.event.rider != rider) {
                open.push(Open { version, elsewhere: ended.and_then(|ended| ended.event.ended) });
            }
        }
        open
    }

    /// The first reason why an instant is not settled for a rider on a platform.
    pub(crate) fn reason(&self, rider: &str, platform: &str, at: i64) -> Option<&'static str> {
        if let Some(reason) = self.unsettled(platform, at) {
            return Some(reason);
        }
        let max = self.terms.promise(platform).max;
        for open in self.open_orders(rider).iter().filter(|open| open.version.event.platform == platform) {
            let from = open.version.event.accepted - self.widest.0;
            let latest = open.version.event.accepted + max + self.widest.1;
            let elsewhere = open.elsewhere.filter(|ended| *ended >= open.version.event.accepted);
            let until = elsewhere.map_or(latest, |ended| latest.min(ended + self.widest.1));
            if from <= at && at < until {
                return Some("order_open");
            }
        }
        let kept_open = self.kept_open(rider, platform);
        ["rejected_record", "unreadable_record", "conflicting_record"].into_iter().find(|reason| {
            kept_open.iter().any(|(of, (from, until))| of == reason && *from <= at && at < *until)
        })
    }

    /// Whether an open order covers an instant for certain: its end would have arrived.
    pub(crate) fn open_covers(&self, open: &Open<'_>, at: i64) -> bool {
        let event = &open.version.event;
        let max = self.terms.promise(&event.platform).max;
        let may_have_ended = self.rejected_of(&event.rider).iter().any(|kept| {
            let read = &kept.read;
            read.is_ended != Some(false)
                && read.platform.as_ref().is_none_or(|platform| *platform == event.platform)
                && read.order_id.as_ref() == Some(&event.order_id)
                && read.leg.is_none_or(|leg| leg == event.leg)
        });
        let may_have_ended = may_have_ended
            || self.kept.iter().any(|kept| {
                let (from, until) = self.time_of(kept, &event.platform);
                kept.reason.is_some()
                    && kept.read.rider.is_none()
                    && !kept.resolved
                    && self.counts_for(kept, &event.platform)
                    && from <= event.accepted + max
                    && event.accepted < until
            });
        let Some(through) = self.facts.through(&event.platform) else { return false };
        open.elsewhere.is_none()
            && !may_have_ended
            && event.accepted - open.version.price.lead <= at
            && at < through
            && through <= event.accepted + max
            && self.unsettled(&event.platform, at) != Some("gap")
    }
}
