//! Whole days are dropped, and nothing else changes.

#![cfg(test)]

#[path = "retention/naive.rs"]
mod naive;
#[path = "retention/world.rs"]
mod world;

use coverledger::config::Config;
use coverledger::coverage::Terms;
use coverledger::coverage::order::order_history;
use coverledger::coverage::question::{Question, QuestionText};
use coverledger::coverage::resolve::resolve;
use coverledger::coverage::statement::statement;
use coverledger::coverage::timeline::timeline;
use coverledger::domain::reject::Reason;
use coverledger::domain::time::{LocalDay, UtcMillis, Zone};
use coverledger::domain::view::{KnownAt, LedgerView, Refused};
use coverledger::domain::window::Window;
use coverledger::ledger::{Ledger, Snapshot};
use std::path::Path;
use world::{CONFIG, Told, commit, day, holds, noon, open};

/// Ten days of forty orders; day 9 is the newest.
fn ten_days(dir: &Path) -> (Ledger, i64) {
    let (mut ledger, mut offset) = (open(dir, noon(9)), 0);
    for nth in 0..10 {
        let orders: Vec<Told> =
            (0..40).map(|order| Told::new(u32::try_from(nth).unwrap() * 40 + order, nth)).collect();
        assert_eq!(commit(&mut ledger, &orders, None, &mut offset, noon(9)), vec!["accepted"; 40]);
    }
    (ledger, offset)
}

#[test]
fn answers_about_dropped_days_say_so_and_the_statement_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut offset) = ten_days(dir.path());
    let config = Config::from_text(CONFIG).unwrap();
    let terms = Terms { platforms: &config.platforms, zone: &config.zone };
    let before = statement(&*ledger.published().current(), None, None).unwrap();
    let (values, bytes) = (holds(&ledger), run_bytes(&ledger));
    let held = ledger.published().current();

    // Days before 3 are dropped; those before 1 are given up, as the reach of identity is two days.
    let report = ledger.drop_all_expired(noon(9)).unwrap().unwrap();
    assert_eq!((report.line, report.days, report.rows), (day(3), 1, 40));
    let ask = |ledger: &Ledger, told: &Told| {
        let at = Zone::utc().rfc3339(UtcMillis::new(told.accepted_ms(told.day) + 1));
        let rider_ids = vec![format!("r{}", told.rider)];
        let question =
            Question::parse(QuestionText { rider_ids, at: Some(&at), ..QuestionText::default() }).unwrap();
        let answer = resolve(&*ledger.published().current(), terms, &question).unwrap();
        (answer.verdict.as_str(), answer.platforms.first().and_then(|platform| platform.reason))
    };
    let (dropped, hidden, kept) = (Told::new(7, 0), Told::new(47, 1), Told::new(127, 3));
    assert_eq!(ask(&ledger, &dropped), ("undetermined", Some("before_records")));
    assert_eq!(ask(&ledger, &hidden), ("undetermined", Some("before_records")));
    assert_eq!(ask(&ledger, &kept).0, "covered");
    assert_eq!(statement(&*ledger.published().current(), None, None).unwrap(), before);

    // A reader of the state before finds what it had; when it is gone, so are the rows.
    assert_eq!(held.rider_versions("r0", UtcMillis::MIN, UtcMillis::MAX).unwrap().len(), 58);
    drop(held);
    ledger.collect_released().unwrap();
    let now = (holds(&ledger), run_bytes(&ledger));
    // Six values of the dropped day are gone; what is left of it and the commit that dropped it are as many.
    assert!(now.0 <= values && now.1 < bytes, "{now:?} after {values} values, {bytes} bytes");

    // What comes for the dropped days is refused, whatever the rules knew when it was decoded.
    for line in [None, ledger.retention_line()] {
        let told = [dropped.clone(), hidden.clone(), Told::new(5_000, 2), kept.clone()];
        let refused = "rejected:before_retention";
        let expected = [refused, refused, refused, "duplicate"];
        assert_eq!(commit(&mut ledger, &told, line, &mut offset, noon(9)), expected);
    }
    assert_eq!(statement(&*ledger.published().current(), None, None).unwrap(), before);

    let view = ledger.published().current();
    let from = Some(config.zone.rfc3339(config.zone.start_of(day(3))));
    let within = Window::new(noon(0), noon(9));
    let line = timeline(&*view, terms, "r0", within).unwrap();
    // Of orders 120 to 399 those of rider 0: every seventh.
    assert_eq!((line.kept_from.clone(), line.orders.len()), (from.clone(), 40));
    let history = order_history(&*view, terms, "p", "000007").unwrap();
    assert_eq!((history.kept_from, history.versions.len()), (from, 0));

    // The rest goes when the line has moved on.
    let next = Told::new(9_000, 20);
    let line = ledger.retention_line();
    commit(&mut ledger, &[next], line, &mut offset, noon(20));
    ledger.drop_all_expired(noon(20)).unwrap();
    assert_eq!(ledger.retention_line(), Some(day(14)));
    drop((ledger, view));
    let ledger = open(dir.path(), noon(20));
    holds(&ledger);
    let orders = |lines: &[coverledger::coverage::statement::StatementLine]| lines[0].orders_charged;
    let after = statement(&*ledger.published().current(), None, None).unwrap();
    assert_eq!((after.len(), orders(&after)), (1, orders(&before) + 1));
    assert_eq!(ledger.published().current().days(), Some((day(20), day(20))));
}

