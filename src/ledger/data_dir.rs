//! The data directory as such: made, claimed, and, where it cannot be used, named with its key.

use super::error::{LedgerError, Outcome};
use super::head;
use super::lock::DirLock;
use super::store::StoreError;
use std::fs;
use std::path::Path;

/// A disk with less free is full: no store can be opened on it.
const FULL_BELOW_BYTES: u64 = 1 << 20;

/// Makes the directory if need be, and locks it.
///
/// # Errors
/// [`LedgerError::DataDir`] when it cannot be made or written to; [`LedgerError::InUse`].
pub(super) fn claim(dir: &Path) -> Outcome<DirLock> {
    let unusable = |error: LedgerError| match error {
        LedgerError::File { .. } => {
            let reason =
                reason(dir).map_or_else(|| error.to_string(), |reason| format!("{reason} ({error})"));
            LedgerError::DataDir { path: dir.to_path_buf(), reason }
        }
        other => other,
    };
    fs::create_dir_all(dir).map_err(LedgerError::file("creating", dir)).map_err(unusable)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        head::sync_dir(parent).map_err(unusable)?;
    }
    DirLock::take(dir).map_err(unusable)
}

/// Refuses what is there but no directory.
///
/// # Errors
/// [`LedgerError::DataDir`].
pub(super) fn check(dir: &Path) -> Outcome<()> {
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => {
            Err(LedgerError::DataDir { path: dir.to_path_buf(), reason: "it is not a directory".to_owned() })
        }
        _ => Ok(()),
    }
}

/// A store that does not open where nothing can be written is the directory's fault.
pub(super) fn blame(dir: &Path) -> impl FnOnce(StoreError) -> LedgerError + use<> {
    let path = dir.to_path_buf();
    move |error| match (&error, reason(&path)) {
        (StoreError::Failed { .. }, Some(reason)) => {
            LedgerError::DataDir { path, reason: format!("{reason} ({error})") }
        }
        _ => error.into(),
    }
}

/// Why a directory cannot be used, as far as it shows.
fn reason(dir: &Path) -> Option<String> {
    use rustix::fs::{Access, access};
    // A way that does not exist is as good as its nearest part that does.
    let there = dir.ancestors().find(|path| fs::symlink_metadata(path).is_ok())?;
    if fs::metadata(there).is_ok_and(|found| !found.is_dir()) {
        return Some(format!("{} is not a directory", there.display()));
    }
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Err(rustix::io::Errno::ROFS) => return Some("its file system is read-only".to_owned()),
        Err(_) => return Some(format!("{} cannot be written to by this user", there.display())),
        Ok(()) => {}
    }
    match fs2::available_space(there) {
        Ok(free) if free < FULL_BELOW_BYTES => Some("its disk is full".to_owned()),
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
            assert!(matches!(error, LedgerError::DataDir { .. }), "{error}");
            let told = error.to_string();
            assert!(
                told.contains("`data_dir` under [ledger]") && told.contains("is not a directory"),
                "{told}"
            );
        }
        assert!(matches!(check(&file), Err(LedgerError::DataDir { .. })));
        assert!(check(&folder.path().join("absent")).is_ok());
        claim(&folder.path().join("new").join("data")).unwrap();
    }
}
