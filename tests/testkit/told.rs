//! What must not depend on how often a process died: the statement, the records of each source and what became of them,
//! every rider's versions, what was kept of refused records.

use coverledger::coverage::statement::statement;
use coverledger::domain::posting::StoredVersion;
use coverledger::domain::time::UtcMillis;
use coverledger::domain::view::LedgerView;
use coverledger::generate::{Generator, GeneratorSettings};
use coverledger::ledger::{Snapshot, Source};
use std::collections::{BTreeMap, BTreeSet};

/// All of it. Instants of recording and numbers of commits are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) statement: Vec<String>,
    pub(crate) sources: BTreeMap<Source, (u64, [u64; 7])>,
    pub(crate) kept: BTreeMap<String, usize>,
    pub(crate) versions: Vec<String>,
}

impl Told {
    /// What a state tells of these riders.
    pub(crate) fn of(view: &Snapshot, riders: &BTreeSet<String>) -> Self {
        let mut versions = Vec::new();
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        for rider in riders {
            let stored = view.rider_versions(rider, UtcMillis::MIN, UtcMillis::MAX).unwrap();
            versions.extend(stored.into_iter().map(|version| written(&version)));
            for rejection in view.rejections_of_rider(rider).unwrap() {
                *kept.entry(format!("{rider} {:?}", rejection.kept)).or_default() += 1;
            }
        }
        // Where places tie the order of commits decided.
        versions.sort();
        let sources =
            view.sources().iter().map(|(source, facts)| (source.clone(), (facts.records, facts.counts)));
        let lines = statement(view, None, None).unwrap();
        Self {
            statement: lines.into_iter().map(|line| format!("{line:?}")).collect(),
            sources: sources.collect(),
            kept,
            versions,
        }
    }

    /// Fails with the first difference.
    pub(crate) fn assert_is(&self, expected: &Self, when: &str) {
        assert_eq!(self.statement, expected.statement, "{when}");
        assert_eq!(self.sources, expected.sources, "{when}");
        assert_eq!(self.kept, expected.kept, "{when}");
        assert_eq!(self.versions.len(), expected.versions.len(), "{when}");
        for (found, expected) in self.versions.iter().zip(&expected.versions) {
            assert_eq!(found, expected, "{when}");
        }
    }
}

/// The rider that an event names, if it names one.
pub(crate) fn rider(payload: &[u8]) -> Option<String> {
    let event: serde_json::Value = serde_json::from_slice(payload).ok()?;
    event["rider_id"].as_str().map(str::to_owned)
}

/// As many events as the settings have orders, corrections and bad records included, and the riders that they name.
pub(crate) fn generated(settings: &GeneratorSettings) -> (Vec<Vec<u8>>, BTreeSet<String>) {
    let mut generator = Generator::new(settings).unwrap();
    let mut events = Vec::new();
    while events.len() < usize::try_from(settings.orders).unwrap() {
        let mut payload = Vec::new();
        generator.next_event(&mut payload).unwrap();
        events.push(payload);
    }
    let riders = events.iter().filter_map(|event| rider(event)).collect();
    (events, riders)
}

/// A version without the numbers of commits, which differ.
fn written(version: &StoredVersion) -> String {
    let mut posting = version.posting.clone();
    posting.commit = 0;
    format!("{posting:?} {:?}", version.superseded_by.map(|by| by.revision))
}
