//! Where the values of a segment file lie: pages of places, and the directory that leads to them.
//!
//! The places of a group (kind and run) are stored in pages of [`PAGE_PLACES`], each with its own checksum, so that one lookup
//! reads a few kilobytes however many values there are. The directory has one line a group, from which the place of each
//! of its pages follows.

use crate::storage::VALUE_BYTES_MAX;
use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Places of a page.
pub(super) const PAGE_PLACES: usize = 512;
/// Number (4), then offset (5) and length (3).
const PLACE_BYTES: usize = 12;
const LENGTH_BITS: u32 = 24;
/// Ends every page.
const CHECKSUM_BYTES: usize = 8;
/// The first byte that no place can name.
pub(super) const OFFSET_END: u64 = 1 << (64 - LENGTH_BITS);

/// What a key says before its last number: values of one kind and run lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) kind: u8,
    pub(super) run: u64,
}

impl Group {
    /// The group of a key and the number in it; `None` for a key of another form, which no segment holds.
    pub(super) fn of(key: &[u8]) -> Option<(Self, u32)> {
        let (&kind, rest) = key.split_first()?;
        let (run, number) = rest.split_first_chunk::<8>()?;
        let number = u32::from_be_bytes(number.try_into().ok()?);
        Some((Self { kind, run: u64::from_be_bytes(*run) }, number))
    }

    /// Where keys from `from` on begin, or before it.
    pub(super) fn first_of(from: &[u8]) -> Self {
        let kind = from.first().copied().unwrap_or(0);
        let run = from.get(1..).and_then(|rest| rest.first_chunk::<8>());
        Self { kind, run: run.map_or(0, |run| u64::from_be_bytes(*run)) }
    }
}

/// Where one value of a group lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The last number of its key.
    pub(super) number: u32,
    pub(super) length: u32,
    pub(super) offset: u64,
}

impl Place {
    /// The first byte after it.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&((self.offset << LENGTH_BITS) | u64::from(self.length)).to_be_bytes());
    }

    fn decode(bytes: &[u8; PLACE_BYTES]) -> Self {
        let [n0, n1, n2, n3, o0, o1, o2, o3, o4, l0, l1, l2] = *bytes;
        Self {
            number: u32::from_be_bytes([n0, n1, n2, n3]),
            length: u32::from_be_bytes([0, l0, l1, l2]),
            offset: u64::from_be_bytes([0, 0, 0, o0, o1, o2, o3, o4]),
        }
    }
}

/// A line of the directory: one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) group: Group,
    /// Values.
    pub(super) count: u32,
    /// Bytes of all of them.
    pub(super) bytes: u64,
    /// The smallest and the largest number.
    pub(super) numbers: (u32, u32),
    /// Where its first page begins in the file.
    pub(super) at: u64,
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Bytes of the pages of so many places.
fn pages_bytes(count: u32) -> u64 {
    to_u64(to_usize(count) * PLACE_BYTES + to_usize(count).div_ceil(PAGE_PLACES) * CHECKSUM_BYTES)
}

impl Entry {
    /// A line for places that come in the order of their numbers, whose pages begin at `at`; `None` for none of them.
    pub(super) fn of(group: Group, places: &[Place], at: u64) -> Option<Self> {
        let (first, last) = (places.first()?, places.last()?);
        let bytes = places.iter().map(|place| u64::from(place.length)).sum();
        let count = u32::try_from(places.len()).ok()?;
        Some(Self { group, count, bytes, numbers: (first.number, last.number), at })
    }

    /// Its pages.
    pub(super) fn pages(&self) -> u32 {
        u32::try_from(to_usize(self.count).div_ceil(PAGE_PLACES)).unwrap_or(u32::MAX)
    }

    /// The first byte after its pages.
    fn end(&self) -> u64 {
        self.at.saturating_add(pages_bytes(self.count))
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

    /// Offset and length of a page in the file.
    pub(super) fn page(&self, page: u32) -> (u64, usize) {
        let before = to_usize(page) * PAGE_PLACES;
        let places = to_usize(self.count).saturating_sub(before).min(PAGE_PLACES);
        let offset = self.at.saturating_add(to_u64(before * PLACE_BYTES + to_usize(page) * CHECKSUM_BYTES));
        (offset, places * PLACE_BYTES + CHECKSUM_BYTES)
    }
}

/// Of a page of the file of this number, at this offset: another page does not pass for it.
fn page_checksum(file: u64, offset: u64, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Xxh3::new();
    hasher.update(&file.to_be_bytes());
    hasher.update(&offset.to_be_bytes());
    hasher.update(body);
    hasher.digest().to_be_bytes()
}

/// The pages of a group, as they are stored in the file of this number from `at` on.
pub(super) fn encode_pages(file: u64, at: u64, places: &[Place]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.len() * (PLACE_BYTES + 1));
    for page in places.chunks(PAGE_PLACES) {
        let from = out.len();
        page.iter().for_each(|place| place.encode(&mut out));
        let checksum = page_checksum(file, at + to_u64(from), out.get(from..).unwrap_or_default());
        out.extend_from_slice(&checksum);
    }
    out
}

