//! Sorting by identity hash: hashes are spread evenly, so digits of the hash sort faster than comparisons.
//!
//! Of 200,000 items this takes 0.74 of the time of `sort_unstable` where a batch is decided and 0.31 where an index is written,
//! some 6 % of a commit (docs/decisions/0020-measured-by-hand-code.md, `cargo bench --bench by_hand`).

use crate::ledger::run::identity::{IdentityHash, PackedEntry};
use crate::ledger::yield_points::{ROWS, in_turns};

/// Bits of a digit: the counters of one pass stay in the nearest cache.
const DIGIT_BITS: u32 = 10;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Fewer items than this are sorted by comparison.
const FEW: usize = 4_096;

/// What has an identity hash.
pub trait Hashed: Copy {
    /// The hash.
    fn hash(&self) -> IdentityHash;
}

impl<T: Copy> Hashed for (IdentityHash, T) {
    #[inline]
    fn hash(&self) -> IdentityHash {
        self.0
    }
}

impl Hashed for PackedEntry {
    #[inline]
    fn hash(&self) -> IdentityHash {
        self.entry().0
    }
}

/// Sorts by hash; items of equal hashes keep their order.
pub fn sort_by_hash<T: Hashed>(items: &mut Vec<T>) {
    if items.len() < FEW {
        items.sort_by_key(Hashed::hash);
        return;
    }
    let mut other = items.clone();
    for pass in 0..IdentityHash::BITS.div_ceil(DIGIT_BITS) {
        scatter(items, &mut other, pass * DIGIT_BITS);
        std::mem::swap(items, &mut other);
    }
}

/// Moves every item to the place that one digit of its hash gives it.
fn scatter<T: Hashed>(from: &[T], to: &mut [T], shift: u32) {
    let mut next = [0_usize; DIGITS];
    for item in in_turns(ROWS, from) {
        if let Some(count) = next.get_mut(digit(item.hash(), shift)) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for count in &mut next {
        sum += std::mem::replace(count, sum);
    }
    for item in in_turns(ROWS, from) {
        if let Some(at) = next.get_mut(digit(item.hash(), shift)) {
            if let Some(place) = to.get_mut(*at) {
                *place = *item;
            }
            *at += 1;
        }
    }
}

#[inline]
fn digit(hash: IdentityHash, shift: u32) -> usize {
    usize::try_from(hash.get() >> shift).unwrap_or(0) % DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Phase;

    #[test]
    fn it_sorts_and_keeps_the_order_of_equal_hashes() {
        for count in [0_u32, 1, 100, 4_096, 50_000] {
            let hash = |n: u32| IdentityHash::of("p", &(n % (count / 3 + 1)).to_string(), 0, Phase::Ended);
            let mut items: Vec<(IdentityHash, u32)> = (0..count).map(|n| (hash(n), n)).collect();
            let mut packed: Vec<PackedEntry> = items.iter().map(|&entry| PackedEntry::from(entry)).collect();
            let mut expected = items.clone();
            expected.sort();
            sort_by_hash(&mut items);
            assert_eq!(items, expected);
            sort_by_hash(&mut packed);
            assert_eq!(packed.iter().map(PackedEntry::entry).collect::<Vec<_>>(), expected);
        }
    }
}
