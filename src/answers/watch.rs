//! Which logged questions a change of the ledger may concern: by rider, and by time. About 100 bytes a question.

use crate::domain::time::DAY_MS;
use crate::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Questions about longer times are not found by day.
const LONG_MS: i64 = 8 * DAY_MS;

/// A question that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The entry of its answer.
    pub number: u64,
    /// The commit of the state that answered.
    pub commit: u64,
    /// The time.
    pub window: Window,
    /// Hashes of the rider identifiers.
    pub riders: Box<[u64]>,
    /// Hashes of the ended events of orders that were open near the time.
    pub open: Box<[u64]>,
    /// The logged verdict.
    pub verdict: Box<str>,
    /// The verdict when it was last asked.
    pub verdict_now: Box<str>,
    /// A commit that is known to give it.
    pub commit_now: u64,
}

/// The watched questions.
#[derive(Debug, Default)]
pub struct Watch {
    all: BTreeMap<u64, Watched>,
    by_day: BTreeMap<i64, Vec<u64>>,
    long: BTreeSet<u64>,
    by_rider: HashMap<u64, Vec<u64>>,
    with_open: BTreeSet<u64>,
}

fn days(window: Window) -> std::ops::RangeInclusive<i64> {
    window.from.millis().div_euclid(DAY_MS)..=window.until.millis().saturating_sub(1).div_euclid(DAY_MS)
}

fn is_long(window: Window) -> bool {
    window.until.since(window.from) > LONG_MS
}

impl Watch {
    /// Watches one more question.
    pub fn insert(&mut self, watched: Watched) {
        let number = watched.number;
        if is_long(watched.window) {
            self.long.insert(number);
        } else {
            days(watched.window).for_each(|day| self.by_day.entry(day).or_default().push(number));
        }
        for rider in &watched.riders {
            self.by_rider.entry(*rider).or_default().push(number);
        }
        if !watched.open.is_empty() {
            self.with_open.insert(number);
        }
        self.all.insert(number, watched);
    }

    /// Questions about some of a time.
    pub fn in_time(&self, window: Window) -> impl Iterator<Item = &Watched> {
        let days = (!window.is_empty()).then(|| self.by_day.range(days(window))).into_iter().flatten();
        let numbers: BTreeSet<u64> =
            days.flat_map(|(_, numbers)| numbers).chain(&self.long).copied().collect();
        let found = numbers.into_iter().filter_map(|number| self.all.get(&number));
        found.filter(move |watched| watched.window.overlaps(window))
    }

    /// Questions about a rider.
    pub fn of_rider(&self, rider: u64) -> impl Iterator<Item = &Watched> {
        self.by_rider.get(&rider).into_iter().flatten().filter_map(|number| self.all.get(number))
    }

    /// Questions with orders that were open near their time.
    pub fn with_open(&self) -> impl Iterator<Item = &Watched> {
        self.with_open.iter().filter_map(|number| self.all.get(number))
    }

    /// Every question.
    pub fn all(&self) -> impl Iterator<Item = &Watched> {
        self.all.values()
    }

    /// A question.
    pub fn get(&self, number: u64) -> Option<&Watched> {
        self.all.get(&number)
    }

    /// Notes what a question gave when it was asked again.
    pub fn asked_again(&mut self, number: u64, (verdict, commit): (&str, u64), open: Box<[u64]>) {
        let Some(watched) = self.all.get_mut(&number) else { return };
        watched.commit_now = commit;
        if *watched.verdict_now != *verdict {
            watched.verdict_now = verdict.into();
        }
        if open.is_empty() {
            self.with_open.remove(&number);
        } else {
            self.with_open.insert(number);
        }
        watched.open = open;
    }

    /// Forgets the questions before an entry, which the log dropped.
    pub fn drop_before(&mut self, first: u64) {
        if self.all.first_key_value().is_none_or(|(number, _)| *number >= first) {
            return;
        }
        self.all = self.all.split_off(&first);
        (self.long, self.with_open) = (self.long.split_off(&first), self.with_open.split_off(&first));
        for numbers in self.by_day.values_mut().chain(self.by_rider.values_mut()) {
            numbers.retain(|number| *number >= first);
        }
        self.by_day.retain(|_, numbers| !numbers.is_empty());
        self.by_rider.retain(|_, numbers| !numbers.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UtcMillis;

    fn window(from: i64, until: i64) -> Window {
        Window::new(UtcMillis::new(from), UtcMillis::new(until))
    }

    fn watched(number: u64, window: Window, rider: u64, open: &[u64]) -> Watched {
        let (riders, open) = (Box::from([rider]), Box::from(open));
        Watched {
            number,
            commit: 1,
            window,
            riders,
            open,
            verdict: "covered".into(),
            verdict_now: "covered".into(),
            commit_now: 1,
        }
    }

    #[test]
    fn questions_are_found_by_time_and_rider_and_forgotten_with_their_entries() {
        let mut watch = Watch::default();
        watch.insert(watched(1, window(10, 11), 7, &[]));
        watch.insert(watched(2, window(-5, 3 * DAY_MS), 8, &[4]));
        watch.insert(watched(3, window(0, 400 * DAY_MS), 7, &[]));
        let numbers = |found: Vec<&Watched>| found.iter().map(|watched| watched.number).collect::<Vec<_>>();
        let in_time = |watch: &Watch, from, until| numbers(watch.in_time(window(from, until)).collect());
        assert_eq!(in_time(&watch, 10, 11), [1, 2, 3]);
        assert_eq!(in_time(&watch, 11, 12), [2, 3]);
        assert_eq!(in_time(&watch, -9, -4), [2]);
        assert_eq!(in_time(&watch, 3 * DAY_MS, 4 * DAY_MS), [3]);
        assert_eq!(in_time(&watch, 400 * DAY_MS, 401 * DAY_MS), [] as [u64; 0]);
        assert_eq!(in_time(&watch, 5, 5), [] as [u64; 0]);
        assert_eq!(in_time(&watch, i64::MIN, i64::MAX), [1, 2, 3]);
        assert_eq!(numbers(watch.of_rider(7).collect()), [1, 3]);
        assert_eq!(numbers(watch.with_open().collect()), [2]);
        watch.asked_again(2, ("not_covered", 5), Box::default());
        assert_eq!(watch.with_open().count(), 0);
        assert_eq!(&*watch.get(2).unwrap().verdict_now, "not_covered");
        watch.drop_before(3);
        assert_eq!(in_time(&watch, 10, 11), [3]);
        assert_eq!(numbers(watch.of_rider(7).collect()), [3]);
        assert_eq!(numbers(watch.of_rider(8).collect()), [] as [u64; 0]);
    }
}
