//! Which logged questions are asked again after a commit, and what changed their verdicts: each cause by itself. Random histories
//! are in `tests/model/answers.rs`.

#![cfg(test)]

use coverledger::access::Principal;
use coverledger::answers::{
    AnswerLog, Asked, Content, CoverageAsked, Digest, Draft, Event, Filter, LogTerms, OpenOrder,
    PrincipalLine,
};
use coverledger::app::answer_watch::AnswerWatch;
use coverledger::config::Config;
use coverledger::coverage::Terms;
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::resolve;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::time::{MINUTE_MS, UtcMillis};
use coverledger::domain::view::LedgerView;
use coverledger::ledger::{
    Arrival, Batch, CommitExtras, Ledger, LedgerOptions, LineHashes, Snapshot, Source,
};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tempfile::TempDir;

/// 2025-07-10T00:00:00+08:00
const DAY: i64 = 1_752_076_800_000;
/// 2025-07-20T00:00:00+08:00
const NOW: i64 = 1_752_940_800_000;

const CONFIG: &str = "[platform_defaults]\nrecords_from = 2025-07-01\ncomplete_start = true\nmax_order_duration = \"2h\"\n\
                      [[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.25\"\n";
/// More lines of `[platform_defaults]`: orders are announced when they are accepted.
const ANNOUNCED: &str = "streams_open_orders_from = 2025-07-01\n";

fn announced() -> String {
    CONFIG.replacen("[[rate]]", &format!("{ANNOUNCED}[[rate]]"), 1)
}

/// An instant of the day.
fn at(hour: i64, minute: i64) -> i64 {
    DAY + (hour * 60 + minute) * MINUTE_MS
}

/// A time of July as events have it.
fn time(day: i64, hour: i64, minute: i64) -> String {
    format!("2025-07-{day:02}T{hour:02}:{minute:02}:00+08:00")
}

