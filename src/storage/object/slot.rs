//! A slot: one link of the chain, as it is stored.
//!
//! ```text
//! magic (8) | format (1) | number | epoch | nonce (16) | SHA-256 of the slot before (32) | what it is (1)
//!           | version: number, hash (32) | collected below | changes of entries | changes of the table | XXH3 of all (8)
//! ```
//!
//! Its own SHA-256, over every byte, is what the next one names.

use super::name::Nonce;
use super::table::TableChange;
use crate::storage::VALUE_BYTES_MAX;
use crate::storage::bytes::{CodecError, Decoded, Reader, Writer};
use crate::storage::root::{Change, Version};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 8] = *b"cvrlslot";
const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
/// Bytes of a slot at most: it is read as a whole.
pub(super) const SLOT_BYTES_MAX: usize = 64 << 20;
/// Bytes of the key of an entry at most.
const KEY_BYTES_MAX: usize = 1 << 16;

/// SHA-256 of a slot.
pub(super) type Hash = [u8; 32];

/// What a slot does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The root changes.
    Commit,
    /// A writer begins, with the next epoch.
    Claim,
    /// The writer is there.
    Heartbeat,
    /// The writer has ended: the next one need not wait.
    Release,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Claim => 2,
            Self::Heartbeat => 3,
            Self::Release => 4,
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Decoded<Self> {
        match r.u8("what a slot is")? {
            1 => Ok(Self::Commit),
            2 => Ok(Self::Claim),
            3 => Ok(Self::Heartbeat),
            4 => Ok(Self::Release),
            _ => Err(CodecError::Invalid("what a slot is")),
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.push(self.number());
    }
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) number: u64,
    pub(super) epoch: u64,
    /// Of the session that created it.
    pub(super) nonce: Nonce,
    /// The slot before it.
    pub(super) previous: Hash,
    pub(super) kind: Kind,
    /// The version of the root from this slot on.
    pub(super) version: Version,
    /// Objects that counted last before this slot are deleted.
    pub(super) collected: u64,
    pub(super) entries: Vec<Change>,
    pub(super) table: Vec<TableChange>,
}

pub(super) fn hash(stored: &[u8]) -> Hash {
    Sha256::digest(stored).into()
}

/// Appends the checksum of all before it.
pub(super) fn seal(mut out: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&out).to_be_bytes();
    out.extend_from_slice(&checksum);
    out
}

/// Compares magic, format and checksum; returns what lies between.
pub(super) fn unseal<'a>(stored: &'a [u8], magic: &[u8; 8], known: u8) -> Decoded<Reader<'a>> {
    let at = stored.len().checked_sub(CHECKSUM_BYTES).ok_or(CodecError::Truncated("the object"))?;
    let (body, checksum) = stored.split_at_checked(at).ok_or(CodecError::Truncated("the object"))?;
    let mut r = Reader::new(body);
    if r.bytes(magic.len(), "magic")? != magic {
        return Err(CodecError::Invalid("magic"));
    }
    let found = r.u8("format")?;
    if found != known {
        return Err(CodecError::Format { found, known });
    }
    if xxh3_64(body).to_be_bytes() != checksum {
        return Err(CodecError::Checksum);
    }
    Ok(r)
}

pub(super) fn write_version(out: &mut Vec<u8>, version: &Version) {
    out.put_varint(version.number);
    out.extend_from_slice(&version.hash);
}

pub(super) fn read_version(r: &mut Reader<'_>) -> Decoded<Version> {
    Ok(Version { number: r.varint("version")?, hash: r.array("version")? })
}

fn write_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Put(key, value) => {
            out.push(1);
            out.put_prefixed(key);
            out.put_prefixed(value);
        }
        Change::Delete(key) => {
            out.push(0);
            out.put_prefixed(key);
        }
        Change::Append(key, value) => {
            out.push(2);
            out.put_prefixed(key);
            out.put_prefixed(value);
        }
    }
}

/// The key of an entry.
pub(super) fn read_key<'a>(r: &mut Reader<'a>) -> Decoded<&'a [u8]> {
    let key = r.prefixed("key")?;
    if key.len() > KEY_BYTES_MAX { Err(CodecError::Invalid("key")) } else { Ok(key) }
}

