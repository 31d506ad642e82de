//! Every request is counted, by route, method and status, and how long it waited for its answer.

use super::backend::Source;
use super::routes::{Group, RULES};
use super::state::HttpState;
use crate::telemetry::traces::QuestionSpan;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;

/// The header by which askers continue their trace.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Label of what no route takes.
const OTHER: &str = "other";

/// Counts a request once the head of its answer is there.
pub(super) async fn count<S: Source>(
    State(state): State<HttpState<S>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method_label(request.method());
    let traced = state.traces().is_on() && route.as_ref().is_some_and(is_question);
    let parent = traced.then(|| request.headers().get(TRACEPARENT).cloned()).flatten();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(OTHER, MatchedPath::as_str);
    let (status, took) = (response.status(), begun.elapsed());
    state.metrics().requested(route, method, status, took);
    if traced {
        let parent = parent.as_ref().and_then(|header| header.to_str().ok());
        state.traces().question(&QuestionSpan { route, method, status: status.as_u16(), took, parent });
    }
    response
}

/// Monitoring and parts of pages ask nothing.
fn is_question(route: &MatchedPath) -> bool {
    let rule = RULES.iter().find(|rule| rule.path == route.as_str());
    rule.is_some_and(|rule| rule.group != Group::Watched)
}

/// Clients choose methods: those without a meaning here share a label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}
