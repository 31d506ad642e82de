//! The tree over the riders of one day: leaves sorted by tag, so that two neighbours prove that no rider is between them.

use super::hash::Hash;
use super::merkle::{Subtrees, TreeBuilder, prove_inclusion};
use super::secret::{TAG_BYTES, Tag};
use thiserror::Error;

/// The bytes of a leaf: tag and commitment.
pub const LEAF_BYTES: usize = TAG_BYTES + 32;
/// Leaves in one page of the stored form.
pub const PAGE_LEAVES: usize = 256;

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

    /// The leaf of its bytes.
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, commitment) = bytes.split_first_chunk::<TAG_BYTES>()?;
        Some(Self { tag: Tag(*tag), commitment: Hash(commitment.try_into().ok()?) })
    }

    /// The Merkle hash.
    pub fn hash(&self) -> Hash {
        Hash::of_leaf(&self.bytes())
    }
}

/// Why a day cannot be sealed or its tree not be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DayTreeError {
    /// Two riders with one tag: 2^64 riders a day make it likely.
    #[error("two riders have the tag {0}: seal the day with another sealing secret")]
    SameTag(Tag),
    /// Stored pages do not have the number of leaves or the order of the day.
    #[error(
        "the stored leaves of the day are damaged at leaf {0}: restore the ledger from a backup, or seal the day again"
    )]
    Damaged(u64),
}

/// The leaves of one day in order, with what proofs need. Its memory is 48 bytes a rider.
#[derive(Clone, Debug)]
pub struct DayTree {
    leaves: Vec<Leaf>,
    /// Roots of the full pages of 256 leaves, so that a proof hashes one page.
    pages: Vec<Hash>,
    root: Hash,
}

impl DayTree {
    /// The tree of leaves in any order.
    ///
    /// # Errors
    /// Two leaves have the same tag.
    pub fn new(mut leaves: Vec<Leaf>) -> Result<Self, DayTreeError> {
        leaves.sort_unstable();
        for pair in leaves.windows(2) {
            if let [one, other] = pair
                && one.tag == other.tag
            {
                return Err(DayTreeError::SameTag(one.tag));
            }
        }
        Ok(Self::of_sorted(leaves))
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
    /// The bytes are not leaves in ascending order of their tags.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, DayTreeError> {
        let (chunks, rest) = bytes.as_chunks::<LEAF_BYTES>();
        let mut leaves: Vec<Leaf> = Vec::with_capacity(chunks.len());
        for (place, chunk) in (0..).zip(chunks) {
            let leaf =
                Leaf::of_bytes(chunk).filter(|leaf| leaves.last().is_none_or(|last| last.tag < leaf.tag));
            leaves.push(leaf.ok_or(DayTreeError::Damaged(place))?);
        }
        if !rest.is_empty() {
            return Err(DayTreeError::Damaged(u64::try_from(leaves.len()).unwrap_or(u64::MAX)));
        }
        Ok(Self::of_sorted(leaves))
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.leaves.iter().flat_map(Leaf::bytes).collect()
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

    /// Proves that a tag is or is not there.
    pub fn prove(&self, tag: Tag) -> Placement {
        let (Ok(place) | Err(place)) = self.leaves.binary_search_by_key(&tag, |leaf| leaf.tag);
        let at = |place: usize| self.placed(place);
        match self.leaves.get(place) {
            Some(leaf) if leaf.tag == tag => {
                at(place).map_or(Placement::Absent(None, None), Placement::Present)
            }
            _ => Placement::Absent(place.checked_sub(1).and_then(at), at(place)),
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
            let tree = DayTree::new((0..size).map(leaf).collect()).unwrap();
            assert_eq!(DayTree::of_bytes(&tree.to_bytes()).unwrap().root(), tree.root());
            assert!(tree.leaves().is_sorted());
            let is_proved = |placed: &PlacedLeaf| {
                verify_inclusion(placed.leaf.hash(), placed.index, size, &placed.path, tree.root())
            };
            for number in (0..size).step_by(7) {
                let Placement::Present(placed) = tree.prove(leaf(number).tag) else { panic!("{number}") };
                assert!(placed.leaf == leaf(number) && is_proved(&placed), "{number} of {size}");
            }
            let ends = [Tag([0; TAG_BYTES]), Tag([0xff; TAG_BYTES])];
            for tag in (size..size + 40).map(|number| leaf(number).tag).chain(ends) {
                let Placement::Absent(left, right) = tree.prove(tag) else { panic!("{tag}") };
                assert!(left.iter().all(|placed| placed.leaf.tag < tag && is_proved(placed)));
                assert!(right.iter().all(|placed| placed.leaf.tag > tag && is_proved(placed)));
                let after_left = left.as_ref().map_or(0, |placed| placed.index + 1);
                assert_eq!(right.as_ref().map_or(size, |placed| placed.index), after_left);
            }
        }
    }

    #[test]
    fn damaged_leaves_and_equal_tags_are_refused() {
        assert_eq!(
            DayTree::new(vec![leaf(1), leaf(2), leaf(1)]).unwrap_err(),
            DayTreeError::SameTag(leaf(1).tag)
        );
        let tree = DayTree::new((0..3).map(leaf).collect()).unwrap();
        let bytes = tree.to_bytes();
        assert_eq!(DayTree::of_bytes(&bytes[..100]).unwrap_err(), DayTreeError::Damaged(2));
        let swapped = [&bytes[48..96], &bytes[..48], &bytes[96..]].concat();
        assert_eq!(DayTree::of_bytes(&swapped).unwrap_err(), DayTreeError::Damaged(1));
        let empty = DayTree::new(Vec::new()).unwrap();
        assert_eq!((empty.size(), empty.root()), (0, Hash::of_empty_tree()));
    }
}
