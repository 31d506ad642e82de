//! Runs one history through the program and through the model, and compares.

use super::answers::LoggedAnswers;
use super::check;
use super::crash::{Held, with_retries};
use super::event::{DAY, HOUR, MINUTE, Record};
use super::follow::Beside;
use super::known_at::Given;
use super::naive::{Model, Origin};
use super::shown::Shown;
use super::terms::Terms;
use super::world::{BEGINNINGS, Place, World, places};
use crate::testkit::engine::Engine;
use crate::testkit::random::Random;
use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::completeness::{EndObserved, MetadataObserved, PartitionStarted, TopicIdentity};
use coverledger::domain::time::UtcMillis;
use coverledger::ledger::manifest::finality_history::FinalityFacts;
use coverledger::ledger::verify::verify;
use coverledger::ledger::{Arrival, Batch, LineHashes, Source};
use coverledger::ledger::{Compacted, Ledger, LedgerOptions, Observations};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// Records in the order of arrival, and where each partition was left.
type Read = (Vec<(Origin, Record)>, BTreeMap<Place, (i64, usize)>);

#[derive(Debug)]
struct FileLines(usize);

impl LineHashes for FileLines {
    fn content_hash(&self, line: u64) -> [u8; 16] {
        let mut hash = [7; 16];
        hash[0] = u8::try_from(self.0).unwrap();
        hash[8..].copy_from_slice(&line.to_be_bytes());
        hash
    }
}

/// The program and the model side by side.
pub(crate) struct Drive {
    pub(crate) model: Model,
    pub(crate) config: Config,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) random: Random,
    pub(crate) shown: Shown,
    /// Questions that were answered `not_covered`: rider, instant, commit.
    pub(crate) final_answers: Vec<(&'static str, i64, u64)>,
    pub(crate) committed: Model,
    pub(crate) now: i64,
    /// What a compaction wrote and no commit installed yet.
    pub(crate) compacted: Vec<Compacted>,
    /// What decided finality, as each commit was published with it.
    pub(crate) facts_then: BTreeMap<u64, FinalityFacts>,
    /// Answers that were given, by the commit that they were given as of.
    pub(crate) given: BTreeMap<u64, Vec<Given>>,
    /// Answers that were logged, of a history that logs some.
    pub(crate) answers: Option<LoggedAnswers>,
    /// States that readers keep.
    pub(crate) held: Vec<Held>,
    pub(crate) storage: Storage,
    /// Of a bucket: another process that follows.
    pub(crate) beside: Option<Beside>,
    /// Of a storage in a directory.
    _dir: Option<TempDir>,
    pub(crate) world: World,
    switch: i64,
    /// The offset of each partition's first record, and how many of its records are committed.
    pub(crate) positions: BTreeMap<Place, (i64, usize)>,
    files_in: usize,
}

impl Drive {
    pub(crate) fn new(seed: u64, engine: Engine) -> Self {
        let mut random = Random::new(seed);
        let (zone, begin) = *random.pick(&BEGINNINGS);
        let begin = begin.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let span = random.between(DAY, 4 * DAY);
        let switch = begin + random.between(0, span + 2 * DAY);
        let terms = Terms::new(begin, switch, zone, &mut random);
        let world = World::new(&terms, begin, span, &mut random);
        let (storage, beside, dir) = engine.fresh_for_two();
        let beside = beside.map(|storage| Beside::new(storage, seed));
        let config = config(&terms, 0);
        let model = Model::new(terms);
        let first = |random: &mut Random| if random.percent(4) { random.between(1, 50) } else { 0 };
        let positions = places().into_iter().map(|place| (place, (first(&mut random), 0))).collect();
        let mut drive = Self {
            committed: model.clone(),
            model,
            config,
            ledger: None,
            random,
            shown: Shown::default(),
            final_answers: Vec::new(),
            compacted: Vec::new(),
            facts_then: BTreeMap::new(),
            given: BTreeMap::new(),
            answers: LoggedAnswers::of(seed),
            held: Vec::new(),
            storage,
            beside,
            _dir: dir,
            world,
            now: begin,
            switch,
            positions,
            files_in: 0,
        };
        drive.open();
        for (place, (offset, _)) in drive.positions.clone() {
            drive.model.facts.started(place, offset, switch);
        }
        drive.committed = drive.model.clone();
        drive
    }

    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    /// The process ends: everything that holds the store is dropped.
    pub(crate) fn close(&mut self) {
        self.close_answers();
        (self.compacted, self.ledger) = (Vec::new(), None);
        self.held.clear();
    }

