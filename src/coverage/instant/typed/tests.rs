use super::*;

/// 2026-11-20T12:07:00+08:00
const NOON: UtcMillis = UtcMillis::new(1_795_147_620_000);

fn shanghai() -> Zone {
    Zone::new("Asia/Shanghai", 8 * 3_600, [])
}

fn new_york() -> (Zone, UtcMillis, UtcMillis) {
    let spring = UtcMillis::new(1_362_898_800_000); // 2013-03-10T07:00:00Z
    let autumn = UtcMillis::new(1_383_458_400_000); // 2013-11-03T06:00:00Z
    (Zone::new("America/New_York", -18_000, [(spring, -14_400), (autumn, -18_000)]), spring, autumn)
}

#[test]
fn instants_are_read_as_people_type_them() {
    let zone = shanghai();
    for text in [
        "2026-11-20 12:07:31",
        "2026-11-20T12:07:31",
        "2026-11-20t12:07:31.000",
        " 2026/11/20  12:07:31 ",
        "2026.11.20 12:07:31",
        "2026/11/20 12：07：31",
        "２０２６－１１－２０　１２：０７：３１",
        "2026年11月20日 12:07:31",
        "2026年11月20日12:07:31",
        "2026 年 11 月 20 日 12 时 07 分 31 秒",
        "2026年11月20日12时7分31秒",
        "2026年11月20号12点07分31秒",
        "20261120 12:07:31",
        "2026-11-20\u{a0}12:07:31\u{200b}",
        "\u{feff}2026‑11‑20 12:07:31",
        "2026-11-20 12:07:31+08:00",
        "2026-11-20 12:07:31 +0800",
        "2026-11-20 04:07:31Z",
        "2026-11-20T04:07:31Z",
        "2026-11-20T12:07:31.000+08:00",
        "2026-11-20 12:07:31,0",
    ] {
        assert_eq!(parse_typed(text, &zone), Ok(When::Instant(NOON.plus(31_000))), "{text}");
    }
    assert_eq!(parse_typed("2026-11-20 12:07:00.25", &zone), Ok(When::Instant(NOON.plus(250))));
    let nine = When::Instant(NOON.minus(3 * HOUR_MS));
    assert_eq!(parse_typed("2026-11-20 9:07:00", &zone), Ok(nine));
    assert_eq!(parse_typed("2026年1月2日 0:00:00", &zone), parse_typed("2026-01-02T00:00:00+08:00", &zone));
}

#[test]
fn without_seconds_it_is_the_minute_and_without_a_time_the_day() {
    let zone = shanghai();
    let minute = When::Minute(Window::new(NOON, NOON.plus(MINUTE_MS)));
    for text in [
        "2026-11-20 12:07",
        "2026-11-20T12:07+08:00",
        "2026年11月20日 12:07",
        "2026年11月20日12时07分",
        "2026年11月20日 12点7分",
        "2026/11/20 １２：０７",
        "2026-11-20 04:07Z",
    ] {
        assert_eq!(parse_typed(text, &zone), Ok(minute), "{text}");
    }
    let start = NOON.minus(12 * HOUR_MS + 7 * MINUTE_MS);
    let day = When::Interval(Window::new(start, start.plus(DAY_MS)));
    for text in
        ["2026-11-20", "2026/11/20", "2026.11.20", "2026年11月20日", "２０２６年１１月２０日", "20261120"]
    {
        assert_eq!(parse_typed(text, &zone), Ok(day), "{text}");
    }
}

