//! Answers beside unresolved rejected and conflicting records.

use super::*;
use crate::domain::reject::{Readable, Reason};
use crate::domain::rejection::{Kept, Origin, Rejection, Resolution};

/// An unresolved record that tells what `event` tells.
fn kept_record(kept: Kept, event: &Posting) -> Rejection {
    Rejection {
        id: 7,
        commit: 1,
        kept,
        detail: String::new(),
        settled_by: None,
        origin: Origin::File { content: [0; 16], line: 3 },
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

fn first_reason(answer: &Value) -> (&str, &str) {
    (answer["verdict"].as_str().unwrap(), answer["platforms"][0]["reason"].as_str().unwrap_or("none"))
}

#[test]
fn a_conflict_keeps_the_time_open_that_it_would_add_and_takes_none_away() {
    let mut ledger = ledger(3_000, [order("a", 0, 5)]);
    ledger.rejections.push(kept_record(Kept::Conflict, &order("a", 0, 15)));
    let added = ask(&ledger, "2026-11-20T04:07:31Z");
    assert_eq!(first_reason(&added), ("undetermined", "conflicting_record"));
    assert_eq!(added["disputed"][0]["rejection"], 7);
    assert_eq!(ask(&ledger, "2026-11-20T04:03:31Z")["verdict"], "covered");
    let beyond = ask(&ledger, "2026-11-20T04:17:31Z");
    assert_eq!((first_reason(&beyond), &beyond["disputed"]), (("not_covered", "none"), &json!([])));
    ledger.rejections[0].resolution = Some(Resolution::Operator { commit: 1, reason: "agreed".to_owned() });
    let resolved = ask(&ledger, "2026-11-20T04:07:31Z");
    assert_eq!((first_reason(&resolved), &resolved["disputed"]), (("not_covered", "none"), &json!([])));
}

#[test]
fn a_void_conflict_adds_nothing() {
    let mut ledger = ledger(3_000, [order("a", 0, 5)]);
    let mut void = order("a", 0, 15);
    void.outcome = Some(Outcome::Void);
    ledger.rejections.push(kept_record(Kept::Conflict, &void));
    assert_eq!(first_reason(&ask(&ledger, "2026-11-20T04:07:31Z")), ("not_covered", "none"));
}

#[test]
fn an_order_that_was_handed_on_keeps_the_second_rider_open_until_its_end() {
    let mut first = open("a", 0);
    first.rider_id = "A".to_owned();
    let mut ledger = ledger(3_000, [first.clone()]);
    let mut second = first;
    second.rider_id = "R".to_owned();
    ledger.rejections.push(kept_record(Kept::Conflict, &second));
    let at = "2026-11-20T04:07:31Z";
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "conflicting_record"));
    assert!(ledger.apply(order("a", 0, 15)));
    assert_eq!(ask(&ledger, at)["verdict"], "covered");
    let after = ask(&ledger, "2026-11-20T04:17:31Z");
    assert_eq!((first_reason(&after), &after["disputed"]), (("not_covered", "none"), &json!([])));
}

#[test]
fn an_order_number_that_is_used_again_keeps_the_second_rider_open() {
    let mut monday = order("12", -24 * 60, -24 * 60 + 15);
    monday.rider_id = "C".to_owned();
    let mut ledger = ledger(3_000, [monday]);
    let at = "2026-11-20T04:07:31Z";
    // Its open event came first: the end of Monday is not its own.
    assert!(ledger.apply(open("12", 0)));
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "order_open"));
    ledger.versions.pop();
    ledger.rejections.push(kept_record(Kept::Conflict, &order("12", 0, 15)));
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "conflicting_record"));
}

#[test]
fn a_record_in_which_no_rider_can_be_read_concerns_every_rider_of_its_platform() {
    let at = "2026-11-20T04:07:31Z";
    let mut ledger = ledger(3_000, [order("a", 20, 25)]);
    let mut record = kept_record(Kept::Rejected(Reason::MissingField), &order("x", 0, 15));
    record.readable.rider_id = None;
    ledger.rejections.push(record);
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "unreadable_record"));
    assert_eq!(ask(&ledger, "2026-11-20T04:22:31Z")["verdict"], "covered");
    assert_eq!(
        first_reason(&ask(&ledger, "2026-11-20T04:17:31Z")),
        ("not_covered", "none"),
        "its times are known"
    );
    // Without any time, of a file: always.
    ledger.rejections[0].readable = Readable::default();
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "unreadable_record"));
    // A completeness record concerns no rider.
    ledger.rejections[0].readable.is_completeness = true;
    assert_eq!(first_reason(&ask(&ledger, at)), ("not_covered", "none"));
    ledger.rejections[0].readable.is_completeness = false;
    let warn = Promise { unreadable_records: UnreadableRecords::Warn, ..platforms().get("p").clone() };
    let platforms = Platforms::new(BTreeMap::from([("p".to_owned(), warn)]), Promise::default());
    let text = QuestionText { rider_ids: vec!["R".to_owned()], at: Some(at), ..QuestionText::default() };
    let terms = Terms { platforms: &platforms, zone: &ledger.zone };
    let answer = resolve(&ledger, terms, &Question::parse(text).unwrap()).unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(first_reason(&answer), ("not_covered", "none"));
    assert_eq!(answer["warnings"][0]["code"], "unreadable_records_ignored");
    assert_eq!(answer["warnings"][0]["count"], 1);
}

#[test]
fn a_record_whose_times_prove_nothing_keeps_more_than_them_open() {
    let mut ledger = ledger(3_000, []);
    let at = "2026-11-20T04:07:31Z";
    // An end that lies before its start by less than a millisecond looks like one millisecond.
    let mut record = kept_record(Kept::Rejected(Reason::EndedBeforeAccepted), &order("x", 0, 0));
    let accepted = record.readable.accepted_at.unwrap();
    record.readable.ended_at = Some(accepted.plus(1));
    ledger.rejections.push(record.clone());
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "rejected_record"));
    // A clock at zero.
    record.kept = Kept::Rejected(Reason::BeyondHorizon);
    (record.readable.accepted_at, record.readable.ended_at) = (Some(UtcMillis::new(0)), None);
    ledger.rejections[0] = record;
    assert_eq!(first_reason(&ask(&ledger, at)), ("undetermined", "rejected_record"));
}
