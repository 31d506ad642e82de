//! Connections that do not wait for ever: a client that is slow to send or to read loses its place, and sooner when
//! others wait for one.

use super::activity::Activity;
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// While every place is taken, a connection that is owed no answer keeps its own for so long.
const CROWDED_PATIENCE: Duration = Duration::from_secs(1);
/// Who reads less of an answer than this within the patience loses the place.
const READ_AT_LEAST: usize = 64 * 1024;

/// Accepts connections, as many at a time as there are places.
#[derive(Debug)]
pub(super) struct Patient {
    listener: TcpListener,
    patience: Duration,
    places: Arc<Semaphore>,
}

impl Patient {
    pub(super) fn new(listener: TcpListener, patience: Duration, connections_max: usize) -> Self {
        let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { listener, patience, places }
    }
}

impl Listener for Patient {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed, so there always is a place in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let (crowded, patience) = (Arc::clone(&self.places), self.patience);
        (Connection::new(stream, Patience { crowded, patience, _place: place }), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// How long a connection may keep others waiting.
#[derive(Debug)]
struct Patience {
    /// Has no place left when others may be waiting for one.
    crowded: Arc<Semaphore>,
    patience: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

/// A connection with a deadline, which moves when the first byte of a request comes in, when an answer begins to go
/// out, and with every so many bytes of it: so it bounds idling, a request from its first byte to its answer, and an
/// answer that nobody reads; and dripping bytes, in or out, does not move it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// When to look again.
    look: Pin<Box<Sleep>>,
    /// When it last came on.
    since: Instant,
    patience: Patience,
    activity: Activity,
    /// Nothing of the next request has come in.
    answered: bool,
    /// Bytes that went out since it last came on.
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream, patience: Patience) -> Self {
        let look = Box::pin(tokio::time::sleep(patience.patience.min(CROWDED_PATIENCE)));
        let (since, activity) = (Instant::now(), Activity::default());
        Self { stream, look, since, patience, activity, answered: true, written: 0 }
    }

    /// What its requests tell it.
    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    fn came_on(&mut self) {
        self.since = Instant::now();
        self.written = 0;
    }

    fn still_waiting<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        // A timer that fires too early is cheaper than one that is moved with every request.
        while self.look.as_mut().poll(cx).is_ready() {
            let waited = self.since.elapsed();
            let crowded = self.patience.crowded.available_permits() == 0 && !self.activity.is_answering();
            let limit = self.patience.patience;
            if waited >= limit || (crowded && waited >= CROWDED_PATIENCE) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let now = Instant::now();
            let left = limit.saturating_sub(waited).min(CROWDED_PATIENCE);
            self.look.as_mut().reset(now.checked_add(left).unwrap_or(now));
        }
        Poll::Pending
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(count)) => {
                self.written = self.written.saturating_add(count);
                if !self.answered || self.written >= READ_AT_LEAST {
                    self.came_on();
                }
                self.answered = true;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.still_waiting(cx),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if self.answered {
                    self.answered = false;
                    self.came_on();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.still_waiting(cx),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.after_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.after_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
