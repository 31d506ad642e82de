//! `GET /v1/coverage`: was the rider covered?

use super::access::Asker;
use super::answer_log::GivenAnswer;
use super::backend::{ReceiptFile, Source};
use super::problem::{Document, Kind, Problem};
use super::query::Query;
use super::receipt::{self, Wanted};
use super::state::HttpState;
use crate::config::HttpSettings;
use crate::coverage::answer::Answer;
use crate::coverage::question::{Question, QuestionText, When};
use crate::domain::time::{DAY_MS, HOUR_MS};
use crate::domain::view::KnownAt;
use crate::domain::window::Window;
use crate::telemetry::metrics::Lookup;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of the answers to most questions about an instant.
const ANSWER_BYTES: usize = 4_096;
/// Identifiers in a question about an instant that is answered without the way to another thread.
const LITTLE_RIDER_IDS: usize = 2;

const PARAMETERS: &[&str] =
    &["rider_id", "at", "from", "to", "platform", "reference", "known_at", "explain", "receipt"];

/// What is asked for besides the answer of the newest state.
struct Options {
    known_at: Option<KnownAt>,
    is_explained: bool,
    receipt: Option<Wanted>,
}

/// An answer with its receipt, whose text is the file as it is: the file has one form.
#[derive(Serialize)]
struct WithReceipt<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    receipt: &'a str,
}

/// Says whether a rider was covered at an instant (`at`), or from one to another (`from`, `to`).
#[utoipa::path(
    get, path = "/v1/coverage", operation_id = "coverage", tag = "Coverage",
    params(
        ("rider_id" = Vec<String>, Query, description = "Identifiers of one person; repeat the parameter for several", example = json!(["R-1"])),
        ("at" = Option<String>, Query, format = DateTime, description = "The instant; without seconds that whole minute", example = "2026-11-20T12:07:31+08:00"),
        ("from" = Option<String>, Query, format = DateTime, description = "Start of an interval", example = "2026-11-20T12:07:31+08:00"),
        ("to" = Option<String>, Query, format = DateTime, description = "End of the interval, exclusive", example = "2026-11-20T13:00:00+08:00"),
        ("platform" = Option<Vec<String>>, Query, description = "Narrows the question to these platforms"),
        ("reference" = Option<String>, Query, description = "Reason or case number; an answer repeats it"),
        ("known_at" = Option<String>, Query, description = "Asks for an earlier state: the number of a commit, or an RFC 3339 instant", example = "1042"),
        ("explain" = Option<bool>, Query, description = "`true`: the answer says why, in `why`"),
        ("receipt" = Option<String>, Query, pattern = "^(true|whole)$", description = "`true`: with the receipt of the answer; `whole`: with all orders of the rider-day"),
    ),
    responses(
        (status = 200, description = "The answer, with what it stands on", body = Answer),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let question = question(raw.as_deref(), &state).and_then(|(question, mut options)| {
        asker.check_reason(question.reference.as_deref())?;
        let wanted = options.receipt.take().map(|wanted| wanted.check(&asker, &question, options.known_at));
        options.receipt = wanted.transpose()?;
        Ok((question, options))
    });
    let (question, options) =
        question.inspect_err(|_| state.metrics().looked_up(Lookup::Refused, Default::default()))?;
    let ((answer, receipt), given) = answer(&state, &asker, question, options).await?;
    Ok(given.with(match &receipt {
        None => as_json(&answer),
        Some(receipt) => as_json(&WithReceipt { answer: &answer, receipt: &receipt.text }),
    }))
}

/// An answer as a document. Most fit what is set aside for them: growing step by step would cost as much as writing them.
fn as_json(answer: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(ANSWER_BYTES);
    match serde_json::to_writer(&mut body, answer) {
        Ok(()) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        Err(_) => {
            Problem::new(Kind::Internal, "Failed to write the answer as JSON: this is a defect; report it")
                .into_response()
        }
    }
}

