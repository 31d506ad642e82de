//! The form: what was typed, what it means, and what is wrong with it.

use super::super::query::{Query, UNRESERVED};
use super::chart::Zoom;
use super::identifier::{Ident, parts, plain};
use super::messages::Words;
use crate::coverage::instant::{TypedError, parse_known_at, parse_typed, parse_typed_from, parse_typed_to};
use crate::coverage::question::{NAMES_MAX, Question, When, check_rider};
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::KnownAt;
use crate::domain::window::Window;
use percent_encoding::utf8_percent_encode;

/// What was typed, with what is wrong beside each field.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    /// The identifiers, letter for letter.
    pub(super) riders: Vec<String>,
    pub(super) at: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) platforms: Vec<String>,
    pub(super) reference: String,
    pub(super) known_at: String,
    /// The earlier state that `known_at` means.
    pub(super) known: Option<KnownAt>,
    /// How much of the time around the picture shows; empty: as much as suits the question.
    pub(super) zoom: String,
    pub(super) rider_error: Option<String>,
    /// An identifier that no record can have, in the plain form that may have been meant.
    pub(super) rider_offer: Option<Ident>,
    pub(super) rider_offer_address: String,
    pub(super) at_error: Option<String>,
    pub(super) from_error: Option<String>,
    pub(super) to_error: Option<String>,
    pub(super) platform_error: Option<String>,
    pub(super) reference_error: Option<String>,
    pub(super) known_at_error: Option<String>,
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

impl Form {
    pub(super) fn read(query: &Query, zone: &Zone, w: &Words) -> (Self, Asked) {
        let all = |name: &str| -> Vec<String> {
            let values = query.all(name).into_iter().map(|value| value.trim().to_owned());
            values.filter(|value| !value.is_empty()).collect()
        };
        let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
        let mut form = Self {
            riders: riders(query),
            at: time(one("at")),
            from: time(one("from")),
            to: time(one("to")),
            // One field of the form holds them all; addresses may repeat the parameter.
            platforms: all("platform").iter().flat_map(|names| parts(names)).collect(),
            reference: one("reference"),
            known_at: time(one("known_at")),
            zoom: one("zoom"),
            ..Self::default()
        };
        let times = [&form.at, &form.from, &form.to];
        if form.riders.is_empty() && times.iter().all(|text| text.is_empty()) {
            return (form, Asked::Nothing);
        }
        let asked = form.check(zone, w).map_or(Asked::Mistaken, Asked::Question);
        (form, asked)
    }

    /// The question, or `None` after every mistake was noted beside its field.
    fn check(&mut self, zone: &Zone, w: &Words) -> Option<Question> {
        self.check_riders(w);
        let when = self.when(zone, w);
        self.check_known_at(zone, w);
        // The rules of the interface apply to the form too.
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
        let errors = [&self.rider_error, &self.reference_error, &self.known_at_error];
        let whole = when.is_some() && errors.into_iter().all(Option::is_none);
        narrowed.ok().filter(|_| whole).map(|question| Question { reference, ..question })
    }

