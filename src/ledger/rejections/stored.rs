//! Rejected and conflicting records: kept in the same commit as everything else, known again, resolved.

mod record;

use crate::domain::order::Phase;
use crate::domain::pending::PendingKind;
use crate::domain::platform::Platforms;
use crate::domain::reject::Readable;
use crate::domain::rejection::{Rejection, Resolution};
use crate::ledger::codec::chunked;
use crate::ledger::codec::keys::{self, in_run};
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use crate::ledger::error::{self, LedgerError};
use crate::ledger::rejections::pending::PendingRecords;
use crate::ledger::run::identity::IdentityHash;
use crate::storage::Session;
use record::{decode_record, encode_record};
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// A record that is kept, with what only its own page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    /// What lists and answers show.
    pub rejection: Rejection,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Raw bytes kept (fewer than the record's when truncated).
    pub raw_kept: u32,
}

/// One run of rejected records: what a commit kept and what it resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectedRun {
    /// Kept records, by ascending number.
    pub records: Vec<KeptRecord>,
    /// Rejections resolved by this commit.
    pub resolved: Vec<(u64, Resolution)>,
}

/// Manifest entry of a [`RejectedRun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedEntry {
    /// Number of the first record.
    pub first: u64,
    /// Records.
    pub records: u32,
    /// Parts of the run's value.
    pub parts: u32,
}

impl RejectedEntry {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.first);
        out.put_varint(u64::from(self.records));
        out.put_varint(u64::from(self.parts));
        out
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        Ok(Self { first: r.varint("first")?, records: r.number("records")?, parts: r.number("parts")? })
    }
}

impl RejectedRun {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_len(self.records.len());
        self.records.iter().for_each(|record| encode_record(record, &mut out));
        out.put_len(self.resolved.len());
        for (id, resolution) in &self.resolved {
            out.put_varint(*id);
            match resolution {
                Resolution::Event { commit } => {
                    out.push(0);
                    out.put_varint(*commit);
                }
                Resolution::Operator { commit, reason } => {
                    out.push(1);
                    out.put_varint(*commit);
                    out.put_prefixed(reason.as_bytes());
                }
            }
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let mut run = Self::default();
        for _ in 0..r.count(40, "rejected records")? {
            run.records.push(decode_record(&mut r)?);
        }
        for _ in 0..r.count(3, "resolutions")? {
            let id = r.varint("rejection")?;
            let resolution = match r.u8("resolution")? {
                0 => Resolution::Event { commit: r.varint("commit")? },
                1 => {
                    Resolution::Operator { commit: r.varint("commit")?, reason: r.text("reason")?.to_owned() }
                }
                _ => return Err(CodecError::Invalid("resolution")),
            };
            run.resolved.push((id, resolution));
        }
        r.end("rejected records")?;
        Ok(run)
    }

    /// Reads a run of the manifest.
    pub fn load(store: &Session, run: u64, entry: &RejectedEntry) -> error::LedgerResult<Self> {
        let body = chunked::get(store, keys::REJECTED, run, entry.parts)?;
        Self::decode(&body).map_err(LedgerError::damaged(format!("the rejected records of run {run}")))
    }
}

/// The raw bytes of the `nth` record of a run.
pub fn load_raw(store: &Session, run: u64, nth: u32) -> error::LedgerResult<Vec<u8>> {
    chunked::get_one(store, &in_run(keys::RAW, run, nth))
}

/// The identity that a refused record names, if it names all of it.
pub fn identity_of(readable: &Readable) -> Option<(IdentityHash, &str, &str, u8, Phase)> {
    let (platform, order_id) = (readable.platform.as_deref()?, readable.order_id.as_deref()?);
    let (leg, phase) = (readable.leg?, readable.phase?);
    Some((IdentityHash::of(platform, order_id, leg, phase), platform, order_id, leg, phase))
}

/// What must be at hand of the kept records: shared with readers, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RejectedIndex {
    /// Runs by the number of their first record.
    runs: imbl::OrdMap<u64, (u64, RejectedEntry)>,
    /// Numbers of the records that name a rider, by the rider's hash.
    riders: imbl::HashMap<u64, imbl::Vector<u64>>,
    /// How rejections were resolved.
    resolved: imbl::HashMap<u64, Resolution>,
    /// Those that are not resolved.
    pending: PendingRecords,
    /// Records kept.
    count: u64,
    /// In a state as it was known earlier: the commit of that state. Later records and resolutions do not count.
    known_at: Option<u64>,
}

impl RejectedIndex {
    /// Takes in a run that was committed; `is_known` tells the platforms whose names count. [`Self::refresh`] completes it.
    pub fn add(
        &mut self,
        run: u64,
        entry: RejectedEntry,
        content: &RejectedRun,
        is_known: impl Fn(&str) -> bool,
    ) {
        if entry.records > 0 {
            self.runs.insert(entry.first, (run, entry));
        }
        for record in &content.records {
            self.pending.add(&record.rejection, &is_known);
            if let Some(rider) = &record.rejection.readable.rider_id {
                self.riders.entry(rider_hash(rider)).or_default().push_back(record.rejection.id);
            }
        }
        for (id, resolution) in &content.resolved {
            self.resolved.insert(*id, resolution.clone());
        }
        self.count += u64::from(entry.records);
    }

