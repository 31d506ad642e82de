//! Time zones by name, from the bundled database: an answer must not depend on the machine's.

use crate::domain::time::{UtcMillis, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

/// 1900-01-01T00:00:00Z
const FIRST_S: i64 = -2_208_988_800;
/// 2102-01-01T00:00:00Z
const LAST_S: i64 = 4_165_516_800;

/// The zone of an IANA name, with every change of its offset from 1900 to 2102, coming clock changes included.
pub(super) fn zone(name: &str) -> Result<Zone, String> {
    let unknown = || format!("`{name}` is no time zone: write an IANA name, such as \"Asia/Shanghai\"");
    let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
    let first = Timestamp::from_second(FIRST_S).map_err(|_| unknown())?;
    let before = zone.to_offset(first).seconds();
    let mut now = before;
    let mut changes = Vec::new();
    for change in zone.following(first) {
        if change.timestamp().as_second() >= LAST_S {
            break;
        }
        // A change of the abbreviation alone is none.
        if change.offset().seconds() != now {
            now = change.offset().seconds();
            changes.push((UtcMillis::new(change.timestamp().as_millisecond()), now));
        }
    }
    Ok(Zone::new(zone.iana_name().unwrap_or(name), before, changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{DAY_MS, HOUR_MS, LocalDay, MINUTE_MS};
    use proptest::prelude::*;

    /// Of the last three some days are without an hour or a day, or are set back over midnight.
    const ZONES: [&str; 6] = [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Pacific/Apia",
    ];

    #[test]
    fn clock_changes_are_known_far_back_and_far_ahead() {
        let zone = zone("America/New_York").unwrap();
        for (year, month, day, hours) in
            [(2013, 3, 10, 23), (2013, 11, 3, 25), (2099, 3, 8, 23), (1950, 7, 1, 24)]
        {
            let day = LocalDay::from_ymd(year, month, day).unwrap();
            assert_eq!(zone.start_of(day.plus_days(1)).since(zone.start_of(day)), hours * HOUR_MS, "{day}");
        }
    }

    #[test]
    fn days_agree_with_the_library_all_along() {
        for name in ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Pacific/Apia", "UTC"] {
            let zone = zone(name).unwrap();
            let theirs = TimeZoneDatabase::bundled().get(name).unwrap();
            for step in 0..20_000 {
                let at = FIRST_S + step * 318_000;
                let stamp = Timestamp::from_second(at).unwrap();
                let ours = zone.offset_s(UtcMillis::new(at * 1000));
                assert_eq!(ours, theirs.to_offset(stamp).seconds(), "{name} {stamp}");
            }
        }
    }

    /// Asks for the date of every minute around where the day is said to begin and to end.
    fn dates_hold(zone: &Zone, day: LocalDay) {
        let (start, end) = (zone.start_of(day), zone.end_of(day));
        let name = format!("{day} in {}", zone.name());
        assert!(zone.day(start) >= day && zone.day(start.minus(1)) < day, "{name}");
        assert!(zone.day(end) > day && zone.day(end.minus(1)) <= day, "{name}");
        for ms in (0..2 * DAY_MS).step_by(usize::try_from(MINUTE_MS).unwrap()) {
            assert!(zone.day(start.minus(1 + ms)) < day, "{name} begins earlier");
            assert!(zone.day(end.plus(ms)) > day, "{name} ends later");
        }
        let (from, until) = (start.plus(7 * MINUTE_MS), end.minus(5 * MINUTE_MS));
        let dates = (from.millis()..until.millis()).step_by(usize::try_from(MINUTE_MS).unwrap());
        let dates: Vec<LocalDay> = dates.map(|at| zone.day(UtcMillis::new(at))).collect();
        if let (Some(&first), Some(&last)) = (dates.iter().min(), dates.iter().max()) {
            assert_eq!(zone.days_between(from, until), (first, last), "{name}");
        }
    }

    #[test]
    fn a_day_begins_and_ends_where_its_date_does_even_if_clocks_are_set_back_over_midnight() {
        let odd = [
            ("America/New_York", (2013, 11, 3)),
            ("America/Sao_Paulo", (2018, 11, 4)),
            ("America/Sao_Paulo", (2018, 2, 18)),
            ("America/St_Johns", (2005, 10, 30)),
            ("Antarctica/Casey", (2010, 3, 5)),
            ("Pacific/Apia", (2011, 12, 30)),
            ("Asia/Shanghai", (1901, 1, 1)),
        ];
        for (name, (year, month, day)) in odd {
            let (zone, day) = (zone(name).unwrap(), LocalDay::from_ymd(year, month, day).unwrap());
            (-2..=2).for_each(|days| dates_hold(&zone, day.plus_days(days)));
        }
        let zone = zone("America/St_Johns").unwrap();
        let day = LocalDay::from_ymd(2005, 10, 30).unwrap();
        assert_eq!(zone.end_of(day.plus_days(-1)).since(zone.start_of(day)), HOUR_MS);
    }

    proptest! {
        #[test]
        fn any_day_begins_and_ends_where_its_date_does(
            name in prop::sample::select(ZONES.to_vec()), day in -25_000..47_000,
        ) {
            dates_hold(&zone(name).unwrap(), LocalDay(day));
        }

        #[test]
        fn a_written_time_is_the_instant_that_it_names(
            name in prop::sample::select(ZONES.to_vec()), at in FIRST_S * 1_000 - 999..LAST_S * 1_000,
        ) {
            let text = zone(name).unwrap().rfc3339(UtcMillis::new(at));
            prop_assert_eq!(text.len(), 29, "{}", &text);
            let read: Timestamp = text.parse().unwrap();
            prop_assert_eq!(read.as_millisecond(), at, "{}", text);
        }
    }

    #[test]
    fn local_mean_time_is_written_in_whole_minutes() {
        // 43 seconds more: without them it is still the day before.
        let at = UtcMillis::new(-2_208_988_800_000 + (15 * 60 + 54) * MINUTE_MS + 30_000);
        assert_eq!(zone("Asia/Shanghai").unwrap().rfc3339(at), "1900-01-01T23:59:30.000+08:05");
    }

    #[test]
    fn names_are_checked() {
        assert!(zone("Asia/Nowhere").unwrap_err().contains("Asia/Nowhere"));
        assert_eq!(zone("asia/shanghai").unwrap().name(), "Asia/Shanghai");
    }
}
