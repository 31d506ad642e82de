//! Rider identifiers in logs: a keyed hash, so that lines about one rider can be found together without naming the rider.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Characters of a pseudonym: 64 bits.
const BYTES: usize = 8;

/// Makes pseudonyms with a key that never leaves the access store.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; 32],
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    pub(super) const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The pseudonym of a rider identifier: 16 hexadecimal digits, the same for as long as the store lives.
    pub fn of(&self, rider_id: &str) -> String {
        // A key of 32 bytes is never refused.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(rider_id.as_bytes());
        let code = mac.finalize().into_bytes();
        data_encoding::HEXLOWER.encode(code.get(..BYTES).unwrap_or_default())
    }
}
