//! The lock of a log's folder: one process writes there, and only as long as the folder is the one that it locked.

use super::error::{AnswerLogError, AnswerLogResult};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Keeps other processes away while it exists.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
    folder: PathBuf,
}

impl FolderLock {
    /// Locks a folder.
    ///
    /// # Errors
    /// Another process has it; the file system fails.
    pub(super) fn acquire(folder: &Path) -> AnswerLogResult<Self> {
        let path = path_in(folder);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(AnswerLogError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, folder: folder.to_path_buf() }),
            Err(TryLockError::WouldBlock) => Err(AnswerLogError::InUse { path: folder.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(AnswerLogError::file("lock", &path)(error)),
        }
    }

    /// Checks, before something is written by its path, that the folder there is the locked one: a process whose data directory
    /// was replaced must not write into that of its successor.
    ///
    /// # Errors
    /// Another folder or none is there; the file system fails.
    pub(super) fn check(&self) -> AnswerLogResult<()> {
        let path = path_in(&self.folder);
        let held = self.file.metadata().map_err(AnswerLogError::file("inspect", &path))?;
        match fs::metadata(&path) {
            Ok(there) if (there.dev(), there.ino()) == (held.dev(), held.ino()) => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(AnswerLogError::file("inspect", path)(error))
            }
            Ok(_) | Err(_) => Err(AnswerLogError::Replaced { path: self.folder.clone() }),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // A process that another thread starts meanwhile has the open file too, until it runs its own program: closing alone would
        // leave the lock to it.
        drop(self.file.unlock());
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("lock")
}
