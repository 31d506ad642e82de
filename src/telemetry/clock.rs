//! The only place that reads the system's clocks.

use crate::domain::time::UtcMillis;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall and monotonic time may drift apart by this much before it counts as a jump.
pub const JUMP_MS: i64 = 5_000;

/// Wall clock at start plus monotonic time: it never goes back, and a wall clock that is set does not move it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_at_start: UtcMillis,
    started: Instant,
}

impl Clock {
    /// Starts from the wall clock.
    pub fn start() -> Self {
        Self { wall_at_start: wall(), started: Instant::now() }
    }

    /// The present.
    pub fn now(&self) -> UtcMillis {
        self.wall_at_start.plus(millis(self.started.elapsed()))
    }

    /// How far (ms) the wall clock is ahead of this one, when they disagree by more than [`JUMP_MS`]: the wall clock was
    /// set, or the machine was suspended. What depends on real time must stop then.
    pub fn jump(&self) -> Option<i64> {
        jump_between(wall(), self.now())
    }
}

/// An instant by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    monotonic: Instant,
    wall: UtcMillis,
}

impl Mark {
    /// The present.
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: wall() }
    }

    /// How long ago it was: by the clock that says more, as the monotonic one stands still while the machine sleeps.
    pub fn age(&self) -> Duration {
        self.age_by(Self::now())
    }

    fn age_by(&self, now: Self) -> Duration {
        let by_wall = u64::try_from(now.wall.since(self.wall)).map_or(Duration::ZERO, Duration::from_millis);
        now.monotonic.saturating_duration_since(self.monotonic).max(by_wall)
    }
}

fn jump_between(wall: UtcMillis, now: UtcMillis) -> Option<i64> {
    let ahead_ms = wall.since(now);
    (ahead_ms.saturating_abs() > JUMP_MS).then_some(ahead_ms)
}

/// The wall clock, for what another program compares with its own.
#[cfg(feature = "otel")]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(super) fn wall_time() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn wall() -> UtcMillis {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => UtcMillis::new(millis(since)),
        Err(before) => UtcMillis::new(-millis(before.duration())),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_the_wall_clock() {
        let before = wall();
        let clock = Clock::start();
        let first = clock.now();
        assert!(first >= before.minus(JUMP_MS) && clock.now() >= first);
        assert_eq!(clock.jump(), None);
    }

    #[test]
    fn an_age_is_that_of_the_clock_that_says_more() {
        let then = Mark::now();
        let later = |monotonic_ms, wall_ms: i64| Mark {
            monotonic: then.monotonic + Duration::from_millis(monotonic_ms),
            wall: then.wall.plus(wall_ms),
        };
        let age = |now| then.age_by(now).as_millis();
        assert_eq!(age(later(700, 700)), 700);
        // A machine that slept for an hour, and a clock that was set back.
        assert_eq!(age(later(700, 3_600_000)), 3_600_000);
        assert_eq!(age(later(700, -3_600_000)), 700);
    }

    #[test]
    fn a_wall_clock_that_was_set_is_noticed_either_way() {
        let now = UtcMillis::new(1_000_000);
        assert_eq!(jump_between(now.plus(JUMP_MS), now), None);
        assert_eq!(jump_between(now.plus(JUMP_MS + 1), now), Some(JUMP_MS + 1));
        assert_eq!(jump_between(now.minus(60_000), now), Some(-60_000));
        let late = Clock { wall_at_start: wall().minus(3_600_000), started: Instant::now() };
        assert!(late.jump().is_some_and(|ahead_ms| ahead_ms > 3_500_000));
    }
}
