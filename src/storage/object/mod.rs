//! `Object`: a bucket of an S3-compatible object store.
//!
//! Of such a store only create-if-absent is relied on. Everything that decides is a numbered **slot**, created if absent: one linear
//! chain, of which each slot names the hash of the one before. `docs/decisions/0028-object-storage.md` explains format and fencing.
//!
//! | object | content | module |
//! |---|---|---|
//! | `slot/{number}` | a commit, the beginning or end of a writer, or a heartbeat | `slot` |
//! | `seg/{epoch}-{number}-{nonce}` | values, and where they lie; never overwritten | `upload`, `places` |
//! | `full/{slot}` | the whole state at a slot, so that a start reads few of them | `full` |
//! | `gc/{slot}` | a mark, never deleted: what lies below may be | `collect` |
//! | `stage/{source}/...` | which segments of a copy that is being made are whole | `staged`, `staging` |
//! | `moved` | the ledger lies elsewhere now: no writer begins here | `moved` |
//! | `side/...`, beside the slices | files beside the chain | `side` |
//!
//! `bucket` asks the store, whose failures `outcome` and `tls` put into words, and `counting` counts that; `chain` follows the slots, `state` is what they lead to, `table` how its values change. `core` is what one
//! session works with; `shared` outlives sessions, and `writer_record` processes. `entries` finds entries of the root, of which those that
//! are never changed again lie in `entry_pages` of segments. `segment_reader` reads values through the `disk_cache`; `scrub` reads all of them.

mod bucket;
mod chain;
mod collect;
mod core;
mod counting;
mod disk_cache;
mod entries;
mod entry_pages;
mod full;
mod moved;
mod name;
mod options;
mod outcome;
mod pause;
mod places;
mod probe;
pub mod s3;
mod scrub;
mod segment_reader;
mod session;
mod shared;
mod side;
mod slot;
mod staged;
mod staging;
mod state;
mod table;
#[cfg(test)]
pub(super) mod tests;
mod tls;
mod upkeep;
mod upload;
mod writer_record;

pub use options::ObjectOptions;
pub use session::ObjectSession;
pub(super) use side::ObjectSide;
pub(super) use staging::ObjectStaging;
pub use upkeep::ObjectUpkeep;
pub(super) use upload::Upload;

use self::core::{Core, Role};
use super::activity::WriterActivity;
use super::bytes::hex;
use super::checkpoint::Resume;
use super::error::{StorageError, StorageResult};
use super::requests::StoreFigures;
use super::{Acquire, Mode};
use crate::wait::pace;
use bucket::Bucket;
use disk_cache::DiskCache;
use name::Nonce;
use object_store::ObjectStore;
use pause::pause;
use s3::S3Settings;
use segment_reader::SegmentReader;
use shared::Shared;
use slot::Kind;
use state::State;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often one tries to take over from a writer that is at work.
const CLAIMS_MAX: u32 = 32;
/// How often it is looked whether a writer is at work: parts of a lease.
const LOOKS_A_LEASE: u32 = 40;
const LOOK_MAX: Duration = Duration::from_millis(500);

/// A storage in a bucket. Clones are the same storage, and share what they know of it.
#[derive(Clone, Debug)]
pub struct Object(Arc<Handle>);

/// Where it is; opened when it is first acquired.
#[derive(Debug)]
struct Handle {
    source: Source,
    options: ObjectOptions,
    shared: Mutex<Option<Arc<Shared>>>,
}

#[derive(Debug)]
enum Source {
    S3(S3Settings),
    /// Endpoints of one bucket, and what messages call it.
    Stores(Vec<Arc<dyn ObjectStore>>, String),
}

impl Source {
    /// SHA-256 of which store it is, how it is reached, and of the program that asks.
    fn digest(&self, options: &ObjectOptions) -> String {
        let place = match self {
            Self::S3(settings) => format!("{settings:?}"),
            Self::Stores(_, url) => url.clone(),
        };
        let text = format!("{}\n{place}\n{}", env!("CARGO_PKG_VERSION"), options.prefix);
        hex(&slot::hash(text.as_bytes()))
    }
}

fn new_nonce() -> StorageResult<Nonce> {
    let mut nonce = [0; 16];
    let failed =
        |error: getrandom::Error| StorageError::object("begin to use", "object storage")(error.to_string());
    getrandom::fill(&mut nonce).map_err(failed)?;
    Ok(Nonce(nonce))
}

