use super::*;
use crate::domain::completeness::TopicFacts;
use crate::domain::platform::UnreadableRecords;
use std::collections::BTreeMap;

fn at(ms: i64) -> UtcMillis {
    UtcMillis::new(ms)
}

fn line(promise: Promise, through: Option<i64>) -> PlatformFinality {
    let platforms = Platforms::new(BTreeMap::from([("p".to_owned(), promise)]), Promise::default());
    let mut completeness = Completeness::default();
    let facts = PlatformFacts { complete_through: through.map(at), ..PlatformFacts::default() };
    completeness.platforms.insert("p".to_owned(), facts);
    completeness.topics.insert("t".to_owned(), TopicFacts::default());
    PlatformFinality::new("p", &completeness, &platforms, CoverMargins { lead_ms: 5, tail_ms: 7 })
}

fn promise() -> Promise {
    Promise {
        topics: vec!["t".to_owned()],
        records_from: Some(at(0)),
        complete_start: false,
        delivery_delay_ms: 10,
        streams_open_orders_from: None,
        max_order_duration_ms: 100,
        unreadable_records: UnreadableRecords::default(),
    }
}

fn told(line: &PlatformFinality, from: i64, until: i64) -> Vec<(i64, &'static str, Option<i64>)> {
    line.stretches(Window::new(at(from), at(until)), at(0))
        .into_iter()
        .map(|piece| {
            let unsettled = piece.unsettled;
            (
                piece.window.from.millis(),
                unsettled.map_or("settled", |unsettled| unsettled.reason.as_str()),
                unsettled.and_then(|unsettled| unsettled.ask_again_at).map(UtcMillis::millis),
            )
        })
        .collect()
}

#[test]
fn without_open_events_the_longest_order_must_have_ended() {
    let line = line(promise(), Some(1_000));
    assert_eq!(
        told(&line, -5, 2_000),
        [(-5, "before_records", None), (107, "settled", None), (895, "incomplete", Some(2_115))]
    );
    assert_eq!(
        told(&line, 895, 896),
        [(895, "incomplete", Some(1_011))],
        "895 + 5 + 100 + 10, and later than it"
    );
}

#[test]
fn with_open_events_acceptance_is_enough_a_while_after_they_began() {
    let streams = |from| Promise { streams_open_orders_from: Some(at(from)), ..promise() };
    assert_eq!(
        told(&line(streams(800), Some(1_000)), 890, 1_000),
        [
            (890, "settled", None),
            (895, "incomplete", Some(1_022)),
            (907, "settled", None),
            (995, "incomplete", Some(1_015))
        ]
    );
    assert_eq!(
        told(&line(streams(950), Some(1_000)), 890, 1_100),
        [(890, "settled", None), (895, "incomplete", Some(1_172)), (1_057, "incomplete", Some(1_115))]
    );
    assert_eq!(told(&line(streams(0), None), 200, 300), [(200, "incomplete", Some(315))]);
}

#[test]
fn time_alone_brings_no_statement_and_no_records_from() {
    let file = Promise { topics: Vec::new(), ..promise() };
    assert_eq!(told(&line(file, None), 200, 300), [(200, "incomplete", None)]);
    let never = Promise { records_from: None, ..promise() };
    assert_eq!(told(&line(never, Some(1_000)), 200, 300), [(200, "before_records", None)]);
    let whole = Promise { complete_start: true, ..promise() };
    assert_eq!(told(&line(whole, Some(1_000)), 0, 5), [(0, "settled", None)]);
}

#[test]
fn who_waits_for_a_silent_platform_is_not_told_to_ask_at_once() {
    let line = line(promise(), Some(1_000));
    let ask = |recorded_at| {
        let pieces = line.stretches(Window::new(at(895), at(896)), at(recorded_at));
        pieces[0].unsettled.unwrap().ask_again_at.unwrap().millis()
    };
    let due = 1_011;
    assert_eq!(ask(due - 1), due);
    assert_eq!(ask(due), due + 60_000);
    assert_eq!(ask(due + 600_000), due + 1_200_000, "as long again as it is overdue");
    assert_eq!(ask(due + 90 * 86_400_000), due + 91 * 86_400_000);
}

#[test]
fn the_first_reason_is_given() {
    let mut line = line(promise(), Some(1_000));
    line.claim(Window::new(at(100), at(900)), UnsettledReason::RejectedRecord, AskAgain::Never);
    line.claim(Window::new(at(300), at(400)), UnsettledReason::OrderOpen, AskAgain::At(at(500)));
    assert_eq!(
        told(&line, 100, 900),
        [
            (100, "before_records", None),
            (107, "rejected_record", None),
            (300, "order_open", Some(500)),
            (400, "rejected_record", None),
            (895, "incomplete", Some(1_015)),
        ]
    );
    line.clear_rider_claims();
    assert_eq!(told(&line, 200, 300), [(200, "settled", None)]);
}
