//! The writer record: a locked file on this machine that names the sessions which wrote to a bucket from here.
//!
//! The system releases the lock when a process ends, however it ends. So a process that has the lock knows that the sessions in the file are
//! over, and does not wait for a lease. The file counts only where it was written: a copy, on another machine or in another folder,
//! says nothing of the process that has the original.

use super::name::Nonce;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Sessions that are named at most. A process names one for each time that it begins to write.
const SESSIONS_MAX: usize = 16;
const RECORD_BYTES_MAX: u64 = 64 << 10;
/// A random identifier of this machine's current run; Linux makes a new one at every start.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The record, locked as long as this exists.
#[derive(Debug)]
pub(super) struct WriterRecord {
    file: File,
    content: Content,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    origin: Origin,
    /// Nonces of sessions that began to write, oldest first.
    sessions: Vec<Nonce>,
    /// The store that passed its probe last, as [`WriterRecord::has_passed`] names it.
    probed: Option<String>,
}

/// Where a record was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    boot_id: String,
    device: u64,
    inode: u64,
}

impl WriterRecord {
    /// Opens and locks the record; `None` while another process has it, and on a system that does not identify its runs.
    ///
    /// # Errors
    /// The file system fails.
    pub(super) fn lock(path: &Path) -> io::Result<Option<Self>> {
        let Ok(boot_id) = fs::read_to_string(BOOT_ID) else { return Ok(None) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let meta = file.metadata()?;
        let origin = Origin { boot_id: boot_id.trim().to_owned(), device: meta.dev(), inode: meta.ino() };
        let mut stored = Vec::new();
        (&file).take(RECORD_BYTES_MAX).read_to_end(&mut stored)?;
        // What cannot be read says nothing either.
        let found = serde_json::from_slice(&stored).ok().filter(|found: &Content| found.origin == origin);
        Ok(Some(Self { file, content: found.unwrap_or(Content { origin, ..Content::default() }) }))
    }

    /// Sessions that wrote from here, and are over.
    pub(super) fn sessions(&self) -> &[Nonce] {
        &self.content.sessions
    }

    /// Adds a session before it begins.
    pub(super) fn add_session(&mut self, nonce: Nonce) -> io::Result<()> {
        self.content.sessions.push(nonce);
        let surplus = self.content.sessions.len().saturating_sub(SESSIONS_MAX);
        self.content.sessions.drain(..surplus);
        self.write()
    }

    /// Whether this store passed its probe from here before.
    pub(super) fn has_passed(&self, store: &str) -> bool {
        self.content.probed.as_deref() == Some(store)
    }

    /// Notes the outcome of a probe.
    pub(super) fn set_passed(&mut self, store: Option<&str>) -> io::Result<()> {
        self.content.probed = store.map(str::to_owned);
        self.write()
    }

    /// Not synced: what the system had not written when the machine failed would not count after its restart.
    fn write(&self) -> io::Result<()> {
        let bytes = serde_json::to_vec(&self.content)?;
        self.file.write_all_at(&bytes, 0)?;
        self.file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for WriterRecord {
    fn drop(&mut self) {
        // A process that another thread starts meanwhile has the open file, too, until it runs its own program.
        drop(self.file.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn lock(path: &Path) -> Option<WriterRecord> {
        WriterRecord::lock(path).unwrap()
    }

    #[test]
    fn sessions_are_told_to_the_next_process_and_to_none_beside() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("data/record.json");
        let mut record = lock(&path).unwrap();
        assert_eq!((record.sessions(), record.has_passed("a")), (&[][..], false));
        for nonce in 0..20 {
            record.add_session(Nonce([nonce; 16])).unwrap();
        }
        record.set_passed(Some("a")).unwrap();
        assert!(lock(&path).is_none(), "two processes have the record");
        drop(record);
        let mut record = lock(&path).unwrap();
        let named: Vec<u8> = record.sessions().iter().map(|nonce| nonce.0[0]).collect();
        assert_eq!(named, (4..20).collect::<Vec<_>>());
        assert!(record.has_passed("a") && !record.has_passed("b"));
        record.set_passed(None).unwrap();
        drop(record);
        assert!(!lock(&path).unwrap().has_passed("a"));
    }

    #[test]
    fn a_copy_another_run_of_the_machine_and_what_cannot_be_read_say_nothing() {
        let folder = TempDir::new().unwrap();
        let (path, copy) = (folder.path().join("record.json"), folder.path().join("copy.json"));
        let mut record = lock(&path).unwrap();
        record.add_session(Nonce([7; 16])).unwrap();
        record.set_passed(Some("a")).unwrap();
        fs::copy(&path, &copy).unwrap();
        let of_copy = lock(&copy).unwrap();
        assert_eq!((of_copy.sessions(), of_copy.has_passed("a")), (&[][..], false), "a copy");
        drop((record, of_copy));
        let text = fs::read_to_string(&path).unwrap();
        let boot_id = fs::read_to_string(BOOT_ID).unwrap();
        for changed in [text.replace(boot_id.trim(), "another"), text[..text.len() / 2].to_owned()] {
            assert_ne!(changed, text);
            // In place: the file stays the same.
            fs::write(&path, &changed).unwrap();
            assert_eq!(lock(&path).unwrap().sessions(), &[], "{changed}");
        }
        fs::write(&path, &text).unwrap();
        assert_eq!(lock(&path).unwrap().sessions(), &[Nonce([7; 16])]);
    }
}
