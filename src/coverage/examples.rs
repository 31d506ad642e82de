//! Single answers, word for word.

use super::Terms;
use super::order::order_history;
use super::question::{Question, QuestionText};
use super::resolve::resolve;
use super::statement::{COLUMNS, statement, write_csv};
use super::testing::{NaiveLedger, posting};
use super::timeline::timeline;
use crate::domain::charge::Price;
use crate::domain::money::Micros;
use crate::domain::order::Outcome;
use crate::domain::platform::{Platforms, Promise, UnreadableRecords};
use crate::domain::posting::Posting;
use crate::domain::time::{HOUR_MS, MINUTE_MS, Month, UtcMillis, Zone};
use crate::domain::window::Window;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2026-11-20T04:00:00Z
const NOON: i64 = 1_795_147_200_000;

fn at(minutes: i64) -> UtcMillis {
    UtcMillis::new(NOON + minutes * MINUTE_MS)
}

fn order(id: &str, from: i64, until: i64) -> Posting {
    posting(id, NOON + from * MINUTE_MS, Some(NOON + until * MINUTE_MS))
}

fn open(id: &str, from: i64) -> Posting {
    posting(id, NOON + from * MINUTE_MS, None)
}

fn platforms() -> Platforms {
    let promise = Promise {
        topics: vec!["t".to_owned()],
        records_from: Some(at(-100_000)),
        complete_start: true,
        delivery_delay_ms: 15 * MINUTE_MS,
        streams_open_orders_from: None,
        max_order_duration_ms: 24 * HOUR_MS,
        unreadable_records: UnreadableRecords::default(),
    };
    Platforms::new(BTreeMap::from([("p".to_owned(), promise)]), Promise::default())
}

fn ledger(through: i64, postings: impl IntoIterator<Item = Posting>) -> NaiveLedger {
    let mut ledger = NaiveLedger { commits: vec![at(30)], ..NaiveLedger::default() };
    for posting in postings {
        ledger.apply(posting);
    }
    ledger.completeness.register(&platforms());
    ledger.completeness.platforms.get_mut("p").unwrap().complete_through = Some(at(through));
    ledger
}

fn ask(ledger: &NaiveLedger, when: &str) -> Value {
    let (at, from, to) = match when.split_once('/') {
        Some((from, to)) => (None, Some(from), Some(to)),
        None => (Some(when), None, None),
    };
    let rider_ids = vec!["R".to_owned()];
    let text = QuestionText { rider_ids, at, from, to, ..QuestionText::default() };
    let question = Question::parse(text).unwrap();
    let terms = Terms { platforms: &platforms(), zone: &ledger.zone };
    serde_json::to_value(resolve(ledger, terms, &question).unwrap()).unwrap()
}

#[test]
fn an_answer_has_the_shape_of_the_contract() {
    let ledger = ledger(10, [order("a", 0, 15), order("b", -60, -30)]);
    let rider_ids = vec!["R".to_owned()];
    let text = QuestionText { rider_ids, at: Some("2026-11-20T12:07:31+08:00"), ..QuestionText::default() };
    let terms = Terms { platforms: &platforms(), zone: &ledger.zone };
    let answer = resolve(&ledger, terms, &Question::parse(text).unwrap()).unwrap();
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        concat!(
            r#"{"verdict":"covered","rider_id":["R"],"at":"2026-11-20T04:07:31.000+00:00","#,
            r#""windows":[{"platform":"p","order_id":"a","leg":0,"phase":"ended","rider_id":"R","#,
            r#""category":"instant_delivery","region":"310115","outcome":"completed","revision":0,"#,
            r#""starts_at":"2026-11-20T04:00:00.000+00:00","ends_at":"2026-11-20T04:15:00.000+00:00","#,
            r#""premium":"0.25","tariff":{"version":"v1","rule":"rate 0","cover":null},"#,
            r#""recorded_at":"2026-11-20T04:30:00.000+00:00","commit":1}],"#,
            r#""nearest_before":null,"nearest_after":null,"settled":false,"#,
            r#""platforms":[{"platform":"p","settled":false,"reason":"incomplete","#,
            r#""complete_through":"2026-11-20T04:10:00.000+00:00","#,
            r#""ask_again_at":"2026-11-21T04:22:31.001+00:00"}],"#,
            r#""superseded":[],"disputed":[],"rider_seen":{"first":"2026-11-20T03:00:00.000+00:00","#,
            r#""last":"2026-11-20T04:15:00.000+00:00","platforms":["p"]},"warnings":[],"#,
            r#""as_of":{"commit":1,"recorded_at":"2026-11-20T04:30:00.000+00:00","config":"c0ffee"}}"#,
        )
    );
}

