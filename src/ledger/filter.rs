//! A split-block Bloom filter over identity hashes: one cache line a probe, no false negatives.
//!
//! Construction after J. Apple, "Split block Bloom filters" (arXiv:2101.01719), as in Apache Parquet's format: a key
//! selects a block of 256 bits and sets one bit in each of its eight words. The block is chosen by the high bits of the
//! key, so probing in ascending key order walks memory forward.

use super::codec::{Decoded, Reader, Writer, low_u32};
use super::identity::IdentityHash;

const WORDS: usize = 8;
const BLOCK_BITS: u64 = 256;
/// Odd multipliers, one for each word (Parquet's).
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    blocks: Vec<[u32; WORDS]>,
    keys: u64,
    capacity: u64,
}

impl Filter {
    /// A filter for `capacity` keys at `bits_per_key`.
    pub fn with_capacity(capacity: u64, bits_per_key: u64) -> Self {
        let blocks = (capacity.max(1).saturating_mul(bits_per_key)).div_ceil(BLOCK_BITS);
        Self { blocks: vec![[0; WORDS]; usize::try_from(blocks).unwrap_or(usize::MAX)], keys: 0, capacity }
    }

    /// Keys inserted.
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// Keys that it was made for.
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes() + 8);
        out.put_varint(self.keys);
        out.put_len(self.blocks.len());
        self.blocks.iter().flatten().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut reader = Reader::new(bytes);
        let keys = reader.varint("keys of a filter")?;
        let mut blocks = Vec::new();
        for _ in 0..reader.count(WORDS * 4, "blocks of a filter")? {
            let mut block = [0; WORDS];
            for word in &mut block {
                *word = u32::from_be_bytes(reader.array("filter")?);
            }
            blocks.push(block);
        }
        reader.end("filter")?;
        Ok(Self { blocks, keys, capacity: keys })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * WORDS * 4
    }

    /// Adds a key.
    #[inline]
    pub fn insert(&mut self, key: IdentityHash) {
        let at = self.block_of(key);
        if let Some(block) = self.blocks.get_mut(at) {
            for (word, bit) in block.iter_mut().zip(bits_of(key)) {
                *word |= bit;
            }
            self.keys += 1;
        }
    }

    /// Whether the key may have been added; `false` is certain.
    #[inline]
    pub fn may_contain(&self, key: IdentityHash) -> bool {
        self.blocks.get(self.block_of(key)).is_some_and(|block| {
            let mut missing = 0;
            for (word, bit) in block.iter().zip(bits_of(key)) {
                missing |= !word & bit;
            }
            missing == 0
        })
    }

    #[inline]
    fn block_of(&self, key: IdentityHash) -> usize {
        let scaled = (u128::from(key.get()) * self.blocks.len() as u128) >> IdentityHash::BITS;
        usize::try_from(scaled).unwrap_or(usize::MAX)
    }
}

#[inline]
fn bits_of(key: IdentityHash) -> [u32; WORDS] {
    let low = low_u32(key.get());
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inserted_is_ever_missed_and_little_else_passes() {
        let mut filter = Filter::with_capacity(100_000, 12);
        let key = |n: u64| IdentityHash::of("p", &n.to_string(), 0, crate::domain::order::Phase::Ended);
        (0..100_000).for_each(|n| filter.insert(key(n)));
        assert!((0..100_000).all(|n| filter.may_contain(key(n))));
        let passed = (100_000..200_000).filter(|&n| filter.may_contain(key(n))).count();
        assert_eq!(Filter::decode(&filter.encode()).unwrap().blocks, filter.blocks);
        assert!(passed < 1_500, "{passed} of 100,000 strangers pass a filter of 12 bits a key");
    }
}