impl Object {
    /// A storage over the endpoints of one bucket; `url` is what messages call it.
    pub fn over(stores: Vec<Arc<dyn ObjectStore>>, url: impl Into<String>, options: ObjectOptions) -> Self {
        Self::new(Source::Stores(stores, url.into()), options)
    }

    /// A storage in a bucket behind the S3 protocol.
    pub fn s3(settings: S3Settings, options: ObjectOptions) -> Self {
        Self::new(Source::S3(settings), options)
    }

    fn new(source: Source, options: ObjectOptions) -> Self {
        Self(Arc::new(Handle { source, options, shared: Mutex::default() }))
    }

    fn shared(&self) -> StorageResult<Arc<Shared>> {
        let mut shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &*shared {
            return Ok(Arc::clone(shared));
        }
        let options = self.0.options.clone();
        let (stores, url) = match &self.0.source {
            Source::S3(settings) => settings.open(&options.prefix)?,
            Source::Stores(stores, url) => (stores.clone(), url.clone()),
        };
        let bucket = Arc::new(Bucket::new(stores, (url, &options.prefix), options.patience)?);
        let cache = match &options.cache {
            Some((folder, bytes_max)) => Some(Arc::new(DiskCache::open(folder, *bytes_max)?)),
            None => None,
        };
        let reader = SegmentReader::new(Arc::clone(&bucket), cache);
        let opened = Arc::new(Shared::new((bucket, self.0.source.digest(&options)), options, reader));
        *shared = Some(Arc::clone(&opened));
        Ok(opened)
    }

    pub(super) fn acquire(&self, how: &Acquire) -> StorageResult<ObjectSession> {
        let shared = &self.shared()?;
        let none = || StorageError::NoLedger { path: PathBuf::from(shared.bucket.url()) };
        let begins = matches!(how.mode, Mode::Write { .. });
        let (take_over, is_created) = match how.mode {
            Mode::Read => {
                let state = shared.newest()?.filter(|state| !state.is_empty()).ok_or_else(none)?;
                let core = Core::new(shared, Role::Reader, state, how.index_bytes);
                return Ok(ObjectSession { core: Arc::new(core) });
            }
            Mode::Write { take_over, .. } => (take_over, true),
            Mode::WriteExisting => (false, false),
        };
        if !take_over && shared.has_writer() {
            return Err(shared.in_use());
        }
        if begins {
            moved::check_place(shared)?;
        }
        let state = shared.newest()?;
        if !is_created && state.as_ref().is_none_or(State::is_empty) {
            return Err(none());
        }
        // Where the store has passed before, a service tries it beside its work ([`ObjectSession::prepare`]), and a command does not.
        shared.lock_record();
        if !shared.has_passed() {
            probe_once(shared)?;
        }
        let state = free(shared, state.unwrap_or_default(), take_over)?;
        let session = claim(shared, state, take_over, how.index_bytes)?;
        if begins {
            // The one before may have marked it until its last slot.
            moved::check_place(shared)?;
        }
        Ok(session)
    }

    /// Tries the store ([`probe`]).
    pub(super) fn probe(&self) -> StorageResult<()> {
        probe::probe(&self.shared()?.bucket, new_nonce()?)
    }

    pub(super) fn stage(&self, resume: Option<&Resume>) -> StorageResult<ObjectStaging> {
        ObjectStaging::begin(&self.shared()?, resume)
    }

    pub(super) fn forget_copy(&self, source: &str) -> StorageResult<()> {
        staged::forget(&self.shared()?.bucket, source)
    }

    /// What was asked of the store; `None` as long as nothing was.
    pub(super) fn figures(&self) -> Option<Arc<StoreFigures>> {
        let shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.as_ref().map(|shared| Arc::clone(&shared.bucket.figures))
    }

    pub(super) fn side_files(&self) -> StorageResult<ObjectSide> {
        self.shared().map(ObjectSide)
    }
}

/// Tries the store before this process writes to it for the first time.
fn probe_once(shared: &Shared) -> StorageResult<()> {
    if !shared.is_probed.load(Ordering::Acquire) {
        let tried = probe::probe(&shared.bucket, new_nonce()?);
        shared.note_probe(&tried);
        tried?;
        shared.is_probed.store(true, Ordering::Release);
    }
    Ok(())
}

