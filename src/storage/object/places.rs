//! The places of a segment, and the lines of its groups.
//!
//! ```text
//! segment: magic (8) | values | pages of places, each place with the XXH3 of its value (8)
//! ```
//!
//! The lines of a segment's groups are in the slot that added it, so that a start reads no segment. A value is checked by its
//! place wherever it comes from, a place by its page.

use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use crate::storage::place_pages::{self, OFFSET_END, StoredPlace, to_usize};
pub(super) use crate::storage::place_pages::{Entry, Group, encode_pages};
use xxhash_rust::xxh3::xxh3_64;

/// Begins every segment.
pub(super) const MAGIC: [u8; 8] = *b"cvrlobj1";

/// A page of places.
pub(super) type Page = place_pages::Page<Place>;
/// Where a number is, seen from a page.
pub(super) type Found = place_pages::Found<Place>;

/// Where one value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) length: u32,
    pub(super) offset: u64,
    pub(super) checksum: u64,
}

impl Place {
    pub(super) fn of(number: u32, value: &[u8], offset: u64) -> Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        Self { number, length, offset, checksum: xxh3_64(value) }
    }

    /// Whether these bytes are its value.
    pub(super) fn holds(&self, value: &[u8]) -> bool {
        value.len() == to_usize(self.length) && xxh3_64(value) == self.checksum
    }
}

impl StoredPlace for Place {
    const BYTES: usize = 20;

    fn span(&self) -> (u32, u32, u64) {
        (self.number, self.length, self.offset)
    }

    fn encode_rest(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.checksum.to_be_bytes());
    }

    fn decode((number, length, offset): (u32, u32, u64), rest: &[u8]) -> Self {
        let checksum = rest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { number, length, offset, checksum }
    }
}

/// Whether no number between the first and the last of a group is missing.
pub(super) fn is_dense(entry: &Entry) -> bool {
    u64::from(entry.numbers.1 - entry.numbers.0) + 1 == u64::from(entry.count)
}

/// Appends the line of a group.
pub(super) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.push(entry.group.kind);
    for number in [entry.group.run, u64::from(entry.count), entry.bytes] {
        out.put_varint(number);
    }
    out.put_varint(u64::from(entry.numbers.0));
    out.put_varint(u64::from(entry.numbers.1 - entry.numbers.0));
    out.put_varint(entry.at);
}

/// Reads the line of a group.
///
/// # Errors
/// It is not one.
pub(super) fn decode_entry(r: &mut Reader<'_>) -> Decoded<Entry> {
    let group = Group { kind: r.u8("kind")?, run: r.varint("run")? };
    let (count, bytes): (u32, u64) = (r.number("values")?, r.varint("bytes")?);
    let (first, more): (u32, u32) = (r.number("first number")?, r.number("last number")?);
    let last = first.checked_add(more).ok_or(CodecError::Invalid("last number"))?;
    let at = r.varint("pages")?;
    if count == 0 || count - 1 > more || at >= OFFSET_END {
        return Err(CodecError::Invalid("group"));
    }
    Ok(Entry { group, count, bytes, numbers: (first, last), at })
}

#[cfg(test)]
mod tests {
    use super::super::name::{Nonce, SegmentName};
    use super::*;

    fn segment(number: u64) -> SegmentName {
        SegmentName { epoch: 1, number, nonce: Nonce([1; 16]) }
    }

    #[test]
    fn every_place_of_every_page_is_found_and_a_page_of_another_place_is_refused() {
        let group = Group { kind: 16, run: 4 };
        let places: Vec<Place> = (0..1_100)
            .map(|nth: u32| Place::of(nth * 2 + 5, &nth.to_be_bytes(), u64::from(nth) * 4))
            .collect();
        let at = 4_400;
        let (entry, bytes) =
            (Entry::of(group, &places, at).unwrap(), encode_pages(segment(1).token(), at, &places));
        assert_eq!((entry.pages(), is_dense(&entry), entry.is_whole(1_100)), (3, false, false));
        let page = |nth: u32| {
            let (offset, length) = entry.page::<Place>(nth);
            let from = usize::try_from(offset - at).unwrap();
            (offset, &bytes[from..from + length])
        };
        for place in &places {
            let is_there = (0..3).any(|nth| {
                let (offset, bytes) = page(nth);
                let page = Page::check(segment(1).token(), &entry, offset, bytes, (0, entry.at)).unwrap();
                page.find(place.number) == Found::Here(*place)
            });
            assert!(is_there, "{place:?}");
        }
        let (offset, second) = page(1);
        assert_eq!(
            Page::check(segment(2).token(), &entry, offset, second, (0, entry.at)).unwrap_err(),
            CodecError::Checksum
        );
        assert_eq!(
            Page::check(segment(1).token(), &entry, at, second, (0, entry.at)).unwrap_err(),
            CodecError::Checksum
        );
        let mut line = Vec::new();
        encode_entry(&entry, &mut line);
        assert_eq!(decode_entry(&mut Reader::new(&line)).unwrap(), entry);
    }
}
