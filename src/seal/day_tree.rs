//! The tree over the riders of one day: leaves sorted by tag, so that two neighbours prove that no rider is between them.
//!
//! Stored, a day is 256 counts of four bytes, high byte first: how many tags begin with each byte; then the leaves in order, each
//! without the first byte of its tag. That is 39 bytes a rider, what a promise of two bytes an order leaves at 20 orders a day.

use super::hash::Hash;
use super::merkle::{Subtrees, TreeBuilder, prove_inclusion};
use super::secret::{TAG_BYTES, Tag};
use thiserror::Error;

/// The bytes of a leaf: tag and commitment.
pub const LEAF_BYTES: usize = TAG_BYTES + 32;
/// Leaves in one page of the stored form.
pub const PAGE_LEAVES: usize = 256;

/// Bytes of the counts in the stored form.
const COUNTS_BYTES: usize = 256 * 4;
/// Bytes of a leaf in the stored form.
const STORED_BYTES: usize = LEAF_BYTES - 1;

/// A rider's leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// Represents the rider.
    pub tag: Tag,
    /// Commits to the rider's day.
    pub commitment: Hash,
}

impl Leaf {
    /// The bytes that are hashed and stored.
    pub fn bytes(&self) -> Vec<u8> {
        [self.tag.0.as_slice(), &self.commitment.0].concat()
    }

    /// The leaf of its stored bytes and the first byte of its tag.
    fn of_stored(first: u8, bytes: &[u8; STORED_BYTES]) -> Option<Self> {
        let (rest, commitment) = bytes.split_first_chunk::<{ TAG_BYTES - 1 }>()?;
        let mut tag = [first; TAG_BYTES];
        tag.get_mut(1..)?.copy_from_slice(rest);
        Some(Self { tag: Tag(tag), commitment: Hash(commitment.try_into().ok()?) })
    }

    /// The Merkle hash.
    pub fn hash(&self) -> Hash {
        Hash::of_leaf(&self.bytes())
    }
}

/// Stored leaves do not have the number or the order of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the stored leaves of the day are damaged at leaf {0}: restore the ledger from a backup")]
pub struct DamagedLeaves(pub u64);

/// The leaves of one day in order, with what proofs need. Its memory is 40 bytes a rider.
#[derive(Clone, Debug)]
pub struct DayTree {
    leaves: Vec<Leaf>,
    /// Roots of the full pages of 256 leaves, so that a proof hashes one page.
    pages: Vec<Hash>,
    root: Hash,
}

impl DayTree {
    /// The tree of leaves in any order.
    pub fn new(mut leaves: Vec<Leaf>) -> Self {
        leaves.sort_unstable();
        Self::of_sorted(leaves)
    }

    fn of_sorted(leaves: Vec<Leaf>) -> Self {
        let (mut builder, mut pages) = (TreeBuilder::new(), Vec::new());
        for leaf in &leaves {
            builder.push(leaf.hash(), |level, _, hash| {
                if level == PAGE_LEAVES.ilog2() {
                    pages.push(hash);
                }
            });
        }
        Self { leaves, pages, root: builder.root() }
    }

    /// The tree of its stored form.
    ///
    /// # Errors
    /// The bytes are not counts and leaves in ascending order.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, DamagedLeaves> {
        let (counts, stored) = bytes.split_at_checked(COUNTS_BYTES).ok_or(DamagedLeaves(0))?;
        let counts = counts.as_chunks().0.iter().map(|count| u32::from_be_bytes(*count));
        let firsts = (0..=u8::MAX).zip(counts);
        let mut firsts =
            firsts.flat_map(|(first, count)| std::iter::repeat_n(first, usize::try_from(count).unwrap_or(0)));
        let (chunks, rest) = stored.as_chunks::<STORED_BYTES>();
        let mut leaves: Vec<Leaf> = Vec::with_capacity(chunks.len());
        for (place, chunk) in (0..).zip(chunks) {
            let leaf = firsts.next().and_then(|first| Leaf::of_stored(first, chunk));
            let leaf = leaf.filter(|leaf| leaves.last().is_none_or(|last| last < leaf));
            leaves.push(leaf.ok_or(DamagedLeaves(place))?);
        }
        if !rest.is_empty() || firsts.next().is_some() {
            return Err(DamagedLeaves(u64::try_from(leaves.len()).unwrap_or(u64::MAX)));
        }
        Ok(Self::of_sorted(leaves))
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut counts = [0_u32; 256];
        for leaf in &self.leaves {
            if let Some(count) = counts.get_mut(usize::from(leaf.tag.0[0])) {
                *count += 1;
            }
        }
        let mut bytes = Vec::with_capacity(COUNTS_BYTES + self.leaves.len() * STORED_BYTES);
        counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_be_bytes()));
        for leaf in &self.leaves {
            bytes.extend_from_slice(leaf.tag.0.get(1..).unwrap_or_default());
            bytes.extend_from_slice(&leaf.commitment.0);
        }
        bytes
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        u64::try_from(self.leaves.len()).unwrap_or(u64::MAX)
    }

    /// The root.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The leaves in order.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Proves that a tag is or is not there. Of leaves that share the tag, it is the one with this commitment, else the first.
    pub fn prove(&self, tag: Tag, commitment: Option<Hash>) -> Placement {
        let first = self.leaves.partition_point(|leaf| leaf.tag < tag);
        let at = |place: usize| self.placed(place);
        let same = self.leaves.iter().zip(0_usize..).skip(first).take_while(|(leaf, _)| leaf.tag == tag);
        let own = same.clone().find(|(leaf, _)| Some(leaf.commitment) == commitment);
        match own.or_else(|| same.clone().next()).and_then(|(_, place)| at(place)) {
            Some(placed) => Placement::Present(placed),
            None => Placement::Absent(first.checked_sub(1).and_then(at), at(first)),
        }
    }

    fn placed(&self, place: usize) -> Option<PlacedLeaf> {
        let (leaf, index) = (*self.leaves.get(place)?, u64::try_from(place).ok()?);
        let Ok(path) = prove_inclusion(index, self.size(), self);
        Some(PlacedLeaf { index, leaf, path })
    }
}

