//! The sparse index of a run, which leads to its blocks: the first place of each block, the first hash of each chunk of
//! the identity index.
//!
//! That of a large run is stored in parts that are read when they are needed; what is always in memory is a [`Sparse`] of
//! the first entry of each part. That of a small run is a [`Sparse`] as it is.

use crate::domain::time::UtcMillis;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::run::charges::{ChargeTable, decode_charges};
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::DictionaryEntry;
use std::sync::Arc;

/// Blocks of a part: some 24 KiB.
pub const PART_BLOCKS: usize = 1_024;
/// Chunks of a part: 10 KiB.
pub const PART_CHUNKS: usize = 2_048;

/// First places and first hashes, ascending: of blocks and chunks, or of the parts that contain them.
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
        self.push_place(rider_id.as_bytes(), accepted_at.millis());
    }

    fn push_place(&mut self, rider: &[u8], start: i64) {
        self.riders.extend_from_slice(rider);
        self.firsts.push((u32::try_from(self.riders.len()).unwrap_or(u32::MAX), start));
    }

    /// Adds the first hash of the next index chunk.
    pub fn push_chunk(&mut self, first: IdentityHash) {
        self.chunk_firsts.push(first.get());
    }

    /// The first place of a block.
    pub(crate) fn first(&self, block: usize) -> Option<(&[u8], i64)> {
        let from = match block.checked_sub(1) {
            Some(before) => self.firsts.get(before)?.0,
            None => 0,
        };
        let &(until, start) = self.firsts.get(block)?;
        let range = usize::try_from(from).ok()?..usize::try_from(until).ok()?;
        Some((self.riders.get(range)?, start))
    }

    /// How many of the first places lie before a place.
    pub(crate) fn places_before(&self, place: (&[u8], i64)) -> usize {
        partition(self.firsts.len(), |at| self.first(at).is_some_and(|first| first < place))
    }

    /// How many of the first hashes are below a hash, or `or_same`.
    pub(crate) fn hashes_below(&self, hash: IdentityHash, or_same: bool) -> usize {
        self.chunk_firsts.partition_point(|&first| is_below(first, hash, or_same))
    }

    /// How many places and hashes there are.
    pub(crate) fn lengths(&self) -> (u32, u32) {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        (count(self.firsts.len()), count(self.chunk_firsts.len()))
    }

    /// The first hash of an index chunk.
    pub(crate) fn chunk_first(&self, chunk: usize) -> Option<IdentityHash> {
        IdentityHash::new(*self.chunk_firsts.get(chunk)?)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.riders.len() + self.firsts.len() * 16 + self.chunk_firsts.len() * 8
    }

    /// The parts of places and the parts of hashes, as they are stored, under the first entry of each.
    pub(crate) fn split(&self) -> (Self, Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut top, mut places, mut hashes) = (Self::default(), Vec::new(), Vec::new());
        for from in (0..self.firsts.len()).step_by(PART_BLOCKS) {
            if let Some((rider, start)) = self.first(from) {
                top.push_place(rider, start);
            }
            let until = (from + PART_BLOCKS).min(self.firsts.len());
            places.push(encode_places((from..until).filter_map(|block| self.first(block))));
        }
        for part in self.chunk_firsts.chunks(PART_CHUNKS) {
            top.chunk_firsts.extend(part.first());
            let mut bytes = Vec::with_capacity(part.len() * HASH_BYTES);
            for first in part {
                let [_, _, _, low @ ..] = first.to_be_bytes();
                bytes.extend_from_slice(&low);
            }
            hashes.push(bytes);
        }
        (top, places, hashes)
    }

    /// The stored form, with the run's charges and dictionary before it.
    pub fn encode(&self, dictionary: &[Arc<DictionaryEntry>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut charges = ChargeTable::default();
        let numbers: Vec<u32> = dictionary.iter().map(|entry| charges.number(entry.charge)).collect();
        charges.encode(&mut out);
        out.put_len(dictionary.len());
        dictionary.iter().zip(numbers).for_each(|(entry, charge)| entry.encode(charge, &mut out));
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
    pub fn decode(bytes: &[u8]) -> Decoded<(Self, Vec<Arc<DictionaryEntry>>)> {
        let mut reader = Reader::new(bytes);
        let charges = decode_charges(&mut reader)?;
        let mut dictionary = Vec::new();
        for _ in 0..reader.count(8, "dictionary entries")? {
            dictionary.push(Arc::new(DictionaryEntry::decode(&mut reader, &charges)?));
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
        Ok((sparse, dictionary))
    }
}

const fn is_below(first: u64, hash: IdentityHash, or_same: bool) -> bool {
    first < hash.get() || (or_same && first == hash.get())
}

/// Bytes of a place beside its rider: the rider's end (4), the start (8).
const PLACE_BYTES: usize = 12;
/// Bytes of a hash.
const HASH_BYTES: usize = 5;

/// A part of first places: for each the end of its rider and its start, then the riders.
fn encode_places<'a>(places: impl Iterator<Item = (&'a [u8], i64)>) -> Vec<u8> {
    let (mut table, mut riders) = (Vec::new(), Vec::new());
    for (rider, start) in places {
        riders.extend_from_slice(rider);
        table.extend_from_slice(&u32::try_from(riders.len()).unwrap_or(u32::MAX).to_be_bytes());
        table.extend_from_slice(&start.to_be_bytes());
    }
    table.extend_from_slice(&riders);
    table
}

