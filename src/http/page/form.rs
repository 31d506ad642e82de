//! The form: what was typed, what it means, and what is wrong with it.

use super::super::query::{Query, encoded};
use super::words::Words;
use crate::coverage::instant::{At, InstantError, parse_at};
use crate::coverage::question::{NAMES_MAX, Question, When, check_rider};
use crate::domain::time::{DAY_MS, MINUTE_MS, SECOND_MS, UtcMillis, Zone};
use crate::domain::window::Window;

/// What was typed, with what is wrong beside each field.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) riders: Vec<String>,
    pub(super) at: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) platforms: Vec<String>,
    pub(super) reference: String,
    pub(super) rider_error: Option<String>,
    pub(super) at_error: Option<String>,
    pub(super) from_error: Option<String>,
    pub(super) to_error: Option<String>,
    pub(super) platform_error: Option<String>,
    pub(super) reference_error: Option<String>,
}

/// What the form asks.
#[derive(Debug)]
pub(super) enum Asked {
    /// Nothing yet.
    Nothing,
    /// Something, with mistakes.
    Mistaken,
    /// A question.
    Question(Question),
}

/// Why a typed time is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeError {
    /// Not a time.
    Form,
    /// No such date or time of day.
    NoSuchTime,
    /// The clocks went back: the local time came twice.
    Twice,
    /// The clocks went forward: the local time never came.
    Never,
}

impl Form {
    pub(super) fn read(query: &Query, zone: &Zone, w: &Words) -> (Self, Asked) {
        let all = |name: &str| -> Vec<String> {
            let values = query.all(name).into_iter().map(|value| value.trim().to_owned());
            values.filter(|value| !value.is_empty()).collect()
        };
        let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
        let mut form = Self {
            riders: all("rider_id"),
            at: one("at"),
            from: one("from"),
            to: one("to"),
            // One field of the form holds them all; addresses may repeat the parameter.
            platforms: all("platform")
                .iter()
                .flat_map(|names| names.split([' ', ',', '，', '、']))
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            reference: one("reference"),
            ..Self::default()
        };
        let times = [&form.at, &form.from, &form.to];
        if form.riders.is_empty() && times.iter().all(|text| text.is_empty()) {
            form.riders.push(String::new());
            return (form, Asked::Nothing);
        }
        let asked = form.check(zone, w).map_or(Asked::Mistaken, Asked::Question);
        if form.riders.is_empty() {
            form.riders.push(String::new());
        }
        (form, asked)
    }

    /// The question, or `None` after every mistake was noted beside its field.
    fn check(&mut self, zone: &Zone, w: &Words) -> Option<Question> {
        if self.riders.is_empty() {
            self.rider_error = Some(w.error_rider_missing.to_owned());
        } else if self.riders.len() > NAMES_MAX || self.riders.iter().any(|rider| check_rider(rider).is_err())
        {
            self.rider_error = Some(w.error_rider_bad.to_owned());
        }
        let when = self.when(zone, w);
        // The rules of the interface hold for the form too.
        let bare = Question {
            rider_ids: self.riders.clone(),
            when: when.unwrap_or(When::Instant(UtcMillis::MIN)),
            platforms: None,
            reference: None,
        };
        let reference = (!self.reference.is_empty()).then(|| self.reference.clone());
        if (Question { reference: reference.clone(), ..bare.clone() }).with_platforms(Vec::new()).is_err() {
            self.reference_error = Some(w.error_reference.to_owned());
        }
        let narrowed = bare.with_platforms(self.platforms.clone());
        if narrowed.is_err() {
            self.platform_error = Some(w.error_platform.to_owned());
        }
        let whole = when.is_some() && self.rider_error.is_none() && self.reference_error.is_none();
        narrowed.ok().filter(|_| whole).map(|question| Question { reference, ..question })
    }

    fn when(&mut self, zone: &Zone, w: &Words) -> Option<When> {
        let interval = !self.from.is_empty() || !self.to.is_empty();
        if !self.at.is_empty() && interval {
            self.at_error = Some(w.error_both.to_owned());
            return None;
        }
        if !interval {
            if self.at.is_empty() {
                self.at_error = Some(w.error_time_missing.to_owned());
                return None;
            }
            return match read_time(&self.at, zone) {
                Ok(At::Instant(at)) => Some(When::Instant(at)),
                Ok(At::Minute(minute)) => Some(When::Minute(minute)),
                Err(error) => {
                    self.at_error = Some(w.time_error(error).to_owned());
                    None
                }
            };
        }
        let read = |text: &str, slot: &mut Option<String>| match read_time(text, zone) {
            Ok(At::Instant(at)) => Some(at),
            Ok(At::Minute(minute)) => Some(minute.from),
            Err(error) => {
                let missing = text.is_empty().then_some(w.error_time_missing);
                *slot = Some(missing.unwrap_or(w.time_error(error)).to_owned());
                None
            }
        };
        let from = read(&self.from, &mut self.from_error);
        let to = read(&self.to, &mut self.to_error);
        let window = Window::new(from?, to?);
        if window.is_empty() {
            self.to_error = Some(w.error_interval_empty.to_owned());
            return None;
        }
        Some(When::Interval(window))
    }

