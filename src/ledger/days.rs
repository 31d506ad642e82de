//! The runs of every event day, and the filters that tell most new identities apart without touching a run.
//!
//! A filter of days stands for all runs of a group of days. Only the groups that the present events meet are in memory,
//! as far as the budget goes; where one is missing, the filters of the runs themselves are asked. Nothing of it is
//! stored: a group is filled from the identity indexes of its runs when many events begin to meet it.

use super::error::Outcome;
use super::filter::Filter;
use super::identity::IdentityHash;
use super::run::Run;
use crate::domain::time::LocalDay;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The live runs by day. Readers share it; the writer replaces it.
pub type DayRuns = BTreeMap<LocalDay, Vec<Arc<Run>>>;

/// Days that share a filter: the reach of identity (a week either side) then meets two or three of them.
const GROUP_DAYS: i32 = 8;
/// Bits for each order a filter is made for: one stranger in 60 passes when it is full, and it rarely is.
const FILTER_BITS: u64 = 10;
/// A filter that grows is made for so many times the orders that it needs to take: each growth reads them all again, and
/// the commit under way waits for it.
const GROWTH: u64 = 2;
/// Orders that the smallest filter is made for.
const CAPACITY_MIN: u64 = 1 << 16;
/// Batches after which a group that they did not meet is the first to go.
pub const IDLE_BATCHES: u64 = 16;

/// A group in memory.
#[derive(Debug)]
struct Group {
    filter: Filter,
    /// The last batch that met it.
    met: u64,
}

/// One growing filter for each group of days that is in memory.
#[derive(Debug)]
pub struct DayFilters {
    groups: BTreeMap<i32, Group>,
    /// Batches so far.
    batches: u64,
    /// Bytes that all filters in memory may take.
    bytes_max: usize,
}

const fn group_of(day: LocalDay) -> i32 {
    day.0.div_euclid(GROUP_DAYS)
}

/// The runs of a group.
fn runs_of(group: i32, runs: &DayRuns) -> impl Iterator<Item = &Arc<Run>> {
    let from = LocalDay(group.saturating_mul(GROUP_DAYS));
    runs.range(from..from.plus_days(GROUP_DAYS)).flat_map(|(_, runs)| runs)
}

fn rows_of(group: i32, runs: &DayRuns) -> u64 {
    runs_of(group, runs).map(|run| run.entry.rows).sum()
}

/// Bytes of a filter for so many orders.
fn bytes_for(orders: u64) -> usize {
    usize::try_from(orders.saturating_mul(FILTER_BITS) / 8).unwrap_or(usize::MAX)
}

impl DayFilters {
    /// None yet; `bytes_max` is what all filters together may take.
    pub const fn new(bytes_max: usize) -> Self {
        Self { groups: BTreeMap::new(), batches: 0, bytes_max }
    }

    /// Bytes that all filters may take.
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// A batch comes of which many events meet these stretches of days: their groups are brought into memory, the newest
    /// first, as far as the budget goes.
    pub fn prepare(&mut self, reaches: &[(LocalDay, LocalDay)], runs: &DayRuns) -> Outcome<()> {
        self.batches += 1;
        let mut met: BTreeSet<i32> = BTreeSet::new();
        for &(from, to) in reaches {
            met.extend(group_of(from)..=group_of(to));
        }
        for group in &met {
            self.groups.get_mut(group).into_iter().for_each(|group| group.met = self.batches);
        }
        for &group in met.iter().rev().filter(|group| !self.groups.contains_key(group)).collect::<Vec<_>>() {
            let rows = rows_of(group, runs);
            // Room for a quarter more, so that it need not grow at once.
            let capacity = (rows + rows / 4).max(CAPACITY_MIN);
            if rows > 0 && bytes_for(capacity) <= self.room() {
                let filter = filled(capacity, group, runs)?;
                self.groups.insert(group, Group { filter, met: self.batches });
            }
        }
        Ok(())
    }

    /// Bytes that a group may take beside those that the batch under way meets: anything else can be given up for it.
    fn room(&self) -> usize {
        let met = self.groups.values().filter(|group| group.met == self.batches);
        self.bytes_max.saturating_sub(met.map(|group| group.filter.bytes()).sum())
    }

    /// Makes room in the filter of `day` for `more` orders, so that it need not grow while runs are adopted. A group that
    /// does not fit any more is given up.
    pub fn reserve(&mut self, day: LocalDay, more: u64, runs: &DayRuns) -> Outcome<()> {
        let number = group_of(day);
        let Some(group) = self.groups.get(&number) else {
            let capacity = more.saturating_mul(2).max(CAPACITY_MIN);
            // A group of which nothing is stored yet needs no filling.
            if rows_of(number, runs) == 0 && bytes_for(capacity) <= self.room() {
                let filter = Filter::with_capacity(capacity, FILTER_BITS);
                self.groups.insert(number, Group { filter, met: self.batches });
            }
            return Ok(());
        };
        let (met, needed) = (group.met, group.filter.keys().saturating_add(more));
        if needed <= group.filter.capacity() {
            return Ok(());
        }
        self.groups.remove(&number);
        // Less where the budget ends.
        let room = u64::try_from(self.room()).unwrap_or(u64::MAX).saturating_mul(8) / FILTER_BITS;
        let capacity = needed.saturating_mul(GROWTH).max(CAPACITY_MIN).min(room);
        if capacity >= needed.saturating_add(needed / 8) {
            self.groups.insert(number, Group { filter: filled(capacity, number, runs)?, met });
        }
        Ok(())
    }

    /// Adds an identity of `day`, where the filter of its group is in memory.
    pub fn insert(&mut self, day: LocalDay, hash: IdentityHash) {
        if let Some(group) = self.groups.get_mut(&group_of(day)) {
            group.filter.insert(hash);
        }
    }

    /// The filters that cover all stored orders of the days from `from` to `to`; `None` when one is not in memory.
    pub fn covering(&self, from: LocalDay, to: LocalDay, runs: &DayRuns) -> Option<Vec<&Filter>> {
        let mut filters = Vec::new();
        for number in group_of(from)..=group_of(to) {
            match self.groups.get(&number) {
                Some(group) => filters.push(&group.filter),
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

    /// Forgets groups all of whose days lie before `line`.
    pub fn drop_before(&mut self, line: LocalDay) {
        self.groups = self.groups.split_off(&group_of(line));
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.groups.values().map(|group| group.filter.bytes()).sum()
    }
}

/// A filter with every identity of a group.
fn filled(capacity: u64, group: i32, runs: &DayRuns) -> Outcome<Filter> {
    let mut filter = Filter::with_capacity(capacity, FILTER_BITS);
    for run in runs_of(group, runs) {
        for chunk in 0..run.entry.chunks {
            run.visit_chunk(chunk, |(hash, _)| {
                filter.insert(hash);
                true
            })?;
        }
    }
    Ok(filter)
}
