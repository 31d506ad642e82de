//! Unresolved rejected and conflicting records in memory: how many keep whose answers open since when, and the time of those in
//! which no rider can be read.

use crate::domain::pending::{PendingKind, RecordTimes, Scope, pending_kind};
use crate::domain::platform::Platforms;
use crate::domain::rejection::{PendingCount, Rejection};
use crate::domain::time::UtcMillis;
use crate::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};

/// A sorted set of disjoint windows: starts with their ends.
type Union = imbl::OrdMap<UtcMillis, UtcMillis>;

/// What is kept of an unresolved record.
#[derive(Clone, Copy, Debug)]
struct Pending {
    times: RecordTimes,
    settled_by: Option<UtcMillis>,
    commit: u64,
}

/// Every unresolved record. Shared with readers, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PendingRecords {
    records: imbl::OrdMap<(Scope, PendingKind), imbl::OrdMap<u64, Pending>>,
    /// The time of the unreadable ones for each registered platform, and under `None` for all others.
    unreadable: imbl::OrdMap<Option<String>, Union>,
    /// Unreadable records that `unreadable` does not contain yet.
    added: Vec<(Scope, RecordTimes)>,
    /// A record that `unreadable` contains was resolved.
    is_stale: bool,
}

impl PendingRecords {
    /// Takes in a record that is kept; `is_known` tells the platforms whose names count.
    pub fn add(&mut self, record: &Rejection, is_known: impl Fn(&str) -> bool) {
        let Some(kind) = pending_kind(record) else { return };
        let (scope, times) = (Scope::of(record, is_known), RecordTimes::of(record));
        if kind == PendingKind::Unreadable {
            self.added.push((scope.clone(), times));
        }
        let pending = Pending { times, settled_by: record.settled_by, commit: record.commit };
        self.records.entry((scope, kind)).or_default().insert(record.id, pending);
    }

    /// Removes a record that was resolved.
    pub fn remove(&mut self, id: u64) {
        let found = self.records.iter().find(|(_, records)| records.contains_key(&id));
        let Some(key) = found.map(|(key, _)| key.clone()) else { return };
        self.is_stale |= key.1 == PendingKind::Unreadable;
        if let Some(records) = self.records.get_mut(&key) {
            records.remove(&id);
            if records.is_empty() {
                self.records.remove(&key);
            }
        }
    }

    /// Brings the time of unreadable records up to date after [`Self::add`] and [`Self::remove`].
    pub fn refresh(&mut self, platforms: &Platforms) {
        let mut added = std::mem::take(&mut self.added);
        if std::mem::take(&mut self.is_stale) {
            self.unreadable.clear();
            let unreadable = self.records.iter().filter(|((_, kind), _)| *kind == PendingKind::Unreadable);
            added = unreadable
                .flat_map(|((scope, _), records)| records.values().map(|p| (scope.clone(), p.times)))
                .collect();
        }
        for (scope, times) in added {
            self.insert_unreadable(&scope, &times, platforms);
        }
    }

    fn insert_unreadable(&mut self, scope: &Scope, times: &RecordTimes, platforms: &Platforms) {
        let concerned = platforms.registered().filter(|(name, _)| scope.contains(name, platforms));
        for (name, promise) in concerned {
            let union = self.unreadable.entry(Some(name.to_owned())).or_default();
            insert(union, times.window(promise));
        }
        let window = times.window(platforms.defaults());
        match scope {
            Scope::Platform(name) if platforms.is_registered(name) => {}
            Scope::Platform(name) => insert(self.unreadable.entry(Some(name.clone())).or_default(), window),
            // No registered platform has the empty name: it represents all that are not.
            Scope::Topic(_) | Scope::Everywhere if scope.contains("", platforms) => {
                insert(self.unreadable.entry(None).or_default(), window);
            }
            Scope::Topic(_) | Scope::Everywhere => {}
        }
    }

    /// The time that unreadable records may concern on a platform, as far as it meets `within`.
    pub fn unreadable(&self, platform: &str, platforms: &Platforms, within: Window) -> Vec<Window> {
        let own = self.unreadable.get(&Some(platform.to_owned()));
        let others = self.unreadable.get(&None).filter(|_| !platforms.is_registered(platform));
        own.into_iter().chain(others).flat_map(|union| overlapping(union, within)).collect()
    }

