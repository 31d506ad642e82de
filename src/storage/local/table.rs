//! The places of a segment file, and the directory that leads to their pages.
//!
//! The directory has one line a group, from which the place of each of its pages follows.

use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use crate::storage::place_pages::{self, StoredPlace};
pub(super) use crate::storage::place_pages::{Entry, Group, OFFSET_END, encode_pages};

/// A page of places.
pub(super) type Page = place_pages::Page<Place>;
/// Where a number is, seen from a page.
pub(super) type Found = place_pages::Found<Place>;

/// The group of a key and the number in it; `None` for a key of another form, which no segment holds.
pub(super) fn group_of(key: &[u8]) -> Option<(Group, u32)> {
    let (&kind, rest) = key.split_first()?;
    let (run, number) = rest.split_first_chunk::<8>()?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((Group { kind, run: u64::from_be_bytes(*run) }, number))
}

/// Where keys from `from` on begin, or before it.
pub(super) fn first_group(from: &[u8]) -> Group {
    let kind = from.first().copied().unwrap_or(0);
    let run = from.get(1..).and_then(|rest| rest.first_chunk::<8>());
    Group { kind, run: run.map_or(0, |run| u64::from_be_bytes(*run)) }
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
}

impl StoredPlace for Place {
    const BYTES: usize = 12;

    fn span(&self) -> (u32, u32, u64) {
        (self.number, self.length, self.offset)
    }

    fn encode_rest(&self, _: &mut Vec<u8>) {}

    fn decode((number, length, offset): (u32, u32, u64), _: &[u8]) -> Self {
        Self { number, length, offset }
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
        if count == 0 || count - 1 > more || entry.end::<Place>() > directory_at {
            return Err(CodecError::Invalid("group"));
        }
        left = left.checked_sub(bytes).ok_or(CodecError::Invalid("bytes"))?;
        at = entry.end::<Place>();
        entries.push(entry);
    }
    r.end("directory")?;
    if at != directory_at {
        return Err(CodecError::Invalid("the directory's place"));
    }
    Ok((entries, values_end))
}
