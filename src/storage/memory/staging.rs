//! A storage in memory that is made aside.

use super::{Memory, MemorySession, read, write};
use crate::storage::Acquire;
use crate::storage::error::{StorageError, StorageResult};
use std::path::PathBuf;

/// A storage in memory that takes its place when it is whole.
#[derive(Debug)]
pub(in super::super) struct MemoryStaging {
    aside: Memory,
    target: Memory,
}

impl MemoryStaging {
    pub(in super::super) fn open(&self, how: &Acquire) -> StorageResult<MemorySession> {
        self.aside.acquire(how)
    }

    pub(in super::super) fn publish(self) -> StorageResult<()> {
        let _users = self.target.users();
        let mut target = write(&self.target.0.stored);
        if !target.is_empty() {
            return Err(not_empty());
        }
        *target = std::mem::take(&mut *write(&self.aside.0.stored));
        Ok(())
    }
}

impl Memory {
    pub(in super::super) fn stage(&self) -> StorageResult<MemoryStaging> {
        if read(&self.0.stored).is_empty() {
            Ok(MemoryStaging { aside: Self::default(), target: self.clone() })
        } else {
            Err(not_empty())
        }
    }
}

fn not_empty() -> StorageError {
    StorageError::File {
        action: "back up to",
        path: PathBuf::from("memory"),
        message: "it is not empty; name a new one".to_owned(),
    }
}
