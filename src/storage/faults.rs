//! `Faults`: another storage in which operations fail as a plan says.
//!
//! Operations are numbered from 1 as they come, over all sessions of the handle. A [`Fault`] hits one of them: it fails, it
//! takes long, it takes effect and fails all the same, or the process is as good as dead from there on, until the storage is
//! acquired again. Hints, and what only asks about space, are no operations.

mod plan;
mod session;

pub use plan::{Fault, Operation, Plan};
pub use session::FaultsSession;
pub(super) use session::Upload;

use super::error::{StorageError, StorageResult};
use super::{Acquire, Storage};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Another storage, with injected faults. Clones share the numbering, the plan, and the storage.
#[derive(Clone, Debug)]
pub struct Faults {
    inner: Box<Storage>,
    control: Arc<Control>,
}

/// What hits which operation.
#[derive(Debug)]
struct Control {
    plan: Mutex<Plan>,
    operations: AtomicU64,
    /// Every operation, in order.
    log: Mutex<Vec<Operation>>,
}

impl Faults {
    /// Wraps a storage.
    pub fn around(inner: Storage, plan: Plan) -> Self {
        let control =
            Control { plan: Mutex::new(plan), operations: AtomicU64::new(0), log: Mutex::default() };
        Self { inner: Box::new(inner), control: Arc::new(control) }
    }

    /// The same as a storage.
    pub const fn storage(self) -> Storage {
        Storage::Faults(self)
    }

    /// The storage below.
    pub fn inner(&self) -> &Storage {
        &self.inner
    }

    /// Continues by another plan.
    pub fn set_plan(&self, plan: Plan) {
        *self.control.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    /// Every operation so far, in order.
    pub fn log(&self) -> Vec<Operation> {
        self.control.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn acquire(&self, how: &Acquire) -> StorageResult<FaultsSession> {
        let life = Life { control: Arc::clone(&self.control), is_over: Arc::default() };
        let inner = life.run(Operation::Acquire, || self.inner.acquire(how))?;
        Ok(FaultsSession::new(inner, life))
    }
}

/// A process, as the storage sees it: from an acquire to its end.
#[derive(Clone, Debug)]
struct Life {
    control: Arc<Control>,
    /// Whether it met a crash.
    is_over: Arc<AtomicBool>,
}

impl Life {
    /// Runs an operation as the plan says.
    fn run<T>(&self, operation: Operation, act: impl FnOnce() -> StorageResult<T>) -> StorageResult<T> {
        let number = self.control.operations.fetch_add(1, Ordering::AcqRel) + 1;
        self.control.log.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
        let injected = |what| StorageError::Injected { what, number, operation: operation.name() };
        if self.is_over.load(Ordering::Acquire) {
            return Err(injected("after a crash"));
        }
        let fault = self.control.plan.lock().unwrap_or_else(PoisonError::into_inner).next(number, operation);
        match fault {
            None => act(),
            Some(Fault::Delay(pause)) => {
                crate::wait::pace(pause);
                act()
            }
            Some(Fault::Error) => Err(injected("error")),
            Some(Fault::LostReply) => act().and_then(|_| Err(injected("lost reply"))),
            Some(Fault::Crash) => {
                self.is_over.store(true, Ordering::Release);
                Err(injected("crash"))
            }
        }
    }
}