    /// Completes [`Self::add`] of the runs of one commit, or of a start: resolutions may precede their records.
    pub fn refresh<'a>(&mut self, added: impl Iterator<Item = &'a RejectedRun>, platforms: &Platforms) {
        added.flat_map(|content| &content.resolved).for_each(|(id, _)| self.pending.remove(*id));
        self.pending.refresh(platforms);
    }

    /// The unresolved records.
    pub const fn pending(&self) -> &PendingRecords {
        &self.pending
    }

    /// The numbers of records whose resolution was not known in an earlier state.
    pub fn resolved_since(&self, before: &Self) -> BTreeSet<u64> {
        // Resolutions stay: with equal counts they are the same.
        if self.resolved.len() == before.resolved.len() {
            return BTreeSet::new();
        }
        self.resolved.keys().copied().filter(|id| !before.resolved.contains_key(id)).collect()
    }

    /// Records kept.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Rejected records that are not resolved; conflicts are none.
    pub fn unresolved_count(&self) -> u64 {
        self.pending.count(PendingKind::Rejected) + self.pending.count(PendingKind::Unreadable)
    }

    /// How a rejection was resolved.
    pub fn resolution(&self, id: u64) -> Option<&Resolution> {
        self.resolved.get(&id)
    }

    /// The index as of an earlier commit; `is_known` tells the platforms whose names counted then, `platforms` what they
    /// promised. Reads every record that was kept by then.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn known_at(
        &self,
        store: &Session,
        commit: u64,
        platforms: &Platforms,
        is_known: impl Fn(&str) -> bool,
    ) -> error::LedgerResult<Self> {
        let resolved = self.resolved.iter().filter(|(_, resolution)| resolution.commit() <= commit);
        let mut earlier = Self {
            runs: self.runs.clone(),
            riders: self.riders.clone(),
            resolved: resolved.map(|(id, resolution)| (*id, resolution.clone())).collect(),
            pending: PendingRecords::default(),
            count: 0,
            known_at: Some(commit),
        };
        let mut pending = PendingRecords::default();
        let mut count = 0;
        earlier.visit(store, 0, |record| {
            count += 1;
            if record.rejection.resolution.is_none() {
                pending.add(&record.rejection, &is_known);
            }
            Ok(true)
        })?;
        pending.refresh(platforms);
        (earlier.pending, earlier.count) = (pending, count);
        Ok(earlier)
    }

    fn is_kept(&self, record: &KeptRecord) -> bool {
        self.known_at.is_none_or(|commit| record.rejection.commit <= commit)
    }

    /// Unresolved rejected and conflicting records that name the rider.
    pub fn of_rider(&self, store: &Session, rider_id: &str) -> error::LedgerResult<Vec<Rejection>> {
        let ids = self.riders.get(&rider_hash(rider_id)).into_iter().flatten();
        let open: BTreeSet<u64> = ids.copied().filter(|id| !self.resolved.contains_key(id)).collect();
        let mut found = Vec::new();
        self.visit_these(store, &open, |record| {
            if record.rejection.readable.rider_id.as_deref() == Some(rider_id) {
                found.push(record.rejection);
            }
        })?;
        Ok(found)
    }

    /// Calls `visit` with the records of these numbers, ascending. Records of one run lie together: each run is read once.
    pub fn visit_these(
        &self,
        store: &Session,
        ids: &BTreeSet<u64>,
        mut visit: impl FnMut(KeptRecord),
    ) -> error::LedgerResult<()> {
        let mut last_run = None;
        for id in ids {
            let Some((first, (run, entry))) = self.runs.get_prev(id) else { continue };
            if last_run.replace(*first) == Some(*first) {
                continue;
            }
            let records = RejectedRun::load(store, *run, entry)?.records.into_iter();
            let these = records.filter(|record| ids.contains(&record.rejection.id) && self.is_kept(record));
            these.for_each(|record| visit(self.with_resolution(record)));
        }
        Ok(())
    }

    /// A kept record by its number.
    pub fn get(&self, store: &Session, id: u64) -> error::LedgerResult<Option<KeptRecord>> {
        let Some((_, (run, entry))) = self.runs.get_prev(&id) else { return Ok(None) };
        let mut content = RejectedRun::load(store, *run, entry)?;
        let found =
            content.records.iter().position(|record| record.rejection.id == id && self.is_kept(record));
        Ok(found.map(|at| self.with_resolution(content.records.swap_remove(at))))
    }

    /// The raw bytes kept of a record.
    pub fn raw(&self, store: &Session, record: &KeptRecord) -> error::LedgerResult<Vec<u8>> {
        let id = record.rejection.id;
        match self.runs.get_prev(&id) {
            Some((first, (run, _))) if record.raw_kept > 0 => {
                load_raw(store, *run, u32::try_from(id - first).unwrap_or(u32::MAX))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn with_resolution(&self, mut record: KeptRecord) -> KeptRecord {
        record.rejection.resolution = self.resolved.get(&record.rejection.id).cloned();
        record
    }

    /// Calls `visit` with every record from the number `from` on, ascending, until it returns `false`.
    pub fn visit(
        &self,
        store: &Session,
        from: u64,
        mut visit: impl FnMut(KeptRecord) -> error::LedgerResult<bool>,
    ) -> error::LedgerResult<()> {
        let first = self.runs.get_prev(&from).map_or(from, |(&first, _)| first);
        for (_, (run, entry)) in self.runs.range(first..) {
            for record in RejectedRun::load(store, *run, entry)?.records {
                if !self.is_kept(&record) {
                    return Ok(());
                }
                if record.rejection.id >= from && !visit(self.with_resolution(record))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn rider_hash(rider_id: &str) -> u64 {
    xxh3_64(rider_id.as_bytes())
}
