//! Going through keys: those of segment files and those of the hot part, in one order.

use super::kv::HotItem;
use super::store::Store;
use super::table::{self, Group};
use crate::storage::Value;
use crate::storage::error::StorageError;
use crate::storage::key::in_run;
use std::collections::VecDeque;
use std::iter::Peekable;

/// A key; its value only where it costs nothing.
type Entry = Result<(Vec<u8>, Option<Value>), StorageError>;

/// The keys of segment files: the numbers of one group in memory at a time.
struct Cold {
    store: Store,
    groups: VecDeque<Group>,
    group: Group,
    numbers: std::vec::IntoIter<u32>,
    from: Vec<u8>,
    prefix: Vec<u8>,
}

impl Iterator for Cold {
    type Item = Result<Vec<u8>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for number in self.numbers.by_ref() {
                let key = in_run(self.group.kind, self.group.run, number).to_vec();
                if key >= self.from && key.starts_with(&self.prefix) {
                    return Some(Ok(key));
                }
            }
            self.group = self.groups.pop_front()?;
            match self.store.shared.segments.numbers(self.group) {
                Ok(numbers) => self.numbers = numbers.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Both, merged.
struct MergeScan<H: Iterator<Item = HotItem>> {
    hot: Peekable<H>,
    cold: Peekable<Cold>,
}

impl<H: Iterator<Item = HotItem>> Iterator for MergeScan<H> {
    type Item = Entry;

    fn next(&mut self) -> Option<Self::Item> {
        let cold_next = match (self.hot.peek(), self.cold.peek()) {
            (Some(Ok((hot, _))), Some(Ok(cold))) => cold.as_slice() <= &**hot,
            (_, Some(Err(_))) => true,
            (Some(Err(_)) | None, cold) => cold.is_some(),
            (Some(Ok(_)), None) => false,
        };
        if cold_next {
            return Some(self.cold.next()?.map(|key| {
                // The segment file's value replaces this one.
                let _same = self.hot.next_if(|item| item.as_ref().is_ok_and(|(hot, _)| **hot == *key));
                (key, None)
            }));
        }
        let item = self.hot.next()?;
        Some(item.map(|(key, value)| (key.to_vec(), Some(Value::kv(value)))))
    }
}

impl Store {
    fn merge_scan(&self, prefix: &[u8], from: &[u8]) -> impl Iterator<Item = Entry> + use<> {
        let start = from.max(prefix);
        // Only what can start with the prefix: the first bytes of a group's keys are the same.
        let may_start = |group: &Group| {
            let key = in_run(group.kind, group.run, 0);
            key.iter().zip(prefix).take(9).all(|(a, b)| a == b)
        };
        let catalog = self.shared.segments.catalog();
        let groups = catalog.layers_from(table::first_group(start)).map(|(group, _)| group);
        let groups: VecDeque<Group> = groups.take_while(may_start).collect();
        let cold = Cold {
            store: self.clone(),
            groups,
            group: Group { kind: 0, run: 0 },
            numbers: Vec::new().into_iter(),
            from: start.to_vec(),
            prefix: prefix.to_vec(),
        };
        MergeScan { hot: self.shared.hot.scan(prefix, start).peekable(), cold: cold.peekable() }
    }

    /// Every key from `from` on that starts with `prefix`, ascending.
    pub fn keys(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<Vec<u8>, StorageError>> + use<> {
        self.merge_scan(prefix, from).map(|item| item.map(|(key, _)| key))
    }

    /// Every key and value from `from` on whose key starts with `prefix`, ascending.
    pub fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Value), StorageError>> + use<> {
        let this = self.clone();
        self.merge_scan(prefix, from).filter_map(move |item| match item {
            Ok((key, Some(value))) => Some(Ok((key, value))),
            // One that is gone by now was deleted since.
            Ok((key, None)) => this.get(&key).transpose().map(|value| Ok((key, value?))),
            Err(error) => Some(Err(error)),
        })
    }
}
