//! The engines of storage that tests run on.

use coverledger::storage::Storage;
#[cfg(feature = "object-store")]
use coverledger::storage::object::{Object, ObjectOptions};
use tempfile::TempDir;

/// Where a ledger is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    Local,
    /// A bucket, in memory.
    #[cfg(feature = "object-store")]
    Object,
}

impl Engine {
    /// Its name in `COVERLEDGER_MODEL_STORAGE`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Local => "local",
            #[cfg(feature = "object-store")]
            Self::Object => "object",
        }
    }

    /// Every one.
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::Memory,
            Self::Local,
            #[cfg(feature = "object-store")]
            Self::Object,
        ]
    }

    /// A storage of its own, with its folder.
    pub(crate) fn fresh(self) -> (Storage, Option<TempDir>) {
        let (storage, _, folder) = self.fresh_for_two();
        (storage, folder)
    }

    /// The same, and, where others may read beside the writer, a handle that shares nothing with the first: of another process.
    pub(crate) fn fresh_for_two(self) -> (Storage, Option<Storage>, Option<TempDir>) {
        match self {
            Self::Memory => (Storage::memory(), None, None),
            #[cfg(feature = "object-store")]
            Self::Object => {
                let bucket = std::sync::Arc::new(object_store::memory::InMemory::new());
                let handle = || {
                    let options = ObjectOptions { full_every: 20, ..ObjectOptions::default() };
                    Storage::Object(Object::over(vec![bucket.clone()], "s3://memory", options))
                };
                (handle(), Some(handle()), None)
            }
            Self::Local => {
                let folder = TempDir::new().unwrap();
                (Storage::local(folder.path().join("data")), None, Some(folder))
            }
        }
    }
}
