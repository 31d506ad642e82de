//! Whether a connection is owed an answer: that is what keeps its place when others wait for one.

use super::connection::{Connection, Patient};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Shared by a connection and its requests, of which there is one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<AtomicBool>);

impl Activity {
    /// Whether an answer is being worked out.
    pub(super) fn is_answering(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Answering {
        self.0.store(true, Ordering::Relaxed);
        Answering(self.clone())
    }
}

impl Connected<IncomingStream<'_, Patient>> for Activity {
    fn connect_info(stream: IncomingStream<'_, Patient>) -> Self {
        Connection::activity(stream.io())
    }
}

/// Until it is dropped, an answer is being worked out.
struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// Marks the connection of a request while its answer is worked out; of a streamed one, until its end.
pub(super) async fn mark(request: Request, next: Next) -> Response {
    let activity = request.extensions().get::<ConnectInfo<Activity>>();
    let answering = activity.map(|ConnectInfo(activity)| activity.begin());
    let response = next.run(request).await;
    // A whole body only has to be read: whoever is slow at that has no right to the place.
    if http_body::Body::size_hint(response.body()).exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(Streamed { body, _answering: answering }))
}

/// A body that is worked out while it is sent.
struct Streamed {
    body: Body,
    _answering: Option<Answering>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
