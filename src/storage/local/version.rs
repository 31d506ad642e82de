//! The version of the root as the store itself records it, compared with the witness outside it.

use super::head;
use super::store::Store;
use crate::storage::Version;
use crate::storage::bytes::{CodecError, Decoded, Reader};
use crate::storage::error::{StorageError, StorageResult};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Its key in the embedded store.
const KEY: [u8; 1] = [0];

/// A version with the hash of the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) version: Version,
    pub(super) previous_hash: [u8; 32],
}

impl Recorded {
    /// Its key and value in the store.
    pub(super) fn stored(&self) -> (Vec<u8>, Vec<u8>) {
        let mut value = self.version.number.to_be_bytes().to_vec();
        value.extend_from_slice(&self.version.hash);
        value.extend_from_slice(&self.previous_hash);
        value.extend_from_slice(&xxh3_64(&value).to_be_bytes());
        (KEY.to_vec(), value)
    }

    /// What the store records.
    pub(super) fn load(store: &Store) -> StorageResult<Self> {
        store.get(&KEY)?.map_or_else(
            || Ok(Self::default()),
            |value| {
                decode(&value).map_err(|error| {
                    StorageError::Inconsistent(format!(
                        "Failed to open the store: the version of its root is damaged ({error}); restore a backup or \
                         rebuild from Kafka or files"
                    ))
                })
            },
        )
    }

    /// Compares it with the witness.
    pub(super) fn compare(&self, head: Option<&Version>) -> StorageResult<Witness> {
        let here = &self.version;
        match head {
            None if here.number == 0 => Ok(Witness::Same),
            None if here.number == 1 => Ok(Witness::OneAhead),
            Some(head) if head == here => Ok(Witness::Same),
            Some(head)
                if head.number.checked_add(1) == Some(here.number) && head.hash == self.previous_hash =>
            {
                Ok(Witness::OneAhead)
            }
            _ => Err(StorageError::Inconsistent(format!(
                "Failed to open the ledger: the store is at commit {}, the witness HEAD at {}; the store's log was \
                 damaged or files of different ledgers were mixed. Restore a backup, or continue from the store's \
                 older state and read Kafka again with `serve --accept-older-state --reason TEXT`",
                here.number,
                head.map_or_else(|| "none".to_owned(), |head| head.number.to_string())
            ))),
        }
    }

    /// Compares it with the witness of a directory, and completes a swap that a crash cut off before the witness.
    ///
    /// Returns whether they differ and the operator lets that pass. The witness then stays as it is: only the next swap
    /// replaces it, so that continuing from an older state leaves a trace.
    pub(super) fn reconcile(&self, dir: &Path, accept_older_state: bool) -> StorageResult<bool> {
        match head::read(dir).and_then(|head| self.compare(head.as_ref())) {
            Ok(Witness::Same) => Ok(false),
            Ok(Witness::OneAhead) => head::write(dir, &self.version).map(|()| false),
            Err(StorageError::OtherFormat { path }) => Err(StorageError::OtherFormat { path }),
            Err(_) if accept_older_state => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// How the version in the store relates to the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Witness {
    /// The same.
    Same,
    /// The store is one version ahead: a crash came between the store and the witness.
    OneAhead,
}

fn decode(value: &[u8]) -> Decoded<Recorded> {
    let at = value.len().checked_sub(8).ok_or(CodecError::Truncated("the version"))?;
    let (content, checksum) = value.split_at_checked(at).ok_or(CodecError::Truncated("the version"))?;
    if xxh3_64(content).to_be_bytes() != checksum {
        return Err(CodecError::Checksum);
    }
    let mut reader = Reader::new(content);
    let version = Version { number: reader.u64("number")?, hash: reader.array("hash")? };
    let recorded = Recorded { version, previous_hash: reader.array("hash before")? };
    reader.end("the version")?;
    Ok(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version { number, hash: [u8::try_from(number).unwrap(); 32] }
    }

    #[test]
    fn the_store_may_be_one_version_ahead_and_no_more() {
        let at = |number: u64| Recorded { version: version(number), previous_hash: version(number - 1).hash };
        assert_eq!(Recorded::default().compare(None).unwrap(), Witness::Same);
        assert_eq!(at(1).compare(None).unwrap(), Witness::OneAhead);
        assert_eq!(at(7).compare(Some(&version(7))).unwrap(), Witness::Same);
        assert_eq!(at(7).compare(Some(&version(6))).unwrap(), Witness::OneAhead);
        let forked = Version { number: 6, hash: [9; 32] };
        for head in [None, Some(version(5)), Some(version(8)), Some(forked)] {
            assert!(at(7).compare(head.as_ref()).is_err(), "{head:?}");
        }
        assert!(Recorded::default().compare(Some(&version(1))).is_err());
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let (_, value) = Recorded { version: version(3), previous_hash: [2; 32] }.stored();
        assert_eq!(decode(&value).unwrap().version, version(3));
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 4;
            assert!(decode(&changed).is_err(), "byte {at}");
        }
    }
}
