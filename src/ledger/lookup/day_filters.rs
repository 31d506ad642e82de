//! The runs of every event day, and the filters that tell most new identities apart without touching a run.
//!
//! A filter of days covers all runs of a group of days. Only the groups that the present events meet are in memory,
//! as far as the budget goes; where one is missing, the filters of the runs themselves are asked. Nothing of it is
//! stored: a group is filled from the identity indexes of its runs when many events begin to meet it. After that it grows
//! by layers, each a filter of its own (a scalable Bloom filter: Almeida et al., 2007), so that no commit ever waits for
//! what is stored to be read again.

mod prefill;

use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::IdentityHash;
use prefill::{Partial, Prefill};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The live runs by day. Readers share it; the writer replaces it.
pub type DayRuns = BTreeMap<LocalDay, Vec<Arc<Run>>>;

/// Days that share a filter: the reach of identity (a week either side) then meets two or three of them.
const GROUP_DAYS: i32 = 8;
/// Of so many events, one or fewer of a day are stragglers.
const STRAGGLERS_PER: u64 = 64;
/// Bits for each order a layer is made for: one stranger in 180 passes a full one.
const LAYER_BITS: u64 = 12;
/// Orders up to which a layer is small beside those that follow,
const SMALL_LAYER: u64 = 12 << 20;
/// and takes more bits for each: of a group with many layers hardly more strangers pass than of one.
const SMALL_LAYER_BITS: u64 = 16;
/// A new layer is made for so many times the orders of all layers before it.
const GROWTH: u64 = 2;
/// Orders that the smallest filter is made for.
const CAPACITY_MIN: u64 = 1 << 16;
/// Batches after which a group that they did not meet is the first to go,
pub const IDLE_BATCHES: u64 = 16;
/// and after which it is evicted even when there is memory for it: days that pass leave nothing behind in memory.
const UNUSED_BATCHES: u64 = 128;

/// A group in memory.
#[derive(Debug)]
struct Group {
    /// All but the last are full.
    layers: Vec<Filter>,
    /// The last batch that met it.
    met: u64,
}

/// A growing filter for each group of days that is in memory.
#[derive(Debug)]
pub struct DayFilters {
    groups: BTreeMap<i32, Group>,
    /// Filters that no batch asks yet.
    prefill: Prefill,
    /// Batches with orders so far.
    batches: u64,
    /// Bytes that all filters in memory may take.
    bytes_max: usize,
}

const fn group_of(day: LocalDay) -> i32 {
    day.0.div_euclid(GROUP_DAYS)
}

/// The stretches of days that many events meet, by how many of them each day has: a straggler moves no filter.
pub fn days_met(days: BTreeMap<LocalDay, u64>, identity_days: i32) -> Vec<(LocalDay, LocalDay)> {
    let events: u64 = days.values().sum();
    let many = days.into_iter().filter(|(_, of_day)| of_day.saturating_mul(STRAGGLERS_PER) > events);
    many.map(|(day, _)| (day.plus_days(-identity_days), day.plus_days(identity_days))).collect()
}

/// The groups of these stretches of days.
fn groups_of(reaches: &[(LocalDay, LocalDay)]) -> BTreeSet<i32> {
    reaches.iter().flat_map(|&(from, to)| group_of(from)..=group_of(to)).collect()
}

/// The runs of a group.
fn runs_of(group: i32, runs: &DayRuns) -> impl Iterator<Item = &Arc<Run>> {
    let from = LocalDay(group.saturating_mul(GROUP_DAYS));
    runs.range(from..from.plus_days(GROUP_DAYS)).flat_map(|(_, runs)| runs)
}

fn rows_of(group: i32, runs: &DayRuns) -> u64 {
    runs_of(group, runs).map(|run| run.entry.rows).sum()
}

const fn bits_for(orders: u64) -> u64 {
    if orders <= SMALL_LAYER { SMALL_LAYER_BITS } else { LAYER_BITS }
}

/// Bytes of a layer for so many orders.
fn bytes_for(orders: u64) -> usize {
    usize::try_from(orders.saturating_mul(bits_for(orders)) / 8).unwrap_or(usize::MAX)
}

fn layer(orders: u64) -> Filter {
    Filter::with_capacity(orders, bits_for(orders))
}

impl Group {
    fn keys(&self) -> u64 {
        self.layers.iter().map(Filter::keys).sum()
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(Filter::bytes).sum()
    }

    /// Orders that the last layer still takes.
    fn left(&self) -> u64 {
        self.layers.last().map_or(0, |last| last.capacity().saturating_sub(last.keys()))
    }
}

impl DayFilters {
    /// None yet; `bytes_max` is what all filters together may take.
    pub fn new(bytes_max: usize) -> Self {
        Self { groups: BTreeMap::new(), prefill: Prefill::default(), batches: 0, bytes_max }
    }

