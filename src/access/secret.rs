//! Random secrets, and the hashes by which they are known again.

use super::error::{AccessError, AccessResult};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::fmt;

/// What every token begins with, so that scanners find one that was published by mistake.
pub const TOKEN_PREFIX: &str = "coverledger_";

/// 256 random bits. The service shows them once and keeps only their hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RandomSecret([u8; 32]);

impl RandomSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`AccessError::Random`]
    pub(super) fn generate() -> AccessResult<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| AccessError::Random)?;
        Ok(Self(bytes))
    }

    /// Reads what [`RandomSecret::encoded`] wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// 43 characters that headers, cookies and addresses may contain.
    pub(super) fn encoded(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// The key of message authentication codes that only the bearer's service can make.
    pub(super) const fn key(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash by which it is known again. The secret has 256 random bits: no slower hash makes it harder to guess.
    pub(super) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for RandomSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// SHA-256 of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SecretHash(pub(super) [u8; 32]);

/// Reads a token in the form that a header carries.
pub(super) fn read_token(text: &str) -> Option<RandomSecret> {
    RandomSecret::decode(text.strip_prefix(TOKEN_PREFIX)?)
}

/// A token as it is shown once.
pub(super) fn write_token(secret: &RandomSecret) -> String {
    format!("{TOKEN_PREFIX}{}", secret.encoded())
}
