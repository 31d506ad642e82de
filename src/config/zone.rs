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
    use crate::domain::time::{HOUR_MS, LocalDay};

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

    #[test]
    fn names_are_checked() {
        assert!(zone("Asia/Nowhere").unwrap_err().contains("Asia/Nowhere"));
        assert_eq!(zone("asia/shanghai").unwrap().name(), "Asia/Shanghai");
    }
}
