//! SHA-256 values, the Merkle hashes of RFC 6962, and their text form.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 value. Its text form is standard base64 with padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// SHA-256 of the parts, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The root of a tree without leaves.
    pub fn of_empty_tree() -> Self {
        Self::of(&[])
    }

    /// The hash of a leaf with this content.
    pub fn of_leaf(content: &[u8]) -> Self {
        Self::of(&[&[0], content])
    }

    /// The hash of a node above two others.
    pub fn of_node(left: Self, right: Self) -> Self {
        Self::of(&[&[1], &left.0, &right.0])
    }

    /// Reads the text form; `None` for anything that is not exactly the text of a hash.
    pub fn parse(text: &str) -> Option<Self> {
        from_base64(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads exactly `N` bytes of standard base64 with padding. Each value has one text form.
pub(super) fn from_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}
