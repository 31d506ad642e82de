//! Layers before every handler: load shedding, time limits, panics, headers.

use super::backend::Source;
use super::problem::{Kind, Problem};
use super::state::HttpState;
use crate::telemetry::metrics::Metrics;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPECT, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use std::any::Any;
use std::future::ready;
use std::time::Duration;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::timeout::error::Elapsed;
use tower_http::set_header::SetResponseHeaderLayer;

/// Nothing but the service's own style sheet and images, no script, no frame.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers that every response carries.
pub(super) const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, CSP),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // A page of another site may not even show an answer as an image or a script.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // A page's address holds a rider identifier: no other site learns it. With `no-referrer` browsers would send the service's own
    // forms with the origin `null`, as if they were another site's.
    (REFERRER_POLICY, "same-origin"),
    // Answers are about persons, and are true of one state.
    (CACHE_CONTROL, "no-store"),
];

/// Refuses what is beyond the number of requests at a time, and gives up on an answer that takes too long.
pub(super) fn limited<S: Source>(router: Router<HttpState<S>>, state: &HttpState<S>) -> Router<HttpState<S>> {
    let (metrics, timeout) = (state.metrics().clone(), state.settings().timeout);
    let refuse = move |error: BoxError| ready(refused(&error, &metrics, timeout));
    router.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(refuse))
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(state.requests()))
            .timeout(timeout),
    )
}

fn refused(error: &BoxError, metrics: &Metrics, timeout: Duration) -> Problem {
    if error.is::<Elapsed>() {
        let detail = format!("no answer within {} s: ask about less, or try again", timeout.as_secs());
        return Problem::new(Kind::TimedOut, detail);
    }
    metrics.request_shed();
    Problem::new(Kind::Overloaded, "too many requests are being answered: try again shortly")
}

/// Refuses what no handler could meet: an expectation other than that of `100 Continue`.
pub(super) async fn expectations(request: Request, next: Next) -> Response {
    let unmet = |value: &HeaderValue| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue");
    if request.headers().get_all(EXPECT).iter().any(unmet) {
        let detail = "the only expectation that is met is 100-continue";
        return Problem::new(Kind::UnsupportedExpectation, detail).into_response();
    }
    next.run(request).await
}

/// Adds the headers that every response carries; a handler may have chosen otherwise.
pub(super) fn headers<S: Source>(router: Router<HttpState<S>>) -> Router<HttpState<S>> {
    let [a, b, c, d, e, f] = HEADERS
        .map(|(name, value)| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    // One layer of them all: a router allocates for each of its own.
    router.layer((a, b, c, d, e, f))
}

/// A panic is a defect of one answer, not the end of the service.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("Failed to answer: a handler panicked; report this as a defect");
    Problem::new(Kind::Internal, "Failed to work out the answer: the log of the service has the cause")
        .into_response()
}
