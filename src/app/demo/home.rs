//! The demo's folder: its configuration files and, below them, its ledger.

use crate::config::Config;
use anyhow::{Context, bail};
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Temporary folders that are tried.
const NAMES_MAX: u32 = 1_000;

/// A folder; a temporary one is removed when this is dropped.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    is_kept: bool,
    is_removed: bool,
}

impl Home {
    /// Makes the folder, a temporary one unless one is named, and writes the configuration into it.
    ///
    /// # Errors
    /// A named folder that holds something, or one that cannot be written.
    pub fn make(keep: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match keep {
            Some(folder) => named(folder)?,
            None => temporary()?,
        };
        let home = Self { folder, is_kept: keep.is_some(), is_removed: false };
        for (name, text) in Config::embedded_files() {
            let path = home.folder.join(name);
            let written =
                path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
            written.with_context(|| format!("Failed to write {}", path.display()))?;
        }
        Ok(home)
    }

    /// The configuration in the folder.
    ///
    /// # Errors
    /// A file that went away meanwhile.
    pub fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config_path(), &|_| None)?)
    }

    /// Where the configuration lies.
    pub fn config_path(&self) -> PathBuf {
        let [(name, _), _] = Config::embedded_files();
        self.folder.join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it stays.
    pub const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Removes a temporary folder.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn remove(&mut self) -> anyhow::Result<()> {
        if self.is_kept || std::mem::replace(&mut self.is_removed, true) {
            return Ok(());
        }
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("Failed to remove {}", self.folder.display()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Only after a failure is there anything left to remove, and that failure was already reported.
        let _removed = self.remove();
    }
}

/// The folder that was named: a new or an empty one, because the embedded broker loses everything with its process.
fn named(folder: &Path) -> anyhow::Result<PathBuf> {
    let made = fs::create_dir_all(folder).and_then(|()| fs::read_dir(folder));
    let mut entries = made.with_context(|| format!("Failed to make {}", folder.display()))?;
    if entries.next().is_some() {
        bail!(
            "Failed to keep the demo in {}: it is not empty, and a demo always begins anew; name a new folder. A \
             ledger that an earlier demo kept is read with the other commands, e.g. coverledger verify --config \
             {}/demo.toml",
            folder.display(),
            folder.display()
        );
    }
    Ok(folder.to_path_buf())
}

/// A new folder that only this user may read.
fn temporary() -> anyhow::Result<PathBuf> {
    let parent = std::env::temp_dir();
    for number in 0..NAMES_MAX {
        let folder = parent.join(format!("coverledger-demo-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("Failed to make {}", folder.display())),
        }
    }
    bail!(
        "Failed to make a folder for the demo: {} is full of demos; remove some, or name one with --keep DIR",
        parent.display()
    )
}