/// An order of a rider; open where it has no end.
fn order(order_id: &str, rider: &str, from: &str, to: Option<&str>) -> String {
    let ended = to.map(|to| format!(r#","ended_at":"{to}""#)).unwrap_or_default();
    format!(
        r#"{{"platform":"meituan","order_id":"{order_id}","rider_id":"{rider}","category":"instant_delivery","region":"310115","accepted_at":"{from}"{ended}}}"#
    )
}

#[derive(Debug)]
struct FileLines(u8);

impl LineHashes for FileLines {
    fn content_hash(&self, line: u64) -> [u8; 16] {
        let mut hash = [self.0; 16];
        hash[8..].copy_from_slice(&line.to_be_bytes());
        hash
    }
}

/// A ledger and the log of the answers from it.
struct Bench {
    config: Config,
    storage: Storage,
    ledger: Option<Ledger>,
    answers: Option<(AnswerLog, AnswerWatch, Vec<JoinHandle<()>>)>,
    dir: TempDir,
    commits: i64,
}

impl Bench {
    /// With an order of another rider in the morning, and records that are complete through an hour.
    fn new(config: &str, hour: i64, minute: i64) -> Self {
        let mut bench = Self {
            config: Config::from_text(config).unwrap(),
            storage: Storage::memory(),
            ledger: None,
            answers: None,
            dir: TempDir::new().unwrap(),
            commits: 0,
        };
        bench.open();
        let first = order("first", "X", &time(10, 8, 0), Some(&time(10, 8, 30)));
        bench.commit(&[first], Some(at(hour, minute)));
        bench
    }

    fn open(&mut self) {
        let mut options = LedgerOptions::new(&self.config);
        options.storage = self.storage.clone();
        let mut ledger = Ledger::open(options).unwrap();
        ledger.activate_configuration(self.now()).unwrap();
        self.ledger = Some(ledger);
        let terms = LogTerms { name: "main".to_owned(), retention_ms: None };
        let (log, worker, preparer) = AnswerLog::open(self.dir.path(), terms).unwrap();
        let start = |work: Box<dyn FnOnce() + Send>| Builder::new().spawn(work).unwrap();
        let threads = vec![start(Box::new(|| worker.run())), start(Box::new(|| preparer.run()))];
        let watch = AnswerWatch::new(log.clone(), self.config.platforms.clone(), self.config.zone.clone());
        self.answers = Some((log, watch, threads));
    }

    fn reopen(&mut self, config: &str) {
        let (log, mut watch, threads) = self.answers.take().unwrap();
        watch.finish().unwrap();
        drop((log, watch, self.ledger.take()));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.config = Config::from_text(config).unwrap();
        self.open();
    }

    fn now(&mut self) -> UtcMillis {
        self.commits += 1;
        UtcMillis::new(NOW + self.commits)
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    fn state(&mut self) -> Arc<Snapshot> {
        self.ledger().published().current()
    }

    fn commit(&mut self, records: &[String], through: Option<i64>) -> u64 {
        let stated = through.map(|through| (None, UtcMillis::new(through)));
        self.commit_with(
            records,
            CommitExtras { stated: stated.into_iter().collect(), ..CommitExtras::default() },
        )
    }

    fn commit_with(&mut self, records: &[String], extras: CommitExtras) -> u64 {
        let (now, line, mut batch) = (self.now(), self.ledger().retention_line(), Batch::default());
        batch.begin_lines(Arc::new(FileLines(u8::try_from(self.commits).unwrap())));
        for (offset, record) in (1..).zip(records) {
            let rules = rules_for(&self.config, None, line);
            let source = batch.source(&Source::Files);
            let (timestamp, payload) = (Timestamp::Missing, record.as_bytes());
            let arrival = Arrival { source, offset, timestamp, payload, key: None, headers: &[] };
            receive(&mut batch, &arrival, &rules, &self.config.zone);
        }
        self.ledger().commit(&batch, &extras, now).unwrap().commit
    }

    /// Logs the answer of the newest state. Returns its number and its verdict.
    fn answer(&mut self, rider: &str, at: i64) -> (u64, String) {
        let state = self.state();
        self.answer_of(&state, rider, at)
    }

    fn answer_of(&mut self, state: &Arc<Snapshot>, rider: &str, at: i64) -> (u64, String) {
        let when = When::Instant(UtcMillis::new(at));
        let question = Question { rider_ids: vec![rider.to_owned()], when, platforms: None, reference: None };
        let terms = Terms { platforms: &self.config.platforms, zone: &self.config.zone };
        let answer = resolve(&**state, terms, &question).unwrap();
        let verdict = answer.verdict.as_str().to_owned();
        let content = Content::Answer {
            principal: PrincipalLine::of(&Principal::loopback()),
            reason: None,
            question: Asked::Coverage(CoverageAsked::of(&question, None)),
            status: 200,
            verdict: Some(verdict.clone()),
            commit: state.as_of().commit,
            body_sha256: Some(Digest::default()),
            open_orders: OpenOrder::of(&answer.open_near),
        };
        let (log, ..) = self.answers.as_ref().unwrap();
        (log.append_blocking(Draft { at: UtcMillis::new(NOW), content }).unwrap().number, verdict)
    }

    /// Looks at the newest state. Returns how many questions were asked again.
    fn step(&mut self) -> usize {
        let state = self.state();
        let (_, watch, _) = self.answers.as_mut().unwrap();
        watch.step(&state, UtcMillis::new(NOW)).unwrap()
    }

    /// The answers that would now be others, each with the verdict now and what changed it.
    fn changed(&self) -> BTreeMap<u64, (String, Event)> {
        let (log, ..) = self.answers.as_ref().unwrap();
        let filter = Filter { only_changed: true, limit: usize::MAX, ..Filter::default() };
        let changed = |number| {
            let changed = log.changed(number).unwrap();
            (number, (changed.verdict, changed.event))
        };
        log.list(&filter).numbers.into_iter().map(changed).collect()
    }

    /// The newest entry.
    fn newest_entry(&self) -> Content {
        let (log, ..) = self.answers.as_ref().unwrap();
        log.entry(log.last()).unwrap().unwrap().content
    }
}

fn order_event(order_id: &str, commit: u64) -> Event {
    let (platform, order_id) = ("meituan".to_owned(), order_id.to_owned());
    Event::Order { platform, order_id, leg: 0, revision: 0, commit }
}

#[test]
fn an_order_that_another_rider_ends_concerns_the_one_who_accepted_it_and_nobody_else() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    bench.commit(&[order("handed-on", "A", &time(10, 12, 0), None)], None);
    let (a, verdict) = bench.answer("A", at(13, 0));
    assert_eq!(verdict, "undetermined");
    for other in ["B", "C"] {
        assert_eq!(bench.answer(other, at(13, 0)).1, "not_covered");
    }
    assert_eq!((bench.step(), bench.changed().len()), (0, 0));
    let ended = order("handed-on", "B", &time(10, 12, 0), Some(&time(10, 12, 30)));
    let commit = bench.commit(&[ended], None);
    // Of B there is a new row; C has nothing to do with it.
    assert_eq!(bench.step(), 2);
    assert_eq!(bench.changed(), [(a, ("not_covered".to_owned(), order_event("handed-on", commit)))].into());
}

#[test]
fn an_open_order_whose_end_lies_on_another_day_concerns_its_riders_answers() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    bench.commit(&[order("moved", "A", &time(10, 12, 0), None)], None);
    let (a, verdict) = bench.answer("A", at(13, 0));
    assert_eq!(verdict, "undetermined");
    // The same rider, asked about a time at which no order was open.
    assert_eq!(bench.answer("A", at(9, 0)).1, "not_covered");
    assert_eq!(bench.step(), 0);
    let commit = bench.commit(&[order("moved", "A", &time(11, 20, 0), Some(&time(11, 20, 30)))], None);
    assert_eq!(bench.step(), 1);
    assert_eq!(bench.changed(), [(a, ("not_covered".to_owned(), order_event("moved", commit)))].into());
}

#[test]
fn an_order_of_another_rider_at_the_same_time_changes_and_asks_nothing() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    bench.commit(&[order("open", "A", &time(10, 12, 0), None)], None);
    assert_eq!(bench.answer("A", at(13, 0)).1, "undetermined");
    assert_eq!(bench.answer("B", at(13, 0)).1, "not_covered");
    bench.step();
    bench.commit(&[order("another", "C", &time(10, 12, 0), Some(&time(10, 12, 30)))], None);
    assert_eq!((bench.step(), bench.changed().len()), (0, 0));
}

