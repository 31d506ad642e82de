//! The root: the small entries that say which values count. It changes as a whole, one numbered version after the other.

/// A version of the root, as the storage knows it: a link of one chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Its number; 0 is that of a storage that has no root yet. Each version is one more than the one that it replaces.
    pub number: u64,
    /// A hash that its writer gives it, by which two versions of one number differ.
    pub hash: [u8; 32],
}

impl Version {
    /// That of a storage without a root.
    pub const NONE: Self = Self { number: 0, hash: [0; 32] };

    /// Whether it may replace `before`: the next link, or the first link of a new chain.
    pub(super) const fn follows(&self, before: &Self) -> bool {
        self.number > 0 && (before.number == 0 || self.number == before.number.wrapping_add(1))
    }
}

/// One change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set an entry.
    Put(Vec<u8>, Vec<u8>),
    /// Set an entry that is neither set again nor removed afterwards, mostly with a key after all that were appended before: an engine
    /// may keep it where reading takes longer.
    Append(Vec<u8>, Vec<u8>),
    /// Remove an entry.
    Delete(Vec<u8>),
}
