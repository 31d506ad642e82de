//! Pages of appended entries: what is never changed again is read from the store instead of being in memory.
//!
//! ```text
//! key, value, key, value, ... (each with its length) | where each pair begins (4 bytes each) | pairs (4) | XXH3 (8)
//! ```
//!
//! The checksum covers the page and its place: the bytes of another page are noticed.

use super::name::SegmentName;
use super::slot::{read_entry, read_key};
use super::state::Bytes;
use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use imbl::OrdMap;
use std::ops::Bound;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of pairs after which a page ends. The pair that reaches it is part of it.
const PAGE_BYTES: usize = 128 << 10;
/// Bytes of a page at most: the last pair may be large.
const PAGE_BYTES_MAX: usize = 4 << 20;
const NUMBER_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 8;

/// Where a page lies. The map that holds it has its first key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryPage {
    pub(super) segment: SegmentName,
    pub(super) offset: u64,
    pub(super) bytes: usize,
    pub(super) last: Bytes,
}

/// The first key of a page, and where it lies.
pub(super) type Placed = (Bytes, EntryPage);

/// A segment of pages with these entries, and where each lies.
pub(super) fn encode(segment: SegmentName, entries: &OrdMap<Bytes, Bytes>) -> (Vec<u8>, Vec<Placed>) {
    let (mut out, mut pages) = (Vec::new(), Vec::new());
    let mut all = entries.iter().peekable();
    while let Some((first, _)) = all.peek().copied() {
        let (from, mut starts, mut last) = (out.len(), Vec::new(), first);
        while let Some((key, value)) = all.next_if(|_| out.len() - from < PAGE_BYTES) {
            starts.push(out.len() - from);
            out.put_prefixed(key);
            out.put_prefixed(value);
            last = key;
        }
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        starts.iter().for_each(|start| out.extend_from_slice(&number(*start)));
        out.extend_from_slice(&number(starts.len()));
        let offset = u64::try_from(from).unwrap_or(u64::MAX);
        let checksum = checksum(&segment, offset, out.get(from..).unwrap_or_default());
        out.extend_from_slice(&checksum);
        let page = EntryPage { segment, offset, bytes: out.len() - from, last: Arc::clone(last) };
        pages.push((Arc::clone(first), page));
    }
    (out, pages)
}

fn checksum(segment: &SegmentName, offset: u64, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    xxh3_64_with_seed(bytes, segment.token() ^ offset).to_be_bytes()
}

/// Appends where a page lies; its segment is known.
pub(super) fn encode_placed((first, page): &Placed, out: &mut Vec<u8>) {
    out.put_prefixed(first);
    out.put_prefixed(&page.last);
    out.put_varint(page.offset);
    out.put_len(page.bytes);
}

/// Reads where a page of a segment lies.
pub(super) fn decode_placed(segment: SegmentName, r: &mut Reader<'_>) -> Decoded<Placed> {
    let (first, last): (Bytes, Bytes) = (read_key(r)?.into(), read_key(r)?.into());
    let (offset, bytes): (u64, usize) = (r.varint("offset")?, r.number("bytes of a page")?);
    if last < first || bytes > PAGE_BYTES_MAX {
        return Err(CodecError::Invalid("page of entries"));
    }
    Ok((first, EntryPage { segment, offset, bytes, last }))
}

/// A page that was read.
#[derive(Clone, Debug)]
pub(super) struct Page {
    bytes: Arc<[u8]>,
    pairs: usize,
    /// Where the table begins.
    table: usize,
}

impl Page {
    /// A page whose checksum was compared.
    pub(super) fn of(bytes: Arc<[u8]>) -> Decoded<Self> {
        let wrong = || CodecError::Truncated("page of entries");
        let end = bytes.len().checked_sub(CHECKSUM_BYTES + NUMBER_BYTES).ok_or_else(wrong)?;
        let pairs = number_at(&bytes, end).ok_or_else(wrong)?;
        let table = pairs.checked_mul(NUMBER_BYTES).and_then(|table| end.checked_sub(table));
        Ok(Self { table: table.ok_or_else(wrong)?, bytes, pairs })
    }

