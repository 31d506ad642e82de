//! The answer log before a response: what a handler answered is durable in the log before a byte of it is sent, and the response
//! names the entry.
//!
//! ```text
//! handler -> response with a GivenAnswer -> keep: digest of the body, entry, fsync -> Coverledger-Answer: NAME/N -> client
//! ```

use super::access::Asker;
use super::backend::Source;
use super::problem::{Kind, Problem};
use super::state::{HttpState, KeptAnswers};
use crate::answers::{
    AnswerLog, AnswerLogError, Asked, Content, CoverageAsked, Digest, Draft, OpenOrder, PrincipalLine,
};
use crate::coverage::answer::Answer;
use crate::coverage::question::Question;
use crate::domain::verdict::Verdict;
use crate::domain::view::KnownAt;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The header with the name of the log and the number of the entry: `main/17`.
pub(super) const HEADER: HeaderName = HeaderName::from_static("coverledger-answer");

/// The routes of which every answer is logged. The page answers only some requests, and a batch is logged by its handler.
const LOGGED: [&str; 9] = [
    "/answer",
    "/receipt",
    "/bulk/{job}/answers.csv",
    "/bulk/{job}/answers.xlsx",
    "/v1/coverage",
    "/v1/riders/{rider_id}/timeline",
    "/v1/orders/{platform}/{order_id}",
    "/v1/statements",
    "/v1/answers/{number}",
];

/// What a handler answered, beside the response that says it.
#[derive(Clone, Debug)]
pub(super) struct GivenAnswer {
    asked: Option<Asked>,
    verdict: Option<Verdict>,
    commit: u64,
    open_near: Vec<(String, String, u8)>,
}

impl GivenAnswer {
    /// To a question about cover.
    pub(super) fn of(question: &Question, known_at: Option<KnownAt>, answer: &Answer) -> Self {
        Self {
            asked: Some(Asked::Coverage(CoverageAsked::of(question, known_at))),
            verdict: Some(answer.verdict),
            commit: answer.as_of.commit,
            open_near: answer.open_near.clone(),
        }
    }

    /// To another request, which the log has by its path and parameters.
    pub(super) const fn to_request(commit: u64) -> Self {
        Self { asked: None, verdict: None, commit, open_near: Vec::new() }
    }

    /// To a question of the log itself.
    pub(super) fn about_entry(
        (log, number): (Option<String>, u64),
        verdict: Option<Verdict>,
        commit: u64,
    ) -> Self {
        Self { asked: Some(Asked::Answer { number, log }), verdict, commit, open_near: Vec::new() }
    }

