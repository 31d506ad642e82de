//! Kept records with their raw bytes, and the texts of configurations.

use super::findings::Findings;
use crate::domain::rejection::{Origin, Resolution};
use crate::ledger::error::LedgerResult;
use crate::ledger::manifest::kind;
use crate::ledger::manifest::source::Source;
use crate::ledger::rejections::stored::{KeptRecord, RejectedEntry, RejectedRun, load_raw};
use crate::ledger::writer::Ledger;
use crate::storage::bytes::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the kept records add up to.
#[derive(Default)]
struct Kept {
    next: u64,
    by_source: BTreeMap<Source, u64>,
    raw_bytes: u64,
}

pub(super) fn check_records(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    let root = ledger.manifest.root();
    let mut entries = ledger.manifest.numbered(kind::REJECTED, RejectedEntry::decode)?;
    entries.sort_by_key(|(run, entry)| (entry.first, *run));
    let mut kept = Kept::default();
    for (run, entry) in entries {
        let Some(content) = findings.read(RejectedRun::load(&ledger.store, run, &entry)) else {
            kept.next = entry.first + u64::from(entry.records);
            continue;
        };
        findings.expect(u64::try_from(content.records.len()).ok() == Some(u64::from(entry.records)), || {
            format!("rejected run {run} does not have as many records as the manifest says")
        });
        for (record, nth) in content.records.iter().zip(0u32..) {
            kept.take(ledger, run, nth, record, findings);
        }
        for (id, resolution) in &content.resolved {
            let (Resolution::Event { commit } | Resolution::Operator { commit, .. }) = resolution;
            findings.expect(*id < root.next_rejection && *commit <= root.commit, || {
                format!(
                    "rejected run {run} resolves rejection {id}, which does not exist, or by a commit to come"
                )
            });
        }
    }
    findings.expect(kept.next == root.next_rejection, || {
        format!("rejections end at {}, but the manifest's next number is {}", kept.next, root.next_rejection)
    });
    kept.check_counts(ledger, findings);
    Ok(())
}

impl Kept {
    fn take(&mut self, ledger: &Ledger, run: u64, nth: u32, record: &KeptRecord, findings: &mut Findings) {
        findings.verification.kept_records += 1;
        let rejection = &record.rejection;
        let id = rejection.id;
        findings.expect(id == self.next, || format!("rejection {id} is where {} should be", self.next));
        self.next = id + 1;
        findings.expect((1..=ledger.manifest.root().commit).contains(&rejection.commit), || {
            format!("rejection {id} names a commit that does not exist")
        });
        let source = match &rejection.origin {
            Origin::Kafka { topic, partition, .. } => {
                Source::Kafka { topic: topic.clone(), partition: *partition }
            }
            Origin::File { .. } => Source::Files,
            Origin::Redrive { .. } => Source::Redrive,
        };
        *self.by_source.entry(source).or_default() += 1;
        self.raw_bytes += u64::from(record.raw_kept);
        let raw = if record.raw_kept == 0 { Ok(Vec::new()) } else { load_raw(&ledger.store, run, nth) };
        let Some(raw) = findings.read(raw) else { return };
        let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        let whole = length == rejection.raw_len;
        let holds = length == u64::from(record.raw_kept)
            && (whole || rejection.raw_truncated)
            && (!whole || <[u8; 32]>::from(Sha256::digest(&raw)) == rejection.raw_sha256);
        findings.expect(holds, || format!("the raw bytes of rejection {id} are not those that came"));
    }

    fn check_counts(&self, ledger: &Ledger, findings: &mut Findings) {
        for (source, facts) in ledger.statistics.sources.iter() {
            let [.., conflicts, rejected, _] = facts.counts;
            let kept = self.by_source.get(source).copied().unwrap_or(0);
            // Lines of a file that is ingested again are refused again and kept once, a re-driven record is not kept again.
            let holds = match source {
                Source::Kafka { .. } => kept == conflicts + rejected,
                Source::Files => kept <= conflicts + rejected,
                Source::Redrive => kept == 0,
            };
            findings.expect(holds, || {
                format!("{source:?}: {rejected} records rejected, {conflicts} in conflict, but {kept} kept")
            });
        }
        let unknown = self.by_source.keys().find(|source| !ledger.statistics.sources.contains_key(*source));
        findings.expect(unknown.is_none(), || format!("records are kept of {unknown:?}, which brought none"));
        // In all: whose budget a record took depends on which names were known when it came.
        let counted: u64 = ledger.statistics.platforms.values().map(|stats| stats.raw_bytes).sum();
        findings.expect(self.raw_bytes == counted, || {
            format!("{} raw bytes are kept of rejected records, the statistics say {counted}", self.raw_bytes)
        });
    }
}

pub(super) fn check_configs(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    for (no, entry) in ledger.configurations.all() {
        findings.verification.configurations += 1;
        let Some(text) = findings.read(entry.text(&ledger.store, no)) else { continue };
        findings.expect(<[u8; 32]>::from(Sha256::digest(text)) == entry.hash, || {
            format!("the text of configuration {} is not that of hash {}", no.0, hex(&entry.hash))
        });
    }
    let root = ledger.manifest.root();
    findings.expect(root.commit == 0 || ledger.configurations.get(root.config).is_some(), || {
        format!("the configuration in force, number {}, is not in the ledger", root.config.0)
    });
    Ok(())
}
