//! Filters of days that a ledger fills while it follows its writer, so that its own first batch does not wait for them.
//!
//! A filter is complete when every live run of its days was read into it. What is read again, such as the output of a compaction whose
//! inputs were read, sets bits that are set already. So it never matters which states of the ledger were seen and which were passed over.

use super::{
    CAPACITY_MIN, DayFilters, DayRuns, GROWTH, Group, bytes_for, groups_of, layer, rows_of, runs_of,
};
use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::{Run, RunEntry};
use crate::ledger::yield_points::give_way;
use std::collections::BTreeMap;

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
    /// Runs that were read whole, as the manifest described them then.
    read: BTreeMap<u64, RunEntry>,
    /// The run that is being read, and its next chunk.
    position: Option<(u64, RunEntry, u32)>,
}

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Complete,
    /// The time was over.
    Interrupted,
    /// The filter would take more memory than it may.
    TooLarge,
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
            match partial.read_runs(group, runs, (&has_time, available))? {
                Progress::Complete => {}
                Progress::Interrupted => return Ok(false),
                Progress::TooLarge => drop(self.prefill.0.remove(&group)),
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
        Self { layers: vec![layer(capacity)], read: BTreeMap::new(), position: None }
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(Filter::bytes).sum()
    }

    /// The filter, complete: what is missing is read now.
    pub(super) fn completed(mut self, group: i32, runs: &DayRuns, met: u64) -> LedgerResult<Group> {
        self.read_runs(group, runs, (&|| true, usize::MAX))?;
        Ok(Group { layers: self.layers, met })
    }

    /// Reads the runs that were not read yet, while there is time, into so many bytes.
    fn read_runs(
        &mut self,
        group: i32,
        runs: &DayRuns,
        limits: (&impl Fn() -> bool, usize),
    ) -> LedgerResult<Progress> {
        let live: BTreeMap<u64, RunEntry> = runs_of(group, runs).map(|run| (run.id, run.entry)).collect();
        self.read.retain(|id, entry| live.get(id) == Some(entry));
        for run in runs_of(group, runs) {
            if !self.read.contains_key(&run.id) {
                let progress = self.read_run(run, limits)?;
                if progress != Progress::Complete {
                    return Ok(progress);
                }
            }
        }
        Ok(Progress::Complete)
    }

    fn read_run(
        &mut self,
        run: &Run,
        (has_time, bytes_max): (&impl Fn() -> bool, usize),
    ) -> LedgerResult<Progress> {
        let begun = self.position.filter(|&(id, entry, _)| (id, entry) == (run.id, run.entry));
        for chunk in begun.map_or(0, |(_, _, next)| next)..run.entry.chunks {
            if !has_time() {
                return Ok(Progress::Interrupted);
            }
            let mut fits = true;
            run.visit_chunk(chunk, |(hash, _)| {
                fits = insert_new(&mut self.layers, hash, bytes_max);
                fits
            })?;
            if !fits {
                return Ok(Progress::TooLarge);
            }
            self.position = Some((run.id, run.entry, chunk + 1));
            give_way();
        }
        self.read.insert(run.id, run.entry);
        Ok(Progress::Complete)
    }
}