#[test]
fn an_open_order_covers_no_more_once_the_longest_order_has_passed() {
    let mut bench = Bench::new(&announced(), 11, 0);
    bench.commit(&[order("long", "A", &time(10, 12, 0), None)], Some(at(13, 0)));
    let (a, verdict) = bench.answer("A", at(12, 30));
    assert_eq!(verdict, "covered");
    assert_eq!(bench.answer("B", at(12, 30)).1, "not_covered");
    assert_eq!(bench.step(), 0);
    // Two hours after it was accepted its end may have been any.
    let commit = bench.commit(&[], Some(at(14, 30)));
    assert_eq!(bench.step(), 1);
    let event = Event::Completeness { platforms: vec!["meituan".to_owned()], commit };
    assert_eq!(bench.changed(), [(a, ("undetermined".to_owned(), event))].into());
}

#[test]
fn an_answer_from_an_older_state_is_compared_with_the_newest_at_once() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    let older = bench.state();
    let commit = bench.commit(&[order("later", "A", &time(10, 12, 0), Some(&time(10, 12, 30)))], None);
    // The newest state was looked at before the slow answer came.
    assert_eq!(bench.step(), 0);
    let (a, verdict) = bench.answer_of(&older, "A", at(12, 10));
    assert_eq!(verdict, "not_covered");
    assert_eq!(bench.answer("A", at(12, 10)).1, "covered");
    assert_eq!(bench.step(), 1, "the answer from the newest state is not asked again");
    assert_eq!(bench.changed(), [(a, ("covered".to_owned(), order_event("later", commit)))].into());
}

#[test]
fn a_rejected_record_concerns_the_rider_whom_it_names_until_it_is_resolved() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    let (a, verdict) = bench.answer("A", at(12, 10));
    assert_eq!((verdict.as_str(), bench.answer("B", at(12, 10)).1.as_str()), ("not_covered", "not_covered"));
    bench.step();
    let refused = order("bad", "A", &time(10, 12, 0), Some(&time(10, 12, 30))).replace("delivery", "delivry");
    let commit = bench.commit(&[refused], None);
    assert_eq!(bench.step(), 1);
    let (now, event) = bench.changed().remove(&a).unwrap();
    let Event::Record { rejection, is_resolved: false, commit: kept } = event else { panic!("{event:?}") };
    assert_eq!((now.as_str(), kept), ("undetermined", commit));
    let resolved = vec![(rejection, "a test".to_owned())];
    let commit = bench.commit_with(&[], CommitExtras { resolved, ..CommitExtras::default() });
    assert_eq!((bench.step(), bench.changed().len()), (1, 0));
    let event = Event::Record { rejection, is_resolved: true, commit };
    let verdict = "not_covered".to_owned();
    assert_eq!(bench.newest_entry(), Content::Changed { answer: a, verdict, event });
}

#[test]
fn a_record_that_names_no_rider_concerns_everyone_at_its_time() {
    let mut bench = Bench::new(CONFIG, 23, 0);
    let near = ["A", "B"].map(|rider| bench.answer(rider, at(12, 10)).0);
    assert_eq!(bench.answer("A", at(20, 0)).1, "not_covered");
    bench.step();
    let unreadable =
        order("bad", "A", &time(10, 12, 0), Some(&time(10, 12, 30))).replace("rider_id", "rider");
    bench.commit(&[unreadable], None);
    assert_eq!(bench.step(), 2);
    let changed = bench.changed();
    assert_eq!(changed.keys().copied().collect::<Vec<_>>(), near);
    assert!(
        changed.values().all(|(now, event)| now == "undetermined" && matches!(event, Event::Record { .. }))
    );
}

#[test]
fn a_platform_that_is_met_later_opens_what_was_final() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    let (a, verdict) = bench.answer("A", at(12, 10));
    assert_eq!(verdict, "not_covered");
    bench.step();
    let elsewhere = order("o", "X", &time(10, 9, 0), Some(&time(10, 9, 30))).replace("meituan", "dada");
    let commit = bench.commit(&[elsewhere], None);
    assert_eq!(bench.step(), 1);
    let event = Event::Completeness { platforms: vec!["dada".to_owned()], commit };
    assert_eq!(bench.changed(), [(a, ("undetermined".to_owned(), event))].into());
}

#[test]
fn a_platform_that_is_registered_later_opens_what_was_final() {
    let mut bench = Bench::new(CONFIG, 15, 30);
    let (a, verdict) = bench.answer("A", at(12, 10));
    assert_eq!(verdict, "not_covered");
    bench.step();
    bench.reopen(&format!(
        "{CONFIG}[platform.dada]\nrecords_from = 2025-07-01\n[platform.meituan]\nrecords_from = 2025-07-01\n"
    ));
    assert_eq!(bench.step(), 1);
    assert_eq!(bench.changed().remove(&a).unwrap().0, "undetermined");
}
