//! The service over HTTP: one file a resource. It only reads: nothing here writes to the ledger.
//!
//! ```text
//! connection -> headers -> host -> limits -> a resource -> (a blocking thread) -> coverage over one committed state
//! ```

mod backend;
mod batch;
mod bodies;
mod connection;
mod coverage;
mod health;
mod host;
mod in_flight;
mod line;
mod middleware;
mod observed;
mod order;
mod page;
mod platforms;
mod problem;
mod progress;
mod query;
mod refusal;
mod rejections;
mod state;
mod statement;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

pub use backend::{
    NotReady, PartitionProgress, Paused, ProgressFacts, RejectionPage, RejectionQuery, Source, ViewError,
};
pub use problem::{Kind, Problem};
pub(crate) use query::UNRESERVED;
pub use state::{HttpState, THREADS};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use std::io;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

/// Connections for each request that may be answered at a time: browsers keep some open.
const CONNECTIONS_PER_REQUEST: usize = 4;

/// Every resource.
pub fn router<S: Source>(state: HttpState<S>) -> Router {
    let limited = Router::new()
        .route("/", get(page::get::<S>))
        .route("/v1/coverage", get(coverage::get::<S>))
        .route("/v1/riders/{rider_id}/timeline", get(timeline::get::<S>))
        .route("/v1/orders/{platform}/{order_id}", get(order::get::<S>))
        .route("/v1/statements", get(statement::get::<S>))
        .route("/v1/rejections", get(rejections::get::<S>))
        .route("/v1/progress", get(progress::get::<S>));
    // Health and metrics bypass load shedding.
    let watched = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready::<S>))
        .route("/metrics", get(health::metrics::<S>))
        .merge(page::assets());
    // A body may be long in coming: its place among the requests is taken when it is there.
    let batch = Router::new().route("/v1/coverage/batch", post(batch::post::<S>));
    let resources = middleware::limited(limited, &state)
        .merge(batch)
        .merge(watched)
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(state.clone(), host::check::<S>))
        .layer(from_fn(middleware::expectations));
    middleware::headers(resources)
        .layer(from_fn_with_state(state.clone(), observed::count::<S>))
        .layer(from_fn(in_flight::mark))
        .with_state(state)
}

/// Answers on `listener` until `shutdown`; then finishes what was begun. Never has more than `process_max` connections.
///
/// # Errors
/// None that a listener can recover from.
pub async fn serve<S: Source>(
    listener: TcpListener,
    state: HttpState<S>,
    process_max: usize,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let settings = state.settings();
    let deadline = settings.timeout.saturating_mul(2);
    let connections_max = settings.concurrent_requests_max.saturating_mul(CONNECTIONS_PER_REQUEST);
    let bounds = (deadline, connections_max.min(process_max).max(1));
    let listener = connection::TimedListener::new(listener, bounds, state.bodies(), state.metrics().clone());
    let service = router(state).into_make_service_with_connect_info::<in_flight::InFlight>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}
