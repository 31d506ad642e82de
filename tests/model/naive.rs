//! The naive ledger: every event in a list, every question a scan. Written from the contract alone.

use super::complete::Facts;
use super::event::{Body, Event, Read, Record};
use super::periods::{Closed, counts_of};
use super::terms::{Charge, Price, Terms};
use super::world::Place;
use std::collections::BTreeMap;

/// Where a record comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Kafka(Place, i64),
    /// A line of a file: file and line.
    File(usize, i64),
}

/// A version of an order.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) event: Event,
    pub(crate) price: Price,
    pub(crate) commit: u64,
    pub(crate) origin: Origin,
    pub(crate) superseded: Option<(u64, u64)>,
}

impl Version {
    /// The cover window of an ended order that is not void.
    pub(crate) fn window(&self) -> Option<(i64, i64)> {
        let ended = self.event.ended.filter(|_| !self.event.is_void())?;
        Some((self.event.accepted - self.price.lead, ended + self.price.tail))
    }
}

/// A kept record.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) origin: Origin,
    pub(crate) sent: Option<i64>,
    pub(crate) read: Read,
    /// `None` for a conflict.
    pub(crate) reason: Option<&'static str>,
    pub(crate) resolved: bool,
    /// Its mended form is still to come.
    pub(crate) owed: bool,
    /// An operator resolved it.
    pub(crate) given_up: bool,
    /// What was complete on its platforms before it came.
    pub(crate) settled_by: Option<i64>,
}

/// A line of the statement: platform, region, category, month; then charged, micros, completed, cancelled, interrupted,
/// transferred, unrated.
pub(crate) type Line = ((String, String, String, String), [i64; 7]);

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) terms: Terms,
    pub(crate) tariff: usize,
    /// The largest lead and tail that were ever in force.
    pub(crate) widest: (i64, i64),
    /// Orders of one phase each, as their versions in order.
    pub(crate) orders: Vec<Vec<Version>>,
    pub(crate) kept: Vec<Kept>,
    pub(crate) facts: Facts,
    /// Records and dispositions by source: a partition, or all files.
    pub(crate) sources: BTreeMap<Option<Place>, (u64, BTreeMap<String, u64>)>,
    /// Rider and window of every late event.
    pub(crate) late_cover: Vec<(String, i64, i64)>,
    /// Closed booking periods, in order.
    pub(crate) closed: Vec<Closed>,
}

impl Model {
    pub(crate) fn new(terms: Terms) -> Self {
        let widest = terms.tariffs[0].widest();
        Self {
            facts: Facts::new(&terms),
            terms,
            tariff: 0,
            widest,
            orders: Vec::new(),
            kept: Vec::new(),
            sources: BTreeMap::new(),
            late_cover: Vec::new(),
            closed: Vec::new(),
        }
    }

    pub(crate) fn current(&self) -> impl Iterator<Item = &Version> {
        self.orders.iter().filter_map(|versions| versions.last())
    }

    /// A configuration comes into force: what had no rate is priced.
    pub(crate) fn activate_configuration(&mut self, tariff: usize, now: i64) {
        self.tariff = tariff;
        let widest = self.terms.tariffs[tariff].widest();
        self.widest = (self.widest.0.max(widest.0), self.widest.1.max(widest.1));
        let rates = &self.terms.tariffs[tariff];
        for version in self.orders.iter_mut().filter_map(|versions| versions.last_mut()) {
            if version.price.charge == Charge::Unrated {
                let price =
                    rates.price(&version.event, super::terms::day(self.terms.zone, version.event.accepted));
                // What it covers was decided when it was booked.
                if matches!(price.charge, Charge::Charged(_)) {
                    version.price.charge = price.charge;
                }
            }
        }
        self.facts.advance(&self.terms, now);
    }

