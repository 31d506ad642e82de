//! A value as a storage hands it out: read in place, without a copy.

use super::local::KvValue;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a value or of an entry.
#[derive(Clone, Debug)]
pub struct Value(Bytes);

#[derive(Clone, Debug)]
enum Bytes {
    /// In the page cache of the embedded key-value store.
    Kv(KvValue),
    /// Read from a file.
    Read(Vec<u8>),
    /// In memory.
    Shared(Arc<[u8]>),
}

impl Value {
    pub(super) const fn kv(value: KvValue) -> Self {
        Self(Bytes::Kv(value))
    }

    pub(super) const fn read(value: Vec<u8>) -> Self {
        Self(Bytes::Read(value))
    }

    pub(super) const fn shared(value: Arc<[u8]>) -> Self {
        Self(Bytes::Shared(value))
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Kv(value) => value,
            Bytes::Read(value) => value,
            Bytes::Shared(value) => value,
        }
    }
}
