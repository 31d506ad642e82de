//! `Local`: a directory of this machine.
//!
//! Two places keep values; the modules above need not know which:
//! * *segment files* (`segment`), each sealed once and never changed, contain what is written in bulk. `catalog` says which
//!   values count, `table` where they lie in a file; `pages` reads that on demand, through the bounded cache; `segments` puts
//!   it together and gives space back, `reclaimer` slowly enough for concurrent readers.
//! * an embedded key-value store (`kv`) holds the entries of the root and the values of small uploads.
//!
//! `store` is the engine made of both: `value_writer` chooses between them, `merge_scan` goes through the keys of both,
//! `copy` takes segment files over into a checkpoint (`staging`). `session` adds what makes it one storage for one writer:
//! `lock`, the version of the root (`version`) with its witness `HEAD` outside the store (`head`), and the data directory
//! itself (`data_dir`, `moved`). To read only, `temporary_copy` spares the store that is in use.

mod catalog;
mod copy;
mod data_dir;
mod failure;
pub mod head;
mod kv;
mod lock;
mod merge_scan;
mod moved;
mod pages;
mod reclaimer;
mod segment;
mod segments;
mod session;
mod staging;
mod store;
mod table;
mod temporary_copy;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod value_writer;
mod version;

pub(super) use kv::KvValue;
pub(super) use reclaimer::Reclaimer;
pub use session::{LocalSession, entry_key};
pub(super) use staging::LocalStaging;
pub use store::Store;
pub use value_writer::ValueWriter;

use super::checkpoint::Resume;
use super::error::{StorageError, StorageResult};
use super::{Acquire, Hint, Version};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Values after which a sequential scan asks for more to be read ahead.
const AHEAD_EVERY: usize = 16;
/// Bytes that a sequential scan reads ahead at a time. A question that reads the disk meanwhile waits for them: that is a
/// quarter of a millisecond, with a mebibyte a whole one.
const AHEAD_BYTES: u64 = 256 << 10;
/// Values of a small upload that are not worth a file of their own.
const UPLOAD_SEGMENT_BYTES_MIN: u64 = 1 << 20;

impl Hint {
    /// Bytes above which an upload goes to a segment file.
    const fn segment_bytes_min(self) -> u64 {
        match self {
            Self::ShortLived => UPLOAD_SEGMENT_BYTES_MIN,
            Self::LongLived => 0,
        }
    }
}

/// A storage in a directory of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    dir: PathBuf,
}

impl Local {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn acquire(&self, how: &Acquire) -> StorageResult<LocalSession> {
        LocalSession::acquire(&self.dir, how)
    }

    pub(super) fn free_bytes(&self) -> StorageResult<u64> {
        fs2::available_space(&self.dir).map_err(StorageError::file("read the free space of", &self.dir))
    }

    pub(super) fn stage(&self, resume: Option<(&Resume, Version)>) -> StorageResult<LocalStaging> {
        LocalStaging::begin(&self.dir, resume)
    }
}

/// Where a process that has the data directory listens for its operator.
pub fn admin_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

/// Whether a folder, which need not exist, lies in the data directory or is it: also under another name, through links, or
/// where a part of the data directory is a link to another disk.
pub fn is_in_data_dir(folder: &Path, data_dir: &Path) -> bool {
    let parts = [data_dir.to_path_buf(), data_dir.join("store"), data_dir.join("segments")];
    let parts: Vec<(u64, u64)> =
        parts.iter().filter_map(|part| std::fs::metadata(part).ok()).map(|found| id_of(&found)).collect();
    // What does not exist has no links: its nearest folder that does decides.
    let Some(real) = folder.ancestors().find_map(|above| std::fs::canonicalize(above).ok()) else {
        return false;
    };
    let mut above = real.ancestors().filter_map(|above| std::fs::metadata(above).ok());
    above.any(|above| parts.contains(&id_of(&above)))
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