    /// Takes in one commit's records, in the order of effect; what became of each.
    pub(crate) fn commit(
        &mut self,
        records: &[(Origin, Record)],
        commit: u64,
        now: i64,
        stated: Option<i64>,
    ) -> Vec<String> {
        let before = self.clone();
        let mut dispositions = Vec::new();
        let mut control = Vec::new();
        for (origin, record) in records {
            let disposition = match &record.body {
                Body::Order(event, honest) => {
                    let disposition = self.apply(&before, origin, event, record.sent, *honest, commit);
                    self.facts.told(&event.platform, event, origin, record.sent);
                    disposition.to_owned()
                }
                Body::Bad(reason, read) => {
                    self.refuse(&before, origin, record.sent, (read, record.owed.is_some()), reason);
                    format!("rejected:{reason}")
                }
                Body::Complete(platform, through) => {
                    control.push((platform.clone(), *through));
                    "control".to_owned()
                }
            };
            let place = match origin {
                Origin::Kafka(place, _) => Some(*place),
                Origin::File(..) => None,
            };
            let source = self.sources.entry(place).or_default();
            source.0 += 1;
            let name = disposition.split(':').next().unwrap().to_owned();
            *source.1.entry(name).or_default() += 1;
            dispositions.push(disposition);
        }
        for (origin, record) in records {
            if let Origin::Kafka(place, offset) = origin {
                self.facts.applied(*place, *offset, record.sent);
            }
        }
        for (platform, through) in control {
            self.facts.vouched(&platform, through, now);
        }
        if let Some(through) = stated {
            self.facts.stated("filed", through);
        }
        self.facts.advance(&self.terms, now);
        dispositions
    }

    /// The order that an event of this identity and time speaks of: the one with a version nearest in days.
    pub(crate) fn find(&self, like: &Event) -> Option<usize> {
        let day = self.terms.day(like.accepted);
        let previous = like.previous.map(|at| self.terms.day(at));
        let mut best: Option<((i32, i32), usize)> = None;
        for (at, versions) in self.orders.iter().enumerate() {
            for version in versions.iter().filter(|version| version.event.same_identity(like)) {
                let there = self.terms.day(version.event.accepted);
                let distance = (there - day).abs();
                if distance <= self.terms.identity_days || previous == Some(there) {
                    let rank = (distance, there);
                    if best.is_none_or(|(known, _)| rank < known) {
                        best = Some((rank, at));
                    }
                }
            }
        }
        best.map(|(_, at)| at)
    }

