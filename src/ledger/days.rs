//! The runs of every event day, and the filters that tell most new identities apart without touching a run.

use super::error::Outcome;
use super::filter::Filter;
use super::identity::IdentityHash;
use super::run::Run;
use crate::domain::time::LocalDay;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The live runs by day. Readers share it; the writer replaces it.
pub type DayRuns = BTreeMap<LocalDay, Vec<Arc<Run>>>;

/// Days that share a filter: the reach of identity (a week either side) then meets two or three of them.
const GROUP_DAYS: i32 = 8;
/// Bits for each order a filter is made for: below one stranger in 100 passes when it is full.
const FILTER_BITS: u64 = 12;
/// Orders that the smallest filter is made for.
const CAPACITY_MIN: u64 = 1 << 16;

/// One growing filter for each group of days.
#[derive(Debug, Default)]
pub struct DayFilters {
    groups: BTreeMap<i32, Filter>,
}

const fn group_of(day: LocalDay) -> i32 {
    day.0.div_euclid(GROUP_DAYS)
}

impl DayFilters {
    /// Makes room in the filter of `day` for `more` orders, so that it need not grow while runs are opened.
    pub fn reserve(&mut self, day: LocalDay, more: u64, runs: &DayRuns) -> Outcome<()> {
        let group = group_of(day);
        let filter = self.groups.entry(group).or_default();
        let needed = filter.keys().saturating_add(more);
        if needed <= filter.capacity() {
            return Ok(());
        }
        // Twice what is needed: each order is read again about once in the life of the filter.
        let mut grown = Filter::with_capacity(needed.saturating_mul(2).max(CAPACITY_MIN), FILTER_BITS);
        let days = LocalDay(group.saturating_mul(GROUP_DAYS))
            ..LocalDay(group.saturating_add(1).saturating_mul(GROUP_DAYS));
        for run in runs.range(days).flat_map(|(_, runs)| runs) {
            for chunk in 0..run.entry.chunks {
                run.visit_chunk(chunk, |(hash, _)| {
                    grown.insert(hash);
                    true
                })?;
            }
        }
        *filter = grown;
        Ok(())
    }

    /// Sizes the filter of `day` for `rows` more orders that are about to be inserted, when nothing is in it yet.
    pub fn expect(&mut self, day: LocalDay, rows: u64) {
        let filter = self.groups.entry(group_of(day)).or_default();
        let needed = filter.capacity().max(CAPACITY_MIN).saturating_add(rows + rows / 2);
        *filter = Filter::with_capacity(needed, FILTER_BITS);
    }

    /// Adds an identity of `day`.
    pub fn insert(&mut self, day: LocalDay, hash: IdentityHash) {
        if let Some(filter) = self.groups.get_mut(&group_of(day)) {
            filter.insert(hash);
        }
    }

    /// The filters that cover the days from `from` to `to`.
    pub fn covering(&self, from: LocalDay, to: LocalDay) -> impl Iterator<Item = &Filter> {
        self.groups.range(group_of(from)..=group_of(to)).map(|(_, filter)| filter)
    }

    /// Forgets groups all of whose days lie before `line`.
    pub fn drop_before(&mut self, line: LocalDay) {
        self.groups = self.groups.split_off(&group_of(line));
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.groups.values().map(Filter::bytes).sum()
    }
}
