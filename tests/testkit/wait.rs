//! Waiting: the only place where tests and benchmarks sleep.

use std::time::Duration;

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Looks in vain before a condition is given up: minutes, so that a test that waits for nothing fails instead of hanging.
const LOOKS: u32 = 60_000;

/// Looks again and again until `condition` gives something; panics with `what` when it never does.
pub(crate) fn poll_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(seen) = condition() {
            return seen;
        }
        delay(LOOK_EVERY);
    }
    panic!("never: {what}");
}

/// Lets time pass: a slow line or a slow client that a test plays, the pace of a benchmark. No test waits for something
/// this way.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn delay(duration: Duration) {
    std::thread::sleep(duration);
}
