//! One process at a time in a data directory.

use super::error::{LedgerError, Outcome};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The lock of a data directory, held as long as this lives. The system releases it when the process ends, however.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Shares the lock with others that only read; `None` where no process ever took it.
    pub fn share(data_dir: &Path) -> Outcome<Option<Self>> {
        let path = data_dir.join("LOCK");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::file("opening", &path)(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Err(LedgerError::InUse { path: data_dir.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(LedgerError::file("locking", &path)(error)),
        }
    }

    /// Takes the lock, or says that another process has it.
    pub fn take(data_dir: &Path) -> Outcome<Self> {
        let path = data_dir.join("LOCK");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(LedgerError::file("opening", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::InUse { path: data_dir.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(LedgerError::file("locking", &path)(error)),
        }
    }
}
