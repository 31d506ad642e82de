//! No value without an owner: every key belongs to a run, a commit, a configuration or the manifest.

use super::findings::Findings;
use crate::domain::posting::ConfigNo;
use crate::ledger::codec::chunked::{self, key_name};
use crate::ledger::codec::keys;
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::manifest::seals::{self, StoredSeal};
use crate::ledger::rejections::stored::RejectedEntry;
use crate::ledger::run::RunEntry;
use crate::ledger::writer::Ledger;
use crate::storage::ValueKey;
use std::collections::BTreeMap;

const MANIFEST_KINDS: [u8; 10] = [
    kind::RUN,
    kind::REJECTED,
    kind::SOURCE,
    kind::TOPIC,
    kind::PLATFORM,
    kind::STATS,
    kind::CONFIG,
    kind::PERIOD,
    kind::SEAL,
    kind::GARBAGE,
];

struct Owners {
    runs: BTreeMap<u64, RunEntry>,
    rejected: BTreeMap<u64, RejectedEntry>,
    seals: Vec<StoredSeal>,
}

pub(super) fn check(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    let manifest = &ledger.manifest;
    let mut runs: BTreeMap<u64, RunEntry> =
        manifest.numbered(kind::RUN, RunEntry::decode)?.into_iter().collect();
    let live: std::collections::BTreeSet<u64> =
        ledger.runs.live.values().flatten().map(|run| run.id).collect();
    findings.expect(live.iter().eq(runs.keys()), || {
        "the runs in memory are not those of the manifest".to_owned()
    });
    runs.extend(manifest.numbered(kind::GARBAGE, RunEntry::decode)?);
    let rejected = manifest.numbered(kind::REJECTED, RejectedEntry::decode)?.into_iter().collect();
    let seals = seals::load(manifest)?;
    let owners = Owners { runs, rejected, seals };
    ledger.store.scrub(&mut |error| findings.failed("", error.into()));
    for key in ledger.store.list_all() {
        let key = key?;
        findings.verification.values += 1;
        findings.expect(owners.owns(ledger, &key), || stray(&key));
    }
    for (index, seal) in (0..).zip(&owners.seals) {
        let leaves = chunked::get(&ledger.store, keys::SEAL_LEAVES, index, seal.parts);
        findings
            .expect(leaves.is_ok(), || format!("the leaves of entry {index} of the seal log cannot be read"));
    }
    for entry in ledger.store.entries(&[]) {
        let (key, _) = entry?;
        findings.verification.values += 1;
        findings.expect(is_known_entry(ledger, &key), || stray(&key));
    }
    Ok(())
}

fn stray(key: &[u8]) -> String {
    format!("the value {} belongs to nothing: an interrupted write was not collected", key_name(key))
}

fn is_known_entry(ledger: &Ledger, key: &[u8]) -> bool {
    match key {
        [keys::MANIFEST, kind, ..] => key == keys::ROOT || MANIFEST_KINDS.contains(kind),
        [keys::COMMIT, ..] => {
            let commits = 1..=ledger.manifest.root().commit;
            key.len() == 9 && keys::run_of(key).is_some_and(|number| commits.contains(&number))
        }
        _ => false,
    }
}

impl Owners {
    fn owns(&self, ledger: &Ledger, key: &ValueKey) -> bool {
        let (number, part) = (key.run(), key.number());
        let run = self.runs.get(&number);
        let rejected = self.rejected.get(&number);
        let parts = match key.kind() {
            keys::DATA => run.map(|run| run.blocks),
            keys::IDENTITY => run.map(|run| run.chunks),
            keys::SPARSE => run.map(|run| run.sparse_parts),
            keys::FILTER => run.map(|run| run.filter_pages),
            keys::RIDERS => run.map(|run| run.rider_pages),
            keys::TOTALS => run.map(|run| run.totals_parts),
            keys::REJECTED => rejected.map(|rejected| rejected.parts),
            keys::RAW => rejected.map(|rejected| rejected.records),
            keys::SEAL_LEAVES => {
                usize::try_from(number).ok().and_then(|index| self.seals.get(index)).map(|seal| seal.parts)
            }
            keys::CONFIG_TEXT => u32::try_from(number)
                .ok()
                .and_then(|no| ledger.configurations.get(ConfigNo(no)))
                .map(|entry| entry.text_parts),
            _ => None,
        };
        parts.is_some_and(|parts| part < parts)
    }
}
