//! A split-block Bloom filter over identity hashes: one cache line a probe, no false negatives.
//!
//! Construction after J. Apple, "Split block Bloom filters" (arXiv:2101.01719), as in Apache Parquet's format: a key
//! selects a block of 256 bits and sets one bit in each of its eight words. The block is chosen by the high bits of the
//! key, so probing in ascending key order walks memory forward.

use crate::ledger::codec::{CodecError, Decoded, low_u32};
use crate::ledger::run::identity::IdentityHash;

const WORDS: usize = 8;
const BLOCK_BYTES: usize = WORDS * 4;
/// Blocks of a stored page: 16 KiB, one read.
const PAGE_BLOCKS: usize = 512;
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
    /// Bytes of a stored page.
    pub const PAGE_BYTES: usize = PAGE_BLOCKS * BLOCK_BYTES;

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

    /// A filter that can be stored in pages: above one page, of whole pages, so that a key's page follows from their
    /// number alone.
    pub fn paged(capacity: u64, bits_per_key: u64) -> Self {
        let mut filter = Self::with_capacity(capacity, bits_per_key);
        if filter.blocks.len() > PAGE_BLOCKS {
            filter.blocks.resize(filter.blocks.len().next_multiple_of(PAGE_BLOCKS), [0; WORDS]);
        }
        filter
    }

    /// The stored form of each page, in the order of the keys that they are about.
    pub fn pages(&self) -> impl Iterator<Item = Vec<u8>> {
        let bytes = |blocks: &[[u32; WORDS]]| {
            let mut page = Vec::with_capacity(blocks.len() * BLOCK_BYTES);
            blocks.iter().flatten().for_each(|word| page.extend_from_slice(&word.to_be_bytes()));
            page
        };
        self.blocks.chunks(PAGE_BLOCKS).map(bytes)
    }

    /// Adds the next page of a filter that is read back.
    pub fn push_page(&mut self, page: &[u8]) -> Decoded<()> {
        for bytes in page.chunks(BLOCK_BYTES) {
            self.blocks.push(block_from(bytes)?);
        }
        Ok(())
    }

    /// The number of the page, of so many, that is about a key.
    pub fn page_of(key: IdentityHash, pages: u32) -> u32 {
        u32::try_from((u128::from(key.get()) * u128::from(pages)) >> IdentityHash::BITS).unwrap_or(u32::MAX)
    }

    /// Whether the key may have been added to the filter of `pages` pages of which `page` is the key's; `false` is certain.
    pub fn page_may_contain(page: &[u8], pages: u32, key: IdentityHash) -> Decoded<bool> {
        let blocks = u128::try_from(page.len() / BLOCK_BYTES).unwrap_or(0);
        let scaled = (u128::from(key.get()) * u128::from(pages) * blocks) >> IdentityHash::BITS;
        let at = usize::try_from(scaled.checked_rem(blocks).unwrap_or(0)).unwrap_or(usize::MAX);
        let bytes = page.chunks(BLOCK_BYTES).nth(at).ok_or(CodecError::Truncated("page of a filter"))?;
        Ok(holds(&block_from(bytes)?, key))
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
            let low = low_u32(key.get());
            for (word, salt) in block.iter_mut().zip(&SALTS) {
                *word |= bit(low, *salt);
            }
            self.keys += 1;
        }
    }

    /// Whether the key may have been added; `false` is certain.
    #[inline]
    pub fn may_contain(&self, key: IdentityHash) -> bool {
        self.blocks.get(self.block_of(key)).is_some_and(|block| holds(block, key))
    }

    #[inline]
    fn block_of(&self, key: IdentityHash) -> usize {
        let scaled = (u128::from(key.get()) * self.blocks.len() as u128) >> IdentityHash::BITS;
        usize::try_from(scaled).unwrap_or(usize::MAX)
    }
}

#[inline]
fn holds(block: &[u32; WORDS], key: IdentityHash) -> bool {
    let (low, mut missing) = (low_u32(key.get()), 0);
    for (word, salt) in block.iter().zip(&SALTS) {
        missing |= !word & bit(low, *salt);
    }
    missing == 0
}

fn block_from(bytes: &[u8]) -> Decoded<[u32; WORDS]> {
    let (words, rest) = bytes.as_chunks::<4>();
    let block: Option<[u32; WORDS]> =
        words.iter().map(|word| u32::from_be_bytes(*word)).collect::<Vec<_>>().try_into().ok();
    block.filter(|_| rest.is_empty()).ok_or(CodecError::Truncated("page of a filter"))
}

/// The bit that a key sets in the word of a salt.
#[inline]
const fn bit(low: u32, salt: u32) -> u32 {
    1 << (low.wrapping_mul(salt) >> 27)
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
        assert!(passed < 1_500, "{passed} of 100,000 strangers pass a filter of 12 bits a key");
    }

    #[test]
    fn a_page_alone_answers_like_the_whole() {
        let key = |n: u64| IdentityHash::of("p", &n.to_string(), 0, crate::domain::order::Phase::Ended);
        for keys in [0, 1, 100, 16_384, 16_385, 100_000] {
            let mut filter = Filter::paged(keys, 8);
            (0..keys).for_each(|n| filter.insert(key(n)));
            let pages: Vec<Vec<u8>> = filter.pages().collect();
            let count = u32::try_from(pages.len()).unwrap();
            assert_eq!(pages.len(), filter.bytes().div_ceil(16 << 10).max(1));
            for n in 0..2 * keys + 1_000 {
                let page = &pages[usize::try_from(Filter::page_of(key(n), count)).unwrap()];
                let alone = Filter::page_may_contain(page, count, key(n)).unwrap();
                assert_eq!(alone, filter.may_contain(key(n)), "key {n} of {keys}");
            }
            let mut read = Filter::default();
            pages.iter().for_each(|page| read.push_page(page).unwrap());
            assert_eq!(read.blocks, filter.blocks);
        }
    }
}
