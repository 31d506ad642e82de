//! `POST /v1/coverage/batch`: a question a line, an answer a line, in the same order.
//!
//! All answers come from one state. They are streamed: the client's pace is the pace, and memory stays bounded. A batch has a
//! place among those that are worked on only while it is: not while its body comes, nor while its client reads.

use super::access::Asker;
use super::answer_log::{self, BatchLog};
use super::backend::Source;
use super::bodies::{BodyError, WholeBody};
use super::coverage::within_limits;
use super::in_flight::{self, KeepingBody};
use super::line;
use super::problem::{Document, Kind, Problem};
use super::query::Query;
use super::state::{HttpState, Seen};
use super::text;
use crate::answers::Digest;
use crate::coverage::lookup_batch::BadRow;
use crate::coverage::question::Question;
use crate::domain::verdict::Verdict;
use crate::domain::view::{KnownAt, LedgerView, Refused};
use crate::telemetry::metrics::Lookup;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use sha2::{Digest as _, Sha256};
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use thiserror::Error;

/// Answers are sent in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;

/// Answers one question a line with one answer a line, in the same order, all from one state.
#[utoipa::path(
    post, path = "/v1/coverage/batch", operation_id = "coverage_batch", tag = "Coverage",
    params(
        ("reference" = Option<String>, Query, description = "Reason or case number; an answer repeats it"),
        ("known_at" = Option<String>, Query, description = "Asks for an earlier state: the number of a commit, or an RFC 3339 instant", example = "1042"),
        ("explain" = Option<bool>, Query, description = "`true`: each answer says why, in `why`"),
    ),
    responses(
        (status = 200, description = "An answer a line, or `{\"line\": n, \"error\": \"...\"}`", body = String, content_type = "application/x-ndjson"),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    ),
    request_body(content = String, content_type = "application/x-ndjson", description = "A question a line: `rider_id` (a text or a list), `at` or `from` and `to`, and `platform`, `reference`")
)]
pub(super) async fn post<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::strict(request.uri().query(), &["reference", "known_at", "explain"])?;
    let (known_at, is_explained) = (query.known_at()?, query.flag("explain")?);
    text::check_headers(request.headers())?;
    let in_flight = in_flight::of(&request);
    let body = {
        let _receiving = in_flight.receiving();
        body(&state, request, usize::MAX).await?
    };
    let lines = text::lines_of(&body.bytes)?;
    let lines_max = state.settings().batch_lines_max;
    let count = lines.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    if count > lines_max {
        return Err(Problem::new(Kind::BatchTooLong, format!("a batch has at most {lines_max} lines")));
    }
    let Some(_place) = state.request_place() else {
        state.metrics().request_shed();
        return Err(Problem::new(
            Kind::Overloaded,
            "too many requests are being answered: try again shortly",
        ));
    };
    let at = body.bytes.len().saturating_sub(lines.len());
    let view = match known_at {
        None => state.source().view(),
        Some(_) => state.read(move |state| state.view(known_at)).await?,
    };
    let keeping = in_flight.keeping_body();
    let asked = (u64::try_from(count).unwrap_or(u64::MAX), body.bytes.as_slice());
    let begun = BatchLog::begin(&state, &asker, asked, (known_at, view.as_of().commit)).await?;
    let (log, header) = begun.unzip();
    let written = Written { log, digest: Sha256::new(), answers: [0; 5] };
    let batch =
        Batch { state, view, known_at, asker, is_explained, body, at, line: 0, written, _keeping: keeping };
    let answers = Answers { next: Some(Box::pin(batch.work())) };
    let mut response = ([(CONTENT_TYPE, "application/x-ndjson")], Body::new(answers)).into_response();
    response.headers_mut().extend(header.map(|value| (answer_log::HEADER, value)));
    Ok(response)
}

/// Takes a body of at most `bytes_max` bytes in.
pub(super) async fn body<S: Source>(
    state: &HttpState<S>,
    request: Request,
    bytes_max: usize,
) -> Result<WholeBody, Problem> {
    let bytes_max = bytes_max.min(state.settings().body_bytes_max);
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("a body has at most {bytes_max} bytes"));
    let slow = || Problem::new(Kind::SlowRequest, "the body did not arrive in time");
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| usize::try_from(length).map_or(true, |length| length > bytes_max)) {
        return Err(too_large());
    }
    // A little sooner than the connection times out, so that the client gets the reason.
    let deadline = state.settings().timeout.saturating_mul(9) / 10;
    let bodies = state.bodies();
    match tokio::time::timeout(deadline, bodies.collect(request.into_body())).await {
        Ok(Ok(body)) if body.bytes.len() > bytes_max => Err(too_large()),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(BodyError::TooLarge)) => Err(too_large()),
        Ok(Err(BodyError::Slow)) | Err(_) => Err(slow()),
        Ok(Err(BodyError::BrokenOff(error))) if is_timeout(&error) => Err(slow()),
        Ok(Err(BodyError::BrokenOff(_))) => Err(Problem::new(
            Kind::BadRequest,
            "the body ends before its stated length, or the length is wrong",
        )),
        Ok(Err(BodyError::NoMemory)) => {
            state.metrics().request_shed();
            Err(Problem::new(Kind::Overloaded, "too many large bodies at a time: try again shortly"))
        }
    }
}

