//! Writes a run: rows in the order of their place become blocks, identity index, sparse index and totals.

use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::codec::{Packing, frame};
use crate::ledger::error::LedgerResult;
use crate::ledger::run::block::{BlockBuilder, ROWS_MAX, ROWS_OF_MANY_RIDERS};
use crate::ledger::run::hash_order::sort_by_hash;
use crate::ledger::run::identity::{CHUNK_ENTRIES, Entry, IdentityHash, PackedEntry, encode_chunk};
use crate::ledger::run::index::RunIndex;
use crate::ledger::run::period_totals::PeriodTotals;
use crate::ledger::run::riders::{RiderCollector, Riders};
use crate::ledger::run::row::{DictionaryEntry, Row};
use crate::ledger::run::sparse::Sparse;
use crate::ledger::run::stored_filter::RunFilter;
use crate::ledger::run::{Run, RunEntry};
use crate::ledger::yield_points::give_way;
use crate::storage::{Upload, ValueKey};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Numbers for dictionary entries while runs are written.
#[derive(Debug, Default)]
pub struct Dictionary {
    dictionary: Vec<Arc<DictionaryEntry>>,
    numbers: HashMap<Arc<DictionaryEntry>, u32>,
}

impl Dictionary {
    /// The number of an entry, a new one when it is met for the first time.
    pub fn number(&mut self, entry: &Arc<DictionaryEntry>) -> u32 {
        if let Some(&number) = self.numbers.get(entry) {
            return number;
        }
        let number = u32::try_from(self.dictionary.len()).unwrap_or(u32::MAX);
        self.dictionary.push(Arc::clone(entry));
        self.numbers.insert(Arc::clone(entry), number);
        number
    }

    /// The entry of a number.
    pub fn get(&self, number: u32) -> Option<&Arc<DictionaryEntry>> {
        self.dictionary.get(usize::try_from(number).ok()?)
    }
}

/// Writes one run. Nothing of it counts before the manifest names it.
#[derive(Debug)]
pub struct RunWriter<'a> {
    store: &'a Upload,
    dictionary: &'a Dictionary,
    id: u64,
    builder: BlockBuilder,
    body: Vec<u8>,
    /// Code in this run of each entry of the table.
    codes: Vec<Option<u32>>,
    used: Vec<Arc<DictionaryEntry>>,
    /// Seed of the platform of each used entry.
    seeds: Vec<u64>,
    riders: RiderCollector,
    sparse: Sparse,
    hashes: Vec<PackedEntry>,
    entry: RunEntry,
}

impl<'a> RunWriter<'a> {
    /// A writer of the run `id` of `day`; `compaction` is 0 for a commit's run.
    pub fn new(
        store: &'a Upload,
        dictionary: &'a Dictionary,
        id: u64,
        day: LocalDay,
        compaction: u64,
    ) -> Self {
        let entry = RunEntry {
            day,
            rows: 0,
            blocks: 0,
            chunks: 0,
            sparse_parts: 0,
            filter_pages: 0,
            rider_pages: 0,
            totals_parts: 0,
            accepted: (UtcMillis::MAX, UtcMillis::MIN),
            longest_ms: 0,
            has_open: false,
            commits: (u64::MAX, 0),
            bytes: 0,
            compaction,
        };
        Self {
            store,
            dictionary,
            id,
            // A compaction brings a rider's rows together.
            builder: BlockBuilder::new(if compaction == 0 { ROWS_OF_MANY_RIDERS } else { ROWS_MAX }),
            body: Vec::new(),
            codes: Vec::new(),
            used: Vec::new(),
            seeds: Vec::new(),
            riders: RiderCollector::default(),
            sparse: Sparse::default(),
            hashes: Vec::new(),
            entry,
        }
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.entry.rows
    }

    /// Adds the next row; its code is a number of the table.
    pub fn push(&mut self, row: &Row<'_>, hash: IdentityHash) -> LedgerResult<()> {
        if self.builder.rows() == 0 {
            self.sparse.push_block(row.rider_id, row.accepted_at);
        }
        let row = Row { code: self.code_of(row.code), ..*row };
        let seed = usize::try_from(row.code).ok().and_then(|code| self.seeds.get(code)).copied();
        self.riders.note(row.rider_id, seed.unwrap_or_default());
        self.builder.push(&row);
        self.hashes.push(PackedEntry::from((hash, self.entry.blocks)));
        let entry = &mut self.entry;
        entry.rows += 1;
        entry.accepted = (entry.accepted.0.min(row.accepted_at), entry.accepted.1.max(row.accepted_at));
        entry.commits = (entry.commits.0.min(row.commit), entry.commits.1.max(row.commit));
        match row.ended_at {
            Some(ended_at) => entry.longest_ms = entry.longest_ms.max(ended_at.since(row.accepted_at)),
            None => entry.has_open |= row.moved_to.is_none(),
        }
        if self.builder.is_full() { self.close_block() } else { Ok(()) }
    }

