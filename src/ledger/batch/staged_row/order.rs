//! Brings staged rows into the order of their places: cut into buckets that stay in the nearest caches, then each sorted.

use super::RIDER_BYTES;
use super::StagedRow;
use crate::ledger::error::LedgerResult;
use crate::ledger::yield_points::{ROWS, give_way, in_turns};
use std::cmp::Ordering;

/// Rows that a bucket should have: they and their keys stay in a core's own cache.
const BUCKET_ROWS: usize = 2_048;
/// Most buckets: as many places are written to at once.
const BUCKETS_MAX: usize = 256;
/// Rows looked at for each bucket, to find where it should end.
const SAMPLES: usize = 16;

/// Memory for sorting, kept between commits.
#[derive(Debug, Default)]
pub struct Sorter {
    keys: Vec<u64>,
    buckets: Vec<u16>,
    sorted: Vec<StagedRow>,
    ranks: Vec<(u64, u32)>,
}

/// Calls `emit` with every staged row, those of a smaller rider first; `compare` decides where riders are the same.
///
/// # Errors
/// Those of `emit`; the first ends it.
pub fn in_order(
    sorter: &mut Sorter,
    staged_rows: &[StagedRow],
    compare: impl Fn(&StagedRow, &StagedRow) -> Ordering,
    mut emit: impl FnMut(&StagedRow) -> LedgerResult<()>,
) -> LedgerResult<()> {
    let lens = Lens::of(staged_rows);
    let Sorter { keys, buckets, sorted, ranks } = sorter;
    keys.clear();
    keys.extend(in_turns(ROWS, staged_rows).map(|staged| lens.key(staged)));
    let splitters = splitters(keys);
    if splitters.is_empty() {
        return emit_sorted(staged_rows, keys, ranks, &compare, &mut emit);
    }
    let ends = scatter(staged_rows, keys, &splitters, buckets, sorted);
    let mut from = 0;
    for to in ends {
        let bucket = sorted.get(from..to).unwrap_or_default();
        keys.clear();
        keys.extend(bucket.iter().map(|staged| lens.key(staged)));
        emit_sorted(bucket, keys, ranks, &compare, &mut emit)?;
        give_way();
        from = to;
    }
    Ok(())
}

/// Sorts a bucket by its keys, and by `compare` where keys are equal.
fn emit_sorted(
    bucket: &[StagedRow],
    keys: &[u64],
    ranks: &mut Vec<(u64, u32)>,
    compare: &impl Fn(&StagedRow, &StagedRow) -> Ordering,
    emit: &mut impl FnMut(&StagedRow) -> LedgerResult<()>,
) -> LedgerResult<()> {
    let staged = |at: u32| bucket.get(usize::try_from(at).unwrap_or(usize::MAX)).unwrap_or(&StagedRow::EMPTY);
    ranks.clear();
    ranks.extend(keys.iter().copied().zip(0u32..));
    ranks.sort_unstable();
    for same in ranks.chunk_by_mut(|a, b| a.0 == b.0) {
        if same.len() > 1 {
            same.sort_unstable_by(|a, b| compare(staged(a.1), staged(b.1)));
        }
        for &(_, at) in same.iter() {
            emit(staged(at))?;
        }
    }
    Ok(())
}

/// Which bits of a rider identifier make its sorting key: the 64 behind those that all have in common.
struct Lens {
    common_bits: u32,
}

impl Lens {
    fn of(staged_rows: &[StagedRow]) -> Self {
        let Some(first) = staged_rows.first().map(halves) else { return Self { common_bits: 0 } };
        let (mut high, mut low) = (0, 0);
        for staged in staged_rows {
            let (a, b) = halves(staged);
            high |= a ^ first.0;
            low |= b ^ first.1;
        }
        let common_bits = if high == 0 { 128 + low.leading_zeros() } else { high.leading_zeros() };
        Self { common_bits }
    }

    /// Keys order as riders do; equal keys say nothing.
    #[inline]
    fn key(&self, staged: &StagedRow) -> u64 {
        let (high, low) = halves(staged);
        let bits = match self.common_bits {
            0 => high,
            common @ 1..128 => (high << common) | (low >> (128 - common)),
            common => low.checked_shl(common - 128).unwrap_or(0),
        };
        u64::try_from(bits >> 64).unwrap_or(u64::MAX)
    }
}

