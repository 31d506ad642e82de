//! A run: the sorted, immutable blocks that one commit (or one compaction) wrote for one event day.

pub mod block;
pub mod charges;
pub mod filter;
pub mod hash_order;
pub mod identity;
pub mod index;
pub mod period_totals;
pub mod riders;
pub mod row;
pub mod sparse;
pub mod stored_filter;
pub mod totals;
pub mod writer;

mod entry;
mod readahead;
#[cfg(test)]
mod tests;

pub use entry::RunEntry;

use crate::domain::order::Phase;
use crate::domain::time::UtcMillis;
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::codec::{CodecError, Decoded, unframe};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::run::block::{Select, rows_of_orders, visit_block};
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::{Entry, IdentityHash, PackedEntry, RiderHash, visit_chunk};
use crate::ledger::run::index::{Look, RunIndex};
use crate::ledger::run::period_totals::PeriodTotals;
use crate::ledger::run::riders::Riders;
use crate::ledger::run::row::{DictionaryEntry, OrderId, Row};
use crate::ledger::run::stored_filter::RunFilter;
use crate::ledger::yield_points::{BLOCKS, ROWS, in_turns};
use crate::storage::Session;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// Bits of a run's own filter for each order: about one stranger in 30 passes; the filter of the days sorts out the rest.
const FILTER_BITS: u64 = 8;

/// Platform, leg and phase of an order.
type Kind = (Arc<str>, u8, Phase);

/// An open run: its entry, what is kept in memory, and the way to its blocks.
///
/// The last drop of an obsolete run queues its number for collection: then no snapshot can need its blocks.
#[derive(Debug)]
pub struct Run {
    /// Number, never used twice.
    pub id: u64,
    /// Manifest entry.
    pub entry: RunEntry,
    index: RunIndex,
    dictionary: Vec<Arc<DictionaryEntry>>,
    filter: RunFilter,
    riders: Riders,
    /// Which orders it holds at all, by platform, leg and phase.
    kinds: BTreeSet<Kind>,
    /// What was just written; taken when the run is applied.
    fresh: Vec<PackedEntry>,
    store: Session,
    obsolete: AtomicBool,
    released: Sender<u64>,
}

impl Run {
    /// A run whose blocks are in the store.
    pub fn new(
        id: u64,
        entry: RunEntry,
        (index, dictionary): (RunIndex, Vec<Arc<DictionaryEntry>>),
        (filter, riders): (RunFilter, Riders),
        store: Session,
        released: Sender<u64>,
    ) -> Self {
        let (fresh, obsolete) = (Vec::new(), AtomicBool::new(false));
        let kind_of = |entry: &Arc<DictionaryEntry>| (Arc::clone(&entry.platform), entry.leg, entry.phase);
        let kinds = dictionary.iter().map(kind_of).collect();
        Self { id, entry, index, dictionary, filter, riders, kinds, fresh, store, obsolete, released }
    }

    /// The same run, with the identities that were just written.
    pub fn with_fresh(mut self, fresh: Vec<PackedEntry>) -> Self {
        self.fresh = fresh;
        self
    }

