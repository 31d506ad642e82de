//! Orders that lie at more than one place: each is in force once, and every tombstone leads to the version that it names.
//!
//! The identity indexes of all runs are merged by hash, a chunk of each in memory; only the few identities that are in
//! them more than once are read.

use super::findings::Findings;
use crate::domain::order::Phase;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::error::LedgerResult;
use crate::ledger::maintenance::compaction::Hasher;
use crate::ledger::run::Run;
use crate::ledger::run::block::Select;
use crate::ledger::run::identity::{Entry, IdentityHash};
use crate::ledger::run::row::RowKind;
use crate::ledger::writer::Ledger;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Index entries that are looked into together.
const ENTRIES_TOGETHER: usize = 65_536;

struct Cursor<'a> {
    run: &'a Arc<Run>,
    next_chunk: u32,
    entries: std::vec::IntoIter<Entry>,
}

impl Cursor<'_> {
    fn next(&mut self) -> LedgerResult<Option<Entry>> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            if self.next_chunk >= self.run.entry.chunks {
                return Ok(None);
            }
            let mut entries = Vec::new();
            self.run.visit_chunk(self.next_chunk, |entry| {
                entries.push(entry);
                true
            })?;
            self.next_chunk += 1;
            self.entries = entries.into_iter();
        }
    }
}

/// A row of an identity that has several.
struct Step {
    rider_id: String,
    accepted_at: UtcMillis,
    day: LocalDay,
    revision: u64,
    commit: u64,
    moved_to: Option<UtcMillis>,
}

type Identity = (String, String, u8, Phase);

pub(super) fn check(ledger: &Ledger, findings: &mut Findings) -> LedgerResult<()> {
    let runs: Vec<&Arc<Run>> = ledger.runs.live.values().flatten().collect();
    let mut cursors: Vec<Cursor<'_>> =
        runs.iter().map(|run| Cursor { run, next_chunk: 0, entries: Vec::new().into_iter() }).collect();
    let mut heap = BinaryHeap::with_capacity(cursors.len());
    for (at, cursor) in cursors.iter_mut().enumerate() {
        heap.extend(cursor.next()?.map(|(hash, block)| Reverse((hash, at, block))));
    }
    let mut same: Vec<(usize, u32)> = Vec::new();
    let mut hash_before = None;
    let (mut several, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    while let Some(Reverse((hash, at, block))) = heap.pop() {
        if hash_before != Some(hash) {
            if same.len() > 1 {
                several.extend(same.iter().copied());
                hashes.extend(hash_before);
            }
            same.clear();
            hash_before = Some(hash);
            if several.len() >= ENTRIES_TOGETHER {
                look(ledger, &runs, &std::mem::take(&mut several), &std::mem::take(&mut hashes), findings)?;
            }
        }
        same.push((at, block));
        if let Some(cursor) = cursors.get_mut(at) {
            heap.extend(cursor.next()?.map(|(hash, block)| Reverse((hash, at, block))));
        }
    }
    if same.len() > 1 {
        several.extend(same);
        hashes.extend(hash_before);
    }
    look(ledger, &runs, &several, &hashes, findings)
}

fn look(
    ledger: &Ledger,
    runs: &[&Arc<Run>],
    blocks: &BTreeSet<(usize, u32)>,
    hashes: &BTreeSet<IdentityHash>,
    findings: &mut Findings,
) -> LedgerResult<()> {
    let mut histories: BTreeMap<Identity, Vec<Step>> = BTreeMap::new();
    let mut buffer = String::new();
    for &(at, block) in blocks {
        let Some(run) = runs.get(at) else { continue };
        // Numbers in the dictionary are those of the run.
        let mut hasher = Hasher::default();
        run.visit_block(usize::try_from(block).unwrap_or(usize::MAX), Select::All, |row| {
            let Ok(entry) = run.dictionary_entry(row.code) else { return false };
            if hashes.contains(&hasher.hash(row, entry)) {
                let order = row.order_id.text(&mut buffer).to_owned();
                let identity = (entry.platform.to_string(), order, entry.leg, entry.phase);
                histories.entry(identity).or_default().push(Step {
                    rider_id: row.rider_id.to_owned(),
                    accepted_at: row.accepted_at,
                    day: run.entry.day,
                    revision: row.revision,
                    commit: row.commit,
                    moved_to: row.moved_to.filter(|_| entry.kind == RowKind::Moved),
                });
            }
            true
        })?;
    }
    for ((platform, order_id, leg, phase), steps) in &histories {
        for problem in problems(ledger, steps) {
            findings.problem(format!("order {order_id} of {platform}, leg {leg}, {phase:?}: {problem}"));
        }
    }
    Ok(())
}

/// What is wrong with the rows of one identity.
fn problems(ledger: &Ledger, steps: &[Step]) -> Vec<String> {
    let mut problems = Vec::new();
    let dropped = |at: UtcMillis| {
        let line = ledger.manifest.root().retention_line;
        line.is_some_and(|line| ledger.options.zone.day(at) < line)
    };
    for (tombstone, to) in steps.iter().filter_map(|step| Some((step, step.moved_to?))) {
        let leads = steps.iter().any(|step| {
            step.moved_to.is_none() && step.accepted_at == to && step.revision == tombstone.revision
        });
        if !leads && !dropped(to) {
            problems.push(format!(
                "a tombstone says that revision {} lies elsewhere, and it is not there",
                tombstone.revision
            ));
        }
    }
    let mut newest: BTreeMap<(&str, UtcMillis), &Step> = BTreeMap::new();
    for step in steps {
        let place = newest.entry((&step.rider_id, step.accepted_at)).or_insert(step);
        if (step.revision, step.commit) > (place.revision, place.commit) {
            *place = step;
        }
    }
    let moved = steps.iter().any(|step| step.moved_to.is_some());
    // An order that was moved may have come within reach of its namesake; and a reach that the operator widened says
    // nothing about what was stored before.
    let reach = if ledger.configurations.all().count() == 1 { ledger.options.identity_days } else { 0 };
    let mut days: Vec<LocalDay> =
        newest.values().filter(|step| step.moved_to.is_none()).map(|s| s.day).collect();
    days.sort_unstable();
    let twice = days.windows(2).any(|pair| match pair {
        [a, b] => i64::from(b.0) - i64::from(a.0) <= i64::from(reach),
        _ => false,
    });
    if twice && !moved {
        problems.push("it is in force at two places within the reach of identity".to_owned());
    }
    problems
}
