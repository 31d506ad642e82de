//! Connections that do not wait for ever: a client that is slow to send or to read loses its place, and sooner when
//! others wait for one. What the HTTP library refuses by itself leaves as a problem document. All of it works on any
//! stream, encrypted or not.

use super::bodies::Bodies;
use super::in_flight::InFlight;
use super::refusal::{self, Automatic};
use super::transport::Transport;
use crate::telemetry::metrics::Metrics;
use axum::http::StatusCode;
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;

/// While every place is taken, a connection that is owed no answer keeps its own for so long.
const CROWDED_DEADLINE: Duration = Duration::from_secs(1);
/// A client that sends less of a request, or reads less of an answer, than this within the deadline loses its place.
const COMES_ON_BYTES: usize = 64 * 1024;
/// After a refusal, what the client still sends is read for so long at most: a connection that is closed before would be
/// reset, and the refusal be lost.
const LINGER: Duration = Duration::from_secs(2);

/// Accepts connections, as many at a time as there are places.
#[derive(Debug)]
pub(super) struct TimedListener {
    listener: TcpListener,
    tls: Option<Tls>,
    deadline: Duration,
    places: Arc<Semaphore>,
    bodies: Arc<Bodies>,
    metrics: Metrics,
}

/// Encrypts connections.
struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl TimedListener {
    pub(super) fn new(
        (listener, tls): (TcpListener, Option<TlsAcceptor>),
        (deadline, connections_max): (Duration, usize),
        bodies: Arc<Bodies>,
        metrics: Metrics,
    ) -> Self {
        let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        let tls = tls.map(Tls);
        Self { listener, tls, deadline, places, bodies, metrics }
    }
}

