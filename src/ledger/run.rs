//! A run: the sorted, immutable blocks that one commit (or one compaction) wrote for one event day.

use super::block::{Select, visit_block};
use super::codec::{CodecError, Decoded, Reader, Writer, unframe};
use super::error::{LedgerError, Outcome};
use super::filter::Filter;
use super::identity::{Entry, IdentityHash, visit_chunk};
use super::keys::{self, in_run};
use super::parts;
use super::row::{Class, Row};
use super::store::Store;
use super::totals::DayTotals;
use crate::domain::time::{LocalDay, UtcMillis};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// Bits of a run's own filter for each order: about one stranger in 30 passes; the filter of the days sorts out the rest.
const FILTER_BITS: u64 = 8;

/// A run's entry in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// The event day of all rows.
    pub day: LocalDay,
    /// Rows, marks included.
    pub rows: u64,
    /// Data blocks.
    pub blocks: u32,
    /// Chunks of the identity index.
    pub chunks: u32,
    /// Parts of the sparse index.
    pub sparse_parts: u32,
    /// Parts of the totals.
    pub totals_parts: u32,
    /// Smallest and largest start.
    pub accepted: (UtcMillis, UtcMillis),
    /// Longest `ended_at - accepted_at`, in milliseconds.
    pub longest_ms: i64,
    /// Whether any row is an open order.
    pub has_open: bool,
    /// First and last commit of the rows.
    pub commits: (u64, u64),
    /// Bytes put into the store.
    pub bytes: u64,
    /// Runs written by one compaction share its number; 0 for a commit's run.
    pub compaction: u64,
}

impl RunEntry {
    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_signed(i64::from(self.day.0));
        out.put_varint(self.rows);
        for count in [self.blocks, self.chunks, self.sparse_parts, self.totals_parts] {
            out.put_varint(u64::from(count));
        }
        out.put_signed(self.accepted.0.millis());
        out.put_signed(self.accepted.1.millis());
        out.put_signed(self.longest_ms);
        out.push(u8::from(self.has_open));
        for number in [self.commits.0, self.commits.1, self.bytes, self.compaction] {
            out.put_varint(number);
        }
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        Ok(Self {
            day: LocalDay(i32::try_from(r.signed("day")?).map_err(|_| CodecError::Invalid("day"))?),
            rows: r.varint("rows")?,
            blocks: r.number("blocks")?,
            chunks: r.number("chunks")?,
            sparse_parts: r.number("sparse parts")?,
            totals_parts: r.number("totals parts")?,
            accepted: (UtcMillis::new(r.signed("first start")?), UtcMillis::new(r.signed("last start")?)),
            longest_ms: r.signed("longest order")?,
            has_open: r.u8("open orders")? != 0,
            commits: (r.varint("first commit")?, r.varint("last commit")?),
            bytes: r.varint("bytes")?,
            compaction: r.varint("compaction")?,
        })
    }
}

/// What is kept in memory of a run's blocks: the first place of each block, the first hash of each index chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    riders: Vec<u8>,
    /// End of the block's first rider in `riders`, and the block's first start.
    firsts: Vec<(u32, i64)>,
    chunk_firsts: Vec<u64>,
}

impl Sparse {
    /// Adds the first place of the next block.
    pub fn push_block(&mut self, rider_id: &str, accepted_at: UtcMillis) {
        self.riders.extend_from_slice(rider_id.as_bytes());
        self.firsts.push((u32::try_from(self.riders.len()).unwrap_or(u32::MAX), accepted_at.millis()));
    }

    /// Adds the first hash of the next index chunk.
    pub fn push_chunk(&mut self, first: IdentityHash) {
        self.chunk_firsts.push(first.get());
    }

    fn first(&self, block: usize) -> Option<(&[u8], i64)> {
        let from = match block.checked_sub(1) {
            Some(before) => self.firsts.get(before)?.0,
            None => 0,
        };
        let &(until, start) = self.firsts.get(block)?;
        let range = usize::try_from(from).ok()?..usize::try_from(until).ok()?;
        Some((self.riders.get(range)?, start))
    }

    /// The blocks that may hold the rider's rows with a start in `[from, to)`.
    fn blocks_of(&self, rider_id: &str, from: UtcMillis, to: UtcMillis) -> std::ops::Range<usize> {
        let rider = rider_id.as_bytes();
        let before = |place: (&[u8], i64)| {
            partition(self.firsts.len(), |at| self.first(at).is_some_and(|first| first < place))
        };
        // The block before the first one that starts at or after `from` may hold `from` too.
        before((rider, from.millis())).saturating_sub(1)..before((rider, to.millis()))
    }

