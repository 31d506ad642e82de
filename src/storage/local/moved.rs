//! `MOVED`: the mark of a ledger that was migrated. It lies elsewhere now, and no writer begins here.

use super::head::sync_dir;
use super::session::LocalSession;
use crate::storage::error::{StorageError, StorageResult};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

const FILE: &str = "MOVED";

/// Where the ledger of a directory was migrated to, if it was.
fn moved_to(dir: &Path) -> StorageResult<Option<String>> {
    let path = dir.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file("read", &path)(error)),
    }
}

/// Refuses a ledger that lies elsewhere now.
pub(super) fn check(dir: &Path) -> StorageResult<()> {
    let Some(to) = moved_to(dir)? else { return Ok(()) };
    let mark = format!("the file {}", dir.join(FILE).display());
    Err(StorageError::Moved { from: dir.display().to_string(), to, mark })
}

impl LocalSession {
    pub(in super::super) fn moved_to(&self) -> StorageResult<Option<String>> {
        moved_to(self.dir())
    }

    pub(in super::super) fn mark_moved(&self, to: &str) -> StorageResult<()> {
        self.check_may_write()?;
        let path = self.dir().join(FILE);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(format!("{to}\n").as_bytes())?;
            file.sync_all()
        });
        written.map_err(StorageError::file("write", &path))?;
        sync_dir(self.dir())
    }
}
