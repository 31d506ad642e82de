//! Values that nothing refers to: left by an interrupted process, or by runs that compaction replaced.

use crate::ledger::codec::keys;
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::{Manifest, kind};
use crate::ledger::rejections::stored::RejectedEntry;
use crate::ledger::run::{RunEntry, run_values};
use crate::storage::Session;
use crate::storage::crash_points::{self, Point};
use std::collections::{BTreeSet, HashSet};

/// Kinds of values that belong to a run.
pub const RUN_KINDS: [u8; 8] = [
    keys::DATA,
    keys::IDENTITY,
    keys::SPARSE,
    keys::FILTER,
    keys::RIDERS,
    keys::TOTALS,
    keys::REJECTED,
    keys::RAW,
];

/// Numbers that a manifest names.
#[derive(Debug)]
pub struct Named {
    /// Runs of orders and of rejected records.
    pub runs: HashSet<u64>,
    /// Configurations.
    pub configs: HashSet<u64>,
    /// Sealed days.
    pub seals: HashSet<u64>,
}

impl Named {
    /// What `manifest` names.
    pub fn by(manifest: &Manifest) -> LedgerResult<Self> {
        let orders = manifest.numbered(kind::RUN, RunEntry::decode)?.into_iter().map(|(id, _)| id);
        let rejected = manifest.numbered(kind::REJECTED, RejectedEntry::decode)?;
        let configs = manifest.numbered(kind::CONFIG, |_| Ok(()))?;
        let seals = manifest.numbered(kind::SEAL, |_| Ok(()))?;
        Ok(Self {
            runs: orders.chain(rejected.into_iter().map(|(id, _)| id)).collect(),
            configs: configs.into_iter().map(|(no, ())| no).collect(),
            seals: seals.into_iter().map(|(index, ())| index).collect(),
        })
    }
}

/// Deletes what an interrupted process left: values of runs that the manifest does not name, from the oldest number that
/// may have been under way, and texts of configurations that were never put in force.
///
/// Garbage that the process before did not get to is deleted too, and its manifest entries go with the next commit.
pub fn collect_orphans(store: &Session, manifest: &mut Manifest) -> LedgerResult<u64> {
    let Named { runs, configs, seals } = Named::by(manifest)?;
    // What was deleted before may be back. First, and durably: the numbers of a run that was never named are given again.
    let mut collected = store.retain(|kind, number| match kind {
        keys::CONFIG_TEXT => configs.contains(&number),
        keys::SEAL_LEAVES => seals.contains(&number),
        kind => !RUN_KINDS.contains(&kind) || runs.contains(&number),
    })?;
    for kind in RUN_KINDS {
        collected += delete_unnamed(store, kind, manifest.root().oldest_pending_run, &runs)?;
    }
    collected += delete_unnamed(store, keys::CONFIG_TEXT, 0, &configs)?;
    collected += delete_unnamed(store, keys::SEAL_LEAVES, 0, &seals)?;
    crash_points::after(Point::OrphansCollected);
    for (id, entry) in manifest.numbered(kind::GARBAGE, RunEntry::decode)? {
        delete_run(store, id, &entry)?;
        manifest.delete(kind::GARBAGE, &id.to_be_bytes());
    }
    Ok(collected)
}

/// Deletes the values of a kind whose number, from `first` on, is not among `named`.
fn delete_unnamed(store: &Session, kind: u8, first: u64, named: &HashSet<u64>) -> LedgerResult<u64> {
    let mut orphans = BTreeSet::new();
    for key in store.list(kind, first) {
        let number = key?.run();
        if !named.contains(&number) {
            orphans.insert(number);
        }
    }
    let mut deleted = 0;
    for number in orphans {
        deleted += store.delete_runs(kind, number..number.saturating_add(1))?;
        crash_points::after(Point::OrphansDeleted);
    }
    Ok(deleted)
}

/// Deletes every value of the run numbers from `first` up to `end`.
pub fn delete_numbers(store: &Session, first: u64, end: u64) -> LedgerResult<()> {
    for kind in RUN_KINDS {
        if store.delete_runs(kind, first..end)? > 0 {
            crash_points::after(Point::DiscardDeleted);
        }
    }
    Ok(())
}

/// Deletes every value of a run.
pub fn delete_run(store: &Session, id: u64, entry: &RunEntry) -> LedgerResult<()> {
    for (kind, count) in run_values(entry) {
        if count > 0 {
            store.delete_runs(kind, id..id.saturating_add(1))?;
            crash_points::after(Point::GarbageValueDeleted);
        }
    }
    crash_points::after(Point::GarbageRunDeleted);
    Ok(())
}