    /// The index chunks that may hold `hash`.
    fn chunks_of(&self, hash: IdentityHash) -> std::ops::Range<usize> {
        let below = self.chunk_firsts.partition_point(|&first| first < hash.get());
        let until = self.chunk_firsts.partition_point(|&first| first <= hash.get());
        below.saturating_sub(1)..until
    }

    fn bytes(&self) -> usize {
        self.riders.len() + self.firsts.len() * 16 + self.chunk_firsts.len() * 8
    }

    /// The stored form, with the run's classes before it.
    pub fn encode(&self, classes: &[Arc<Class>]) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_len(classes.len());
        classes.iter().for_each(|class| class.encode(&mut out));
        out.put_len(self.firsts.len());
        for block in 0..self.firsts.len() {
            let (rider, start) = self.first(block).unwrap_or_default();
            out.put_prefixed(rider);
            out.put_signed(start);
        }
        out.put_len(self.chunk_firsts.len());
        self.chunk_firsts.iter().for_each(|&first| out.put_varint(first));
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<(Self, Vec<Arc<Class>>)> {
        let mut reader = Reader::new(bytes);
        let mut classes = Vec::new();
        for _ in 0..reader.count(8, "classes")? {
            classes.push(Arc::new(Class::decode(&mut reader)?));
        }
        let mut sparse = Self::default();
        for _ in 0..reader.count(2, "blocks")? {
            let rider = reader.text("first rider")?;
            sparse.push_block(rider, UtcMillis::new(reader.signed("first start")?));
        }
        for _ in 0..reader.count(1, "chunks")? {
            sparse.chunk_firsts.push(reader.varint("first hash")?);
        }
        reader.end("sparse index")?;
        Ok((sparse, classes))
    }
}

