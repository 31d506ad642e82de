//! The mark of a ledger that was migrated: it lies elsewhere now, and no writer begins here.

use super::name::MOVED;
use super::session::ObjectSession;
use super::shared::Shared;
use crate::storage::error::{StorageError, StorageResult};
use bytes::Bytes;

/// Bytes of the mark at most.
const MOVED_BYTES_MAX: usize = 64 << 10;

/// Refuses a ledger that lies elsewhere now.
pub(super) fn check_place(shared: &Shared) -> StorageResult<()> {
    let Some(to) = moved_to(shared)? else { return Ok(()) };
    let mark = format!("the object {}", shared.bucket.place(MOVED));
    Err(StorageError::Moved { from: shared.bucket.url().to_owned(), to, mark })
}

/// Where the ledger was moved to, if it was.
fn moved_to(shared: &Shared) -> StorageResult<Option<String>> {
    let mark = shared.bucket.get(MOVED, MOVED_BYTES_MAX)?;
    Ok(mark.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

impl ObjectSession {
    pub(in super::super) fn moved_to(&self) -> StorageResult<Option<String>> {
        moved_to(&self.core.shared)
    }

    /// The mark first, then a slot: a writer that claims the storage later finds the mark, one that claimed it before is found here.
    pub(in super::super) fn mark_moved(&self, to: &str) -> StorageResult<()> {
        let bucket = &self.core.shared.bucket;
        self.core.check()?;
        bucket.put(MOVED, &Bytes::from(format!("{to}\n")))?;
        let shown = self.core.show();
        if shown.is_err() {
            bucket.delete(&[MOVED.to_owned()])?;
        }
        shown
    }
}