#[test]
fn an_interval_is_answered_in_parts_and_a_minute_is_one() {
    let ledger = ledger(3_000, [order("a", 0, 15), order("b", -60, -30)]);
    let answer = ask(&ledger, "2026-11-20T04:14:30Z/2026-11-20T04:16:00Z");
    assert_eq!(answer["verdict"], "partly_covered");
    assert_eq!(answer["at"], Value::Null);
    assert_eq!(
        answer["parts"],
        json!([
            {"from": "2026-11-20T04:14:30.000+00:00", "to": "2026-11-20T04:15:00.000+00:00", "verdict": "covered"},
            {"from": "2026-11-20T04:15:00.000+00:00", "to": "2026-11-20T04:16:00.000+00:00", "verdict": "not_covered"},
        ])
    );
    assert_eq!(ask(&ledger, "2026-11-20T04:14Z")["verdict"], "covered");
    let bare = ask(&ledger, "2026-11-20T03:58Z");
    assert_eq!(bare["verdict"], "not_covered");
    assert_eq!(bare["settled"], true);
    assert_eq!(bare["platforms"][0]["reason"], Value::Null);
    assert_eq!(bare["nearest_before"]["order_id"], "b");
    assert_eq!(bare["nearest_before"]["distance_s"].to_string(), "1680.0");
    assert_eq!(bare["nearest_after"]["order_id"], "a");
    assert_eq!(bare["nearest_after"]["distance_s"].to_string(), "60.0", "from the end of the minute");
}

#[test]
fn what_once_held_the_instant_is_named() {
    let shorter = Posting { revision: 3, ..order("a", 0, 5) };
    let ledger = ledger(3_000, [order("a", 0, 15), shorter]);
    let answer = ask(&ledger, "2026-11-20T04:07:31Z");
    assert_eq!(answer["verdict"], "not_covered");
    assert_eq!(answer["superseded"][0]["ends_at"], "2026-11-20T04:15:00.000+00:00");
    assert_eq!(
        answer["superseded"][0]["superseded_by"],
        json!({"revision": 3, "recorded_at": "2026-11-20T04:30:00.000+00:00", "commit": 1})
    );
    assert_eq!(ask(&ledger, "2026-11-20T04:20:00Z")["superseded"], json!([]));
}

#[test]
fn an_open_order_that_ended_normally_is_not_superseded_but_a_void_one_is() {
    let ended = ledger(3_000, [open("a", 0), order("a", 0, 5)]);
    assert_eq!(ask(&ended, "2026-11-20T04:07:31Z")["superseded"], json!([]));
    let void = Posting { outcome: Some(Outcome::Void), revision: 1, ..order("a", 0, 5) };
    let void = ledger(3_000, [open("a", 0), void]);
    let answer = ask(&void, "2026-11-20T04:03:00Z");
    assert_eq!(answer["verdict"], "not_covered");
    assert_eq!(answer["superseded"][0]["phase"], "open");
}

