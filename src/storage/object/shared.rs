//! What outlives sessions: the bucket, what was read of the chain, and which writers this process has.

use super::bucket::Bucket;
use super::chain;
use super::name::Nonce;
use super::options::ObjectOptions;
use super::segment_reader::SegmentReader;
use super::state::State;
use crate::storage::error::{StorageError, StorageResult};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug, Default)]
struct Known {
    /// The newest state that was read or written here.
    state: Option<State>,
    /// Since when, by the clock of this process, the chain has ended at this slot.
    seen: Option<(u64, Instant)>,
    /// Sessions of this handle that write.
    writers: u32,
    /// Sessions of this handle that wrote, and have ended.
    ended: BTreeSet<Nonce>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bucket: Arc<Bucket>,
    pub(super) options: ObjectOptions,
    pub(super) reader: SegmentReader,
    /// Whether the store has passed its probe.
    pub(super) is_probed: AtomicBool,
    known: Mutex<Known>,
}

impl Shared {
    pub(super) fn new(bucket: Arc<Bucket>, options: ObjectOptions, reader: SegmentReader) -> Self {
        Self { bucket, options, reader, is_probed: AtomicBool::new(false), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest state of the chain; what was read before is not read again.
    pub(super) fn newest(&self) -> StorageResult<Option<State>> {
        let known = self.known().state.clone();
        let newest = chain::newest(&self.bucket, known)?;
        if let Some(state) = &newest {
            self.remember(state);
        }
        Ok(newest)
    }

    pub(super) fn remember(&self, state: &State) {
        let mut known = self.known();
        let slot = state.head.slot;
        if known.seen.is_none_or(|(seen, _)| seen != slot) {
            known.seen = Some((slot, Instant::now()));
        }
        if known.state.as_ref().is_none_or(|known| known.head.slot < slot) {
            known.state = Some(state.clone());
        }
    }

    /// Since when this process has seen the chain end at this slot.
    pub(super) fn seen_since(&self, slot: u64) -> Instant {
        self.known().seen.filter(|(seen, _)| *seen == slot).map_or_else(Instant::now, |(_, since)| since)
    }

    pub(super) fn has_writer(&self) -> bool {
        self.known().writers > 0
    }

    pub(super) fn has_ended(&self, nonce: &Nonce) -> bool {
        self.known().ended.contains(nonce)
    }

    pub(super) fn writer_began(&self) {
        self.known().writers += 1;
    }

    pub(super) fn writer_ended(&self, nonce: Nonce) {
        let mut known = self.known();
        known.writers = known.writers.saturating_sub(1);
        known.ended.insert(nonce);
    }

    pub(super) fn in_use(&self) -> StorageError {
        StorageError::InUse { path: PathBuf::from(self.bucket.url()) }
    }
}
