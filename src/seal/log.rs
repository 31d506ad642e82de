//! The log of sealed days: entries that are only ever appended, with proofs, checkpoints and the files of C2SP tlog-tiles.
//!
//! A log has an entry for each sealed day and generation: some thousands in a decade, a few hundred bytes each. All of it is
//! in memory.

use super::checkpoint::Checkpoint;
use super::entry::{DayEntry, EntryError};
use super::hash::Hash;
use super::merkle::{self, Subtrees, TreeBuilder};
use super::tiles::{ENTRY_BYTES_MAX, TileId, TileKind, encode_bundle, encode_hashes};
use crate::domain::time::LocalDay;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why an entry or a log is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// An entry that is none.
    #[error("entry {index} of the log is damaged: {cause}; restore the log from a backup")]
    Damaged {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        cause: EntryError,
    },
    /// An entry that does not continue the generations of its day.
    #[error(
        "entry {index} of the log does not follow the earlier seal of its day: expected generation {generation}"
    )]
    Generation {
        /// Its index.
        index: u64,
        /// The generation that is next.
        generation: u64,
    },
    /// An entry that is too long for a bundle.
    #[error("entry {index} has {bytes} bytes, more than {ENTRY_BYTES_MAX}: register fewer platforms")]
    Long {
        /// Its index.
        index: u64,
        /// Its length.
        bytes: usize,
    },
}

/// A log.
#[derive(Clone, Debug, Default)]
pub struct SealLog {
    entries: Vec<(String, DayEntry)>,
    /// Roots of perfect subtrees, by level.
    levels: Vec<Vec<Hash>>,
    builder: TreeBuilder,
    newest: BTreeMap<LocalDay, u64>,
}

impl SealLog {
    /// A log without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The log of entries as they were logged.
    ///
    /// # Errors
    /// The first entry that cannot be in a log.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, LogError> {
        let mut log = Self::new();
        log.extend(texts)?;
        Ok(log)
    }

    /// Appends entries as they were logged.
    ///
    /// # Errors
    /// The first entry that cannot be in the log; those before it are.
    pub fn extend<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Result<(), LogError> {
        for text in texts {
            let entry =
                DayEntry::parse(text).map_err(|cause| LogError::Damaged { index: self.size(), cause })?;
            self.push(entry)?;
        }
        Ok(())
    }

    /// Appends an entry; gives its index.
    ///
    /// # Errors
    /// It does not continue the generations of its day, or is too long.
    pub fn push(&mut self, entry: DayEntry) -> Result<u64, LogError> {
        let index = self.size();
        let (generation, previous) = self.next_generation(entry.day);
        if (entry.generation, entry.previous) != (generation, previous) {
            return Err(LogError::Generation { index, generation });
        }
        let text = entry.to_string();
        if text.len() > ENTRY_BYTES_MAX {
            return Err(LogError::Long { index, bytes: text.len() });
        }
        let levels = &mut self.levels;
        self.builder.push(Hash::of_leaf(text.as_bytes()), |level, _, hash| {
            let level = usize::try_from(level).unwrap_or(usize::MAX);
            match levels.get_mut(level) {
                Some(hashes) => hashes.push(hash),
                None => levels.push(vec![hash]),
            }
        });
        self.newest.insert(entry.day, index);
        self.entries.push((text, entry));
        Ok(index)
    }

    /// The number of entries.
    pub const fn size(&self) -> u64 {
        self.builder.size()
    }

    /// The generation of the next seal of a day, and the entry of the one before.
    pub fn next_generation(&self, day: LocalDay) -> (u64, Option<u64>) {
        match self.newest(day) {
            None => (1, None),
            Some((index, entry)) => (entry.generation + 1, Some(index)),
        }
    }

    /// The newest seal of a day with its index.
    pub fn newest(&self, day: LocalDay) -> Option<(u64, &DayEntry)> {
        let index = *self.newest.get(&day)?;
        Some((index, self.entry(index)?))
    }

    /// The entry at an index.
    pub fn entry(&self, index: u64) -> Option<&DayEntry> {
        self.entries.get(usize::try_from(index).ok()?).map(|(_, entry)| entry)
    }

    /// The entry at an index as it was logged.
    pub fn text(&self, index: u64) -> Option<&str> {
        self.entries.get(usize::try_from(index).ok()?).map(|(text, _)| text.as_str())
    }

    /// The days that are sealed, ascending.
    pub fn days(&self) -> impl DoubleEndedIterator<Item = LocalDay> {
        self.newest.keys().copied()
    }

    /// The state of the log under its name.
    pub fn checkpoint(&self, origin: &str) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), size: self.size(), root: self.builder.root() }
    }

    /// The state that the log had with its first `size` entries; with all of them when it has fewer.
    pub fn checkpoint_at(&self, size: u64, origin: &str) -> Checkpoint {
        let size = size.min(self.size());
        let Ok(root) = merkle::root(size, self);
        Checkpoint { origin: origin.to_owned(), size, root }
    }

    /// The proof that the entry is in the log.
    pub fn prove_inclusion(&self, index: u64) -> Vec<Hash> {
        let Ok(path) = merkle::prove_inclusion(index, self.size(), self);
        path
    }

    /// The proof that the log continues what it was with `old` entries.
    pub fn prove_consistency(&self, old: u64) -> Vec<Hash> {
        let Ok(path) = merkle::prove_consistency(old, self.size(), self);
        path
    }

    /// The bytes of a file of the log; `None` for one that the log does not have (yet). A partial tile stays readable when the
    /// log has grown.
    pub fn file(&self, tile: TileId) -> Option<Vec<u8>> {
        let first = usize::try_from(tile.index.checked_mul(256)?).ok()?;
        let range = first..first.checked_add(usize::from(tile.width))?;
        match tile.kind {
            TileKind::Hashes { level } => {
                Some(encode_hashes(self.levels.get(usize::from(level) * 8)?.get(range)?))
            }
            TileKind::Entries => {
                encode_bundle(self.entries.get(range)?.iter().map(|(text, _)| text.as_bytes())).ok()
            }
        }
    }

    /// The index of a later seal of the same day than that at `index`.
    pub fn superseded_by(&self, index: u64) -> Option<u64> {
        let (newest, _) = self.newest(self.entry(index)?.day)?;
        (newest > index).then_some(newest)
    }
}

impl Subtrees for SealLog {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let hashes = usize::try_from(level).ok().and_then(|level| self.levels.get(level));
        let hash = usize::try_from(index).ok().and_then(|index| hashes?.get(index).copied());
        // Asked for subtrees of the log only; a wrong proof is refused where it is checked.
        Ok(hash.unwrap_or_else(Hash::of_empty_tree))
    }
}

#[cfg(test)]
mod tests;
