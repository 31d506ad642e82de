//! No value without an owner: every key belongs to a run, a commit, a configuration or the manifest.

use super::findings::Findings;
use crate::domain::posting::ConfigNo;
use crate::ledger::codec::chunked::key_name;
use crate::ledger::codec::keys;
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::rejections::stored::RejectedEntry;
use crate::ledger::run::RunEntry;
use crate::ledger::writer::Ledger;
use std::collections::BTreeMap;

const MANIFEST_KINDS: [u8; 8] = [
    kind::RUN,
    kind::REJECTED,
    kind::SOURCE,
    kind::TOPIC,
    kind::PLATFORM,
    kind::STATS,
    kind::CONFIG,
    kind::GARBAGE,
];

struct Owners {
    runs: BTreeMap<u64, RunEntry>,
    rejected: BTreeMap<u64, RejectedEntry>,
}

pub(super) fn check(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    let manifest = &ledger.manifest;
    let mut runs: BTreeMap<u64, RunEntry> =
        manifest.numbered(kind::RUN, RunEntry::decode)?.into_iter().collect();
    let live: std::collections::BTreeSet<u64> = ledger.runs.values().flatten().map(|run| run.id).collect();
    findings.expect(live.iter().eq(runs.keys()), || {
        "the runs in memory are not those of the manifest".to_owned()
    });
    runs.extend(manifest.numbered(kind::GARBAGE, RunEntry::decode)?);
    let rejected = manifest.numbered(kind::REJECTED, RejectedEntry::decode)?.into_iter().collect();
    let owners = Owners { runs, rejected };
    ledger.store.check_segments(|error| findings.problem(error.to_string()));
    for key in ledger.store.keys(&[], &[]) {
        let key = key?;
        findings.verification.values += 1;
        findings.expect(owners.owns(ledger, &key), || {
            format!("the value {} belongs to nothing: an interrupted write was not collected", key_name(&key))
        });
    }
    Ok(())
}

impl Owners {
    fn owns(&self, ledger: &Ledger, key: &[u8]) -> bool {
        let Some((&first, rest)) = key.split_first() else { return false };
        if first == keys::MANIFEST {
            return key == keys::ROOT || rest.first().is_some_and(|kind| MANIFEST_KINDS.contains(kind));
        }
        let Some(number) = keys::run_of(key) else { return false };
        if first == keys::COMMIT {
            return key.len() == 9 && (1..=ledger.manifest.root().commit).contains(&number);
        }
        let part = key.get(9..).and_then(|part| <[u8; 4]>::try_from(part).ok()).map(u32::from_be_bytes);
        let Some(part) = part else { return false };
        let run = self.runs.get(&number);
        let rejected = self.rejected.get(&number);
        let parts = match first {
            keys::DATA => run.map(|run| run.blocks),
            keys::IDENTITY => run.map(|run| run.chunks),
            keys::SPARSE => run.map(|run| run.sparse_parts),
            keys::FILTER => run.map(|run| run.filter_pages),
            keys::RIDERS => run.map(|run| run.rider_pages),
            keys::TOTALS => run.map(|run| run.totals_parts),
            keys::REJECTED => rejected.map(|rejected| rejected.parts),
            keys::RAW => rejected.map(|rejected| rejected.records),
            keys::CONFIG_TEXT => u32::try_from(number)
                .ok()
                .and_then(|no| ledger.configurations.get(ConfigNo(no)))
                .map(|entry| entry.text_parts),
            _ => None,
        };
        parts.is_some_and(|parts| part < parts)
    }
}
