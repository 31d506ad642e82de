//! The data directory as such: made, claimed, and, where it cannot be used, named with its key.

use super::head;
use super::lock::DirLock;
use crate::storage::{StorageError, StorageResult};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// A disk with less free is full: no store can be opened on it.
const FULL_BELOW_BYTES: u64 = 1 << 20;

/// Makes the directory if need be, and locks it.
///
/// # Errors
/// [`StorageError::DataDir`] when it cannot be made or written to; [`StorageError::InUse`].
pub(crate) fn claim(dir: &Path) -> StorageResult<DirLock> {
    fs::create_dir_all(dir).map_err(StorageError::file("create", dir)).map_err(unusable(dir))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        head::sync_dir(parent).map_err(unusable(dir))?;
    }
    DirLock::take(dir).map_err(unusable(dir))
}

/// Refuses a directory without a ledger, and one that cannot be read.
///
/// # Errors
/// [`StorageError::DataDir`] when it is no directory or the system refuses to read it; [`StorageError::NoLedger`].
pub(crate) fn check_ledger(dir: &Path) -> StorageResult<()> {
    let is_absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    let refused = |path: &Path, error: io::Error| unreadable(dir)(StorageError::file("read", path)(error));
    let none = || StorageError::NoLedger { path: dir.to_path_buf() };
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => {
            let reason = "it is not a directory: name another one".to_owned();
            return Err(StorageError::DataDir { path: dir.to_path_buf(), reason });
        }
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Err(none()),
        Err(error) => return Err(refused(dir, error)),
    }
    let store = dir.join("store");
    match fs::read_dir(&store) {
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) || error.kind() == ErrorKind::NotADirectory => Err(none()),
        Err(error) => Err(refused(&store, error)),
    }
}

/// The system refused to read a file of the directory: the directory's fault, and no sign that there is no ledger.
pub(crate) fn unreadable(dir: &Path) -> impl Fn(StorageError) -> StorageError + use<> {
    let path = dir.to_path_buf();
    move |error| match error {
        StorageError::File { .. } => {
            let reason = format!("{error}; run the command as a user that can read it");
            StorageError::DataDir { path: path.clone(), reason }
        }
        other => other,
    }
}

/// The system refused to make or write a file of the directory.
pub(crate) fn unusable(dir: &Path) -> impl Fn(StorageError) -> StorageError + use<> {
    let path = dir.to_path_buf();
    move |error| match error {
        StorageError::File { .. } => {
            let reason = reason(&path).map_or_else(
                || format!("{error}; name another directory, in which this user can write"),
                |reason| format!("{error}; {reason}"),
            );
            StorageError::DataDir { path: path.clone(), reason }
        }
        other => other,
    }
}

/// A store that does not open where nothing can be written is the directory's fault.
pub(crate) fn blame(dir: &Path) -> impl FnOnce(StorageError) -> StorageError + use<> {
    let path = dir.to_path_buf();
    move |error| match (&error, reason(&path)) {
        (StorageError::Failed { action, path: place, message }, Some(reason)) => {
            let reason = format!("failed to {action} in {}: {message}; {reason}", place.display());
            StorageError::DataDir { path, reason }
        }
        _ => error,
    }
}

/// Why a directory cannot be used, as far as it shows, and what to do.
fn reason(dir: &Path) -> Option<String> {
    use rustix::fs::{Access, access};
    use rustix::io::Errno;
    // A way that does not exist is as good as its nearest part that does.
    let there = dir.ancestors().find(|path| fs::symlink_metadata(path).is_ok())?;
    let shown = there.display();
    match fs::metadata(there) {
        Ok(found) if !found.is_dir() => return Some(format!("{shown} is not a directory: name another one")),
        Ok(_) => {}
        Err(error) if there.is_symlink() => {
            return Some(format!("{shown} is a symbolic link that leads nowhere ({error}): mend the link"));
        }
        Err(_) => return None,
    }
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Err(Errno::ROFS) => return Some("its file system is read-only: name another directory".to_owned()),
        Err(Errno::ACCESS | Errno::PERM) => {
            return Some(format!("{shown} cannot be written to by this user: let this user write there"));
        }
        Err(_) | Ok(()) => {}
    }
    // A file system such as /proc has no space at all, and is not full.
    let has_room = fs2::total_space(there).is_ok_and(|bytes| bytes > 0);
    match fs2::available_space(there) {
        Ok(free) if has_room && free < FULL_BELOW_BYTES => {
            Some("its disk is full: free some space on it".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_with_its_key() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        for dir in [file.clone(), file.join("below"), file.join("far").join("below")] {
            let error = claim(&dir).unwrap_err();
            assert!(matches!(error, StorageError::DataDir { .. }), "{error}");
            let told = error.to_string();
            assert!(
                told.contains("`data_dir` under [ledger]") && told.contains("is not a directory"),
                "{told}"
            );
        }
        assert!(matches!(check_ledger(&file), Err(StorageError::DataDir { .. })));
        assert!(matches!(check_ledger(&folder.path().join("absent")), Err(StorageError::NoLedger { .. })));
        claim(&folder.path().join("new").join("data")).unwrap();
        assert!(matches!(check_ledger(&folder.path().join("new")), Err(StorageError::NoLedger { .. })));
    }

    #[test]
    fn a_ledger_that_the_system_refuses_to_read_is_not_missing() {
        let folder = tempfile::TempDir::new().unwrap();
        let (round, holder) = (folder.path().join("round"), folder.path().join("holder"));
        std::os::unix::fs::symlink(&round, &round).unwrap();
        fs::create_dir(&holder).unwrap();
        std::os::unix::fs::symlink("store", holder.join("store")).unwrap();
        for dir in [round, holder, folder.path().join("n".repeat(300))] {
            let error = check_ledger(&dir).unwrap_err();
            assert!(matches!(error, StorageError::DataDir { .. }), "{error}");
            assert!(
                error.to_string().contains("Failed to read ") && error.to_string().contains("os error"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_cause_is_the_systems_and_no_guess() {
        let folder = tempfile::TempDir::new().unwrap();
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink(folder.path().join("gone").join("far"), &dangling).unwrap();
        let told = claim(&dangling).unwrap_err().to_string();
        assert!(
            told.contains("symbolic link that leads nowhere") && told.contains("Failed to create"),
            "{told}"
        );
        assert!(!told.contains("by this user"), "{told}");
        let told = claim(Path::new("/proc/nope/data")).unwrap_err().to_string();
        assert!(told.contains("Failed to create /proc/nope/data") && told.contains("os error"), "{told}");
        assert!(!told.contains("disk is full"), "{told}");
    }
}