#[test]
fn an_open_order_covers_up_to_complete_through() {
    let ledger = ledger(10, [open("a", 0)]);
    let held = ask(&ledger, "2026-11-20T04:09:59.999Z");
    assert_eq!(held["verdict"], "covered");
    assert_eq!(held["windows"][0]["ends_at"], Value::Null);
    assert_eq!(held["windows"][0]["premium"], Value::Null);
    assert_eq!(ask(&ledger, "2026-11-20T04:10:00Z")["verdict"], "undetermined");
    let mut elsewhere = order("a", 0, 20);
    elsewhere.rider_id = "S".to_owned();
    let mut transferred = ledger.clone();
    transferred.apply(elsewhere);
    transferred.completeness.platforms.get_mut("p").unwrap().complete_through = Some(at(3_000));
    let answer = ask(&transferred, "2026-11-20T04:19:59.999Z");
    assert_eq!(
        (&answer["verdict"], &answer["platforms"][0]["reason"]),
        (&json!("undetermined"), &json!("order_open"))
    );
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(answer["warnings"][0]["code"], "order_ended_by_another_rider");
    assert_eq!(ask(&transferred, "2026-11-20T04:20:00Z")["verdict"], "not_covered");
}

#[test]
fn an_unknown_rider_is_answered_and_an_empty_ledger_settles_nothing() {
    let known = ledger(3_000, []);
    let answer = ask(&known, "2026-11-20T04:07:31Z");
    assert_eq!((&answer["verdict"], &answer["rider_seen"]), (&json!("not_covered"), &Value::Null));
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(answer["warnings"][0]["code"], "rider_unknown");
    let empty = NaiveLedger::default();
    let rider_ids = vec!["R".to_owned()];
    let text = QuestionText { rider_ids, at: Some("2026-11-20T04:07:31Z"), ..QuestionText::default() };
    let terms = Terms { platforms: &Platforms::default(), zone: &empty.zone };
    let answer = resolve(&empty, terms, &Question::parse(text).unwrap()).unwrap();
    assert_eq!((answer.verdict.as_str(), answer.settled), ("undetermined", false));
}

#[test]
fn several_identifiers_and_narrowed_platforms() {
    let mut other = order("b", 0, 15);
    (other.platform, other.rider_id) = ("q".to_owned(), "R2".to_owned());
    let ledger = ledger(3_000, [order("a", 0, 15), other]);
    let terms = Terms { platforms: &platforms(), zone: &ledger.zone };
    let put = |platforms: &[&str]| {
        let text = QuestionText {
            rider_ids: vec!["R2".to_owned(), "R".to_owned()],
            at: Some("2026-11-20T04:07:31Z"),
            platforms: platforms.iter().map(|name| (*name).to_owned()).collect(),
            ..QuestionText::default()
        };
        serde_json::to_value(resolve(&ledger, terms, &Question::parse(text).unwrap()).unwrap()).unwrap()
    };
    let all = put(&[]);
    assert_eq!(all["windows"][1]["rider_id"], "R2");
    assert_eq!(all["rider_seen"]["platforms"], json!(["p", "q"]));
    assert_eq!(
        all["platforms"][1],
        json!({"platform": "q", "settled": false, "reason": "before_records",
        "complete_through": null, "ask_again_at": null}),
        "an unregistered platform that is stored counts"
    );
    assert_eq!(all.get("platform"), None);
    let one = put(&["p"]);
    assert_eq!((one["windows"].as_array().unwrap().len(), &one["settled"]), (1, &json!(true)));
    assert_eq!(one["platform"], json!(["p"]));
}

#[test]
fn a_rider_was_last_seen_at_the_end_of_an_order_that_outlasted_later_ones() {
    let day = 24 * 60;
    let long = order("long", -3 * day, 60);
    let (first, short) = (order("first", -9 * day, 30 - 9 * day), order("short", -day, 10 - day));
    let answer = ask(&ledger(10, [first, long, short, order("newest", 0, 15)]), "2026-11-20T06:00:00Z");
    assert_eq!(answer["rider_seen"]["last"], "2026-11-20T05:00:00.000+00:00");
}