fn partition(length: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// An open run: its entry, what is kept in memory, and the way to its blocks.
///
/// Dropped after it was doomed, it reports its number, so that its blocks are deleted when no snapshot can need them.
#[derive(Debug)]
pub struct Run {
    /// Number, never used twice.
    pub id: u64,
    /// Manifest entry.
    pub entry: RunEntry,
    sparse: Sparse,
    classes: Vec<Arc<Class>>,
    filter: Filter,
    /// What was just written; taken when the run is adopted.
    fresh: Vec<Entry>,
    store: Store,
    doomed: AtomicBool,
    released: Sender<u64>,
}

impl Run {
    /// A run whose blocks are in the store.
    pub fn new(
        id: u64,
        entry: RunEntry,
        (sparse, classes): (Sparse, Vec<Arc<Class>>),
        filter: Filter,
        store: Store,
        released: Sender<u64>,
    ) -> Self {
        let (fresh, doomed) = (Vec::new(), AtomicBool::new(false));
        Self { id, entry, sparse, classes, filter, fresh, store, doomed, released }
    }

    /// The same run, with the identities that were just written.
    pub fn with_fresh(mut self, fresh: Vec<Entry>) -> Self {
        self.fresh = fresh;
        self
    }

    /// Calls `see` with every identity hash, in ascending order: from memory when the run was just written.
    pub fn visit_hashes(&mut self, mut see: impl FnMut(IdentityHash)) -> Outcome<()> {
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.is_empty() {
            fresh.iter().for_each(|&(hash, _)| see(hash));
            return Ok(());
        }
        for chunk in 0..self.entry.chunks {
            self.visit_chunk(chunk, |(hash, _)| {
                see(hash);
                true
            })?;
        }
        Ok(())
    }

    /// An empty filter of the right size for a run of `rows` rows.
    pub fn filter_for(rows: u64) -> Filter {
        Filter::with_capacity(rows, FILTER_BITS)
    }

    /// Opens a run of the manifest; `see` is called with every identity hash (to fill the filter of its days).
    pub fn open(
        id: u64,
        entry: RunEntry,
        store: &Store,
        released: &Sender<u64>,
        mut see: impl FnMut(IdentityHash),
    ) -> Outcome<Self> {
        let body = parts::get(store, keys::SPARSE, id, entry.sparse_parts)?;
        let index =
            Sparse::decode(&body).map_err(LedgerError::damaged(format!("the sparse index of run {id}")))?;
        let filter = Self::filter_for(entry.rows);
        let mut run = Self::new(id, entry, index, filter, store.clone(), released.clone());
        let mut filter = std::mem::take(&mut run.filter);
        for chunk in 0..entry.chunks {
            run.visit_chunk(chunk, |(hash, _)| {
                filter.insert(hash);
                see(hash);
                true
            })?;
        }
        run.filter = filter;
        Ok(run)
    }

    /// From now on nothing but the snapshots that hold it need this run.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// Bytes of memory of filter and sparse index.
    pub fn memory_bytes(&self) -> (usize, usize) {
        (self.filter.bytes(), self.sparse.bytes())
    }

    /// The class of a row of this run.
    pub fn class(&self, code: u32) -> Outcome<&Arc<Class>> {
        usize::try_from(code).ok().and_then(|code| self.classes.get(code)).ok_or_else(|| {
            LedgerError::Damaged {
                what: format!("a row of run {}", self.id),
                source: CodecError::Invalid("class"),
            }
        })
    }

    /// Every class of this run.
    pub fn classes(&self) -> &[Arc<Class>] {
        &self.classes
    }

    /// Whether the run can hold a row with a start in `[from, to)`.
    pub fn overlaps(&self, from: UtcMillis, to: UtcMillis) -> bool {
        self.entry.accepted.0 < to && from <= self.entry.accepted.1
    }

    /// Calls `visit` with the rider's rows whose start lies in `[from, to)`, in order of place.
    pub fn visit_rider(
        &self,
        rider_id: &str,
        (from, to): (UtcMillis, UtcMillis),
        mut visit: impl FnMut(&Row<'_>) -> Outcome<()>,
    ) -> Outcome<()> {
        for block in self.sparse.blocks_of(rider_id, from, to) {
            let mut result = Ok(());
            self.visit_block(block, Select::Rider(rider_id), |row| {
                if row.accepted_at >= to {
                    return false;
                }
                if row.accepted_at >= from {
                    result = visit(row);
                }
                result.is_ok()
            })?;
            result?;
        }
        Ok(())
    }

    /// Calls `visit` with the selected rows of a block until it returns `false`.
    pub fn visit_block(
        &self,
        block: usize,
        select: Select<'_>,
        visit: impl FnMut(&Row<'_>) -> bool,
    ) -> Outcome<()> {
        let number = u32::try_from(block).unwrap_or(u32::MAX);
        let key = in_run(keys::DATA, self.id, number);
        let name = || format!("block {number} of run {}", self.id);
        let value = self.store.get(&key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
        unframe(&key, &value)
            .and_then(|body| visit_block(&body, select, visit))
            .map(|_| ())
            .map_err(|error| LedgerError::damaged(name())(error))
    }

    /// The blocks that may hold an order of this identity.
    pub fn blocks_with(&self, hash: IdentityHash, found: &mut Vec<u32>) -> Outcome<()> {
        if !self.filter.may_contain(hash) {
            return Ok(());
        }
        for chunk in self.sparse.chunks_of(hash) {
            self.visit_chunk(u32::try_from(chunk).unwrap_or(u32::MAX), |(other, block)| {
                if other == hash {
                    found.push(block);
                }
                other <= hash
            })?;
        }
        found.dedup();
        Ok(())
    }

    /// Calls `visit` with the entries of an index chunk until it returns `false`.
    pub fn visit_chunk(&self, chunk: u32, visit: impl FnMut(Entry) -> bool) -> Outcome<()> {
        let key = in_run(keys::IDENTITY, self.id, chunk);
        let name = || format!("identity chunk {chunk} of run {}", self.id);
        let value = self.store.get(&key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
        unframe(&key, &value)
            .and_then(|body| visit_chunk(&body, visit))
            .map_err(|error| LedgerError::damaged(name())(error))
    }

    /// The run's changes of its day's totals.
    pub fn totals(&self) -> Outcome<DayTotals> {
        let body = parts::get(&self.store, keys::TOTALS, self.id, self.entry.totals_parts)?;
        DayTotals::decode(&body).map_err(LedgerError::damaged(format!("the totals of run {}", self.id)))
    }

    /// Every key that this run's values have in the store.
    pub fn keys(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        run_keys(self.id, &self.entry)
    }
}

/// Every key that the values of a run have in the store.
pub fn run_keys(id: u64, entry: &RunEntry) -> impl Iterator<Item = Vec<u8>> + use<> {
    let kinds = [
        (keys::DATA, entry.blocks),
        (keys::IDENTITY, entry.chunks),
        (keys::SPARSE, entry.sparse_parts),
        (keys::TOTALS, entry.totals_parts),
    ];
    kinds.into_iter().flat_map(move |(kind, count)| (0..count).map(move |number| in_run(kind, id, number)))
}

impl Drop for Run {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // Nobody listens any more when the ledger closes: the blocks are then collected at the next start.
            let _closed = self.released.send(self.id);
        }
    }
}
