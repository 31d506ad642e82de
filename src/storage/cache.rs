//! A bounded cache of what leads to values: pages of the tables of segment files, and parts of the indexes that the user of
//! the storage keeps of its runs.
//!
//! Both share one budget, which bounds them whatever is stored. All of it can be read again; what is asked most stays.

use quick_cache::sync::Cache as Bounded;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an item takes beside its bytes.
const ITEM_BYTES: usize = 160;
/// What an item takes about, all told: only sizes what the cache keeps of itself.
const ITEM_BYTES_USUAL: usize = 8 << 10;
/// Each part of the cache has a lock of its own, and a share of the budget in which its largest items fit well.
const SHARD_BYTES_MIN: usize = 2 << 20;
const SHARDS_MAX: usize = 16;

/// Whose bytes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Pages of the segment file of this number.
    Segment(u64),
    /// Parts of the index of a run that is open.
    Run(RunToken),
}

/// Names an open run in the cache: numbers of runs that were given up are given again, these are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunToken(u64);

#[derive(Clone, Copy, Debug)]
struct Bytes;

type Key = (Owner, u64);

impl Weighter<Key, Arc<[u8]>> for Bytes {
    fn weight(&self, _: &Key, value: &Arc<[u8]>) -> u64 {
        u64::try_from(value.len() + ITEM_BYTES).unwrap_or(u64::MAX)
    }
}

/// The bounded cache.
pub struct PartCache {
    held: Bounded<Key, Arc<[u8]>, Bytes>,
    tokens: AtomicU64,
}

impl PartCache {
    /// Takes so many bytes at most.
    pub fn new(bytes_max: usize) -> Self {
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        // Shards are a power of two of them, and their shares are rounded up.
        let bytes = u64::try_from(bytes_max - bytes_max % SHARDS_MAX).unwrap_or(u64::MAX);
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(bytes_max / ITEM_BYTES_USUAL)
            .weight_capacity(bytes)
            .build();
        let held = match options {
            Ok(options) => Bounded::with_options(
                options,
                Bytes,
                DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            Err(_) => Bounded::with_weighter(bytes_max / ITEM_BYTES_USUAL, bytes, Bytes),
        };
        Self { held, tokens: AtomicU64::new(0) }
    }

    /// A part from the cache, else by `read`; what was read is cached if it fits. Two callers may read the same part at
    /// once: neither waits for the other.
    pub(super) fn get_owned<E>(
        &self,
        owner: Owner,
        number: u64,
        read: impl FnOnce() -> Result<Arc<[u8]>, E>,
    ) -> Result<Arc<[u8]>, E> {
        let key = (owner, number);
        if let Some(bytes) = self.held.get(&key) {
            return Ok(bytes);
        }
        let bytes = read()?;
        self.held.insert(key, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// A part of an open run's index: from the cache, else by `read`.
    pub fn get<E>(
        &self,
        run: RunToken,
        part: u32,
        read: impl FnOnce() -> Result<Arc<[u8]>, E>,
    ) -> Result<Arc<[u8]>, E> {
        self.get_owned(Owner::Run(run), u64::from(part), read)
    }

    /// Caches a part of an open run's index, if it fits.
    pub fn put(&self, run: RunToken, part: u32, bytes: Arc<[u8]>) {
        self.held.insert((Owner::Run(run), u64::from(part)), bytes);
    }

    /// A name in the cache for a run that is opened now.
    pub fn token(&self) -> RunToken {
        RunToken(self.tokens.fetch_add(1, Ordering::Relaxed))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.held.weight()).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Debug for PartCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartCache").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
