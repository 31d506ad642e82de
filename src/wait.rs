//! Waiting: the only place where a thread of the program sleeps. It knows nothing else of the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Asks threads to finish, and wakes those that wait in [`Stop::wait`]. Once set, it stays set.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_set: AtomicBool,
    /// A thread holds it from its look at the flag until it waits, so that no wake-up is lost between the two.
    lock: Mutex<()>,
    wake: Condvar,
}

impl Stop {
    /// Asks all threads to finish.
    pub fn set(&self) {
        let _looking = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_set.store(true, Ordering::Release);
        self.0.wake.notify_all();
    }

    /// Whether to finish.
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    /// Waits until it is set, at most `timeout`; whether it is set.
    pub fn wait(&self, timeout: Duration) -> bool {
        let looking = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.wake.wait_timeout_while(looking, timeout, |()| !self.is_set());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.is_set()
    }

    /// The flag itself, for work that only reads a flag.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.is_set
    }
}

/// Looks again, `pause` apart, until `look` gives something; `None` after `looks` looks in vain.
pub fn poll_until<T>(looks: u32, pause: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for nth in 0..looks {
        if nth > 0 {
            pace(pause);
        }
        if let Some(seen) = look() {
            return Some(seen);
        }
    }
    None
}

/// Lets time pass on purpose: leaves a disk to readers, or keeps to a rate. Nothing waits for a condition this way
/// that can wait for a [`Stop`] or a message.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn pace(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_wakes_waiting_threads_and_none_waits_after_it() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO) && !stop.is_set());
        std::thread::scope(|scope| {
            // Without the wake-up this test does not end.
            let waiting = [(); 3].map(|()| scope.spawn(|| stop.wait(Duration::MAX)));
            stop.set();
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert!(stop.wait(Duration::MAX) && stop.flag().load(Ordering::Acquire));
    }

    #[test]
    fn a_condition_is_looked_at_so_often_and_no_more_once_it_holds() {
        let mut looks = 0;
        let mut look = |holds_at: u32| {
            looks += 1;
            (looks == holds_at).then_some(looks)
        };
        assert_eq!(poll_until(5, Duration::ZERO, || look(3)), Some(3));
        assert_eq!(poll_until(5, Duration::ZERO, || look(9)), None);
        assert_eq!(looks, 8);
    }
}
