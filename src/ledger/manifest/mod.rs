//! The manifest: what is live. It advances atomically, one commit at a time.
//!
//! Its entries are small values under one prefix; the root holds the number of the newest commit, the hash of that
//! commit's record and a digest over all other entries, so that no entry can be changed, lost or brought back unnoticed.

pub mod booking_periods;
pub mod commit_record;
pub mod configuration_history;
pub mod finality_history;
mod platform_codec;
pub mod seals;
pub mod source;
pub mod state_codec;
pub mod statistics;

use crate::domain::period::PeriodNo;
use crate::domain::posting::ConfigNo;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::codec::chunked::key_name;
use crate::ledger::codec::keys;
use crate::ledger::codec::{CodecError, Decoded, Packing, Reader, Writer, frame, unframe};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::storage::{Change, Session, Version};
use imbl::OrdMap;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Kinds of manifest entries (the byte after the prefix).
pub mod kind {
    /// A run of orders.
    pub const RUN: u8 = b'r';
    /// A run of rejected records.
    pub const REJECTED: u8 = b'x';
    /// Counts and position of a source.
    pub const SOURCE: u8 = b's';
    /// Completeness facts of a topic.
    pub const TOPIC: u8 = b't';
    /// Completeness facts of a platform.
    pub const PLATFORM: u8 = b'q';
    /// Statistics of a platform.
    pub const STATS: u8 = b'p';
    /// A configuration that was in force.
    pub const CONFIG: u8 = b'c';
    /// A booking period.
    pub const PERIOD: u8 = b'b';
    /// A sealed day.
    pub const SEAL: u8 = b'l';
    /// A run whose blocks are to be deleted.
    pub const GARBAGE: u8 = b'g';
}

/// The manifest's root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Root {
    /// Newest commit; 0 = none yet.
    pub commit: u64,
    /// Hash of its record.
    pub commit_hash: [u8; 32],
    /// Hash of the record before it.
    pub previous_hash: [u8; 32],
    /// Its instant.
    pub recorded_at: UtcMillis,
    /// Run numbers below it are taken.
    pub next_run: u64,
    /// Numbers from here on that no entry names are orphans (compactions may be under way).
    pub oldest_pending_run: u64,
    /// Rejection numbers below it are taken.
    pub next_rejection: u64,
    /// Configuration in force.
    pub config: ConfigNo,
    /// The open booking period.
    pub period: PeriodNo,
    /// Days before it were dropped by retention.
    pub retention_line: Option<LocalDay>,
    /// End of the last day dropped.
    pub dropped_until: Option<UtcMillis>,
    /// Digest over all other entries.
    pub digest: EntriesDigest,
}

/// Sum of the SHA-256 hashes of a set of entries, as four 64-bit lanes: it can be kept up to date entry by entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EntriesDigest([u64; 4]);

impl EntriesDigest {
    fn lanes(key: &[u8], body: &[u8]) -> [u64; 4] {
        let mut hasher = Sha256::new();
        hasher.update(u64::try_from(key.len()).unwrap_or(0).to_be_bytes());
        hasher.update(key);
        hasher.update(body);
        let hash: [u8; 32] = hasher.finalize().into();
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(hash.as_chunks::<8>().0) {
            *lane = u64::from_be_bytes(*bytes);
        }
        lanes
    }

    fn add(&mut self, key: &[u8], body: &[u8]) {
        self.0.iter_mut().zip(Self::lanes(key, body)).for_each(|(sum, lane)| *sum = sum.wrapping_add(lane));
    }

    fn remove(&mut self, key: &[u8], body: &[u8]) {
        self.0.iter_mut().zip(Self::lanes(key, body)).for_each(|(sum, lane)| *sum = sum.wrapping_sub(lane));
    }
}

