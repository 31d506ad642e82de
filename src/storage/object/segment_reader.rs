//! Reads parts of segments: from the cache of this machine's disk, else from the store.

use super::bucket::Bucket;
use super::disk_cache::{BLOCK_BYTES, DiskCache, blocks_of};
use super::name::SegmentName;
use crate::storage::bytes::Decoded;
use crate::storage::error::{StorageError, StorageResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Blocks that are brought beside at once.
const BESIDE_MAX: usize = 64;
/// So often after a read that went to the store it is worth saying first what will be read.
const FETCHES_AFTER: u32 = 64;

#[derive(Debug)]
pub(super) struct SegmentReader {
    bucket: Arc<Bucket>,
    cache: Option<Arc<DiskCache>>,
    beside: Arc<AtomicUsize>,
    fetching: AtomicU32,
}

/// A part of a segment of so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) segment: SegmentName,
    pub(super) segment_bytes: u64,
    pub(super) from: u64,
    pub(super) bytes: usize,
}

impl Part {
    /// Where its blocks begin, and how many bytes they have.
    fn blocks(&self) -> (u64, u64, usize) {
        let blocks = blocks_of(self.from, u64::try_from(self.bytes).unwrap_or(u64::MAX));
        let from = blocks.start() * BLOCK_BYTES;
        let end = ((blocks.end() + 1) * BLOCK_BYTES).min(self.segment_bytes);
        (*blocks.start(), from, usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX))
    }
}

impl SegmentReader {
    pub(super) fn new(bucket: Arc<Bucket>, cache: Option<Arc<DiskCache>>) -> Self {
        Self { bucket, cache, beside: Arc::default(), fetching: AtomicU32::new(FETCHES_AFTER) }
    }

    /// Reads a part, as what `check` makes of its bytes.
    pub(super) fn read<T>(&self, part: Part, check: impl Fn(&[u8]) -> Decoded<T>) -> StorageResult<T> {
        if part.bytes == 0 {
            return self.checked(&part, check(&[]));
        }
        if let Some(cache) = &self.cache
            && let Some(bytes) = cache.read(&part.segment, part.from, part.bytes)
        {
            match check(&bytes) {
                Ok(read) => {
                    self.bucket.figures.cache_read(true);
                    return Ok(read);
                }
                // The disk, not the store: read it again.
                Err(_) => cache.forget(&part.segment, part.from, part.bytes),
            }
        }
        self.fetching.store(FETCHES_AFTER, Ordering::Relaxed);
        let name = part.segment.to_string();
        let Some(cache) = &self.cache else {
            let bytes = self.bucket.get_range(&name, part.from, part.bytes)?;
            return self.checked(&part, check(&bytes));
        };
        self.bucket.figures.cache_read(false);
        let (first, from, bytes) = part.blocks();
        let blocks = self.bucket.get_range(&name, from, bytes)?;
        let at = usize::try_from(part.from.saturating_sub(from)).unwrap_or(usize::MAX);
        let wanted = blocks.get(at..at.saturating_add(part.bytes)).unwrap_or_default();
        let read = self.checked(&part, check(wanted))?;
        cache.put(&part.segment, first, &blocks);
        Ok(read)
    }

    fn checked<T>(&self, part: &Part, read: Decoded<T>) -> StorageResult<T> {
        let place = || self.bucket.place(&part.segment.to_string());
        read.map_err(|source| StorageError::DamagedObject { place: place(), source })
    }

    /// Whether [`Self::fetch`] is worth its time.
    pub(super) fn is_fetching_useful(&self) -> bool {
        self.cache.is_some()
            && self
                .fetching
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
    }

    /// A part is read soon: its blocks are brought into the cache beside.
    pub(super) fn fetch(&self, part: Part) {
        let Some(cache) = &self.cache else { return };
        let (first, from, bytes) = part.blocks();
        if cache.has(&part.segment, first) || self.beside.load(Ordering::Relaxed) >= BESIDE_MAX {
            return;
        }
        let end = from.saturating_add(u64::try_from(bytes).unwrap_or(0));
        let Some(request) = self.bucket.range_request(&part.segment.to_string(), from..end) else { return };
        self.beside.fetch_add(1, Ordering::Relaxed);
        let (cache, beside) = (Arc::clone(cache), Arc::clone(&self.beside));
        self.bucket.spawn(async move {
            if let Some(blocks) = request.await {
                cache.put(&part.segment, first, &blocks);
            }
            beside.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// A segment that was written here.
    pub(super) fn written(&self, segment: &SegmentName, bytes: &[u8]) {
        if let Some(cache) = &self.cache {
            cache.put(segment, 0, bytes);
        }
    }
}
