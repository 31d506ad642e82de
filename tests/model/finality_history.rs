//! What decided finality at every commit of a history is rebuilt at its end, after compactions and restarts.

use super::drive::Drive;

impl Drive {
    /// Notes the instant and the manifest's root: hashes over all commit records so far, and over all that is live.
    pub(crate) fn note_state(&mut self) {
        let root = self.ledger().published().current().root().clone();
        self.shown.note(format!("at {}: {root:?}", self.now));
    }

    /// Keeps the facts that the newest commit was published with.
    pub(crate) fn note_facts(&mut self) {
        let state = self.ledger().published().current();
        let facts = state.finality_facts().expect("a configuration is in force");
        self.facts_then.insert(state.root().commit, facts);
    }

    pub(crate) fn facts_are_rebuilt(&mut self) {
        let state = self.ledger().published().current();
        assert!(!self.facts_then.is_empty(), "no commit was noted");
        for (commit, then) in &self.facts_then {
            let rebuilt = state.finality_facts_at(*commit).unwrap();
            assert_eq!(rebuilt.as_ref(), Some(then), "the facts as of commit {commit}");
        }
        self.shown.count("facts of earlier commits", u64::try_from(self.facts_then.len()).unwrap());
    }
}