    /// What the platform field shows.
    pub(super) fn platform_text(&self) -> String {
        self.platforms.join(" ")
    }

    /// The same page in another language.
    pub(super) fn address(&self, lang: &str) -> String {
        let mut address = format!("/?lang={lang}");
        let many = [("rider_id", &self.riders), ("platform", &self.platforms)];
        let one = [("at", &self.at), ("from", &self.from), ("to", &self.to), ("reference", &self.reference)];
        let pairs = many.into_iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        for (name, value) in pairs.chain(one).filter(|(_, value)| !value.is_empty()) {
            address.push_str(&format!("&{name}={}", encoded(value, b"")));
        }
        address
    }
}

/// Reads RFC 3339, or a local time of the zone as people type it: `2026-11-20 12:07:31`. Without seconds, the whole
/// minute.
pub(super) fn read_time(text: &str, zone: &Zone) -> Result<At, TimeError> {
    let text = text.replace('/', "-").replace('：', ":");
    match parse_at(&text) {
        Ok(at) => return Ok(at),
        Err(InstantError::NoSuchTime) => return Err(TimeError::NoSuchTime),
        Err(_) => {}
    }
    let text = text.replacen(' ', "T", 1);
    if let Ok(at) = parse_at(&text) {
        return Ok(at);
    }
    match parse_at(&format!("{text}Z")) {
        Ok(At::Instant(local)) => from_local(local, zone).map(At::Instant),
        Ok(At::Minute(local)) => {
            let from = from_local(local.from, zone)?;
            Ok(At::Minute(Window::new(from, from.plus(MINUTE_MS))))
        }
        Err(InstantError::NoSuchTime) => Err(TimeError::NoSuchTime),
        Err(_) => Err(TimeError::Form),
    }
}

/// The instant of a local time, which is given as if it were UTC.
pub(super) fn from_local(local: UtcMillis, zone: &Zone) -> Result<UtcMillis, TimeError> {
    let offsets = [zone.offset_s(local.minus(DAY_MS)), zone.offset_s(local.plus(DAY_MS))];
    let fits = |offset_s: i32| {
        let at = local.minus(i64::from(offset_s) * SECOND_MS);
        (zone.offset_s(at) == offset_s).then_some(at)
    };
    match offsets.map(fits) {
        [Some(first), Some(second)] if first != second => Err(TimeError::Twice),
        [Some(at), _] | [None, Some(at)] => Ok(at),
        [None, None] => Err(TimeError::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let shanghai = Zone::new("Asia/Shanghai", 8 * 3_600, []);
        let noon = UtcMillis::new(1_795_147_620_000); // 2026-11-20T04:07:00Z
        for text in [
            "2026-11-20 12:07:00",
            "2026-11-20T12:07:00",
            "2026/11/20 12：07：00",
            "2026-11-20 12:07:00.000",
            "2026-11-20 12:07:00+08:00",
            "2026-11-20T04:07:00Z",
        ] {
            assert_eq!(read_time(text, &shanghai), Ok(At::Instant(noon)), "{text}");
        }
        let minute = At::Minute(Window::new(noon, noon.plus(MINUTE_MS)));
        assert_eq!(read_time("2026-11-20 12:07", &shanghai), Ok(minute));
        assert_eq!(read_time("2026-02-30 12:07", &shanghai), Err(TimeError::NoSuchTime));
        assert_eq!(read_time("yesterday", &shanghai), Err(TimeError::Form));
    }

    #[test]
    fn a_clock_change_is_no_guess() {
        let spring = UtcMillis::new(1_362_898_800_000); // 2013-03-10T07:00:00Z
        let autumn = UtcMillis::new(1_383_458_400_000); // 2013-11-03T06:00:00Z
        let zone = Zone::new("America/New_York", -18_000, [(spring, -14_400), (autumn, -18_000)]);
        assert_eq!(read_time("2013-03-10 02:30:00", &zone), Err(TimeError::Never));
        assert_eq!(read_time("2013-11-03 01:30:00", &zone), Err(TimeError::Twice));
        assert_eq!(read_time("2013-11-03 00:30:00", &zone), Ok(At::Instant(autumn.minus(90 * MINUTE_MS))));
        assert_eq!(read_time("2013-03-10 03:00:00", &zone), Ok(At::Instant(spring)));
        assert_eq!(
            read_time("2013-11-03T01:30:00-05:00", &zone),
            Ok(At::Instant(autumn.plus(30 * MINUTE_MS)))
        );
    }
}
