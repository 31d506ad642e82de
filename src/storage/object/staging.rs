//! A storage that is made aside: its segments are written, and nothing leads to them before it is published.

use super::bucket::Created;
use super::core::{Core, Role};
use super::full;
use super::name::{FULLS, SLOTS, numbered};
use super::session::ObjectSession;
use super::shared::Shared;
use super::slot::{Kind, SLOT_BYTES_MAX, Slot, hash};
use super::state::{Head, State};
use crate::storage::error::{StorageError, StorageResult};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// A storage that is made aside.
#[derive(Debug)]
pub(in super::super) struct ObjectStaging {
    core: Arc<Core>,
    is_published: bool,
}

impl ObjectStaging {
    pub(super) fn begin(shared: &Arc<Shared>) -> StorageResult<Self> {
        if shared.newest()?.is_some() {
            return Err(not_empty(shared));
        }
        // What its writer keeps in memory of where values lie is small: each is read once.
        let core = Core::new(shared, Role::Aside, State::default(), 1 << 20).with_nonce(super::new_nonce()?);
        Ok(Self { core: Arc::new(core), is_published: false })
    }

    pub(in super::super) fn open(&self) -> ObjectSession {
        ObjectSession { core: Arc::clone(&self.core) }
    }

    /// The state first, then the slot that makes it a chain.
    pub(in super::super) fn publish(mut self) -> StorageResult<()> {
        let shared = Arc::clone(&self.core.shared);
        let mut state = State::clone(&self.core.visible());
        let slot = Slot {
            number: 1,
            epoch: 1,
            nonce: self.core.nonce(),
            previous: [0; 32],
            kind: Kind::Release,
            version: state.version,
            collected: 0,
            entries: Vec::new(),
            table: Vec::new(),
        };
        let stored = Bytes::from(slot.encode());
        let Slot { number, epoch, nonce, kind, .. } = slot;
        state.head = Head { slot: number, hash: hash(&stored), epoch, nonce, kind };
        let name = numbered(SLOTS, number);
        if shared.bucket.get(&name, SLOT_BYTES_MAX)?.is_some() {
            return Err(not_empty(&shared));
        }
        shared.bucket.put(&numbered(FULLS, number), &Bytes::from(full::encode(&state)))?;
        match shared.bucket.create(&name, &stored, SLOT_BYTES_MAX, |found| found == stored) {
            Created::Won => {
                self.is_published = true;
                Ok(())
            }
            Created::Lost(_) => Err(not_empty(&shared)),
            Created::Unknown(text) => {
                // It may be there: what it leads to must stay.
                self.is_published = true;
                Err(StorageError::object("create", &shared.bucket.place(&name))(text))
            }
        }
    }
}

impl Drop for ObjectStaging {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        let state = self.core.visible();
        let names: Vec<String> =
            state.segments.keys().chain(state.dead.keys()).map(ToString::to_string).collect();
        if let Err(error) = self.core.shared.bucket.delete(&names) {
            tracing::warn!(%error, "Failed to remove what a checkpoint wrote: collection removes it later");
        }
    }
}

fn not_empty(shared: &Shared) -> StorageError {
    StorageError::File {
        action: "back up to",
        path: PathBuf::from(shared.bucket.url()),
        message: "it is not empty; name a new one".to_owned(),
    }
}