/// A page as it is held: what it holds was checked.
#[derive(Clone, Debug)]
pub(super) struct Page(Arc<[u8]>);

/// Where a number is, seen from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Here(Place),
    InPagesBefore,
    InPagesAfter,
    Nowhere,
}

impl Page {
    /// Checks what was read as a page of a group in the file of this number, whose values lie in `values`.
    pub(super) fn check(
        file: u64,
        entry: &Entry,
        offset: u64,
        bytes: &[u8],
        values: (u64, u64),
    ) -> Decoded<Self> {
        let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Truncated("a page"))?;
        let (body, checksum) = bytes.split_at_checked(at).ok_or(CodecError::Truncated("a page"))?;
        if page_checksum(file, offset, body) != checksum {
            return Err(CodecError::Checksum);
        }
        let page = Self(body.into());
        let mut next = u64::from(entry.numbers.0);
        for place in page.places() {
            let long = to_usize(place.length) > VALUE_BYTES_MAX;
            if long || place.offset < values.0 || place.end() > values.1 {
                return Err(CodecError::Invalid("place"));
            }
            if u64::from(place.number) < next || place.number > entry.numbers.1 {
                return Err(CodecError::Invalid("number"));
            }
            next = u64::from(place.number) + 1;
        }
        Ok(page)
    }

    /// One that was checked before it was held.
    pub(super) const fn held(bytes: Arc<[u8]>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }

    /// Its places, in the order of their numbers.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.0.as_chunks::<PLACE_BYTES>().0.iter().map(Place::decode)
    }

    /// Looks for a number.
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
        // Nearly always none is missing between them.
        let at = to_usize(number - first);
        if let Some(place) = places.get(at).map(Place::decode).filter(|place| place.number == number) {
            return Found::Here(place);
        }
        let found = places.binary_search_by_key(&number, number_of).ok().and_then(|at| places.get(at));
        found.map_or(Found::Nowhere, |place| Found::Here(Place::decode(place)))
    }
}

/// The stored form of a directory. The pages of its groups follow each other, from the end of the values on.
pub(super) fn encode(entries: &[Entry], values_end: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_varint(values_end);
    out.put_len(entries.len());
    for entry in entries {
        out.push(entry.group.kind);
        for number in [entry.group.run, u64::from(entry.count), entry.bytes] {
            out.put_varint(number);
        }
        out.put_varint(u64::from(entry.numbers.0));
        out.put_varint(u64::from(entry.numbers.1 - entry.numbers.0));
    }
    out
}

/// Reads the stored form of a directory that lies at `directory_at` in a file whose values begin at `values_from`; also
/// where the values end.
pub(super) fn decode(body: &[u8], values_from: u64, directory_at: u64) -> Decoded<(Vec<Entry>, u64)> {
    let mut r = Reader::new(body);
    let values_end = r.varint("values")?;
    let mut left = values_end.checked_sub(values_from).ok_or(CodecError::Invalid("values"))?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = values_end;
    for _ in 0..r.count(6, "groups")? {
        let group = Group { kind: r.u8("kind")?, run: r.varint("run")? };
        let (count, bytes): (u32, u64) = (r.number("values")?, r.varint("bytes")?);
        let (first, more): (u32, u32) = (r.number("first number")?, r.number("last number")?);
        let last = first.checked_add(more).ok_or(CodecError::Invalid("last number"))?;
        let entry = Entry { group, count, bytes, numbers: (first, last), at };
        if entries.last().is_some_and(|before| before.group >= group) {
            return Err(CodecError::Invalid("the order of groups"));
        }
        // Also what bounds the pages: they lie in the file.
        if count == 0 || count - 1 > more || entry.end() > directory_at {
            return Err(CodecError::Invalid("group"));
        }
        left = left.checked_sub(bytes).ok_or(CodecError::Invalid("bytes"))?;
        at = entry.end();
        entries.push(entry);
    }
    r.end("directory")?;
    if at != directory_at {
        return Err(CodecError::Invalid("the directory's place"));
    }
    Ok((entries, values_end))
}
