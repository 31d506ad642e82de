//! An acquired storage whose operations meet faults.

use super::Life;
use super::plan::Operation;
use crate::storage::checkpoint::{Checkpoint, StagedCheckpoint};
use crate::storage::error::StorageResult;
use crate::storage::key::ValueKey;
use crate::storage::root::{Change, Version};
use crate::storage::session::{Entries, Keys, Session};
use crate::storage::upload::Hint;
use crate::storage::value::Value;
use crate::storage::{Storage, upload};
use std::iter::once;
use std::ops::Range;

/// An acquired storage whose operations meet faults.
#[derive(Debug)]
pub struct FaultsSession {
    inner: Session,
    life: Life,
}

impl FaultsSession {
    pub(super) const fn new(inner: Session, life: Life) -> Self {
        Self { inner, life }
    }

    pub(in super::super) const fn inner(&self) -> &Session {
        &self.inner
    }

    pub(in super::super) fn get(&self, key: &ValueKey) -> StorageResult<Option<Value>> {
        self.life.run(Operation::Get, || self.inner.get(key))
    }

    pub(in super::super) fn contains(&self, key: &ValueKey) -> StorageResult<bool> {
        self.life.run(Operation::Get, || self.inner.contains(key))
    }

    pub(in super::super) fn contains_all(&self, kind: u8, run: u64, count: u32) -> StorageResult<bool> {
        self.life.run(Operation::Get, || self.inner.contains_all(kind, run, count))
    }

    pub(in super::super) fn list(&self, kind: u8, from_run: u64) -> Keys {
        let listed = self.life.run(Operation::List, || Ok(self.inner.list(kind, from_run)));
        listed.unwrap_or_else(|error| Box::new(once(Err(error))))
    }

    pub(in super::super) fn list_all(&self) -> Keys {
        let listed = self.life.run(Operation::List, || Ok(self.inner.list_all()));
        listed.unwrap_or_else(|error| Box::new(once(Err(error))))
    }

    pub(in super::super) fn begin(&self, hint: Hint) -> Upload {
        Upload { inner: Box::new(self.inner.begin(hint)), life: self.life.clone() }
    }

    pub(in super::super) fn delete_runs(&self, kind: u8, runs: Range<u64>) -> StorageResult<u64> {
        self.life.run(Operation::Delete, || self.inner.delete_runs(kind, runs))
    }

    pub(in super::super) fn retain(&self, wanted: impl Fn(u8, u64) -> bool) -> StorageResult<u64> {
        let wanted: &dyn Fn(u8, u64) -> bool = &wanted;
        self.life.run(Operation::Retain, || self.inner.retain(wanted))
    }

    pub(in super::super) fn reclaim(&self) -> StorageResult<u64> {
        self.life.run(Operation::Reclaim, || self.inner.reclaim())
    }

    pub(in super::super) fn version(&self) -> StorageResult<Version> {
        self.inner.version()
    }

    pub(in super::super) fn entry(&self, key: &[u8]) -> StorageResult<Option<Value>> {
        self.life.run(Operation::Entries, || self.inner.entry(key))
    }

    pub(in super::super) fn entries(&self, prefix: &[u8]) -> Entries {
        let found = self.life.run(Operation::Entries, || Ok(self.inner.entries(prefix)));
        found.unwrap_or_else(|error| Box::new(once(Err(error))))
    }

    pub(in super::super) fn swap_root(
        &self,
        expected: &Version,
        next: &Version,
        changes: &[Change],
    ) -> StorageResult<()> {
        self.life.run(Operation::SwapRoot, || self.inner.swap_root(expected, next, changes))
    }

    pub(in super::super) fn confirm(&self, version: &Version) -> StorageResult<bool> {
        self.life.run(Operation::Entries, || self.inner.confirm(version))
    }

    pub(in super::super) fn moved_to(&self) -> StorageResult<Option<String>> {
        self.life.run(Operation::Entries, || self.inner.moved_to())
    }

    pub(in super::super) fn mark_moved(&self, to: &str) -> StorageResult<()> {
        self.life.run(Operation::SwapRoot, || self.inner.mark_moved(to))
    }

    pub(in super::super) fn follow(&self) -> StorageResult<Option<Self>> {
        let followed = self.life.run(Operation::Entries, || self.inner.follow())?;
        Ok(followed.map(|inner| Self::new(inner, self.life.clone())))
    }

    pub(in super::super) fn take_over(&self, judged: Option<u64>) -> StorageResult<Self> {
        let inner = self.life.run(Operation::Acquire, || self.inner.take_over(judged))?;
        Ok(Self::new(inner, self.life.clone()))
    }

    pub(in super::super) fn checkpoint(
        &self,
        target: &Storage,
        what: Checkpoint<'_>,
    ) -> StorageResult<StagedCheckpoint> {
        self.life.run(Operation::Checkpoint, || self.inner.checkpoint(target, what))
    }
}

/// Values on their way, of which some meet faults.
#[derive(Debug)]
pub(in super::super) struct Upload {
    inner: Box<upload::Upload>,
    life: Life,
}

impl Upload {
    pub(in super::super) fn put(&self, key: &ValueKey, value: Vec<u8>) -> StorageResult<()> {
        self.life.run(Operation::Put, || self.inner.put(key, value))
    }

    pub(in super::super) fn seal(&self) -> StorageResult<()> {
        self.life.run(Operation::Seal, || self.inner.seal())
    }
}
