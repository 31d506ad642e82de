//! A data directory that is made aside, and gets its name when it is whole.

use super::head;
use super::session::LocalSession;
use crate::storage::Acquire;
use crate::storage::error::{StorageError, StorageResult};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A directory under another name than its own. Dropped before it is published, it is removed.
#[derive(Debug)]
pub(in super::super) struct LocalStaging {
    partial: PathBuf,
    target: PathBuf,
    is_published: bool,
}

impl LocalStaging {
    pub(super) fn begin(target: &Path) -> StorageResult<Self> {
        let refused = |message: &str| StorageError::File {
            action: "back up to",
            path: target.to_path_buf(),
            message: message.to_owned(),
        };
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
        match fs::create_dir(&partial) {
            Ok(()) => Ok(Self { partial, target: target.to_path_buf(), is_published: false }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(refused(&format!(
                "another backup to it is under way, or one was interrupted: then remove {}",
                partial.display()
            ))),
            Err(error) => Err(StorageError::file("create", &partial)(error)),
        }
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
        self.target.parent().map_or(Ok(()), head::sync_dir)
    }
}

impl Drop for LocalStaging {
    fn drop(&mut self) {
        if !self.is_published {
            // The failure is what counts; what is left has a name that no command takes for a backup.
            let _left = fs::remove_dir_all(&self.partial);
        }
    }
}