    /// Calls `see` with every identity hash, in ascending order: from memory when the run was just written.
    pub fn visit_hashes(&mut self, mut see: impl FnMut(IdentityHash)) -> LedgerResult<()> {
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.is_empty() {
            in_turns(ROWS, &fresh).for_each(|packed| see(packed.entry().0));
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
        Filter::paged(rows, FILTER_BITS)
    }

    /// Opens a run of the manifest. Its filters, and the parts of its index, stay in the store.
    pub fn open(id: u64, entry: RunEntry, store: &Session, released: &Sender<u64>) -> LedgerResult<Self> {
        let index = RunIndex::open(store, id, &entry)?;
        let filter = RunFilter::stored(keys::FILTER, id, entry.filter_pages);
        let riders = Riders::new(RunFilter::stored(keys::RIDERS, id, entry.rider_pages), &index.1);
        Ok(Self::new(id, entry, index, (filter, riders), store.clone(), released.clone()))
    }

    /// The same run, read through another session of its storage: a newer one of which it is part too. Both sessions must share
    /// their cache ([`Session::parts`]).
    pub fn through(&self, store: &Session) -> Self {
        Self {
            id: self.id,
            entry: self.entry,
            index: self.index.clone(),
            dictionary: self.dictionary.clone(),
            filter: self.filter.share(),
            riders: self.riders.share(),
            kinds: self.kinds.clone(),
            fresh: Vec::new(),
            store: store.clone(),
            obsolete: AtomicBool::new(false),
            released: self.released.clone(),
        }
    }

    /// Through which it is read.
    #[cfg(all(test, feature = "object-store"))]
    pub(crate) const fn session(&self) -> &Session {
        &self.store
    }

    /// From now on nothing but the snapshots that use it need this run.
    pub fn mark_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    /// Whether any platform may have named the rider in this run; `false` is certain.
    pub fn may_know(&self, rider_id: &str) -> LedgerResult<bool> {
        self.may_know_hash(RiderHash::of(rider_id))
    }

    /// The same by the hash of the rider.
    pub fn may_know_hash(&self, rider: RiderHash) -> LedgerResult<bool> {
        self.riders.may_hold(&self.store, rider, |_| true)
    }

    /// Whether one of these identities, which come ascending, may be in this run; `false` is certain.
    pub fn may_hold_any(&self, identities: &[IdentityHash]) -> LedgerResult<bool> {
        let keys: Vec<(IdentityHash, ())> = identities.iter().map(|hash| (*hash, ())).collect();
        self.filter.may_contain_any(&self.store, &keys)
    }

    /// Whether one of `platforms` may have named the rider in this run; `false` is certain.
    pub fn may_name(&self, rider_id: &str, platforms: &[&str]) -> LedgerResult<bool> {
        self.riders.may_hold(&self.store, RiderHash::of(rider_id), |platform| platforms.contains(&platform))
    }

    /// The filter of identities and the filter of riders.
    pub const fn filters(&self) -> [&RunFilter; 2] {
        [&self.filter, self.riders.filter()]
    }

    /// Reads its filters into memory, but for one that takes more than so many bytes.
    pub fn load_filters(&self, bytes_max: usize) -> LedgerResult<()> {
        let small = self.filters().into_iter().filter(|filter| filter.bytes_max() <= bytes_max);
        small.into_iter().try_for_each(|filter| filter.load(&self.store))
    }

    /// Whether any order of this platform, leg and phase is in this run.
    pub fn has_kind(&self, platform: &str, leg: u8, phase: Phase) -> bool {
        self.kinds.iter().any(|kind| kind.1 == leg && kind.2 == phase && *kind.0 == *platform)
    }

    /// Bytes of memory of filters, and of the index as far as it is always in memory.
    pub fn memory_bytes(&self) -> (usize, usize) {
        let [identities, riders] = self.filters();
        (identities.bytes() + riders.bytes(), self.index.bytes())
    }

    /// The dictionary entry of a row of this run.
    pub fn dictionary_entry(&self, code: u32) -> LedgerResult<&Arc<DictionaryEntry>> {
        usize::try_from(code).ok().and_then(|code| self.dictionary.get(code)).ok_or_else(|| {
            LedgerError::Damaged {
                what: format!("a row of run {}", self.id),
                source: CodecError::Invalid("dictionary entry"),
            }
        })
    }

    /// Every dictionary entry of this run.
    pub fn dictionary(&self) -> &[Arc<DictionaryEntry>] {
        &self.dictionary
    }

    /// Whether the sparse index in memory is the stored one.
    pub fn sparse_is_stored(&self) -> LedgerResult<bool> {
        self.index.is_stored(&self.store, &self.dictionary)
    }

    /// Looks into the sparse index.
    pub const fn look(&self) -> Look<'_> {
        self.index.look(&self.store)
    }

    /// Whether the run can contain a row with a start in `[from, to)`.
    pub fn overlaps(&self, from: UtcMillis, to: UtcMillis) -> bool {
        self.entry.accepted.0 < to && from <= self.entry.accepted.1
    }

