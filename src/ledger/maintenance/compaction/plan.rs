//! Which runs of a day are to be merged.

use crate::ledger::run::Run;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Runs of one tier that are merged; also the ratio between the sizes of two tiers. More would rewrite rows less often, but
/// a question about a rider asks every run.
const TIER_RUNS: u32 = 8;
/// Rows below which runs are of the lowest tier.
const SMALL_ROWS: u64 = 1_024;
/// More runs than these of a day are always merged.
const DAY_RUNS_MAX: usize = 24;
/// The same where merges are deferred: a row is rewritten less often, and a question asks more runs for as long.
const TIER_RUNS_DEFERRED: usize = 24;
const DAY_RUNS_MAX_DEFERRED: usize = 48;
/// Runs that one merge reads at most: bounds its memory to a block of each.
const INPUTS_MAX: usize = 128;
/// A day that is over is merged whole once its other runs have this fraction of the rows of its largest: a late row then costs
/// about so many rows and one that are written, besides those of the tiers, however the late orders trickle in.
const OUTGROWN_FRACTION: u64 = 8;

/// The runs that one commit or one compaction wrote for a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalRun {
    /// Rows of all of them.
    pub rows: u64,
    /// Their numbers.
    pub ids: Vec<u64>,
}

/// The logical runs of a day: outputs of one compaction count as one.
pub fn logical_runs(runs: &[Arc<Run>]) -> Vec<LogicalRun> {
    let mut compactions: BTreeMap<u64, LogicalRun> = BTreeMap::new();
    for run in runs {
        // A compaction is numbered by its first output, a commit's run counts under its own number: no two meet.
        let number = if run.entry.compaction == 0 { run.id } else { run.entry.compaction };
        let logical = compactions.entry(number).or_insert(LogicalRun { rows: 0, ids: Vec::new() });
        logical.rows += run.entry.rows;
        logical.ids.push(run.id);
    }
    compactions.into_values().collect()
}

/// Whether the runs of a day beside its largest have come to so many rows that the largest is worth rewriting.
pub fn is_outgrown(runs: &[LogicalRun]) -> bool {
    let rows: u64 = runs.iter().map(|run| run.rows).sum();
    let largest = runs.iter().map(|run| run.rows).max().unwrap_or(0);
    (rows - largest).saturating_mul(OUTGROWN_FRACTION) >= largest
}

/// Which runs of a day are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// As many of a size as a tier takes.
    Tiered,
    /// The same with wider tiers: where each byte that is written is dear, while the ledger catches up.
    Deferred,
    /// All of them.
    Major,
}

/// The numbers of the runs of a day that are to be merged now; `None` when nothing is, or not of so many `rows`.
///
/// A major compaction makes one run of the day. Any other is merged tier by tier, the smallest first, so that a row is rewritten about
/// once a tier; a day with too many runs gives up its smallest. Of a tier that has too many rows, as many runs are merged as fit.
pub fn plan(runs: &[LogicalRun], rule: MergeRule, rows: &RangeInclusive<u64>) -> Option<Vec<u64>> {
    if runs.len() < 2 {
        return None;
    }
    let mut by_size: Vec<&LogicalRun> = runs.iter().collect();
    by_size.sort_by_key(|run| (run.rows, run.ids.first().copied()));
    let rows_of = |runs: &[&LogicalRun]| runs.iter().map(|run| run.rows).sum::<u64>();
    let ids = |chosen: &[&LogicalRun]| chosen.iter().flat_map(|run| run.ids.iter().copied()).collect();
    let fitting = |chosen: &[&LogicalRun]| {
        let fits = |count: &usize| chosen.get(..*count).is_some_and(|runs| rows_of(runs) <= *rows.end());
        let count = (2..=chosen.len().min(INPUTS_MAX)).rev().find(fits)?;
        chosen.get(..count).filter(|runs| rows_of(runs) >= *rows.start()).map(ids)
    };
    let (tier_runs, day_runs_max) = match rule {
        MergeRule::Major => {
            let all = by_size.get(..INPUTS_MAX).unwrap_or(&by_size);
            return rows.contains(&rows_of(all)).then(|| ids(all));
        }
        MergeRule::Tiered => (usize::try_from(TIER_RUNS).unwrap_or(usize::MAX), DAY_RUNS_MAX),
        MergeRule::Deferred => (TIER_RUNS_DEFERRED, DAY_RUNS_MAX_DEFERRED),
    };
    let tiers = by_size.chunk_by(|a, b| tier(a.rows) == tier(b.rows));
    let full = tiers.filter(|same| same.len() >= tier_runs).find_map(fitting);
    full.or_else(|| if runs.len() > day_runs_max { fitting(by_size.get(..tier_runs)?) } else { None })
}