    /// The question of a row of a list.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub(super) fn question(mut self, zone: &Zone, w: &Words) -> Result<Question, String> {
        self.check(zone, w).ok_or_else(|| {
            let mistakes: Vec<&str> = self.mistakes().into_iter().map(|(_, text)| text).collect();
            mistakes.join("; ")
        })
    }

    fn check_riders(&mut self, w: &Words) {
        if self.riders.is_empty() {
            self.rider_error = Some(w.error_rider_missing.to_owned());
        } else if self.riders.len() > NAMES_MAX {
            self.rider_error = Some(w.error_riders_many.to_owned());
        } else if let Some(bad) = self.riders.iter().find(|rider| check_rider(rider).is_err()) {
            let meant = plain(bad);
            if check_rider(&meant).is_ok() {
                self.rider_offer_address = self.address_instead(w.short_lang, bad, &[&meant]);
                self.rider_offer = Some(Ident::new(&meant));
            }
            self.rider_error = Some(format!("{}: {}", w.error_rider_bad, Ident::new(bad)));
        }
    }

    /// A commit, or an instant, which people may type in local time.
    fn check_known_at(&mut self, zone: &Zone, w: &Words) {
        if self.known_at.is_empty() {
            return;
        }
        let typed = || match parse_typed(&self.known_at, zone) {
            Ok(When::Instant(at)) => Some(KnownAt::Instant(at)),
            Ok(When::Minute(_) | When::Interval(_)) | Err(_) => None,
        };
        self.known = parse_known_at(&self.known_at).ok().or_else(typed);
        if self.known.is_none() {
            self.known_at_error = Some(w.error_known_at.to_owned());
        }
    }

    /// What the links of the picture choose.
    pub(super) fn zoom(&self) -> Option<Zoom> {
        Zoom::parse(&self.zoom)
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
            return match parse_typed(&self.at, zone) {
                Ok(when) => Some(when),
                Err(error) => {
                    self.at_error = Some(w.time_error(error));
                    None
                }
            };
        }
        let read = |text: &str, read: Result<UtcMillis, TypedError>, slot: &mut Option<String>| match read {
            Ok(at) => Some(at),
            Err(error) => {
                let missing = text.is_empty().then(|| w.error_time_missing.to_owned());
                *slot = Some(missing.unwrap_or_else(|| w.time_error(error)));
                None
            }
        };
        let from = read(&self.from, parse_typed_from(&self.from, zone), &mut self.from_error);
        let to = read(&self.to, parse_typed_to(&self.to, zone), &mut self.to_error);
        let window = Window::new(from?, to?);
        if window.is_empty() {
            self.to_error = Some(w.error_interval_empty.to_owned());
            return None;
        }
        Some(When::Interval(window))
    }

    /// What the field of identifiers shows.
    pub(super) fn riders_text(&self) -> String {
        let one = |rider: &&String| !self.is_exact(rider);
        self.riders.iter().filter(one).map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Identifiers that the field of several would cut: each has a field of its own.
    pub(super) fn riders_exact(&self) -> Vec<&str> {
        self.riders.iter().filter(|rider| self.is_exact(rider)).map(String::as_str).collect()
    }

    fn is_exact(&self, rider: &str) -> bool {
        parts(rider) != [rider]
    }

    /// What the platform field shows.
    pub(super) fn platform_text(&self) -> String {
        self.platforms.join(" ")
    }

    /// Every mistake, with the field that it is about.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("riders", &self.rider_error),
            ("at", &self.at_error),
            ("from", &self.from_error),
            ("to", &self.to_error),
            ("platform", &self.platform_error),
            ("reference", &self.reference_error),
            ("known_at", &self.known_at_error),
        ];
        all.into_iter().filter_map(|(field, error)| Some((field, error.as_deref()?))).collect()
    }

    /// The same page in another language.
    pub(super) fn address(&self, lang: &str) -> String {
        self.address_of(lang, self.riders.iter().map(String::as_str))
    }

    /// The same question with another section of the time in the picture.
    pub(super) fn address_zoomed(&self, lang: &str, zoom: &str) -> String {
        let form = Self { zoom: zoom.to_owned(), ..self.clone() };
        format!("{}#timeline", form.address(lang))
    }

    /// The same question with `others` in the place of one identifier.
    pub(super) fn address_instead(&self, lang: &str, rider: &str, others: &[&str]) -> String {
        let riders = self
            .riders
            .iter()
            .flat_map(|asked| if asked == rider { others.to_vec() } else { vec![asked.as_str()] });
        self.address_of(lang, riders)
    }

    fn address_of<'a>(&'a self, lang: &str, riders: impl Iterator<Item = &'a str>) -> String {
        let mut address = format!("/?lang={lang}");
        let one = [
            ("at", &self.at),
            ("from", &self.from),
            ("to", &self.to),
            ("reference", &self.reference),
            ("known_at", &self.known_at),
            ("zoom", &self.zoom),
        ];
        let pairs = riders.map(|rider| ("rider_id", rider));
        let pairs = pairs.chain(self.platforms.iter().map(|name| ("platform", name.as_str())));
        let pairs = pairs.chain(one.map(|(name, value)| (name, value.as_str())));
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            address.push_str(&format!("&{name}={}", utf8_percent_encode(value, UNRESERVED)));
        }
        address
    }
}

/// The identifiers: letter for letter where `rider_id` gives them, cut where the field of several does.
fn riders(query: &Query) -> Vec<String> {
    let exact = query.all("rider_id").into_iter().filter(|rider| !rider.trim().is_empty());
    let mut riders: Vec<String> = Vec::new();
    for rider in exact.chain(query.all("riders").iter().flat_map(|field| parts(field))) {
        if !riders.contains(&rider) {
            riders.push(rider);
        }
    }
    riders
}

/// In an address `+` means a blank: where a sign of an offset belongs behind an RFC 3339 time, it was a plus.
fn time(text: String) -> String {
    match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(['T', 't']) && offset.len() == 5 && offset.contains(':') => {
            format!("{time}+{offset}")
        }
        _ => text,
    }
}
