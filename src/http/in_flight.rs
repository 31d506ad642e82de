//! State that a connection and its requests share: a client with an answer under way keeps its connection when others wait for a place.

use super::connection::{Connection, TimedListener};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use http_body::{Frame, SizeHint};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Shared by a connection and its requests, of which there is one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    flags: Arc<Flags>,
    /// The address that the client connected to.
    local: Option<IpAddr>,
    /// The address of the other end.
    peer: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct Flags {
    /// An answer is being worked out.
    answering: AtomicBool,
    /// The head of a request was read, and its answer has not begun to go out.
    reached: AtomicBool,
    /// The answer under way keeps a body in memory.
    keeps_body: AtomicBool,
}

impl InFlight {
    pub(super) fn new(local: Option<IpAddr>, peer: Option<IpAddr>) -> Self {
        Self { flags: Arc::default(), local, peer }
    }

    /// The address of the other end.
    pub(super) const fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// The address that the client connected to.
    pub(super) const fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// Whether an answer is being worked out.
    pub(super) fn is_answering(&self) -> bool {
        self.flags.answering.load(Ordering::Relaxed)
    }

    /// Whether a handler has the request that came in last.
    pub(super) fn has_reached(&self) -> bool {
        self.flags.reached.load(Ordering::Relaxed)
    }

    /// Its answer begins to go out.
    pub(super) fn is_answered(&self) {
        self.flags.reached.store(false, Ordering::Relaxed);
    }

    /// Whether the answer under way keeps a body in memory.
    pub(super) fn keeps_body(&self) -> bool {
        self.flags.keeps_body.load(Ordering::Relaxed)
    }

    /// Until the result is dropped, the request is still being sent: no answer is owed.
    pub(super) fn receiving(&self) -> Receiving {
        self.flags.answering.store(false, Ordering::Relaxed);
        Receiving(self.clone())
    }

    /// Until the result is dropped, the answer keeps a body in memory.
    pub(super) fn keeping_body(&self) -> KeepingBody {
        self.flags.keeps_body.store(true, Ordering::Relaxed);
        KeepingBody(self.clone())
    }

    fn begin(&self) -> Answering {
        self.flags.answering.store(true, Ordering::Relaxed);
        self.flags.reached.store(true, Ordering::Relaxed);
        Answering(self.clone())
    }
}

impl Connected<IncomingStream<'_, TimedListener>> for InFlight {
    fn connect_info(stream: IncomingStream<'_, TimedListener>) -> Self {
        Connection::in_flight(stream.io())
    }
}

/// The in_flight of the connection on which a request came; its own where there is none.
pub(super) fn of(request: &Request) -> InFlight {
    let info = request.extensions().get::<ConnectInfo<InFlight>>();
    info.map(|ConnectInfo(in_flight)| in_flight.clone()).unwrap_or_default()
}

/// Until it is dropped, an answer is being worked out.
struct Answering(InFlight);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.flags.answering.store(false, Ordering::Relaxed);
    }
}

/// See [`InFlight::receiving`].
pub(super) struct Receiving(InFlight);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.flags.answering.store(true, Ordering::Relaxed);
    }
}

/// See [`InFlight::keeping_body`].
#[derive(Debug)]
pub(super) struct KeepingBody(InFlight);

impl Drop for KeepingBody {
    fn drop(&mut self) {
        self.0.flags.keeps_body.store(false, Ordering::Relaxed);
    }
}

/// Marks the connection of a request while its answer is worked out; of a streamed one, until its end.
pub(super) async fn mark(request: Request, next: Next) -> Response {
    let answering = of(&request).begin();
    let response = next.run(request).await;
    // A whole body only has to be read: a slow client keeps no place for that.
    if http_body::Body::size_hint(response.body()).exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(Streamed { body, _answering: answering }))
}

/// A body that is worked out while it is sent.
struct Streamed {
    body: Body,
    _answering: Answering,
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
