//! The Merkle tree of RFC 6962 and RFC 9162: roots of leaves that arrive one after the other, proofs, and their checks.

use super::hash::Hash;

/// Trees are smaller than this, so that no sum of indexes overflows.
pub const LEAVES_MAX: u64 = 1 << 48;

/// The roots of perfect subtrees, from which every proof is computed.
pub trait Subtrees {
    /// A failure to read.
    type Error;

    /// The root of the leaves `index << level .. (index + 1) << level`, all of which are in the tree.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Computes the root of leaves that arrive one after the other. Its memory is one hash a level.
#[derive(Clone, Debug, Default)]
pub struct TreeBuilder {
    size: u64,
    /// The perfect subtrees of which the leaves so far consist, largest first.
    stack: Vec<Hash>,
}

impl TreeBuilder {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a tree of `size` leaves.
    ///
    /// # Errors
    /// A failure to read `subtrees`.
    pub fn resume<S: Subtrees>(size: u64, subtrees: &S) -> Result<Self, S::Error> {
        let mut stack = Vec::new();
        for (level, index) in perfect_subtrees(0, size) {
            stack.push(subtrees.subtree(level, index)?);
        }
        Ok(Self { size, stack })
    }

    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash. `completed` receives each perfect subtree that the leaf completes, as level, index and
    /// root, beginning with the leaf itself.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, Hash)) {
        let mut hash = leaf;
        completed(0, self.size, hash);
        let levels = self.size.trailing_ones();
        for level in 0..levels {
            let Some(left) = self.stack.pop() else { break };
            hash = Hash::of_node(left, hash);
            completed(level + 1, self.size >> (level + 1), hash);
        }
        self.stack.push(hash);
        self.size += 1;
    }

    /// The root of the leaves so far.
    pub fn root(&self) -> Hash {
        joined(self.stack.iter().copied())
    }
}

/// The root above perfect subtrees, largest first.
fn joined(subtrees: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    subtrees.rev().reduce(|right, left| Hash::of_node(left, right)).unwrap_or_else(Hash::of_empty_tree)
}

/// The perfect subtrees, as level and index, of which the leaves `start..end` consist. `start` is the first leaf of a subtree
/// that is at least as large.
fn perfect_subtrees(start: u64, end: u64) -> Vec<(u32, u64)> {
    let (mut found, mut from) = (Vec::new(), start);
    while from < end {
        let level = (end - from).ilog2();
        found.push((level, from >> level));
        from += 1 << level;
    }
    found
}

fn root_of_range<S: Subtrees>(start: u64, end: u64, subtrees: &S) -> Result<Hash, S::Error> {
    let mut hashes = Vec::new();
    for (level, index) in perfect_subtrees(start, end) {
        hashes.push(subtrees.subtree(level, index)?);
    }
    Ok(joined(hashes.into_iter()))
}

/// The root of a tree of `size` leaves.
///
/// # Errors
/// A failure to read `subtrees`.
pub fn root<S: Subtrees>(size: u64, subtrees: &S) -> Result<Hash, S::Error> {
    root_of_range(0, size, subtrees)
}

/// Where a tree of more than one leaf splits: the largest power of two below its size.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The proof that leaf `index` is in the tree of `size` leaves: the hashes beside its way to the root, nearest first.
/// Empty for an index outside the tree.
///
/// # Errors
/// A failure to read `subtrees`.
pub fn prove_inclusion<S: Subtrees>(index: u64, size: u64, subtrees: &S) -> Result<Vec<Hash>, S::Error> {
    let (mut path, mut start, mut end) = (Vec::new(), 0, size);
    while end - start > 1 && index < size {
        let middle = start + split(end - start);
        if index < middle {
            path.push(root_of_range(middle, end, subtrees)?);
            end = middle;
        } else {
            path.push(root_of_range(start, middle, subtrees)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` leaves continues that of `old`. Empty when `old` is 0 or not below `new`.
///
/// # Errors
/// A failure to read `subtrees`.
pub fn prove_consistency<S: Subtrees>(old: u64, new: u64, subtrees: &S) -> Result<Vec<Hash>, S::Error> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(root_of_range(middle, end, subtrees)?);
            end = middle;
        } else {
            path.push(root_of_range(start, middle, subtrees)?);
            start = middle;
        }
    }
    if start > 0 {
        path.push(root_of_range(start, end, subtrees)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` proves that `leaf` is at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash], root: Hash) -> bool {
    if index >= size || size > LEAVES_MAX {
        return false;
    }
    let (mut position, mut last, mut hash) = (index, size - 1, leaf);
    for &beside in path {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            hash = Hash::of_node(beside, hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::of_node(hash, beside);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Whether `path` proves that the tree of `new` leaves continues that of `old` (RFC 9162, 2.1.4.2). Every tree continues the
/// empty one.
#[must_use]
pub fn verify_consistency(old: (u64, Hash), new: (u64, Hash), path: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if new_size > LEAVES_MAX || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return path.is_empty() && old_root == Hash::of_empty_tree();
    }
    let mut path = path.iter().copied();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let shift = (old_size - 1).trailing_ones();
    let (mut position, mut last) = ((old_size - 1) >> shift, (new_size - 1) >> shift);
    let (mut of_old, mut of_new) = (first, first);
    for beside in path {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            of_old = Hash::of_node(beside, of_old);
            of_new = Hash::of_node(beside, of_new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            of_new = Hash::of_node(of_new, beside);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == old_root && of_new == new_root
}

#[cfg(test)]
mod tests;
