//! The way to the blocks and chunks of a run: the top of its sparse index in memory, the parts as they are asked for.
//!
//! ```text
//! stored under (run, number): the head (dictionary and top) | parts of first places | parts of first hashes
//! ```

#[cfg(test)]
mod tests;

use crate::domain::time::UtcMillis;
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::codec::{CodecError, Decoded, Packing, frame};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::run::RunEntry;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::DictionaryEntry;
use crate::ledger::run::sparse::{HashesPart, PART_BLOCKS, PART_CHUNKS, PlacesPart, Sparse};
use crate::storage::{RunToken, Session, Upload};
use std::ops::Range;
use std::sync::Arc;

/// A run with at most so many blocks and chunks has no parts: all of its index is in its head.
const WITHOUT_PARTS: u32 = 64;

/// Counts of blocks and chunks, and of the parts that say where they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    blocks: usize,
    chunks: usize,
    places_parts: u32,
    hashes_parts: u32,
}

impl Shape {
    fn of(blocks: u32, chunks: u32) -> Self {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let parts = |n: usize, each: usize| u32::try_from(n.div_ceil(each)).unwrap_or(u32::MAX);
        let (blocks_n, chunks_n) = (count(blocks), count(chunks));
        let (places_parts, hashes_parts) = if blocks.max(chunks) <= WITHOUT_PARTS {
            (0, 0)
        } else {
            (parts(blocks_n, PART_BLOCKS), parts(chunks_n, PART_CHUNKS))
        };
        Self { blocks: blocks_n, chunks: chunks_n, places_parts, hashes_parts }
    }

    const fn parts(&self) -> u32 {
        self.places_parts.saturating_add(self.hashes_parts)
    }

    /// Entries of the top.
    fn top(&self) -> (u32, u32) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        if self.parts() == 0 {
            (count(self.blocks), count(self.chunks))
        } else {
            (self.places_parts, self.hashes_parts)
        }
    }

    /// Checks the form of a part.
    fn check(&self, part: u32, bytes: &[u8]) -> Decoded<()> {
        match part.checked_sub(self.places_parts) {
            None => PlacesPart::of(bytes, left(self.blocks, part, PART_BLOCKS))?.check(),
            Some(part) => HashesPart::of(bytes, left(self.chunks, part, PART_CHUNKS)).map(|_| ()),
        }
    }
}

/// Entries of a part: all but the last are full.
fn left(all: usize, part: u32, each: usize) -> usize {
    let before = usize::try_from(part).unwrap_or(usize::MAX).saturating_mul(each);
    all.saturating_sub(before).min(each)
}

/// The sparse index of an open run.
#[derive(Clone, Debug)]
pub struct RunIndex {
    run: u64,
    token: RunToken,
    shape: Shape,
    /// Numbers of the head; the parts come after them.
    head_parts: u32,
    top: Sparse,
}

impl RunIndex {
    /// Puts the index of a run that is written; also how many values that took, and their bytes.
    pub fn put(
        store: &Upload,
        run: u64,
        sparse: Sparse,
        dictionary: &[Arc<DictionaryEntry>],
    ) -> LedgerResult<(Self, u32, u64)> {
        let (blocks, chunks) = sparse.lengths();
        let shape = Shape::of(blocks, chunks);
        let (top, stored) = if shape.parts() == 0 {
            (sparse, Vec::new())
        } else {
            let (top, mut places, hashes) = sparse.split();
            places.extend(hashes);
            (top, places)
        };
        let head = top.encode(dictionary);
        let mut bytes = u64::try_from(head.len()).unwrap_or(0);
        let head_parts = chunked::put(store, keys::SPARSE, run, &head)?;
        let token = store.session().parts().token();
        let mut next = head_parts;
        for (part, nth) in stored.into_iter().zip(0..) {
            let key = in_run(keys::SPARSE, run, next);
            // As it is: a question looks into it where it lies.
            store.put(&key, frame(&key, &part, Packing::Raw))?;
            bytes += u64::try_from(part.len()).unwrap_or(0);
            next += 1;
            // What is new is asked for first.
            store.session().parts().put(token, nth, part.into());
        }
        Ok((Self { run, token, shape, head_parts, top }, next, bytes))
    }