impl Root {
    /// The instant of the commit under way: later than the one before, whatever the clock says.
    pub fn next_instant(&self, now: UtcMillis) -> UtcMillis {
        now.max(self.recorded_at.plus(1))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.commit);
        out.extend_from_slice(&self.commit_hash);
        out.extend_from_slice(&self.previous_hash);
        out.put_signed(self.recorded_at.millis());
        out.put_varint(self.next_run);
        out.put_varint(self.oldest_pending_run);
        out.put_varint(self.next_rejection);
        out.put_varint(u64::from(self.config.0));
        out.put_varint(u64::from(self.period.get()));
        out.put_option(self.retention_line, |out, day| out.put_signed(i64::from(day.0)));
        out.put_option(self.dropped_until, |out, at| out.put_signed(at.millis()));
        self.digest.0.iter().for_each(|lane| out.extend_from_slice(&lane.to_be_bytes()));
        out
    }

    fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = Reader::new(bytes);
        let day = |r: &mut Reader<'_>| {
            i32::try_from(r.signed("day")?).map(LocalDay).map_err(|_| CodecError::Invalid("day"))
        };
        let root = Self {
            commit: r.varint("commit")?,
            commit_hash: r.array("commit hash")?,
            previous_hash: r.array("previous hash")?,
            recorded_at: UtcMillis::new(r.signed("instant")?),
            next_run: r.varint("next run")?,
            oldest_pending_run: r.varint("oldest pending run")?,
            next_rejection: r.varint("next rejection")?,
            config: ConfigNo(r.number("configuration")?),
            period: period_no(&mut r)?,
            retention_line: r.option("retention line", day)?,
            dropped_until: r.option("dropped until", |r| r.signed("dropped until").map(UtcMillis::new))?,
            digest: EntriesDigest([r.u64("digest")?, r.u64("digest")?, r.u64("digest")?, r.u64("digest")?]),
        };
        r.end("manifest root")?;
        Ok(root)
    }
}

/// Reads the number of a booking period.
pub fn period_no(r: &mut Reader<'_>) -> Decoded<PeriodNo> {
    PeriodNo::new(r.number("booking period")?).ok_or(CodecError::Invalid("booking period"))
}

/// Every entry but the root: key and body. Clones share what is the same.
pub type Entries = OrdMap<Arc<[u8]>, Arc<[u8]>>;

/// The manifest in memory: the root and every entry's body.
#[derive(Debug, Default)]
pub struct Manifest {
    root: Root,
    entries: Entries,
    staged: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// The key of an entry.
pub fn entry_key(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = vec![keys::MANIFEST, kind];
    key.extend_from_slice(rest);
    key
}

impl Manifest {
    /// Reads the manifest and checks it against its own digest.
    pub fn load(store: &Session) -> LedgerResult<Self> {
        let mut manifest = Self::default();
        let mut digest = EntriesDigest::default();
        let prefix = [keys::MANIFEST];
        for item in store.entries(&prefix) {
            let (key, value) = item?;
            let body = unframe(&key, &value).map_err(|error| {
                LedgerError::damaged(format!("the manifest entry {}", key_name(&key)))(error)
            })?;
            if key == keys::ROOT {
                manifest.root = Root::decode(&body).map_err(LedgerError::damaged("the manifest root"))?;
            } else {
                digest.add(&key, &body);
                manifest.entries.insert(key.into(), Arc::from(&*body));
            }
        }
        if store.version()? != manifest.version() {
            return Err(LedgerError::Inconsistent(format!(
                "Failed to open the manifest: the storage is at commit {}, the manifest at {}; an entry was changed or \
                 lost: restore a backup or rebuild from Kafka or files",
                store.version()?.number,
                manifest.root.commit
            )));
        }
        if digest != manifest.root.digest {
            return Err(LedgerError::Inconsistent(
                "Failed to open the manifest: its entries do not add up to its digest; an entry was changed or lost: \
                 restore a backup or rebuild from Kafka or files"
                    .to_owned(),
            ));
        }
        Ok(manifest)
    }

    /// The manifest of a committed state.
    pub fn of(root: Root, entries: Entries) -> Self {
        Self { root, entries, staged: BTreeMap::new() }
    }

    /// Every entry, as of the newest commit.
    pub fn shared_entries(&self) -> Entries {
        self.entries.clone()
    }

    /// All of it, as changes of a root that has no entries yet.
    pub fn whole(&self) -> Vec<Change> {
        let put = |key: &[u8], body: &[u8]| Change::Put(key.to_vec(), frame(key, body, Packing::Raw));
        let mut changes: Vec<Change> = self.entries.iter().map(|(key, body)| put(key, body)).collect();
        changes.push(put(keys::ROOT, &self.root.encode()));
        changes
    }