/// Whether the connection lost its deadline.
fn is_timeout(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A batch that is being answered, from one state.
struct Batch<S: Source> {
    state: HttpState<S>,
    view: Arc<S::View>,
    known_at: Option<KnownAt>,
    asker: Asker,
    /// Whether each answer is explained.
    is_explained: bool,
    body: WholeBody,
    /// Where the next line begins.
    at: usize,
    /// The number of the line before.
    line: u64,
    written: Written,
    _keeping: KeepingBody,
}

/// What was answered so far, for the answer log.
struct Written {
    log: Option<BatchLog>,
    digest: Sha256,
    /// Answers by verdict, and lines that were no question.
    answers: [u64; 5],
}

impl Written {
    fn count(&mut self, lookup: Lookup) {
        let at = match lookup {
            Lookup::Answered(Verdict::Covered) => 0,
            Lookup::Answered(Verdict::NotCovered) => 1,
            Lookup::Answered(Verdict::Undetermined) => 2,
            Lookup::Answered(Verdict::PartlyCovered) => 3,
            Lookup::Refused | Lookup::Failed => 4,
        };
        if let Some(count) = self.answers.get_mut(at) {
            *count = count.saturating_add(1);
        }
    }

    /// Logs the end of the batch, before its last piece is sent.
    async fn finish(self) -> Result<(), BrokenOff> {
        let Some(log) = self.log else { return Ok(()) };
        log.end(self.answers, Digest(self.digest.finalize().into())).await.map_err(|error| {
            tracing::error!(%error, "Failed to log the end of a batch: its last answers are not sent");
            BrokenOff
        })
    }
}

/// What came of a piece of work; the batch, if there is more to do.
type Worked<S> = Result<(Bytes, Option<Batch<S>>), BrokenOff>;
type Work<S> = Pin<Box<dyn Future<Output = Worked<S>> + Send>>;

impl<S: Source> Batch<S> {
    /// Answers lines for one piece, in a place of its own.
    async fn work(mut self) -> Worked<S> {
        let place = self.state.batch_place().await;
        let piece = tokio::task::spawn_blocking(move || {
            let _place = place;
            let state = self.state.clone();
            let seen = state.see_in(Arc::clone(&self.view), self.asker.scope(), self.known_at);
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let mut is_last = false;
            while piece.len() < PIECE_BYTES && !is_last {
                is_last = !self.answer_next(&seen, &mut piece)?;
            }
            if self.written.log.is_some() {
                self.written.digest.update(&piece);
            }
            Ok((Bytes::from(piece), self, is_last))
        });
        let worked: Result<(Bytes, Self, bool), BrokenOff> = piece.await.map_err(|failed| {
            tracing::error!(
                error = &failed as &dyn StdError,
                "Failed to answer a batch: this is a defect; report it"
            );
            BrokenOff
        })?;
        let (piece, batch, is_last) = worked?;
        if !is_last {
            return Ok((piece, Some(batch)));
        }
        batch.written.finish().await?;
        Ok((piece, None))
    }

    /// Answers the next line; `false` when there is none.
    fn answer_next(&mut self, seen: &Seen<'_, S::View>, piece: &mut Vec<u8>) -> Result<bool, BrokenOff> {
        let Some(rest) = self.body.bytes.get(self.at..).filter(|rest| !rest.is_empty()) else {
            return Ok(false);
        };
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        (self.at, self.line) = (self.at.saturating_add(end).saturating_add(1), self.line.saturating_add(1));
        if line.trim_ascii().is_empty() {
            return Ok(true);
        }
        let begun = Instant::now();
        let answered = match question(line, &self.state, &self.asker) {
            Err(error) => Err(error),
            Ok(question) => match seen.answer(&question, self.is_explained) {
                Ok(answer) => Ok(answer),
                Err(error) => Err(S::View::refusal(&error).map(Refused::detail).ok_or_else(|| {
                    tracing::error!(
                        error = &error as &dyn StdError,
                        "Failed to answer a batch: the storage cannot be read"
                    );
                    self.state.metrics().looked_up(Lookup::Failed, begun.elapsed());
                    BrokenOff
                })?),
            },
        };
        let lookup = match answered {
            Ok(answer) => {
                serde_json::to_writer(&mut *piece, &answer).map_err(|_| BrokenOff)?;
                Lookup::Answered(answer.verdict)
            }
            Err(error) => {
                let row = BadRow { line: self.line, error };
                serde_json::to_writer(&mut *piece, &row).map_err(|_| BrokenOff)?;
                Lookup::Refused
            }
        };
        self.state.metrics().looked_up(lookup, begun.elapsed());
        self.written.count(lookup);
        piece.push(b'\n');
        Ok(true)
    }
}

fn question<S: Source>(line: &[u8], state: &HttpState<S>, asker: &Asker) -> Result<Question, String> {
    let question: Question = line::read(line)?.parse().map_err(|error| error.to_string())?;
    asker.check_reason(question.reference.as_deref()).map_err(|problem| problem.detail)?;
    state.note_riders(asker, &question.rider_ids);
    within_limits(question, state).map_err(|problem| problem.detail)
}

/// The answers broke off: the connection is closed, so that a part is never taken for the whole.
#[derive(Debug, Error)]
#[error("Failed to send all answers: the work on them ended")]
struct BrokenOff;

/// The answers, worked out as they are asked for.
struct Answers<S: Source> {
    /// The work on the next piece; `None` at the end.
    next: Option<Work<S>>,
}

impl<S: Source> http_body::Body for Answers<S> {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let worked = std::task::ready!(next.as_mut().poll(cx));
        self.next = None;
        Poll::Ready(match worked {
            Ok((piece, batch)) => {
                self.next = batch.map(|batch| Box::pin(batch.work()) as Work<S>);
                (!piece.is_empty()).then(|| Ok(Frame::data(piece)))
            }
            Err(broken_off) => Some(Err(broken_off)),
        })
    }
}
