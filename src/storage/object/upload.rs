//! Values on their way: many go to segments, a few into the next slot.

use super::core::{Core, Role};
use super::name::SegmentName;
use super::places::{Entry, Group, MAGIC, Place, encode_pages};
use super::staged::{self, Record};
use super::table::TableChange;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::key::ValueKey;
use crate::storage::upload::Hint;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What leads to a value takes fewer bytes than this in a segment.
const PLACE_BYTES_MAX: usize = 40;

#[derive(Debug, Default)]
struct Open {
    /// Of a value that was put twice, the last counts.
    values: BTreeMap<ValueKey, Vec<u8>>,
    bytes: usize,
    /// Segments that are whole.
    written: Vec<TableChange>,
}

/// Values on their way into a bucket.
#[derive(Debug)]
pub(in super::super) struct Upload {
    core: Arc<Core>,
    hint: Hint,
    open: Mutex<Open>,
}

impl Upload {
    pub(super) fn new(core: &Arc<Core>, hint: Hint) -> Self {
        Self { core: Arc::clone(core), hint, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in super::super) fn put(&self, key: &ValueKey, value: Vec<u8>) -> StorageResult<()> {
        if self.core.role == Role::Reader {
            return Err(StorageError::ReadOnly);
        }
        let mut open = self.open();
        open.bytes += value.len();
        open.values.insert(*key, value);
        if open.bytes >= self.core.segment_bytes() {
            self.write_segment(&mut open)?;
        }
        Ok(())
    }

    pub(in super::super) fn seal(&self) -> StorageResult<()> {
        if self.core.role == Role::Reader {
            return Err(StorageError::ReadOnly);
        }
        let mut open = self.open();
        // Nothing is written for a writer that knows that it has lost the storage.
        self.core.writing().check()?;
        let is_small = self.hint == Hint::ShortLived && self.core.has_room_inline(open.bytes);
        if is_small && !open.values.is_empty() {
            let values = std::mem::take(&mut open.values);
            let values = values.into_iter().map(|(key, value)| (key, value.into())).collect();
            open.written.push(TableChange::Inline(values));
            open.bytes = 0;
        } else {
            self.write_segment(&mut open)?;
        }
        let written = std::mem::take(&mut open.written);
        if written.is_empty() { Ok(()) } else { self.core.change(written).map(drop) }
    }

    fn write_segment(&self, open: &mut Open) -> StorageResult<()> {
        let values = std::mem::take(&mut open.values);
        open.bytes = 0;
        if values.is_empty() {
            return Ok(());
        }
        let name = self.core.segment_name();
        let (bytes, entries) = encode(&name, &values);
        drop(values);
        let (shared, stored) = (&self.core.shared, Bytes::from(bytes));
        // Its name is its writer's alone: to write it once more writes the same.
        shared.bucket.put(&name.to_string(), &stored)?;
        let bytes = u64::try_from(stored.len()).unwrap_or(u64::MAX);
        let change = TableChange::Add { segment: name, bytes, entries: entries.into() };
        match &self.core.staging {
            // What is copied is read from the store when it is looked at, not from a disk.
            Some(resume) => {
                crash_points::after(Point::StagedPieceWritten);
                let record = Bytes::from(Record::of(&stored, &change).encode());
                shared.bucket.put(&staged::record_name(&resume.source, &name), &record)?;
                crash_points::after(Point::StagedPieceRecorded);
            }
            None => shared.reader.written(&name, &stored),
        }
        open.written.push(change);
        Ok(())
    }
}

/// A segment of these values, and the lines of its groups.
fn encode(name: &SegmentName, values: &BTreeMap<ValueKey, Vec<u8>>) -> (Vec<u8>, Vec<Entry>) {
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let values_bytes: usize = values.values().map(Vec::len).sum();
    // A segment is large: as much as it may need at once, instead of copies while it grows.
    let mut out = Vec::with_capacity(MAGIC.len() + values_bytes + values.len() * PLACE_BYTES_MAX);
    out.extend_from_slice(&MAGIC);
    let mut groups: BTreeMap<Group, Vec<Place>> = BTreeMap::new();
    for (key, value) in values {
        let place = Place::of(key.number(), value, length(&out));
        groups.entry(Group { kind: key.kind(), run: key.run() }).or_default().push(place);
        out.extend_from_slice(value);
    }
    let mut entries = Vec::with_capacity(groups.len());
    for (group, places) in &groups {
        let at = length(&out);
        entries.extend(Entry::of(*group, places, at));
        out.extend_from_slice(&encode_pages(name.token(), at, places));
    }
    (out, entries)
}
