//! Pages of places: where the values of a group lie in a file or an object, in pieces small enough that one lookup reads a few
//! kilobytes however many values there are.
//!
//! ```text
//! page: up to 512 places of a group | XXH3 of what holds the page, the page's offset and its places (8)
//! place: number (4) | offset (5) | length (3) | what the engine adds
//! ```

use super::VALUE_BYTES_MAX;
use super::bytes::{CodecError, Decoded};
use std::marker::PhantomData;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Places of a page.
pub(super) const PAGE_PLACES: usize = 512;
/// Bits of a length; the bits above it are the offset.
const LENGTH_BITS: u32 = 24;
/// The first byte that no place can name.
pub(super) const OFFSET_END: u64 = 1 << (64 - LENGTH_BITS);
/// Ends every page.
const CHECKSUM_BYTES: usize = 8;

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// As an index; `usize::MAX` where the machine has none.
pub(super) fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Values of one kind and run: what a key says before its last number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) kind: u8,
    pub(super) run: u64,
}

/// Where a value lies, as an engine stores it.
pub(super) trait StoredPlace: Copy {
    /// Bytes of a stored place.
    const BYTES: usize;

    /// Number, length and offset of the value.
    fn span(&self) -> (u32, u32, u64);

    /// Appends what the engine adds to the span.
    fn encode_rest(&self, out: &mut Vec<u8>);

    /// A place from its span and the [`Self::BYTES`] less 12 bytes after it.
    fn decode(span: (u32, u32, u64), rest: &[u8]) -> Self;
}

fn encode<P: StoredPlace>(place: &P, out: &mut Vec<u8>) {
    let (number, length, offset) = place.span();
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&((offset << LENGTH_BITS) | u64::from(length)).to_be_bytes());
    place.encode_rest(out);
}

/// The place in bytes of its length; one of zeros where there are fewer.
fn decode<P: StoredPlace>(bytes: &[u8]) -> P {
    let Some(([n0, n1, n2, n3, o0, o1, o2, o3, o4, l0, l1, l2], rest)) = bytes.split_first_chunk::<12>()
    else {
        return P::decode((0, 0, 0), &[]);
    };
    let number = u32::from_be_bytes([*n0, *n1, *n2, *n3]);
    let length = u32::from_be_bytes([0, *l0, *l1, *l2]);
    let offset = u64::from_be_bytes([0, 0, 0, *o0, *o1, *o2, *o3, *o4]);
    P::decode((number, length, offset), rest)
}

/// The line of a group: where its pages begin, and what is known of its values without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) group: Group,
    /// Values.
    pub(super) count: u32,
    /// Bytes of all of them.
    pub(super) bytes: u64,
    /// The smallest and the largest number.
    pub(super) numbers: (u32, u32),
    /// Where its first page begins.
    pub(super) at: u64,
}

impl Entry {
    /// A line for places in the order of their numbers, whose pages begin at `at`; `None` for none of them.
    pub(super) fn of<P: StoredPlace>(group: Group, places: &[P], at: u64) -> Option<Self> {
        let (first, last) = (places.first()?.span().0, places.last()?.span().0);
        let bytes = places.iter().map(|place| u64::from(place.span().1)).sum();
        let count = u32::try_from(places.len()).ok()?;
        Some(Self { group, count, bytes, numbers: (first, last), at })
    }

    /// Its pages.
    pub(super) fn pages(&self) -> u32 {
        u32::try_from(to_usize(self.count).div_ceil(PAGE_PLACES)).unwrap_or(u32::MAX)
    }

    /// The first byte after its pages.
    pub(super) fn end<P: StoredPlace>(&self) -> u64 {
        let places = to_usize(self.count);
        let bytes = places * P::BYTES + places.div_ceil(PAGE_PLACES) * CHECKSUM_BYTES;
        self.at.saturating_add(to_u64(bytes))
    }

    /// Whether a value of this number can be among them.
    pub(super) fn spans(&self, number: u32) -> bool {
        (self.numbers.0..=self.numbers.1).contains(&number)
    }

    /// Whether they are the values with the numbers from 0 up to `count`, and no others.
    pub(super) fn is_whole(&self, count: u32) -> bool {
        self.count == count && self.numbers.0 == 0 && u64::from(self.numbers.1) + 1 == u64::from(count)
    }

    /// The page that holds a number if none is missing; no page after it does in any case.
    pub(super) fn page_of(&self, number: u32) -> u32 {
        let places = u32::try_from(PAGE_PLACES).unwrap_or(u32::MAX);
        (number.saturating_sub(self.numbers.0) / places).min(self.pages().saturating_sub(1))
    }

