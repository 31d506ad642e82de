//! `/bulk`: a list of questions, its progress and its results.
//!
//! ```text
//! upload -> sent (fields of the form) -> list (rows) -> work (answers) -> job (kept for its owner) -> sheet (CSV, XLSX)
//! ```

mod job;
mod list;
mod sent;
mod sheet;
mod view;
mod work;

pub(in crate::http) use job::Jobs;
pub(super) use view::job;

use super::frame::{Asking, Frame, address_fault, respond};
use super::messages::{BulkWords, Words, fill};
use super::names::Names;
use super::own_form::{OwnForm, is_own};
use super::sign_in::see_other;
use crate::http::access::Asker;
use crate::http::answer_log::GivenAnswer;
use crate::http::backend::Source;
use crate::http::coverage::within_limits;
use crate::http::problem::{Kind, Problem};
use crate::http::state::HttpState;
use crate::telemetry::clock::Clock;
use askama::Template;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use job::{Job, KEPT_MAX, Owner, RUNNING_MAX, Refused};
use list::Asked;
use sent::Sent;
use std::sync::Arc;

const XLSX_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Bytes of a pasted list that come back with a mistake.
const ECHOED_BYTES_MAX: usize = 64 * 1024;

#[derive(Template)]
#[template(path = "bulk.html")]
struct Page {
    w: &'static Words,
    b: &'static BulkWords,
    frame: Frame,
    proof: String,
    list: String,
    reference: String,
    fault: Option<String>,
    jobs: Vec<view::JobLine>,
}

/// The page with the form, and the cookie of the form where it needs one.
fn form<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    headers: &HeaderMap,
    w: &'static Words,
    (status, fault, typed): (StatusCode, Option<String>, Option<Sent>),
) -> Response {
    let own = match OwnForm::of(state, asker, headers) {
        Ok(own) => own,
        Err(error) => return super::sign_in::failed(&error),
    };
    let typed = typed.unwrap_or_default();
    let echoed = Some(typed.list).filter(|list| list.len() <= ECHOED_BYTES_MAX);
    let now = Clock::start().now();
    let jobs = state.jobs().of(&Owner::of(asker), now);
    let page = Page {
        w,
        b: w.bulk(),
        frame: Frame::new(state, asker, "/bulk", format!("/bulk?lang={}", w.other_lang), w),
        proof: own.proof.clone(),
        list: echoed.and_then(|list| String::from_utf8(list).ok()).unwrap_or_default(),
        reference: typed.reference,
        fault,
        jobs: jobs.iter().map(|job| view::JobLine::new(job, state.zone(), w)).collect(),
    };
    own.with_cookie(respond(status, w, &page))
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, &["lang"], &[]);
    let (status, fault) = match &asking.fault {
        Some(problem) => (problem.kind.status(), Some(address_fault(problem, asking.w))),
        None => (StatusCode::OK, None),
    };
    form(&state, &asker, &headers, asking.w, (status, fault, None))
}

/// Why a list was not taken: the status, and what the page says.
type NotTaken = (StatusCode, String);

pub(super) async fn post<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let mut w = Asking::read(request.uri().query(), &headers, &["lang"], &[]).w;
    let sent = match sent::read(&state, request, w).await {
        Ok(sent) => sent,
        Err(sent::Unread::Problem(problem)) => return problem.into_response(),
        Err(sent::Unread::Form(status, text)) => {
            return form(&state, &asker, &headers, w, (status, Some(text), None));
        }
    };
    w = sent.words().unwrap_or(w);
    let refused =
        |(status, text): NotTaken, sent| form(&state, &asker, &headers, w, (status, Some(text), Some(sent)));
    if !is_own(&state, &asker, &headers, &sent.proof) {
        return refused((StatusCode::FORBIDDEN, w.bulk().error_form.to_owned()), sent);
    }
    let Some(_place) = state.request_place() else {
        state.metrics().request_shed();
        let detail = "too many requests are being answered: try again shortly";
        return Problem::new(Kind::Overloaded, detail).into_response();
    };
    match take(&state, &asker, &sent, w).await {
        Ok(job) => see_other(&format!("/bulk/{}?lang={}", job.id, w.short_lang)),
        Err(not_taken) => refused(not_taken, sent),
    }
}

