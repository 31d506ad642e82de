//! `GET /v1/coverage`: was the rider covered?

use super::access::Asker;
use super::backend::Source;
use super::problem::{Kind, Problem};
use super::query::Query;
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
use std::time::Instant;

/// Bytes of the answers to most questions about an instant.
const ANSWER_BYTES: usize = 4_096;
/// Identifiers in a question about an instant that is answered without the way to another thread.
const LITTLE_RIDER_IDS: usize = 2;

const PARAMETERS: &[&str] = &["rider_id", "at", "from", "to", "platform", "reference", "known_at"];

/// Whether the question has such a parameter.
pub(super) fn has_parameter(name: &str) -> bool {
    PARAMETERS.contains(&name)
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let question = question(raw.as_deref(), &state).and_then(|(question, known_at)| {
        asker.check_reason(question.reference.as_deref())?;
        Ok((question, known_at))
    });
    let (question, known_at) =
        question.inspect_err(|_| state.metrics().looked_up(Lookup::Refused, Default::default()))?;
    answer(&state, &asker, question, known_at).await.map(|answer| as_json(&answer))
}

/// An answer as a document. Most fit what is set aside for them: growing step by step would cost as much as writing them.
fn as_json(answer: &Answer) -> Response {
    let mut body = Vec::with_capacity(ANSWER_BYTES);
    match serde_json::to_writer(&mut body, answer) {
        Ok(()) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        Err(_) => {
            Problem::new(Kind::Internal, "Failed to write the answer as JSON: this is a defect; report it")
                .into_response()
        }
    }
}

fn question<S: Source>(
    raw: Option<&str>,
    state: &HttpState<S>,
) -> Result<(Question, Option<KnownAt>), Problem> {
    let query = Query::strict(raw, PARAMETERS)?;
    let question = Question::parse(QuestionText {
        rider_ids: query.all("rider_id"),
        at: query.time("at")?.as_deref(),
        from: query.time("from")?.as_deref(),
        to: query.time("to")?.as_deref(),
        platforms: query.all("platform"),
        reference: query.one("reference")?.map(str::to_owned),
    })?;
    Ok((within_limits(question, state)?, query.known_at()?))
}

/// Answers a question as far as the client may see, and counts it.
async fn answer<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    question: Question,
    known_at: Option<KnownAt>,
) -> Result<Answer, Problem> {
    state.note_riders(asker, &question.rider_ids);
    let begun = Instant::now();
    // An interval and an earlier state may need many blocks, an instant needs few.
    let little = known_at.is_none()
        && !matches!(question.when, When::Interval(_))
        && question.rider_ids.len() <= LITTLE_RIDER_IDS;
    let scope = asker.scope().clone();
    let job = move |state: &HttpState<S>| state.see_at(&scope, known_at)?.resolve(&question);
    let answered = if little { state.read_little(job).await } else { state.read(job).await };
    let lookup = answered.as_ref().map_or(Lookup::Failed, |answer| Lookup::Answered(answer.verdict));
    state.metrics().looked_up(lookup, begun.elapsed());
    answered
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
    interval_within_limits(question.when.window(), settings)?;
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