    /// Calls `visit` with the rider's rows whose start lies in `[from, to)`, in order of place.
    pub fn visit_rider(
        &self,
        rider_id: &str,
        (from, to): (UtcMillis, UtcMillis),
        mut visit: impl FnMut(&Row<'_>) -> LedgerResult<()>,
    ) -> LedgerResult<()> {
        for block in self.look().blocks_of(rider_id, (from, to))? {
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

    fn block_name(&self, block: u32) -> String {
        format!("block {block} of run {}", self.id)
    }

    /// Calls `visit` with the selected rows of a block until it returns `false`. A scan of all rows goes through the
    /// run block by block.
    pub fn visit_block(
        &self,
        block: usize,
        select: Select<'_>,
        visit: impl FnMut(&Row<'_>) -> bool,
    ) -> LedgerResult<()> {
        if matches!(select, Select::All) {
            self.read_ahead(keys::DATA, u32::try_from(block).unwrap_or(u32::MAX))?;
        }
        self.read_block(block, |body| visit_block(body, select, visit).map(|_| ()))
    }

    /// Calls `visit` with the rows of a block whose order identifier is wanted, until it returns `false`.
    pub fn visit_orders(
        &self,
        block: usize,
        wanted: impl FnMut(&OrderId<'_>) -> bool,
        visit: impl FnMut(&Row<'_>) -> bool,
    ) -> LedgerResult<()> {
        self.read_block(block, |body| {
            // Most blocks that an index names by chance contain none of them: then one column is all that is read.
            let rows = rows_of_orders(body, wanted)?;
            if rows.is_empty() {
                return Ok(());
            }
            visit_block(body, Select::Rows(&rows), visit).map(|_| ())
        })
    }

    fn read_block(&self, block: usize, read: impl FnOnce(&[u8]) -> Decoded<()>) -> LedgerResult<()> {
        let number = u32::try_from(block).unwrap_or(u32::MAX);
        let key = in_run(keys::DATA, self.id, number);
        let missing = || LedgerError::Missing { what: self.block_name(number) };
        let value = self.store.get(&key)?.ok_or_else(missing)?;
        unframe(&key, &value)
            .and_then(|body| read(&body))
            .map_err(|error| LedgerError::damaged(self.block_name(number))(error))
    }

    /// Calls `found` with every block that may contain an order of one of these identities, and with what came with its
    /// hash. The hashes come ascending, so that each index chunk is read once.
    pub fn blocks_with<T: Copy>(
        &self,
        wanted: &[(IdentityHash, T)],
        mut found: impl FnMut(u32, T),
    ) -> LedgerResult<()> {
        let mut passed = Vec::new();
        self.filter.sift(&self.store, wanted, |hash, with| passed.push((hash, with)))?;
        let (mut look, mut unread) = (self.look(), 0);
        for (nth, &(hash, _)) in in_turns(BLOCKS, passed.iter().enumerate()) {
            let chunks = look.chunks_of(hash)?;
            for chunk in chunks.start.max(unread)..chunks.end {
                let end = look.chunk_first(chunk + 1)?;
                self.look_into((chunk, end), passed.get(nth..).unwrap_or_default(), &mut found)?;
                unread = chunk + 1;
            }
        }
        Ok(())
    }

    /// Compares the entries of an index chunk, and the hash with which the next one begins, with hashes that come
    /// ascending, as far as one of them can still be in it.
    fn look_into<T: Copy>(
        &self,
        (chunk, end): (usize, Option<IdentityHash>),
        wanted: &[(IdentityHash, T)],
        found: &mut impl FnMut(u32, T),
    ) -> LedgerResult<()> {
        let number = u32::try_from(chunk).unwrap_or(u32::MAX);
        let mut left = wanted;
        self.read_chunk(number, |(hash, block)| {
            while let Some((_, rest)) = left.split_first().filter(|(first, _)| first.0 < hash) {
                left = rest;
            }
            left.iter().take_while(|(same, _)| *same == hash).for_each(|&(_, with)| found(block, with));
            left.first().is_some_and(|(next, _)| end.is_none_or(|end| *next <= end))
        })
    }

    /// Calls `visit` with the entries of an index chunk until it returns `false`; for a scan of all of them in
    /// order.
    pub fn visit_chunk(&self, chunk: u32, visit: impl FnMut(Entry) -> bool) -> LedgerResult<()> {
        self.read_ahead(keys::IDENTITY, chunk)?;
        self.read_chunk(chunk, visit)
    }

    fn read_chunk(&self, chunk: u32, visit: impl FnMut(Entry) -> bool) -> LedgerResult<()> {
        let key = in_run(keys::IDENTITY, self.id, chunk);
        let name = || format!("identity chunk {chunk} of run {}", self.id);
        let value = self.store.get(&key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
        unframe(&key, &value)
            .and_then(|body| visit_chunk(&body, visit))
            .map_err(|error| LedgerError::damaged(name())(error))
    }

    /// The run's changes of its day's totals.
    pub fn totals(&self) -> LedgerResult<PeriodTotals> {
        let body = chunked::get(&self.store, keys::TOTALS, self.id, self.entry.totals_parts)?;
        PeriodTotals::decode(&body).map_err(LedgerError::damaged(format!("the totals of run {}", self.id)))
    }
}

/// Every kind of value of a run, and how many there are of it.
pub const fn run_values(entry: &RunEntry) -> [(u8, u32); 6] {
    [
        (keys::DATA, entry.blocks),
        (keys::IDENTITY, entry.chunks),
        (keys::SPARSE, entry.sparse_parts),
        (keys::FILTER, entry.filter_pages),
        (keys::RIDERS, entry.rider_pages),
        (keys::TOTALS, entry.totals_parts),
    ]
}

impl Drop for Run {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            // No receiver is left when the ledger closes: the next start collects the blocks.
            let _closed = self.released.send(self.id);
        }
    }
}
