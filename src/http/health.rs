//! `/livez`, `/readyz`, `/metrics`: for monitoring.

use super::access::Asker;
use super::backend::{NotReady, ServiceRole, Source};
use super::problem::{Document, Kind, Problem};
use super::state::HttpState;
use crate::domain::view::LedgerView;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// Says that the process answers at all.
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "Service", security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain; charset=utf-8"))
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// A service that cannot log answers sends none, and is not ready.
pub(super) fn readiness<S: Source>(state: &HttpState<S>) -> Result<(), NotReady> {
    let is_stopped = state.answer_log().is_some_and(|kept| kept.log.stopped().is_some());
    state.metrics().answer_log_stopped(is_stopped);
    state.source().readiness()?;
    if is_stopped { Err(NotReady::AnswersRefused) } else { Ok(()) }
}

/// Says whether the service can answer, and what it waits for.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "Service", security(()),
    responses(
        (status = 200, description = "It can", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "It cannot yet", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn ready<S: Source>(State(state): State<HttpState<S>>) -> Result<&'static str, Problem> {
    let readiness = readiness(&state);
    state.metrics().ready(readiness.is_ok());
    let ready = match state.source().role() {
        ServiceRole::Writer => "ready\n",
        ServiceRole::Standby => "ready, standby\n",
        ServiceRole::Reader => "ready, read-only\n",
    };
    readiness.map(|()| ready).map_err(|missing| Problem::new(Kind::NotReady, missing.to_string()))
}

/// Gives the metrics in Prometheus's text format: to a platform, its own.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "Service",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn metrics<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
) -> Result<Response, Problem> {
    state.source().sample();
    state.metrics().ready(readiness(&state).is_ok());
    let text = match asker.scope().platform() {
        None => state.metrics().encode(),
        Some(platform) => {
            // As in `/v1/progress`.
            let seen = state.see(asker.scope());
            let topics = seen.view.completeness().topics.keys().cloned().collect();
            state.metrics().encode_of(platform, &topics)
        }
    };
    let text = text.map_err(|error| {
        tracing::error!(%error, "Failed to write the metrics");
        Problem::new(Kind::Internal, "Failed to write the metrics")
    })?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
