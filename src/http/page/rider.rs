//! `GET /rider`: the orders and the cover of one rider, on a day or in a week.

use super::chart::{self, Figure, Plan};
use super::formatter::{Formatter, OrderShown, Time, duration_text};
use super::frame::{Asking, Frame, address_fault, respond_stored};
use super::identifier::{Ident, Piece};
use super::messages::{Words, fill};
use super::names::Names;
use crate::coverage::instant::{parse_from, parse_typed_from};
use crate::coverage::question::{check_interval_years, check_rider};
use crate::coverage::timeline::{Timeline, timeline};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::window::{Window, union_within};
use crate::http::access::Asker;
use crate::http::backend::{Source, ViewError};
use crate::http::problem::{Kind, Problem};
use crate::http::query::UNRESERVED;
use crate::http::state::HttpState;
use crate::telemetry::clock::Clock;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::Response;
use percent_encoding::utf8_percent_encode;

const PARAMETERS: &[&str] = &["lang", "rider_id", "day", "span", "reference"];
/// Orders that are listed.
const ORDERS_MAX: usize = 500;

#[derive(Template)]
#[template(path = "rider.html")]
struct Page {
    w: &'static Words,
    frame: Frame,
    rider_id: String,
    day: String,
    is_week: bool,
    reference: String,
    errors: Errors,
    fault: Option<String>,
    shown: Option<Shown>,
}

/// What is wrong, beside its field.
#[derive(Debug, Default)]
struct Errors {
    rider: Option<String>,
    day: Option<&'static str>,
    reference: Option<&'static str>,
}

impl Errors {
    fn is_any(&self) -> bool {
        self.rider.is_some() || self.day.is_some() || self.reference.is_some()
    }
}

/// A day or a week of a rider.
struct Shown {
    rider: Ident,
    /// The first and the last day.
    first: String,
    last: String,
    earlier: String,
    later: String,
    /// The case page about this time.
    case: String,
    cover: String,
    count: String,
    days: Vec<DayShown>,
    orders: Vec<OrderShown>,
    more_orders: Option<String>,
    kept_from: Option<Time>,
    commit: u64,
    figures: [Figure; 2],
}

/// One day of a week.
struct DayShown {
    date: String,
    weekday: &'static str,
    address: String,
    count: String,
    cover: String,
    /// Begin and length of each stretch of cover, in thousandths of the day.
    stretches: Vec<(i64, i64)>,
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, PARAMETERS, &[]);
    let w = asking.w;
    let rider_id = asking.query.all("rider_id").into_iter().next().unwrap_or_default();
    let span = asking.text("span");
    let today = state.zone().day(Clock::start().now()).to_string();
    let typed = asking.text("day");
    let mut page = Page {
        w,
        frame: Frame::new(&state, &asker, "/rider", String::new(), w),
        day: if typed.is_empty() && rider_id.is_empty() { today } else { typed },
        is_week: span == "week",
        reference: asking.text("reference"),
        rider_id,
        errors: Errors::default(),
        fault: None,
        shown: None,
    };
    page.frame.other_language = page.address(&page.day, page.is_week, w.other_lang);
    let mut status = StatusCode::OK;
    if let Some(problem) = &asking.fault {
        (status, page.fault) = (problem.kind.status(), Some(address_fault(problem, w)));
    } else if !matches!(span.as_str(), "" | "day" | "week") {
        (status, page.fault) = (StatusCode::BAD_REQUEST, Some(w.error_span.to_owned()));
    } else if raw.is_some_and(|raw| raw.contains("rider_id")) {
        match page.check(&asker, state.zone()) {
            Some(days) => status = page.fill(&state, &asker, days).await,
            None => status = StatusCode::BAD_REQUEST,
        }
    }
    respond_stored(status, w, &page, page.shown.as_ref().map(|shown| shown.commit))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

impl Page {
    /// The same rider on another day, or in another language.
    fn address(&self, day: &str, is_week: bool, lang: &str) -> String {
        let (rider, reference) = (encoded(&self.rider_id), encoded(&self.reference));
        let span = if is_week { "week" } else { "day" };
        let day = encoded(day);
        format!("/rider?lang={lang}&rider_id={rider}&day={day}&span={span}&reference={reference}")
    }

    /// The days that are asked for, the end exclusive; `None` after every mistake was noted beside its field.
    fn check(&mut self, asker: &Asker, zone: &Zone) -> Option<(LocalDay, LocalDay)> {
        let w = self.w;
        if self.rider_id.trim().is_empty() {
            self.errors.rider = Some(w.error_rider_missing.to_owned());
        } else if check_rider(&self.rider_id).is_err() {
            self.errors.rider = Some(w.error_rider_bad.to_owned());
        }
        if asker.check_reason(Some(&self.reference)).is_err() {
            self.errors.reference = Some(w.error_reason_missing);
        }
        let day = parse_typed_from(&self.day, zone).ok().map(|at| zone.day(at));
        let days = day.map(|day| if self.is_week { week_of(day) } else { (day, day.plus_days(1)) });
        let has_years = |(first, end): &(LocalDay, LocalDay)| {
            let outer = Window::new(zone.start_of(first.plus_days(-7)), zone.start_of(end.plus_days(7)));
            check_interval_years(outer, zone).is_ok()
        };
        let days = days.filter(has_years);
        if days.is_none() {
            self.errors.day = Some(w.error_day);
        }
        days.filter(|_| !self.errors.is_any())
    }

