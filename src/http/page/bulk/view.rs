//! A list as its page shows it: how far it is, and what came of it.

use super::super::formatter::{Time, human};
use super::super::frame::{Asking, Frame, respond, respond_stored};
use super::super::identifier::{Ident, Piece};
use super::super::messages::{BulkWords, Words, fill};
use super::super::names::Names;
use super::super::own_form::OwnForm;
use super::job::{End, Job, Line, Outcome};
use super::sheet::{open_text, orders_text, outcome_text};
use crate::domain::time::{UtcMillis, Zone};
use crate::http::access::Asker;
use crate::http::backend::Source;
use crate::http::query::UNRESERVED;
use crate::http::state::HttpState;
use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use percent_encoding::utf8_percent_encode;
use std::collections::BTreeMap;

/// Makes the browser ask again. The header, as an element in the page could not be turned off by those who need more time.
const REFRESH: HeaderName = HeaderName::from_static("refresh");
const REFRESH_SECONDS: HeaderValue = HeaderValue::from_static("2");
/// Lines that the page shows.
const LINES_SHOWN: usize = 100;

/// A list among the others of its owner.
#[derive(Debug)]
pub(super) struct JobLine {
    pub(super) address: String,
    pub(super) begun: Time,
    pub(super) rows: String,
    pub(super) state: &'static str,
}

impl JobLine {
    pub(super) fn new(job: &Job, zone: &Zone, w: &Words) -> Self {
        Self {
            address: address(job, w, ""),
            begun: time(job.begun, zone),
            rows: fill(w.bulk().rows, &[&job.rows.to_string()]),
            state: state_text(job.end(), w.bulk()),
        }
    }
}

fn time(at: UtcMillis, zone: &Zone) -> Time {
    let machine = zone.rfc3339(at);
    // Seconds are enough for people.
    Time { text: human(&machine, "").get(..19).unwrap_or_default().to_owned(), machine }
}

fn address(job: &Job, w: &Words, more: &str) -> String {
    format!("/bulk/{}?lang={}{more}", job.id, w.short_lang)
}

fn state_text(end: Option<End>, b: &'static BulkWords) -> &'static str {
    match end {
        None => b.running,
        Some(End::Done) => b.ended,
        Some(End::Stopped) => b.stopped,
        Some(End::Failed) => b.failed,
        Some(End::Unlogged) => b.unlogged,
        Some(End::TooLarge) => b.too_large,
    }
}

#[derive(Template)]
#[template(path = "bulk_job.html")]
struct Page {
    w: &'static Words,
    b: &'static BulkWords,
    frame: Frame,
    proof: String,
    /// `None` for a list that is not there.
    shown: Option<Shown>,
}

/// A list and its results.
struct Shown {
    begun: Time,
    is_running: bool,
    /// Whether the page refreshes itself.
    is_watched: bool,
    state: &'static str,
    done: usize,
    rows: usize,
    progress: String,
    watch: String,
    unwatch: String,
    csv: String,
    xlsx: String,
    remove: String,
    summary: Vec<(&'static str, &'static str, usize)>,
    lines: Vec<LineShown>,
    first_rows: Option<String>,
    commit: u64,
}

struct LineShown {
    number: u64,
    riders: Vec<Ident>,
    time: String,
    reference: Ident,
    code: &'static str,
    text: &'static str,
    detail: String,
    /// The page of the case.
    case: Option<String>,
}

impl LineShown {
    fn new(line: &Line, names: &Names, w: &Words) -> Self {
        let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let riders: String = line.rider_ids.iter().map(|id| format!("&rider_id={}", encoded(id))).collect();
        let time = match line.time.split_once(" – ") {
            Some((from, to)) => format!("&from={}&to={}", encoded(from), encoded(to)),
            None => format!("&at={}", encoded(&line.time)),
        };
        let reference = encoded(&line.reference);
        let case = format!("/?lang={}{riders}{time}&reference={reference}", w.short_lang);
        let detail = [line.error.clone(), orders_text(line, names, w), open_text(line, names, w)];
        Self {
            number: line.number,
            riders: line.rider_ids.iter().map(|id| Ident::new(id)).collect(),
            time: line.time.clone(),
            reference: Ident::new(&line.reference),
            code: line.outcome.map_or("neutral", Outcome::code),
            text: outcome_text(line.outcome, w),
            detail: detail.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
            case: line.outcome.map(|_| case),
        }
    }
}

impl Shown {
    fn new(job: &Job, is_watched: bool, names: &Names, zone: &Zone, w: &'static Words) -> Self {
        let b = w.bulk();
        let file = |name: &str| format!("/bulk/{}/{name}?lang={}", job.id, w.short_lang);
        job.look(|done| {
            let mut summary: BTreeMap<Option<Outcome>, usize> = BTreeMap::new();
            done.lines.iter().for_each(|line| *summary.entry(line.outcome).or_default() += 1);
            let end = done.end.map(|(end, _)| end);
            let count = done.lines.len();
            Self {
                begun: time(job.begun, zone),
                is_running: end.is_none(),
                is_watched,
                state: state_text(end, b),
                done: count,
                rows: job.rows,
                progress: fill(b.progress_of, &[&count.to_string(), &job.rows.to_string()]),
                watch: address(job, w, ""),
                unwatch: address(job, w, "&watch=off"),
                csv: file("answers.csv"),
                xlsx: file("answers.xlsx"),
                remove: format!("/bulk/{}/remove", job.id),
                summary: summary
                    .into_iter()
                    .map(|(outcome, count)| {
                        (outcome.map_or("neutral", Outcome::code), outcome_text(outcome, w), count)
                    })
                    .collect(),
                lines: done
                    .lines
                    .iter()
                    .take(LINES_SHOWN)
                    .map(|line| LineShown::new(line, names, w))
                    .collect(),
                first_rows: (count > LINES_SHOWN).then(|| fill(b.first_rows, &[&LINES_SHOWN.to_string()])),
                commit: done.commit,
            }
        })
    }
}

/// Says that there is no such list, or none of this principal.
pub(super) fn gone<S: Source>(state: &HttpState<S>, asker: &Asker, w: &'static Words) -> Response {
    let frame = Frame::new(state, asker, "/bulk", format!("/bulk?lang={}", w.other_lang), w);
    let page = Page { w, b: w.bulk(), frame, proof: String::new(), shown: None };
    respond(StatusCode::NOT_FOUND, w, &page)
}

pub(in super::super) async fn job<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, &["lang", "watch"], &[]);
    let w = asking.w;
    let Some(job) = super::find(&state, &asker, path) else { return gone(&state, &asker, w) };
    let own = match OwnForm::of(&state, &asker, &headers) {
        Ok(own) => own,
        Err(error) => return super::super::sign_in::failed(&error),
    };
    let is_watched = asking.text("watch") != "off";
    let names = Names::new(&state.display_names(), w);
    let shown = Shown::new(&job, is_watched, &names, state.zone(), w);
    let refreshes = shown.is_running && is_watched;
    let other = format!("/bulk/{}?lang={}", job.id, w.other_lang);
    let frame = Frame::new(&state, &asker, "/bulk", other, w);
    let commit = (!shown.lines.is_empty()).then_some(shown.commit);
    let page = Page { w, b: w.bulk(), frame, proof: own.proof.clone(), shown: Some(shown) };
    let mut response = own.with_cookie(respond_stored(StatusCode::OK, w, &page, commit));
    if refreshes {
        response.headers_mut().insert(REFRESH, REFRESH_SECONDS);
    }
    response
}
