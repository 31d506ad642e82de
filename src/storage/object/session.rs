//! An acquired storage in a bucket.

use super::core::{Core, Role};
use super::name::SegmentName;
use super::places::{Entry, Found, Group, Page, Place, is_dense};
use super::segment_reader::Part;
use super::state::{Layer, State};
use super::table::TableChange;
use super::upload::Upload;
use crate::storage::bytes::CodecError;
use crate::storage::cache::{Owner, PartCache};
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::key::ValueKey;
use crate::storage::root::{Change, Version};
use crate::storage::session::{Entries, Keys};
use crate::storage::upload::Hint;
use crate::storage::value::Value;
use std::collections::BTreeSet;
use std::ops::{Bound, Range};
use std::sync::Arc;

/// Values after which a sequential scan asks for what follows.
const AHEAD_EVERY: u32 = 16;
const AHEAD_BYTES: usize = 256 << 10;

/// An acquired storage in a bucket.
#[derive(Debug)]
pub struct ObjectSession {
    pub(super) core: Arc<Core>,
}

impl Drop for ObjectSession {
    fn drop(&mut self) {
        if self.core.role == Role::Writer {
            self.core.close();
            self.core.shared.writer_ended(self.core.nonce());
        }
    }
}

/// A value's place in a segment.
pub(super) struct At {
    pub(super) segment: SegmentName,
    pub(super) bytes: u64,
    pub(super) place: Place,
}

impl At {
    fn part(&self) -> Part {
        let bytes = usize::try_from(self.place.length).unwrap_or(usize::MAX);
        Part { segment: self.segment, segment_bytes: self.bytes, from: self.place.offset, bytes }
    }
}

/// What is known of a value without reading it.
enum Stored {
    Here(Arc<[u8]>),
    There(At),
}

impl Core {
    pub(super) fn page(
        &self,
        name: &SegmentName,
        bytes: u64,
        entry: &Entry,
        page: u32,
    ) -> StorageResult<Page> {
        let (offset, length) = entry.page::<Place>(page);
        let read = || {
            let part = Part { segment: *name, segment_bytes: bytes, from: offset, bytes: length };
            let check = |bytes: &[u8]| Page::check(name.token(), entry, offset, bytes, (0, entry.at));
            self.shared.reader.read(part, check).map(|page| page.bytes())
        };
        self.parts.get_owned(Owner::Segment(name.token()), offset, read).map(Page::held)
    }

    fn find(
        &self,
        name: &SegmentName,
        bytes: u64,
        entry: &Entry,
        number: u32,
    ) -> StorageResult<Option<Place>> {
        if !entry.spans(number) {
            return Ok(None);
        }
        let (mut low, mut high) = (0, entry.pages());
        let mut at = entry.page_of(number);
        while low < high {
            match self.page(name, bytes, entry, at)?.find(number) {
                Found::Here(place) => return Ok(Some(place)),
                Found::Nowhere => return Ok(None),
                Found::InPagesBefore => high = at,
                Found::InPagesAfter => low = at + 1,
            }
            at = low + (high.saturating_sub(low)) / 2;
        }
        Ok(None)
    }

    fn look(&self, state: &State, key: &ValueKey) -> StorageResult<Option<Stored>> {
        let group = Group { kind: key.kind(), run: key.run() };
        for layer in state.layers(group).iter().rev() {
            match layer {
                Layer::Inline(values) => {
                    if let Some(value) = values.get(&key.number()) {
                        return Ok(Some(Stored::Here(Arc::clone(value))));
                    }
                }
                Layer::Segment(name, entry) => {
                    let bytes = state.segments.get(name).map_or(u64::MAX, |held| held.bytes);
                    if let Some(place) = self.find(name, bytes, entry, key.number())? {
                        return Ok(Some(Stored::There(At { segment: *name, bytes, place })));
                    }
                }
            }
        }
        Ok(None)
    }

    pub(super) fn value(&self, at: &At) -> StorageResult<Vec<u8>> {
        self.shared.reader.read(at.part(), |bytes| {
            if at.place.holds(bytes) { Ok(bytes.to_vec()) } else { Err(CodecError::Checksum) }
        })
    }