    /// Each unreadable record that concerns a platform: its time, and what was complete before it arrived.
    pub fn unreadable_records<'a>(
        &'a self,
        platform: &'a str,
        platforms: &'a Platforms,
    ) -> impl Iterator<Item = (Window, Option<UtcMillis>)> + 'a {
        let of_platform = self.records.iter().filter(move |((scope, kind), _)| {
            *kind == PendingKind::Unreadable && scope.contains(platform, platforms)
        });
        let promise = platforms.get(platform);
        let records = of_platform.flat_map(|(_, records)| records.values());
        records.map(move |pending| (pending.times.window(promise), pending.settled_by))
    }

    /// The numbers of the first `most` unreadable records that may concern some of `within` on a platform, and how many do.
    pub fn unreadable_ids(
        &self,
        platform: &str,
        platforms: &Platforms,
        within: Window,
        most: usize,
    ) -> (BTreeSet<u64>, u64) {
        let promise = platforms.get(platform);
        let (mut ids, mut count) = (BTreeSet::new(), 0);
        for ((scope, kind), records) in &self.records {
            if *kind != PendingKind::Unreadable || !scope.contains(platform, platforms) {
                continue;
            }
            let near = records.iter().filter(|(_, pending)| pending.times.window(promise).overlaps(within));
            for (&id, _) in near {
                count += 1;
                ids.insert(id);
                if ids.len() > most {
                    ids.pop_last();
                }
            }
        }
        (ids, count)
    }

    /// Unresolved records that concern a platform, by kind.
    pub fn counts(&self, platform: &str, platforms: &Platforms) -> BTreeMap<PendingKind, PendingCount> {
        let mut counts: BTreeMap<PendingKind, PendingCount> = BTreeMap::new();
        for ((scope, kind), records) in &self.records {
            let Some((_, oldest)) = records.get_min().filter(|_| scope.contains(platform, platforms)) else {
                continue;
            };
            let count = counts.entry(*kind).or_insert(PendingCount { records: 0, since_commit: u64::MAX });
            count.records += u64::try_from(records.len()).unwrap_or(u64::MAX);
            count.since_commit = count.since_commit.min(oldest.commit);
        }
        counts
    }

    /// Unresolved records of a kind, of all platforms.
    pub fn count(&self, kind: PendingKind) -> u64 {
        let of_kind = self.records.iter().filter(|((_, of), _)| *of == kind);
        of_kind.map(|(_, records)| u64::try_from(records.len()).unwrap_or(u64::MAX)).sum()
    }
}

fn insert(union: &mut Union, window: Window) {
    if window.is_empty() {
        return;
    }
    let Window { mut from, mut until } = window;
    // Neighbours that touch it become one with it.
    while let Some((&start, &end)) = union.get_prev(&until).filter(|(_, end)| **end >= from) {
        union.remove(&start);
        (from, until) = (from.min(start), until.max(end));
    }
    union.insert(from, until);
}

fn overlapping(union: &Union, within: Window) -> Vec<Window> {
    let first = union.get_prev(&within.from).map_or(within.from, |(&start, _)| start);
    let near = union.range(first..within.until).map(|(&from, &until)| Window::new(from, until));
    near.filter(|window| window.overlaps(within)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, until: i64) -> Window {
        Window::new(UtcMillis::new(from), UtcMillis::new(until))
    }

    #[test]
    fn windows_that_touch_become_one_and_others_stay_apart() {
        let mut union = Union::new();
        for (from, until) in [(10, 20), (40, 50), (30, 35), (20, 25), (5, 5), (34, 41), (0, 3)] {
            insert(&mut union, window(from, until));
        }
        let all = overlapping(&union, Window::ALWAYS);
        assert_eq!(all, [window(0, 3), window(10, 25), window(30, 50)]);
        assert_eq!(overlapping(&union, window(24, 30)), [window(10, 25)]);
        assert_eq!(overlapping(&union, window(25, 30)), []);
        insert(&mut union, window(-5, 100));
        assert_eq!(overlapping(&union, Window::ALWAYS), [window(-5, 100)]);
    }
}
