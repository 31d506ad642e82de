//! What a session works with: the state that it sees, and, for the one that writes, the chain that it continues.

use super::bucket::Created;
use super::chain;
use super::full;
use super::name::{FULLS, Nonce, SLOTS, SegmentName, numbered};
use super::shared::Shared;
use super::slot::{Kind, SLOT_BYTES_MAX, Slot};
use super::state::State;
use super::table::TableChange;
use crate::storage::cache::PartCache;
use crate::storage::checkpoint::Resume;
use crate::storage::error::{StorageError, StorageResult};
use crate::storage::root::{Change, Version};
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Continue the chain.
    Writer,
    /// Read; what it deletes is gone for it alone.
    Reader,
    /// Fill a storage that has no chain yet.
    Aside,
}

/// The chain, as its writer knows it.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// The state of the newest slot.
    pub(super) base: State,
    /// What was sealed and deleted since: the next commit takes it along.
    pending: Vec<TableChange>,
    pending_inline: usize,
    /// A slot whose creation has an unknown result: nothing else may be tried.
    is_unknown: bool,
    /// Why another writer has the storage.
    fenced: Option<String>,
    /// When the newest slot was created.
    pub(super) moved: Option<Instant>,
    /// The slot of the newest full checkpoint.
    pub(super) full: u64,
    /// Told with the next slot.
    pub(super) collected: u64,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) role: Role,
    nonce: Nonce,
    epoch: u64,
    next_segment: AtomicU64,
    /// What is read: the newest slot, and what was sealed and deleted since.
    visible: ArcSwap<State>,
    writing: Mutex<Writing>,
    /// Held while entries are moved to pages: two that move the same ones would overwrite each other's pages.
    pub(super) paging: Mutex<()>,
    /// Beside the lock, which a thread may hold that waits for the engine's runtime.
    is_closed: AtomicBool,
    pub(super) parts: Arc<PartCache>,
    /// Of a storage that is made aside, so that another copy can continue.
    pub(super) staging: Option<Resume>,
}