/// The value of an entry.
pub(super) fn read_entry<'a>(r: &mut Reader<'a>) -> Decoded<&'a [u8]> {
    let value = r.prefixed("entry")?;
    if value.len() > VALUE_BYTES_MAX { Err(CodecError::Invalid("entry")) } else { Ok(value) }
}

fn read_change(r: &mut Reader<'_>) -> Decoded<Change> {
    match r.u8("change")? {
        1 => Ok(Change::Put(read_key(r)?.to_vec(), read_entry(r)?.to_vec())),
        0 => Ok(Change::Delete(read_key(r)?.to_vec())),
        2 => Ok(Change::Append(read_key(r)?.to_vec(), read_entry(r)?.to_vec())),
        _ => Err(CodecError::Invalid("change")),
    }
}

impl Slot {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(FORMAT);
        out.put_varint(self.number);
        out.put_varint(self.epoch);
        out.extend_from_slice(&self.nonce.0);
        out.extend_from_slice(&self.previous);
        self.kind.write(&mut out);
        write_version(&mut out, &self.version);
        out.put_varint(self.collected);
        out.put_len(self.entries.len());
        self.entries.iter().for_each(|change| write_change(&mut out, change));
        out.put_len(self.table.len());
        self.table.iter().for_each(|change| change.encode(&mut out));
        seal(out)
    }

    pub(super) fn decode(stored: &[u8]) -> Decoded<Self> {
        if stored.len() > SLOT_BYTES_MAX {
            return Err(CodecError::Invalid("the length of a slot"));
        }
        let mut r = unseal(stored, &MAGIC, FORMAT)?;
        let slot = Self {
            number: r.varint("number")?,
            epoch: r.varint("epoch")?,
            nonce: Nonce(r.array("nonce")?),
            previous: r.array("the slot before")?,
            kind: Kind::read(&mut r)?,
            version: read_version(&mut r)?,
            collected: r.varint("collected")?,
            entries: (0..r.count(2, "changes")?).map(|_| read_change(&mut r)).collect::<Decoded<_>>()?,
            table: (0..r.count(4, "changes")?)
                .map(|_| TableChange::decode(&mut r))
                .collect::<Decoded<_>>()?,
        };
        r.end("slot")?;
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::SegmentName;
    use super::super::places::{Entry, Group};
    use super::*;
    use crate::storage::key::ValueKey;
    use proptest::prelude::*;

    pub(in super::super) fn slot() -> Slot {
        let group = Group { kind: 0x62, run: 1 << 40 };
        Slot {
            number: 7,
            epoch: 3,
            nonce: Nonce([9; 16]),
            previous: [8; 32],
            kind: Kind::Commit,
            version: Version { number: 5, hash: [4; 32] },
            collected: 2,
            entries: vec![
                Change::Put(b"m".to_vec(), b"value".to_vec()),
                Change::Delete(Vec::new()),
                Change::Append(b"c".to_vec(), vec![3; 9]),
            ],
            table: vec![
                TableChange::Remove { kind: 0x62, runs: 3..9 },
                TableChange::Add {
                    segment: SegmentName { epoch: 3, number: 1, nonce: Nonce([9; 16]) },
                    bytes: 4_711,
                    entries: [Entry { group, count: 3, bytes: 90, numbers: (4, 900), at: 1 << 30 }].into(),
                },
                TableChange::Inline([(ValueKey::new(0x62, 5, 6), b"small".as_slice().into())].into()),
            ],
        }
    }

    #[test]
    fn a_slot_is_read_back_and_every_changed_byte_is_noticed() {
        let stored = slot().encode();
        assert_eq!(Slot::decode(&stored).unwrap(), slot());
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 0x10;
            assert!(Slot::decode(&damaged).is_err(), "byte {at}");
            assert!(Slot::decode(&stored[..at]).is_err(), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_behind_a_right_checksum_are_an_error_at_worst(bytes: Vec<u8>, keep in 0..80_usize) {
            let stored = slot().encode();
            let mut forged = stored[..keep.min(stored.len() - 8)].to_vec();
            forged.extend(bytes);
            let forged = seal(forged);
            if let Ok(read) = Slot::decode(&forged) {
                prop_assert_eq!(Slot::decode(&read.encode()).unwrap(), read);
            }
        }
    }
}