#[test]
fn what_can_be_misread_is_refused_with_the_forms_that_are_read() {
    let zone = shanghai();
    for (text, error) in [
        ("", TypedError::Form),
        ("yesterday", TypedError::Form),
        ("11/20/2026", TypedError::DayOrder),
        ("20-11-2026 12:07", TypedError::DayOrder),
        ("20.11.26", TypedError::DayOrder),
        ("12:07", TypedError::NoDate),
        ("12时07分", TypedError::NoDate),
        ("11月20日 12:07", TypedError::Form),
        ("2026-11", TypedError::Form),
        ("2026-11/20", TypedError::Form),
        ("2026年11-20", TypedError::Form),
        ("2026-11-2012:07", TypedError::Form),
        ("2026-11-20 12", TypedError::Form),
        ("2026-11-20 12:7", TypedError::Form),
        ("2026-11-20 12:07:3", TypedError::Form),
        ("2026-11-20 12:07 PM", TypedError::Form),
        ("2026-11-20 12:07:31 08:00", TypedError::Form),
        ("2026-11-20+08:00", TypedError::Form),
        ("1795147620000", TypedError::Form),
        ("2026-02-30", TypedError::NoSuchTime),
        ("2026-02-30T12:07:00Z", TypedError::NoSuchTime),
        ("2026-13-01 12:07", TypedError::NoSuchTime),
        ("2026-11-20 24:00", TypedError::NoSuchTime),
        ("2026-11-20 12:60", TypedError::NoSuchTime),
        ("2026-11-20 12:07:31+24:00", TypedError::NoSuchTime),
        ("9999-12-31", TypedError::Year),
        ("9999-12-31T23:59:59Z", TypedError::Year),
    ] {
        assert_eq!(parse_typed(text, &zone), Err(error), "{text}");
    }
    for error in [TypedError::Form, TypedError::DayOrder, TypedError::NoDate] {
        assert!(error.to_string().contains("2026年11月20日 12:07"), "{error}");
    }
}

#[test]
fn every_form_that_messages_name_is_read() {
    for form in forms().split(", ") {
        let form = form.split(" (").next().unwrap();
        assert!(parse_typed(form, &shanghai()).is_ok(), "{form}");
    }
}

#[test]
fn an_end_is_exclusive_and_a_day_counts_through_its_end() {
    let zone = shanghai();
    assert_eq!(parse_typed_from("2026-11-20 12:07", &zone), Ok(NOON));
    assert_eq!(parse_typed_to("2026-11-20 12:07", &zone), Ok(NOON));
    assert_eq!(parse_typed_to("2026-11-20 12:07:00.0001", &zone), Ok(NOON.plus(1)));
    assert_eq!(parse_typed_to("2026-11-20T12:07:00.0001+08:00", &zone), Ok(NOON.plus(1)));
    assert_eq!(parse_typed_from("2026-11-20 12:07:00.0009", &zone), Ok(NOON));
    let day = parse_typed_from("2026-11-20", &zone).unwrap();
    assert_eq!(parse_typed_to("2026-11-20", &zone), Ok(day.plus(DAY_MS)));
}

#[test]
fn a_clock_change_is_no_guess() {
    let (zone, spring, autumn) = new_york();
    assert_eq!(parse_typed("2013-03-10 02:30:00", &zone), Err(TypedError::Never));
    let twice = TypedError::Twice { first_s: -14_400, second_s: -18_000 };
    for text in ["2013-11-03 01:30:00", "2013-11-03 1:30", "2013年11月3日1时30分"] {
        assert_eq!(parse_typed(text, &zone), Err(twice), "{text}");
    }
    assert!(twice.to_string().contains("-04:00 or -05:00"));
    let at = |text: &str| parse_typed(text, &zone).unwrap();
    assert_eq!(at("2013-11-03 00:30:00"), When::Instant(autumn.minus(90 * MINUTE_MS)));
    assert_eq!(at("2013-03-10 03:00:00"), When::Instant(spring));
    assert_eq!(at("2013-11-03T01:30:00-05:00"), When::Instant(autumn.plus(30 * MINUTE_MS)));
    // Days of 23 and 25 hours are whole days.
    let length = |text: &str| at(text).window().until.since(at(text).window().from);
    assert_eq!((length("2013-03-10"), length("2013-11-03")), (23 * HOUR_MS, 25 * HOUR_MS));
}

#[test]
fn any_text_is_read_or_refused() {
    proptest::proptest!(|(text in "[0-9年月日时分秒:/. TtZ+０-９：\u{200b}-]{0,30}")| {
        if let Ok(when) = parse_typed(&text, &shanghai()) {
            proptest::prop_assert!(!when.window().is_empty());
            proptest::prop_assert!(parse_typed_to(&text, &shanghai()).is_ok());
        }
    });
}
