//! Small ledgers, one for each code.

use crate::coverage::Terms;
use crate::coverage::explain::LimitedTo;
use crate::coverage::question::{Question, When};
use crate::coverage::testing::{NaiveLedger, posting};
use crate::domain::arrival::{Arrived, Timestamp};
use crate::domain::behind::Behind;
use crate::domain::completeness::{PartitionFacts, PlatformFacts, SkippedSpan, TopicFacts, Vouch};
use crate::domain::intake::{Intake, RecordPlace, Source};
use crate::domain::order::Outcome;
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::domain::posting::{Posting, RuleNo};
use crate::domain::reject::{Readable, Reason};
use crate::domain::rejection::{Kept, Origin, Rejection};
use crate::domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use crate::domain::window::Window;
use std::collections::BTreeMap;

/// 2026-11-20T12:00:00+08:00
const NOON: i64 = 1_795_147_200_000;

/// A question to a ledger.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) ledger: NaiveLedger,
    pub(super) question: Question,
    pub(super) limited_to: Option<LimitedTo>,
    /// Of a reader that cannot say that its state is the newest.
    pub(super) behind: Option<Behind>,
}

impl Scene {
    /// About 12:07:31 of rider `R`.
    fn new(name: &'static str, ledger: NaiveLedger) -> Self {
        let when = When::Instant(at(7).plus(31 * SECOND_MS));
        let question = Question { rider_ids: vec!["R".to_owned()], when, platforms: None, reference: None };
        Self { name, ledger, question, limited_to: None, behind: None }
    }

    fn from(self, from: i64, until: i64) -> Self {
        let when = When::Interval(Window::new(at(from), at(until)));
        Self { question: Question { when, ..self.question }, ..self }
    }

    pub(super) fn terms(&self) -> Terms<'_> {
        Terms { platforms: &self.ledger.promises, zone: &self.ledger.zone }
    }
}

fn at(minutes: i64) -> UtcMillis {
    UtcMillis::new(NOON + minutes * MINUTE_MS)
}

fn order(id: &str, from: i64, until: i64) -> Posting {
    posting(id, NOON + from * MINUTE_MS, Some(NOON + until * MINUTE_MS))
}

fn open(id: &str, from: i64) -> Posting {
    posting(id, NOON + from * MINUTE_MS, None)
}

fn promise() -> Promise {
    Promise {
        topics: vec!["orders.p".to_owned()],
        records_from: Some(at(-100_000)),
        complete_start: true,
        delivery_delay_ms: 15 * MINUTE_MS,
        streams_open_orders_from: None,
        max_order_duration_ms: 24 * HOUR_MS,
        unreadable_records: UnreadableRecords::Hold,
    }
}

fn place(offset: i64) -> Option<RecordPlace> {
    Some(RecordPlace { topic: "orders.p".to_owned(), partition: 3, offset, commit: 1 })
}

fn intake(topic: &str, first: i64, last: i64) -> Intake {
    let source = Source::Kafka { topic: topic.to_owned(), partition: 3 };
    Intake { source, positions: (first, last), booked: 1 }
}

/// Platform `p` with its promise, complete through so many minutes after noon.
fn ledger(
    promise: Promise,
    through: Option<i64>,
    postings: impl IntoIterator<Item = Posting>,
) -> NaiveLedger {
    let platforms = Platforms::new(BTreeMap::from([("p".to_owned(), promise)]), Promise::default());
    let mut ledger = NaiveLedger {
        commits: vec![at(30)],
        zone: Zone::new("Asia/Shanghai", 8 * 3_600, []),
        intakes: vec![intake("orders.p", 17, 17)],
        promises: platforms.clone(),
        ..NaiveLedger::default()
    };
    for posting in postings {
        ledger.apply(posting);
    }
    ledger.completeness.register(&platforms);
    facts(&mut ledger).complete_through = through.map(at);
    ledger
}

fn facts(ledger: &mut NaiveLedger) -> &mut PlatformFacts {
    ledger.completeness.platforms.get_mut("p").unwrap()
}

fn partition(read_to: Option<UtcMillis>) -> PartitionFacts {
    PartitionFacts { next_offset: 240, read_to, ..PartitionFacts::default() }
}

