//! A copy of a folder in the system's place for temporary files, removed when it is dropped.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Names that are tried.
const NAMES_TRIED: u32 = 10_000;

#[derive(Debug)]
pub(super) struct TemporaryCopy(PathBuf);

impl TemporaryCopy {
    /// Copies a folder.
    pub(super) fn copy_of(folder: &Path) -> io::Result<Self> {
        let this = Self::create()?;
        copy(folder, &this.0)?;
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn create() -> io::Result<Self> {
        let place = std::env::temp_dir();
        for nth in 0..NAMES_TRIED {
            let path = place.join(format!("coverledger-{}-{nth}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl Drop for TemporaryCopy {
    fn drop(&mut self) {
        // What is left is of no use and in a place for temporary files.
        let _left = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            io::copy(&mut fs::File::open(entry.path())?, &mut fs::File::create(&target)?)?;
        }
    }
    Ok(())
}
