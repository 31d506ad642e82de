//! What histories show, for the summary of a run and for replays.

use std::collections::BTreeMap;

/// What a history showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// How often each thing happened, for the summary of a run.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Everything that was done and answered, in order: a seed that is replayed gives the same lines.
    pub(crate) log: Vec<String>,
}

impl Shown {
    pub(crate) fn count(&mut self, what: &str, times: u64) {
        *self.counts.entry(what.to_owned()).or_default() += times;
        self.note(format!("{what}: {times}"));
    }

    /// Adds a line to the log.
    pub(crate) fn note(&mut self, line: String) {
        self.log.push(line);
    }
}
