//! Entries of the root: those that change, those that were appended of late, and those in pages of the store.

use super::core::Core;
use super::entry_pages::{self, EntryPage, Page};
use super::segment_reader::Part;
use super::state::{Bytes, State};
use super::table::TableChange;
use crate::storage::bytes::Decoded;
use crate::storage::cache::Owner;
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::value::Value;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

type From<'a> = Bound<&'a [u8]>;

impl Core {
    fn entry_page(&self, state: &State, place: &EntryPage) -> StorageResult<Page> {
        let segment_bytes = state.segments.get(&place.segment).map_or(u64::MAX, |held| held.bytes);
        let part = Part { segment: place.segment, segment_bytes, from: place.offset, bytes: place.bytes };
        let read = || self.shared.reader.read(part, |bytes| Page::check(place, bytes));
        let bytes = self.parts.get_owned(Owner::Segment(place.segment.token()), place.offset, read)?;
        self.of_page(place, Page::of(bytes))
    }

    fn of_page<T>(&self, place: &EntryPage, read: Decoded<T>) -> StorageResult<T> {
        read.map_err(|source| StorageError::DamagedObject {
            place: self.shared.bucket.place(&place.segment.to_string()),
            source,
        })
    }

    pub(super) fn entry(&self, state: &State, key: &[u8]) -> StorageResult<Option<Value>> {
        if let Some(value) = state.entries.get(key).or_else(|| state.appended.get(key)) {
            return Ok(Some(Value::shared(Arc::clone(value))));
        }
        let page = state.pages.range::<_, [u8]>((Bound::Unbounded, Bound::Included(key))).next_back();
        let Some((_, place)) = page.filter(|(_, place)| *place.last >= *key) else { return Ok(None) };
        let page = self.entry_page(state, place)?;
        let value = self.of_page(place, page.find(key))?;
        Ok(value.map(|value| Value::read(value.to_vec())))
    }

    /// The first entry at or after a bound whose key starts with `prefix`.
    pub(super) fn next_entry(
        &self,
        state: &State,
        (from, prefix): (From<'_>, &[u8]),
    ) -> StorageResult<Option<(Bytes, Value)>> {
        let first = |map: &imbl::OrdMap<Bytes, Bytes>| {
            let (key, value) = map.range::<_, [u8]>((from, Bound::Unbounded)).next()?;
            Some((Arc::clone(key), Value::shared(Arc::clone(value))))
        };
        let in_memory = [first(&state.entries), first(&state.appended)];
        let in_page = self.next_in_pages(state, (from, prefix))?;
        let all = in_memory.into_iter().flatten().chain(in_page);
        Ok(all.min_by(|a, b| a.0.cmp(&b.0)).filter(|(key, _)| key.starts_with(prefix)))
    }

    fn next_in_pages(
        &self,
        state: &State,
        (from, prefix): (From<'_>, &[u8]),
    ) -> StorageResult<Option<(Bytes, Value)>> {
        let is_beyond = |last: &[u8]| match from {
            Bound::Included(from) => last >= from,
            Bound::Excluded(from) => last > from,
            Bound::Unbounded => true,
        };
        let before = match from {
            Bound::Included(from) | Bound::Excluded(from) => {
                let upto =
                    state.pages.range::<_, [u8]>((Bound::Unbounded, Bound::Included(from))).next_back();
                upto.filter(|(_, place)| is_beyond(&place.last))
            }
            Bound::Unbounded => None,
        };
        let page = before.or_else(|| state.pages.range::<_, [u8]>((from, Bound::Unbounded)).next());
        // A page whose first key comes after all that start with the prefix need not be read.
        let is_wanted = |first: &[u8]| first <= prefix || first.starts_with(prefix);
        let Some((_, place)) = page.filter(|(first, _)| is_wanted(first)) else { return Ok(None) };
        let page = self.entry_page(state, place)?;
        let next = self.of_page(place, page.next(from))?;
        Ok(next.map(|(key, value)| (key.into(), Value::read(value.to_vec()))))
    }

    /// Moves entries that were appended to pages in the store, if there are as many as are kept in memory: others read them from there
    /// once the next commit is durable. Commits go on meanwhile.
    pub(super) fn page_entries_if_due(&self) -> StorageResult<()> {
        let _one_at_a_time = self.paging.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = self.visible().appended.clone();
        if self.is_closed() || appended.len() < self.shared.options.appended_max {
            return Ok(());
        }
        self.check()?;
        let segment = self.segment_name();
        let (bytes, pages) = entry_pages::encode(segment, &appended);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // Its name is this writer's alone: to write it once more writes the same.
        self.shared.bucket.put(&segment.to_string(), &bytes.into())?;
        self.change(vec![TableChange::Pages { segment, bytes: length, pages: pages.into() }]).map(drop)
    }
}