impl Core {
    pub(super) fn new(shared: &Arc<Shared>, role: Role, state: State, index_bytes: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            role,
            nonce: Nonce::default(),
            epoch: state.head.epoch,
            next_segment: AtomicU64::new(0),
            visible: ArcSwap::from_pointee(state.clone()),
            writing: Mutex::new(Writing { base: state, ..Writing::default() }),
            paging: Mutex::default(),
            is_closed: AtomicBool::new(false),
            parts: shared.parts(index_bytes),
            staging: None,
        }
    }

    /// With what another copy of the same source may continue with.
    pub(super) fn staging(self, staging: Option<Resume>) -> Self {
        Self { staging, ..self }
    }

    /// Bytes of values of a segment.
    pub(super) fn segment_bytes(&self) -> usize {
        self.staging.as_ref().map_or(self.shared.options.segment_bytes, |resume| resume.piece_bytes)
    }

    /// With a nonce of its own, and the epoch after that of the state.
    pub(super) fn with_nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = nonce;
        self.epoch += 1;
        self
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn nonce(&self) -> Nonce {
        self.nonce
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may still be changed.
    pub(super) fn check(&self) -> StorageResult<()> {
        self.writing().check()
    }

    pub(super) fn visible(&self) -> arc_swap::Guard<Arc<State>> {
        self.visible.load()
    }

    pub(super) fn visible_full(&self) -> Arc<State> {
        self.visible.load_full()
    }

    /// A name for a new segment.
    pub(super) fn segment_name(&self) -> SegmentName {
        let number = self.next_segment.fetch_add(1, Ordering::Relaxed);
        SegmentName { epoch: self.epoch, number, nonce: self.nonce }
    }

    /// Whether small values of so many bytes may wait for the next slot.
    pub(super) fn has_room_inline(&self, bytes: usize) -> bool {
        self.writing().pending_inline.saturating_add(bytes) <= self.shared.options.inline_bytes_max
    }

    /// Applies changes of the table: they are read at once, and durable with the next commit. Returns how many values were removed.
    pub(super) fn change(&self, changes: Vec<TableChange>) -> StorageResult<u64> {
        let mut writing = self.writing();
        writing.check()?;
        self.check_open()?;
        let mut visible = State::clone(&self.visible.load());
        let slot = writing.base.head.slot + 1;
        let mut removed = 0;
        for change in changes {
            removed += visible.change_table(&change, slot);
            if let TableChange::Inline(values) = &change {
                writing.pending_inline += values.iter().map(|(_, value)| value.len()).sum::<usize>();
            }
            if self.role != Role::Reader {
                writing.pending.push(change);
            }
        }
        self.visible.store(Arc::new(visible));
        Ok(removed)
    }

    /// The version of the root.
    pub(super) fn version(&self) -> StorageResult<Version> {
        let writing = self.writing();
        if writing.is_unknown { Err(StorageError::Unknown) } else { Ok(writing.base.version) }
    }

    pub(super) fn swap_root(
        &self,
        expected: &Version,
        next: &Version,
        changes: &[Change],
    ) -> StorageResult<()> {
        let mut writing = self.writing();
        writing.check()?;
        self.check_open()?;
        let at = writing.base.version;
        if at != *expected {
            let why = format!("the root is at version {}, not at {}", at.number, expected.number);
            return Err(StorageError::Fenced { why });
        }
        if self.role == Role::Aside {
            let mut state = State::clone(&self.visible.load());
            state.change_entries(changes);
            state.version = *next;
            writing.base = state.clone();
            self.visible.store(Arc::new(state));
            return Ok(());
        }
        let table = std::mem::take(&mut writing.pending);
        self.create_slot(&mut writing, Kind::Commit, *next, (changes.to_vec(), table))?;
        writing.pending_inline = 0;
        self.visible.store(Arc::new(writing.base.clone()));
        let (slot, every) = (writing.base.head.slot, self.shared.options.full_every);
        if slot >= writing.full.saturating_add(every.saturating_mul(2)) {
            // Nothing else writes one: without them a start would read slot after slot.
            self.write_full(&mut writing)?;
        }
        let appended = writing.base.appended.len();
        drop(writing);
        // Where no upkeep does it.
        if appended >= self.shared.options.appended_max.saturating_mul(2) {
            self.page_entries_if_due()?;
        }
        Ok(())
    }

    /// Creates the next slot, and looks whether the chain was collected meanwhile. Only then it counts.
    pub(super) fn create_slot(
        &self,
        writing: &mut Writing,
        kind: Kind,
        version: Version,
        (entries, table): (Vec<Change>, Vec<TableChange>),
    ) -> StorageResult<()> {
        let head = writing.base.head;
        let slot = Slot {
            number: head.slot + 1,
            epoch: self.epoch,
            nonce: self.nonce,
            previous: head.hash,
            kind,
            version,
            collected: writing.collected,
            entries,
            table,
        };
        let (number, stored) = (slot.number, Bytes::from(slot.encode()));
        if stored.len() > SLOT_BYTES_MAX {
            return Err(StorageError::TooLarge { bytes: stored.len() });
        }
        // Until it is known what became of it.
        writing.is_unknown = true;
        let bucket = &self.shared.bucket;
        let name = numbered(SLOTS, number);
        let is_own = |found: &[u8]| {
            Slot::decode(found).is_ok_and(|found| found.nonce == self.nonce && found.epoch == self.epoch)
        };
        match bucket.create(&name, &stored, SLOT_BYTES_MAX, is_own) {
            Created::Won => {}
            Created::Lost(found) => return Err(writing.fence(self.lost(number, &found))),
            Created::Unknown(text) => {
                return Err(StorageError::object("create", &bucket.place(&name))(text));
            }
        }
        if let Some(mark) = chain::mark_above(bucket, number)? {
            let why = format!(
                "Failed to continue the chain at {}: this process was away so long that slots below {mark} were collected, and its \
                 slot {number} is one of them; another writer has the storage: this one must end",
                bucket.url()
            );
            return Err(writing.fence(why));
        }
        writing.base.follow(&stored).map_err(chain::broken(bucket, &name))?;
        writing.is_unknown = false;
        writing.moved = Some(Instant::now());
        self.shared.remember(&writing.base);
        Ok(())
    }

    fn lost(&self, number: u64, found: &[u8]) -> String {
        let url = self.shared.bucket.url();
        let whose = Slot::decode(found)
            .map_or("an unreadable one".to_owned(), |slot| format!("one of epoch {}", slot.epoch));
        format!(
            "Failed to create slot {number} of {url} as the writer of epoch {}: there is {whose} already; another writer has taken \
             over: this process must end",
            self.epoch
        )
    }

    /// Creates a slot, whatever the time: whether this is the writer still.
    pub(super) fn show(&self) -> StorageResult<()> {
        let mut writing = self.writing();
        writing.check()?;
        let version = writing.base.version;
        self.create_slot(&mut writing, Kind::Heartbeat, version, Default::default())
    }

    /// Shows that the writer is there.
    pub(super) fn heartbeat(&self) -> StorageResult<()> {
        let mut writing = self.writing();
        let quiet = writing.moved.is_none_or(|moved| moved.elapsed() >= self.shared.options.heartbeat);
        if self.is_closed() || !quiet {
            return Ok(());
        }
        writing.check()?;
        let version = writing.base.version;
        self.create_slot(&mut writing, Kind::Heartbeat, version, Default::default())
    }

    /// Writes a full checkpoint if it is time.
    pub(super) fn write_full_if_due(&self) -> StorageResult<()> {
        let mut writing = self.writing();
        let due = writing.full.saturating_add(self.shared.options.full_every);
        if self.is_closed() || writing.base.head.slot < due {
            return Ok(());
        }
        let (state, slot) = (writing.base.clone(), writing.base.head.slot);
        writing.full = slot;
        // Commits go on meanwhile.
        drop(writing);
        self.put_full(&state)
    }

    fn write_full(&self, writing: &mut Writing) -> StorageResult<()> {
        writing.full = writing.base.head.slot;
        self.put_full(&writing.base)
    }

    fn put_full(&self, state: &State) -> StorageResult<()> {
        let name = numbered(FULLS, state.head.slot);
        self.shared.bucket.put(&name, &Bytes::from(full::encode(state)))
    }

    /// Ends: the next writer need not wait. What was not part of a commit is left to collection.
    pub(super) fn close(&self) {
        let mut writing = self.writing();
        if self.role == Role::Writer && writing.check().is_ok() && !self.is_closed() {
            let version = writing.base.version;
            if let Err(error) = self.create_slot(&mut writing, Kind::Release, version, Default::default()) {
                tracing::warn!(%error, "Failed to say that this writer has ended: the next one waits for the lease");
            }
        }
        self.is_closed.store(true, Ordering::Release);
    }

    /// Whether this writer has not said yet that it has ended.
    fn check_open(&self) -> StorageResult<()> {
        if !self.is_closed() {
            return Ok(());
        }
        let why = format!(
            "Failed to write to {}: this process has said that it writes no more; start again",
            self.shared.bucket.url()
        );
        Err(StorageError::Fenced { why })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Puts entries into a storage that has no root yet.
    pub(super) fn preload(&self, changes: &[Change]) -> StorageResult<()> {
        let mut state = State::clone(&self.visible.load());
        state.change_entries(changes);
        self.visible.store(Arc::new(state));
        self.page_entries_if_due()
    }
}

impl Writing {
    /// Whether something may still be changed.
    pub(super) fn check(&self) -> StorageResult<()> {
        match &self.fenced {
            Some(why) => Err(StorageError::Fenced { why: why.clone() }),
            None if self.is_unknown => Err(StorageError::Unknown),
            None => Ok(()),
        }
    }

    fn fence(&mut self, why: String) -> StorageError {
        self.fenced = Some(why.clone());
        StorageError::Fenced { why }
    }
}
