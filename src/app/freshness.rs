//! Whether the state that this process shows is the newest: a reader confirms it again and again, and says nothing about the present
//! when it cannot.

use crate::config::Config;
use crate::domain::behind::Behind;
use crate::http::ServiceRole;
use crate::storage::WriterActivity;
use crate::telemetry::clock::{Clock, Mark};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A client is asked to come again so late at least, and at most.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// Of so many parts of a lease, the last is left to the next writer.
const LEASE_PARTS: u32 = 5;

/// How the newest state is known.
#[derive(Clone, Copy, Debug, Default)]
enum Known {
    /// No other process can make a newer one.
    #[default]
    Own,
    /// It was the newest at this instant.
    Confirmed(Mark),
}

/// What is known of the newest state. Shared by the threads of a service.
#[derive(Debug, Default)]
pub struct Freshness {
    known: Mutex<Known>,
    /// A confirmation is good for so long.
    max: Duration,
}

impl Freshness {
    /// Of a process whose confirmations are good for `max`; until the first one its state is its own.
    pub fn new(max: Duration) -> Self {
        Self { known: Mutex::default(), max }
    }

    /// Of a process that opened its ledger at an instant, to do this with it.
    pub fn of(config: &Config, role: ServiceRole, opened: Mark) -> Self {
        let settings = config.storage.as_ref();
        let freshness = Self::new(settings.map_or(Duration::ZERO, |settings| settings.staleness_max));
        if settings.is_some() && role != ServiceRole::Writer {
            freshness.confirm(opened);
        }
        freshness
    }

    fn set(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The published state was the newest at `asked`: the storage was asked after it.
    pub fn confirm(&self, asked: Mark) {
        self.set(Known::Confirmed(asked));
    }

    /// From now on this process makes every newer state.
    pub fn own(&self) {
        self.set(Known::Own);
    }

    /// How long ago the state was confirmed; `None` where it is this process's own.
    pub fn age(&self) -> Option<Duration> {
        match self.known() {
            Known::Own => None,
            Known::Confirmed(at) => Some(at.age()),
        }
    }

    /// Whether the last confirmation is too old for anything final. That of a writer is its newest slot: once it created none for
    /// nearly a lease, or said that it has ended, another may be the writer.
    pub fn behind(&self, clock: &Clock, writer: impl FnOnce() -> Option<WriterActivity>) -> Option<Behind> {
        let age = match self.age() {
            Some(age) => Some(age).filter(|age| *age > self.max),
            None => writer().filter(is_in_doubt).map(|activity| activity.quiet),
        }?;
        Some(self.since(age, clock))
    }

    /// Whether an answer that took so long may come from a state that is too old; never of one's own state.
    pub fn is_late(&self, took: Duration) -> bool {
        took > self.max && self.age().is_some()
    }

    /// Behind by so much.
    pub fn since(&self, age: Duration, clock: &Clock) -> Behind {
        let now = clock.now();
        let again = age.saturating_sub(self.max).clamp(AGAIN_MIN, AGAIN_MAX);
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Behind { since: now.minus(ms(age)), ask_again_at: now.plus(ms(again)) }
    }
}

/// Whether another process may have the storage of this writer, or be about to.
fn is_in_doubt(activity: &WriterActivity) -> bool {
    activity.has_released || activity.quiet >= activity.lease / LEASE_PARTS * (LEASE_PARTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_was_not_confirmed_of_late_is_behind_and_its_own_never_is() {
        let clock = Clock::start();
        let freshness = Freshness::new(Duration::from_secs(3));
        assert!(freshness.behind(&clock, || None).is_none() && freshness.age().is_none());
        freshness.confirm(Mark::now());
        assert!(freshness.behind(&clock, || None).is_none() && freshness.age().is_some());
        let late = Freshness::new(Duration::ZERO);
        late.confirm(Mark::now());
        let look = || late.behind(&clock, || None);
        let behind = crate::wait::poll_until(1_000, Duration::from_millis(1), look).unwrap();
        assert!(behind.since < behind.ask_again_at, "{behind:?}");
        assert!(behind.ask_again_at.since(behind.since) <= 62_000, "{behind:?}");
        assert!(late.is_late(Duration::from_millis(1)) && !freshness.is_late(Duration::from_secs(3)));
        late.own();
        assert!(!late.is_late(Duration::from_secs(9)), "its own state is the newest");
        assert_eq!(late.behind(&clock, || None), None);
    }

    #[test]
    fn a_writer_is_sure_of_itself_until_its_lease_is_nearly_over() {
        let (clock, own) = (Clock::start(), Freshness::default());
        let activity = |quiet_s, has_released| WriterActivity {
            epoch: 1,
            newest: 7,
            has_released,
            quiet: Duration::from_secs(quiet_s),
            lease: Duration::from_secs(10),
        };
        for (quiet_s, has_released, is_behind) in
            [(0, false, false), (7, false, false), (8, false, true), (30, false, true), (0, true, true)]
        {
            let behind = own.behind(&clock, || Some(activity(quiet_s, has_released)));
            assert_eq!(behind.is_some(), is_behind, "{quiet_s} s, released: {has_released}");
        }
    }
}
