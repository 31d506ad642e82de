//! Where the values of a segment file lie: its table, as it is stored and as it is read.

use super::super::codec::{CodecError, Decoded, Reader, Writer};
use super::VALUE_BYTES_MAX;

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
}

/// Where one value of a group lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The last number of its key.
    pub(super) number: u32,
    pub(super) length: u32,
    pub(super) offset: u64,
}

impl Group {
    /// Where keys from `from` on begin, or before it.
    pub(super) fn first_of(from: &[u8]) -> Self {
        let kind = from.first().copied().unwrap_or(0);
        let run = from.get(1..).and_then(|rest| rest.first_chunk::<8>());
        Self { kind, run: run.map_or(0, |run| u64::from_be_bytes(*run)) }
    }
}

impl Place {
    /// The first byte after it.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }
}

/// Every group of a file with its places, both ascending.
pub(super) type Table = Vec<(Group, Vec<Place>)>;

/// The stored form: offsets are told as distances from the end of the value before.
pub(super) fn encode(table: &Table, values_from: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut end = values_from;
    out.put_len(table.len());
    for (group, places) in table {
        out.push(group.kind);
        out.put_varint(group.run);
        out.put_len(places.len());
        let mut next = 0;
        for place in places {
            out.put_varint(u64::from(place.number).saturating_sub(next));
            out.put_signed(place.offset.wrapping_sub(end).cast_signed());
            out.put_varint(u64::from(place.length));
            (next, end) = (u64::from(place.number) + 1, place.end());
        }
    }
    out
}

/// Reads the stored form of a table whose values lie in the given stretch of the file.
pub(super) fn decode(body: &[u8], (values_from, values_end): (u64, u64)) -> Decoded<Table> {
    let mut r = Reader::new(body);
    let mut table = Table::new();
    let mut end = values_from;
    for _ in 0..r.count(6, "groups")? {
        let group = Group { kind: r.u8("kind")?, run: r.varint("run")? };
        if table.last().is_some_and(|(before, _)| *before >= group) {
            return Err(CodecError::Invalid("the order of groups"));
        }
        let mut places = Vec::new();
        let mut next = 0_u64;
        for _ in 0..r.count(3, "values")? {
            let number = next.checked_add(r.varint("number")?).and_then(|number| u32::try_from(number).ok());
            let number = number.ok_or(CodecError::Invalid("number"))?;
            let offset = end.checked_add_signed(r.signed("offset")?).ok_or(CodecError::Invalid("offset"))?;
            let place = Place { number, length: r.number("length")?, offset };
            let long = usize::try_from(place.length).is_ok_and(|length| length > VALUE_BYTES_MAX);
            if long || place.offset < values_from || place.end() > values_end {
                return Err(CodecError::Invalid("place"));
            }
            (next, end) = (u64::from(number) + 1, place.end());
            places.push(place);
        }
        if places.is_empty() {
            return Err(CodecError::Invalid("group"));
        }
        table.push((group, places));
    }
    r.end("table")?;
    Ok(table)
}