/// Partitions 0 and 3 of the platform's topic, read and listed up to so many minutes after noon.
fn read(ledger: &mut NaiveLedger, read_to: Option<i64>, listed: Option<i64>) {
    let partitions = BTreeMap::from([(0, partition(Some(at(9_000)))), (3, partition(read_to.map(at)))]);
    let topic = TopicFacts { listed_at: listed.map(at), partitions };
    ledger.completeness.topics.insert("orders.p".to_owned(), topic);
}

fn kept(id: u64, kept: Kept, event: &Posting) -> Rejection {
    let arrived = Arrived { after: at(20), by: at(20) };
    Rejection {
        id,
        commit: 1,
        kept,
        detail: String::new(),
        settled_by: None,
        origin: Origin::kafka("orders.p", 3, 41, Timestamp::Missing).arrived(arrived),
        readable: Readable {
            platform: Some(event.platform.clone()),
            order_id: Some(event.order_id.clone()),
            leg: Some(event.leg),
            phase: Some(event.phase),
            rider_id: Some(event.rider_id.clone()),
            accepted_at: Some(event.accepted_at),
            ended_at: event.ended_at,
            outcome: event.outcome,
            ..Readable::default()
        },
        raw_len: 0,
        raw_sha256: [0; 32],
        raw_truncated: false,
        resolution: None,
    }
}

pub(super) fn scenes() -> Vec<Scene> {
    [covered(), final_ones(), incomplete(), without_records(), of_the_rider(), notes(), behind()]
        .into_iter()
        .flatten()
        .collect()
}

/// Of a reader that cannot say that its state is the newest; what it has would cover the time.
fn behind() -> Vec<Scene> {
    let behind = Some(Behind { since: at(60), ask_again_at: at(61) });
    let scene =
        |name| Scene { behind, ..Scene::new(name, ledger(promise(), Some(3_000), [order("a", 0, 15)])) };
    vec![scene("a reader that is behind"), scene("a reader that is behind, of an interval").from(5, 25)]
}

fn covered() -> Vec<Scene> {
    let mut ruled = Posting { leg: 2, revision: 3, outcome: Some(Outcome::Transferred), ..order("a", 0, 15) };
    (ruled.cover.rule, ruled.cover.lead_ms, ruled.cover.tail_ms) = (Some(RuleNo(4)), 60_000, 90_000);
    let mut by_rule = ledger(promise(), Some(10), [ruled]);
    by_rule.widest = (60_000, 90_000);
    let mut from_files =
        ledger(Promise { topics: Vec::new(), ..promise() }, None, [order("a", 0, 15), order("b", 5, 9)]);
    from_files.intakes = vec![
        Intake { source: Source::Files, positions: (4_000, 20), booked: 7 },
        Intake { source: Source::Redrive, positions: (5, 5), booked: 1 },
    ];
    let running = Promise { streams_open_orders_from: Some(at(-90_000)), ..promise() };
    let mut running = ledger(running, Some(10), [open("a", 0)]);
    running.intakes = vec![intake("orders.p", 17, 60), intake("orders.q", 1, 2)];
    let partly = ledger(promise(), Some(3_000), [order("a", 0, 15)]);
    vec![
        Scene::new("covered by an ended order, by a rule, as amended", by_rule),
        Scene::new("covered by two orders of files", from_files),
        Scene::new("covered by an open order", running),
        Scene::new("partly covered", partly.clone()).from(5, 25),
        Scene::new("covered in part, the rest open", ledger(promise(), Some(10), [order("a", 0, 15)]))
            .from(5, 25),
        Scene::new("an interval without cover", partly).from(20, 25),
    ]
}

