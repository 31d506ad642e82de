//! What an operator asks of a writer and of a standby, and what came of it: a planned change of the writer.

use crate::wait::poll_until;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a change of the writer may take, in seconds.
pub const LIMIT_S: u32 = 60;
/// How often it is looked for its outcome.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS: u32 = LIMIT_S * 100;

/// A writer that ended, and let the next one begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// Its epoch.
    pub epoch: u64,
    /// The slot by which it ended.
    pub slot: u64,
    /// Its last commit.
    pub commit: u64,
    /// From the request until everything that it had read was committed, and the slot created.
    pub milliseconds: u64,
}

/// A standby that took the writer's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    /// Its epoch.
    pub epoch: u64,
    /// Its newest commit.
    pub commit: u64,
    /// From its decision until the configuration was in force.
    pub milliseconds: u64,
}

type Outcome<T> = Result<T, String>;

/// The way of one outcome from the thread that brings it about to the one that waits for it.
#[derive(Debug)]
struct Reply<T>(Mutex<Option<Outcome<T>>>);

impl<T> Default for Reply<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Reply<T> {
    fn tell(&self, outcome: Outcome<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    fn take(&self) -> Option<Outcome<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn wait(&self) -> Option<Outcome<T>> {
        poll_until(LOOKS, LOOK_EVERY, || self.take())
    }
}

/// Shared by the thread that hears operators and those that act.
#[derive(Debug, Default)]
pub struct Handover {
    is_take_over_asked: AtomicBool,
    handed_over: Reply<HandedOver>,
    taken_over: Reply<TakenOver>,
}

impl Handover {
    /// Asks the standby to take over now, and waits [`LIMIT_S`] for what comes of it.
    pub fn take_over(&self) -> Option<Outcome<TakenOver>> {
        // The reply to an earlier request whose caller had given up.
        let _late = self.taken_over.take();
        self.is_take_over_asked.store(true, Ordering::Release);
        self.taken_over.wait()
    }

    /// Whether a request to take over waits; it is answered by [`Self::answer_take_over`].
    pub(super) fn next_take_over(&self) -> bool {
        self.is_take_over_asked.swap(false, Ordering::AcqRel)
    }

    pub(super) fn answer_take_over(&self, outcome: Outcome<TakenOver>) {
        self.taken_over.tell(outcome);
    }

    /// Waits [`LIMIT_S`] for the writer to end.
    pub fn handed_over(&self) -> Option<Outcome<HandedOver>> {
        self.handed_over.wait()
    }

    pub(super) fn answer_handed_over(&self, outcome: Outcome<HandedOver>) {
        self.handed_over.tell(outcome);
    }
}
