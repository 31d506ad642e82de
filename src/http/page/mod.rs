//! `GET /`: the coverage question for people. Rendered here, works without script, in Chinese and English.

mod figure;
mod form;
mod show;
mod words;

use super::coverage::within_limits;
use super::problem::Problem;
use super::query::Query;
use super::source::{Source, ViewError};
use super::state::HttpState;
use crate::coverage::answer::Answer;
use crate::coverage::question::Question;
use crate::coverage::resolve::resolve;
use crate::coverage::timeline::{Timeline, timeline};
use crate::telemetry::metrics::Lookup;
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, VARY};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing;
use figure::Figure;
use form::{Asked, Form};
use show::Shown;
use std::time::{Duration, Instant};
use words::Words;

const CSS: &str = include_str!("../../../assets/page.css");
const ICON: &str = include_str!("../../../assets/icon.svg");

/// The style sheet and the icon; both are part of the program.
pub(super) fn assets<S: Source>() -> Router<HttpState<S>> {
    const HOUR: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=3600");
    let css = async || ([(CONTENT_TYPE, "text/css; charset=utf-8"), HOUR], CSS);
    let icon = async || ([(CONTENT_TYPE, "image/svg+xml"), HOUR], ICON);
    Router::new().route("/assets/page.css", routing::get(css)).route("/assets/icon.svg", routing::get(icon))
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
}

impl Page {
    /// Says what is wrong, beside its field where it has one.
    fn fail(&mut self, problem: &Problem) -> StatusCode {
        let status = problem.kind.status();
        match problem.parameter {
            Some("to") => self.form.to_error = Some(self.w.error_interval_long.to_owned()),
            Some("rider_id") => self.form.rider_error = Some(self.w.error_riders_many.to_owned()),
            _ if status.is_server_error() => self.fault = Some(self.w.error_service.to_owned()),
            _ => self.fault = Some(self.w.error_address.to_owned()),
        }
        status
    }
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let (query, fault) = match Query::lenient(raw.as_deref()) {
        Ok(query) => (query, None),
        Err(problem) => {
            // What is wrong is told in the language that was asked for all the same.
            let lang = raw.as_deref().and_then(|raw| raw.split('&').find(|pair| pair.starts_with("lang=")));
            (Query::lenient(lang).unwrap_or_default(), Some(problem))
        }
    };
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let w = words::choose(query.all("lang").first().map(String::as_str), accepted);
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
    };
    let mut status = StatusCode::OK;
    if let Some(problem) = fault {
        status = page.fail(&problem);
    }
    match asked {
        Asked::Nothing => {}
        Asked::Mistaken => {
            status = StatusCode::BAD_REQUEST;
            state.metrics().looked_up(Lookup::Refused, Duration::ZERO);
        }
        Asked::Question(question) => match within_limits(question, &state) {
            Err(problem) => status = page.fail(&problem),
            Ok(question) => match answer(&state, question, w).await {
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
            tracing::error!(%error, "the page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The answer and what surrounds it, from one state.
async fn answer<S: Source>(
    state: &HttpState<S>,
    question: Question,
    w: &'static Words,
) -> Result<Shown, Problem> {
    let begun = Instant::now();
    let job = move |state: &HttpState<S>| -> Result<(Answer, Vec<Timeline>, Question), ViewError<S>> {
        let view = state.source().view();
        let answer = resolve(&*view, state.terms(), &question)?;
        let around = figure::around(question.when.window());
        let lines = question.rider_ids.iter().map(|rider| timeline(&*view, state.terms(), rider, around));
        let lines = lines.collect::<Result<_, _>>()?;
        Ok((answer, lines, question))
    };
    let done = state.read(job).await;
    let lookup = done.as_ref().map_or(Lookup::Failed, |(answer, ..)| Lookup::Answered(answer.verdict));
    state.metrics().looked_up(lookup, begun.elapsed());
    let (answer, lines, question) = done?;
    let figure = Figure::new(&answer, &lines, question.when, question.platforms.as_deref(), state.zone(), w);
    Ok(Shown::new(answer, question.when, figure, state.zone(), w))
}