    /// Compares the checksum of a page at its place.
    pub(super) fn check(place: &EntryPage, bytes: &[u8]) -> Decoded<Arc<[u8]>> {
        let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Truncated("page of entries"))?;
        let (body, found) = bytes.split_at_checked(at).ok_or(CodecError::Truncated("page of entries"))?;
        if checksum(&place.segment, place.offset, body) == found {
            Ok(bytes.into())
        } else {
            Err(CodecError::Checksum)
        }
    }

    fn pair(&self, nth: usize) -> Decoded<(&[u8], &[u8])> {
        let wrong = CodecError::Invalid("pair of a page of entries");
        let start = number_at(&self.bytes, self.table + nth * NUMBER_BYTES).ok_or(wrong.clone())?;
        let mut r = Reader::new(self.bytes.get(start..self.table).ok_or(wrong)?);
        Ok((read_key(&mut r)?, read_entry(&mut r)?))
    }

    /// The number of the first pair at or after a bound.
    fn position(&self, from: Bound<&[u8]>) -> Decoded<usize> {
        let (mut low, mut high) = (0, self.pairs);
        while low < high {
            let middle = low + (high - low) / 2;
            let (key, _) = self.pair(middle)?;
            let is_before = match from {
                Bound::Included(from) => key < from,
                Bound::Excluded(from) => key <= from,
                Bound::Unbounded => false,
            };
            if is_before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The first pair at or after a bound.
    pub(super) fn next(&self, from: Bound<&[u8]>) -> Decoded<Option<(&[u8], &[u8])>> {
        let nth = self.position(from)?;
        if nth < self.pairs { self.pair(nth).map(Some) } else { Ok(None) }
    }

    pub(super) fn find(&self, key: &[u8]) -> Decoded<Option<&[u8]>> {
        let next = self.next(Bound::Included(key))?;
        Ok(next.filter(|(found, _)| *found == key).map(|(_, value)| value))
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk::<NUMBER_BYTES>()?;
    usize::try_from(u32::from_be_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::name::Nonce;
    use super::*;

    fn key(number: u32) -> Bytes {
        [b"c".as_slice(), &number.to_be_bytes()].concat().into()
    }

    #[test]
    fn every_entry_of_every_page_is_found_and_a_page_of_another_place_is_refused() {
        let value = |nth: u32| -> Bytes { vec![7_u8; 200 + usize::try_from(nth % 50).unwrap()].into() };
        let entries: OrdMap<Bytes, Bytes> = (0..2_000_u32).map(|nth| (key(nth * 2), value(nth))).collect();
        let segment = SegmentName { epoch: 1, number: 4, nonce: Nonce([1; 16]) };
        let (stored, pages) = encode(segment, &entries);
        assert!((3..6).contains(&pages.len()), "{} pages", pages.len());
        let mut seen = 0;
        for (nth, (first, place)) in pages.iter().enumerate() {
            let from = usize::try_from(place.offset).unwrap();
            let bytes = &stored[from..from + place.bytes];
            let page = Page::of(Page::check(place, bytes).unwrap()).unwrap();
            let of_page = entries.range(Arc::clone(first)..=Arc::clone(&place.last));
            for (key, value) in of_page {
                assert_eq!(page.find(key).unwrap(), Some(&**value));
                seen += 1;
            }
            assert_eq!(page.find(&key(1)).unwrap(), None);
            let other = &pages[(nth + 1) % pages.len()].1;
            assert_eq!(Page::check(other, bytes).unwrap_err(), CodecError::Checksum);
            let mut damaged = bytes.to_vec();
            damaged[nth * 100] ^= 1;
            assert_eq!(Page::check(place, &damaged).unwrap_err(), CodecError::Checksum);
            let mut line = Vec::new();
            encode_placed(&pages[nth], &mut line);
            assert_eq!(decode_placed(segment, &mut Reader::new(&line)).unwrap(), pages[nth]);
        }
        assert_eq!(seen, entries.len());
    }
}
