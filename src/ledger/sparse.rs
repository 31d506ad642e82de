//! The sparse index of a run: what is kept in memory to find its blocks.

use super::codec::{Decoded, Reader, Writer};
use super::identity::IdentityHash;
use super::row::Class;
use crate::domain::time::UtcMillis;
use std::sync::Arc;

/// What is kept in memory of a run's blocks: the first place of each block, the first hash of each index chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    riders: Vec<u8>,
    /// End of the block's first rider in `riders`, and the block's first start.
    firsts: Vec<(u32, i64)>,
    chunk_firsts: Vec<u64>,
}

impl Sparse {
    /// Adds the first place of the next block.
    pub fn push_block(&mut self, rider_id: &str, accepted_at: UtcMillis) {
        self.riders.extend_from_slice(rider_id.as_bytes());
        self.firsts.push((u32::try_from(self.riders.len()).unwrap_or(u32::MAX), accepted_at.millis()));
    }

    /// Adds the first hash of the next index chunk.
    pub fn push_chunk(&mut self, first: IdentityHash) {
        self.chunk_firsts.push(first.get());
    }

    /// The first place of a block.
    pub(super) fn first(&self, block: usize) -> Option<(&[u8], i64)> {
        let from = match block.checked_sub(1) {
            Some(before) => self.firsts.get(before)?.0,
            None => 0,
        };
        let &(until, start) = self.firsts.get(block)?;
        let range = usize::try_from(from).ok()?..usize::try_from(until).ok()?;
        Some((self.riders.get(range)?, start))
    }

    /// The blocks that may hold the rider's rows with a start in `[from, to)`.
    pub(super) fn blocks_of(&self, rider_id: &str, from: UtcMillis, to: UtcMillis) -> std::ops::Range<usize> {
        let rider = rider_id.as_bytes();
        let before = |place: (&[u8], i64)| {
            partition(self.firsts.len(), |at| self.first(at).is_some_and(|first| first < place))
        };
        // The block before the first one that starts at or after `from` may hold `from` too.
        before((rider, from.millis())).saturating_sub(1)..before((rider, to.millis()))
    }

    /// The index chunks that may hold `hash`.
    pub(super) fn chunks_of(&self, hash: IdentityHash) -> std::ops::Range<usize> {
        let below = self.chunk_firsts.partition_point(|&first| first < hash.get());
        let until = self.chunk_firsts.partition_point(|&first| first <= hash.get());
        below.saturating_sub(1)..until
    }

    /// Blocks and index chunks that it names.
    pub(super) fn lengths(&self) -> (u32, u32) {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        (count(self.firsts.len()), count(self.chunk_firsts.len()))
    }

    /// The first hash of an index chunk.
    pub(super) fn chunk_first(&self, chunk: u32) -> Option<IdentityHash> {
        IdentityHash::new(*self.chunk_firsts.get(usize::try_from(chunk).ok()?)?)
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.riders.len() + self.firsts.len() * 16 + self.chunk_firsts.len() * 8
    }

    /// The stored form, with the run's classes before it.
    pub fn encode(&self, classes: &[Arc<Class>]) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_len(classes.len());
        classes.iter().for_each(|class| class.encode(&mut out));
        out.put_len(self.firsts.len());
        for block in 0..self.firsts.len() {
            let (rider, start) = self.first(block).unwrap_or_default();
            out.put_prefixed(rider);
            out.put_signed(start);
        }
        out.put_len(self.chunk_firsts.len());
        self.chunk_firsts.iter().for_each(|&first| out.put_varint(first));
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<(Self, Vec<Arc<Class>>)> {
        let mut reader = Reader::new(bytes);
        let mut classes = Vec::new();
        for _ in 0..reader.count(8, "classes")? {
            classes.push(Arc::new(Class::decode(&mut reader)?));
        }
        let mut sparse = Self::default();
        for _ in 0..reader.count(2, "blocks")? {
            let rider = reader.text("first rider")?;
            sparse.push_block(rider, UtcMillis::new(reader.signed("first start")?));
        }
        for _ in 0..reader.count(1, "chunks")? {
            sparse.chunk_firsts.push(reader.varint("first hash")?);
        }
        reader.end("sparse index")?;
        Ok((sparse, classes))
    }
}

fn partition(length: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