#[inline]
fn halves(staged: &StagedRow) -> (u128, u128) {
    const HALF: usize = RIDER_BYTES / 2;
    let high = staged.rider.first_chunk::<HALF>().copied().unwrap_or_default();
    let low = staged.rider.last_chunk::<HALF>().copied().unwrap_or_default();
    (u128::from_be_bytes(high), u128::from_be_bytes(low))
}

/// Keys at which buckets begin; none when one bucket is enough.
fn splitters(keys: &[u64]) -> Vec<u64> {
    let count = (keys.len() / BUCKET_ROWS).min(BUCKETS_MAX);
    if count < 2 {
        return Vec::new();
    }
    let stride = (keys.len() / (count * SAMPLES)).max(1);
    let mut sample: Vec<u64> = keys.iter().step_by(stride).copied().collect();
    sample.sort_unstable();
    let mut splitters: Vec<u64> =
        sample.chunks(SAMPLES).skip(1).filter_map(|chunk| chunk.first().copied()).collect();
    splitters.dedup();
    splitters
}

/// Moves every staged row into its bucket; the ends of the buckets in `sorted`.
fn scatter(
    staged_rows: &[StagedRow],
    keys: &[u64],
    splitters: &[u64],
    buckets: &mut Vec<u16>,
    sorted: &mut Vec<StagedRow>,
) -> Vec<usize> {
    buckets.clear();
    buckets.extend(
        in_turns(ROWS, keys).map(|key| {
            u16::try_from(splitters.partition_point(|splitter| splitter <= key)).unwrap_or(u16::MAX)
        }),
    );
    let mut next = vec![0_usize; splitters.len() + 1];
    for &bucket in buckets.iter() {
        if let Some(count) = next.get_mut(usize::from(bucket)) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for count in &mut next {
        sum += std::mem::replace(count, sum);
    }
    if sorted.len() < staged_rows.len() {
        sorted.resize(staged_rows.len(), StagedRow::EMPTY);
    }
    for (staged, &bucket) in in_turns(ROWS, staged_rows.iter().zip(buckets.iter())) {
        if let Some(at) = next.get_mut(usize::from(bucket)) {
            if let Some(place) = sorted.get_mut(*at) {
                *place = *staged;
            }
            *at += 1;
        }
    }
    // Every beginning has moved to its bucket's end.
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UtcMillis;
    use proptest::prelude::*;

    fn check(riders: &[String]) {
        let staged_rows: Vec<StagedRow> = riders
            .iter()
            .zip(0u32..)
            .map(|(rider, at)| {
                let start = UtcMillis::new(i64::from(at.wrapping_mul(2_654_435_761) % 64));
                StagedRow::of_extra(rider.as_bytes(), start, at, 0)
            })
            .collect();
        let place = |staged: &StagedRow| (riders[staged.at as usize].clone(), staged.accepted_at, staged.at);
        let mut expected: Vec<_> = staged_rows.iter().map(place).collect();
        expected.sort();
        let mut sorter = Sorter::default();
        // Twice: the memory of one commit serves the next.
        for _ in 0..2 {
            let mut emitted = Vec::new();
            in_order(
                &mut sorter,
                &staged_rows,
                |a, b| place(a).cmp(&place(b)),
                |staged| {
                    emitted.push(place(staged));
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(emitted, expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn any_riders_come_in_order(
            prefix in "[a-z]{0,40}",
            riders in prop::collection::vec("[0-9a-f]{1,12}", 1..300),
            times in 1usize..60,
        ) {
            let riders: Vec<String> = riders
                .iter()
                .cycle()
                .take(riders.len() * times)
                .enumerate()
                .map(|(nth, rider)| format!("{prefix}{rider}{}", nth % 7))
                .collect();
            check(&riders);
        }
    }

    #[test]
    fn one_rider_with_all_rows_is_no_trouble() {
        check(&vec!["the same".to_owned(); 9_000]);
    }
}
