//! The service over HTTP: one file a resource. It only reads: nothing here writes to the ledger.
//!
//! ```text
//! connection -> headers -> host -> access -> answer log -> limits -> a resource -> (a blocking thread) -> coverage over one committed state
//! ```

mod access;
mod answer_log;
mod answers;
mod backend;
mod batch;
mod bodies;
mod client;
mod connection;
mod coverage;
mod example_cases;
mod health;
mod host;
mod in_flight;
mod line;
mod middleware;
mod observed;
mod one_log;
mod openapi;
mod order;
mod page;
mod platforms;
mod problem;
mod progress;
mod query;
mod receipt;
mod refusal;
mod rejections;
mod routes;
mod state;
mod statement;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod tlog;
mod tls;
mod transport;

pub use access::SESSION_COOKIE;
pub use backend::{
    ChainFacts, NoReceipt, NotReady, PartitionProgress, Paused, ProgressFacts, ReceiptFile, ReceiptRequest,
    RejectionPage, RejectionQuery, SealFile, ServiceRole, Source, ViewError,
};
pub use example_cases::{ExampleCase, ExampleCases};
pub use openapi::{document as openapi_document, document_json as openapi_json};
pub use problem::{Kind, Problem};
pub(crate) use query::UNRESERVED;
pub use state::{HttpState, THREADS};
pub use tls::{TlsError, TlsKeys};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use routes::Group;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

/// Connections for each request that may be answered at a time: browsers keep some open.
const CONNECTIONS_PER_REQUEST: usize = 4;

/// Every resource.
pub fn router<S: Source>(state: HttpState<S>) -> Router {
    let group = |group: Group| {
        let routes = routes::all::<S>().into_iter().filter(|(rule, _)| rule.group == group);
        routes.fold(Router::new(), |router, (rule, handler)| router.route(rule.path, handler))
    };
    // A body may be long in coming: the place of a batch among the requests is taken when it is there.
    // Health and metrics bypass load shedding.
    let resources = middleware::limited(group(Group::Limited), &state)
        .merge(group(Group::Batch))
        .merge(group(Group::Watched))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(state.clone(), answer_log::keep::<S>))
        .layer(from_fn_with_state(state.clone(), access::check::<S>))
        .layer(from_fn_with_state(state.clone(), client::check::<S>))
        .layer(from_fn_with_state(state.clone(), host::check::<S>))
        .layer(from_fn(middleware::expectations));
    middleware::headers(resources)
        .layer(from_fn_with_state(state.clone(), observed::count::<S>))
        .layer(from_fn(in_flight::mark))
        .with_state(state)
}

/// Answers on `listener`, encrypted with `tls` if it is given, until `shutdown`; then finishes what was begun. Never has more
/// than `process_max` connections.
///
/// # Errors
/// None that a listener can recover from.
pub async fn serve<S: Source>(
    (listener, tls): (TcpListener, Option<Arc<TlsKeys>>),
    state: HttpState<S>,
    process_max: usize,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let settings = state.settings();
    let deadline = settings.timeout.saturating_mul(2);
    let connections_max = settings.concurrent_requests_max.saturating_mul(CONNECTIONS_PER_REQUEST);
    let bounds = (deadline, connections_max.min(process_max).max(1));
    let listener = (listener, tls.map(|tls| tls.acceptor()));
    let jobs = Arc::clone(state.jobs());
    let shutdown = async move {
        shutdown.await;
        jobs.stop();
    };
    let listener = connection::TimedListener::new(listener, bounds, state.bodies(), state.metrics().clone());
    let service = router(state).into_make_service_with_connect_info::<in_flight::InFlight>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}