    pub(crate) fn open(&mut self) {
        let mut setup = LedgerOptions::new(&self.config);
        setup.storage = self.storage.clone();
        setup.cache_bytes = 4 << 20;
        // How much memory filters and indexes have changes nothing: none, some, enough.
        let plenty = self.now.rem_euclid(3);
        setup.index_bytes = if plenty == 0 { 0 } else { 20_000 << (10 * (plenty - 1)) };
        setup.filter_bytes = if plenty == 0 { 0 } else { 150_000 << (10 * (plenty - 1)) };
        let ledger =
            with_retries(|| Ledger::open(setup.clone()).map_err(|error| format!("{error}: {error:?}")));
        self.begin(ledger);
    }

    /// Continues with an opened ledger.
    fn begin(&mut self, mut ledger: Ledger) {
        ledger.activate_configuration(UtcMillis::new(self.now)).unwrap();
        let started = self.positions.iter().map(|(place, (first, done))| PartitionStarted {
            topic: place.0.to_owned(),
            partition: place.1,
            offset: first + i64::try_from(*done).unwrap(),
            seen_at: UtcMillis::new(self.switch),
            identity: TopicIdentity::default(),
        });
        ledger.observe(&Observations { started: started.collect(), ..Observations::default() });
        self.ledger = Some(ledger);
        self.open_answers();
    }

    /// The process ends: what was not committed is gone; another configuration may come into force.
    pub(crate) fn reopen(&mut self) {
        self.shown.count("reopened", 1);
        let next_run = self.ledger().published().current().root().next_run;
        let tariff = usize::from(self.now >= self.switch);
        let taken_over = self.taken_over(tariff);
        self.close();
        let crashed = self.random.percent(30) && taken_over.is_none();
        if crashed {
            self.leave_orphans(next_run);
        }
        self.model = self.committed.clone();
        self.model.facts.restarted();
        if tariff != self.model.tariff {
            self.shown.count("configurations changed", 1);
        }
        self.config = config(&self.model.terms, tariff);
        match taken_over {
            Some(ledger) => self.begin(ledger),
            None => self.open(),
        }
        if crashed {
            self.no_orphans(next_run);
        }
        self.model.activate_configuration(tariff, self.now);
        self.committed = self.model.clone();
        self.shown.note(self.model.terms.text(tariff));
        self.note_state();
    }

    /// The whole history.
    pub(crate) fn run(mut self) -> Shown {
        let steps = self.random.between(5, 22);
        let until = self.world.end + HOUR;
        for step in 0..steps {
            let left = steps - step;
            self.now += self.random.between(0, 2 * (until - self.now).max(MINUTE) / left);
            // Cover that changes must be in force before anything it begins at can be settled.
            let is_due = self.model.tariff == 0 && self.now >= self.switch + DAY;
            if is_due || self.random.percent(15) {
                self.reopen();
            }
            self.step(70);
            self.follow();
            if self.random.percent(40) {
                self.compact();
            }
            if self.random.percent(20) {
                self.close_period();
            }
            if self.random.percent(30) {
                self.check_held_states();
            }
            if self.random.percent(30) {
                check::everything(&mut self);
            } else {
                check::answers(&mut self, 12);
            }
            self.follow();
        }
        self.now = self.now.max(until);
        for _ in 0..3 {
            // Confirmations need a request that was sent after what they confirm.
            self.now += MINUTE;
            self.step(100);
        }
        assert!(self.positions.iter().all(|(place, (_, done))| *done == self.world.partitions[place].len()));
        check::everything(&mut self);
        self.check_held_states();
        self.compact();
        self.reopen();
        check::everything(&mut self);
        self.facts_are_rebuilt();
        self.answers_are_given_again();
        self.sealed_days_are_answered();
        let verified = verify(self.ledger(), &mut |_, _| {});
        assert!(verified.holds(), "{:#?}", verified.problems);
        self.shown
    }

    /// Looks at Kafka, reads some of it, perhaps a file, and commits.
    fn step(&mut self, thorough: usize) {
        let requested = self.now;
        self.now += self.random.between(1, 500);
        let before = self.random.percent(50);
        if before {
            self.observe(requested, thorough);
        }
        let (mut records, mut positions) = self.read(thorough);
        let stated = self.read_file(thorough, &mut records);
        if self.random.percent(10) && thorough < 100 {
            // Decoded, not committed.
            let batch = self.batch(&records);
            self.shown.count("lost before the commit", u64::from(batch.records()));
            self.reopen();
            return;
        }
        std::mem::swap(&mut self.positions, &mut positions);
        self.commit(records, stated);
        if !before {
            self.observe(requested, thorough);
        }
    }