#[test]
fn what_was_known_before_a_drop_is_answered_for_kept_days_only() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = ten_days(dir.path());
    let config = Config::from_text(CONFIG).unwrap();
    let question = |told: &Told| {
        let at = Zone::utc().rfc3339(UtcMillis::new(told.accepted_ms(told.day) + 1));
        let rider_ids = vec![format!("r{}", told.rider)];
        Question::parse(QuestionText { rider_ids, at: Some(&at), ..QuestionText::default() }).unwrap()
    };
    let (dropped, kept) = (Told::new(7, 0), Told::new(327, 8));
    let before = ledger.published().current();
    let commit = before.as_of().commit;
    let terms = Terms { platforms: &config.platforms, zone: &config.zone };
    let [answer, of_dropped] =
        [&kept, &dropped].map(|told| resolve(&*before, terms, &question(told)).unwrap());
    assert_eq!((answer.verdict.as_str(), of_dropped.verdict.as_str()), ("covered", "covered"));
    let totals = before.totals(day(3), day(10)).unwrap();
    drop(before);
    ledger.drop_all_expired(noon(9)).unwrap();

    let newest = ledger.published().current();
    assert!(newest.as_of().commit > commit);
    let then = newest.known_at(KnownAt::Commit(commit)).unwrap();
    let terms = Terms { platforms: then.earlier_promises().unwrap(), zone: &config.zone };
    let again = resolve(&then, terms, &question(&kept)).unwrap();
    assert_eq!(
        (again.verdict, &again.windows, &again.platforms),
        (answer.verdict, &answer.windows, &answer.platforms)
    );
    assert_eq!(again.as_of, answer.as_of);
    assert_eq!(then.totals(day(3), day(10)).unwrap(), totals);
    // What needs dropped rows is refused: it would be another answer.
    let refused =
        [resolve(&then, terms, &question(&dropped)).unwrap_err(), then.totals(day(0), day(10)).unwrap_err()];
    for error in refused {
        let Some(Refused::NotKnown(detail)) = Snapshot::refusal(&error) else { panic!("{error}") };
        assert!(detail.contains("retention has dropped the orders accepted before 2026-"), "{detail}");
    }
}

