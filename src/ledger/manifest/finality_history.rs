//! What decided finality at each commit: completeness facts, skipped spans, cover margins, retention line.
//!
//! The manifest holds these facts as they are now. Each commit's record also holds those that the commit changed, and
//! every [`FULL_EVERY`] commits all of them, so that the facts of any commit can be rebuilt from a bounded number of records.
//! Compaction and retention leave commit records alone.

use super::state_codec::{decode_platform, decode_topic, name};
use super::{Manifest, entry_key, kind};
use crate::domain::completeness::Completeness;
use crate::domain::finality::CoverMargins;
use crate::domain::platform::Platforms;
use crate::domain::posting::ConfigNo;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};
use std::collections::BTreeMap;

/// A commit whose number is a multiple of it holds all facts.
pub const FULL_EVERY: u64 = 256;
/// Kinds of manifest entries that decide finality.
const KINDS: [u8; 2] = [kind::TOPIC, kind::PLATFORM];

/// Bodies of manifest entries by key (kind, then name); `None` removes the entry.
type Facts = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a commit changed of the facts that decide finality.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalityChange {
    /// Whether `facts` are all facts, not only those that changed.
    pub is_full: bool,
    /// Completeness facts of topics and platforms.
    pub facts: Facts,
    /// The widest cover of any rule in force up to this commit.
    pub margins: CoverMargins,
    /// The first day that retention kept.
    pub retention_line: Option<LocalDay>,
    /// End of the last day that retention dropped.
    pub dropped_until: Option<UtcMillis>,
}

/// Everything besides the orders that decides whether an absence is final, as of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalityFacts {
    /// The configuration in force.
    pub config: ConfigNo,
    /// The platforms' promises, as that configuration states them.
    pub platforms: Platforms,
    /// Completeness, with positions and skipped spans.
    pub completeness: Completeness,
    /// The widest cover of any rule in force until then.
    pub margins: CoverMargins,
    /// The first day that retention kept.
    pub retention_line: Option<LocalDay>,
}

impl FinalityChange {
    /// What the commit under way changes; everything at every [`FULL_EVERY`]th commit.
    pub fn staged(manifest: &Manifest, margins: CoverMargins) -> Self {
        let root = manifest.root();
        let is_full = (root.commit + 1).is_multiple_of(FULL_EVERY);
        let mut facts = Facts::new();
        let of_finality = |key: &[u8]| key.get(1).is_some_and(|kind| KINDS.contains(kind));
        if is_full {
            for kind in KINDS {
                let entries = manifest.entries(kind);
                facts.extend(
                    entries.map(|(rest, body)| (short_key(&entry_key(kind, rest)), Some(body.to_vec()))),
                );
            }
        }
        for (key, body) in manifest.staged.iter().filter(|(key, _)| of_finality(key)) {
            match body {
                None if is_full => drop(facts.remove(&short_key(key))),
                body => drop(facts.insert(short_key(key), body.clone())),
            }
        }
        let (retention_line, dropped_until) = (root.retention_line, root.dropped_until);
        Self { is_full, facts, margins, retention_line, dropped_until }
    }

    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_full));
        out.put_signed(self.margins.lead_ms);
        out.put_signed(self.margins.tail_ms);
        out.put_option(self.retention_line, |out, day| out.put_signed(i64::from(day.0)));
        out.put_option(self.dropped_until, |out, at| out.put_signed(at.millis()));
        out.put_len(self.facts.len());
        for (key, body) in &self.facts {
            out.put_prefixed(key);
            out.put_option(body.as_ref(), |out, body: &Vec<u8>| out.put_prefixed(body));
        }
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        let is_full = match r.u8("whether all facts are here")? {
            0 => false,
            1 => true,
            _ => return Err(CodecError::Invalid("whether all facts are here")),
        };
        let margins = CoverMargins { lead_ms: r.signed("lead")?, tail_ms: r.signed("tail")? };
        let day = |r: &mut Reader<'_>| {
            i32::try_from(r.signed("day")?).map(LocalDay).map_err(|_| CodecError::Invalid("day"))
        };
        let retention_line = r.option("retention line", day)?;
        let dropped_until = r.option("dropped until", |r| r.signed("dropped until").map(UtcMillis::new))?;
        let mut facts = Facts::new();
        for _ in 0..r.count(2, "facts")? {
            let key = r.prefixed("key of a fact")?.to_vec();
            facts.insert(key, r.option("fact", |r| r.prefixed("fact").map(<[u8]>::to_vec))?);
        }
        Ok(Self { is_full, facts, margins, retention_line, dropped_until })
    }
}

