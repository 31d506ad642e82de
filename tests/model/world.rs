//! What happens in the world of one history: orders, and what the platforms send about them.

use super::bad::{bad, garbled};
use super::event::{self, DAY, Event, HOUR, MINUTE, Record};
use super::terms::{Terms, midnight};
use crate::testkit::random::Random;
use std::collections::BTreeMap;

/// Topics and their partitions.
pub(crate) const TOPICS: [(&str, i32); 2] = [("own", 2), ("shared", 3)];
pub(crate) const RIDERS: [&str; 5] = ["R1", "R2", "R3", "R4", "R5"];
const REGIONS: [&str; 5] = ["310115", "310200", "440106", "110105", "510104"];
const CATEGORIES: [&str; 3] = ["ride", "delivery", "freight"];
const OUTCOMES: [&str; 6] =
    ["completed", "completed", "completed", "cancelled", "interrupted", "transferred"];

/// Where histories begin: around changes of the clock and of the month.
pub(crate) const BEGINNINGS: [(&str, &str); 10] = [
    ("America/New_York", "2026-03-06T20:00:00Z"),
    ("America/New_York", "2026-10-30T12:00:00Z"),
    ("Europe/Berlin", "2026-03-27T08:00:00Z"),
    ("Europe/Berlin", "2026-10-23T20:00:00Z"),
    // A day there begins at one o'clock, and another has its last hour twice.
    ("America/Santiago", "2026-09-04T12:00:00Z"),
    ("America/Santiago", "2026-04-02T12:00:00Z"),
    // Half an hour.
    ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"),
    ("Asia/Kathmandu", "2026-02-27T00:00:00Z"),
    ("Asia/Shanghai", "2026-06-29T00:00:00Z"),
    ("Asia/Shanghai", "2026-12-30T10:00:00Z"),
];

/// A place in Kafka.
pub(crate) type Place = (&'static str, i32);

/// Everything that is sent.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What each partition holds in the end, in order.
    pub(crate) partitions: BTreeMap<Place, Vec<Record>>,
    /// Files, each with the instant from which it is there.
    pub(crate) files: Vec<(i64, Vec<Record>)>,
    /// When the last thing is sent.
    pub(crate) end: i64,
}

struct Maker<'a> {
    terms: &'a Terms,
    begin: i64,
    span: i64,
    random: &'a mut Random,
    /// Sent by each platform.
    sent: BTreeMap<&'static str, Vec<Record>>,
    ids: Vec<String>,
    /// How late the latest events of the history are.
    latest: i64,
}

impl World {
    pub(crate) fn new(terms: &Terms, begin: i64, span: i64, random: &mut Random) -> Self {
        let latest = if random.percent(30) { 60 * DAY } else { 3 * DAY };
        let mut maker = Maker { terms, begin, span, random, sent: BTreeMap::new(), ids: Vec::new(), latest };
        for number in 0..maker.random.between(8, 45) {
            maker.order(number);
        }
        maker.vouch();
        maker.finish()
    }
}