    /// The root.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// The root, to be changed by the commit under way.
    pub const fn root_mut(&mut self) -> &mut Root {
        &mut self.root
    }

    /// Every entry of a kind: the rest of its key, and its body.
    pub fn entries(&self, kind: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
        let prefix = entry_key(kind, &[]);
        self.entries
            .range::<_, [u8]>((Bound::Included(prefix.as_slice()), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(&[keys::MANIFEST, kind]))
            .map(|(key, body)| (key.get(2..).unwrap_or_default(), &**body))
    }

    /// The body of an entry, as of the newest commit.
    pub fn get(&self, kind: u8, rest: &[u8]) -> Option<&[u8]> {
        self.entries.get(entry_key(kind, rest).as_slice()).map(|body| &**body)
    }

    /// Every entry of a kind whose key is a number, decoded.
    pub fn numbered<T>(
        &self,
        kind: u8,
        decode: impl Fn(&mut Reader<'_>) -> Decoded<T>,
    ) -> LedgerResult<Vec<(u64, T)>> {
        self.entries(kind)
            .map(|(rest, body)| {
                let number = rest.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
                let decoded = decode(&mut Reader::new(body));
                number
                    .ok_or(CodecError::Invalid("key"))
                    .and_then(|number| Ok((number, decoded?)))
                    .map_err(LedgerError::damaged(format!("a manifest entry of kind {}", char::from(kind))))
            })
            .collect()
    }

    /// Sets an entry in the commit under way.
    pub fn put(&mut self, kind: u8, rest: &[u8], body: Vec<u8>) {
        let key = entry_key(kind, rest);
        if self.entries.get(key.as_slice()).is_some_and(|now| **now == *body) {
            self.staged.remove(&key);
        } else {
            self.staged.insert(key, Some(body));
        }
    }

    /// Removes an entry in the commit under way.
    pub fn delete(&mut self, kind: u8, rest: &[u8]) {
        self.staged.insert(entry_key(kind, rest), None);
    }

    /// Whether the commit under way changes any entry.
    pub fn has_staged(&self) -> bool {
        self.staged
            .iter()
            .any(|(key, body)| self.entries.get(key.as_slice()).map(|now| &**now) != body.as_deref())
    }

    /// Makes the commit under way durable: its record, its entries and the root in one atomic step.
    ///
    /// `record` is the commit's own record without the chain; the hash of the record before it goes in front.
    pub fn advance(&mut self, store: &Session, record: &[u8]) -> LedgerResult<()> {
        let before = self.version();
        let mut changes = Vec::with_capacity(self.staged.len() + 2);
        for (key, body) in std::mem::take(&mut self.staged) {
            if let Some(old) = self.entries.get(key.as_slice()) {
                self.root.digest.remove(&key, old);
            }
            match body {
                Some(body) => {
                    self.root.digest.add(&key, &body);
                    changes.push(Change::Put(key.clone(), frame(&key, &body, Packing::Raw)));
                    self.entries.insert(key.into(), body.into());
                }
                None => {
                    changes.push(Change::Delete(key.clone()));
                    self.entries.remove(key.as_slice());
                }
            }
        }
        self.root.commit += 1;
        self.root.previous_hash = self.root.commit_hash;
        let chained = chain(&self.root.previous_hash, record);
        self.root.commit_hash = Sha256::digest(&chained).into();
        let key = keys::numbered(keys::COMMIT, self.root.commit);
        changes.push(Change::Append(key.clone(), frame(&key, &chained, Packing::Raw)));
        changes.push(Change::Put(keys::ROOT.to_vec(), frame(keys::ROOT, &self.root.encode(), Packing::Raw)));
        Ok(store.swap_root(&before, &self.version(), &changes)?)
    }

    /// The version of the storage's root that this state is.
    pub const fn version(&self) -> Version {
        Version { number: self.root.commit, hash: self.root.commit_hash }
    }
}

/// A commit's record as it is stored and hashed: the hash of the record before it, then its own content.
pub fn chain(previous_hash: &[u8; 32], record: &[u8]) -> Vec<u8> {
    let mut chained = previous_hash.to_vec();
    chained.extend_from_slice(record);
    chained
}