fn final_ones() -> Vec<Scene> {
    let around = [order("before", -60, -30), order("after", 40, 50)];
    let mut vouched = ledger(promise(), Some(3_000), around);
    read(&mut vouched, Some(3_005), Some(3_010));
    facts(&mut vouched).vouched_through = Some(at(3_000));
    facts(&mut vouched).vouched_by = place(41);
    let mut vouched_before = vouched.clone();
    facts(&mut vouched_before).vouched_by = None;
    let announced = Promise { streams_open_orders_from: Some(at(-90_000)), ..promise() };
    let mut delayed =
        ledger(announced, Some(3_000), [order("a", 0, 15), Posting { revision: 5, ..order("a", 0, 5) }]);
    read(&mut delayed, Some(3_015), Some(3_020));
    facts(&mut delayed).newest_event = Some(at(3_000));
    facts(&mut delayed).newest_event_by = place(239);
    let stated = Promise { topics: Vec::new(), ..promise() };
    let mut stated = ledger(stated, Some(3_000), [order("before", -60, -30)]);
    facts(&mut stated).stated_through = Some(at(3_000));
    vec![
        Scene::new("not covered, by a completeness record", vouched),
        Scene::new("not covered, by a completeness record whose place is not known", vouched_before),
        Scene::new("not covered, by delivery within the delay, and corrected since", delayed),
        Scene::new("not covered, as stated", stated),
    ]
}

fn incomplete() -> Vec<Scene> {
    let base = || ledger(promise(), Some(5), [order("before", -60, -30)]);
    let mut partition = base();
    read(&mut partition, Some(20), Some(100));
    let mut never_read = ledger(promise(), None, []);
    read(&mut never_read, None, Some(100));
    let mut listing = base();
    read(&mut listing, Some(100), Some(20));
    let mut record = base();
    read(&mut record, Some(100), Some(100));
    facts(&mut record).vouched_through = Some(at(5));
    facts(&mut record).vouches_pending =
        vec![Vouch { through: at(9), applied_at: at(101), record: place(50) }];
    let mut event = base();
    read(&mut event, Some(100), Some(100));
    facts(&mut event).newest_event = Some(at(5));
    let mut now = ledger(promise(), Some(15), []);
    read(&mut now, Some(100), Some(100));
    facts(&mut now).newest_event = Some(at(100));
    let mut paused = ledger(promise(), Some(2), []);
    read(&mut paused, Some(28), Some(29));
    facts(&mut paused).newest_event = Some(at(100));
    let stated = ledger(Promise { topics: Vec::new(), ..promise() }, None, []);
    vec![
        Scene::new("incomplete: a partition is behind", partition),
        Scene::new("incomplete: a partition was never read", never_read),
        Scene::new("incomplete: a listing is behind", listing),
        Scene::new("incomplete: no completeness record", record),
        Scene::new("incomplete: no later event", event),
        Scene::new("incomplete: only time has to pass", now),
        Scene::new("incomplete: paused", paused),
        Scene::new("incomplete: nothing stated", stated),
    ]
}

fn without_records() -> Vec<Scene> {
    let never = ledger(Promise { records_from: None, ..promise() }, Some(3_000), []);
    let late = Promise { records_from: Some(at(60)), complete_start: false, ..promise() };
    let mut dropped = ledger(promise(), Some(3_000), [order("kept", 9_000, 9_010)]);
    dropped.completeness.dropped_until = Some(at(60));
    let mut unread = ledger(promise(), Some(3_000), []);
    read(&mut unread, Some(3_100), Some(3_100));
    let topic = unread.completeness.topics.get_mut("orders.p").unwrap();
    let started = topic.partitions.get_mut(&3).unwrap();
    (started.first_offset, started.seen_at) = (100, at(30));
    let mut skipped = ledger(promise(), Some(3_000), []);
    let span = |from: i64, until: Option<i64>| SkippedSpan {
        topic: "orders.p".to_owned(),
        partition: 0,
        from: at(from),
        skipped_at: at(10),
        until: until.map(at),
    };
    facts(&mut skipped).skips = vec![span(-20, Some(10)), span(0, None)];
    vec![
        Scene::new("before the records: none configured", never),
        Scene::new("before the records: they begin later", ledger(late, Some(3_000), [])),
        Scene::new("before the records: retention dropped the day", dropped),
        Scene::new("a gap: a partition was not read from its beginning", unread),
        Scene::new("a gap: records were skipped", skipped),
    ]
}

