//! `/tlog`: the seal log as static files in the form of C2SP tlog-tiles, and its public keys.

use super::backend::{SealFile, Source};
use super::problem::{Kind, Problem};
use super::receipt::problem;
use super::state::HttpState;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// The newest is asked for each time.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-cache");
/// A tile, full or partial, never changes: the log only grows, and another width has another path.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub(super) async fn checkpoint<S: Source>(State(state): State<HttpState<S>>) -> Result<Response, Problem> {
    file(&state, "checkpoint".to_owned(), (TEXT, NOT_KEPT)).await
}

pub(super) async fn keys<S: Source>(State(state): State<HttpState<S>>) -> Result<Response, Problem> {
    file(&state, "keys".to_owned(), (TEXT, NOT_KEPT)).await
}

pub(super) async fn tile<S: Source>(
    State(state): State<HttpState<S>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(path) = path.map_err(|_| Problem::new(Kind::BadRequest, "the path is not UTF-8"))?;
    file(&state, format!("tile/{path}"), (BYTES, KEPT)).await
}

async fn file<S: Source>(
    state: &HttpState<S>,
    path: String,
    (media_type, kept): (HeaderValue, HeaderValue),
) -> Result<Response, Problem> {
    let missing = Problem::new(Kind::NotFound, format!("the seal log has no file {path}"));
    let read = move |state: &HttpState<S>| {
        let file = match path.as_str() {
            "checkpoint" => SealFile::Checkpoint,
            "keys" => SealFile::Keys,
            tile => SealFile::Tile(tile),
        };
        Ok(state.source().seal_file(file))
    };
    let found = state.read(read).await?.map_err(problem::<S>)?;
    let bytes = found.ok_or(missing)?;
    Ok(([(CONTENT_TYPE, media_type), (CACHE_CONTROL, kept)], bytes).into_response())
}