    /// The response with what it answers.
    pub(super) fn with(self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Logs what a handler answered; a response that cannot be logged is not sent.
pub(super) async fn keep<S: Source>(
    State(state): State<HttpState<S>>,
    request: Request,
    next: Next,
) -> Response {
    let Some((log, now)) = state.answer_log().map(|kept| (kept.log.clone(), kept.clock.now())) else {
        return next.run(request).await;
    };
    let path = request.extensions().get::<MatchedPath>().cloned();
    let asker = request.extensions().get::<Asker>().cloned();
    let target = request.uri().to_string();
    let mut response = next.run(request).await;
    let given = response.extensions_mut().remove::<GivenAnswer>();
    let Some((given, asker)) = given.zip(asker) else {
        let must_be = path.is_some_and(|path| LOGGED.contains(&path.as_str()));
        return if must_be && response.status().is_success() { unlogged() } else { response };
    };
    let (mut parts, body) = response.into_parts();
    // The handler has the whole of it in memory.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return unlogged() };
    let asked = given.asked.unwrap_or(Asked::Request { target });
    let reference = match &asked {
        Asked::Coverage(asked) => asked.reference.clone(),
        Asked::Batch { .. } | Asked::Answer { .. } | Asked::Request { .. } => None,
    };
    let content = Content::Answer {
        principal: PrincipalLine::of(&asker.principal),
        reason: asker.reason.or(reference),
        question: asked,
        status: parts.status.as_u16(),
        verdict: given.verdict.map(|verdict| verdict.as_str().to_owned()),
        commit: given.commit,
        body_sha256: Some(Digest::of(&body)),
        open_orders: OpenOrder::of(&given.open_near),
    };
    match append(&state, &log, Draft { at: now, content }).await {
        Ok(value) => {
            parts.headers.insert(HEADER, value);
            Response::from_parts(parts, Body::from(body))
        }
        Err(problem) => problem.into_response(),
    }
}

/// Appends an entry; returns the value of the header when it is durable.
async fn append<S: Source>(
    state: &HttpState<S>,
    log: &AnswerLog,
    draft: Draft,
) -> Result<HeaderValue, Problem> {
    let appended = tokio::time::timeout(state.settings().timeout, log.append(draft)).await;
    let timed_out =
        || Problem::new(Kind::AnswerNotLogged, "the disk of the answer log is too slow: try again");
    let logged = appended.map_err(|_| timed_out())?.map_err(|error| not_logged(&error))?;
    HeaderValue::from_str(&format!("{}/{}", log.name(), logged.number)).map_err(|_| timed_out())
}

/// The refusal of an answer that could not be logged.
pub(super) fn not_logged(error: &AnswerLogError) -> Problem {
    tracing::error!(%error, "Failed to log an answer: it is not sent");
    let detail = match error {
        AnswerLogError::TooLarge { .. } | AnswerLogError::Full | AnswerLogError::Ended => error.to_string(),
        _ => "the answer log cannot be written, so no answer is sent: the log of the service has the cause"
            .to_owned(),
    };
    Problem::new(Kind::AnswerNotLogged, detail)
}

fn unlogged() -> Response {
    tracing::error!(
        "Failed to log an answer: its handler does not say what it answered; report this as a defect"
    );
    Problem::new(Kind::Internal, "Failed to log the answer: the log of the service has the cause")
        .into_response()
}

/// The log of the answers to a list that a person asked: an entry for each, durable before any of them is shown.
#[derive(Debug)]
pub(super) struct ListLog {
    kept: KeptAnswers,
    principal: PrincipalLine,
    reason: Option<String>,
    drafts: Vec<Draft>,
}

impl ListLog {
    /// `None` where answers are not logged.
    pub(super) fn of<S: Source>(state: &HttpState<S>, asker: &Asker) -> Option<Self> {
        let kept = state.answer_log().cloned()?;
        let (principal, reason) = (PrincipalLine::of(&asker.principal), asker.reason.clone());
        Some(Self { kept, principal, reason, drafts: Vec::new() })
    }

    /// Takes an answer to the next ones that are logged. Its digest is that of the answer of `GET /v1/coverage`.
    pub(super) fn add(&mut self, question: &Question, answer: &Answer) {
        let content = Content::Answer {
            principal: self.principal.clone(),
            reason: self.reason.clone().or_else(|| question.reference.clone()),
            question: Asked::Coverage(CoverageAsked::of(question, None)),
            status: 200,
            verdict: Some(answer.verdict.as_str().to_owned()),
            commit: answer.as_of.commit,
            body_sha256: serde_json::to_vec(answer).ok().map(|body| Digest::of(&body)),
            open_orders: OpenOrder::of(&answer.open_near),
        };
        self.drafts.push(Draft { at: self.kept.clock.now(), content });
    }

    /// Logs what was taken, for a thread that may block.
    pub(super) fn flush(&mut self) -> Result<(), AnswerLogError> {
        self.kept.log.append_all_blocking(std::mem::take(&mut self.drafts))
    }
}

/// The log of one batch: an entry before its first answer is sent, another before its last.
#[derive(Clone, Debug)]
pub(super) struct BatchLog {
    kept: KeptAnswers,
    number: u64,
}

impl BatchLog {
    /// Logs the questions of a batch. Returns the value of the header, too.
    pub(super) async fn begin<S: Source>(
        state: &HttpState<S>,
        asker: &Asker,
        (lines, body): (u64, &[u8]),
        (known_at, commit): (Option<KnownAt>, u64),
    ) -> Result<Option<(Self, HeaderValue)>, Problem> {
        let Some(kept) = state.answer_log().cloned() else { return Ok(None) };
        let question = Asked::Batch { lines, sha256: Digest::of(body), known_at: known_at.map(Into::into) };
        let content = Content::Answer {
            principal: PrincipalLine::of(&asker.principal),
            reason: asker.reason.clone(),
            question,
            status: 200,
            verdict: None,
            commit,
            body_sha256: None,
            open_orders: Vec::new(),
        };
        let logged = kept.log.append(Draft { at: kept.clock.now(), content }).await;
        let number = logged.map_err(|error| not_logged(&error))?.number;
        let value = HeaderValue::from_str(&format!("{}/{number}", kept.log.name()));
        let value =
            value.map_err(|_| Problem::new(Kind::Internal, "the name of the answer log is no text"))?;
        Ok(Some((Self { kept, number }, value)))
    }

    /// Logs that all answers were worked out; the last of them are sent after this.
    pub(super) async fn end(self, answers: [u64; 5], body_sha256: Digest) -> Result<(), AnswerLogError> {
        let content = Content::BatchEnd { batch: self.number, answers, body_sha256 };
        self.kept.log.append(Draft { at: self.kept.clock.now(), content }).await.map(drop)
    }
}