/// A manifest key without the byte that all of them begin with.
fn short_key(key: &[u8]) -> Vec<u8> {
    key.get(1..).unwrap_or_default().to_vec()
}

/// Rebuilds the completeness of the last of `changes`, which are in the order of their commits: the first one is full, or that
/// of the first commit.
///
/// # Errors
/// A fact is damaged.
pub fn rebuild<'a>(changes: impl IntoIterator<Item = &'a FinalityChange>) -> Decoded<Completeness> {
    let mut facts = Facts::new();
    let mut completeness = Completeness::default();
    for change in changes {
        if change.is_full {
            facts.clear();
        }
        facts.extend(change.facts.iter().map(|(key, body)| (key.clone(), body.clone())));
        completeness.dropped_until = change.dropped_until;
    }
    for (key, body) in facts.iter().filter_map(|(key, body)| Some((key, body.as_ref()?))) {
        let (kind, rest) = key.split_first().ok_or(CodecError::Truncated("the key of a fact"))?;
        let mut r = Reader::new(body);
        match *kind {
            kind::TOPIC => drop(completeness.topics.insert(name(rest), decode_topic(&mut r)?)),
            kind::PLATFORM => drop(completeness.platforms.insert(name(rest), decode_platform(&mut r)?)),
            _ => return Err(CodecError::Invalid("the kind of a fact")),
        }
    }
    Ok(completeness)
}

#[cfg(test)]
mod tests {
    use crate::domain::time::UtcMillis;
    use crate::ledger::manifest::commit_record::CommitRecord;
    use crate::ledger::manifest::finality_history::{FULL_EVERY, FinalityChange};
    use crate::ledger::manifest::state_codec;
    use crate::ledger::testing::{event, open};
    use crate::ledger::verify::verify;
    use crate::ledger::{Batch, CommitExtras, Ledger};

    #[test]
    fn the_facts_of_every_commit_are_rebuilt_across_full_records_and_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        crate::ledger::testing::commit(&mut ledger, 0, &[event(1, 0)]);
        let mut known = Vec::new();
        for at in 0..i64::try_from(FULL_EVERY).unwrap() + 40 {
            let stated = vec![(Some("p".to_owned()), UtcMillis::new(1_000 + at / 3))];
            let extras = CommitExtras { stated, ..CommitExtras::default() };
            ledger.commit(&Batch::default(), &extras, UtcMillis::new(at)).unwrap();
            known.push(ledger.published().current().finality_facts().unwrap());
        }
        drop(ledger);
        let state = open(dir.path()).published().current();
        let first = state.root().commit + 1 - u64::try_from(known.len()).unwrap();
        assert!(known.first() != known.last());
        for (commit, facts) in (first..).zip(&known) {
            assert_eq!(state.finality_facts_at(commit).unwrap().as_ref(), Some(facts), "commit {commit}");
        }
        assert_eq!(state.finality_facts_at(state.root().commit + 1).unwrap(), None);
        assert_eq!(state.finality_facts_at(0).unwrap(), None);
    }

    /// Commits facts whose change the commit's record leaves out, or a record that calls wrong facts all of them.
    fn commit_wrong_history(ledger: &mut Ledger, history: FinalityChange) {
        ledger.tracker.state_mut().stated("p", UtcMillis::new(7_000));
        state_codec::stage(&mut ledger.manifest, ledger.tracker.state());
        let root = ledger.manifest.root_mut();
        root.recorded_at = root.recorded_at.plus(1);
        let (recorded_at, config) = (root.recorded_at, root.config);
        let record = CommitRecord { recorded_at, config, finality: history, ..CommitRecord::default() };
        ledger.manifest.advance(&ledger.store, &record.encode()).unwrap();
        ledger.publish();
    }

    #[test]
    fn verify_finds_a_history_that_is_not_the_manifests() {
        let empty = FinalityChange { is_full: true, ..FinalityChange::default() };
        for (history, problem) in [
            (FinalityChange::default(), "ends with other facts than the manifest holds"),
            (empty, "holds other facts of completeness than the commits up to it add up to"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut ledger = open(dir.path());
            crate::ledger::testing::commit(&mut ledger, 0, &[event(1, 0)]);
            assert_eq!(verify(&ledger, &mut |_, _| {}).problems, Vec::<String>::new());
            commit_wrong_history(&mut ledger, history);
            let problems = verify(&ledger, &mut |_, _| {}).problems;
            assert!(problems.iter().any(|found| found.contains(problem)), "{problems:?}");
        }
    }
}
