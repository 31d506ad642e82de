//! What is known of the segments of a copy that is not published yet, so that one that was interrupted continues with them.
//!
//! ```text
//! stage/{source}/{segment}: magic (8) | format (1) | bytes of the segment | XXH3 of the segment (8) | change of the table | XXH3 of all (8)
//! ```
//!
//! The segment is written before its record. A segment counts again only if it is as its record says, byte for byte.

use super::bucket::Bucket;
use super::name::{SEGMENTS, STAGED, SegmentName};
use super::slot::{seal, unseal};
use super::state::{Layer, State};
use super::table::TableChange;
use crate::storage::bytes::{CodecError, Decoded, Writer};
use crate::storage::error::StorageResult;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 8] = *b"cvrlstag";
const FORMAT: u8 = 1;
/// Bytes of a record at most.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes of a segment that counts again at most.
pub(super) const SEGMENT_BYTES_MAX: usize = 256 << 20;
/// Segments that are read at once.
const READ_AT_ONCE: usize = 2;

/// A segment that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    bytes: u64,
    checksum: u64,
    change: TableChange,
}

impl Record {
    /// Of a segment as it is stored.
    pub(super) fn of(stored: &[u8], change: &TableChange) -> Self {
        let bytes = u64::try_from(stored.len()).unwrap_or(u64::MAX);
        Self { bytes, checksum: xxh3_64(stored), change: change.clone() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(FORMAT);
        out.put_varint(self.bytes);
        out.extend_from_slice(&self.checksum.to_be_bytes());
        self.change.encode(&mut out);
        seal(out)
    }

    fn decode(stored: &[u8]) -> Decoded<Self> {
        let mut r = unseal(stored, &MAGIC, FORMAT)?;
        let record = Self {
            bytes: r.varint("segment bytes")?,
            checksum: u64::from_be_bytes(r.array("segment checksum")?),
            change: TableChange::decode(&mut r)?,
        };
        r.end("record")?;
        match record.change {
            TableChange::Add { .. } => Ok(record),
            TableChange::Inline(_) | TableChange::Remove { .. } | TableChange::Pages { .. } => {
                Err(CodecError::Invalid("record"))
            }
        }
    }

    fn segment(&self) -> Option<SegmentName> {
        match &self.change {
            TableChange::Add { segment, .. } => Some(*segment),
            TableChange::Inline(_) | TableChange::Remove { .. } | TableChange::Pages { .. } => None,
        }
    }

    fn is_of(&self, stored: &[u8]) -> bool {
        u64::try_from(stored.len()).is_ok_and(|bytes| bytes == self.bytes) && xxh3_64(stored) == self.checksum
    }

    /// Whether a state has no value of it yet. Two copies at the same time may have written the same values.
    fn is_apart_from(&self, state: &State) -> bool {
        let TableChange::Add { entries, .. } = &self.change else { return false };
        entries.iter().all(|entry| {
            state.layers(entry.group).iter().all(|layer| match layer {
                Layer::Segment(_, other) => {
                    other.numbers.1 < entry.numbers.0 || entry.numbers.1 < other.numbers.0
                }
                Layer::Inline(_) => false,
            })
        })
    }
}

/// The folder of the records of a source.
pub(super) fn folder(source: &str) -> String {
    format!("{STAGED}{source}/")
}

/// The record of a segment.
pub(super) fn record_name(source: &str, segment: &SegmentName) -> String {
    let name = segment.to_string();
    format!("{}{}", folder(source), name.strip_prefix(SEGMENTS).unwrap_or(&name))
}

/// Segments that were there, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) segments: u64,
    pub(super) bytes: u64,
}

/// Takes the segments of a source that are whole into a state. Others are deleted with their records.
pub(super) fn take_in(bucket: &Bucket, source: &str, state: &mut State) -> StorageResult<Taken> {
    let mut taken = Taken::default();
    let names: Vec<String> = bucket.list(&folder(source), None)?.into_iter().map(|one| one.name).collect();
    for names in names.chunks(READ_AT_ONCE) {
        let records = bucket.get_all(names, RECORD_BYTES_MAX)?;
        let known: Vec<(String, Option<Record>)> = names
            .iter()
            .zip(records)
            .map(|(name, stored)| (name.clone(), stored.and_then(|stored| Record::decode(&stored).ok())))
            .collect();
        let segments: Vec<String> = known
            .iter()
            .map(|(name, record)| {
                let segment = record.as_ref().and_then(Record::segment).map(|segment| segment.to_string());
                // Without one that can be read, the name of the record says which segment it is about.
                segment
                    .unwrap_or_else(|| format!("{SEGMENTS}{}", name.rsplit('/').next().unwrap_or_default()))
            })
            .collect();
        let stored = bucket.get_all(&segments, SEGMENT_BYTES_MAX)?;
        for (((name, record), segment), stored) in known.into_iter().zip(segments).zip(stored) {
            let is_whole =
                |record: &Record, stored: &Bytes| record.is_of(stored) && record.is_apart_from(state);
            match (record, stored) {
                (Some(record), Some(stored)) if is_whole(&record, &stored) => {
                    state.change_table(&record.change, 0);
                    taken.segments += 1;
                    taken.bytes += record.bytes;
                }
                _ => {
                    tracing::warn!(segment, "a segment of an earlier copy is not whole: it is copied again");
                    bucket.delete(&[name, segment])?;
                }
            }
        }
    }
    Ok(taken)
}

/// Deletes the records of a source: a chain names its segments now.
pub(super) fn forget(bucket: &Bucket, source: &str) -> StorageResult<()> {
    let names: Vec<String> = bucket.list(&folder(source), None)?.into_iter().map(|one| one.name).collect();
    bucket.delete(&names)
}

#[cfg(test)]
mod tests {
    use super::super::name::Nonce;
    use super::super::places::{Entry, Group};
    use super::*;

    #[test]
    fn a_record_is_read_back_and_says_whether_its_segment_is_whole() {
        let segment = SegmentName { epoch: 1, number: 4, nonce: Nonce([5; 16]) };
        let entry =
            |numbers| Entry { group: Group { kind: 0x62, run: 3 }, count: 2, bytes: 9, numbers, at: 17 };
        let change = TableChange::Add { segment, bytes: 20, entries: [entry((4, 5))].into() };
        let record = Record::of(b"the bytes of a segment", &change);
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        assert!(record.is_of(b"the bytes of a segment") && !record.is_of(b"the bytes of a segmenT"));
        let stored = record.encode();
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 2;
            assert!(Record::decode(&damaged).is_err(), "byte {at}");
        }
        let mut state = State::default();
        assert!(record.is_apart_from(&state));
        let other = |numbers| TableChange::Add { segment, bytes: 20, entries: [entry(numbers)].into() };
        state.change_table(&other((0, 3)), 0);
        assert!(record.is_apart_from(&state));
        state.change_table(&other((5, 8)), 0);
        assert!(!record.is_apart_from(&state));
    }
}
