//! `GET /`: the coverage question for people. Rendered here, works without script, in Chinese and English.

mod bar;
mod chart;
mod form;
mod identifier;
mod messages;
mod note;
pub(super) mod oidc;
pub(super) mod sign_in;
mod view_model;

use super::access::Asker;
use super::backend::{Source, ViewError};
use super::coverage::within_limits;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::state::HttpState;
use crate::coverage::answer::Answer;
use crate::coverage::question::Question;
use crate::coverage::rider_summary::rider_is_stored;
use crate::coverage::timeline::{Timeline, timeline};
use crate::telemetry::clock::Clock;
use crate::telemetry::metrics::Lookup;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, VARY};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bar::Bar;
use chart::Figure;
use form::{Asked, Form};
use identifier::{Ident, Piece};
use messages::Words;
use note::{Note, notes};
pub(super) use sign_in::to_sign_in;
use std::time::{Duration, Instant};
use view_model::{Beside, Shown};

const CSS: &str = include_str!("../../../assets/page.css");
const ICON: &str = include_str!("../../../assets/icon.svg");

/// What an address of the page may contain.
const PARAMETERS: &[&str] = &["lang", "riders", "rider_id", "at", "from", "to", "platform", "reference"];
/// Parameters of which one value counts.
const SINGLE: &[&str] = &["lang", "at", "from", "to", "reference"];

const HOUR: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=3600");

/// The style sheet; part of the program.
pub(super) async fn css() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), HOUR], CSS)
}

/// The icon; part of the program.
pub(super) async fn icon() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml"), HOUR], ICON)
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    w: &'static Words,
    zone: String,
    version: &'static str,
    form: Form,
    shown: Option<Shown>,
    fault: Option<String>,
    other_language: String,
    bar: Bar,
}

impl Page {
    /// Says what is wrong, beside its field where it has one.
    fn fail(&mut self, problem: &Problem) -> StatusCode {
        let status = problem.kind.status();
        match problem.parameter.as_deref() {
            Some("to") => self.form.to_error = Some(self.w.error_interval_long.to_owned()),
            Some("rider_id") => self.form.rider_error = Some(self.w.error_riders_many.to_owned()),
            _ if status.is_server_error() => self.fault = Some(self.w.error_service.to_owned()),
            _ => self.fault = Some(self.w.error_address.to_owned()),
        }
        status
    }

    /// Says that the address cannot be read, and which parameter is to blame.
    fn fail_address(&mut self, problem: &Problem) -> StatusCode {
        let text = match problem.kind {
            Kind::UnknownParameter => self.w.error_parameter_unknown,
            Kind::BadParameter => self.w.error_parameter_twice,
            _ => self.w.error_address,
        };
        let parameter = Ident::new(problem.parameter.as_deref().unwrap_or_default()).to_string();
        self.fault = Some(messages::fill(text, &[&parameter]));
        problem.kind.status()
    }
}

/// Refuses a parameter that the page does not have, and a second value of one that has one: it never becomes another
/// question.
fn check_parameters(query: &Query) -> Result<(), Problem> {
    query.check_names(PARAMETERS)?;
    SINGLE.iter().try_for_each(|name| query.one(name).map(drop))
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let (query, fault) = match Query::lenient(raw.as_deref()) {
        Ok(query) => {
            let fault = check_parameters(&query).err();
            (query, fault)
        }
        Err(problem) => {
            // An error is still reported in the language that was asked for.
            let lang = raw.as_deref().and_then(|raw| raw.split('&').find(|pair| pair.starts_with("lang=")));
            (Query::lenient(lang).unwrap_or_default(), Some(problem))
        }
    };
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let w = messages::choose(query.all("lang").first().map(String::as_str), accepted);
    let (form, asked) = Form::read(&query, state.zone(), w);
    let other_language = form.address(w.other_lang);
    let mut page = Page {
        w,
        zone: state.zone().name().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        form,
        shown: None,
        fault: None,
        other_language,
        bar: Bar::of(&asker),
    };
    let mut status = StatusCode::OK;
    let asked = match fault {
        Some(problem) => {
            status = page.fail_address(&problem);
            state.metrics().looked_up(Lookup::Refused, Duration::ZERO);
            Asked::Nothing
        }
        None => asked,
    };
    let asked = match asked {
        Asked::Question(question) if asker.check_reason(question.reference.as_deref()).is_err() => {
            page.form.reference_error = Some(w.error_reason_missing.to_owned());
            Asked::Mistaken
        }
        asked => asked,
    };
    match asked {
        Asked::Nothing => {}
        Asked::Mistaken => {
            status = StatusCode::BAD_REQUEST;
            state.metrics().looked_up(Lookup::Refused, Duration::ZERO);
        }
        Asked::Question(question) => match within_limits(question, &state) {
            Err(problem) => status = page.fail(&problem),
            Ok(question) => match answer(&state, &asker, question, &page.form, w).await {
                Ok(shown) => page.shown = Some(shown),
                Err(problem) => status = page.fail(&problem),
            },
        },
    }
    respond(status, &page)
}

fn respond(status: StatusCode, page: &Page) -> Response {
    match page.render() {
        Ok(html) => {
            let headers = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CONTENT_LANGUAGE, page.w.lang),
                (VARY, "Accept-Language"),
            ];
            (status, headers, html).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "Failed to render the page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What one state says.
struct Found {
    answer: Answer,
    lines: Vec<Timeline>,
    notes: Vec<Note>,
    question: Question,
}

/// The answer and what surrounds it, from one state.
async fn answer<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    question: Question,
    form: &Form,
    w: &'static Words,
) -> Result<Shown, Problem> {
    state.note_riders(asker, &question.rider_ids);
    let begun = Instant::now();
    let (typed, scope) = (form.clone(), asker.scope().clone());
    let job = move |state: &HttpState<S>| -> Result<Found, ViewError<S>> {
        let seen = state.see(&scope);
        let answer = seen.resolve(&question)?;
        let around = chart::around(question.when.window());
        let lines = question.rider_ids.iter().map(|rider| timeline(&seen.view, seen.terms(), rider, around));
        let lines = lines.collect::<Result<_, _>>()?;
        let stored = |rider: &str| rider_is_stored(&seen.view, state.zone(), rider);
        let notes = notes(&typed, &question.rider_ids, w, stored)?;
        Ok(Found { answer, lines, notes, question })
    };
    let done = state.read(job).await;
    let lookup = done.as_ref().map_or(Lookup::Failed, |found| Lookup::Answered(found.answer.verdict));
    state.metrics().looked_up(lookup, begun.elapsed());
    let Found { answer, lines, notes, question } = done?;
    let platforms = question.platforms.as_deref();
    let figures = [chart::WIDE, chart::NARROW]
        .map(|frame| Figure::new(&answer, &lines, question.when, platforms, state.zone(), frame, w));
    let beside = Beside { figures, notes, now: Clock::start().now() };
    Ok(Shown::new(answer, question.when, beside, state.zone(), w))
}