impl Maker<'_> {
    fn send(&mut self, platform: &'static str, record: Record) {
        self.sent.entry(platform).or_default().push(record);
    }

    fn start(&mut self) -> i64 {
        let any = self.begin + self.random.between(0, self.span);
        match self.random.below(6) {
            // Around midnight, to the millisecond.
            0 => midnight(self.terms.zone, self.terms.day(any)) + self.random.between(-2, 3),
            1 => midnight(self.terms.zone, self.terms.day(any)) - self.random.between(0, 3 * HOUR),
            2 => any / MINUTE * MINUTE,
            _ => any,
        }
    }

    fn order(&mut self, number: i64) {
        let platform = *self.random.pick(&["alpha", "beta", "filed", "gamma"]);
        // Some identifiers are used again; only of the others promises can be kept.
        let shared = self.random.percent(35);
        let again = shared && !self.ids.is_empty() && self.random.percent(50);
        let order_id = if again { self.random.pick(&self.ids).clone() } else { format!("o{number}") };
        if shared {
            self.ids.push(order_id.clone());
        }
        let accepted = self.start();
        let max = self.terms.promise(platform).max;
        let length = match self.random.below(8) {
            0 => 0,
            1 => max,
            2 => self.random.between(0, max),
            _ => self.random.between(MINUTE, HOUR),
        };
        let ended = Event {
            platform: platform.to_owned(),
            order_id,
            leg: if self.random.percent(10) { 1 } else { 0 },
            rider: (*self.random.pick(&RIDERS)).to_owned(),
            category: (*self.random.pick(&CATEGORIES)).to_owned(),
            region: (*self.random.pick(&REGIONS)).to_owned(),
            accepted,
            ended: Some(accepted + length),
            outcome: Some(*self.random.pick(&OUTCOMES)),
            revision: if self.random.percent(10) { 3 } else { 0 },
            fare: if self.random.percent(30) { Some(self.random.between(0, 5_000)) } else { None },
            previous: None,
        };
        self.tell(platform, &ended, !shared);
    }

    /// The events of an order: first ones, then everything that goes wrong.
    fn tell(&mut self, platform: &'static str, ended: &Event, is_new: bool) {
        let promise = self.terms.promise(platform).clone();
        let announced = promise.opens_from.is_some_and(|from| from <= ended.accepted);
        let mut told = Vec::new();
        let mut honest = is_new;
        let open_share = if announced { 90 } else { 20 };
        if self.random.percent(open_share) {
            let mut open = Event { ended: None, outcome: None, ..ended.clone() };
            if self.random.percent(8) {
                (open.rider, honest) = ((*self.random.pick(&RIDERS)).to_owned(), false);
            }
            let in_time = self.random.percent(93);
            honest &= in_time || !announced;
            let sent = self.first_sent(open.accepted, in_time, promise.delay);
            self.first(platform, &open, is_new && in_time, sent);
            if announced && self.random.percent(8) {
                // Handed on without a new revision: in conflict with the first.
                let next = Event { rider: (*self.random.pick(&RIDERS)).to_owned(), ..open.clone() };
                let sent = self.first_sent(open.accepted, true, promise.delay);
                let mut record = event::order(&next, false, sent, self.random);
                record.owed = Some(next.newest());
                self.send(platform, record);
                honest &= next.rider == ended.rider || open.rider == ended.rider;
            }
            told.push((open, sent));
        } else {
            honest &= !announced;
        }
        if self.random.percent(92) {
            let in_time = self.random.percent(88);
            let sent = self.first_sent(ended.ended.unwrap(), in_time, promise.delay);
            self.first(platform, ended, honest && in_time, sent);
            told.push((ended.clone(), sent));
        }
        for at in 0..told.len() {
            // What an announcement keeps open may not be taken away from it while its end is honest.
            if !(honest && announced && told[at].0.ended.is_none()) {
                self.mishaps(platform, at, &mut told);
            }
        }
    }

    /// The first event of an order and phase; now and then it cannot be read, and its mended form comes some time later.
    fn first(&mut self, platform: &'static str, event: &Event, honest: bool, sent: i64) {
        let mut record = event::order(event, honest, sent, self.random);
        // An announcement without a promise may come at any time: it excludes nothing.
        let opens_from = self.terms.promise(platform).opens_from;
        let is_promised = event.ended.is_some() || opens_from.is_some_and(|from| from <= event.accepted);
        if honest && is_promised && self.random.percent(12) {
            let mut first = garbled(event, self.random);
            (first.sent, first.owed) = (sent, Some(event.newest()));
            self.send(platform, first);
            (record.sent, record.owed) = (sent + 1 + self.later(), None);
        }
        self.send(platform, record);
    }

    fn first_sent(&mut self, about: i64, in_time: bool, delay: i64) -> i64 {
        let after = match in_time {
            true => self.random.between(0, delay),
            false if self.random.percent(25) => self.random.between(HOUR, self.latest),
            false => self.random.between(HOUR, 2 * DAY),
        };
        about + after
    }

    fn mishaps(&mut self, platform: &'static str, at: usize, told: &mut Vec<(Event, i64)>) {
        let max = self.terms.promise(platform).max;
        let (first, first_sent) = told[at].clone();
        let mut newest = first.clone();
        let mut sent = first_sent;
        while self.random.percent(30) {
            let more = self.amended(&newest, &first);
            newest = more;
            // Now and then before what it amends.
            let before = if self.random.percent(15) { -30 * HOUR } else { -HOUR };
            sent += self.random.between(before, 30 * HOUR);
            let record = event::order(&newest, false, sent, self.random);
            self.send(platform, record);
            told.push((newest.clone(), sent));
        }
        while self.random.percent(25) {
            let (again, before) = self.random.pick(told).clone();
            let record = event::order(&again, false, before + self.later(), self.random);
            self.send(platform, record);
        }
        if self.random.percent(8) {
            let mut other = newest.clone();
            self.change(&mut other, &first);
            let record = event::order(&other, false, sent + self.later(), self.random);
            self.send(platform, record);
        }
        while self.random.percent(15) {
            let (of, before) = self.random.pick(told).clone();
            let record = bad(&of, max, before + self.later() - HOUR, self.random);
            self.send(platform, record);
        }
    }

    fn later(&mut self) -> i64 {
        if self.random.percent(70) {
            self.random.between(0, 2 * HOUR)
        } else {
            self.random.between(0, self.latest)
        }
    }

    fn amended(&mut self, newest: &Event, first: &Event) -> Event {
        let mut next = newest.clone();
        next.revision += if self.random.percent(80) { 1 } else { 5 };
        next.previous = None;
        self.change(&mut next, first);
        next
    }

    /// Changes one field, or rider and day.
    fn change(&mut self, event: &mut Event, first: &Event) {
        let reach = i64::from(self.terms.identity_days);
        match self.random.below(11) {
            10 => {
                event.rider = (*self.random.pick(&RIDERS)).to_owned();
                shift(event, DAY * self.random.between(-reach, reach + 1));
            }
            0 | 1 => event.rider = (*self.random.pick(&RIDERS)).to_owned(),
            2 => event.region = (*self.random.pick(&REGIONS)).to_owned(),
            3 => event.category = (*self.random.pick(&CATEGORIES)).to_owned(),
            4 => event.fare = Some(self.random.between(0, 5_000)),
            5 => shift(event, self.random.between(-HOUR, HOUR)),
            6 => shift(event, DAY * self.random.between(-reach, reach + 1)),
            7 => {
                // Out of reach; only with the old place given.
                event.previous = Some(event.accepted);
                shift(event, DAY * (reach + 2 + self.random.between(0, 3)) * self.random.pick(&[-1, 1]));
            }
            8 if event.ended.is_some() => {
                let wanted = *self.random.pick(&["void", "cancelled", "interrupted", "transferred"]);
                event.outcome = Some(if event.revision == 0 { "cancelled" } else { wanted });
            }
            _ => {
                let longest = self.terms.promise("alpha").max;
                if event.ended.is_some() {
                    event.ended = Some(event.accepted + self.random.between(0, longest + 1));
                } else {
                    event.accepted = first.accepted + self.random.between(-MINUTE, MINUTE);
                }
            }
        }
    }

    /// Completeness records that tell the truth.
    fn vouch(&mut self) {
        let end = self.begin + self.span + 2 * DAY;
        for platform in ["alpha", "gamma"] {
            let unsent: Vec<(i64, i64)> = self
                .sent
                .get(platform)
                .into_iter()
                .flatten()
                .filter_map(|record| Some((record.sent, record.owed?)))
                .collect();
            for _ in 0..self.random.between(0, 14) {
                let at = self.random.between(self.begin, end);
                let waiting = unsent.iter().filter(|(sent, _)| *sent >= at).map(|(_, newest)| *newest);
                let through = waiting.min().unwrap_or(at).min(at) - self.random.between(0, 2) * MINUTE;
                let record = event::complete(platform, through, at, self.random);
                self.send(platform, record);
            }
        }
    }

    fn finish(self) -> World {
        let Self { terms, begin, random, sent, .. } = self;
        let mut world = World::default();
        for place in places() {
            world.partitions.insert(place, Vec::new());
        }
        for (platform, mut records) in sent {
            records.sort_by_key(|record| record.sent);
            world.end = world.end.max(records.iter().map(|record| record.sent).max().unwrap_or(0));
            let Some(&topic) = terms.promise(platform).topics.first() else {
                world.files = files(records, random);
                continue;
            };
            let partitions = TOPICS.iter().find(|(name, _)| *name == topic).unwrap().1;
            for record in records {
                let partition = i32::try_from(random.below(usize::try_from(partitions).unwrap())).unwrap();
                world.partitions.get_mut(&(topic, partition)).unwrap().push(record);
            }
        }
        for records in world.partitions.values_mut() {
            records.sort_by_key(|record| record.sent);
        }
        world.end = world.end.max(begin);
        world
    }
}

/// Every partition.
pub(crate) fn places() -> Vec<Place> {
    TOPICS.iter().flat_map(|&(topic, count)| (0..count).map(move |partition| (topic, partition))).collect()
}

fn shift(event: &mut Event, by: i64) {
    event.accepted += by;
    event.ended = event.ended.map(|ended| ended + by);
}

fn files(mut records: Vec<Record>, random: &mut Random) -> Vec<(i64, Vec<Record>)> {
    let mut files = Vec::new();
    while !records.is_empty() {
        let rest = records.split_off((1 + random.below(12)).min(records.len()));
        let there = records.iter().map(|record| record.sent).max().unwrap();
        files.push((there, std::mem::replace(&mut records, rest)));
    }
    files
}