/// Adds an identity that no layer has; whether there was memory for it. One that is there already takes no capacity.
fn insert_new(layers: &mut Vec<Filter>, hash: IdentityHash, bytes_max: usize) -> bool {
    if layers.iter().any(|layer| layer.may_contain(hash)) {
        return true;
    }
    if layers.last().is_none_or(|last| last.keys() >= last.capacity()) {
        let keys: u64 = layers.iter().map(Filter::keys).sum();
        let capacity = keys.saturating_mul(GROWTH).max(CAPACITY_MIN);
        let held: usize = layers.iter().map(Filter::bytes).sum();
        if held.saturating_add(bytes_for(capacity)) > bytes_max {
            return false;
        }
        layers.push(layer(capacity));
    }
    layers.iter_mut().last().into_iter().for_each(|last| last.insert(hash));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Phase;
    use crate::domain::time::UtcMillis;
    use crate::ledger::codec::keys;
    use crate::ledger::maintenance::compaction::CompactionScope;
    use crate::ledger::testing::{commit, day, event, event_at, open};
    use std::cell::Cell;
    use std::sync::atomic::AtomicBool;

    const BYTES: usize = 64 << 20;

    fn hash(n: u64) -> IdentityHash {
        IdentityHash::of("p", &n.to_string(), 0, Phase::Ended)
    }

    fn reach() -> [(LocalDay, LocalDay); 1] {
        [(day().plus_days(-7), day().plus_days(7))]
    }

    fn on_two_days(order: u64) -> String {
        let date = if order.is_multiple_of(2) { "2026-11-20" } else { "2026-11-21" };
        event_at(order, 0, &format!("{date}T12:00:00Z"), &format!("{date}T12:30:00Z"))
    }

    /// Whether the filter that a writer's first batch makes denies none of the first `orders` orders.
    fn denies_none(mut filters: DayFilters, runs: &DayRuns, orders: u64) -> bool {
        filters.prepare(&reach(), runs).unwrap();
        let layers = filters.covering(day(), day().plus_days(1), runs).expect("its first batch fills it");
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
                commit(&mut ledger, first, &orders.map(on_two_days).collect::<Vec<_>>());
                // Of one of the days: of the other, runs stay that were read.
                if let Some(job) = ledger.begin_compaction(&CompactionScope::every_size(LocalDay(i32::MAX))) {
                    let compacted = job.run(&AtomicBool::new(false)).unwrap();
                    ledger.install(compacted, UtcMillis::new(1_795_000_001_000 + first)).unwrap();
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
    fn reading_goes_on_where_the_time_was_over_and_reads_nothing_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        commit(&mut ledger, 0, &(0..1_200).map(|order| event(order, 0)).collect::<Vec<_>>());
        commit(&mut ledger, 1_200, &[event(1_200, 0)]);
        let view = ledger.published().current();
        let chunks: u32 = view.runs().values().flatten().map(|run| run.entry.chunks).sum();
        assert!(chunks > 2, "{chunks} chunks");
        let mut filters = DayFilters::new(BYTES);
        let once = || {
            let looks = Cell::new(0);
            move || looks.replace(looks.get() + 1) == 0
        };
        for _ in 0..chunks - 1 {
            assert!(!filters.prefill(&reach(), view.runs(), once()).unwrap());
        }
        assert!(filters.prefill(&reach(), view.runs(), once()).unwrap(), "a chunk each time");
        assert!(filters.prefill(&reach(), view.runs(), || false).unwrap(), "nothing is left to be read");
        // The first batch reads nothing either: it could not.
        for id in view.runs().values().flatten().map(|run| run.id) {
            ledger.store.delete_runs(keys::IDENTITY, id..id + 1).unwrap();
        }
        assert!(DayFilters::new(BYTES).prepare(&reach(), view.runs()).is_err());
        assert!(denies_none(filters, view.runs(), 1_201));
    }

    #[test]
    fn a_run_that_is_replaced_while_it_is_read_is_no_longer_missed() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        let mut filters = DayFilters::new(BYTES);
        commit(&mut ledger, 0, &(0..1_200).map(|order| event(order, 0)).collect::<Vec<_>>());
        commit(&mut ledger, 1_200, &[event(1_200, 0)]);
        let looks = Cell::new(0);
        let once = || looks.replace(looks.get() + 1) == 0;
        assert!(!filters.prefill(&reach(), ledger.published().current().runs(), once).unwrap());
        ledger.compact_now(LocalDay(i32::MAX), UtcMillis::new(1_795_000_009_000)).unwrap();
        let view = ledger.published().current();
        assert!(filters.prefill(&reach(), view.runs(), || true).unwrap());
        assert!(denies_none(filters, view.runs(), 1_201));
    }

    #[test]
    fn a_number_that_means_another_run_is_read_again() {
        let ledgers = [0, 100].map(|first| {
            let dir = tempfile::tempdir().unwrap();
            let mut ledger = open(dir.path());
            let rows = 1 + first.min(1);
            let orders = first..first + rows;
            commit(&mut ledger, 0, &orders.map(|order| event(order, 0)).collect::<Vec<_>>());
            (ledger.published().current(), ledger, dir)
        });
        let mut filters = DayFilters::new(BYTES);
        let numbers = |nth: usize| {
            let runs = ledgers[nth].0.runs();
            runs.values().flatten().map(|run| run.id).collect::<Vec<_>>()
        };
        assert_eq!(numbers(0), numbers(1));
        assert!(filters.prefill(&reach(), ledgers[0].0.runs(), || true).unwrap());
        filters.prepare(&reach(), ledgers[1].0.runs()).unwrap();
        let layers = filters.covering(day(), day(), ledgers[1].0.runs()).expect("it is in memory");
        assert!((100..102).all(|order| layers.iter().any(|layer| layer.may_contain(hash(order)))));
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
        (0..3 * CAPACITY_MIN).for_each(|n| assert!(insert_new(&mut layers, hash(n), usize::MAX)));
        let keys: u64 = layers.iter().map(Filter::keys).sum();
        (0..3 * CAPACITY_MIN).for_each(|n| assert!(insert_new(&mut layers, hash(n), usize::MAX)));
        assert_eq!(layers.iter().map(Filter::keys).sum::<u64>(), keys, "what is there takes no capacity");
        assert!((0..3 * CAPACITY_MIN).all(|n| layers.iter().any(|layer| layer.may_contain(hash(n)))));
        assert_eq!(layers.len(), 2);
        let mut layers = vec![layer(CAPACITY_MIN)];
        let held = bytes_for(CAPACITY_MIN);
        let taken = (0..3 * CAPACITY_MIN).take_while(|&n| insert_new(&mut layers, hash(n), held)).count();
        assert!(taken < 70_000 && layers.len() == 1, "there is memory for one layer: {taken}");
    }
}
