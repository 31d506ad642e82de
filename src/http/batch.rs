//! `POST /v1/coverage/batch`: a question a line, an answer a line, in the same order.
//!
//! All answers come from one state. They are streamed: the asker's pace is the pace, and memory stays bounded.

use super::coverage::within_limits;
use super::problem::{Kind, Problem};
use super::source::Source;
use super::state::HttpState;
use crate::coverage::lookup_batch::BadRow;
use crate::coverage::question::{Question, QuestionLine};
use crate::coverage::resolve::resolve;
use crate::domain::view::LedgerView;
use crate::telemetry::metrics::Lookup;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use thiserror::Error;
use tokio::sync::mpsc;

const MEDIA_TYPES: &[&str] = &["application/x-ndjson", "application/ndjson", "application/jsonl"];
/// Answers are sent in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow asker.
const PIECES_WAITING_MAX: usize = 4;

pub(super) async fn post<S: Source>(
    State(state): State<HttpState<S>>,
    request: Request,
) -> Result<Response, Problem> {
    check_media_type(request.headers())?;
    // Before the body: bodies that are slow to come, or large, are as few as the places.
    let Some(place) = state.batch_place() else {
        state.metrics().request_shed();
        return Err(Problem::new(Kind::Overloaded, "too many batches are being answered: try again shortly"));
    };
    let body = body(&state, request).await?;
    let lines_max = state.settings().batch_lines_max;
    if body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() > lines_max {
        return Err(Problem::new(Kind::BatchTooLong, format!("a batch has at most {lines_max} lines")));
    }
    let (pieces, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let done = answer_all(&state, &body, &pieces);
        // When the asker is gone, nobody needs to know.
        drop(pieces.blocking_send(done.unwrap_or(Piece::Failed)));
    });
    let answers = Answers { receiver, over: false };
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::new(answers)).into_response())
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let name = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if MEDIA_TYPES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let detail = "send one question a line, with the header `Content-Type: application/x-ndjson`";
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

async fn body<S: Source>(state: &HttpState<S>, request: Request) -> Result<Vec<u8>, Problem> {
    let bytes_max = state.settings().body_bytes_max;
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("a body has at most {bytes_max} bytes"));
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| usize::try_from(length).map_or(true, |length| length > bytes_max)) {
        return Err(too_large());
    }
    // A little sooner than the request as a whole, so that the reason is told.
    let patience = state.settings().timeout.saturating_mul(9) / 10;
    match tokio::time::timeout(patience, collect(request.into_body(), bytes_max)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Kind::BadRequest, "the body broke off")),
        Err(_) => Err(Problem::new(Kind::SlowRequest, "the body did not arrive in time")),
    }
}

/// The whole body; `None` when it has more than `bytes_max` bytes.
async fn collect(mut body: Body, bytes_max: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut whole = Vec::new();
    loop {
        let next = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
        let Some(frame) = next.transpose()? else { return Ok(Some(whole)) };
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > bytes_max.saturating_sub(whole.len()) {
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
}

enum Piece {
    Lines(Bytes),
    End,
    Failed,
}

/// Answers every line; `None` when the asker is gone or storage failed.
fn answer_all<S: Source>(state: &HttpState<S>, body: &[u8], pieces: &mpsc::Sender<Piece>) -> Option<Piece> {
    let view = state.source().view();
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    for (line, number) in body.split(|&byte| byte == b'\n').zip(1_u64..) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let begun = Instant::now();
        let lookup = match question(line, state) {
            Err(error) => {
                serde_json::to_writer(&mut piece, &BadRow { line: number, error }).ok()?;
                Lookup::Refused
            }
            Ok(question) => match resolve(&*view, state.terms(), &question) {
                Ok(answer) => {
                    serde_json::to_writer(&mut piece, &answer).ok()?;
                    Lookup::Answered(answer.verdict)
                }
                Err(error) => match S::View::refusal(&error) {
                    Some(error) => {
                        serde_json::to_writer(&mut piece, &BadRow { line: number, error }).ok()?;
                        Lookup::Refused
                    }
                    None => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "a batch failed: storage could not be read"
                        );
                        state.metrics().looked_up(Lookup::Failed, begun.elapsed());
                        return None;
                    }
                },
            },
        };
        state.metrics().looked_up(lookup, begun.elapsed());
        piece.push(b'\n');
        if piece.len() >= PIECE_BYTES {
            pieces.blocking_send(Piece::Lines(std::mem::take(&mut piece).into())).ok()?;
        }
    }
    pieces.blocking_send(Piece::Lines(piece.into())).ok()?;
    Some(Piece::End)
}

fn question<S: Source>(line: &[u8], state: &HttpState<S>) -> Result<Question, String> {
    let line: QuestionLine =
        serde_json::from_slice(line).map_err(|error| format!("not a JSON object with texts: {error}"))?;
    let question = line.parse().map_err(|error| error.to_string())?;
    within_limits(question, state.settings()).map_err(|problem| problem.detail)
}

/// The answers broke off: the connection is closed, so that nobody takes a part for the whole.
#[derive(Debug, Error)]
#[error("the answers broke off")]
struct BrokenOff;

struct Answers {
    receiver: mpsc::Receiver<Piece>,
    over: bool,
}

impl http_body::Body for Answers {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Lines(lines)) => Some(Ok(Frame::data(lines))),
            Some(Piece::End) => {
                self.over = true;
                None
            }
            Some(Piece::Failed) | None => {
                self.over = true;
                Some(Err(BrokenOff))
            }
        })
    }
}