#[test]
fn days_that_overlap_are_both_read() {
    // Five minutes after midnight it is 17:05 of the day before.
    let zone = Zone::new("set back", -4 * 3_600, [(at(5), -11 * 3_600)]);
    let ledger = NaiveLedger { zone, ..ledger(10, [order("odd", 1, 2), order("late", 6, 7)]) };
    let answer = ask(&ledger, "2026-11-20T04:30:00Z");
    assert_eq!(answer["nearest_before"]["order_id"], "late");
    assert_eq!(answer["rider_seen"]["first"], "2026-11-20T00:01:00.000-04:00");
}

#[test]
fn a_timeline_merges_cover_and_leaves_open_orders_out() {
    let orders = [order("a", 0, 15), order("b", 15, 20), order("c", -90, -50), open("d", 30)];
    let ledger = ledger(10, orders);
    let terms = Terms { platforms: &platforms(), zone: &ledger.zone };
    let line = timeline(&ledger, terms, "R", Window::new(at(-60), at(60))).unwrap();
    let line = serde_json::to_value(line).unwrap();
    assert_eq!(
        line["cover"],
        json!([
            {"from": "2026-11-20T03:00:00.000+00:00", "to": "2026-11-20T03:10:00.000+00:00"},
            {"from": "2026-11-20T04:00:00.000+00:00", "to": "2026-11-20T04:20:00.000+00:00"},
        ])
    );
    let ids = |key: &str| -> Vec<String> {
        line[key].as_array().unwrap().iter().map(|w| w["order_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (ids("orders"), ids("open")),
        (vec!["c".into(), "a".into(), "b".into()], vec!["d".to_owned()])
    );
}

#[test]
fn an_order_is_told_with_every_version() {
    let amended = Posting { revision: 2, ..order("a", 0, 20) };
    let ledger = ledger(10, [open("a", 0), order("a", 0, 15), amended]);
    let terms = Terms { platforms: &platforms(), zone: &ledger.zone };
    let history = serde_json::to_value(order_history(&ledger, terms, "p", "a").unwrap()).unwrap();
    let versions = history["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 3);
    assert_eq!((&versions[1]["revision"], &versions[1]["superseded_by"]["revision"]), (&json!(0), &json!(2)));
    assert_eq!(versions[2]["superseded_by"], Value::Null);
    assert_eq!(versions[0]["accepted_at"], "2026-11-20T04:00:00.000+00:00");
}

#[test]
fn a_statement_is_exact_and_rounds_once_a_line() {
    let priced = |id: &str, from: i64, micros: i64| {
        let mut order = order(id, from, from + 1);
        order.charge.price = Price::Charged {
            premium: Micros::new(micros),
            rate: crate::domain::posting::RuleNo(0),
            factor: None,
        };
        order
    };
    let mut cancelled = order("c", 0, 1);
    (cancelled.outcome, cancelled.charge.price) = (Some(Outcome::Cancelled), Price::Uncharged);
    let mut unrated = order("d", 0, 1);
    (unrated.platform, unrated.charge.price) = ("q".to_owned(), Price::Unrated);
    let december = 20 * 24 * 60;
    let orders =
        [priced("a", 0, 56_000), priced("b", 0, 9_000), cancelled, unrated, priced("e", december, 4_999)];
    let ledger = ledger(10, orders);
    let mut csv = Vec::new();
    write_csv(&statement(&ledger, None, None).unwrap(), &mut csv).unwrap();
    assert_eq!(
        String::from_utf8(csv).unwrap(),
        format!(
            "{COLUMNS}\np,310115,instant_delivery,2026-11,2,0.065000,0.07,0,1,0,0,0\n\
             p,310115,instant_delivery,2026-12,1,0.004999,0.00,0,0,0,0,0\n\
             q,310115,instant_delivery,2026-11,0,0.000000,0.00,0,0,0,0,1\n"
        )
    );
    let only = statement(&ledger, Month::parse("2026-12"), Some("p")).unwrap();
    assert_eq!(only.len(), 1);
    assert_eq!(statement(&ledger, Month::parse("2027-01"), None).unwrap(), []);
}

mod pending;
