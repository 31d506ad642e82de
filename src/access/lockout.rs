//! Failed sign-ins: each one makes the next attempt wait longer, and many lock the name or the address for a while.
//!
//! Names are counted whether or not they have an account, so that a lock tells nothing. Kept in memory: who can restart the
//! service needs no password.

use crate::domain::time::{SECOND_MS, UtcMillis};
use std::collections::HashMap;

/// Failures after which every further one costs a delay.
const FREE_FAILURES: u32 = 2;
/// The longest delay before a lock, in milliseconds.
const DELAY_MS_MAX: i64 = 30 * SECOND_MS;
/// Several people may share an address: it may have so many times the failures of a name.
const ADDRESS_FACTOR: u32 = 5;
/// Names and addresses that are remembered; then those without a lock are forgotten.
const REMEMBERED_MAX: usize = 20_000;

/// When failures lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutTerms {
    /// Failures in a row of one name until it is locked.
    pub failures: u32,
    /// How long a lock lasts, and after which time failures are forgotten, in milliseconds.
    pub lock_ms: i64,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    /// A name, with or without an account.
    Name(String),
    /// A client's address.
    Address(std::net::IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    last: UtcMillis,
}

/// Failures by name and address.
#[derive(Debug)]
pub(super) struct Failures {
    terms: LockoutTerms,
    counts: HashMap<Counted, Count>,
}

impl Failures {
    pub(super) fn new(terms: LockoutTerms) -> Self {
        Self { terms, counts: HashMap::new() }
    }

    /// Judges by other terms from now on.
    pub(super) const fn reload(&mut self, terms: LockoutTerms) {
        self.terms = terms;
    }

    /// How long (ms) an attempt has to wait; 0 = none.
    pub(super) fn wait_ms(&self, counted: &Counted, now: UtcMillis) -> i64 {
        let Some(count) = self.counts.get(counted) else { return 0 };
        count.last.plus(self.pause_ms(counted, count.failures)).since(now).max(0)
    }

    fn pause_ms(&self, counted: &Counted, failures: u32) -> i64 {
        let factor = match counted {
            Counted::Name(_) => 1,
            Counted::Address(_) => ADDRESS_FACTOR,
        };
        if failures >= self.terms.failures.saturating_mul(factor) {
            return self.terms.lock_ms;
        }
        match failures.checked_sub(FREE_FAILURES.saturating_mul(factor)) {
            None | Some(0) => 0,
            Some(over) => {
                let doublings = over.saturating_sub(1).min(16);
                SECOND_MS.saturating_mul(1 << doublings).min(DELAY_MS_MAX).min(self.terms.lock_ms)
            }
        }
    }

    /// Counts a failure; whether it begins a lock.
    pub(super) fn failed(&mut self, counted: Counted, now: UtcMillis) -> bool {
        let lock_ms = self.terms.lock_ms;
        if self.counts.len() >= REMEMBERED_MAX {
            self.forget_old(now);
        }
        let before = self.counts.get(&counted).filter(|count| now.since(count.last) < lock_ms);
        let failures = before.map_or(0, |count| count.failures).saturating_add(1);
        let locks = self.pause_ms(&counted, failures) == lock_ms;
        if self.counts.len() < REMEMBERED_MAX || self.counts.contains_key(&counted) {
            self.counts.insert(counted, Count { failures, last: now });
        }
        locks
    }

    /// Forgets a name after it signed in. Its address keeps its count: one account's owner could else guess others' passwords.
    pub(super) fn succeeded(&mut self, counted: &Counted) {
        self.counts.remove(counted);
    }

    fn forget_old(&mut self, now: UtcMillis) {
        let lock_ms = self.terms.lock_ms;
        self.counts.retain(|_, count| now.since(count.last) < lock_ms);
        if self.counts.len() >= REMEMBERED_MAX {
            // An attacker's many names must not fill the memory; what locks stays.
            let terms = Self { terms: self.terms, counts: HashMap::new() };
            self.counts.retain(|counted, count| terms.pause_ms(counted, count.failures) == lock_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: LockoutTerms = LockoutTerms { failures: 6, lock_ms: 900_000 };

    fn name() -> Counted {
        Counted::Name("li.wei".to_owned())
    }

    #[test]
    fn delays_double_and_end_in_a_lock() {
        let mut failures = Failures::new(TERMS);
        let mut now = UtcMillis::new(1_000);
        let mut waits = Vec::new();
        for _ in 0..6 {
            failures.failed(name(), now);
            waits.push(failures.wait_ms(&name(), now));
            now = now.plus(waits.last().copied().unwrap());
            assert_eq!(failures.wait_ms(&name(), now), 0, "the wait is over");
        }
        assert_eq!(waits, [0, 0, 1_000, 2_000, 4_000, 900_000]);
        // After the lock the count begins anew.
        assert!(!failures.failed(name(), now));
        assert_eq!(failures.wait_ms(&name(), now), 0);
    }

    #[test]
    fn names_and_addresses_are_counted_apart_and_success_clears_the_name_only() {
        let mut failures = Failures::new(TERMS);
        let now = UtcMillis::new(0);
        let address = Counted::Address("192.0.2.1".parse().unwrap());
        for nth in 0..30 {
            assert_eq!(failures.failed(address.clone(), now), nth == 29);
        }
        assert_eq!(failures.wait_ms(&address, now), TERMS.lock_ms);
        assert_eq!(failures.wait_ms(&name(), now), 0);
        for _ in 0..6 {
            failures.failed(name(), now);
        }
        failures.succeeded(&name());
        assert_eq!((failures.wait_ms(&name(), now), failures.wait_ms(&address, now)), (0, TERMS.lock_ms));
    }

    #[test]
    fn many_names_do_not_fill_the_memory_and_do_not_lift_a_lock() {
        let mut failures = Failures::new(TERMS);
        let now = UtcMillis::new(0);
        for _ in 0..6 {
            failures.failed(name(), now);
        }
        for nth in 0..(REMEMBERED_MAX + 10) {
            failures.failed(Counted::Name(format!("n{nth}")), now);
        }
        assert!(failures.counts.len() <= REMEMBERED_MAX);
        assert_eq!(failures.wait_ms(&name(), now), TERMS.lock_ms);
    }
}
