//! A whole ledger to another place: copied, read again, and only then given its place.
//!
//! ```text
//! acquire the source -> copy (or continue a copy that was interrupted) -> verify what was copied -> mark the source -> publish
//!                    -> open the target as a reader does -> compare its version with the source's
//! ```
//!
//! The mark comes before the target shows: at no time do two ledgers admit a writer. What is copied is named by the source, so that
//! a copy that was interrupted continues, whatever the source committed since: values never change.

use crate::ledger::codec::keys;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::maintenance::backup::{BackupReport, stage};
use crate::ledger::manifest::Manifest;
use crate::ledger::options::LedgerOptions;
use crate::ledger::snapshot::Snapshot;
use crate::ledger::verify::{Verification, verify};
use crate::ledger::writer::Ledger;
use crate::storage::bytes::hex;
use crate::storage::crash_points::{self, Point};
use crate::storage::{
    Acquire, Beside, CopiedValues, Mode, Resume, Session, StagedCheckpoint, Storage, Version,
};
use sha2::{Digest, Sha256};
use std::sync::atomic::AtomicBool;

/// Hexadecimal digits of the name of a source.
const SOURCE_DIGITS: usize = 32;

/// Progress of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes that were copied, and all.
    Copied(u64, u64),
    /// Rows that were read again, and all.
    Verified(u64, u64),
}

/// A ledger that is to be copied.
pub struct Migration<'a> {
    /// The ledger's options; their storage is the source.
    pub options: LedgerOptions,
    /// The place that gets it; it must be empty.
    pub target: Storage,
    /// What messages and the mark call that place.
    pub target_name: &'a str,
    /// Whether the ledger moves: its source is marked then, and no writer begins there any more. Else the source is only read.
    pub is_move: bool,
    /// Bytes of values of a piece of the copy.
    pub piece_bytes: usize,
    /// Writes files of others beside the copy, before it gets its place.
    pub beside: Beside<'a>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// What the target holds; none where an earlier run had finished.
    pub report: Option<BackupReport>,
    /// The version of both.
    pub version: Version,
    /// What was copied, and what an earlier run had left.
    pub values: CopiedValues,
    /// What was found when all of it was read again; none where an earlier run had finished.
    pub verification: Option<Verification>,
}

impl Migration<'_> {
    /// Copies the ledger, verifies the copy, and gives it its place.
    ///
    /// # Errors
    /// The source has another process, cannot be read, or lies elsewhere already; the target is not empty or cannot be written; what was
    /// copied does not hold. The source is as it was then, and another run continues with what is whole.
    pub fn run(self, stop: &AtomicBool, progress: &mut dyn FnMut(Step)) -> LedgerResult<Migrated> {
        let mode = if self.is_move { Mode::WriteExisting } else { Mode::Read };
        let source = acquire(&self.options.storage, mode, &self.options)?;
        let manifest = Manifest::load(&source)?;
        let version = manifest.version();
        if let Some(done) = self.was_done(&source, &manifest)? {
            return Ok(done);
        }
        let resume = Resume { source: name_of(&source, &manifest)?, piece_bytes: self.piece_bytes };
        let (staged, report) =
            stage(&source, &manifest, (&self.target, Some(resume)), stop, &mut |done, all| {
                progress(Step::Copied(done, all));
            })?;
        let verification = self.verify(&staged, &report, progress)?;
        crash_points::after(Point::StagedVerified);
        staged.put_beside(self.beside)?;
        if self.is_move {
            source.mark_moved(self.target_name)?;
            crash_points::after(Point::SourceMarked);
        }
        let values = staged.values;
        staged.publish()?;
        drop(source);
        self.compare(version)?;
        Ok(Migrated { report: Some(report), version, values, verification: Some(verification) })
    }

    /// An earlier run gave the copy its place, and ended before it could say so.
    fn was_done(&self, source: &Session, manifest: &Manifest) -> LedgerResult<Option<Migrated>> {
        let version = manifest.version();
        let Some(to) = source.moved_to()?.filter(|_| self.is_move) else { return Ok(None) };
        if to != self.target_name {
            let text = format!(
                "Failed to migrate to {}: the ledger was migrated to {to} before, or nearly; finish that, or undo it as \
                 docs/operations.md says",
                self.target_name
            );
            return Err(LedgerError::Inconsistent(text));
        }
        let there = match acquire(&self.target, Mode::Read, &self.options) {
            Err(_) => None,
            Ok(there) => Some(there.version()?),
        };
        let done = Migrated { report: None, version, values: CopiedValues::default(), verification: None };
        if there != Some(version) {
            return Ok(None);
        }
        self.target.forget_copy(&name_of(source, manifest)?)?;
        Ok(Some(done))
    }

    /// Reads everything that was copied again, as the ledger's own verification does.
    fn verify(
        &self,
        staged: &StagedCheckpoint,
        report: &BackupReport,
        progress: &mut dyn FnMut(Step),
    ) -> LedgerResult<Verification> {
        let ledger = Ledger::over(self.options.clone(), staged.open()?)?;
        let found = verify(&ledger, &mut |rows, all| progress(Step::Verified(rows, all)));
        drop(ledger);
        let is_whole = (found.newest_commit, found.rows) == (report.commit, report.rows);
        if found.holds() && is_whole {
            return Ok(found);
        }
        let first = found.problems.first().cloned().unwrap_or_else(|| {
            let (commit, rows) = (found.newest_commit, found.rows);
            format!(
                "it has {rows} rows up to commit {commit}, the source {} up to commit {}",
                report.rows, report.commit
            )
        });
        Err(LedgerError::Inconsistent(format!(
            "Failed to verify the copy in {}: {} problems, the first: {first}; the source is as it was. Run `coverledger verify` on \
             the source; if it holds, run this again: it copies again what is damaged in a bucket (of a folder remove the part \
             `.NAME.partial` first)",
            self.target_name,
            found.problems_found.max(1)
        )))
    }

    /// Opens the target as a reader does.
    fn compare(&self, version: Version) -> LedgerResult<()> {
        let there = acquire(&self.target, Mode::Read, &self.options)?.version()?;
        if there == version {
            return Ok(());
        }
        Err(LedgerError::Inconsistent(format!(
            "Failed to read the copy in {} as it was written: it is at commit {}, not at {}; let no writer begin there",
            self.target_name, there.number, version.number
        )))
    }
}