impl Subtrees for DayTree {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let page_level = PAGE_LEAVES.ilog2();
        let range = |index: u64, level: u32| {
            let first = usize::try_from(index << level).unwrap_or(usize::MAX);
            first..first.saturating_add(1 << level)
        };
        let mut builder = TreeBuilder::new();
        if level < page_level {
            let leaves = self.leaves.get(range(index, level)).unwrap_or_default();
            leaves.iter().for_each(|leaf| builder.push(leaf.hash(), |_, _, _| {}));
        } else {
            let pages = self.pages.get(range(index, level - page_level)).unwrap_or_default();
            pages.iter().for_each(|page| builder.push(*page, |_, _, _| {}));
        }
        Ok(builder.root())
    }
}

/// A leaf with its place in the tree and the proof of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedLeaf {
    /// Its place.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
    /// The inclusion proof.
    pub path: Vec<Hash>,
}

/// Where a tag is, or between which leaves it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The tag's own leaf.
    Present(PlacedLeaf),
    /// The leaf before and the leaf after; none at an end of the tree.
    Absent(Option<PlacedLeaf>, Option<PlacedLeaf>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::merkle::verify_inclusion;

    fn leaf(number: u64) -> Leaf {
        let hash = Hash::of(&[&number.to_be_bytes()]);
        Leaf { tag: Tag(*hash.0.first_chunk().unwrap()), commitment: Hash::of_leaf(&hash.0) }
    }

    #[test]
    fn every_tag_is_proved_present_or_absent() {
        for size in [0, 1, 2, 3, 255, 256, 257, 700] {
            let tree = DayTree::new((0..size).map(leaf).collect());
            assert_eq!(DayTree::of_bytes(&tree.to_bytes()).unwrap().leaves(), tree.leaves());
            assert!(tree.leaves().is_sorted());
            let is_proved = |placed: &PlacedLeaf| {
                verify_inclusion(placed.leaf.hash(), placed.index, size, &placed.path, tree.root())
            };
            for number in (0..size).step_by(7) {
                let Placement::Present(placed) = tree.prove(leaf(number).tag, None) else {
                    panic!("{number}")
                };
                assert!(placed.leaf == leaf(number) && is_proved(&placed), "{number} of {size}");
            }
            let ends = [Tag([0; TAG_BYTES]), Tag([0xff; TAG_BYTES])];
            for tag in (size..size + 40).map(|number| leaf(number).tag).chain(ends) {
                let Placement::Absent(left, right) = tree.prove(tag, None) else { panic!("{tag}") };
                assert!(left.iter().all(|placed| placed.leaf.tag < tag && is_proved(placed)));
                assert!(right.iter().all(|placed| placed.leaf.tag > tag && is_proved(placed)));
                let after_left = left.as_ref().map_or(0, |placed| placed.index + 1);
                assert_eq!(right.as_ref().map_or(size, |placed| placed.index), after_left);
            }
        }
    }

    #[test]
    fn riders_who_share_a_tag_have_their_own_leaves() {
        let shared = |number| Leaf { tag: leaf(3).tag, ..leaf(number) };
        let tree = DayTree::new(vec![leaf(1), shared(9), shared(3), leaf(2), shared(7)]);
        assert_eq!(DayTree::of_bytes(&tree.to_bytes()).unwrap().leaves(), tree.leaves());
        for own in [shared(3), shared(7), shared(9)] {
            let Placement::Present(placed) = tree.prove(own.tag, Some(own.commitment)) else { panic!() };
            assert_eq!(placed.leaf, own);
            assert!(verify_inclusion(own.hash(), placed.index, 5, &placed.path, tree.root()));
        }
        let Placement::Present(_) = tree.prove(leaf(3).tag, None) else { panic!() };
    }

    #[test]
    fn damaged_leaves_are_refused() {
        let tree = DayTree::new((0..3).map(leaf).collect());
        let bytes = tree.to_bytes();
        assert_eq!(bytes.len(), 1_024 + 3 * 39);
        assert_eq!(DayTree::of_bytes(&bytes[..1_000]).unwrap_err(), DamagedLeaves(0));
        assert_eq!(DayTree::of_bytes(&bytes[..1_100]).unwrap_err(), DamagedLeaves(1));
        let longer = [bytes.as_slice(), &[0; 39]].concat();
        assert_eq!(DayTree::of_bytes(&longer).unwrap_err(), DamagedLeaves(3));
        // The same first byte for all: in this order they do not ascend.
        let mut swapped = bytes;
        swapped[..1_024].fill(0);
        swapped[3] = 3;
        let descending: Vec<u8> = [3_u8, 2, 1].iter().flat_map(|first| [*first; 39]).collect();
        swapped[1_024..].copy_from_slice(&descending);
        assert_eq!(DayTree::of_bytes(&swapped).unwrap_err(), DamagedLeaves(1));
        swapped[3] = 4;
        assert!(DayTree::of_bytes(&swapped).is_err());
    }
}
