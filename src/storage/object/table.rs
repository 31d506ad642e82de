//! Changes of what is stored beside the entries: segments, small values, and runs that are deleted.

use super::entry_pages::{Placed, decode_placed, encode_placed};
use super::name::SegmentName;
use super::places::{Entry, decode_entry, encode_entry};
use crate::storage::VALUE_BYTES_MAX;
use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use crate::storage::key::ValueKey;
use std::ops::Range;
use std::sync::Arc;

/// One change. They are applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TableChange {
    /// The values of a segment count.
    Add { segment: SegmentName, bytes: u64, entries: Arc<[Entry]> },
    /// Small values, which lie in the slot itself.
    Inline(Arc<[(ValueKey, Arc<[u8]>)]>),
    /// No value of a kind counts whose run is among these.
    Remove { kind: u8, runs: Range<u64> },
    /// Appended entries lie in the pages of this segment from now on.
    Pages { segment: SegmentName, bytes: u64, pages: Arc<[Placed]> },
}

const ADD: u8 = 1;
const INLINE: u8 = 2;
const REMOVE: u8 = 3;
const PAGES: u8 = 4;
/// Bytes that an item takes at least: bounds what a length can make us allocate.
const ENTRY_BYTES_MIN: usize = 6;
const VALUE_BYTES_MIN: usize = 14;
pub(super) const PLACED_BYTES_MIN: usize = 4;

impl TableChange {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Add { segment, bytes, entries } => {
                out.push(ADD);
                segment.encode(out);
                out.put_varint(*bytes);
                out.put_len(entries.len());
                entries.iter().for_each(|entry| encode_entry(entry, out));
            }
            Self::Inline(values) => {
                out.push(INLINE);
                out.put_len(values.len());
                for (key, value) in &**values {
                    out.extend_from_slice(key);
                    out.put_prefixed(value);
                }
            }
            Self::Remove { kind, runs } => {
                out.push(REMOVE);
                out.push(*kind);
                out.put_varint(runs.start);
                out.put_varint(runs.end);
            }
            Self::Pages { segment, bytes, pages } => {
                out.push(PAGES);
                segment.encode(out);
                out.put_varint(*bytes);
                out.put_len(pages.len());
                pages.iter().for_each(|page| encode_placed(page, out));
            }
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        match r.u8("kind of a change")? {
            ADD => {
                let (segment, bytes) = (SegmentName::decode(r)?, r.varint("segment bytes")?);
                let count = r.count(ENTRY_BYTES_MIN, "groups")?;
                let entries = (0..count).map(|_| decode_entry(r)).collect::<Decoded<_>>()?;
                Ok(Self::Add { segment, bytes, entries })
            }
            INLINE => {
                let count = r.count(VALUE_BYTES_MIN, "values")?;
                (0..count).map(|_| read_value(r)).collect::<Decoded<_>>().map(Self::Inline)
            }
            REMOVE => {
                let kind = r.u8("kind")?;
                Ok(Self::Remove { kind, runs: r.varint("first run")?..r.varint("last run")? })
            }
            PAGES => {
                let (segment, bytes) = (SegmentName::decode(r)?, r.varint("segment bytes")?);
                let count = r.count(PLACED_BYTES_MIN, "pages of entries")?;
                let pages = (0..count).map(|_| decode_placed(segment, r)).collect::<Decoded<_>>()?;
                Ok(Self::Pages { segment, bytes, pages })
            }
            _ => Err(CodecError::Invalid("kind of a change")),
        }
    }
}

/// A small value with its key.
pub(super) fn read_value(r: &mut Reader<'_>) -> Decoded<(ValueKey, Arc<[u8]>)> {
    let key = ValueKey::read(r.bytes(13, "key")?).ok_or(CodecError::Invalid("key"))?;
    let value = r.prefixed("value")?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(CodecError::Invalid("value"));
    }
    Ok((key, value.into()))
}
