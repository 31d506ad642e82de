//! The space of removed segment files, given back a little at a time.
//!
//! A removed file keeps its blocks until its last reader closes it. That thread waits until the file system has
//! them back and, mounted with `discard`, has told the disk; and discarding 256 MiB stalls all I/O of the disk, for
//! hundreds of milliseconds (`docs/performance.md`). So a thread of its own cuts removed files short in steps, with pauses in
//! which the disk serves readers. Where no such thread runs, the writer closes them whole.

use super::pages::Segment;
use super::segment;
use crate::wait::pace;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is given back at a time: discarding it stalls a disk for about a millisecond.
const STEP_BYTES: u64 = 256 << 10;
/// Between two steps: most of the time is left to readers, and 40 MiB a second come back, as much as a writer at full
/// speed replaces.
const PAUSE: Duration = Duration::from_millis(5);
/// With more than this waiting, as when compaction catches up: 110 MiB a second.
const WAITING_BYTES_MANY: u64 = 256 << 20;
const PAUSE_OF_MANY: Duration = Duration::from_micros(1_250);
/// With more than this waiting, disk space matters more: files are closed whole.
const WAITING_BYTES_MAX: u64 = 1 << 30;
/// How often it is looked for removed files.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A segment file without a name, or soon without.
#[derive(Debug)]
pub(super) struct Removed {
    segment: Arc<Segment>,
    /// Opened while it had a name. Without it the file is closed whole.
    file: Option<File>,
}

impl Removed {
    /// A file that will be removed by the caller.
    pub(super) fn to_be(segment: &Arc<Segment>) -> Self {
        let file = OpenOptions::new().write(true).open(&segment.path);
        Self { segment: Arc::clone(segment), file: file.ok() }
    }

    /// One that is gone in memory only: it stays as it is.
    pub(super) fn in_memory(segment: &Arc<Segment>) -> Self {
        Self { segment: Arc::clone(segment), file: None }
    }

    /// Whether it has no reader left: no state of the catalog names it.
    fn is_unread(&self) -> bool {
        Arc::strong_count(&self.segment) == 1
    }
}

/// Removed files that are still open.
#[derive(Debug, Default)]
pub(super) struct RemovedFiles {
    waiting: Mutex<Vec<Removed>>,
    /// Threads that give back space in steps.
    attended: AtomicUsize,
}

impl RemovedFiles {
    fn lock(&self) -> MutexGuard<'_, Vec<Removed>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn extend(&self, removed: impl IntoIterator<Item = Removed>) {
        self.lock().extend(removed);
    }

    /// Closes those that no reader has any more, unless a thread does so in steps.
    pub(super) fn close(&self) {
        if self.attended.load(Ordering::Acquire) > 0 {
            return;
        }
        // Taken out first: closing takes time, and no thread may wait for the list meanwhile.
        let closed: Vec<_> = self.lock().extract_if(.., |removed| removed.is_unread()).collect();
        drop(closed);
    }

    /// How many are waiting.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Takes one out that no reader has, and returns how many bytes were waiting.
    pub(super) fn take(&self) -> Option<(Removed, u64)> {
        let mut waiting = self.lock();
        let bytes: u64 = waiting.iter().map(|removed| removed.segment.bytes).sum();
        let at = waiting.iter().position(Removed::is_unread)?;
        Some((waiting.swap_remove(at), bytes))
    }
}

/// Gives the space of removed files back, on a thread of its own.
#[derive(Debug)]
pub struct Reclaimer {
    dir: PathBuf,
    files: Arc<RemovedFiles>,
}

impl Reclaimer {
    /// As long as this lives, nothing else does.
    pub(super) fn begin(dir: &Path, files: Arc<RemovedFiles>) -> Self {
        files.attended.fetch_add(1, Ordering::AcqRel);
        Self { dir: dir.to_path_buf(), files }
    }

    /// Gives space back until `stop` is set.
    pub fn run(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let Some((Removed { segment, file }, waiting)) = self.files.take() else {
                pace(LOOK_EVERY);
                continue;
            };
            // Every reader has closed it by now: this thread is the last.
            drop(segment);
            let Some(file) = file.filter(|_| waiting <= WAITING_BYTES_MAX) else { continue };
            let pause = if waiting > WAITING_BYTES_MANY { PAUSE_OF_MANY } else { PAUSE };
            if let Err(error) = self.shorten(&file, pause, stop) {
                tracing::debug!(%error, "Failed to shorten a removed segment file: it is closed whole");
            }
        }
    }

    /// Cuts a file short step by step, if this is the only way to it.
    fn shorten(&self, file: &File, pause: Duration, stop: &AtomicBool) -> io::Result<()> {
        let metadata = file.metadata()?;
        // A backup may have linked it.
        if metadata.nlink() > 0 {
            return Ok(());
        }
        // After a power failure the name must not come back to a file that was cut short.
        segment::sync_dir(&self.dir).map_err(io::Error::other)?;
        let mut left = metadata.len();
        while left > 0 && !stop.load(Ordering::Acquire) {
            left = left.saturating_sub(STEP_BYTES);
            file.set_len(left)?;
            pace(pause);
        }
        Ok(())
    }
}

impl Drop for Reclaimer {
    fn drop(&mut self) {
        self.files.attended.fetch_sub(1, Ordering::AcqRel);
    }
}
