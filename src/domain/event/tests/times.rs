//! RFC 3339, with jiff as the other opinion.

use super::super::ExactTime;
use crate::domain::time::UtcMillis;
use proptest::prelude::*;

fn parse(text: &str) -> Option<(i64, i64)> {
    ExactTime::parse(text).map(|time| (time.floor().millis(), time.ceil().millis()))
}

#[test]
fn forms_that_are_read() {
    for (text, floor, ceil) in [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("1970-01-01t00:00:00z", 0, 0),
        ("1970-01-01T08:00:00+08:00", 0, 0),
        ("1969-12-31T19:00:00.000-05:00", 0, 0),
        ("1970-01-01T00:00:00-00:00", 0, 0),
        ("1970-01-01T00:00:00.5Z", 500, 500),
        ("1970-01-01T00:00:00.05Z", 50, 50),
        ("1970-01-01T00:00:00.1234Z", 123, 124),
        ("1970-01-01T00:00:00.123000Z", 123, 123),
        ("1969-12-31T23:59:59.9991Z", -1, 0),
        ("1970-01-01T00:00:00.00000000000000000000000000000000000000001Z", 0, 1),
        ("0000-01-01T00:00:00Z", -62_167_219_200_000, -62_167_219_200_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999, 253_402_300_799_999),
        ("2024-02-29T00:00:00+23:59", 1_709_078_460_000, 1_709_078_460_000),
    ] {
        assert_eq!(parse(text), Some((floor, ceil)), "{text}");
    }
}

#[test]
fn forms_that_are_refused() {
    for text in [
        "",
        "2026-11-20",
        "2026-11-20T12:00Z",
        "2026-11-20T12:00:00",
        "2026-11-20 12:00:00Z",
        "2026-11-20T12:00:00.Z",
        "2026-11-20T12:00:00,5Z",
        "2026-11-20T12:00:00.123",
        "2026-11-20T12:00:00.12é",
        "2026-11-20T12:00:00+0800",
        "2026-11-20T12:00:00+08",
        "2026-11-20T12:00:00+24:00",
        "2026-11-20T12:00:00+08:60",
        "2026-11-20T12:00:00+08:00[Asia/Shanghai]",
        "2026-11-20T12:00:00Z ",
        " 2026-11-20T12:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T12:60:00Z",
        "2026-12-31T23:59:60Z",
        "2026-00-20T12:00:00Z",
        "2026-13-20T12:00:00Z",
        "2026-11-00T12:00:00Z",
        "2026-11-31T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "-026-11-20T12:00:00Z",
        "+12026-11-20T12:00:00Z",
        "２026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.1234é+08:00",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn limits_compare_every_digit() {
    let time = |text| ExactTime::parse(text).unwrap();
    let start = time("2026-11-20T12:00:00.0001Z");
    assert!(!time("2026-11-20T12:00:01.0001Z").is_later_by_more_than(1_000, start));
    assert!(!time("2026-11-20T12:00:01.00010000Z").is_later_by_more_than(1_000, start));
    assert!(time("2026-11-20T12:00:01.00010000000000000001Z").is_later_by_more_than(1_000, start));
    assert!(!time("2026-11-20T12:00:01.00009Z").is_later_by_more_than(1_000, start));
    assert!(time("2026-11-20T12:00:00.00009Z") < start);
    assert!(time("2026-11-20T12:00:00.0001Z") == start);
    let horizon = (UtcMillis::new(0), UtcMillis::new(1_000));
    assert!(time("1970-01-01T00:00:00.99999999Z").is_within(horizon));
    assert!(!time("1970-01-01T00:00:01Z").is_within(horizon));
    assert!(!time("1969-12-31T23:59:59.99999999Z").is_within(horizon));
}

proptest! {
    #[test]
    fn jiff_reads_the_same_instant(
        (year, month, day) in (1_i32..9_998, 0_u8..14, 0_u8..33),
        (hour, minute, second) in (0_u8..25, 0_u8..61, 0_u8..60),
        fraction in "(\\.[0-9]{1,9})?",
        zone in "Z|z|[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]",
        t in "[Tt]",
    ) {
        let text = format!("{year:04}-{month:02}-{day:02}{t}{hour:02}:{minute:02}:{second:02}{fraction}{zone}");
        let ours = parse(&text);
        let theirs = text.parse::<jiff::Timestamp>().ok().map(|stamp| {
            let ns = stamp.as_nanosecond();
            let floor = ns.div_euclid(1_000_000);
            let ceil = floor + i128::from(ns.rem_euclid(1_000_000) > 0);
            (i64::try_from(floor).unwrap(), i64::try_from(ceil).unwrap())
        });
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn what_is_read_after_a_change_is_read_by_jiff_too(
        place in 0_usize..40,
        other in any::<char>(),
        base in prop::sample::select(vec![
            "2026-11-20T12:07:31.000+08:00", "2024-02-29T23:59:59Z", "1999-12-31t00:00:00.123456-11:30",
        ]),
    ) {
        let mut characters: Vec<char> = base.chars().collect();
        match characters.get_mut(place) {
            Some(character) => *character = other,
            None => characters.push(other),
        }
        let text: String = characters.into_iter().collect();
        // Within a day of the year 10000 jiff has no instants any more: these we read, and the horizon refuses them.
        if let Some((floor, _)) = parse(&text).filter(|&(floor, _)| floor < 253_402_207_200_000) {
            let stamp: jiff::Timestamp = text.parse().expect("jiff refuses what we read");
            prop_assert_eq!(floor, i64::try_from(stamp.as_nanosecond().div_euclid(1_000_000)).unwrap());
        }
    }
}