    /// Opens the index of a run of the manifest: reads its head.
    pub fn open(
        store: &Session,
        run: u64,
        entry: &RunEntry,
    ) -> LedgerResult<(Self, Vec<Arc<DictionaryEntry>>)> {
        let damaged = || LedgerError::damaged(format!("the sparse index of run {run}"));
        let shape = Shape::of(entry.blocks, entry.chunks);
        let head_parts = entry.sparse_parts.checked_sub(shape.parts());
        let head_parts = head_parts.ok_or(CodecError::Invalid("sparse parts")).map_err(damaged())?;
        let body = chunked::get(store, keys::SPARSE, run, head_parts)?;
        let (top, dictionary) = Sparse::decode(&body).map_err(damaged())?;
        if top.lengths() != shape.top() {
            return Err(damaged()(CodecError::Invalid("the number of blocks, chunks or parts")));
        }
        Ok((Self { run, token: store.parts().token(), shape, head_parts, top }, dictionary))
    }

    /// Bytes that are always in memory.
    pub fn bytes(&self) -> usize {
        self.top.bytes()
    }

    /// Looks into it.
    pub const fn look<'a>(&'a self, store: &'a Session) -> Look<'a> {
        Look { index: self, store, held: None }
    }

    /// Whether the head in memory is the stored one, and each part begins as it says.
    pub fn is_stored(&self, store: &Session, dictionary: &[Arc<DictionaryEntry>]) -> LedgerResult<bool> {
        let head = chunked::get(store, keys::SPARSE, self.run, self.head_parts)?;
        let mut same = head == self.top.encode(dictionary);
        let mut look = self.look(store);
        for part in 0..usize::try_from(self.shape.places_parts).unwrap_or(0) {
            same &= look.place(part * PART_BLOCKS, |first| first == self.top.first(part))?;
        }
        for part in 0..usize::try_from(self.shape.hashes_parts).unwrap_or(0) {
            same &= look.chunk_first(part * PART_CHUNKS)? == self.top.chunk_first(part);
        }
        Ok(same)
    }

    fn read_part(&self, store: &Session, part: u32) -> LedgerResult<Arc<[u8]>> {
        let key = in_run(keys::SPARSE, self.run, self.head_parts.saturating_add(part));
        let bytes = chunked::get_one(store, &key)?;
        self.shape.check(part, &bytes).map_err(self.damaged())?;
        Ok(bytes.into())
    }

    fn damaged(&self) -> impl FnOnce(CodecError) -> LedgerError + use<> {
        LedgerError::damaged(format!("the sparse index of run {}", self.run))
    }
}

/// A look into the index of a run. It holds the part that it looked into last, so that what comes in order reads each once,
/// whatever memory there is.
#[derive(Debug)]
pub struct Look<'a> {
    index: &'a RunIndex,
    store: &'a Session,
    held: Option<(u32, Arc<[u8]>)>,
}

