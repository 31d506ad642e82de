//! The sealed days: a manifest entry for each entry of the seal log, under its index. The ledger does not read what they say.

use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::{Manifest, kind};

/// A sealed day as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSeal {
    /// The entry of the log.
    pub text: String,
    /// Parts of the leaves' value.
    pub parts: u32,
    /// The newest state that the seal is known to agree with: its commit.
    pub agrees_until: u64,
    /// Run numbers from here on belong to later commits.
    pub next_run: u64,
}

impl StoredSeal {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_prefixed(self.text.as_bytes());
        out.put_varint(u64::from(self.parts));
        out.put_varint(self.agrees_until);
        out.put_varint(self.next_run);
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// The bytes are not those of a seal.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        let seal = Self {
            text: r.text("entry of the seal log")?.to_owned(),
            parts: r.number("parts of leaves")?,
            agrees_until: r.varint("commit of a seal")?,
            next_run: r.varint("next run of a seal")?,
        };
        r.end("sealed day")?;
        Ok(seal)
    }
}

/// Every seal, by index.
///
/// # Errors
/// An entry is damaged, or one is missing: the log has no gaps.
pub fn load(manifest: &Manifest) -> LedgerResult<Vec<StoredSeal>> {
    let seals = manifest.numbered(kind::SEAL, StoredSeal::decode)?;
    let is_whole = (0..).zip(&seals).all(|(index, (number, _))| index == *number);
    if !is_whole {
        return Err(LedgerError::damaged("the indexes of the seal log")(CodecError::Invalid("key")));
    }
    Ok(seals.into_iter().map(|(_, seal)| seal).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_seal_goes_there_and_back(text: String, parts: u32, agrees_until: u64, next_run: u64) {
            let seal = StoredSeal { text, parts, agrees_until, next_run };
            prop_assert_eq!(StoredSeal::decode(&mut Reader::new(&seal.encode())).unwrap(), seal);
        }

        #[test]
        fn any_bytes_are_an_error_at_worst(bytes: Vec<u8>) {
            drop(StoredSeal::decode(&mut Reader::new(&bytes)));
        }
    }
}