    /// Bytes that all filters may take.
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// A batch comes of which many events meet these stretches of days: their groups are brought into memory, the newest
    /// first, as far as the budget goes.
    pub fn prepare(&mut self, reaches: &[(LocalDay, LocalDay)], runs: &DayRuns) -> LedgerResult<()> {
        // A quiet night of control events makes no group old.
        if reaches.is_empty() {
            return Ok(());
        }
        self.batches += 1;
        let met = groups_of(reaches);
        for group in &met {
            self.groups.get_mut(group).into_iter().for_each(|group| group.met = self.batches);
        }
        for &group in met.iter().rev().filter(|group| !self.groups.contains_key(group)).collect::<Vec<_>>() {
            let capacity = Partial::capacity_for(group, runs);
            if rows_of(group, runs) > 0 && bytes_for(capacity) <= self.available_bytes() {
                let partial = self.prefill.take(group).unwrap_or_else(|| Partial::new(capacity));
                self.groups.insert(group, partial.completed(group, runs, self.batches)?);
            }
        }
        self.prefill.clear();
        Ok(())
    }

    /// Bytes that a group may take beside those that the batch under way meets: anything else can be evicted for it.
    fn available_bytes(&self) -> usize {
        let met = self.groups.values().filter(|group| group.met == self.batches);
        self.bytes_max.saturating_sub(met.map(Group::bytes).sum())
    }

    /// Reserves capacity for `more` orders in the filter of `day`. A group that no longer fits is evicted.
    pub fn reserve(&mut self, day: LocalDay, more: u64, runs: &DayRuns) {
        let number = group_of(day);
        let known = self.groups.get(&number);
        if known.is_some_and(|group| group.left() >= more) {
            return;
        }
        // A group that is not in memory is filled when events meet it, unless nothing of it is stored yet.
        if known.is_none() && rows_of(number, runs) > 0 {
            return;
        }
        let (keys, held) = known.map_or((0, 0), |group| (group.keys(), group.bytes()));
        // The layers of this group stay, whether or not the batch under way met it.
        let others =
            self.groups.iter().filter(|(other, group)| **other != number && group.met == self.batches);
        let consumed = others.map(|(_, group)| group.bytes()).sum::<usize>() + held;
        let available = self.bytes_max.saturating_sub(consumed);
        // Less where the budget ends.
        let wished = keys.saturating_mul(GROWTH).max(more.saturating_mul(2)).max(CAPACITY_MIN);
        match [wished, more.saturating_add(more / 4)]
            .into_iter()
            .find(|&orders| bytes_for(orders) <= available)
        {
            Some(orders) => {
                let met = self.batches;
                let group = self.groups.entry(number).or_insert_with(|| Group { layers: Vec::new(), met });
                group.layers.push(layer(orders));
            }
            None => drop(self.groups.remove(&number)),
        }
    }

    /// Adds an identity of `day`, where the filter of its group is in memory.
    pub fn insert(&mut self, day: LocalDay, hash: IdentityHash) {
        if let Some(last) = self.groups.get_mut(&group_of(day)).and_then(|group| group.layers.last_mut()) {
            last.insert(hash);
        }
    }

    /// The filters that cover all stored orders of the days from `from` to `to`; `None` when one is not in memory.
    pub fn covering(&self, from: LocalDay, to: LocalDay, runs: &DayRuns) -> Option<Vec<&Filter>> {
        let mut filters = Vec::new();
        for number in group_of(from)..=group_of(to) {
            match self.groups.get(&number) {
                Some(group) => filters.extend(&group.layers),
                None => {
                    let first = LocalDay(number.saturating_mul(GROUP_DAYS)).max(from);
                    let last = LocalDay(number.saturating_mul(GROUP_DAYS)).plus_days(GROUP_DAYS - 1).min(to);
                    let mut stored = runs.range(first..=last).flat_map(|(_, runs)| runs);
                    if stored.any(|run| run.entry.rows > 0) {
                        return None;
                    }
                }
            }
        }
        Some(filters)
    }

    /// Whether the filter of the group of `day` is in memory.
    pub fn holds(&self, day: LocalDay) -> bool {
        self.groups.contains_key(&group_of(day))
    }

    /// Gives up the groups that no batch met for some time, or, with `all`, whichever was met longest ago, until at most
    /// `bytes` are held.
    pub fn shrink(&mut self, bytes: usize, all: bool) {
        // No batch asks it yet.
        if all && self.bytes() > bytes {
            self.prefill.clear();
        }
        let mut by_use: Vec<(u64, i32)> =
            self.groups.iter().map(|(&number, group)| (group.met, number)).collect();
        by_use.sort_unstable();
        let idle = |met: u64| met.saturating_add(IDLE_BATCHES) < self.batches;
        let candidates: Vec<i32> =
            by_use.iter().filter(|(met, _)| all || idle(*met)).map(|&(_, number)| number).collect();
        for number in candidates {
            if self.bytes() <= bytes {
                return;
            }
            self.groups.remove(&number);
        }
    }

