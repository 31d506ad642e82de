//! Memory for request bodies. Bodies that arrive slowly take no place of requests that work: they share a bounded memory,
//! and while others wait for some of it, a body that does not come on loses its share.

use axum::body::Body;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Memory is given out in pieces of this size.
const PAGE_BYTES: usize = 16 * 1024;
/// Bodies of the largest size that fit the memory at a time.
const LARGEST_AT_A_TIME: usize = 8;
/// While others wait for memory, a body comes on within this time, or gives its own up.
const CROWDED_DEADLINE: Duration = Duration::from_secs(1);
/// A body comes on with so many bytes.
const COMES_ON_BYTES: usize = 64 * 1024;
/// How often a body looks whether others wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why a body was refused.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// More bytes than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come on while others waited.
    #[error("the body did not continue in time")]
    Slow,
    /// No memory became free.
    #[error("too little memory is free for the body")]
    NoMemory,
    /// The connection failed.
    #[error("the body ends before its stated length")]
    BrokenOff(#[source] axum::Error),
}

/// The memory that bodies share.
#[derive(Debug)]
pub(super) struct Bodies {
    pages: Arc<Semaphore>,
    waiting: AtomicUsize,
    bytes_max: usize,
}

/// A whole body and its share of the memory.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Vec<u8>,
    _pages: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Memory for several bodies of at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        let pages = bytes_max.div_ceil(PAGE_BYTES).saturating_mul(LARGEST_AT_A_TIME);
        let pages = Arc::new(Semaphore::new(pages.clamp(1, Semaphore::MAX_PERMITS)));
        Self { pages, waiting: AtomicUsize::new(0), bytes_max }
    }

    /// Whether a body waits for memory.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes a body in.
    pub(super) async fn collect(&self, mut body: Body) -> Result<WholeBody, BodyError> {
        let mut partial =
            PartialBody { bytes: Vec::new(), pages: None, moved: Instant::now(), since_moved: 0 };
        loop {
            let next = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx));
            let next = timeout(LOOK_EVERY, next).await;
            // A body that has come to its end is not slow, however long it took.
            let frame = match next {
                Ok(next) => match next.transpose().map_err(BodyError::BrokenOff)? {
                    Some(frame) => Some(frame),
                    None => return Ok(WholeBody { bytes: partial.bytes, _pages: partial.pages }),
                },
                Err(_) => None,
            };
            if self.is_crowded() && partial.moved.elapsed() >= CROWDED_DEADLINE {
                return Err(BodyError::Slow);
            }
            let Some(frame) = frame else { continue };
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > self.bytes_max.saturating_sub(partial.bytes.len()) {
                return Err(BodyError::TooLarge);
            }
            self.reserve(&mut partial, data.len()).await?;
            partial.push(&data);
        }
    }

    /// Gets memory for `more` bytes, if need be when others have given theirs back.
    async fn reserve(&self, partial: &mut PartialBody, more: usize) -> Result<(), BodyError> {
        let held = partial.pages.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let needed = partial.bytes.len().saturating_add(more).div_ceil(PAGE_BYTES).saturating_sub(held);
        let Ok(needed) = u32::try_from(needed) else { return Err(BodyError::TooLarge) };
        if needed == 0 {
            return Ok(());
        }
        if let Ok(pages) = Arc::clone(&self.pages).try_acquire_many_owned(needed) {
            partial.add(pages);
            return Ok(());
        }
        let _waiting = Waiting::new(&self.waiting);
        let mut pages = pin!(Arc::clone(&self.pages).acquire_many_owned(needed));
        loop {
            match timeout(LOOK_EVERY, pages.as_mut()).await {
                Ok(Ok(pages)) => {
                    partial.add(pages);
                    // The wait was for memory, not for the sender.
                    partial.moved = Instant::now();
                    return Ok(());
                }
                // A body that waits with memory of its own gives it back in the end: else all might wait for each other.
                Err(_) if held == 0 || partial.moved.elapsed() < CROWDED_DEADLINE => {}
                Ok(Err(_)) | Err(_) => return Err(BodyError::NoMemory),
            }
        }
    }
}

/// What has come of a body.
struct PartialBody {
    bytes: Vec<u8>,
    pages: Option<OwnedSemaphorePermit>,
    /// When it last came on.
    moved: Instant,
    since_moved: usize,
}

impl PartialBody {
    fn add(&mut self, pages: OwnedSemaphorePermit) {
        match &mut self.pages {
            Some(held) => held.merge(pages),
            None => self.pages = Some(pages),
        }
    }

    fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        self.since_moved = self.since_moved.saturating_add(data.len());
        if self.since_moved >= COMES_ON_BYTES {
            (self.moved, self.since_moved) = (Instant::now(), 0);
        }
    }
}

/// One more waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
