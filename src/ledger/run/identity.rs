//! The identity index: which block of a run may contain an order of a given identity.
//!
//! An identity (platform, order_id, leg, phase) is known by [`IdentityHash`]. Each run keeps its hashes sorted, in
//! chunks of [`CHUNK_ENTRIES`], each hash with the number of its block. A hit is always verified against the stored
//! order, so equal hashes of different orders cost time, never correctness.

use crate::domain::order::Phase;
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer, low_byte};
use crate::ledger::run::row::OrderId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Entries of an index chunk: about 2 kB, decoded in some three microseconds. The entry that locates one is some 17 bytes.
pub const CHUNK_ENTRIES: usize = 512;

/// The top 40 bits of a 64-bit hash of the identity: enough that strangers rarely meet (one in 10,000 lookups at 100
/// million orders), few enough that a sorted list of them packs well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IdentityHash(u64);

impl IdentityHash {
    /// Significant bits.
    pub const BITS: u32 = 40;
    /// The smallest hash.
    pub const ZERO: Self = Self(0);

    /// The hash of an identity.
    pub fn of(platform: &str, order_id: &str, leg: u8, phase: Phase) -> Self {
        Self::with_seed(Self::seed(platform), &OrderId::pack(order_id), leg, phase)
    }

    /// The platform's part of the hash, to be kept by callers that hash many orders of one platform.
    pub fn seed(platform: &str) -> u64 {
        xxh3_64_with_seed(platform.as_bytes(), 0)
    }

    /// The hash of an identity whose platform has this [`Self::seed`]. Of the packed order identifier: compaction has it in
    /// this form.
    #[inline]
    pub fn with_seed(seed: u64, order_id: &OrderId<'_>, leg: u8, phase: Phase) -> Self {
        let part = (u64::from(leg) << 1) | u64::from(phase == Phase::Open);
        let seed = seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = match order_id {
            OrderId::Digits { count, value } => {
                xxh3_64_with_seed(&value.to_be_bytes(), seed ^ (u64::from(*count) << 56))
            }
            OrderId::Text(text) => xxh3_64_with_seed(text.as_bytes(), seed),
        };
        Self(hash >> (64 - Self::BITS))
    }

    /// The hash of this value; `None` when it is none.
    pub fn new(value: u64) -> Option<Self> {
        (value >> Self::BITS == 0).then_some(Self(value))
    }

    /// The value, below 2^40.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The hash of a rider, from which the keys of a run's filter of riders are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RiderHash(u64);

impl RiderHash {
    /// Bits of a key that tell the platform.
    const PLATFORM_BITS: u32 = 20;

    /// The hash of a rider.
    pub fn of(rider_id: &str) -> Self {
        Self(xxh3_64_with_seed(rider_id.as_bytes(), 0))
    }

    /// The hash of this value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The key of the rider on the platform of this [`IdentityHash::seed`]. Its upper half is the rider's alone: the keys
    /// of one rider are together.
    pub fn on(self, seed: u64) -> IdentityHash {
        let pair = (self.0 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::PLATFORM_BITS);
        let rider = self.0 >> (64 - IdentityHash::BITS) >> Self::PLATFORM_BITS << Self::PLATFORM_BITS;
        IdentityHash(rider | pair)
    }
}

/// One entry: the hash and the number of the block that holds the order.
pub type Entry = (IdentityHash, u32);

/// An entry in nine bytes: a compaction holds some millions of them, and as many again while it sorts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedEntry {
    /// The low bytes of the hash.
    hash: [u8; 5],
    block: [u8; 4],
}

impl From<Entry> for PackedEntry {
    #[inline]
    fn from((hash, block): Entry) -> Self {
        let [_, _, _, a, b, c, d, e] = hash.get().to_be_bytes();
        Self { hash: [a, b, c, d, e], block: block.to_be_bytes() }
    }
}

impl PackedEntry {
    /// The entry.
    #[inline]
    pub const fn entry(&self) -> Entry {
        let [a, b, c, d, e] = self.hash;
        (IdentityHash(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])), u32::from_be_bytes(self.block))
    }
}

/// Packs up to [`CHUNK_ENTRIES`] sorted entries: gaps between hashes in Rice code, block numbers in as many bits as
/// the largest needs.
pub fn encode_chunk(entries: &[Entry], out: &mut Vec<u8>) {
    let first = entries.first().map_or(0, |e| e.0.get());
    let last = entries.last().map_or(0, |e| e.0.get());
    let count = u64::try_from(entries.len()).unwrap_or(u64::MAX).max(1);
    // The best Rice parameter is near the logarithm of the mean gap.
    let rice_bits = ((last - first) / count).max(1).ilog2();
    let block_bits = 32 - entries.iter().map(|e| e.1).max().unwrap_or(0).leading_zeros();
    out.put_len(entries.len());
    out.put_varint(first);
    out.push(low_byte(u64::from(rice_bits)));
    out.push(low_byte(u64::from(block_bits)));
    let mut bits = BitWriter { out, pending: 0, filled: 0 };
    let mut before = first;
    for &(hash, block) in entries {
        let gap = hash.get() - before;
        before = hash.get();
        bits.unary(gap >> rice_bits);
        bits.put(gap & ((1 << rice_bits) - 1), rice_bits);
        bits.put(u64::from(block), block_bits);
    }
    bits.finish();
}

