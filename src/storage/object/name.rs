//! Names of objects, below the prefix of a storage and the slice.

use crate::storage::bytes::{Decoded, Reader, Writer};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// The slice that a writer has: one of one. Several writers by partition would have one each.
pub(super) const SLICE: &str = "slice/0-of-1";
/// Folders of objects.
pub(super) const SLOTS: &str = "slot/";
pub(super) const SEGMENTS: &str = "seg/";
pub(super) const FULLS: &str = "full/";
pub(super) const MARKS: &str = "gc/";
/// What is known of segments that wait for their chain, by the source that they were copied from.
pub(super) const STAGED: &str = "stage/";
/// Says that the ledger was moved, and where to.
pub(super) const MOVED: &str = "moved";
/// Files beside the chain; they lie beside the slices.
pub(super) const SIDE: &str = "side/";

/// What tells one writer's objects from another's: random, new for each session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Nonce(pub(super) [u8; 16]);

impl Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::storage::bytes::hex(&self.0))
    }
}

/// A numbered object of a folder; the names of a folder sort as their numbers.
pub(super) fn numbered(folder: &str, number: u64) -> String {
    format!("{folder}{number:020}")
}

/// The number of such a name; `None` for a name of another form.
pub(super) fn number_of(folder: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(folder)?;
    if digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

/// The name of a segment: no two writers give the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentName {
    pub(super) epoch: u64,
    pub(super) number: u64,
    pub(super) nonce: Nonce,
}

impl Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, number, nonce } = self;
        write!(f, "{SEGMENTS}{epoch:010}-{number:010}-{nonce}")
    }
}

impl SegmentName {
    /// Reads the name of an object; `None` for a name of another form.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(SEGMENTS)?.split('-');
        let (epoch, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let nonce = data_encoding::HEXLOWER.decode(parts.next()?.as_bytes()).ok()?;
        let this = Self { epoch, number, nonce: Nonce(nonce.try_into().ok()?) };
        (this.to_string() == name).then_some(this)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_varint(self.epoch);
        out.put_varint(self.number);
        out.extend_from_slice(&self.nonce.0);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        Ok(Self {
            epoch: r.varint("segment epoch")?,
            number: r.varint("segment number")?,
            nonce: Nonce(r.array("segment nonce")?),
        })
    }

    /// A number for caches, and for checksums of its pages.
    pub(super) fn token(&self) -> u64 {
        let mut bytes = Vec::with_capacity(32);
        self.encode(&mut bytes);
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers_and_are_read_back() {
        assert!(numbered(SLOTS, 9) < numbered(SLOTS, 10) && numbered(SLOTS, 10) < numbered(SLOTS, u64::MAX));
        assert_eq!(number_of(SLOTS, &numbered(SLOTS, u64::MAX)), Some(u64::MAX));
        for foreign in ["slot/1", "slot/0000000000000000000x", "full/00000000000000000001", "slot/"] {
            assert_eq!(number_of(SLOTS, foreign), None, "{foreign}");
        }
        let name = SegmentName { epoch: 3, number: 1 << 40, nonce: Nonce([7; 16]) };
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        assert_eq!(SegmentName::parse("seg/3-1-00"), None);
    }
}
