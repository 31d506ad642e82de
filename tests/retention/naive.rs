//! Random histories against a list that drops nothing.

use super::world::{KEPT_DAYS, MICROS, Told, commit, day, holds, noon, open};
use coverledger::domain::posting::StoredVersion;
use coverledger::domain::time::{LocalDay, UtcMillis, Zone};
use coverledger::domain::view::LedgerView;
use coverledger::ledger::{CompactionScope, Ledger};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

/// One order of the naive list: its newest version. The days of an order's events lie within the reach of identity.
#[derive(Clone, Debug)]
struct Known {
    day: i32,
    revision: u64,
    rider: u32,
    minute: i64,
}

#[derive(Default)]
struct Naive {
    orders: BTreeMap<u32, Known>,
    /// Every day on which anything was ever booked.
    days: BTreeSet<i32>,
    line: Option<i32>,
}

impl Naive {
    fn decide(&mut self, told: &Told) -> &'static str {
        if self.line.is_some_and(|line| told.day < line) {
            return "rejected:before_retention";
        }
        let (day, revision, rider, minute) = (told.day, told.revision, told.rider, told.minute);
        let now = Known { day, revision, rider, minute };
        let disposition = match self.orders.get(&told.order) {
            None => "accepted",
            Some(known) if known.revision < revision => "amended",
            Some(known) if known.revision > revision => return "stale",
            Some(known) if known.day == day && known.rider == rider && known.minute == minute => {
                return "duplicate";
            }
            Some(_) => return "conflict",
        };
        self.orders.insert(told.order, now);
        self.days.insert(told.day);
        disposition
    }

    fn drop_days(&mut self, today: i32) {
        let line = self.days.range(..=today).next_back().map(|newest| newest - KEPT_DAYS);
        let first = self.line.unwrap_or(i32::MIN);
        let drops = line.is_some_and(|line| self.days.iter().any(|&day| first <= day && day < line));
        if drops {
            self.line = line;
        }
    }
}

/// Everything that must agree between ledger and list.
fn agrees(ledger: &Ledger, naive: &Naive) {
    let view = ledger.published().current();
    assert_eq!(ledger.retention_line(), naive.line.map(day));
    let totals = view.totals(LocalDay(i32::MIN), LocalDay(i32::MAX)).unwrap();
    let (charged, premium) =
        totals.iter().fold((0, 0), |sum, (_, t)| (sum.0 + t.orders_charged, sum.1 + t.premium.get()));
    let orders = i64::try_from(naive.orders.len()).unwrap();
    assert_eq!((charged, premium), (orders, orders * MICROS), "each order is charged once");
    let mut shown: Vec<(u32, LocalDay, u64)> = Vec::new();
    for rider in 0..7 {
        let versions = view.rider_versions(&format!("r{rider}"), UtcMillis::MIN, UtcMillis::MAX).unwrap();
        let current = versions.into_iter().filter(|version| version.superseded_by.is_none());
        shown.extend(current.map(|version| shown_as(&version, view.zone())));
    }
    shown.sort_unstable();
    let kept = |known: &Known| naive.line.is_none_or(|line| line <= known.day);
    let expected = naive.orders.iter().filter(|(_, known)| kept(known));
    let expected: Vec<_> = expected.map(|(&order, known)| (order, day(known.day), known.revision)).collect();
    assert_eq!(shown, expected);
    for (order, known) in naive.orders.iter().take(20) {
        let versions = view.order_versions("p", &format!("{order:06}")).unwrap();
        assert_eq!(versions.iter().any(|version| version.superseded_by.is_none()), kept(known), "{order}");
        assert!(
            versions.iter().all(|v| ledger.retention_line() <= Some(view.zone().day(v.posting.accepted_at)))
        );
    }
}

fn shown_as(version: &StoredVersion, zone: &Zone) -> (u32, LocalDay, u64) {
    let posting = &version.posting;
    (posting.order_id.parse().unwrap(), zone.day(posting.accepted_at), posting.revision)
}

#[derive(Clone, Debug)]
enum Step {
    /// Events of days so far back, decoded under the line in force or under an old one.
    Commit {
        events: Vec<(u32, u32, i32, u64)>,
        stale: bool,
    },
    /// Time continues.
    Days(i32),
    Drop,
    Compact {
        is_major: bool,
    },
    /// Days are dropped between the begin and the end of a compaction.
    DropBesideCompaction,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let event = (0u32..60, 0u32..2, -3i32..12, 0u64..4);
    prop_oneof![
        6 => (prop::collection::vec(event, 1..25), any::<bool>())
            .prop_map(|(events, stale)| Step::Commit { events, stale }),
        4 => (1i32..4).prop_map(Step::Days),
        4 => Just(Step::Drop),
        2 => any::<bool>().prop_map(|is_major| Step::Compact { is_major }),
        2 => Just(Step::DropBesideCompaction),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_the_list_without_the_dropped_days(steps in prop::collection::vec(step(), 1..50)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut naive, mut today, mut offset) = (Naive::default(), 10, 0);
        let mut ledger = open(dir.path(), noon(today));
        for step in steps {
            let now = noon(today);
            match step {
                Step::Commit { events, stale } => {
                    // An order's events lie on two days beside each other; the day comes from how old it is at first.
                    let line = if stale { None } else { ledger.retention_line() };
                    let (mut told, mut expected) = (Vec::new(), Vec::new());
                    for (order, shift, age, revision) in events {
                        let number = u32::try_from(today).unwrap() * 100 + order;
                        let known = naive.orders.range(..number + 1).next_back().map(|(&known, _)| known);
                        // Half of them are known already.
                        let order = known.filter(|_| order.is_multiple_of(2)).unwrap_or(number);
                        let base = naive.orders.get(&order).map_or(today - age, |known| known.day & !1);
                        let day = (base & !1) + i32::try_from(shift).unwrap();
                        let event = Told { revision, ..Told::new(order, day) };
                        expected.push(naive.decide(&event).to_owned());
                        told.push(event);
                    }
                    prop_assert_eq!(commit(&mut ledger, &told, line, &mut offset, now), expected);
                }
                Step::Days(days) => today += days,
                Step::Drop => {
                    naive.drop_days(today);
                    ledger.drop_all_expired(now).unwrap();
                    prop_assert_eq!(ledger.drop_expired(now).unwrap(), None);
                }
                Step::Compact { is_major } => {
                    ledger.compact_now(LocalDay(if is_major { i32::MAX } else { i32::MIN }), now).unwrap();
                }
                Step::DropBesideCompaction => {
                    let job = ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX)));
                    naive.drop_days(today);
                    ledger.drop_all_expired(now).unwrap();
                    if let Some(job) = job {
                        ledger.install(job.run(&AtomicBool::new(false)).unwrap(), now).unwrap();
                    }
                }
                Step::Reopen => {
                    drop(ledger);
                    ledger = open(dir.path(), now);
                }
            }
            agrees(&ledger, &naive);
        }
        drop(ledger);
        let ledger = open(dir.path(), noon(today));
        agrees(&ledger, &naive);
        holds(&ledger);
    }
}
