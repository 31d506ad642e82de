//! Brings drafts into the order of their places: cut into buckets that stay in the nearest caches, then each sorted.

use super::Draft;
use super::RIDER_BYTES;
use crate::ledger::error::Outcome;
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
    sorted: Vec<Draft>,
    ranks: Vec<(u64, u32)>,
}

/// Calls `emit` with every draft, those of a smaller rider first; `compare` decides where riders are the same.
///
/// # Errors
/// Those of `emit`; the first ends it.
pub fn in_order(
    sorter: &mut Sorter,
    drafts: &[Draft],
    compare: impl Fn(&Draft, &Draft) -> Ordering,
    mut emit: impl FnMut(&Draft) -> Outcome<()>,
) -> Outcome<()> {
    let lens = Lens::of(drafts);
    let Sorter { keys, buckets, sorted, ranks } = sorter;
    keys.clear();
    keys.extend(in_turns(ROWS, drafts).map(|draft| lens.key(draft)));
    let splitters = splitters(keys);
    if splitters.is_empty() {
        return emit_sorted(drafts, keys, ranks, &compare, &mut emit);
    }
    let ends = scatter(drafts, keys, &splitters, buckets, sorted);
    let mut from = 0;
    for to in ends {
        let bucket = sorted.get(from..to).unwrap_or_default();
        keys.clear();
        keys.extend(bucket.iter().map(|draft| lens.key(draft)));
        emit_sorted(bucket, keys, ranks, &compare, &mut emit)?;
        give_way();
        from = to;
    }
    Ok(())
}

/// Sorts a bucket by its keys, and by `compare` where keys are equal.
fn emit_sorted(
    bucket: &[Draft],
    keys: &[u64],
    ranks: &mut Vec<(u64, u32)>,
    compare: &impl Fn(&Draft, &Draft) -> Ordering,
    emit: &mut impl FnMut(&Draft) -> Outcome<()>,
) -> Outcome<()> {
    let draft = |at: u32| bucket.get(usize::try_from(at).unwrap_or(usize::MAX)).unwrap_or(&Draft::EMPTY);
    ranks.clear();
    ranks.extend(keys.iter().copied().zip(0u32..));
    ranks.sort_unstable();
    for same in ranks.chunk_by_mut(|a, b| a.0 == b.0) {
        if same.len() > 1 {
            same.sort_unstable_by(|a, b| compare(draft(a.1), draft(b.1)));
        }
        for &(_, at) in same.iter() {
            emit(draft(at))?;
        }
    }
    Ok(())
}

/// Which bits of a rider identifier make its sorting key: the 64 behind those that all have in common.
struct Lens {
    common_bits: u32,
}

impl Lens {
    fn of(drafts: &[Draft]) -> Self {
        let Some(first) = drafts.first().map(halves) else { return Self { common_bits: 0 } };
        let (mut high, mut low) = (0, 0);
        for draft in drafts {
            let (a, b) = halves(draft);
            high |= a ^ first.0;
            low |= b ^ first.1;
        }
        let common_bits = if high == 0 { 128 + low.leading_zeros() } else { high.leading_zeros() };
        Self { common_bits }
    }

    /// Keys order as riders do; equal keys say nothing.
    #[inline]
    fn key(&self, draft: &Draft) -> u64 {
        let (high, low) = halves(draft);
        let bits = match self.common_bits {
            0 => high,
            common @ 1..128 => (high << common) | (low >> (128 - common)),
            common => low.checked_shl(common - 128).unwrap_or(0),
        };
        u64::try_from(bits >> 64).unwrap_or(u64::MAX)
    }
}

#[inline]
fn halves(draft: &Draft) -> (u128, u128) {
    const HALF: usize = RIDER_BYTES / 2;
    let high = draft.rider.first_chunk::<HALF>().copied().unwrap_or_default();
    let low = draft.rider.last_chunk::<HALF>().copied().unwrap_or_default();
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

/// Moves every draft into its bucket; the ends of the buckets in `sorted`.
fn scatter(
    drafts: &[Draft],
    keys: &[u64],
    splitters: &[u64],
    buckets: &mut Vec<u16>,
    sorted: &mut Vec<Draft>,
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
    if sorted.len() < drafts.len() {
        sorted.resize(drafts.len(), Draft::EMPTY);
    }
    for (draft, &bucket) in in_turns(ROWS, drafts.iter().zip(buckets.iter())) {
        if let Some(at) = next.get_mut(usize::from(bucket)) {
            if let Some(place) = sorted.get_mut(*at) {
                *place = *draft;
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
        let drafts: Vec<Draft> = riders
            .iter()
            .zip(0u32..)
            .map(|(rider, at)| {
                let start = UtcMillis::new(i64::from(at.wrapping_mul(2_654_435_761) % 64));
                Draft::of_extra(rider.as_bytes(), start, at, 0)
            })
            .collect();
        let place = |draft: &Draft| (riders[draft.at as usize].clone(), draft.accepted_at, draft.at);
        let mut expected: Vec<_> = drafts.iter().map(place).collect();
        expected.sort();
        let mut sorter = Sorter::default();
        // Twice: the memory of one commit serves the next.
        for _ in 0..2 {
            let mut emitted = Vec::new();
            in_order(
                &mut sorter,
                &drafts,
                |a, b| place(a).cmp(&place(b)),
                |draft| {
                    emitted.push(place(draft));
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
