//! Every request is counted, by route, method and status, and how long it waited for its answer.

use super::backend::Source;
use super::state::HttpState;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;

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
    let response = next.run(request).await;
    let route = route.as_ref().map_or(OTHER, MatchedPath::as_str);
    state.metrics().requested(route, method, response.status(), begun.elapsed());
    response
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