    fn observe(&mut self, requested: i64, thorough: usize) {
        let mut observed = Observations::default();
        let requested_at = UtcMillis::new(requested);
        for (place, records) in &self.world.partitions {
            if !self.random.percent(thorough) {
                continue;
            }
            let there = records.iter().filter(|record| record.sent <= requested).count();
            let end_offset = self.positions[place].0 + i64::try_from(there).unwrap();
            self.model.facts.end(*place, requested, end_offset);
            let (topic, partition) = (place.0.to_owned(), place.1);
            observed.ends.push(EndObserved { topic, partition, requested_at, end_offset });
        }
        if self.random.percent(thorough) {
            self.model.facts.listed(requested);
            let topics = super::world::TOPICS.map(|(topic, count)| (topic.to_owned(), (0..count).collect()));
            observed.metadata.push(MetadataObserved { requested_at, topics: topics.into() });
        }
        self.shown.note(format!("{observed:?}"));
        self.ledger().observe(&observed);
    }

    /// Some of the records that are there, interleaved as Kafka likes.
    fn read(&mut self, thorough: usize) -> Read {
        let mut positions = self.positions.clone();
        let mut queues: Vec<Vec<(Origin, Record)>> = Vec::new();
        for (place, (first, done)) in &mut positions {
            let records = &self.world.partitions[place];
            let there = records.iter().filter(|record| record.sent <= self.now).count();
            let wanted = match self.random.percent(thorough) {
                true => there,
                false => *done + self.random.below(there - *done + 1),
            };
            let queue = (*done..wanted).map(|at| {
                let offset = *first + i64::try_from(at).unwrap();
                (Origin::Kafka(*place, offset), records[at].clone())
            });
            queues.push(queue.rev().collect());
            *done = wanted;
        }
        let mut records = Vec::new();
        loop {
            queues.retain(|queue| !queue.is_empty());
            if queues.is_empty() {
                return (records, positions);
            }
            let at = self.random.below(queues.len());
            for _ in 0..=self.random.below(3) {
                records.extend(queues[at].pop());
            }
        }
    }

    /// Now and then the next file, or one again; what is stated with it.
    fn read_file(&mut self, thorough: usize, records: &mut Vec<(Origin, Record)>) -> Option<i64> {
        let there = self.world.files.iter().filter(|(from, _)| *from <= self.now).count();
        let is_next = self.files_in < there && (thorough == 100 || self.random.percent(60));
        let file = match is_next {
            true => self.files_in,
            false if self.files_in > 0 && self.random.percent(15) => self.random.below(self.files_in),
            false => return None,
        };
        let lines = self.world.files[file].1.iter().zip(1..);
        records.extend(lines.map(|(record, line)| (Origin::File(file, line), record.clone())));
        self.random.percent(60).then(|| self.now - self.random.between(0, 8 * HOUR))
    }

    pub(crate) fn batch(&mut self, records: &[(Origin, Record)]) -> Batch {
        let mut batch = Batch::default();
        let line = self.ledger().retention_line();
        let mut file = None;
        for (origin, record) in records {
            let (source, offset, timestamp) = match origin {
                Origin::Kafka((topic, partition), offset) => {
                    let source = Source::Kafka { topic: (*topic).to_owned(), partition: *partition };
                    (source, *offset, Timestamp::Broker(UtcMillis::new(record.sent)))
                }
                Origin::File(number, line) => {
                    if file.replace(*number) != Some(*number) {
                        batch.begin_lines(Arc::new(FileLines(*number)));
                    }
                    (Source::Files, *line, Timestamp::Missing)
                }
            };
            let topic = match &source {
                Source::Kafka { topic, .. } => Some(topic.as_str()),
                _ => None,
            };
            let rules = rules_for(&self.config, topic, line);
            let key: Option<&[u8]> = self.random.percent(50).then_some(b"key");
            let source = batch.source(&source);
            let payload = record.raw.as_bytes();
            let arrival = Arrival { source, offset, timestamp, payload, key, headers: &[] };
            receive(&mut batch, &arrival, &rules, &self.config.zone);
        }
        batch
    }
}

fn config(terms: &Terms, tariff: usize) -> Config {
    let text = terms.text(tariff);
    Config::from_text(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}
