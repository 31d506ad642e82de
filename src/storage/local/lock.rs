//! One process at a time in a data directory.

use crate::storage::{StorageError, StorageResult};
use crate::wait::poll_until;
use std::fs::{self, File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often a lock is tried, and the pause between: half a second in all.
const TRIES: u32 = 100;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// The lock of a data directory, held as long as this lives. The system releases it when the process ends, however.
///
/// Both the file `LOCK` and the directory itself are locked: deleting `LOCK` admits no second process.
#[derive(Debug)]
pub struct DirLock {
    file: File,
    dir: File,
    data_dir: PathBuf,
}

impl DirLock {
    /// Shares the lock with others that only read; `None` where no process ever took it.
    pub fn share(data_dir: &Path) -> StorageResult<Option<Self>> {
        let path = lock_path(data_dir);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::file("open", &path)(error)),
        };
        locked(file.try_lock_shared(), &path, data_dir)?;
        let dir = File::open(data_dir).map_err(StorageError::file("open", data_dir))?;
        locked(dir.try_lock_shared(), data_dir, data_dir)?;
        Ok(Some(Self { file, dir, data_dir: data_dir.to_path_buf() }))
    }

    /// Takes the lock, or says that another process has it.
    pub fn take(data_dir: &Path) -> StorageResult<Self> {
        let path = lock_path(data_dir);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StorageError::file("open", &path))?;
        locked(with_retries(|| file.try_lock()), &path, data_dir)?;
        let dir = File::open(data_dir).map_err(StorageError::file("open", data_dir))?;
        locked(with_retries(|| dir.try_lock()), data_dir, data_dir)?;
        Ok(Self { file, dir, data_dir: data_dir.to_path_buf() })
    }

    /// Whether what is locked still lies where this process writes. Asked before every commit: a process that was stopped for
    /// a long time may continue where another one, or another ledger, has taken its place.
    ///
    /// # Errors
    /// It does not: nothing may be written any more.
    pub fn check(&self) -> StorageResult<()> {
        let same = |held: &File, path: &Path| {
            let held = held.metadata().map_err(StorageError::file("inspect", path))?;
            match fs::metadata(path) {
                Ok(there) => Ok(is_same(&held, &there)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(StorageError::file("inspect", path)(error)),
            }
        };
        if same(&self.dir, &self.data_dir)? && same(&self.file, &lock_path(&self.data_dir))? {
            Ok(())
        } else {
            Err(StorageError::Fenced {
                why: format!(
                    "{} or its LOCK was moved, replaced or deleted while this process had it: another process may be at \
                     work there, so nothing more is written; start again, and leave the directory alone while a process \
                     has it",
                    self.data_dir.display()
                ),
            })
        }
    }
}

fn lock_path(data_dir: &Path) -> PathBuf {
    data_dir.join("LOCK")
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Tries for a moment: a program that is just being started by this process holds copies of its files until it runs.
fn with_retries(lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let tried = poll_until(TRIES, PAUSE, || match lock() {
        Err(TryLockError::WouldBlock) => None,
        tried => Some(tried),
    });
    tried.unwrap_or(Err(TryLockError::WouldBlock))
}

fn locked(tried: Result<(), TryLockError>, path: &Path, data_dir: &Path) -> StorageResult<()> {
    match tried {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse { path: data_dir.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(StorageError::file("lock", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_process_acquires_the_lock_whatever_happens_to_the_file() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        let lock = DirLock::take(&data).unwrap();
        lock.check().unwrap();
        assert!(matches!(DirLock::take(&data), Err(StorageError::InUse { .. })));
        fs::remove_file(data.join("LOCK")).unwrap();
        assert!(matches!(lock.check(), Err(StorageError::Fenced { .. })));
        assert!(matches!(DirLock::take(&data), Err(StorageError::InUse { .. })));
        // There is a file of that name again, but it is not the one.
        assert!(data.join("LOCK").exists());
        assert!(matches!(lock.check(), Err(StorageError::Fenced { .. })));
        drop(lock);
        DirLock::take(&data).unwrap().check().unwrap();
    }

    #[test]
    fn a_directory_that_was_replaced_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        let lock = DirLock::take(&data).unwrap();
        fs::rename(&data, home.path().join("old")).unwrap();
        assert!(matches!(lock.check(), Err(StorageError::Fenced { .. })));
        fs::create_dir(&data).unwrap();
        let other = DirLock::take(&data).unwrap();
        assert!(matches!(lock.check(), Err(StorageError::Fenced { .. })));
        other.check().unwrap();
    }
}