    /// Offset and length of a page.
    pub(super) fn page<P: StoredPlace>(&self, page: u32) -> (u64, usize) {
        let before = to_usize(page) * PAGE_PLACES;
        let places = to_usize(self.count).saturating_sub(before).min(PAGE_PLACES);
        let offset = self.at.saturating_add(to_u64(before * P::BYTES + to_usize(page) * CHECKSUM_BYTES));
        (offset, places * P::BYTES + CHECKSUM_BYTES)
    }
}

/// Of a page at this offset of the file or object of this token: another page does not pass for it.
fn page_checksum(token: u64, offset: u64, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3::new();
    hasher.update(&token.to_be_bytes());
    hasher.update(&offset.to_be_bytes());
    hasher.update(body);
    hasher.digest().to_be_bytes()
}

/// The pages of a group, as they are stored from `at` on in the file or object of this token.
pub(super) fn encode_pages<P: StoredPlace>(token: u64, at: u64, places: &[P]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.len() * (P::BYTES + 1));
    for page in places.chunks(PAGE_PLACES) {
        let from = out.len();
        page.iter().for_each(|place| encode(place, &mut out));
        let checksum = page_checksum(token, at + to_u64(from), out.get(from..).unwrap_or_default());
        out.extend_from_slice(&checksum);
    }
    out
}

/// Where a number is, seen from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<P> {
    Here(P),
    InPagesBefore,
    InPagesAfter,
    Nowhere,
}

/// A page whose checksum was compared.
#[derive(Clone, Debug)]
pub(super) struct Page<P> {
    bytes: Arc<[u8]>,
    places: PhantomData<P>,
}

impl<P: StoredPlace> Page<P> {
    /// Checks what was read as a page of a group in the file or object of this token, whose values lie in `values`.
    ///
    /// # Errors
    /// It is not such a page.
    pub(super) fn check(
        token: u64,
        entry: &Entry,
        offset: u64,
        bytes: &[u8],
        values: (u64, u64),
    ) -> Decoded<Self> {
        let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Truncated("a page"))?;
        let (body, checksum) = bytes.split_at_checked(at).ok_or(CodecError::Truncated("a page"))?;
        if page_checksum(token, offset, body) != checksum {
            return Err(CodecError::Checksum);
        }
        let page = Self::held(body.into());
        let mut next = u64::from(entry.numbers.0);
        for place in page.places() {
            let (number, length, from) = place.span();
            let end = from.saturating_add(u64::from(length));
            if to_usize(length) > VALUE_BYTES_MAX || from < values.0 || end > values.1 {
                return Err(CodecError::Invalid("place"));
            }
            if u64::from(number) < next || number > entry.numbers.1 {
                return Err(CodecError::Invalid("number"));
            }
            next = u64::from(number) + 1;
        }
        Ok(page)
    }

    /// One that was checked before it was held.
    pub(super) const fn held(bytes: Arc<[u8]>) -> Self {
        Self { bytes, places: PhantomData }
    }

    pub(super) fn bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.bytes)
    }

    /// Its places, in the order of their numbers.
    pub(super) fn places(&self) -> impl Iterator<Item = P> {
        self.bytes.chunks_exact(P::BYTES).map(decode)
    }

    fn count(&self) -> usize {
        self.bytes.len() / P::BYTES
    }

    fn place(&self, nth: usize) -> Option<P> {
        let from = nth.checked_mul(P::BYTES)?;
        self.bytes.get(from..from.checked_add(P::BYTES)?).map(decode)
    }

    /// Looks for a number.
    pub(super) fn find(&self, number: u32) -> Found<P> {
        let number_at = |nth: usize| self.place(nth).map(|place| place.span().0);
        let last = self.count().checked_sub(1);
        let (Some(first), Some(last)) = (number_at(0), last.and_then(number_at)) else {
            return Found::Nowhere;
        };
        if number < first {
            return Found::InPagesBefore;
        }
        if number > last {
            return Found::InPagesAfter;
        }
        // Nearly always none is missing between them.
        let dense = self.place(to_usize(number - first)).filter(|place| place.span().0 == number);
        dense.or_else(|| self.search(number)).map_or(Found::Nowhere, Found::Here)
    }

    fn search(&self, number: u32) -> Option<P> {
        let (mut from, mut until) = (0, self.count());
        while from < until {
            let middle = from.midpoint(until);
            let place = self.place(middle)?;
            match place.span().0.cmp(&number) {
                std::cmp::Ordering::Equal => return Some(place),
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => until = middle,
            }
        }
        None
    }
}
