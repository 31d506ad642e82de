//! Compaction changes how orders lie in the store, memory how fast they are found, and neither anything else.

#![cfg(test)]

use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::posting::StoredVersion;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::domain::totals::{Total, TotalKey};
use coverledger::domain::view::LedgerView;
use coverledger::ledger::verify::verify;
use coverledger::ledger::{Arrival, Batch, Source};
use coverledger::ledger::{CommitExtras, Compacted, CompactionScope, Ledger, LedgerOptions};
use coverledger::pipeline::{receive, rules_for};
use coverledger::storage::Storage;
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const CONFIG: &str = r#"
timezone = "Asia/Shanghai"
[ledger]
identity_days = 2
[platform_defaults]
records_from = 2026-01-01
[[rate]]
category = "instant_delivery"
per_order = "0.07"
[[rate]]
category = "ride_hailing"
region = "31"
per_order = "0.04"
"#;

/// 2026-03-01T00:00:00+08:00
const START_MS: i64 = 1_772_294_400_000;
const DAY_MS: i64 = 86_400_000;
/// Memory for all filters. The ledger that never compacts has none: all of its filters are read from the store.
const ENOUGH: usize = 64 << 20;
const RIDERS: u8 = 4;
const ORDERS: u8 = 12;

#[derive(Clone, Debug)]
struct Told {
    order: u8,
    rider: u8,
    day: i64,
    minute: i64,
    revision: u8,
    open: bool,
    ride: bool,
    region: u8,
    previous_day: Option<i64>,
}

