//! A storage that is made aside: its segments are written, and nothing leads to them before it is published.

use super::bucket::Created;
use super::core::{Core, Role};
use super::full;
use super::name::{FULLS, SLOTS, numbered};
use super::session::ObjectSession;
use super::shared::Shared;
use super::side::ObjectSide;
use super::slot::{Kind, SLOT_BYTES_MAX, Slot, hash};
use super::staged::{self, Taken};
use super::state::{Head, State};
use crate::storage::checkpoint::Resume;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::side_files::{Engine, SideFiles};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// A storage that is made aside.
#[derive(Debug)]
pub(in super::super) struct ObjectStaging {
    core: Arc<Core>,
    /// What an earlier copy of the same source left here.
    taken: Taken,
    is_published: bool,
}

impl ObjectStaging {
    pub(super) fn begin(shared: &Arc<Shared>, resume: Option<&Resume>) -> StorageResult<Self> {
        if shared.newest()?.is_some() {
            return Err(not_empty(shared));
        }
        let (mut state, mut taken) = (State::default(), Taken::default());
        if let Some(resume) = resume {
            taken = staged::take_in(&shared.bucket, &resume.source, &mut state)?;
        }
        // What its writer keeps in memory of where values lie is small: each is read once.
        let core = Core::new(shared, Role::Aside, state, 1 << 20).with_nonce(super::new_nonce()?);
        Ok(Self { core: Arc::new(core.staging(resume.cloned())), taken, is_published: false })
    }

    /// Segments that are there from an earlier copy, and their bytes.
    pub(in super::super) const fn reused(&self) -> (u64, u64) {
        (self.taken.segments, self.taken.bytes)
    }

    /// Writes files beside the chain.
    pub(in super::super) fn put_beside(&self, name: &str, bytes: &[u8]) -> StorageResult<()> {
        SideFiles(Engine::Object(ObjectSide(Arc::clone(&self.core.shared)))).put(name, bytes)
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
        crash_points::after(Point::StagedFullWritten);
        match shared.bucket.create(&name, &stored, SLOT_BYTES_MAX, |found| found == stored) {
            Created::Won => {
                self.is_published = true;
                crash_points::after(Point::StagedPublished);
                self.forget_records();
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

impl ObjectStaging {
    /// The chain names the segments now.
    fn forget_records(&self) {
        let Some(resume) = &self.core.staging else { return };
        if let Err(error) = staged::forget(&self.core.shared.bucket, &resume.source) {
            tracing::warn!(%error, "Failed to delete the records of a copy that is done: they take a little space, nothing else");
        }
    }
}

impl Drop for ObjectStaging {
    fn drop(&mut self) {
        // The next copy of the same source continues with what is there.
        if self.is_published || self.core.staging.is_some() {
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
