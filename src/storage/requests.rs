//! Figures of the requests to an object store: additions only, so that counting costs a request nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Writes an object.
    Put,
    /// Reads an object or a part of one.
    Get,
    /// Lists one page of a folder.
    List,
    /// Asks whether an object is there.
    Head,
    /// Deletes up to 1,000 objects.
    Delete,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Put, Self::Get, Self::List, Self::Head, Self::Delete];

    /// Its name in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::List => "list",
            Self::Head => "head",
            Self::Delete => "delete",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    /// It did what it asks for.
    Ok,
    /// There is no such object.
    Absent,
    /// The object to be created exists.
    Exists,
    /// Anything else, also that no reply came in time.
    Failed,
}

impl RequestResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Absent, Self::Exists, Self::Failed];

    /// Its name in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Exists => "exists",
            Self::Failed => "failed",
        }
    }
}

/// Upper bounds of the classes of times, in microseconds; a last class has none.
const BOUNDS_US: [u64; 14] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000,
];

#[derive(Debug, Default)]
struct OfKind {
    ok: AtomicU64,
    absent: AtomicU64,
    exists: AtomicU64,
    failed: AtomicU64,
    classes: [AtomicU64; BOUNDS_US.len()],
    longer: AtomicU64,
    took_us: AtomicU64,
}

impl OfKind {
    const fn of(&self, result: RequestResult) -> &AtomicU64 {
        match result {
            RequestResult::Ok => &self.ok,
            RequestResult::Absent => &self.absent,
            RequestResult::Exists => &self.exists,
            RequestResult::Failed => &self.failed,
        }
    }
}

/// The figures of the requests to one bucket, as they are counted.
#[derive(Debug, Default)]
pub struct StoreFigures {
    put: OfKind,
    get: OfKind,
    list: OfKind,
    head: OfKind,
    delete: OfKind,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    deleted_objects: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
}

fn add(to: &AtomicU64, count: usize) {
    to.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg_attr(not(feature = "object-store"), expect(dead_code, reason = "nothing is asked of a store"))]
impl StoreFigures {
    const fn of(&self, kind: RequestKind) -> &OfKind {
        match kind {
            RequestKind::Put => &self.put,
            RequestKind::Get => &self.get,
            RequestKind::List => &self.list,
            RequestKind::Head => &self.head,
            RequestKind::Delete => &self.delete,
        }
    }

    /// A request ended.
    pub(super) fn ended(&self, kind: RequestKind, result: RequestResult, took: Duration) {
        let of = self.of(kind);
        of.of(result).fetch_add(1, Ordering::Relaxed);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        of.took_us.fetch_add(took_us, Ordering::Relaxed);
        let class = BOUNDS_US.iter().zip(&of.classes).find(|(bound, _)| took_us <= **bound);
        class.map_or(&of.longer, |(_, class)| class).fetch_add(1, Ordering::Relaxed);
    }

    /// A list took more requests than the one that is counted when it ends.
    pub(super) fn more_pages(&self, pages: usize) {
        add(&self.list.ok, pages);
    }

    /// The bytes of an object are sent.
    pub(super) fn sent(&self, bytes: usize) {
        add(&self.sent_bytes, bytes);
    }

    /// Bytes of an object arrived.
    pub(super) fn received(&self, bytes: usize) {
        add(&self.received_bytes, bytes);
    }

    /// Objects were deleted.
    pub(super) fn deleted(&self, objects: usize) {
        add(&self.deleted_objects, objects);
    }

    /// A part of a segment was read from the cache on the disk, or was not whole there.
    pub(super) fn cache_read(&self, is_hit: bool) {
        add(if is_hit { &self.cache_hits } else { &self.cache_misses }, 1);
    }

    fn add_to(&self, counts: &mut StoreCounts) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        for (of, counts) in RequestKind::ALL.map(|kind| self.of(kind)).iter().zip(&mut counts.kinds) {
            for (result, count) in RequestResult::ALL.iter().zip(&mut counts.results) {
                *count += read(of.of(*result));
            }
            for (class, count) in of.classes.iter().zip(&mut counts.classes) {
                *count += read(class);
            }
            counts.longer += read(&of.longer);
            counts.took_us += read(&of.took_us);
        }
        counts.sent_bytes += read(&self.sent_bytes);
        counts.received_bytes += read(&self.received_bytes);
        counts.deleted_objects += read(&self.deleted_objects);
        counts.cache_hits += read(&self.cache_hits);
        counts.cache_misses += read(&self.cache_misses);
    }
}

/// What was counted of one kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KindCounts {
    results: [u64; RequestResult::ALL.len()],
    classes: [u64; BOUNDS_US.len()],
    longer: u64,
    /// The sum of their times, in microseconds.
    pub took_us: u64,
}

impl KindCounts {
    /// How many ended in each way.
    pub fn results(&self) -> impl Iterator<Item = (RequestResult, u64)> {
        RequestResult::ALL.into_iter().zip(self.results)
    }

    /// How many took a time up to each bound in microseconds, and longer than the bound before it.
    pub fn classes(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS_US.into_iter().zip(self.classes)
    }

    /// How many took longer than the last bound.
    pub const fn longer(&self) -> u64 {
        self.longer
    }
}

/// What was counted of the requests to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StoreCounts {
    kinds: [KindCounts; RequestKind::ALL.len()],
    /// Bytes of objects that were sent, also of those that were sent again.
    pub sent_bytes: u64,
    /// Bytes of objects that arrived.
    pub received_bytes: u64,
    /// Objects that were deleted.
    pub deleted_objects: u64,
    /// Parts of segments that were read from the cache on the disk.
    pub cache_hits: u64,
    /// Parts of segments that had to be read from the store.
    pub cache_misses: u64,
}

impl StoreCounts {
    /// What several figures have counted together.
    pub fn of<'a>(figures: impl IntoIterator<Item = &'a StoreFigures>) -> Self {
        let mut counts = Self::default();
        figures.into_iter().for_each(|figures| figures.add_to(&mut counts));
        counts
    }

    /// What was counted of each kind.
    pub fn kinds(&self) -> impl Iterator<Item = (RequestKind, KindCounts)> {
        RequestKind::ALL.into_iter().zip(self.kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_one_result_and_one_class() {
        let (one, other) = (StoreFigures::default(), StoreFigures::default());
        one.ended(RequestKind::Get, RequestResult::Absent, Duration::from_millis(1));
        one.ended(RequestKind::Get, RequestResult::Ok, Duration::from_micros(1_001));
        other.ended(RequestKind::Get, RequestResult::Failed, Duration::from_secs(31));
        let counts = StoreCounts::of([&one, &other]);
        let (_, get) = counts.kinds().find(|(kind, _)| *kind == RequestKind::Get).unwrap();
        assert_eq!(get.results().map(|(_, count)| count).collect::<Vec<_>>(), [1, 1, 0, 1]);
        assert_eq!(get.classes().take(3).collect::<Vec<_>>(), [(1_000, 1), (2_500, 1), (5_000, 0)]);
        assert_eq!((get.longer(), get.took_us), (1, 31_002_001));
        assert_eq!(
            counts.kinds().map(|(_, of)| of.results().map(|(_, count)| count).sum::<u64>()).sum::<u64>(),
            3
        );
    }
}