/// A part of first places, as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct PlacesPart<'a> {
    table: &'a [[u8; PLACE_BYTES]],
    riders: &'a [u8],
}

impl<'a> PlacesPart<'a> {
    /// A part of `count` places.
    pub fn of(bytes: &'a [u8], count: usize) -> Decoded<Self> {
        let truncated = CodecError::Truncated("a part of a sparse index");
        let at = count.checked_mul(PLACE_BYTES).ok_or_else(|| truncated.clone())?;
        let (table, riders) = bytes.split_at_checked(at).ok_or(truncated)?;
        Ok(Self { table: table.as_chunks().0, riders })
    }

    /// Whether it has the form of one: done once, when it is read.
    pub fn check(&self) -> Decoded<()> {
        let mut from = 0;
        for place in 0..self.table.len() {
            let (until, _) = self.entry(place).unwrap_or_default();
            if until < from {
                return Err(CodecError::Invalid("a rider of a sparse index"));
            }
            from = until;
        }
        if from == self.riders.len() {
            Ok(())
        } else {
            Err(CodecError::Invalid("the riders of a sparse index"))
        }
    }

    fn entry(&self, place: usize) -> Option<(usize, i64)> {
        let [e0, e1, e2, e3, start @ ..] = self.table.get(place)?;
        let end = usize::try_from(u32::from_be_bytes([*e0, *e1, *e2, *e3])).ok()?;
        Some((end, i64::from_be_bytes(*start)))
    }

    /// One of its places.
    pub fn first(&self, place: usize) -> Option<(&'a [u8], i64)> {
        let from = match place.checked_sub(1) {
            Some(before) => self.entry(before)?.0,
            None => 0,
        };
        let (until, start) = self.entry(place)?;
        Some((self.riders.get(from..until)?, start))
    }

    /// How many of its places lie before a place.
    pub fn before(&self, place: (&[u8], i64)) -> usize {
        partition(self.table.len(), |at| self.first(at).is_some_and(|first| first < place))
    }
}

/// A part of first hashes, as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct HashesPart<'a>(&'a [[u8; HASH_BYTES]]);

impl<'a> HashesPart<'a> {
    /// A part of `count` hashes.
    pub fn of(bytes: &'a [u8], count: usize) -> Decoded<Self> {
        match bytes.as_chunks() {
            (hashes, []) if hashes.len() == count => Ok(Self(hashes)),
            _ => Err(CodecError::Truncated("a part of a sparse index")),
        }
    }

    fn value([a, b, c, d, e]: &[u8; HASH_BYTES]) -> u64 {
        u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e])
    }

    /// One of its hashes.
    pub fn first(&self, chunk: usize) -> Option<IdentityHash> {
        IdentityHash::new(Self::value(self.0.get(chunk)?))
    }

    /// How many of its hashes are below a hash, or `or_same`.
    pub fn below(&self, hash: IdentityHash, or_same: bool) -> usize {
        self.0.partition_point(|first| is_below(Self::value(first), hash, or_same))
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
