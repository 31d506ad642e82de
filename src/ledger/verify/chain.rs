//! The storage's version, the manifest and the chain of commits.

use super::findings::Findings;
use crate::domain::time::UtcMillis;
use crate::ledger::codec::keys;
use crate::ledger::codec::unframe;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::Manifest;
use crate::ledger::manifest::commit_record::CommitRecord;
use crate::ledger::manifest::finality_history::{FinalityChange, rebuild};
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::{self, Counts};
use crate::ledger::writer::Ledger;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the commits read so far say.
#[derive(Default)]
struct Chain {
    /// Hash of the newest one; `None` after one that cannot be read.
    hash: Option<[u8; 32]>,
    previous: Option<[u8; 32]>,
    last: CommitRecord,
    sources: BTreeMap<Source, (Counts, Option<i64>)>,
    through: BTreeMap<String, UtcMillis>,
    /// The changes since the newest commit that holds all facts.
    finality: Vec<FinalityChange>,
    broken: bool,
}

pub(super) fn check(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    let root = ledger.manifest.root();
    findings.verification.newest_commit = root.commit;
    check_stored_version(ledger, findings)?;
    let mut chain = Chain { hash: Some([0; 32]), ..Chain::default() };
    for number in 1..=root.commit {
        match read(ledger, number) {
            Ok((body, record)) => chain.link(number, &body, record, ledger, findings),
            Err(error) if error.is_unreachable() => return Err(error),
            Err(error) => {
                findings.failed("", error);
                chain.broken = true;
                chain.hash = None;
            }
        }
    }
    let ends = chain.hash.is_none_or(|hash| hash == root.commit_hash);
    findings.expect(ends, || "the last commit is not the one that the manifest names".to_owned());
    if chain.broken || root.commit == 0 {
        return Ok(());
    }
    let before = chain.previous == Some(root.previous_hash);
    findings.expect(before, || "the manifest names another commit before its own than the chain".to_owned());
    let same = chain.last.recorded_at == root.recorded_at && chain.last.config == root.config;
    findings
        .expect(same, || "the last commit and the manifest differ in instant or configuration".to_owned());
    chain.check_sums(ledger, findings);
    chain.check_finality(ledger, findings)
}

fn check_stored_version(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    let agrees = ledger.store.confirm(&ledger.manifest.version())?;
    findings.expect(agrees, || "the storage and the manifest are at different commits".to_owned());
    let stored = Manifest::load(&ledger.store)?;
    let same = stored.root() == ledger.manifest.root();
    findings
        .expect(same, || "the manifest in the store is not the one that the ledger works with".to_owned());
    Ok(())
}

pub(super) fn read(ledger: &Ledger, number: u64) -> LedgerResult<(Vec<u8>, CommitRecord)> {
    let key = keys::numbered(keys::COMMIT, number);
    let name = || format!("the record of commit {number}");
    let value = ledger.store.entry(&key)?.ok_or_else(|| LedgerError::Missing { what: name() })?;
    let body = unframe(&key, &value).map_err(LedgerError::damaged(name()))?.into_owned();
    let record = CommitRecord::decode(body.get(32..).unwrap_or_default());
    Ok((body, record.map_err(LedgerError::damaged(name()))?))
}

impl Chain {
    fn link(
        &mut self,
        number: u64,
        body: &[u8],
        record: CommitRecord,
        ledger: &Ledger,
        findings: &mut Findings,
    ) {
        findings.verification.commits += 1;
        let linked = self.hash.is_none_or(|hash| body.starts_with(&hash));
        findings.expect(linked, || format!("commit {number} does not follow from the commit before it"));
        self.previous = self.hash;
        self.hash = Some(Sha256::digest(body).into());
        let later = number == 1 || record.recorded_at > self.last.recorded_at;
        findings.expect(later || self.broken, || format!("commit {number} is not later than the one before"));
        let known = ledger.configurations.get(record.config).is_some();
        findings.expect(known, || format!("commit {number} names an unknown configuration"));
        for consumed in &record.consumed {
            let (counts, last) = self.sources.entry(consumed.source.clone()).or_default();
            counts.iter_mut().zip(consumed.counts).for_each(|(sum, count)| *sum += count);
            if consumed.counts.iter().any(|&count| count > 0) {
                *last = Some(consumed.offsets.1);
            }
        }
        for (platform, through) in &record.complete_through {
            let before = self.through.insert(platform.clone(), *through);
            findings.expect(before.is_none_or(|before| before <= *through), || {
                format!("commit {number} takes complete_through of {platform} back")
            });
        }
        if record.finality.is_full {
            self.check_full(number, &record.finality, findings);
            self.finality.clear();
        }
        self.finality.push(record.finality.clone());
        self.last = record;
    }

    /// A record with all facts says what the changes up to it add up to.
    fn check_full(&self, number: u64, full: &FinalityChange, findings: &mut Findings) {
        let mut change = full.clone();
        change.is_full = false;
        let added_up = rebuild(self.finality.iter().chain([&change]));
        findings.expect(self.broken || added_up == rebuild([full]), || {
            format!("commit {number} holds other facts of completeness than the commits up to it add up to")
        });
    }

    /// The newest facts of the history are the manifest's.
    fn check_finality(&self, ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
        let rebuilt = rebuild(&self.finality).map_err(LedgerError::damaged("the history of completeness"))?;
        let stored = state_codec::load(&ledger.manifest)?;
        findings.expect(rebuilt == stored, || {
            "the history of completeness ends with other facts than the manifest holds".to_owned()
        });
        Ok(())
    }

    /// Conservation: every record that a source brought has exactly one disposition, and commits and sources agree.
    fn check_sums(&self, ledger: &Ledger, findings: &mut Findings) {
        for (source, facts) in ledger.statistics.sources.iter() {
            let whole = facts.records == facts.counts.iter().sum::<u64>();
            findings.expect(whole, || format!("{source:?}: dispositions do not add up to its records"));
            let (counts, last) = self.sources.get(source).copied().unwrap_or_default();
            findings.expect(counts == facts.counts, || {
                format!("{source:?}: the commits took in {counts:?}, the source counts {:?}", facts.counts)
            });
            findings.expect(last.is_none_or(|last| last == facts.last_offset), || {
                format!("{source:?}: the last commit that read it ended elsewhere than its position")
            });
        }
        let unknown = self.sources.keys().find(|source| !ledger.statistics.sources.contains_key(*source));
        findings
            .expect(unknown.is_none(), || format!("{unknown:?} is in commits, but not among the sources"));
        let state = ledger.tracker.state();
        for (platform, through) in &self.last.complete_through {
            findings.expect(state.complete_through(platform).is_some_and(|now| now >= *through), || {
                format!("complete_through of {platform} is before what the last commit says")
            });
        }
    }
}
