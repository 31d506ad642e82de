//! A filter of one run: always in the store, in pages of which a key names one, and in memory while the budget allows.
//!
//! Which filters stay in memory is the writer's decision (see [`crate::ledger::writer::filter_eviction`]); readers take what they find.

use crate::ledger::codec::chunked::key_name;
use crate::ledger::codec::keys::in_run;
use crate::ledger::codec::{Packing, frame, unframe};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::yield_points::{ROWS, in_turns};
use crate::storage::{Session, Upload};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// The filter of a run.
#[derive(Debug)]
pub struct RunFilter {
    kind: u8,
    run: u64,
    pages: u32,
    memory: ArcSwapOption<Filter>,
}

impl RunFilter {
    /// The stored filter of a run, not in memory.
    pub fn stored(kind: u8, run: u64, pages: u32) -> Self {
        Self { kind, run, pages, memory: ArcSwapOption::empty() }
    }

    /// Puts the pages of a filter, and keeps it in memory; also the bytes put.
    pub fn put(store: &Upload, kind: u8, run: u64, filter: Filter) -> LedgerResult<(Self, u64)> {
        let (mut pages, mut bytes) = (0, 0);
        for page in filter.pages() {
            let key = in_run(kind, run, pages);
            let value = frame(&key, &page, Packing::Raw);
            bytes += u64::try_from(key.len() + value.len()).unwrap_or(0);
            store.put(&key, value)?;
            pages += 1;
        }
        Ok((Self { kind, run, pages, memory: ArcSwapOption::from_pointee(filter) }, bytes))
    }

    /// The same filter; what of it is in memory is shared.
    pub fn share(&self) -> Self {
        let memory = ArcSwapOption::new(self.memory.load_full());
        Self { kind: self.kind, run: self.run, pages: self.pages, memory }
    }

    /// Pages in the store.
    pub const fn pages(&self) -> u32 {
        self.pages
    }

    /// Calls `pass` with each key that may have been added. The keys come ascending: each page is read once.
    pub fn sift<T: Copy>(
        &self,
        store: &Session,
        keys: &[(IdentityHash, T)],
        mut pass: impl FnMut(IdentityHash, T),
    ) -> LedgerResult<()> {
        if let Some(filter) = &*self.memory.load() {
            let passing = in_turns(ROWS, keys).filter(|(key, _)| filter.may_contain(*key));
            passing.for_each(|&(key, with)| pass(key, with));
            return Ok(());
        }
        if self.pages == 0 {
            return Ok(());
        }
        let page_of = |key| Filter::page_of(key, self.pages);
        for same_page in keys.chunk_by(|a, b| page_of(a.0) == page_of(b.0)) {
            let Some(&(first, _)) = same_page.first() else { continue };
            self.with_page(store, page_of(first), |page| {
                for &(key, with) in same_page {
                    if Filter::page_may_contain(page, self.pages, key)? {
                        pass(key, with);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether any of the keys, which come ascending, may have been added; `false` is certain.
    pub fn may_contain_any<T: Copy>(
        &self,
        store: &Session,
        keys: &[(IdentityHash, T)],
    ) -> LedgerResult<bool> {
        let mut any = false;
        self.sift(store, keys, |_, _| any = true)?;
        Ok(any)
    }

    /// Whether it is in memory.
    pub fn is_in_memory(&self) -> bool {
        self.pages == 0 || self.memory.load().is_some()
    }

    /// Bytes of memory it takes now.
    pub fn bytes(&self) -> usize {
        self.memory.load().as_ref().map_or(0, |filter| filter.bytes())
    }

    /// Bytes of memory it takes at most.
    pub fn bytes_max(&self) -> usize {
        usize::try_from(self.pages).unwrap_or(usize::MAX).saturating_mul(Filter::PAGE_BYTES)
    }

    /// Reads it into memory.
    pub fn load(&self, store: &Session) -> LedgerResult<()> {
        if !self.is_in_memory() {
            self.memory.store(Some(Arc::new(self.read(store)?)));
        }
        Ok(())
    }

    /// Gives up the memory. Readers who have it under way finish with it.
    pub fn unload(&self) {
        self.memory.store(None);
    }

    /// The stored filter.
    pub fn read(&self, store: &Session) -> LedgerResult<Filter> {
        let mut filter = Filter::default();
        for page in 0..self.pages {
            self.with_page(store, page, |page| filter.push_page(page))?;
        }
        Ok(filter)
    }

    fn with_page(
        &self,
        store: &Session,
        page: u32,
        read: impl FnOnce(&[u8]) -> crate::ledger::codec::Decoded<()>,
    ) -> LedgerResult<()> {
        let key = in_run(self.kind, self.run, page);
        let name = || format!("the value {}, a page of a filter", key_name(&key));
        let value = store.get(&key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
        let body = unframe(&key, &value).map_err(|error| LedgerError::damaged(name())(error))?;
        read(&body).map_err(|error| LedgerError::damaged(name())(error))
    }
}