    /// Numbers of the values of a group, ascending.
    fn numbers(&self, state: &State, layers: &[Layer]) -> StorageResult<BTreeSet<u32>> {
        let mut numbers = BTreeSet::new();
        for layer in layers {
            match layer {
                Layer::Inline(values) => numbers.extend(values.keys().copied()),
                Layer::Segment(_, entry) if is_dense(entry) => {
                    numbers.extend(entry.numbers.0..=entry.numbers.1);
                }
                Layer::Segment(name, entry) => {
                    let bytes = state.segments.get(name).map_or(u64::MAX, |held| held.bytes);
                    for page in 0..entry.pages() {
                        let page = self.page(name, bytes, entry, page)?;
                        numbers.extend(page.places().map(|place| place.number));
                    }
                }
            }
        }
        Ok(numbers)
    }
}

/// Values.
impl ObjectSession {
    pub(in super::super) fn get(&self, key: &ValueKey) -> StorageResult<Option<Value>> {
        let state = self.core.visible();
        Ok(match self.core.look(&state, key)? {
            None => None,
            Some(Stored::Here(value)) => Some(Value::shared(value)),
            Some(Stored::There(at)) => Some(Value::read(self.core.value(&at)?)),
        })
    }

    pub(in super::super) fn contains(&self, key: &ValueKey) -> StorageResult<bool> {
        Ok(self.core.look(&self.core.visible(), key)?.is_some())
    }