#[test]
fn the_space_of_dropped_days_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut offset) = (open(dir.path(), noon(20)), 0);
    // Enough of a day to be written to a file of its own. The first one holds some of what is kept, too.
    let orders = 150_000;
    for nth in [0, 10, 20] {
        let first = u32::try_from(nth).unwrap() / 10 * orders;
        let day_of = |order| if order < 20_000 { 20 } else { nth };
        let told: Vec<Told> = (first..first + orders).map(|order| Told::new(order, day_of(order))).collect();
        commit(&mut ledger, &told, None, &mut offset, noon(20));
    }
    let before = segment_bytes(dir.path());
    assert!(before.iter().all(|bytes| *bytes > 1 << 20) && before.len() == 3, "{before:?}");
    ledger.drop_all_expired(noon(20)).unwrap();
    ledger.collect_released().unwrap();
    let removed = segment_bytes(dir.path());
    ledger.published().current().store().reclaim().unwrap();
    let after = segment_bytes(dir.path());
    // A file without live values goes; one with few is written again.
    let share = |bytes: &[u64]| bytes.iter().sum::<u64>() * 100 / before.iter().sum::<u64>();
    assert!((50..75).contains(&share(&removed)), "{removed:?} after {before:?}");
    assert!((35..45).contains(&share(&after)), "{after:?} after {before:?}");
    holds(&ledger);
}

/// Bytes of each segment file.
fn segment_bytes(dir: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(dir.join("segments")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).collect()
}

/// Bytes that the live runs put into the store.
fn run_bytes(ledger: &Ledger) -> u64 {
    ledger.published().current().runs().values().flatten().map(|run| run.entry.bytes).sum()
}

#[test]
fn an_amendment_across_the_line_takes_the_old_charge_back_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut offset) = ten_days(dir.path());
    ledger.drop_all_expired(noon(9)).unwrap();
    let charged = |ledger: &Ledger| {
        let totals = ledger.published().current().totals(LocalDay(i32::MIN), LocalDay(i32::MAX)).unwrap();
        totals.iter().map(|(_, total)| total.orders_charged).sum::<i64>()
    };
    assert_eq!(charged(&ledger), 400);
    // From day 1, whose rows are still there for identity, to day 3, which is kept.
    let moved = Told { day: 3, revision: 1, ..Told::new(47, 1) };
    // From day 0, whose rows are gone: named, its history cannot be known; not named, it is another order.
    let named = Told { day: 3, revision: 1, previous: Some(0), ..Told::new(7, 0) };
    let expected = ["amended", "rejected:before_retention"];
    let line = ledger.retention_line();
    assert_eq!(commit(&mut ledger, &[moved, named], line, &mut offset, noon(9)), expected);
    assert_eq!(charged(&ledger), 400, "no order is charged twice");
    drop(ledger);
    holds(&open(dir.path(), noon(9)));
}

#[test]
fn neither_a_clock_nor_an_order_from_the_future_drops_anything_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut offset) = ten_days(dir.path());
    let line = ledger.drop_all_expired(noon(9)).unwrap().unwrap().line;
    assert_eq!(ledger.drop_all_expired(noon(4_000)).unwrap(), None, "the clock runs ahead");
    commit(&mut ledger, &[Told::new(9_999, 3_000)], None, &mut offset, noon(9));
    assert_eq!(ledger.drop_all_expired(noon(9)).unwrap(), None, "an order of a day to come");
    assert_eq!(ledger.retention_line(), Some(line));
}

#[test]
fn refusals_of_dropped_days_are_counted_under_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut offset) = ten_days(dir.path());
    ledger.drop_all_expired(noon(9)).unwrap();
    commit(&mut ledger, &[Told::new(1, 0)], None, &mut offset, noon(9));
    let view = ledger.published().current();
    let mut reasons = Vec::new();
    view.rejected()
        .visit(view.store(), 0, |record| {
            reasons.push(record.rejection.kept);
            Ok(true)
        })
        .unwrap();
    assert_eq!(reasons, [coverledger::domain::rejection::Kept::Rejected(Reason::BeforeRetention)]);
}