fn question<S: Source>(raw: Option<&str>, state: &HttpState<S>) -> Result<(Question, Options), Problem> {
    let query = Query::strict(raw, PARAMETERS)?;
    let question = Question::parse(QuestionText {
        rider_ids: query.all("rider_id"),
        at: query.time("at")?.as_deref(),
        from: query.time("from")?.as_deref(),
        to: query.time("to")?.as_deref(),
        platforms: query.all("platform"),
        reference: query.one("reference")?.map(str::to_owned),
    })?;
    let options = Options {
        known_at: query.known_at()?,
        is_explained: query.flag("explain")?,
        receipt: Wanted::parse(&query)?,
    };
    Ok((within_limits(question, state)?, options))
}

/// Answers a question as far as the client may see, and counts it.
async fn answer<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    question: Question,
    Options { known_at, is_explained, receipt }: Options,
) -> Result<((Answer, Option<ReceiptFile>), GivenAnswer), Problem> {
    state.note_riders(asker, &question.rider_ids);
    let begun = Instant::now();
    // An interval, an earlier state and an explanation may need much, an instant needs few blocks.
    let little = known_at.is_none()
        && !is_explained
        && receipt.is_none()
        && !matches!(question.when, When::Interval(_))
        && question.rider_ids.len() <= LITTLE_RIDER_IDS;
    let scope = asker.scope().clone();
    let job = move |state: &HttpState<S>| {
        let view = state.view(known_at)?;
        let answer = state.see_in(Arc::clone(&view), &scope, known_at).answer(&question, is_explained)?;
        let given = GivenAnswer::of(&question, known_at, &answer);
        // From the same state: the two cannot contradict each other.
        let receipt = receipt.map(|wanted| wanted.of(state, &view, &question)).transpose();
        Ok((answer, receipt, given))
    };
    let answered = if little { state.read_little(job).await } else { state.read(job).await };
    let lookup = answered.as_ref().map_or(Lookup::Failed, |(answer, ..)| Lookup::Answered(answer.verdict));
    state.metrics().looked_up(lookup, begun.elapsed());
    let (answer, receipt, given) = answered?;
    Ok(((answer, receipt.map_err(receipt::problem::<S>)?), given))
}

/// The receipt of an answer, and the answer for the log.
pub(super) async fn answer_with_receipt<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    question: Question,
    wanted: Wanted,
) -> Result<(ReceiptFile, GivenAnswer), Problem> {
    let options = Options { known_at: None, is_explained: false, receipt: Some(wanted) };
    let ((_, receipt), given) = answer(state, asker, question, options).await?;
    let missing = || Problem::new(Kind::Internal, "Failed to make the receipt: this is a defect; report it");
    Ok((receipt.ok_or_else(missing)?, given))
}

/// A question that the configuration lets one ask, about a time that an answer can write.
pub(super) fn within_limits<S: Source>(
    question: Question,
    state: &HttpState<S>,
) -> Result<Question, Problem> {
    let settings = state.settings();
    if question.rider_ids.len() > settings.rider_ids_max {
        let detail = format!("at most {} identifiers of one person may be given", settings.rider_ids_max);
        return Err(Problem::of(Kind::BadParameter, "rider_id", detail));
    }
    question.when.check_years(state.zone())?;
    interval_within_limits(question.when.window(), &settings)?;
    Ok(question)
}

/// An interval that the configuration lets one ask about.
pub(super) fn interval_within_limits(interval: Window, settings: &HttpSettings) -> Result<(), Problem> {
    let max_ms = settings.interval_max_ms;
    if interval.until.since(interval.from) <= max_ms {
        return Ok(());
    }
    let (number, unit) =
        if max_ms % DAY_MS == 0 { (max_ms / DAY_MS, "days") } else { (max_ms / HOUR_MS, "hours") };
    let detail = format!("the longest interval that may be asked about is {number} {unit}");
    Err(Problem::of(Kind::IntervalTooLong, "to", detail))
}
