//! Where values lie in a segment: pages of places, and one line for each group of values.
//!
//! ```text
//! segment: magic (8) | values | pages of places
//! page: up to 512 places of a group | XXH3 of the segment, the page's offset and its places (8)
//! place: number (4) | offset (5) | length (3) | XXH3 of the value (8)
//! ```
//!
//! The lines of a segment's groups are in the slot that added it, so that a start reads no segment. A value is checked by its
//! place wherever it comes from, a place by its page.

use super::name::SegmentName;
use crate::storage::VALUE_BYTES_MAX;
use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Begins every segment.
pub(super) const MAGIC: [u8; 8] = *b"cvrlobj1";
/// Places of a page.
const PAGE_PLACES: usize = 512;
const PLACE_BYTES: usize = 20;
const LENGTH_BITS: u32 = 24;
const CHECKSUM_BYTES: usize = 8;

/// Values of one kind and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) kind: u8,
    pub(super) run: u64,
}

/// Where one value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) length: u32,
    pub(super) offset: u64,
    pub(super) checksum: u64,
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
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

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&((self.offset << LENGTH_BITS) | u64::from(self.length)).to_be_bytes());
        out.extend_from_slice(&self.checksum.to_be_bytes());
    }

    fn decode(bytes: &[u8; PLACE_BYTES]) -> Self {
        let [n0, n1, n2, n3, o0, o1, o2, o3, o4, l0, l1, l2, c @ ..] = *bytes;
        Self {
            number: u32::from_be_bytes([n0, n1, n2, n3]),
            length: u32::from_be_bytes([0, l0, l1, l2]),
            offset: u64::from_be_bytes([0, 0, 0, o0, o1, o2, o3, o4]),
            checksum: u64::from_be_bytes(c),
        }
    }
}

/// The line of a group: where its pages begin, and what is known of its values without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) group: Group,
    pub(super) count: u32,
    /// The smallest and the largest number.
    pub(super) numbers: (u32, u32),
    /// Where its first page begins.
    pub(super) at: u64,
}

impl Entry {
    /// A line for places in the order of their numbers; `None` for none.
    pub(super) fn of(group: Group, places: &[Place], at: u64) -> Option<Self> {
        let (first, last) = (places.first()?, places.last()?);
        Some(Self {
            group,
            count: u32::try_from(places.len()).ok()?,
            numbers: (first.number, last.number),
            at,
        })
    }

    pub(super) fn pages(&self) -> u32 {
        u32::try_from(to_usize(self.count).div_ceil(PAGE_PLACES)).unwrap_or(u32::MAX)
    }

    pub(super) fn spans(&self, number: u32) -> bool {
        (self.numbers.0..=self.numbers.1).contains(&number)
    }

    /// Whether they are the values from 0 up to `count`, and no others.
    pub(super) fn is_whole(&self, count: u32) -> bool {
        self.count == count && self.numbers.0 == 0 && u64::from(self.numbers.1) + 1 == u64::from(count)
    }

    /// Whether no number between the first and the last is missing.
    pub(super) fn is_dense(&self) -> bool {
        u64::from(self.numbers.1 - self.numbers.0) + 1 == u64::from(self.count)
    }

    /// The page that holds a number if none is missing.
    pub(super) fn page_of(&self, number: u32) -> u32 {
        let places = u32::try_from(PAGE_PLACES).unwrap_or(u32::MAX);
        (number.saturating_sub(self.numbers.0) / places).min(self.pages().saturating_sub(1))
    }

    /// Offset and length of a page.
    pub(super) fn page(&self, page: u32) -> (u64, usize) {
        let before = to_usize(page) * PAGE_PLACES;
        let places = to_usize(self.count).saturating_sub(before).min(PAGE_PLACES);
        let offset = self.at.saturating_add(to_u64(before * PLACE_BYTES + to_usize(page) * CHECKSUM_BYTES));
        (offset, places * PLACE_BYTES + CHECKSUM_BYTES)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.group.kind);
        out.put_varint(self.group.run);
        out.put_varint(u64::from(self.count));
        out.put_varint(u64::from(self.numbers.0));
        out.put_varint(u64::from(self.numbers.1 - self.numbers.0));
        out.put_varint(self.at);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        let group = Group { kind: r.u8("kind")?, run: r.varint("run")? };
        let (count, first, more): (u32, u32, u32) =
            (r.number("values")?, r.number("first number")?, r.number("last number")?);
        let last = first.checked_add(more).ok_or(CodecError::Invalid("last number"))?;
        let at = r.varint("pages")?;
        if count == 0 || count - 1 > more || at >> (64 - LENGTH_BITS) != 0 {
            return Err(CodecError::Invalid("group"));
        }
        Ok(Self { group, count, numbers: (first, last), at })
    }
}

