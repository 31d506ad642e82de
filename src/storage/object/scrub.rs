//! Reading everything again, to find what was damaged.

use super::name::SegmentName;
use super::places::Entry;
use super::session::{At, ObjectSession};
use super::state::Layer;
use crate::storage::error::{StorageError, StorageResult};

impl ObjectSession {
    /// Reads every value and every page of every segment that counts, until the store does not answer.
    pub(in super::super) fn scrub(&self, problem: &mut dyn FnMut(StorageError)) {
        let state = self.core.visible_full();
        for layer in state.groups.values().flat_map(|layers| layers.iter()) {
            let Layer::Segment(name, entry) = layer else { continue };
            let bytes = state.segments.get(name).map_or(u64::MAX, |held| held.bytes);
            for page in 0..entry.pages() {
                if let Err(error) = self.scrub_page((name, bytes, entry), page, problem) {
                    // Each further request would wait as long.
                    return problem(error);
                }
            }
        }
    }

    /// # Errors
    /// The store does not answer.
    fn scrub_page(
        &self,
        (name, bytes, entry): (&SegmentName, u64, &Entry),
        page: u32,
        problem: &mut dyn FnMut(StorageError),
    ) -> StorageResult<()> {
        let Some(page) = report(self.core.page(name, bytes, entry, page), problem)? else { return Ok(()) };
        for place in page.places() {
            report(self.core.value(&At { segment: *name, bytes, place }), problem)?;
        }
        Ok(())
    }
}

/// What was read; `None` where it is damaged, which is reported.
///
/// # Errors
/// The store does not answer.
fn report<T>(read: StorageResult<T>, problem: &mut dyn FnMut(StorageError)) -> StorageResult<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error @ StorageError::Object { .. }) => Err(error),
        Err(error) => {
            problem(error);
            Ok(None)
        }
    }
}
