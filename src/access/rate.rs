//! How often a principal may ask: a token bucket for each.

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// How often one principal may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateTerms {
    /// Requests in a second, in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

/// A principal's kind and name.
type Key = (u8, String);
type Limiter<C> = RateLimiter<Key, HashMapStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The buckets, by the principal's kind and name.
pub(super) struct Buckets<C: Clock> {
    limiter: Limiter<C>,
    clock: C,
}

impl<C: Clock> std::fmt::Debug for Buckets<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets").field("principals", &self.limiter.len()).finish_non_exhaustive()
    }
}

impl<C: Clock + Clone> Buckets<C> {
    pub(super) fn new(terms: RateTerms, clock: C) -> Self {
        let quota = Quota::per_second(terms.per_second).allow_burst(terms.burst);
        Self { limiter: RateLimiter::new(quota, HashMapStateStore::default(), clock.clone()), clock }
    }

    /// Takes one request from the bucket.
    ///
    /// # Errors
    /// How long until the bucket has one again.
    pub(super) fn take(&self, kind: u8, name: &str) -> Result<(), Duration> {
        let taken = self.limiter.check_key(&(kind, name.to_owned()));
        taken.map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// Forgets full buckets: they are as new ones.
    pub(super) fn forget_full(&self) {
        self.limiter.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate_to_each_principal() {
        let number = |n| NonZeroU32::new(n).unwrap();
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(RateTerms { per_second: number(2), burst: number(5) }, clock.clone());
        let taken = |name: &str| (0..9).filter(|_| buckets.take(0, name).is_ok()).count();
        assert_eq!((taken("a"), taken("b"), taken("a")), (5, 5, 0));
        let wait = buckets.take(0, "a").unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        clock.advance(wait);
        assert_eq!(taken("a"), 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!(taken("a"), 5);
        clock.advance(Duration::from_secs(60));
        buckets.forget_full();
        assert_eq!(buckets.limiter.len(), 0);
    }
}