/// Of a page of this segment at this offset: another page does not pass for it.
fn page_checksum(segment: &SegmentName, offset: u64, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3::new();
    hasher.update(&segment.token().to_be_bytes());
    hasher.update(&offset.to_be_bytes());
    hasher.update(body);
    hasher.digest().to_be_bytes()
}

/// The pages of a group, as they are stored from `at` on.
pub(super) fn encode_pages(segment: &SegmentName, at: u64, places: &[Place]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.len() * (PLACE_BYTES + 1));
    for page in places.chunks(PAGE_PLACES) {
        let from = out.len();
        page.iter().for_each(|place| place.encode(&mut out));
        let checksum = page_checksum(segment, at + to_u64(from), out.get(from..).unwrap_or_default());
        out.extend_from_slice(&checksum);
    }
    out
}

/// Where a number is, seen from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Here(Place),
    InPagesBefore,
    InPagesAfter,
    Nowhere,
}

/// A page whose checksum was compared.
#[derive(Clone, Debug)]
pub(super) struct Page(Arc<[u8]>);

impl Page {
    pub(super) fn check(segment: &SegmentName, entry: &Entry, offset: u64, bytes: &[u8]) -> Decoded<Self> {
        let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Truncated("a page"))?;
        let (body, checksum) = bytes.split_at_checked(at).ok_or(CodecError::Truncated("a page"))?;
        if page_checksum(segment, offset, body) != checksum {
            return Err(CodecError::Checksum);
        }
        let page = Self(body.into());
        let mut next = u64::from(entry.numbers.0);
        for place in page.places() {
            if to_usize(place.length) > VALUE_BYTES_MAX
                || place.offset.saturating_add(u64::from(place.length)) > entry.at
            {
                return Err(CodecError::Invalid("place"));
            }
            if u64::from(place.number) < next || place.number > entry.numbers.1 {
                return Err(CodecError::Invalid("number"));
            }
            next = u64::from(place.number) + 1;
        }
        Ok(page)
    }

    pub(super) const fn held(bytes: Arc<[u8]>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.0.as_chunks::<PLACE_BYTES>().0.iter().map(Place::decode)
    }

    pub(super) fn find(&self, number: u32) -> Found {
        let places = self.0.as_chunks::<PLACE_BYTES>().0;
        let number_of = |place: &[u8; PLACE_BYTES]| Place::decode(place).number;
        let (Some(first), Some(last)) = (places.first().map(number_of), places.last().map(number_of)) else {
            return Found::Nowhere;
        };
        if number < first {
            return Found::InPagesBefore;
        }
        if number > last {
            return Found::InPagesAfter;
        }
        let found = places.binary_search_by_key(&number, number_of).ok().and_then(|at| places.get(at));
        found.map_or(Found::Nowhere, |place| Found::Here(Place::decode(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::Nonce;
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
        let (entry, bytes) = (Entry::of(group, &places, at).unwrap(), encode_pages(&segment(1), at, &places));
        assert_eq!((entry.pages(), entry.is_dense(), entry.is_whole(1_100)), (3, false, false));
        let page = |nth: u32| {
            let (offset, length) = entry.page(nth);
            let from = usize::try_from(offset - at).unwrap();
            (offset, &bytes[from..from + length])
        };
        for place in &places {
            let is_there = (0..3).any(|nth| {
                let (offset, bytes) = page(nth);
                let page = Page::check(&segment(1), &entry, offset, bytes).unwrap();
                page.find(place.number) == Found::Here(*place)
            });
            assert!(is_there, "{place:?}");
        }
        let (offset, second) = page(1);
        assert_eq!(Page::check(&segment(2), &entry, offset, second).unwrap_err(), CodecError::Checksum);
        assert_eq!(Page::check(&segment(1), &entry, at, second).unwrap_err(), CodecError::Checksum);
        let mut line = Vec::new();
        entry.encode(&mut line);
        assert_eq!(Entry::decode(&mut Reader::new(&line)).unwrap(), entry);
    }
}
