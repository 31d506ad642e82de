//! What a refused record still tells.

use super::record;
use super::refusal;
use crate::domain::order::Phase;
use crate::domain::reject::{ReadRevision, Readable};
use crate::domain::time::UtcMillis;

fn whole() -> Readable {
    Readable {
        platform: Some("meituan".into()),
        order_id: Some("8812345678901234567".into()),
        leg: Some(0),
        phase: Some(Phase::Ended),
        rider_id: Some("R1".into()),
        revision: ReadRevision::Known(0),
        accepted_at: Some(UtcMillis::new(1_795_147_200_000)),
        ended_at: Some(UtcMillis::new(1_795_149_000_000)),
        outcome: None,
        is_completeness: false,
        is_clock_wrong: false,
    }
}

fn readable(changes: &[(&str, &str)]) -> Readable {
    *refusal(&record(changes)).readable
}

#[test]
fn everything_valid_is_read_whatever_broke() {
    assert_eq!(readable(&[("category", "\"unknown\"")]), whole());
    assert_eq!(readable(&[("kind", "\"refund\"")]), whole());
    assert_eq!(readable(&[("region", "1")]), whole());
    assert_eq!(readable(&[("fare", "\"x\"")]), whole());
    assert_eq!(
        readable(&[("platform", "\"nobody\"")]),
        Readable { platform: Some("nobody".into()), ..whole() }
    );
}

#[test]
fn each_field_is_read_by_its_own_rule() {
    assert_eq!(readable(&[("platform", "\"NOBODY\"")]), Readable { platform: None, ..whole() });
    assert_eq!(readable(&[("order_id", "\"\"")]), Readable { order_id: None, ..whole() });
    assert_eq!(readable(&[("leg", "256")]), Readable { leg: None, ..whole() });
    assert_eq!(readable(&[("rider_id", "\"a\\nb\"")]), Readable { rider_id: None, ..whole() });
    let revision = readable(&[("revision", "1.5")]);
    assert_eq!(revision, Readable { revision: ReadRevision::Unreadable, ..whole() });
    assert_eq!(readable(&[("accepted_at", "\"noon\"")]), Readable { accepted_at: None, ..whole() });
    assert_eq!(readable(&[("ended_at", "7")]), Readable { ended_at: None, ..whole() });
    let open = readable(&[("region", "1"), ("ended_at", ""), ("leg", "3"), ("revision", "9")]);
    let expected = Readable {
        phase: Some(Phase::Open),
        ended_at: None,
        leg: Some(3),
        revision: ReadRevision::Known(9),
        ..whole()
    };
    assert_eq!(open, expected);
}

#[test]
fn times_are_rounded_outwards_and_read_beyond_the_horizon() {
    let rounded = readable(&[
        ("region", "1"),
        ("accepted_at", "\"2026-11-20T12:00:00.0009+08:00\""),
        ("ended_at", "\"2026-11-20T12:30:00.0001+08:00\""),
    ]);
    let expected = Readable { ended_at: Some(UtcMillis::new(1_795_149_000_001)), ..whole() };
    assert_eq!(rounded, expected);
    let far = readable(&[("accepted_at", "\"9999-12-31T22:00:00Z\"")]);
    assert_eq!(far.accepted_at, Some(UtcMillis::new(253_402_293_600_000)));
}

#[test]
fn nothing_is_read_of_what_is_no_object() {
    for record in [&b"[]"[..], b"null", b"", b"\"rider_id\"", b"\xff\xfe", b"x{\"rider_id\":\"R1\"}"] {
        assert_eq!(*refusal(record).readable, Readable::default());
    }
    let empty = *refusal(b"{}").readable;
    let expected = Readable {
        leg: Some(0),
        phase: Some(Phase::Open),
        revision: ReadRevision::Known(0),
        ..Readable::default()
    };
    assert_eq!(empty, expected);
}