    fn code_of(&mut self, number: u32) -> u32 {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(Some(code)) = self.codes.get(at) {
            return *code;
        }
        if self.codes.len() <= at {
            self.codes.resize(at + 1, None);
        }
        let code = u32::try_from(self.used.len()).unwrap_or(u32::MAX);
        if let Some(entry) = self.dictionary.get(number) {
            self.used.push(Arc::clone(entry));
            self.seeds.push(IdentityHash::seed(&entry.platform));
        }
        if let Some(slot) = self.codes.get_mut(at) {
            *slot = Some(code);
        }
        code
    }

    fn close_block(&mut self) -> LedgerResult<()> {
        self.body.clear();
        self.builder.finish(&mut self.body);
        self.put(in_run(keys::DATA, self.id, self.entry.blocks))?;
        self.entry.blocks += 1;
        Ok(())
    }

    /// As it is: what packing takes off its columns is less than what each question and compaction would pay to unpack it.
    fn put(&mut self, key: ValueKey) -> LedgerResult<()> {
        give_way();
        let value = frame(&key, &self.body, Packing::Raw);
        self.entry.bytes += u64::try_from(value.len() + key.len()).unwrap_or(0);
        Ok(self.store.put(&key, value)?)
    }

    /// Writes what is left, the indexes and the totals; returns the open run.
    pub fn finish(mut self, totals: &PeriodTotals, released: &Sender<u64>) -> LedgerResult<Run> {
        if self.builder.rows() > 0 {
            self.close_block()?;
        }
        sort_by_hash(&mut self.hashes);
        let mut filter = Run::filter_for(self.entry.rows);
        let hashes = std::mem::take(&mut self.hashes);
        let mut chunk: Vec<Entry> = Vec::with_capacity(CHUNK_ENTRIES);
        for packed in hashes.chunks(CHUNK_ENTRIES) {
            chunk.clear();
            chunk.extend(packed.iter().map(PackedEntry::entry));
            self.body.clear();
            encode_chunk(&chunk, &mut self.body);
            self.put(in_run(keys::IDENTITY, self.id, self.entry.chunks))?;
            self.entry.chunks += 1;
            chunk.iter().for_each(|&(hash, _)| filter.insert(hash));
            if let Some(&(first, _)) = chunk.first() {
                self.sparse.push_chunk(first);
            }
        }
        let (filter, filter_bytes) = RunFilter::put(self.store, keys::FILTER, self.id, filter)?;
        let riders = self.riders.finish();
        let (riders, rider_bytes) = RunFilter::put(self.store, keys::RIDERS, self.id, riders)?;
        self.entry.filter_pages = filter.pages();
        self.entry.rider_pages = riders.pages();
        self.entry.bytes += filter_bytes + rider_bytes;
        let (index, index_values, index_bytes) = RunIndex::put(self.store, self.id, self.sparse, &self.used)?;
        self.entry.sparse_parts = index_values;
        let totals = if totals.is_empty() { Vec::new() } else { totals.encode() };
        self.entry.bytes += index_bytes + u64::try_from(totals.len()).unwrap_or(0);
        self.entry.totals_parts = chunked::put(self.store, keys::TOTALS, self.id, &totals)?;
        if self.entry.rows == 0 {
            self.entry.accepted = (UtcMillis::MAX, UtcMillis::MAX);
            self.entry.commits = (0, 0);
        }
        let riders = Riders::new(riders, &self.used);
        let index = (index, self.used);
        let run = Run::new(
            self.id,
            self.entry,
            index,
            (filter, riders),
            self.store.session().clone(),
            released.clone(),
        );
        // The writer of a commit needs them once more; what compaction writes was known before.
        Ok(if self.entry.compaction == 0 { run.with_fresh(hashes) } else { run })
    }
}