    pub(in super::super) fn contains_all(&self, kind: u8, run: u64, count: u32) -> StorageResult<bool> {
        let state = self.core.visible();
        if let [Layer::Segment(_, entry)] = state.layers(Group { kind, run })
            && entry.is_whole(count)
        {
            return Ok(true);
        }
        for number in 0..count {
            if self.core.look(&state, &ValueKey::new(kind, run, number))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(in super::super) fn list(&self, kind: u8, from_run: u64) -> Keys {
        self.keys(Group { kind, run: from_run }, Some(kind))
    }

    pub(in super::super) fn list_all(&self) -> Keys {
        self.keys(Group { kind: 0, run: 0 }, None)
    }

    fn keys(&self, from: Group, kind: Option<u8>) -> Keys {
        let (core, state) = (Arc::clone(&self.core), self.core.visible_full());
        let mut next = Bound::Included(from);
        let groups = std::iter::from_fn(move || {
            let (group, layers) = state.groups.range((next, Bound::Unbounded)).next()?;
            next = Bound::Excluded(*group);
            if kind.is_some_and(|kind| group.kind != kind) {
                return None;
            }
            let numbers = core.numbers(&state, layers);
            Some((*group, numbers))
        });
        Box::new(groups.flat_map(|(group, numbers)| {
            let keys: Vec<StorageResult<ValueKey>> = match numbers {
                Ok(numbers) => {
                    let key = |number| Ok(ValueKey::new(group.kind, group.run, number));
                    numbers.into_iter().map(key).collect()
                }
                Err(error) => vec![Err(error)],
            };
            keys
        }))
    }

    pub(in super::super) fn begin(&self, hint: Hint) -> Upload {
        Upload::new(&self.core, hint)
    }

    pub(in super::super) fn delete_runs(&self, kind: u8, runs: Range<u64>) -> StorageResult<u64> {
        let has_any = {
            let state = self.core.visible();
            let from = Group { kind, run: runs.start };
            let first = state.groups.range(from..).next().map(|(group, _)| *group);
            first.is_some_and(|group| group.kind == kind && group.run < runs.end)
        };
        if !has_any {
            self.core.writing().check()?;
            return Ok(0);
        }
        self.core.change(vec![TableChange::Remove { kind, runs }])
    }

    pub(in super::super) fn retain(&self, wanted: impl Fn(u8, u64) -> bool) -> StorageResult<u64> {
        let unwanted: Vec<TableChange> = {
            let state = self.core.visible();
            let groups = state.groups.keys().filter(|group| !wanted(group.kind, group.run));
            groups
                .map(|group| TableChange::Remove {
                    kind: group.kind,
                    runs: group.run..group.run.saturating_add(1),
                })
                .collect()
        };
        self.core.change(unwanted)
    }
}

/// The root.
impl ObjectSession {
    /// Upkeep deletes segments of which nothing counts; parts of a segment take no space away from anything.
    pub(in super::super) fn reclaim(&self) -> StorageResult<u64> {
        self.core.check().map(|()| 0)
    }

    pub(in super::super) fn version(&self) -> StorageResult<Version> {
        self.core.version()
    }

    pub(in super::super) fn entry(&self, key: &[u8]) -> StorageResult<Option<Value>> {
        self.core.entry(&self.core.visible(), key)
    }

    pub(in super::super) fn entries(&self, prefix: &[u8]) -> Entries {
        let (core, state) = (Arc::clone(&self.core), self.core.visible_full());
        let (prefix, mut last, mut is_over) = (prefix.to_vec(), None::<Arc<[u8]>>, false);
        Box::new(std::iter::from_fn(move || {
            let from = last.as_deref().map_or(Bound::Included(prefix.as_slice()), Bound::Excluded);
            let next = if is_over { None } else { core.next_entry(&state, (from, &prefix)).transpose() };
            match next {
                Some(Ok((key, value))) => {
                    let found = (key.to_vec(), value);
                    last = Some(key);
                    Some(Ok(found))
                }
                end => {
                    is_over = true;
                    end.map(|error| error.map(|_| (Vec::new(), Value::read(Vec::new()))))
                }
            }
        }))
    }

    pub(in super::super) fn swap_root(
        &self,
        expected: &Version,
        next: &Version,
        changes: &[Change],
    ) -> StorageResult<()> {
        if self.core.role == Role::Reader {
            return Err(StorageError::ReadOnly);
        }
        for change in changes {
            if let Change::Put(_, value) | Change::Append(_, value) = change
                && value.len() > crate::storage::VALUE_BYTES_MAX
            {
                return Err(StorageError::TooLarge { bytes: value.len() });
            }
        }
        self.core.swap_root(expected, next, changes)
    }

    pub(in super::super) fn preload(&self, changes: &[Change]) -> StorageResult<()> {
        self.core.preload(changes)
    }

    /// Asks the store for the newest slot, unless the storage is only read: then its version is what it was at.
    pub(in super::super) fn confirm(&self, version: &Version) -> StorageResult<bool> {
        if self.core.version()? != *version {
            return Ok(false);
        }
        if self.core.role != Role::Writer {
            return Ok(true);
        }
        let newest = self.core.shared.newest()?;
        Ok(newest.is_some_and(|newest| newest.version == *version))
    }
}

/// Hints and care.
impl ObjectSession {
    pub(in super::super) fn prefetch(&self, keys: impl IntoIterator<Item = ValueKey>) -> StorageResult<()> {
        let state = self.core.visible();
        for key in keys {
            if let Some(Stored::There(at)) = self.core.look(&state, &key)? {
                self.core.shared.reader.fetch(at.part());
            }
        }
        Ok(())
    }

    pub(in super::super) fn is_prefetch_useful(&self) -> bool {
        self.core.shared.reader.is_fetching_useful()
    }

    pub(in super::super) fn read_ahead(&self, kind: u8, run: u64, number: u32) -> StorageResult<()> {
        if !number.is_multiple_of(AHEAD_EVERY) {
            return Ok(());
        }
        let state = self.core.visible();
        if let Some(Stored::There(at)) = self.core.look(&state, &ValueKey::new(kind, run, number))? {
            let mut part = at.part();
            let block = usize::try_from(super::disk_cache::BLOCK_BYTES).unwrap_or(usize::MAX);
            part.bytes = 1;
            for _ in 0..AHEAD_BYTES / block {
                self.core.shared.reader.fetch(part);
                part.from = part.from.saturating_add(super::disk_cache::BLOCK_BYTES);
                if part.from >= part.segment_bytes {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What is on this machine's disk by now need not be brought: values of `run` are read one after the other.
    pub(in super::super) fn warm_up(
        &self,
        kind: u8,
        run: u64,
        count: u32,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> StorageResult<bool> {
        for number in 0..count {
            self.read_ahead(kind, run, number)?;
            let value = self.get(&ValueKey::new(kind, run, number))?;
            let bytes = value.map_or(0, |value| u64::try_from(value.len()).unwrap_or(u64::MAX));
            if !go_on(bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(in super::super) fn parts(&self) -> &PartCache {
        &self.core.parts
    }

    pub(in super::super) fn usage_bytes(&self) -> u64 {
        self.core.visible().bytes()
    }
}
