//! ValueWriter of values: many go to a segment file of their own, a few to the hot part.

use super::segment::SegmentWriter;
use super::store::Store;
use super::table;
use crate::storage::VALUE_BYTES_MAX;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::StorageError;
use std::sync::{Mutex, PoisonError};

/// Values on their way into the store. They can be read after [`ValueWriter::sync`].
///
/// Each writer has its own: the writer of commits, and each compaction. Keys are new: a value is never changed.
#[derive(Debug)]
pub struct ValueWriter {
    store: Store,
    segment_bytes_min: u64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// What is not in a file: values of a commit that is small so far, and those with keys of another form.
    held: Vec<(Vec<u8>, Vec<u8>)>,
    held_bytes: u64,
    file: Option<SegmentWriter>,
}

impl ValueWriter {
    pub(super) fn new(store: Store, segment_bytes_min: u64) -> Self {
        Self { store, segment_bytes_min, open: Mutex::default() }
    }

    /// Puts an immutable value. Durable, and to be read, only after [`Self::sync`].
    pub fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StorageError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(StorageError::TooLarge { bytes: value.len() });
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(file), Some(place)) = (&mut open.file, table::group_of(key)) {
            file.append(place, &value)?;
            crash_points::after(Point::ValuePut);
            return Ok(());
        }
        if table::group_of(key).is_some() {
            open.held_bytes += u64::try_from(value.len()).unwrap_or(u64::MAX);
        }
        open.held.push((key.to_vec(), value));
        crash_points::after(Point::ValuePut);
        if open.file.is_none() && open.held_bytes > self.segment_bytes_min {
            let mut file = self.store.shared.segments.create()?;
            for (key, value) in std::mem::take(&mut open.held) {
                match table::group_of(&key) {
                    Some(place) => file.append(place, &value)?,
                    None => open.held.push((key, value)),
                }
            }
            open.file = Some(file);
        }
        Ok(())
    }

    /// Makes everything that was put durable and readable.
    ///
    /// # Errors
    /// What was put is lost; a segment file that was not sealed is removed.
    pub fn sync(&self) -> Result<(), StorageError> {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        let shared = &self.store.shared;
        if let Some(file) = open.file {
            shared.segments.add(file.seal()?)?;
        }
        if open.held.is_empty() {
            return Ok(());
        }
        for (key, value) in open.held {
            shared.hot.insert(&key, value)?;
        }
        shared.hot.sync()
    }
}