impl Look<'_> {
    /// Calls `look` with a part's bytes.
    fn part<T>(&mut self, part: u32, look: impl FnOnce(&[u8]) -> Decoded<T>) -> LedgerResult<T> {
        let index = self.index;
        let bytes = match self.held.take() {
            Some((held, bytes)) if held == part => bytes,
            _ => self.store.parts().get(index.token, part, || index.read_part(self.store, part))?,
        };
        let looked = look(&bytes).map_err(index.damaged());
        self.held = Some((part, bytes));
        looked
    }

    /// How many blocks begin before a place.
    fn blocks_before(&mut self, place: (&[u8], i64)) -> LedgerResult<usize> {
        let (top, shape) = (&self.index.top, self.index.shape);
        let below = top.places_before(place);
        if shape.parts() == 0 || below == 0 {
            return Ok(below);
        }
        // Of the parts that begin before it, all but the last lie before it whole.
        let number = u32::try_from(below - 1).unwrap_or(u32::MAX);
        let count = left(shape.blocks, number, PART_BLOCKS);
        let inside = self.part(number, |bytes| Ok(PlacesPart::of(bytes, count)?.before(place)))?;
        Ok((below - 1) * PART_BLOCKS + inside)
    }

    /// How many chunks begin below a hash, or with it if `or_same`.
    fn chunks_below(&mut self, hash: IdentityHash, or_same: bool) -> LedgerResult<usize> {
        let (top, shape) = (&self.index.top, self.index.shape);
        let below = top.hashes_below(hash, or_same);
        if shape.parts() == 0 || below == 0 {
            return Ok(below);
        }
        let number = u32::try_from(below - 1).unwrap_or(u32::MAX);
        let count = left(shape.chunks, number, PART_CHUNKS);
        let part = shape.places_parts.saturating_add(number);
        let inside = self.part(part, |bytes| Ok(HashesPart::of(bytes, count)?.below(hash, or_same)))?;
        Ok((below - 1) * PART_CHUNKS + inside)
    }

    /// The blocks that may contain the rider's rows with a start in `[from, to)`.
    pub fn blocks_of(
        &mut self,
        rider_id: &str,
        (from, to): (UtcMillis, UtcMillis),
    ) -> LedgerResult<Range<usize>> {
        let rider = rider_id.as_bytes();
        // The block before the first one that starts at or after `from` may contain `from` too.
        let first = self.blocks_before((rider, from.millis()))?.saturating_sub(1);
        Ok(first..self.blocks_before((rider, to.millis()))?)
    }

    /// The index chunks that may contain `hash`.
    pub fn chunks_of(&mut self, hash: IdentityHash) -> LedgerResult<Range<usize>> {
        let first = self.chunks_below(hash, false)?.saturating_sub(1);
        Ok(first..self.chunks_below(hash, true)?)
    }

    /// Calls `see` with the first place of a block.
    fn place<T>(&mut self, block: usize, see: impl FnOnce(Option<(&[u8], i64)>) -> T) -> LedgerResult<T> {
        let shape = self.index.shape;
        if shape.parts() == 0 {
            return Ok(see(self.index.top.first(block)));
        }
        if block >= shape.blocks {
            return Ok(see(None));
        }
        let number = u32::try_from(block / PART_BLOCKS).unwrap_or(u32::MAX);
        let count = left(shape.blocks, number, PART_BLOCKS);
        self.part(number, |bytes| Ok(see(PlacesPart::of(bytes, count)?.first(block % PART_BLOCKS))))
    }

    /// Whether a block begins at a place.
    pub fn begins_at(&mut self, block: usize, rider_id: &str, start: UtcMillis) -> LedgerResult<bool> {
        self.place(block, |first| first == Some((rider_id.as_bytes(), start.millis())))
    }

    /// The first hash of an index chunk; `None` after the last one.
    pub fn chunk_first(&mut self, chunk: usize) -> LedgerResult<Option<IdentityHash>> {
        let shape = self.index.shape;
        if shape.parts() == 0 || chunk >= shape.chunks {
            return Ok(self.index.top.chunk_first(chunk).filter(|_| shape.parts() == 0));
        }
        let number = u32::try_from(chunk / PART_CHUNKS).unwrap_or(u32::MAX);
        let count = left(shape.chunks, number, PART_CHUNKS);
        let part = shape.places_parts.saturating_add(number);
        self.part(part, |bytes| Ok(HashesPart::of(bytes, count)?.first(chunk % PART_CHUNKS)))
    }
}