/// Reads the list and begins to answer it.
async fn take<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    sent: &Sent,
    w: &'static Words,
) -> Result<Arc<Job>, NotTaken> {
    let b = w.bulk();
    let bad = |text: String| (StatusCode::BAD_REQUEST, text);
    let text = match (sent.list.trim_ascii().is_empty(), sent.file.is_empty()) {
        (true, true) => return Err(bad(b.error_empty.to_owned())),
        (false, false) => return Err(bad(b.error_both.to_owned())),
        (false, true) => sent.list.clone(),
        (true, false) => sent.file.clone(),
    };
    let (asker, reference) = (asker.clone(), sent.reference.clone());
    let owner = Owner::of(&asker);
    let reader = asker.clone();
    let read = move |state: &HttpState<S>| Ok(rows(state, &reader, &text, &reference, w));
    let rows =
        state.read(read).await.map_err(|problem| (problem.kind.status(), w.error_service.to_owned()))?;
    let rows = rows.map_err(bad)?;
    let job = state.jobs().add(&owner, rows.len(), Clock::start().now()).map_err(|refused| {
        let text = match refused {
            Refused::Running => fill(b.error_running, &[&RUNNING_MAX.to_string()]),
            Refused::Kept => fill(b.error_kept, &[&KEPT_MAX.to_string()]),
            Refused::Busy => b.error_busy.to_owned(),
        };
        (StatusCode::TOO_MANY_REQUESTS, text)
    })?;
    work::start(state, &asker, &job, rows, w);
    Ok(job)
}

/// The rows of a list, each with a question that its asker may put.
fn rows<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    text: &[u8],
    reference: &str,
    w: &'static Words,
) -> Result<Vec<Asked>, String> {
    let mut rows = list::read(text, reference, state.zone(), w)?;
    for row in &mut rows {
        let Ok(question) = row.question.clone() else { continue };
        row.question = match asker.check_reason(question.reference.as_deref()) {
            Err(_) => Err(w.error_reason_missing.to_owned()),
            Ok(()) => within_limits(question, state).map_err(|problem| match problem.parameter.as_deref() {
                Some("rider_id") => w.error_riders_many.to_owned(),
                Some("to") => w.error_interval_long.to_owned(),
                _ => w.error_year.to_owned(),
            }),
        };
    }
    Ok(rows)
}

/// A principal's list by the name in a path.
fn find<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    path: Result<Path<String>, PathRejection>,
) -> Option<Arc<Job>> {
    let id = path.ok()?.0;
    state.jobs().get(&id, &Owner::of(asker), Clock::start().now())
}

pub(super) async fn remove<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let query = match super::sign_in::fields(body, &["proof", "lang"]).await {
        Ok(query) => query,
        Err(problem) => return problem.into_response(),
    };
    let w = super::frame::words(&query, &headers);
    let proof = query.all("proof").into_iter().next().unwrap_or_default();
    if !is_own(&state, &asker, &headers, &proof) {
        let fault = Some(w.bulk().error_form.to_owned());
        return form(&state, &asker, &headers, w, (StatusCode::FORBIDDEN, fault, None));
    }
    let id = path.map(|Path(id)| id).unwrap_or_default();
    if state.jobs().remove(&id, &Owner::of(&asker), Clock::start().now()) {
        return see_other(&format!("/bulk?lang={}", w.short_lang));
    }
    view::gone(&state, &asker, w)
}

/// The results as a file; of a list that is worked on, its page.
async fn download<S: Source>(
    (state, asker, job): (&HttpState<S>, &Asker, Option<Arc<Job>>),
    w: &'static Words,
    (media_type, ending): (&'static str, &str),
    write: fn(&Job, &Names, &Words) -> Result<Vec<u8>, rust_xlsxwriter::XlsxError>,
) -> Response {
    let Some(job) = job else { return view::gone(state, asker, w) };
    if job.end().is_none() {
        return see_other(&format!("/bulk/{}?lang={}", job.id, w.short_lang));
    }
    let given = GivenAnswer::to_request(job.look(|done| done.commit));
    let name = format!("attachment; filename=\"coverage-{}.{ending}\"", job.begun.millis());
    let names = Names::new(&state.display_names(), w);
    match state.read(move |_| Ok(write(&job, &names, w))).await {
        Ok(Ok(bytes)) => {
            given.with(([(CONTENT_TYPE, media_type.to_owned()), (CONTENT_DISPOSITION, name)], bytes))
        }
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "Failed to write a workbook");
            Problem::new(Kind::Internal, "Failed to write the workbook: the log of the service has the cause")
                .into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

pub(super) async fn csv<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let w = Asking::read(raw.as_deref(), &headers, &["lang"], &[]).w;
    let write = |job: &Job, names: &Names, w: &Words| {
        Ok(job.look(|done| sheet::csv(&done.lines, done.commit, names, w)))
    };
    let job = find(&state, &asker, path);
    download((&state, &asker, job), w, ("text/csv; charset=utf-8", "csv"), write).await
}

pub(super) async fn xlsx<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let w = Asking::read(raw.as_deref(), &headers, &["lang"], &[]).w;
    let write = |job: &Job, names: &Names, w: &Words| {
        job.look(|done| sheet::xlsx(&done.lines, done.commit, names, w))
    };
    let job = find(&state, &asker, path);
    download((&state, &asker, job), w, (XLSX_TYPE, "xlsx"), write).await
}