    /// Reads the orders of these days.
    async fn fill<S: Source>(
        &mut self,
        state: &HttpState<S>,
        asker: &Asker,
        (first, end): (LocalDay, LocalDay),
    ) -> StatusCode {
        state.note_riders(asker, std::slice::from_ref(&self.rider_id));
        let zone = state.zone();
        let within = Window::new(zone.start_of(first), zone.start_of(end));
        let (scope, rider_id) = (asker.scope().clone(), self.rider_id.clone());
        let read = move |state: &HttpState<S>| -> Result<(Timeline, u64), ViewError<S>> {
            let seen = state.see(&scope);
            let timeline = timeline(&seen.view, seen.terms(), &rider_id, within)?;
            Ok((timeline, crate::domain::view::LedgerView::as_of(&seen.view).commit))
        };
        match state.read(read).await {
            Ok((timeline, commit)) => {
                let names = Names::new(&state.display_names(), self.w);
                self.shown = Some(self.shown(&timeline, commit, (first, end), &names, zone));
                StatusCode::OK
            }
            Err(problem) => self.fail(&problem),
        }
    }

    fn fail(&mut self, problem: &Problem) -> StatusCode {
        let is_large = problem.kind == Kind::TooManyOrders;
        self.fault = Some(if is_large { self.w.error_orders_many } else { self.w.error_service }.to_owned());
        problem.kind.status()
    }

    fn shown(
        &self,
        timeline: &Timeline,
        commit: u64,
        (first, end): (LocalDay, LocalDay),
        names: &Names,
        zone: &Zone,
    ) -> Shown {
        let (w, lang) = (self.w, self.w.short_lang);
        let within = Window::new(zone.start_of(first), zone.start_of(end));
        let formatter = Formatter {
            w,
            names,
            offset: zone.rfc3339(within.from).get(23..).unwrap_or_default().to_owned(),
            riders: &[],
            zone,
            onward: format!("&lang={lang}&reference={}", encoded(&self.reference)),
        };
        let plan = Plan {
            within,
            lines: std::slice::from_ref(timeline),
            platforms: None,
            asked: None,
            zone,
            names,
            w,
        };
        let lines = timeline.orders.iter().chain(&timeline.open);
        let more = timeline.orders.len().saturating_add(timeline.open.len()).saturating_sub(ORDERS_MAX);
        let length = end.0.saturating_sub(first.0);
        let (rider, last) = (encoded(&self.rider_id), end.plus_days(-1));
        let moved = |days: i32| self.address(&first.plus_days(days).to_string(), self.is_week, lang);
        Shown {
            rider: Ident::new(&self.rider_id),
            case: format!("/?rider_id={rider}&from={first}&to={last}{}", formatter.onward),
            first: first.to_string(),
            last: last.to_string(),
            earlier: moved(-length),
            later: moved(length),
            cover: duration_text(cover_ms(timeline, within), w),
            count: fill(w.rider_count, &[&(timeline.orders.len() + timeline.open.len()).to_string()]),
            days: if self.is_week { self.days(timeline, first, zone) } else { Vec::new() },
            orders: lines.take(ORDERS_MAX).map(|line| formatter.order(line)).collect(),
            more_orders: (more > 0).then(|| fill(w.more_orders, &[&more.to_string()])),
            kept_from: timeline.kept_from.as_deref().map(|at| formatter.time(at)),
            commit,
            figures: [chart::WIDE, chart::NARROW].map(|frame| Figure::new(plan, frame)),
        }
    }

    /// The seven days of a week.
    fn days(&self, timeline: &Timeline, first: LocalDay, zone: &Zone) -> Vec<DayShown> {
        let day = |(number, weekday): (i32, &'static str)| {
            let day = first.plus_days(number);
            let within = Window::new(zone.start_of(day), zone.start_of(day.plus_days(1)));
            let starts = |at: &str| parse_from(at).is_ok_and(|at| within.holds(at));
            let lines = timeline.orders.iter().chain(&timeline.open);
            let count = lines.filter(|line| starts(&line.starts_at)).count();
            DayShown {
                date: day.to_string(),
                weekday,
                address: self.address(&day.to_string(), false, self.w.short_lang),
                count: fill(self.w.rider_count, &[&count.to_string()]),
                cover: duration_text(cover_ms(timeline, within), self.w),
                stretches: cover(timeline, within).iter().map(|part| thousandths(*part, within)).collect(),
            }
        };
        (0..).zip(self.w.weekdays()).map(day).collect()
    }
}

/// From Monday to Monday, around a day.
fn week_of(day: LocalDay) -> (LocalDay, LocalDay) {
    // 1970-01-01 was a Thursday.
    let monday = day.plus_days(-(day.0.saturating_add(3)).rem_euclid(7));
    (monday, monday.plus_days(7))
}

/// The merged cover inside `within`.
fn cover(timeline: &Timeline, within: Window) -> Vec<Window> {
    let windows = timeline.cover.iter();
    let windows =
        windows.filter_map(|c| Some(Window::new(parse_from(&c.from).ok()?, parse_from(&c.to).ok()?)));
    union_within(windows, within)
}

fn cover_ms(timeline: &Timeline, within: Window) -> i64 {
    cover(timeline, within).iter().map(|window| window.until.since(window.from)).sum()
}

fn thousandths(part: Window, day: Window) -> (i64, i64) {
    let length_ms = day.until.since(day.from).max(1);
    let place = |at: UtcMillis| at.since(day.from).saturating_mul(1_000) / length_ms;
    let (from, until) = (place(part.from), place(part.until));
    (from, until.saturating_sub(from).max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        let day = |y, m, d| LocalDay::from_ymd(y, m, d).unwrap();
        // 2026-11-23 is a Monday.
        for d in 23..=29 {
            assert_eq!(week_of(day(2026, 11, d)), (day(2026, 11, 23), day(2026, 11, 30)));
        }
        assert_eq!(week_of(day(2026, 11, 22)).0, day(2026, 11, 16));
        assert_eq!(week_of(day(1969, 12, 31)).0, day(1969, 12, 29));
    }
}
