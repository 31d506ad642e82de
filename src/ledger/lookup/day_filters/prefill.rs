//! Filters of days that a ledger fills while it follows its writer, so that its own first batch does not wait for them.
//!
//! A filter is complete when every live run of its days was read into it. What is read again, such as the output of a compaction whose
//! inputs were read, sets bits that are set already. So it never matters which states of the ledger were seen and which were passed over.

use super::{
    CAPACITY_MIN, DayFilters, DayRuns, GROWTH, Group, bytes_for, groups_of, layer, rows_of, runs_of,
};
use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::yield_points::give_way;
use std::collections::{BTreeMap, BTreeSet};

/// Part of the budget that they may take.
const PREFILL_SHARE: usize = 2;

/// The filters that are being filled, by the number of the group.
#[derive(Debug, Default)]
pub(super) struct Prefill(BTreeMap<i32, Partial>);

/// A filter of a group that not every run was read into.
#[derive(Debug)]
pub(super) struct Partial {
    /// All but the last are full. There is one at least.
    layers: Vec<Filter>,
    /// Runs that were read whole.
    read: BTreeSet<u64>,
    /// The run that is being read, and its next chunk.
    position: (u64, u32),
}

impl Prefill {
    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(Partial::bytes).sum()
    }

    /// What was filled of a group.
    pub(super) fn take(&mut self, group: i32) -> Option<Partial> {
        self.0.remove(&group)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl DayFilters {
    /// Reads identities of the runs of these stretches of days, the newest first, as far as the budget goes and while `has_time`;
    /// whether all were read. Filters of other days are given up.
    ///
    /// # Errors
    /// A run cannot be read.
    pub fn prefill(
        &mut self,
        reaches: &[(LocalDay, LocalDay)],
        runs: &DayRuns,
        has_time: impl Fn() -> bool,
    ) -> LedgerResult<bool> {
        let wanted = groups_of(reaches);
        self.prefill.0.retain(|group, _| wanted.contains(group));
        let bytes_max = self.bytes_max / PREFILL_SHARE;
        for &group in wanted.iter().rev() {
            let capacity = Partial::capacity_for(group, runs);
            let others: usize = self
                .prefill
                .0
                .iter()
                .filter(|(other, _)| **other != group)
                .map(|(_, other)| other.bytes())
                .sum();
            let available = bytes_max.saturating_sub(others);
            let fits = bytes_for(capacity) <= available;
            if rows_of(group, runs) == 0 || (!fits && !self.prefill.0.contains_key(&group)) {
                continue;
            }
            let partial = self.prefill.0.entry(group).or_insert_with(|| Partial::new(capacity));
            if !partial.read_runs(group, runs, &has_time)? {
                return Ok(false);
            }
            if partial.bytes() > available {
                self.prefill.0.remove(&group);
            }
        }
        Ok(true)
    }
}

impl Partial {
    /// Capacity for a quarter more than the group has, so that it need not grow at once.
    pub(super) fn capacity_for(group: i32, runs: &DayRuns) -> u64 {
        let rows = rows_of(group, runs);
        (rows + rows / 4).max(CAPACITY_MIN)
    }

    pub(super) fn new(capacity: u64) -> Self {
        Self { layers: vec![layer(capacity)], read: BTreeSet::new(), position: (0, 0) }
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(Filter::bytes).sum()
    }

    /// The filter, complete: what is missing is read now.
    pub(super) fn completed(mut self, group: i32, runs: &DayRuns, met: u64) -> LedgerResult<Group> {
        self.read_runs(group, runs, &|| true)?;
        Ok(Group { layers: self.layers, met })
    }

    /// Reads the runs that were not read yet, while there is time; whether none is left.
    fn read_runs(&mut self, group: i32, runs: &DayRuns, has_time: &impl Fn() -> bool) -> LedgerResult<bool> {
        self.read.retain(|id| runs_of(group, runs).any(|run| run.id == *id));
        for run in runs_of(group, runs) {
            if !self.read.contains(&run.id) && !self.read_run(run, has_time)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_run(&mut self, run: &Run, has_time: &impl Fn() -> bool) -> LedgerResult<bool> {
        let begun = if self.position.0 == run.id { self.position.1 } else { 0 };
        for chunk in begun..run.entry.chunks {
            if !has_time() {
                return Ok(false);
            }
            run.visit_chunk(chunk, |(hash, _)| {
                insert_new(&mut self.layers, hash);
                true
            })?;
            self.position = (run.id, chunk + 1);
            give_way();
        }
        self.read.insert(run.id);
        Ok(true)
    }
}

/// Adds an identity that no layer has. One that is there already takes no capacity.
fn insert_new(layers: &mut Vec<Filter>, hash: IdentityHash) {
    if layers.iter().any(|layer| layer.may_contain(hash)) {
        return;
    }
    let keys: u64 = layers.iter().map(Filter::keys).sum();
    if layers.last().is_none_or(|last| last.keys() >= last.capacity()) {
        layers.push(layer(keys.saturating_mul(GROWTH).max(CAPACITY_MIN)));
    }
    layers.iter_mut().last().into_iter().for_each(|last| last.insert(hash));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Phase;
    use crate::domain::time::UtcMillis;
    use crate::ledger::testing::{commit, day, event, open};
    use std::cell::Cell;

    const BYTES: usize = 64 << 20;

    fn hash(n: u64) -> IdentityHash {
        IdentityHash::of("p", &n.to_string(), 0, Phase::Ended)
    }

    fn reach() -> [(LocalDay, LocalDay); 1] {
        [(day().plus_days(-7), day().plus_days(7))]
    }

    /// Whether the filter that a writer's first batch makes denies none of the first `orders` orders.
    fn denies_none(mut filters: DayFilters, runs: &DayRuns, orders: u64) -> bool {
        filters.prepare(&reach(), runs).unwrap();
        let layers = filters.covering(day(), day(), runs).expect("its first batch brings it into memory");
        (0..orders).all(|order| layers.iter().any(|layer| layer.may_contain(hash(order))))
    }

    #[test]
    fn a_filter_is_complete_whichever_states_were_passed_over() {
        for seen in 0..16_u32 {
            let dir = tempfile::tempdir().unwrap();
            let mut ledger = open(dir.path());
            let mut filters = DayFilters::new(BYTES);
            for step in 0..4 {
                let first = i64::from(step) * 40;
                let orders = first.unsigned_abs()..first.unsigned_abs() + 40;
                commit(&mut ledger, first, &orders.map(|order| event(order, 0)).collect::<Vec<_>>());
                if step % 2 == 1 {
                    ledger
                        .compact_now(LocalDay(i32::MAX), UtcMillis::new(1_795_000_001_000 + first))
                        .unwrap();
                }
                if seen & (1 << step) != 0 {
                    let view = ledger.published().current();
                    assert!(filters.prefill(&reach(), view.runs(), || true).unwrap());
                }
            }
            let view = ledger.published().current();
            assert!(denies_none(filters, view.runs(), 160), "states seen: {seen:04b}");
        }
    }

    #[test]
    fn a_filter_goes_on_where_the_time_was_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        (0..4).for_each(|order: i64| commit(&mut ledger, order, &[event(order.unsigned_abs(), 0)]));
        let view = ledger.published().current();
        let mut filters = DayFilters::new(BYTES);
        let looks = Cell::new(0);
        let once = || looks.replace(looks.get() + 1) == 0;
        for _ in 0..3 {
            looks.set(0);
            assert!(!filters.prefill(&reach(), view.runs(), once).unwrap());
        }
        looks.set(0);
        assert!(filters.prefill(&reach(), view.runs(), once).unwrap(), "a chunk each time");
        assert_eq!(looks.get(), 1);
        assert!(denies_none(filters, view.runs(), 4));
    }

    #[test]
    fn what_is_filled_keeps_to_its_budget_and_to_the_days_that_are_met() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        commit(&mut ledger, 0, &[event(0, 0)]);
        let view = ledger.published().current();
        let mut filters = DayFilters::new(2 * bytes_for(CAPACITY_MIN) - 1);
        assert!(filters.prefill(&reach(), view.runs(), || true).unwrap());
        assert_eq!(filters.bytes(), 0, "half of the budget is too little");
        let mut filters = DayFilters::new(2 * bytes_for(CAPACITY_MIN));
        assert!(filters.prefill(&reach(), view.runs(), || true).unwrap());
        assert_eq!(filters.bytes(), bytes_for(CAPACITY_MIN));
        let later = [(day().plus_days(50), day().plus_days(60))];
        assert!(filters.prefill(&later, view.runs(), || true).unwrap());
        assert_eq!(filters.bytes(), 0, "the days are others now");
    }

    #[test]
    fn a_filter_grows_beyond_what_it_was_made_for() {
        let mut layers = vec![layer(CAPACITY_MIN)];
        (0..3 * CAPACITY_MIN).for_each(|n| insert_new(&mut layers, hash(n)));
        let keys: u64 = layers.iter().map(Filter::keys).sum();
        (0..3 * CAPACITY_MIN).for_each(|n| insert_new(&mut layers, hash(n)));
        assert_eq!(layers.iter().map(Filter::keys).sum::<u64>(), keys, "what is there takes no capacity");
        assert_eq!(layers.len(), 2);
        assert!((0..3 * CAPACITY_MIN).all(|n| layers.iter().any(|layer| layer.may_contain(hash(n)))));
    }
}