fn of_the_rider() -> Vec<Scene> {
    let mut ended_elsewhere = ledger(promise(), Some(3_000), [open("a", 0)]);
    ended_elsewhere.apply(Posting { rider_id: "S".to_owned(), ..order("a", 0, 12) });
    let mut end_rejected = ledger(promise(), Some(10), [open("a", 0)]);
    let end =
        kept(7, Kept::Rejected(Reason::BadRegion), &Posting { rider_id: "R".to_owned(), ..order("a", 0, 4) });
    end_rejected.rejections.push(end);
    let mut unreadable = ledger(promise(), Some(3_000), [order("before", -60, -30)]);
    let mut garbage = kept(8, Kept::Rejected(Reason::MalformedJson), &order("b", 0, 10));
    garbage.readable = Readable::default();
    let mut line =
        Rejection { id: 9, origin: Origin::File { content: [0xab; 16], line: 12 }, ..garbage.clone() };
    line.readable.platform = Some("p".to_owned());
    let again = Rejection { id: 10, origin: Origin::Redrive { of: 4 }, ..garbage.clone() };
    unreadable.rejections = vec![garbage, line, again];
    let mut conflicting = ledger(promise(), Some(3_000), [order("a", 0, 5)]);
    conflicting.rejections.push(kept(11, Kept::Conflict, &order("a", 0, 15)));
    vec![
        Scene::new(
            "an open order that was not ended in time",
            ledger(promise(), Some(3_000), [open("a", 0)]),
        ),
        Scene::new("an open order that another rider ended", ended_elsewhere),
        Scene::new("an open order whose end may be rejected", end_rejected),
        rejected(1),
        Scene::new("unreadable records", unreadable),
        Scene::new("a conflicting record", conflicting),
    ]
}

/// So many rejected records of the rider.
pub(super) fn rejected(count: usize) -> Scene {
    let mut ledger = ledger(promise(), Some(3_000), [order("before", -60, -30)]);
    let records = (1..=u64::try_from(count).unwrap()).rev();
    ledger.rejections =
        records.map(|id| kept(id, Kept::Rejected(Reason::BadRegion), &order("a", 0, 10))).collect();
    Scene::new("a rejected record of the rider", ledger)
}

fn notes() -> Vec<Scene> {
    let zone = Zone::new("Asia/Shanghai", 8 * 3_600, []);
    let limited = |name, platform: Option<&str>, regions: &[&str]| {
        let limited_to = LimitedTo {
            platform: platform.map(str::to_owned),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        };
        Scene {
            limited_to: Some(limited_to),
            ..Scene::new(name, ledger(promise(), Some(3_000), [order("a", 20, 25)]))
        }
    };
    vec![
        Scene::new("nothing is known of the rider", ledger(promise(), Some(3_000), [])),
        Scene::new("no platform is known", NaiveLedger { zone, ..NaiveLedger::default() }),
        limited("a view of one platform", Some("p"), &[]),
        limited("a view of regions", None, &["31", "4403"]),
    ]
}

/// One commit took in records of two platforms on two topics.
pub(super) fn on_two_topics() -> Scene {
    let other = Promise { topics: vec!["orders.q".to_owned()], ..promise() };
    let registered = BTreeMap::from([("p".to_owned(), promise()), ("q".to_owned(), other)]);
    let platforms = Platforms::new(registered, Promise::default());
    let of_other = Posting { platform: "q".to_owned(), ..order("b", 0, 15) };
    let mut ledger = ledger(promise(), Some(3_000), [order("a", 0, 15), of_other]);
    ledger.promises = platforms.clone();
    ledger.completeness.register(&platforms);
    ledger.completeness.platforms.get_mut("q").unwrap().complete_through = Some(at(3_000));
    read(&mut ledger, Some(3_020), Some(3_020));
    let topic = ledger.completeness.topics["orders.p"].clone();
    ledger.completeness.topics.insert("orders.q".to_owned(), topic);
    ledger.intakes = vec![intake("orders.p", 17, 30), intake("orders.q", 1, 2)];
    Scene::new("two platforms on two topics", ledger)
}

/// The same an hour later, without cover.
pub(super) fn later(question: &Question) -> Question {
    Question { when: When::Instant(at(60)), ..question.clone() }
}
