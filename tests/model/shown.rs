//! What histories show, for the summary of a run and for replays.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a history showed, for the summary of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) counts: BTreeMap<String, u64>,
    /// Everything that was told, in order: equal when a seed is replayed.
    pub(crate) trace: u64,
}

impl Shown {
    pub(crate) fn count(&mut self, what: &str, times: u64) {
        *self.counts.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn told(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        (self.trace, text).hash(&mut hasher);
        self.trace = hasher.finish();
    }
}