fn tier(rows: u64) -> u32 {
    (rows / SMALL_ROWS).checked_ilog(u64::from(TIER_RUNS)).map_or(0, |tier| tier + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RangeInclusive<u64> = 0..=u64::MAX;

    fn runs(rows: &[u64]) -> Vec<LogicalRun> {
        rows.iter().zip(0..).map(|(&rows, id)| LogicalRun { rows, ids: vec![id] }).collect()
    }

    #[test]
    fn as_many_of_a_size_as_a_tier_takes_are_merged_the_smallest_first() {
        let small = [10, 20, 30, 40, 50, 60, 70];
        assert_eq!(plan(&runs(&small), MergeRule::Tiered, &ANY), None);
        assert_eq!(
            plan(&runs(&[small.as_slice(), &[80]].concat()), MergeRule::Tiered, &ANY),
            Some((0..8).collect())
        );
        let large: Vec<u64> = (2_000..2_008).collect();
        assert_eq!(
            plan(&runs(&[large.as_slice(), &small].concat()), MergeRule::Tiered, &ANY),
            Some((0..8).collect())
        );
        let both = plan(&runs(&[large.as_slice(), &small, &[900]].concat()), MergeRule::Tiered, &ANY);
        assert_eq!(both, Some((8..16).collect()));
    }

    #[test]
    fn too_many_runs_always_give_up_the_smallest() {
        // Seven of each tier, so that no tier is full.
        let sizes: Vec<u64> = (0..4).flat_map(|tier| [2_048 << (3 * tier); 7]).collect();
        assert_eq!(plan(&runs(&sizes[..24]), MergeRule::Tiered, &ANY), None);
        assert_eq!(plan(&runs(&sizes[..25]), MergeRule::Tiered, &ANY), Some((0..8).collect()));
    }

    #[test]
    fn deferred_merges_wait_for_more_runs_and_never_for_ever() {
        let commits = [200_000; 24];
        assert_eq!(plan(&runs(&commits[..23]), MergeRule::Deferred, &ANY), None);
        assert_eq!(plan(&runs(&commits), MergeRule::Deferred, &ANY), Some((0..24).collect()));
        let sizes: Vec<u64> = (0..7).flat_map(|tier| [2_048 << (3 * tier); 7]).collect();
        assert_eq!(plan(&runs(&sizes[..48]), MergeRule::Deferred, &ANY), None);
        assert_eq!(plan(&runs(&sizes), MergeRule::Deferred, &ANY), Some((0..24).collect()));
    }

    #[test]
    fn a_major_compaction_makes_one_run_and_is_then_complete() {
        assert_eq!(plan(&runs(&[1_000_000, 1]), MergeRule::Major, &ANY), Some(vec![1, 0]));
        assert_eq!(plan(&runs(&[1_000_000]), MergeRule::Major, &ANY), None);
        assert_eq!(plan(&[], MergeRule::Major, &ANY), None);
        let parts = LogicalRun { rows: 16_000_000, ids: vec![4, 5] };
        assert_eq!(plan(std::slice::from_ref(&parts), MergeRule::Major, &ANY), None);
        let late = LogicalRun { rows: 3, ids: vec![9] };
        assert_eq!(plan(&[parts, late], MergeRule::Major, &ANY), Some(vec![9, 4, 5]));
    }

    #[test]
    fn nothing_is_merged_that_has_more_or_fewer_rows_than_asked_for() {
        let small = runs(&[10; 8]);
        assert_eq!(plan(&small, MergeRule::Tiered, &(0..=80)), Some((0..8).collect()));
        assert_eq!(plan(&small, MergeRule::Tiered, &(81..=u64::MAX)), None);
        // As many as fit.
        assert_eq!(plan(&small, MergeRule::Tiered, &(0..=79)), Some((0..7).collect()));
        assert_eq!(plan(&small, MergeRule::Tiered, &(0..=19)), None);
        // A tier that does not fit hides no other.
        let both = runs(&[[10; 8], [9_000; 8]].concat());
        assert_eq!(plan(&both, MergeRule::Tiered, &(1_000..=u64::MAX)), Some((8..16).collect()));
        let many = runs(&(0..4).flat_map(|tier| [2_048 << (3 * tier); 7]).collect::<Vec<u64>>());
        assert_eq!(plan(&many, MergeRule::Tiered, &(0..=6_144)), Some(vec![0, 1, 2]));
        assert_eq!(plan(&runs(&[900, 1]), MergeRule::Major, &(0..=900)), None);
        assert_eq!(plan(&runs(&[900, 1]), MergeRule::Major, &(901..=u64::MAX)), Some(vec![1, 0]));
    }

    #[test]
    fn a_day_is_outgrown_by_an_eighth_of_its_largest_run() {
        assert!(!is_outgrown(&runs(&[80_000, 5_000, 4_999])));
        assert!(is_outgrown(&runs(&[5_000, 80_000, 5_000])));
        assert!(is_outgrown(&runs(&[7, 7])));
        // Parts of one compaction are one run.
        assert!(!is_outgrown(&[
            LogicalRun { rows: 16_000_000, ids: vec![4, 5] },
            LogicalRun { rows: 1_999_999, ids: vec![6] }
        ]));
    }

    /// The rows that are written for each row that comes late to a day that is over, with a run for each commit; and how many times the
    /// largest run is rewritten.
    fn rewritten(late: u64, rule: impl Fn(&[LogicalRun]) -> MergeRule) -> (u64, u64) {
        let (stored, each) = (30_000_000, 500);
        let (mut day, mut written, mut whole) = (runs(&[stored]), 0, 0);
        for number in 1..=late {
            day.push(LogicalRun { rows: each, ids: vec![number] });
            while let Some(chosen) = plan(&day, rule(&day), &ANY) {
                let (inputs, kept): (Vec<_>, Vec<_>) =
                    day.into_iter().partition(|run| chosen.contains(&run.ids[0]));
                let rows = inputs.iter().map(|run| run.rows).sum();
                written += rows;
                whole += u64::from(rows >= stored);
                day = kept;
                day.push(LogicalRun { rows, ids: vec![late + written] });
            }
            assert!(day.len() <= DAY_RUNS_MAX);
        }
        (written / (late * each), whole)
    }

    #[test]
    fn a_trickle_of_late_orders_does_not_rewrite_the_day_each_time() {
        let outgrown =
            |day: &[LogicalRun]| if is_outgrown(day) { MergeRule::Major } else { MergeRule::Tiered };
        let (each, whole) = rewritten(20_000, outgrown);
        assert!(each < 14 && (2..4).contains(&whole), "{each} rows for each late one, {whole} times whole");
        let (always, _) = rewritten(100, |_| MergeRule::Major);
        assert!(always > 10_000, "the test measures something: {always}");
    }

    #[test]
    fn a_merge_never_reads_more_than_it_may_and_still_ends() {
        let mut sizes = vec![7; 1_000];
        let mut merges = 0;
        while let Some(chosen) = plan(&runs(&sizes), MergeRule::Major, &ANY) {
            assert!(chosen.len() >= 2 && chosen.len() <= INPUTS_MAX);
            let merged = chosen.iter().map(|&id| sizes[usize::try_from(id).unwrap()]).sum();
            let mut nth = 0;
            sizes.retain(|_| {
                nth += 1;
                !chosen.contains(&(nth - 1))
            });
            sizes.push(merged);
            merges += 1;
        }
        assert_eq!(sizes, [7_000]);
        assert!(merges < 12, "{merges} merges");
    }
}