impl Told {
    fn json(&self) -> String {
        let accepted = START_MS + self.day * DAY_MS + self.minute * 60_000;
        let time = |ms: i64| coverledger::domain::time::Zone::utc().rfc3339(UtcMillis::new(ms));
        let ended = match self.open {
            true => String::new(),
            false => format!(r#","ended_at":"{}""#, time(accepted + 1_200_000)),
        };
        let previous = self.previous_day.map_or_else(String::new, |day| {
            format!(r#","previous_accepted_at":"{}""#, time(START_MS + day * DAY_MS + self.minute * 60_000))
        });
        let category = if self.ride { "ride_hailing" } else { "instant_delivery" };
        // Some identifiers are numbers, some are not: they are stored in two ways.
        let order = if self.order.is_multiple_of(2) {
            format!("{:06}", self.order)
        } else {
            format!("o{}", self.order)
        };
        format!(
            r#"{{"platform":"p{}","order_id":"{order}","rider_id":"r{}","category":"{category}","region":"{}0115","accepted_at":"{}"{ended}{previous},"revision":{}}}"#,
            self.order % 2,
            self.rider,
            31 + self.region,
            time(accepted),
            self.revision,
        )
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Told>),
    /// Until none is due.
    Compact {
        is_major: bool,
        snapshot_held: bool,
    },
    /// A job of so many rows at most is begun; commits and other jobs come before it is installed.
    Begin(u64),
    /// The nth of those under way.
    Install(usize),
    Stop(usize),
    Reopen,
}

fn told() -> impl Strategy<Value = Told> {
    (
        (0..ORDERS, 0..RIDERS, 0i64..6, 0i64..4, 0u8..4),
        (prop::bool::weighted(0.2), any::<bool>(), 0u8..2, prop::option::weighted(0.1, 0i64..6)),
    )
        .prop_map(|((order, rider, day, minute, revision), (open, ride, region, previous_day))| Told {
            order,
            rider,
            day,
            minute,
            revision,
            open,
            ride,
            region,
            previous_day,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(told(), 1..12).prop_map(Step::Commit),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(is_major, snapshot_held)| Step::Compact { is_major, snapshot_held }),
        3 => prop_oneof![Just(8), Just(20), Just(u64::MAX)].prop_map(Step::Begin),
        3 => (0usize..4).prop_map(Step::Install),
        1 => (0usize..4).prop_map(Step::Stop),
        1 => Just(Step::Reopen),
    ]
}

fn open(dir: &Path, filter_bytes: usize, now: UtcMillis) -> Ledger {
    let config = Config::from_text(CONFIG).unwrap();
    let mut setup = LedgerOptions::new(&config);
    setup.storage = Storage::local(dir);
    setup.filter_bytes = filter_bytes;
    let mut ledger = Ledger::open(setup).unwrap();
    ledger.set_output_rows_max(7);
    ledger.activate_configuration(now).unwrap();
    ledger
}

fn commit(ledger: &mut Ledger, events: &[Told], offset: &mut i64, now: UtcMillis) {
    let config = Config::from_text(CONFIG).unwrap();
    let rules = rules_for(&config, None, None);
    let mut batch = Batch::default();
    let source = batch.source(&Source::Kafka { topic: "orders".to_owned(), partition: 0 });
    for event in events {
        let json = event.json();
        let arrival = Arrival {
            source,
            offset: *offset,
            timestamp: Timestamp::Broker(now),
            payload: json.as_bytes(),
            key: None,
            headers: &[],
        };
        *offset += 1;
        receive(&mut batch, &arrival, &rules, &config.zone);
    }
    ledger.commit(&batch, &CommitExtras::default(), now).unwrap();
}

/// Versions with the instants of their commits, and totals.
type Answers = (Vec<(StoredVersion, UtcMillis)>, Vec<(TotalKey, Total)>);

/// All that a reader can learn; instants, which compaction does not change, identify the commits.
fn answers(ledger: &Ledger) -> Answers {
    let view = ledger.published().current();
    let mut versions = Vec::new();
    for rider in 0..RIDERS {
        versions.extend(view.rider_versions(&format!("r{rider}"), UtcMillis::MIN, UtcMillis::MAX).unwrap());
    }
    for order in 0..ORDERS {
        let platform = format!("p{}", order % 2);
        let name = if order.is_multiple_of(2) { format!("{order:06}") } else { format!("o{order}") };
        versions.extend(view.order_versions(&platform, &name).unwrap());
    }
    let dated = versions.into_iter().map(|mut version| {
        let at = view.commit_instant(version.posting.commit).unwrap();
        version.posting.commit = 0;
        if let Some(by) = &mut version.superseded_by {
            by.commit = view.commit_instant(by.commit).unwrap().millis().unsigned_abs();
        }
        (version, at)
    });
    (dated.collect(), view.totals(LocalDay(i32::MIN), LocalDay(i32::MAX)).unwrap())
}

fn major_before(is_major: bool) -> LocalDay {
    LocalDay(if is_major { i32::MAX } else { i32::MIN })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_a_ledger_that_never_compacts(steps in prop::collection::vec(step(), 1..40)) {
        let (dir, plain_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut clock = START_MS + 30 * DAY_MS;
        let mut now = || {
            clock += 1_000;
            UtcMillis::new(clock)
        };
        let start = now();
        let (mut ledger, mut plain) = (open(dir.path(), ENOUGH, start), open(plain_dir.path(), 0, start));
        let (mut offset, mut plain_offset) = (0, 0);
        let mut under_way: Vec<Compacted> = Vec::new();
        for step in steps {
            let now = now();
            match step {
                Step::Commit(events) => {
                    commit(&mut ledger, &events, &mut offset, now);
                    commit(&mut plain, &events, &mut plain_offset, now);
                    ledger.collect_released().unwrap();
                }
                Step::Compact { is_major, snapshot_held } => {
                    let held = snapshot_held.then(|| ledger.published().current());
                    ledger.compact_now(major_before(is_major), now).unwrap();
                    if let Some(held) = held {
                        // A reader of the state before still finds every block.
                        held.rider_versions("r0", UtcMillis::MIN, UtcMillis::MAX).unwrap();
                    }
                    if is_major && under_way.is_empty() {
                        prop_assert!(ledger.runs_a_day_max() <= 1);
                    }
                }
                Step::Begin(rows) => {
                    let scope = CompactionScope { rows: 0..=rows, ..CompactionScope::every_size(major_before(true)) };
                    if let Some(job) = ledger.begin_compaction(&scope) {
                        prop_assert!(job.rows() <= rows);
                        under_way.push(job.run(&AtomicBool::new(false)).unwrap());
                    }
                }
                Step::Install(nth) => {
                    if nth < under_way.len() {
                        // No two read the same run: each is put in force.
                        prop_assert!(ledger.install(under_way.remove(nth), now).unwrap().installed);
                    }
                }
                Step::Stop(nth) => {
                    if nth < under_way.len() {
                        let stopped = ledger.install(under_way.remove(nth).discarded(), now).unwrap();
                        prop_assert!(!stopped.installed);
                    }
                }
                Step::Reopen => {
                    // What jobs wrote and no commit installed is left behind, as after a crash.
                    under_way.clear();
                    drop((ledger, plain));
                    (ledger, plain) = (open(dir.path(), ENOUGH, now), open(plain_dir.path(), 0, now));
                }
            }
        }
        for compacted in under_way {
            ledger.install(compacted, now()).unwrap();
        }
        prop_assert_eq!(answers(&ledger), answers(&plain));
        drop((ledger, plain));
        for dir in [dir.path(), plain_dir.path()] {
            let ledger = open(dir, 0, now());
            let verification = verify(&ledger, &mut |_, _| {});
            prop_assert_eq!(verification.problems, Vec::<String>::new());
        }
    }
}

#[test]
fn a_day_is_not_merged_whole_while_the_ledger_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let now = UtcMillis::new(START_MS + 30 * DAY_MS);
    let mut ledger = open(folder.path(), ENOUGH, now);
    let mut offset = 0;
    let mut add = |ledger: &mut Ledger| {
        let event = Told {
            order: 0,
            rider: 0,
            day: 1,
            minute: offset,
            revision: u8::try_from(offset).unwrap(),
            open: false,
            ride: false,
            region: 0,
            previous_day: None,
        };
        commit(ledger, &[event], &mut offset, now);
    };
    (0..2).for_each(|_| add(&mut ledger));
    ledger.set_catching_up(true);
    assert!(ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX))).is_none());
    // As many runs as a tier takes are merged all the same.
    (0..6).for_each(|_| add(&mut ledger));
    let job = ledger
        .begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX)))
        .expect("eight runs are a tier");
    let compacted = job.run(&AtomicBool::new(false)).unwrap();
    ledger.install(compacted, now).unwrap();
    add(&mut ledger);
    assert!(ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX))).is_none());
    ledger.set_catching_up(false);
    assert!(ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX))).is_some());
}
