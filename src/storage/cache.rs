//! What is kept in memory of what leads to values: pages of the tables of segment files, parts of the indexes of runs.
//!
//! All of it can be read again: the budget bounds it whatever is stored. What is asked most stays.

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

/// The bounded memory.
pub(super) struct Cache {
    held: Bounded<Key, Arc<[u8]>, Bytes>,
    tokens: AtomicU64,
}

impl Cache {
    /// Holds so many bytes at most.
    pub(super) fn new(bytes_max: usize) -> Self {
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

    /// What is held under a name, else what `read` brings, which is then held if there is room. Nobody waits for
    /// another's reading.
    pub(super) fn get<E>(
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

    /// Holds something that is likely to be asked for.
    pub(super) fn put(&self, owner: Owner, number: u64, bytes: Arc<[u8]>) {
        self.held.insert((owner, number), bytes);
    }

    pub(super) fn token(&self) -> RunToken {
        RunToken(self.tokens.fetch_add(1, Ordering::Relaxed))
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.held.weight()).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
