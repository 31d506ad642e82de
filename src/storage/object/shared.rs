//! What outlives sessions: the bucket, what was read of the chain, and which writers this process has.

use super::bucket::Bucket;
use super::chain;
use super::name::Nonce;
use super::options::ObjectOptions;
use super::segment_reader::SegmentReader;
use super::slot::Kind;
use super::state::State;
use super::writer_record::WriterRecord;
use crate::storage::activity::WriterActivity;
use crate::storage::cache::PartCache;
use crate::storage::error::{StorageError, StorageResult};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

#[derive(Debug, Default)]
struct Known {
    /// The newest state that was read or written here.
    state: Option<State>,
    /// Since when, by the clock of this process, the chain has ended at this slot.
    seen: Option<(u64, Instant)>,
    /// Whether the last look failed.
    is_cut_off: bool,
    /// When the marks of collection were looked at last.
    checked: Option<Instant>,
    /// Sessions of this handle that write.
    writers: u32,
    /// Sessions that wrote and have ended: of this handle, and of processes before it on this machine.
    ended: BTreeSet<Nonce>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bucket: Arc<Bucket>,
    pub(super) options: ObjectOptions,
    pub(super) reader: SegmentReader,
    /// Whether the store has passed its probe.
    pub(super) is_probed: AtomicBool,
    /// What the record calls the store.
    digest: String,
    record: Mutex<Option<WriterRecord>>,
    known: Mutex<Known>,
    /// What leads to values: one cache for all sessions, so that what was opened through one can be read through another.
    parts: OnceLock<Arc<PartCache>>,
}

impl Shared {
    /// `digest` identifies the store and how it is reached.
    pub(super) fn new(
        (bucket, digest): (Arc<Bucket>, String),
        options: ObjectOptions,
        reader: SegmentReader,
    ) -> Self {
        Self {
            bucket,
            options,
            reader,
            is_probed: AtomicBool::new(false),
            digest,
            record: Mutex::default(),
            known: Mutex::default(),
            parts: OnceLock::new(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest state of the chain; what was read before is not read again.
    pub(super) fn newest(&self) -> StorageResult<Option<State>> {
        let (known, began) = (self.known().state.clone(), Instant::now());
        let newest = chain::newest(&self.bucket, known)?;
        if let Some(state) = &newest {
            self.remember(state);
        }
        self.known().checked = Some(began);
        Ok(newest)
    }

    /// The newest state, for one that asks again and again: a look at the slot that comes next, mostly. A slot that is not there
    /// may have been collected, of a process that was away for long: now and then, the marks are looked at too.
    pub(super) fn followed(&self) -> StorageResult<Option<State>> {
        let (known, checked) = {
            let known = self.known();
            (known.state.clone(), known.checked)
        };
        let Some(state) = known else { return self.newest() };
        // Also before the marks are looked at, which is done patiently: a store that is away says so at once.
        let looked = chain::has_slot(&self.bucket, state.head.slot + 1);
        self.looked(looked.is_ok());
        let is_moved = looked?;
        let is_checked = checked.is_some_and(|checked| checked.elapsed() < self.options.marks_every);
        if is_moved || !is_checked { self.newest() } else { Ok(Some(state)) }
    }

    /// A writer's silence counts from when one could hear it: a store that was away has silenced the writer, too.
    fn looked(&self, is_answered: bool) {
        let mut known = self.known();
        if is_answered
            && std::mem::take(&mut known.is_cut_off)
            && let Some((_, since)) = &mut known.seen
        {
            *since = Instant::now();
        }
        known.is_cut_off = !is_answered;
    }

    /// The newest slot that is known, and how long nothing newer is; `None` before the first.
    pub(super) fn activity(&self) -> Option<WriterActivity> {
        let known = self.known();
        let (head, (_, since)) = (known.state.as_ref()?.head, known.seen?);
        Some(WriterActivity {
            epoch: head.epoch,
            newest: head.slot,
            has_released: head.kind == Kind::Release || known.ended.contains(&head.nonce),
            quiet: since.elapsed(),
            lease: self.options.lease,
        })
    }

    /// The newest state that is known.
    pub(super) fn known_state(&self) -> Option<State> {
        self.known().state.clone()
    }

    /// The cache of what leads to values; the first session sets its size.
    pub(super) fn parts(&self, bytes: usize) -> Arc<PartCache> {
        Arc::clone(self.parts.get_or_init(|| Arc::new(PartCache::new(bytes))))
    }

    pub(super) fn remember(&self, state: &State) {
        let mut known = self.known();
        let slot = state.head.slot;
        if known.seen.is_none_or(|(seen, _)| seen < slot) {
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

    /// Locks the writer record, where there is one and no other process has it. The sessions that it names have ended.
    pub(super) fn lock_record(&self) {
        let mut record = self.record();
        let Some(path) = self.options.writer_record.as_deref().filter(|_| record.is_none()) else { return };
        match WriterRecord::lock(path) {
            Ok(Some(locked)) => {
                self.known().ended.extend(locked.sessions());
                *record = Some(locked);
            }
            Ok(None) => {
                tracing::debug!(path = %path.display(), "another process has the writer record: its writer may be at work");
            }
            Err(error) => Self::warn_of_record(&error),
        }
    }

    fn record(&self) -> MutexGuard<'_, Option<WriterRecord>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn_of_record(error: &io::Error) {
        tracing::warn!(%error, "Failed to use the writer record in the data directory: a start after a crash waits for the lease");
    }

    /// Records that a session of this process begins to write.
    pub(super) fn record_session(&self, nonce: Nonce) {
        let recorded = self.record().as_mut().map_or(Ok(()), |record| record.add_session(nonce));
        recorded.unwrap_or_else(|error| Self::warn_of_record(&error));
    }

    /// Whether the store passed its probe from this machine before.
    pub(super) fn has_passed(&self) -> bool {
        self.record().as_ref().is_some_and(|record| record.has_passed(&self.digest))
    }

    /// Records the outcome of a probe, unless it does not tell about the store.
    pub(super) fn note_probe(&self, tried: &StorageResult<()>) {
        let passed = match tried {
            Ok(()) => Some(self.digest.as_str()),
            Err(StorageError::Unsuitable { .. }) => None,
            Err(_) => return,
        };
        let noted = self.record().as_mut().map_or(Ok(()), |record| record.set_passed(passed));
        noted.unwrap_or_else(|error| Self::warn_of_record(&error));
    }

    pub(super) fn in_use(&self) -> StorageError {
        StorageError::InUse { path: PathBuf::from(self.bucket.url()) }
    }
}