/// Waits until no writer is at work: a lease long, if none has said that it ended.
fn free(shared: &Shared, mut state: State, take_over: bool) -> StorageResult<State> {
    let lease = shared.options.lease;
    loop {
        let head = state.head;
        let is_free = take_over || head.kind == Kind::Release;
        if !is_free && shared.has_ended(&head.nonce) {
            tracing::info!(
                epoch = head.epoch,
                "the writer before was one of this machine, and its process has ended: its lease does not count"
            );
            return Ok(state);
        }
        if is_free || shared.seen_since(head.slot).elapsed() >= lease {
            return Ok(state);
        }
        pace((lease / LOOKS_A_LEASE).min(LOOK_MAX));
        state = shared.newest()?.unwrap_or_default();
        if state.head.slot != head.slot && state.head.kind != Kind::Release {
            return Err(shared.in_use());
        }
    }
}

/// Takes the storage over: creates the next slot, with the next epoch.
fn claim(
    shared: &Arc<Shared>,
    mut state: State,
    take_over: bool,
    index_bytes: usize,
) -> StorageResult<ObjectSession> {
    for _ in 0..CLAIMS_MAX {
        let epoch = state.head.epoch;
        let core = Core::new(shared, Role::Writer, state, index_bytes).with_nonce(new_nonce()?);
        let claimed = {
            let mut writing = core.writing();
            let version = writing.base.version;
            shared.record_session(core.nonce());
            // A full checkpoint is due when none is known.
            writing.full = writing.base.head.slot - writing.base.head.slot % shared.options.full_every.max(1);
            core.create_slot(&mut writing, Kind::Claim, version, Default::default())
        };
        match claimed {
            Ok(()) => {
                shared.writer_began();
                let core = Arc::new(core);
                keep_alive(&core);
                return Ok(ObjectSession { core });
            }
            Err(StorageError::Fenced { .. }) => {}
            Err(error) => return Err(error),
        }
        state = shared.newest()?.unwrap_or_default();
        // The writer went on, or one that was killed had sent a slot. Where another claimed the storage meanwhile, it has it.
        let may_retry = take_over || shared.has_ended(&state.head.nonce);
        if !may_retry || state.head.epoch != epoch {
            return Err(shared.in_use());
        }
    }
    Err(shared.in_use())
}

/// Shows from now on that the writer is there, also while it starts: opening a large ledger takes longer than a lease.
fn keep_alive(core: &Arc<Core>) {
    let (every, weak) = (core.shared.options.heartbeat / 2, Arc::downgrade(core));
    core.shared.bucket.spawn(async move {
        loop {
            pause(every).await;
            let Some(core) = weak.upgrade().filter(|core| !core.is_closed()) else { return };
            // What fails is met by the next change, and by upkeep.
            let beat = tokio::task::spawn_blocking(move || core.heartbeat()).await;
            if !matches!(beat, Ok(Ok(()))) {
                return;
            }
        }
    });
}

/// Following, and taking over.
impl ObjectSession {
    /// The newest state, if its root is another one.
    pub(super) fn follow(&self) -> StorageResult<Option<Self>> {
        let core = &self.core;
        if core.role != Role::Reader {
            return Ok(None);
        }
        let Some(state) = core.shared.followed()? else { return Ok(None) };
        if state.version == core.version()? {
            return Ok(None);
        }
        Ok(Some(Self { core: Arc::new(Core::new(&core.shared, Role::Reader, state, 0)) }))
    }

    pub(super) fn writer_activity(&self) -> Option<WriterActivity> {
        self.core.shared.activity()
    }

    pub(super) fn prepare(&self) -> StorageResult<()> {
        self.core.shared.lock_record();
        probe_once(&self.core.shared)
    }

    /// Claims the storage, after the slot that was judged to be the last one, or after whatever is.
    pub(super) fn take_over(&self, judged: Option<u64>) -> StorageResult<Self> {
        let core = &self.core;
        if core.role != Role::Reader {
            return Err(StorageError::ReadOnly);
        }
        let shared = &core.shared;
        if shared.has_writer() {
            return Err(shared.in_use());
        }
        // The store is tried when such a session begins ([`Self::prepare`]), not when people wait: a race takes a store its time.
        let state = match judged {
            Some(judged) => shared.known_state().filter(|state| state.head.slot == judged),
            None => shared.newest()?,
        };
        let session = claim(shared, state.ok_or_else(|| shared.in_use())?, judged.is_none(), 0)?;
        // The writer before may have marked the place until its last slot.
        moved::check_place(shared)?;
        Ok(session)
    }

    pub(super) fn release(&self) {
        if self.core.role == Role::Writer {
            self.core.close();
        }
    }

    pub(super) fn upkeep(&self) -> Option<ObjectUpkeep> {
        (self.core.role == Role::Writer).then(|| ObjectUpkeep::new(Arc::clone(&self.core)))
    }
}
