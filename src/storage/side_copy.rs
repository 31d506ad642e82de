//! Files of a folder as files beside the chain of a bucket, and back: what a backup has besides the ledger.

use super::error::{StorageError, StorageResult};
#[cfg(feature = "object-store")]
use super::side_files::SIDE_FILE_BYTES_MAX;
use super::side_files::SideFiles;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The folder beside the chain.
const FOLDER: &str = "beside";

/// Puts every file of a folder and below it, each under its name from there on.
#[cfg(feature = "object-store")]
pub(super) fn put_folder(
    folder: &Path,
    put: &mut dyn FnMut(&str, &[u8]) -> StorageResult<()>,
) -> StorageResult<()> {
    put_below(folder, FOLDER, put)
}

#[cfg(feature = "object-store")]
fn put_below(
    folder: &Path,
    name: &str,
    put: &mut dyn FnMut(&str, &[u8]) -> StorageResult<()>,
) -> StorageResult<()> {
    let listed = fs::read_dir(folder).map_err(StorageError::file("list", folder))?;
    for entry in listed {
        let path = entry.map_err(StorageError::file("list", folder))?.path();
        let Some(own) = path.file_name().and_then(|own| own.to_str()) else { continue };
        let name = format!("{name}/{own}");
        let metadata = fs::symlink_metadata(&path).map_err(StorageError::file("inspect", &path))?;
        if metadata.is_dir() {
            put_below(&path, &name, put)?;
        } else if metadata.is_file() {
            if usize::try_from(metadata.len()).map_or(true, |bytes| bytes > SIDE_FILE_BYTES_MAX) {
                let message =
                    format!("it has more than {SIDE_FILE_BYTES_MAX} bytes: back up to a folder instead");
                return Err(StorageError::File { action: "back up", path, message });
            }
            put(&name, &fs::read(&path).map_err(StorageError::file("read", &path))?)?;
        }
    }
    Ok(())
}

impl SideFiles {
    /// Writes the files that a backup has besides the ledger, those whose names are wanted, into a folder, where there is none of
    /// their names; returns those that were there. Only their owner may read them.
    ///
    /// # Errors
    /// The store or the disk fails.
    pub fn restore_beside(
        &self,
        folder: &Path,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> StorageResult<Vec<String>> {
        let mut kept = Vec::new();
        for file in self.list(FOLDER, None)? {
            let Some(name) = file.name.strip_prefix("beside/").filter(|name| is_wanted(name)) else {
                continue;
            };
            let Some(bytes) = self.get(&file.name)? else { continue };
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(folder);
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(StorageError::file("make", parent))?;
            let created = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            match created {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => kept.push(name.to_owned()),
                created => created
                    .and_then(|mut file| {
                        file.write_all(&bytes)?;
                        file.sync_all()
                    })
                    .map_err(StorageError::file("write", &path))?,
            }
        }
        Ok(kept)
    }
}