    fn apply(
        &mut self,
        before: &Self,
        origin: &Origin,
        event: &Event,
        sent: i64,
        honest: bool,
        commit: u64,
    ) -> &'static str {
        let found = self.find(event);
        let current = found.and_then(|at| self.orders[at].last());
        let disposition = match current.map(|version| &version.event) {
            None => "accepted",
            Some(stored) if event.revision > stored.revision => "amended",
            Some(stored) if event.revision < stored.revision => "stale",
            Some(stored) if stored == event => "duplicate",
            Some(_) => "conflict",
        };
        if disposition == "conflict" && self.kept.iter().all(|kept| kept.origin != *origin) {
            let (reason, read) = (None, Read::all(event));
            let sent = matches!(origin, Origin::Kafka(..)).then_some(sent);
            let settled_by = before.settled_by(&read, origin);
            self.kept.push(Kept {
                origin: origin.clone(),
                sent,
                read,
                reason,
                resolved: false,
                owed: true,
                given_up: false,
                settled_by,
            });
        }
        if !matches!(disposition, "accepted" | "amended") {
            return disposition;
        }
        let price = self.terms.tariffs[self.tariff].price(event, self.terms.day(event.accepted));
        let origin = origin.clone();
        let version = Version { event: event.clone(), price, commit, origin, superseded: None };
        if before.is_late(self, &version, current) {
            assert!(!(honest && disposition == "accepted"), "a kept promise counts as broken: {event:?}");
            // What an operator gave up had arrived: its platform kept its promise, and the operator answers for the rest.
            if !before.was_given_up(event) {
                *self.facts.late.entry(event.platform.clone()).or_default() += 1;
            }
            let (from, until) = before.may_cover(&version);
            self.late_cover.push((event.rider.clone(), from, until));
        }
        match found {
            None => self.orders.push(vec![version]),
            Some(at) => {
                self.orders[at].last_mut().unwrap().superseded = Some((event.revision, commit));
                self.orders[at].push(version);
            }
        }
        self.resolve(event);
        disposition
    }

    fn refuse(
        &mut self,
        before: &Self,
        origin: &Origin,
        sent: i64,
        (read, owed): (&Read, bool),
        reason: &'static str,
    ) {
        if self.kept.iter().any(|kept| kept.origin == *origin) {
            return;
        }
        let sent = matches!(origin, Origin::Kafka(..)).then_some(sent);
        let mut versions = self.orders.iter().flatten();
        let resolved = versions.any(|version| self.resolves(&version.event, (read, false), false));
        let settled_by = before.settled_by(read, origin);
        let origin = origin.clone();
        self.kept.push(Kept {
            origin,
            sent,
            read: read.clone(),
            reason: Some(reason),
            resolved,
            owed,
            given_up: false,
            settled_by,
        });
    }

    fn resolve(&mut self, event: &Event) {
        let resolved = self.kept.iter().map(|kept| {
            let is_conflict = kept.reason.is_none();
            self.resolves(event, (&kept.read, is_conflict), true)
        });
        let resolved: Vec<bool> = resolved.collect();
        for (kept, resolved) in self.kept.iter_mut().zip(resolved) {
            kept.resolved |= resolved;
        }
    }

    /// Whether a booked event resolves a record that came before it, or after.
    fn resolves(&self, event: &Event, (read, is_conflict): (&Read, bool), is_after: bool) -> bool {
        let times = [read.accepted, read.ended].into_iter().flatten();
        let times: Vec<i64> = times.filter(|_| !read.clock_wrong).collect();
        let day = |at: i64| self.terms.day(at);
        let is_near = |at: &i64| (day(*at) - day(event.accepted)).abs() <= self.terms.identity_days;
        // What was stored is looked for around the start, where there is one.
        let is_near = if is_after { times.iter().any(is_near) } else { times.first().is_some_and(is_near) };
        let same = read.platform.as_ref() == Some(&event.platform)
            && read.order_id.as_ref() == Some(&event.order_id)
            && read.leg == Some(event.leg)
            && read.is_ended == Some(event.ended.is_some());
        if !same || !(is_near || times.is_empty() && is_after) {
            return false;
        }
        let is_other = read.rider.as_ref().is_some_and(|rider| *rider != event.rider);
        let Some(revision) = read.revision else { return is_after && !is_other };
        let until = event.ended.unwrap_or(event.accepted);
        let includes = times.iter().all(|at| event.accepted <= *at && *at <= until);
        if event.revision > revision {
            return is_after || !is_conflict;
        }
        event.revision == revision
            && !is_conflict
            && !is_other
            && (is_after || read.rider.is_some() && includes)
    }

    /// Unresolved records in which no rider can be read, and whose mended form is not still to come.
    pub(crate) fn resolvable(&self) -> Vec<Origin> {
        let garbage = |kept: &&Kept| kept.reason.is_some() && kept.read.rider.is_none() && !kept.owed;
        let unresolved = self.kept.iter().filter(|kept| !kept.resolved);
        unresolved.filter(garbage).map(|kept| kept.origin.clone()).collect()
    }

    /// An operator resolves these, but for what an event of the same commit resolves.
    pub(crate) fn resolve_by_operator(&mut self, origins: &[Origin]) {
        for kept in self.kept.iter_mut().filter(|kept| !kept.resolved && origins.contains(&kept.origin)) {
            (kept.resolved, kept.given_up) = (true, true);
        }
    }

    fn was_given_up(&self, event: &Event) -> bool {
        let mut given_up = self.kept.iter().filter(|kept| kept.given_up).map(|kept| &kept.read);
        given_up.any(|read| {
            read.platform.as_ref() == Some(&event.platform)
                && read.order_id.as_ref() == Some(&event.order_id)
                && read.leg == Some(event.leg)
                && read.is_ended == Some(event.ended.is_some())
        })
    }

    /// The statement of all months.
    pub(crate) fn statement(&self) -> Vec<Line> {
        let mut lines: BTreeMap<(String, String, String, String), [i64; 7]> = BTreeMap::new();
        for version in self.current().filter(|version| version.event.ended.is_some()) {
            let event = &version.event;
            let at = jiff::Timestamp::from_millisecond(event.accepted).unwrap();
            let month = at.in_tz(self.terms.zone).unwrap().strftime("%Y-%m").to_string();
            let key = (event.platform.clone(), event.region.clone(), event.category.clone(), month);
            let line = lines.entry(key).or_default();
            line.iter_mut().zip(counts_of(version)).for_each(|(sum, count)| *sum += count);
        }
        lines.into_iter().filter(|(_, counts)| *counts != [0; 7]).collect()
    }
}
