//! Files beside the chain, below `PREFIX/side/`.

use super::bucket::Created;
use super::name::SIDE;
use super::shared::Shared;
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::requests::StoreFigures;
use crate::storage::side_files::{SIDE_FILE_BYTES_MAX, SideFile};
use bytes::Bytes;
use std::sync::Arc;

/// The files beside the chain of a bucket.
#[derive(Clone, Debug)]
pub(in super::super) struct ObjectSide(pub(super) Arc<Shared>);

fn full(name: &str) -> String {
    format!("{SIDE}{name}")
}

impl ObjectSide {
    pub(in super::super) fn figures(&self) -> Arc<StoreFigures> {
        Arc::clone(&self.0.bucket.figures)
    }

    pub(in super::super) fn put(&self, name: &str, bytes: &[u8]) -> StorageResult<()> {
        self.0.bucket.put(&full(name), &Bytes::copy_from_slice(bytes))
    }

    pub(in super::super) fn create(&self, name: &str, bytes: &[u8]) -> StorageResult<bool> {
        let (name, stored) = (full(name), Bytes::copy_from_slice(bytes));
        match self.0.bucket.create(&name, &stored, SIDE_FILE_BYTES_MAX, |found| found == bytes) {
            Created::Won => Ok(true),
            Created::Lost(_) => Ok(false),
            Created::Unknown(text) => Err(StorageError::object("create", &self.0.bucket.place(&name))(text)),
        }
    }

    pub(in super::super) fn get(&self, name: &str) -> StorageResult<Option<Vec<u8>>> {
        Ok(self.0.bucket.get(&full(name), SIDE_FILE_BYTES_MAX)?.map(Vec::from))
    }

    pub(in super::super) fn list(&self, folder: &str, after: Option<&str>) -> StorageResult<Vec<SideFile>> {
        let after = after.map(full);
        let listed = self.0.bucket.list(&full(folder), after.as_deref())?.into_iter();
        let file = |one: super::bucket::Listed| {
            Some(SideFile { name: one.name.strip_prefix(SIDE)?.to_owned(), bytes: one.bytes })
        };
        Ok(listed.filter_map(file).collect())
    }

    pub(in super::super) fn delete(&self, names: &[String]) -> StorageResult<()> {
        let names: Vec<String> = names.iter().map(|name| full(name)).collect();
        self.0.bucket.delete(&names)
    }
}
