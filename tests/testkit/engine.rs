//! The engines of storage that tests run on.

use coverledger::storage::Storage;
use tempfile::TempDir;

/// Where a ledger is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    Local,
}

impl Engine {
    /// Its name in `COVERLEDGER_MODEL_STORAGE`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Local => "local",
        }
    }

    /// A storage of its own, with its folder.
    pub(crate) fn fresh(self) -> (Storage, Option<TempDir>) {
        match self {
            Self::Memory => (Storage::memory(), None),
            Self::Local => {
                let folder = TempDir::new().unwrap();
                (Storage::local(folder.path().join("data")), Some(folder))
            }
        }
    }
}