impl Listener for TimedListener {
    type Io = Connection<Transport>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection<Transport>, SocketAddr) {
        // The semaphore is never closed, so there always is a place in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "Failed to set a connection's options: it keeps its delay");
        }
        let deadline = Deadlines {
            crowded: Arc::clone(&self.places),
            bodies: Arc::clone(&self.bodies),
            deadline: self.deadline,
            _place: place,
        };
        let local = stream.local_addr().ok().map(|address| address.ip());
        let in_flight = InFlight::new(local, Some(peer.ip().to_canonical()));
        let stream = Transport::new(stream, self.tls.as_ref().map(|Tls(tls)| tls));
        (Connection::new(stream, in_flight, deadline, self.metrics.clone()), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// How long a connection may keep others waiting.
#[derive(Debug)]
struct Deadlines {
    /// Has no place left when others may be waiting for one.
    crowded: Arc<Semaphore>,
    /// Says when others wait for memory.
    bodies: Arc<Bodies>,
    deadline: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

/// A connection with a deadline, which moves when the first byte of a request comes in, when an answer begins to go
/// out, and with every so many bytes of them: so it bounds idling, a request from its first byte to its answer, and an
/// answer that is not read; and dripping bytes, in or out, does not move it.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    /// When to look again.
    look: Pin<Box<Sleep>>,
    /// When it last came on.
    since: Instant,
    deadline: Deadlines,
    in_flight: InFlight,
    metrics: Metrics,
    /// Nothing of the next request has come in.
    answered: bool,
    /// The client does not take what is written.
    blocked: bool,
    /// The last answer was a refusal.
    refused: bool,
    /// Bytes that went in or out since it last came on.
    moved: usize,
    /// The request has a `Content-Length` beyond every limit.
    monstrous_length: bool,
    /// What is sent instead of an answer of the library.
    instead: Option<Instead>,
    /// Until when what still comes is read, after a refusal.
    lingers: bool,
}

#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    sent: usize,
    /// Bytes of the library's answer.
    replaces: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(stream: S, in_flight: InFlight, deadline: Deadlines, metrics: Metrics) -> Self {
        let look = Box::pin(tokio::time::sleep(deadline.deadline.min(CROWDED_DEADLINE)));
        Self {
            stream,
            look,
            since: Instant::now(),
            deadline,
            in_flight,
            metrics,
            answered: true,
            blocked: false,
            refused: false,
            moved: 0,
            monstrous_length: false,
            instead: None,
            lingers: false,
        }
    }

    /// What its requests tell it.
    pub(super) fn in_flight(&self) -> InFlight {
        self.in_flight.clone()
    }

    fn came_on(&mut self) {
        self.since = Instant::now();
        self.moved = 0;
    }

    fn moved(&mut self, count: usize) {
        self.moved = self.moved.saturating_add(count);
        if self.moved >= COMES_ON_BYTES {
            self.came_on();
        }
    }

    fn still_waiting<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        // A timer that fires too early is cheaper than one that is moved with every request.
        while self.look.as_mut().poll(cx).is_ready() {
            let waited = self.since.elapsed();
            let limit = self.deadline.deadline;
            if waited >= limit || (self.is_in_the_way() && waited >= CROWDED_DEADLINE) {
                return Poll::Ready(Err(self.give_up(cx)));
            }
            let now = Instant::now();
            let left = limit.saturating_sub(waited).min(CROWDED_DEADLINE);
            self.look.as_mut().reset(now.checked_add(left).unwrap_or(now));
        }
        Poll::Pending
    }

    /// Whether others wait for what this connection has, and its client is to blame.
    fn is_in_the_way(&self) -> bool {
        let wanted = self.deadline.crowded.available_permits() == 0 && !self.in_flight.is_answering();
        wanted || (self.blocked && self.in_flight.keeps_body() && self.deadline.bodies.is_crowded())
    }

    fn give_up(&mut self, cx: &mut Context<'_>) -> io::Error {
        // An incomplete head gets a 408; an idle connection is closed without an answer.
        let is_owed_nothing = self.answered || self.blocked || self.in_flight.has_reached();
        if !is_owed_nothing && !self.in_flight.is_answering() {
            self.refuse(cx, &refusal::too_slow(), StatusCode::REQUEST_TIMEOUT);
            self.answered = true;
        }
        io::ErrorKind::TimedOut.into()
    }

    /// Sends a refusal past the library. The little that it is fits the stream's buffer; where it does not, the client is
    /// gone.
    fn refuse(&mut self, cx: &mut Context<'_>, refusal: &[u8], status: StatusCode) {
        let mut rest = refusal;
        while !rest.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count)) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                _ => return,
            }
        }
        drop(Pin::new(&mut self.stream).poll_flush(cx));
        self.metrics.refused_head(status);
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(count)) => {
                if !self.answered {
                    self.came_on();
                    self.in_flight.is_answered();
                }
                self.moved(count);
                self.answered = true;
                self.blocked = false;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.blocked = true;
                self.still_waiting(cx)
            }
        }
    }

    /// Looks at what is to be written: how much of it may go out, if an answer of the library follows.
    fn look_at(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.instead.is_some() {
            return None;
        }
        if !self.answered {
            // `HTTP/1.1 404 ...`
            self.refused = matches!(bytes.get(9), Some(b'4' | b'5'));
        }
        let automatic = Automatic::find(bytes)?;
        if automatic.start > 0 {
            return Some(automatic.start);
        }
        self.refused = true;
        self.metrics.refused_head(automatic.status);
        let instead = automatic.instead(self.monstrous_length);
        self.instead = Some(Instead { bytes: instead, sent: 0, replaces: bytes.len() });
        None
    }

    /// Looks at the first bytes of a request; `true` if they were HTTP/2 and have their answer.
    fn begins_request(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> bool {
        self.monstrous_length = false;
        if !bytes.starts_with(refusal::HTTP_2_PREFACE) {
            return false;
        }
        self.refuse(cx, &refusal::http_2(), StatusCode::BAD_REQUEST);
        (self.answered, self.refused) = (true, true);
        true
    }

    /// Sends what replaces the library's answer, to its end.
    fn send_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(instead) = &mut self.instead {
            let rest = instead.bytes.get(instead.sent..).unwrap_or_default();
            if rest.is_empty() {
                let replaces = instead.replaces;
                self.instead = None;
                return Poll::Ready(Ok(replaces));
            }
            let polled = Pin::new(&mut self.stream).poll_write(cx, rest);
            match ready!(self.after_write(cx, polled))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    if let Some(instead) = &mut self.instead {
                        instead.sent = instead.sent.saturating_add(count);
                    }
                }
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Reads on after a refusal, until the client has done or the time is over.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sink = [0; 4_096];
        while self.look.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut sink);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if self.answered {
                    self.answered = false;
                    self.came_on();
                    if self.begins_request(cx, buf.filled().get(before..).unwrap_or_default()) {
                        // The library would close the connection without a word.
                        buf.set_filled(before);
                        return Poll::Ready(Ok(()));
                    }
                }
                if !self.in_flight.has_reached() {
                    // The library reads a head in several pieces.
                    let piece = buf.filled().get(before..).unwrap_or_default();
                    self.monstrous_length |= refusal::has_monstrous_length(piece);
                }
                self.moved(buf.filled().len().saturating_sub(before));
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.still_waiting(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let buf = self.look_at(buf).and_then(|before| buf.get(..before)).unwrap_or(buf);
        if self.instead.is_some() {
            return self.send_instead(cx);
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.after_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The library writes heads first: its own answer is nowhere else.
        let first: &[u8] = bufs.first().map_or(&[], |first| first);
        if let Some(before) = self.look_at(first).and_then(|before| first.get(..before)) {
            let polled = Pin::new(&mut self.stream).poll_write(cx, before);
            return self.after_write(cx, polled);
        }
        if self.instead.is_some() {
            return self.send_instead(cx);
        }
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
        if !self.lingers {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if !self.refused {
                return Poll::Ready(Ok(()));
            }
            self.lingers = true;
            let now = Instant::now();
            self.look.as_mut().reset(now.checked_add(LINGER).unwrap_or(now));
        }
        self.linger(cx)
    }
}

#[cfg(test)]
mod tests;