/// Calls `visit` with every entry of a chunk, in order; stops early when it returns `false`.
pub fn visit_chunk(bytes: &[u8], mut visit: impl FnMut(Entry) -> bool) -> Decoded<()> {
    let mut reader = Reader::new(bytes);
    let count: usize = reader.number("chunk entries")?;
    let mut hash = reader.varint("first hash")?;
    let rice_bits = u32::from(reader.u8("rice bits")?);
    let block_bits = u32::from(reader.u8("block bits")?);
    if count > CHUNK_ENTRIES
        || rice_bits > IdentityHash::BITS
        || block_bits > 32
        || hash >> IdentityHash::BITS != 0
    {
        return Err(CodecError::Invalid("identity chunk"));
    }
    let mut bits =
        BitReader { bytes: reader.bytes(reader.remaining(), "identity chunk")?, pending: 0, filled: 0 };
    for _ in 0..count {
        let high = bits.unary()?;
        let low = bits.take(rice_bits)?;
        hash = high
            .checked_shl(rice_bits)
            .and_then(|high| hash.checked_add(high | low))
            .filter(|hash| hash >> IdentityHash::BITS == 0)
            .ok_or(CodecError::Invalid("identity hash"))?;
        let block = u32::try_from(bits.take(block_bits)?).map_err(|_| CodecError::Invalid("block number"))?;
        if !visit((IdentityHash(hash), block)) {
            break;
        }
    }
    Ok(())
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    filled: u32,
}

impl BitWriter<'_> {
    /// Appends the low `count` bits (at most 40) of `value`.
    #[inline]
    fn put(&mut self, value: u64, count: u32) {
        self.pending = (self.pending << count) | value;
        self.filled += count;
        while self.filled >= 8 {
            self.filled -= 8;
            self.out.push(low_byte(self.pending >> self.filled));
        }
    }

    /// `value` ones and a zero.
    #[inline]
    fn unary(&mut self, mut value: u64) {
        while value >= 16 {
            self.put(0xffff, 16);
            value -= 16;
        }
        let ones = u32::try_from(value).unwrap_or(15);
        self.put((1 << (ones + 1)) - 2, ones + 1);
    }

    fn finish(mut self) {
        if self.filled > 0 {
            self.put(0, 8 - self.filled);
        }
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    pending: u64,
    filled: u32,
}

impl BitReader<'_> {
    /// Takes in whole bytes while they fit and there are any.
    #[inline]
    fn refill(&mut self) {
        if self.filled <= 32
            && let Some((four, rest)) = self.bytes.split_first_chunk::<4>()
        {
            self.bytes = rest;
            self.pending = (self.pending << 32) | u64::from(u32::from_be_bytes(*four));
            self.filled += 32;
        }
        while self.filled <= 56 {
            let Some((&first, rest)) = self.bytes.split_first() else { break };
            self.bytes = rest;
            self.pending = (self.pending << 8) | u64::from(first);
            self.filled += 8;
        }
    }

    /// The next `count` bits (at most 40).
    #[inline]
    fn take(&mut self, count: u32) -> Decoded<u64> {
        if self.filled < count {
            self.refill();
        }
        self.filled = self.filled.checked_sub(count).ok_or(CodecError::Truncated("identity chunk"))?;
        Ok(self.pending.checked_shr(self.filled).unwrap_or(0) & ((1 << count) - 1))
    }

    #[inline]
    fn unary(&mut self) -> Decoded<u64> {
        let mut ones = 0;
        loop {
            if self.filled == 0 {
                self.refill();
            }
            if self.filled == 0 {
                return Err(CodecError::Truncated("identity chunk"));
            }
            // The bits to come, at the top; zeros below them end the run of ones at the latest.
            let run = (self.pending << (64 - self.filled)).leading_ones();
            if run < self.filled {
                self.filled -= run + 1;
                return Ok(ones + u64::from(run));
            }
            ones += u64::from(self.filled);
            self.filled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_go_there_and_back(
            // Few entries have wide gaps.
            mut hashes in prop_oneof![
                prop::collection::vec(0u64..1 << 40, 1..24),
                prop::collection::vec(0u64..1 << 40, 1..CHUNK_ENTRIES),
            ],
            blocks in prop_oneof![Just(8), Just(100_000)]
                .prop_flat_map(|end| prop::collection::vec(0u32..end, CHUNK_ENTRIES)),
        ) {
            hashes.sort_unstable();
            let entries: Vec<Entry> = hashes.iter().zip(&blocks).map(|(&h, &b)| (IdentityHash(h), b)).collect();
            prop_assert!(entries.iter().all(|&entry| PackedEntry::from(entry).entry() == entry));
            let mut bytes = Vec::new();
            encode_chunk(&entries, &mut bytes);
            let mut read = Vec::new();
            visit_chunk(&bytes, |entry| { read.push(entry); true }).unwrap();
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(visit_chunk(&bytes, |_| true));
        }
    }

    #[test]
    fn every_part_of_an_identity_counts() {
        let base = IdentityHash::of("dada", "1", 0, Phase::Ended);
        assert_ne!(base, IdentityHash::of("dadb", "1", 0, Phase::Ended));
        assert_ne!(base, IdentityHash::of("dada", "2", 0, Phase::Ended));
        assert_ne!(base, IdentityHash::of("dada", "1", 1, Phase::Ended));
        assert_ne!(base, IdentityHash::of("dada", "1", 0, Phase::Open));
    }

    #[test]
    fn a_million_entries_take_less_than_four_bytes_each() {
        let mut hashes: Vec<_> = (0..1 << 20)
            .map(|n: u32| (IdentityHash::of("p", &n.to_string(), 0, Phase::Ended), n % 1024))
            .collect();
        hashes.sort_unstable();
        let mut bytes = Vec::new();
        hashes.chunks(CHUNK_ENTRIES).for_each(|chunk| encode_chunk(chunk, &mut bytes));
        assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
    }
}
