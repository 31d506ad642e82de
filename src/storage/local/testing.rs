//! What tests look at in a data directory.

use std::path::{Path, PathBuf};

/// The segment files of a data directory.
pub(crate) fn segment_files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect()
}