/// Copies a committed state that is held into a place from where a migration continues, beside the writer. Nothing shows it.
///
/// # Errors
/// The target is not empty, or cannot be written; `stop` was set. What is whole by then stays.
pub fn copy_ahead(
    state: &Snapshot,
    (target, piece_bytes): (&Storage, usize),
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> LedgerResult<CopiedValues> {
    let manifest = state.manifest();
    let resume = Resume { source: name_of(state.store(), &manifest)?, piece_bytes };
    let (staged, _) = stage(state.store(), &manifest, (target, Some(resume)), stop, progress)?;
    Ok(staged.values)
}

fn acquire(storage: &Storage, mode: Mode, options: &LedgerOptions) -> LedgerResult<Session> {
    let LedgerOptions { cache_bytes, index_bytes, .. } = *options;
    Ok(storage.acquire(&Acquire { mode, cache_bytes, index_bytes })?)
}

/// What copies of one ledger have in common and those of others have not: its first commit.
fn name_of(source: &Session, manifest: &Manifest) -> LedgerResult<String> {
    let first = source.entry(&keys::numbered(keys::COMMIT, 1))?;
    let bytes = first.as_deref().unwrap_or(manifest.root().commit_hash.as_slice());
    let mut name = hex(&Sha256::digest(bytes));
    name.truncate(SOURCE_DIGITS);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{commit, event, open};
    use crate::storage::{Hint, StorageError};
    use tempfile::TempDir;

    fn migrate(options: &LedgerOptions, target: &Storage) -> LedgerResult<Migrated> {
        let migration = Migration {
            options: options.clone(),
            target: target.clone(),
            target_name: "memory",
            is_move: true,
            piece_bytes: 1 << 20,
            beside: &|_| Ok(()),
        };
        migration.run(&AtomicBool::new(false), &mut |_| ())
    }

    #[test]
    fn what_does_not_hold_when_it_is_read_again_gets_no_place_and_the_source_stays_the_ledger() {
        let folder = TempDir::new().unwrap();
        let mut ledger = open(folder.path());
        let records: Vec<String> = (0..300).map(|order| event(order, 0)).collect();
        commit(&mut ledger, 0, &records);
        let options = ledger.options.clone();
        drop(ledger);
        let change = |bit: u8| {
            let session = acquire(&options.storage, Mode::WRITE, &options).unwrap();
            let key = session.list(keys::DATA, 0).next().unwrap().unwrap();
            let mut value = session.get(&key).unwrap().unwrap().to_vec();
            let at = value.len() / 2;
            value[at] ^= bit;
            let upload = session.begin(Hint::ShortLived);
            upload.put(&key, value).unwrap();
            upload.seal().unwrap();
        };
        change(1);
        let target = Storage::memory();
        let failed = migrate(&options, &target).unwrap_err().to_string();
        assert!(failed.starts_with("Failed to verify the copy in memory: "), "{failed}");
        let shown = acquire(&target, Mode::Read, &options).map(drop);
        assert!(matches!(shown, Err(LedgerError::Store(StorageError::NoLedger { .. }))), "{shown:?}");
        // Mended, it moves; then the place before admits no writer.
        change(1);
        let moved = migrate(&options, &target).unwrap();
        assert_eq!(moved.verification.unwrap().rows, 300);
        let refused = acquire(&options.storage, Mode::WRITE, &options).map(drop);
        assert!(matches!(refused, Err(LedgerError::Store(StorageError::Moved { .. }))), "{refused:?}");
        let there = Ledger::open(LedgerOptions { storage: target.clone(), ..options.clone() }).unwrap();
        assert_eq!(there.manifest.version(), moved.version);
        drop(there);
        assert_eq!(migrate(&options, &target).unwrap().report, None, "it was done before");
    }
}
