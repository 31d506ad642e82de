//! Seals days: a commit of its own, which books nothing.

use crate::domain::time::UtcMillis;
use crate::ledger::codec::{chunked, keys};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::kind;
use crate::ledger::manifest::seals::{self, StoredSeal};
use crate::ledger::writer::Ledger;

/// A day that was sealed from a published state, on its way into the ledger.
#[derive(Clone, Debug)]
pub struct NewSeal {
    /// Its index in the log.
    pub index: u64,
    /// The entry of the log.
    pub text: String,
    /// The leaves of the day's tree.
    pub leaves: Vec<u8>,
    /// The commit of the state.
    pub commit: u64,
    /// The next run number of the state.
    pub next_run: u64,
}

impl Ledger {
    /// Appends an entry to the seal log, with the leaves of its day, in one commit.
    ///
    /// # Errors
    /// Another entry has the index; a failure to write poisons the ledger.
    pub fn add_seal(&mut self, seal: &NewSeal, now: UtcMillis) -> LedgerResult<()> {
        let next = u64::try_from(seals::load(&self.manifest)?.len()).unwrap_or(u64::MAX);
        if seal.index != next {
            return Err(LedgerError::Inconsistent(format!(
                "the seal log continues with entry {next}, not {}: seal the day again",
                seal.index
            )));
        }
        self.guarded(|ledger| {
            let parts = chunked::put(&ledger.builder.upload, keys::SEAL_LEAVES, seal.index, &seal.leaves)?;
            ledger.builder.upload.seal()?;
            let NewSeal { text, commit, next_run, .. } = seal.clone();
            let stored = StoredSeal { text, parts, agrees_until: commit, next_run };
            ledger.manifest.put(kind::SEAL, &seal.index.to_be_bytes(), stored.encode());
            ledger.advance(&[], &[], now)?;
            ledger.publish();
            Ok(())
        })
    }

    /// Notes that these seals, by index, agree with a state that is newer than theirs, in one commit.
    ///
    /// # Errors
    /// A failure to write poisons the ledger.
    pub fn confirm_seals(
        &mut self,
        indexes: &[u64],
        (commit, next_run): (u64, u64),
        now: UtcMillis,
    ) -> LedgerResult<()> {
        let stored = seals::load(&self.manifest)?;
        self.guarded(|ledger| {
            for index in indexes {
                let seal = usize::try_from(*index).ok().and_then(|index| stored.get(index));
                let Some(seal) = seal.filter(|seal| seal.agrees_until < commit) else { continue };
                let confirmed = StoredSeal { agrees_until: commit, next_run, ..seal.clone() };
                ledger.manifest.put(kind::SEAL, &index.to_be_bytes(), confirmed.encode());
            }
            if ledger.manifest.has_staged() {
                ledger.advance(&[], &[], now)?;
                ledger.publish();
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{commit, event, open};
    use crate::ledger::verify::verify;

    fn at(ms: i64) -> UtcMillis {
        UtcMillis::new(1_795_000_000_000 + ms)
    }

    fn seal(index: u64, leaves: usize) -> NewSeal {
        // More than a part of a value, and nothing that packing makes small.
        let leaves =
            (0..leaves).flat_map(|number| crate::storage::bytes::hex(&number.to_be_bytes()).into_bytes());
        NewSeal { index, text: format!("entry {index}\n"), leaves: leaves.collect(), commit: 1, next_run: 1 }
    }

    fn problems(ledger: &Ledger) -> Vec<String> {
        verify(ledger, &mut |_, _| {}).problems
    }

    #[test]
    fn seals_are_read_back_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        commit(&mut ledger, 0, &[event(1, 0)]);
        for (index, leaves) in [(0, 0), (1, 100_000), (2, 3)] {
            ledger.add_seal(&seal(index, leaves), at(100)).unwrap();
        }
        assert!(ledger.add_seal(&seal(2, 3), at(100)).is_err());
        assert!(ledger.poisoned().is_none());
        let check = |ledger: &Ledger| {
            let state = ledger.published().current();
            let seals = state.seals().unwrap();
            assert_eq!(seals.len(), 3);
            for (index, leaves) in [(0, 0), (1, 100_000), (2, 3)] {
                let stored = &seals[usize::try_from(index).unwrap()];
                assert_eq!(stored.text, format!("entry {index}\n"));
                assert_eq!(state.sealed_leaves(index, stored).unwrap(), seal(index, leaves).leaves);
            }
            assert_eq!(problems(ledger), Vec::<String>::new());
        };
        check(&ledger);
        let commits = ledger.published().current().root().commit;
        ledger.confirm_seals(&[0, 2], (commits, 7), at(200)).unwrap();
        let confirmed: Vec<u64> =
            ledger.published().current().seals().unwrap().iter().map(|seal| seal.agrees_until).collect();
        assert_eq!(confirmed, [commits, 1, commits]);
        // Nothing new is no commit.
        let before = ledger.published().current().root().commit;
        ledger.confirm_seals(&[0, 2], (commits, 7), at(300)).unwrap();
        assert_eq!(ledger.published().current().root().commit, before);
        check(&ledger);
        drop(ledger);
        check(&open(dir.path()));
    }

    #[test]
    fn leaves_without_an_entry_are_collected_and_a_missing_value_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        ledger.add_seal(&seal(0, 10), at(100)).unwrap();
        chunked::put(&ledger.builder.upload, keys::SEAL_LEAVES, 1, b"of a commit that never was").unwrap();
        ledger.builder.upload.seal().unwrap();
        let found = problems(&ledger).join("\n");
        assert!(found.contains("belongs to nothing"), "{found}");
        commit(&mut ledger, 0, &[event(1, 0)]);
        drop(ledger);
        let mut ledger = open(dir.path());
        assert_eq!(problems(&ledger), Vec::<String>::new());
        // The number is given again.
        ledger.add_seal(&seal(1, 20), at(200)).unwrap();
        let state = ledger.published().current();
        let stored = state.seals().unwrap();
        assert_eq!(state.sealed_leaves(1, &stored[1]).unwrap(), seal(1, 20).leaves);
        ledger.store.delete_runs(keys::SEAL_LEAVES, 0..1).unwrap();
        let found = problems(&ledger).join("\n");
        assert!(found.contains("the leaves of entry 0 of the seal log"), "{found}");
    }
}
