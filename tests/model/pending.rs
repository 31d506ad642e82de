//! What unresolved rejected and conflicting records keep open.

use super::complete::ALWAYS;
use super::event::Event;
use super::naive::{Kept, Model, Origin, Version};
use std::collections::BTreeMap;

impl Model {
    /// The time that a rejected record may concern on a platform, without lead and tail.
    pub(crate) fn time_of(&self, kept: &Kept, platform: &str) -> (i64, i64) {
        let promise = self.terms.promise(platform);
        // It may announce an order that lasts on.
        let announces = promise.opens_from.is_some() && kept.read.is_ended != Some(true);
        let longest = if announces { promise.max } else { 0 };
        let arrival = kept.sent.map_or(ALWAYS, |sent| (sent - promise.max - promise.delay, sent + longest));
        let told = match (kept.read.accepted, kept.read.ended) {
            // Unrounded, the end may lie before the start.
            (Some(accepted), Some(ended)) if ended <= accepted + 1 => {
                (accepted.min(ended) - promise.max, accepted.max(ended) + promise.max)
            }
            (Some(accepted), Some(ended)) => (accepted, ended),
            (Some(accepted), None) => (accepted, accepted + promise.max),
            (None, Some(ended)) => (ended - promise.max, ended),
            (None, None) => return arrival,
        };
        if kept.read.clock_wrong { (told.0.min(arrival.0), told.1.max(arrival.1)) } else { told }
    }

    /// The time that a conflicting record would add on its platform, without lead and tail.
    pub(crate) fn added_by(&self, kept: &Kept) -> Option<(i64, i64)> {
        let read = &kept.read;
        let (platform, accepted) = (read.platform.as_deref()?, read.accepted?);
        if read.is_void {
            return None;
        }
        if let Some(ended) = read.ended {
            return Some((accepted, ended));
        }
        let latest = accepted + self.terms.promise(platform).max;
        let ended = self.find_ended(platform, read.order_id.as_deref()?, read.leg?, accepted);
        match ended.map(|ended| (&ended.event, ended.event.ended.unwrap())) {
            Some((event, ended)) if ended >= accepted && Some(&event.rider) == read.rider.as_ref() => None,
            Some((_, ended)) if ended >= accepted => Some((accepted, ended.min(latest))),
            _ => Some((accepted, latest)),
        }
    }

    pub(crate) fn find_ended(
        &self,
        platform: &str,
        order_id: &str,
        leg: u8,
        accepted: i64,
    ) -> Option<&Version> {
        let orders = self.orders.iter().flatten().map(|version| &version.event);
        let mut same = orders.filter(|e| e.platform == platform && e.order_id == order_id && e.leg == leg);
        let like = same.find(|event| event.ended.is_some())?;
        let like = Event { accepted, previous: None, ..like.clone() };
        self.find(&like).and_then(|at| self.orders[at].last())
    }

    /// Unresolved records that keep answers about a platform open, by reason.
    pub(crate) fn pending(&self, platform: &str) -> BTreeMap<&'static str, u64> {
        let mut pending = BTreeMap::new();
        for kept in self.kept.iter().filter(|kept| !kept.resolved && self.counts_for(kept, platform)) {
            let reason = match (kept.reason, &kept.read.rider) {
                (None, _) => "conflicting_record",
                (Some(_), None) => "unreadable_record",
                (Some(_), Some(_)) => "rejected_record",
            };
            *pending.entry(reason).or_default() += 1;
        }
        pending
    }

    /// What unresolved records keep open for a rider on a platform, with the reason, lead and tail included.
    pub(crate) fn kept_open(&self, rider: &str, platform: &str) -> Vec<(&'static str, (i64, i64))> {
        self.kept_open_by(rider, platform).into_iter().map(|(reason, time, _)| (reason, time)).collect()
    }

    /// The same, each with the record.
    pub(crate) fn kept_open_by(&self, rider: &str, platform: &str) -> Vec<(&'static str, (i64, i64), &Kept)> {
        let mut open = Vec::new();
        for kept in self.kept.iter().filter(|kept| !kept.resolved && self.counts_for(kept, platform)) {
            let is_own = kept.read.rider.as_deref() == Some(rider);
            let (reason, time) = match (kept.reason, &kept.read.rider) {
                (None, _) if is_own => ("conflicting_record", self.added_by(kept)),
                (Some(_), None) => ("unreadable_record", Some(self.time_of(kept, platform))),
                (Some(_), _) if is_own => ("rejected_record", Some(self.time_of(kept, platform))),
                _ => continue,
            };
            let with_cover = |(from, until)| (from - self.widest.0, until + self.widest.1);
            open.extend(time.map(|time| (reason, with_cover(time), kept)));
        }
        open
    }

    pub(crate) fn counts_for(&self, kept: &Kept, platform: &str) -> bool {
        let known = |name: &String| self.terms.promises.iter().any(|promise| promise.name == name);
        match (&kept.read.platform, &kept.origin) {
            (Some(named), _) if known(named) => named == platform,
            (_, Origin::Kafka((topic, _), _)) => self.terms.promise(platform).topics.contains(topic),
            (_, Origin::File(..)) => true,
        }
    }

    /// The rejected records that keep answers about a rider from being final.
    pub(crate) fn rejected_of(&self, rider: &str) -> Vec<&Kept> {
        let names = |kept: &&Kept| kept.read.rider.as_deref() == Some(rider);
        self.kept.iter().filter(|kept| kept.reason.is_some() && !kept.resolved).filter(names).collect()
    }
}
