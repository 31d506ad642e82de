//! A data directory that is made aside, and gets its name when it is whole.

use super::head;
use super::lock::DirLock;
use super::session::LocalSession;
use super::store::Store;
use super::version::Recorded;
use crate::storage::checkpoint::Resume;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::{Acquire, Version};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Memory of the store while only its version is read.
const CACHE_BYTES: u64 = 8 << 20;
const INDEX_BYTES: usize = 1 << 20;
/// Names the source of a copy that is continued where it is interrupted.
const SOURCE: &str = "SOURCE";

/// A directory under another name than its own. Dropped before it is published, it is removed, unless its copy can be continued.
#[derive(Debug)]
pub(in super::super) struct LocalStaging {
    partial: PathBuf,
    target: PathBuf,
    is_published: bool,
    /// Keeps another process away that would continue the same copy.
    lock: Option<DirLock>,
    /// Segment files that an earlier copy left, and their bytes.
    reused: (u64, u64),
}

impl LocalStaging {
    pub(super) fn begin(target: &Path, resume: Option<(&Resume, Version)>) -> StorageResult<Self> {
        let refused = |message: &str| refused(target, message);
        let name = target.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(name), true) = (target.parent(), name, target.is_absolute()) else {
            return Err(refused("name a folder by its whole path"));
        };
        match fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(refused("the folder is not empty; name a new one")),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(refused(&error.to_string())),
        }
        let partial = parent.join(format!(".{name}.partial"));
        let interrupted = || {
            let partial = partial.display();
            refused(&format!(
                "another backup to it is under way, or one was interrupted: then remove {partial}"
            ))
        };
        let is_new = match fs::create_dir(&partial) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists && resume.is_some() => false,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(interrupted()),
            Err(error) => return Err(StorageError::file("create", &partial)(error)),
        };
        let staging = |lock, reused| Self {
            partial: partial.clone(),
            target: target.to_path_buf(),
            is_published: false,
            lock,
            reused,
        };
        let Some((resume, version)) = resume else { return Ok(staging(None, (0, 0))) };
        let source = partial.join(SOURCE);
        let lock = DirLock::take(&partial)?;
        if fs::read(&source).ok().as_deref() != Some(resume.source.as_bytes()) {
            if !is_new && partial.join("store").exists() {
                return Err(interrupted());
            }
            fs::write(&source, &resume.source).map_err(StorageError::file("write", &source))?;
        }
        settle_root(&partial, version)?;
        let reused = files_of(&partial.join("segments"))?;
        Ok(staging(Some(lock), reused))
    }

    pub(in super::super) const fn reused(&self) -> (u64, u64) {
        self.reused
    }

    pub(in super::super) fn partial(&self) -> &Path {
        &self.partial
    }

    pub(in super::super) fn open(&self, how: &Acquire) -> StorageResult<LocalSession> {
        LocalSession::aside(&self.partial, how)
    }

    pub(in super::super) fn publish(mut self) -> StorageResult<()> {
        fs::rename(&self.partial, &self.target)
            .map_err(StorageError::file("rename the backup to", &self.target))?;
        self.is_published = true;
        crash_points::after(Point::StagedPublished);
        self.target.parent().map_or(Ok(()), head::sync_dir)?;
        // It has served its purpose; what is left of it does no harm.
        let _left = fs::remove_file(self.target.join(SOURCE));
        Ok(())
    }
}

impl Drop for LocalStaging {
    fn drop(&mut self) {
        if !self.is_published && self.lock.is_none() {
            // The failure is what counts; what is left has a name that no command takes for a backup.
            let _left = fs::remove_dir_all(&self.partial);
        }
    }
}

fn refused(target: &Path, message: &str) -> StorageError {
    StorageError::File { action: "back up to", path: target.to_path_buf(), message: message.to_owned() }
}

/// Completes a copy's change of the root that was cut off between the store and the witness: nothing else changes it. Of a copy of
/// another version the segment files stay, and what changes from one version to the next is copied again.
fn settle_root(partial: &Path, wanted: Version) -> StorageResult<()> {
    let store = partial.join("store");
    if !store.is_dir() {
        return Ok(());
    }
    let recorded = Recorded::load(&Store::open(partial, CACHE_BYTES, INDEX_BYTES)?)?;
    if recorded.version == Version::NONE {
        return Ok(());
    }
    if recorded.version == wanted {
        return head::write(partial, &recorded.version);
    }
    match fs::remove_file(head::path(partial)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(StorageError::file("remove", &head::path(partial))(error));
        }
        _ => {}
    }
    fs::remove_dir_all(&store).map_err(StorageError::file("remove", &store))
}

/// Files that have their names, and their bytes.
fn files_of(folder: &Path) -> StorageResult<(u64, u64)> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((0, 0)),
        listed => listed.map_err(StorageError::file("list", folder))?,
    };
    let mut found = (0, 0);
    for entry in listed {
        let entry = entry.map_err(StorageError::file("list", folder))?;
        if entry.path().extension().is_some_and(|ending| ending == "seg") {
            let bytes = entry.metadata().map_err(StorageError::file("inspect", &entry.path()))?.len();
            found = (found.0 + 1, found.1 + bytes);
        }
    }
    Ok(found)
}