    /// Gives up the groups that no batch met for long.
    pub fn give_up_unused(&mut self) {
        let batches = self.batches;
        self.groups.retain(|_, group| group.met.saturating_add(UNUSED_BATCHES) >= batches);
    }

    /// Drops groups all of whose days lie before `line`.
    pub fn drop_before(&mut self, line: LocalDay) {
        self.groups = self.groups.split_off(&group_of(line));
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.groups.values().map(Group::bytes).sum::<usize>() + self.prefill.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Phase;
    use crate::ledger::testing::{commit, event, open};

    fn hash(n: u64) -> IdentityHash {
        IdentityHash::of("p", &n.to_string(), 0, Phase::Ended)
    }

    #[test]
    fn a_group_grows_by_layers_misses_nothing_and_lets_few_strangers_pass() {
        let (day, runs, batch) = (LocalDay(20_000), DayRuns::new(), 50_000);
        let mut filters = DayFilters::new(64 << 20);
        for from in (0..2_000_000).step_by(batch) {
            filters.reserve(day, 50_000, &runs);
            (from..from + 50_000).for_each(|n| filters.insert(day, hash(n)));
        }
        let layers = filters.covering(day, day, &runs).expect("it is in memory");
        assert!((3..8).contains(&layers.len()), "{} layers", layers.len());
        let passes = |n: u64| layers.iter().any(|layer| layer.may_contain(hash(n)));
        assert!((0..2_000_000).all(passes));
        let strangers = (2_000_000..2_200_000).filter(|&n| passes(n)).count();
        assert!(strangers < 2_000, "{strangers} of 200,000 strangers pass");
        assert!(filters.bytes() < 2_000_000 * 2 * 3, "{} bytes", filters.bytes());
    }

    #[test]
    fn what_is_stored_is_in_the_filters_or_they_are_said_to_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        commit(&mut ledger, 0, &(0..500).map(|order| event(order, 0)).collect::<Vec<_>>());
        let (view, day) = (ledger.published().current(), crate::ledger::testing::day());
        let reach = (day.plus_days(-7), day.plus_days(7));
        let covering = |filters: &DayFilters| {
            filters.covering(reach.0, reach.1, view.runs()).map(|filters| {
                (0..500).all(|order| filters.iter().any(|filter| filter.may_contain(hash(order))))
            })
        };
        let mut filters = DayFilters::new(0);
        filters.prepare(&[reach], view.runs()).unwrap();
        assert_eq!(covering(&filters), None, "the budget is too small");
        let mut filters = DayFilters::new(64 << 20);
        assert_eq!(covering(&filters), None, "nothing was read yet");
        filters.reserve(day, 10, view.runs());
        assert_eq!(covering(&filters), None, "a filter of what comes does not tell what is there");
        filters.prepare(&[reach], view.runs()).unwrap();
        assert_eq!(covering(&filters), Some(true));
        filters.reserve(day, 1_000_000, view.runs());
        assert_eq!(covering(&filters), Some(true));
        filters.shrink(0, true);
        assert_eq!(covering(&filters), None);
        let empty = filters.covering(day.plus_days(50), day.plus_days(60), view.runs());
        assert!(empty.is_some_and(|filters| filters.is_empty()), "nothing is stored there");
    }

    #[test]
    fn a_group_that_no_event_meets_any_more_is_evicted() {
        let (day, later) = (LocalDay(20_000), LocalDay(20_100));
        let (mut filters, runs) = (DayFilters::new(64 << 20), DayRuns::new());
        filters.reserve(day, 10, &runs);
        filters.reserve(later, 10, &runs);
        for _ in 0..UNUSED_BATCHES {
            filters.prepare(&[(later, later)], &runs).unwrap();
            filters.prepare(&[], &runs).unwrap();
            filters.give_up_unused();
            assert!(filters.holds(day) && filters.holds(later));
        }
        filters.prepare(&[(later, later)], &runs).unwrap();
        filters.give_up_unused();
        assert!(!filters.holds(day) && filters.holds(later));
    }

    #[test]
    fn a_group_beyond_the_budget_is_given_up() {
        let (day, runs) = (LocalDay(20_000), DayRuns::new());
        let mut filters = DayFilters::new(256 << 10);
        filters.reserve(day, 60_000, &runs);
        (0..60_000).for_each(|n| filters.insert(day, hash(n)));
        assert!(filters.holds(day) && filters.bytes() <= 256 << 10);
        filters.reserve(day, 1_000_000, &runs);
        assert!(!filters.holds(day) && filters.bytes() == 0);
        // One that does fit takes its place.
        filters.reserve(day.plus_days(100), 60_000, &runs);
        assert!(filters.holds(day.plus_days(100)));
    }
}
