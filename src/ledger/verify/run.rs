//! One run: blocks, the order of rows, the manifest entry, and the indexes that lead to the rows.

use super::findings::Findings;
use crate::domain::time::UtcMillis;
use crate::ledger::error::LedgerResult;
use crate::ledger::maintenance::compaction::Hasher;
use crate::ledger::run::block::Select;
use crate::ledger::run::filter::Filter;
use crate::ledger::run::identity::{Entry, IdentityHash};
use crate::ledger::run::riders::RiderCollector;
use crate::ledger::run::row::{DictionaryEntry, OrderId, Row};
use crate::ledger::run::stored_filter::RunFilter;
use crate::ledger::run::{Run, RunEntry};
use crate::ledger::writer::Ledger;
use std::sync::Arc;

/// The row before, owned.
#[derive(Default)]
struct Before {
    rider_id: String,
    order: String,
    rest: Option<(Row<'static>, Arc<DictionaryEntry>)>,
}

impl Before {
    fn is_after(&self, row: &Row<'_>, entry: &DictionaryEntry) -> bool {
        self.rest.as_ref().is_some_and(|(rest, before_entry)| {
            let before = Row { rider_id: &self.rider_id, order_id: OrderId::pack(&self.order), ..*rest };
            before.cmp_place(before_entry, row, entry).is_gt()
        })
    }

    fn set(&mut self, row: &Row<'_>, entry: &Arc<DictionaryEntry>) {
        let mut buffer = String::new();
        self.rider_id.clear();
        self.rider_id.push_str(row.rider_id);
        self.order.clear();
        self.order.push_str(row.order_id.text(&mut buffer));
        let Row { accepted_at, ended_at, code, region, revision, commit, .. } = *row;
        let rest = Row {
            rider_id: "",
            accepted_at,
            order_id: OrderId::Text(""),
            ended_at,
            code,
            region,
            revision,
            commit,
            fare: None,
            previous_accepted_at: None,
            moved_to: None,
        };
        self.rest = Some((rest, Arc::clone(entry)));
    }
}

/// What the rows of a run say about its entry.
struct Seen {
    entry: RunEntry,
    hashes: Vec<Entry>,
    hasher: Hasher,
    before: Before,
    disorder: u64,
    /// What the filter of riders must contain.
    riders: RiderCollector,
}

impl Seen {
    fn take(&mut self, row: &Row<'_>, entry: &Arc<DictionaryEntry>, block: u32) {
        let totals = &mut self.entry;
        totals.rows += 1;
        totals.accepted = (totals.accepted.0.min(row.accepted_at), totals.accepted.1.max(row.accepted_at));
        totals.commits = (totals.commits.0.min(row.commit), totals.commits.1.max(row.commit));
        match row.ended_at {
            Some(ended_at) => totals.longest_ms = totals.longest_ms.max(ended_at.since(row.accepted_at)),
            None => totals.has_open |= row.moved_to.is_none(),
        }
        self.hashes.push((self.hasher.hash(row, entry), block));
        self.riders.note(row.rider_id, IdentityHash::seed(&entry.platform));
        self.disorder += u64::from(self.before.is_after(row, entry));
        self.before.set(row, entry);
    }
}

pub(super) fn check(ledger: &Ledger, run: &Run, findings: &mut Findings) -> LedgerResult<()> {
    findings.verification.runs += 1;
    let name = format!("run {}", run.id);
    let stored = ledger.manifest.get(crate::ledger::manifest::kind::RUN, &run.id.to_be_bytes());
    let mut body = Vec::new();
    run.entry.encode(&mut body);
    findings.expect(stored == Some(body.as_slice()), || format!("{name}: not the entry of the manifest"));
    findings.expect(run.sparse_is_stored()?, || {
        format!("{name}: the sparse index in memory differs from the stored one")
    });
    let empty = RunEntry {
        rows: 0,
        accepted: (UtcMillis::MAX, UtcMillis::MIN),
        longest_ms: 0,
        has_open: false,
        commits: (u64::MAX, 0),
        ..run.entry
    };
    let mut seen = Seen {
        entry: empty,
        hashes: Vec::new(),
        hasher: Hasher::default(),
        before: Before::default(),
        disorder: 0,
        riders: RiderCollector::default(),
    };
    let whole = read_blocks(run, &mut seen, findings);
    findings.verification.rows += seen.entry.rows;
    if !whole {
        return Ok(());
    }
    let riders = std::mem::take(&mut seen.riders).finish();
    check_filter(ledger, run, (run.filters()[1], "riders"), &riders, findings);
    findings.expect(seen.disorder == 0, || format!("{name}: {} rows are out of order", seen.disorder));
    if seen.entry.rows == 0 {
        seen.entry.accepted = run.entry.accepted;
        seen.entry.commits = run.entry.commits;
    }
    findings.expect(seen.entry == run.entry, || {
        format!("{name}: its rows say {:?}, its manifest entry {:?}", seen.entry, run.entry)
    });
    check_index(ledger, run, seen.hashes, findings);
    Ok(())
}

/// Reads every block; `false` when one cannot be read.
fn read_blocks(run: &Run, seen: &mut Seen, findings: &mut Findings) -> bool {
    let (mut whole, mut look) = (true, run.look());
    for block in 0..run.entry.blocks {
        let at = usize::try_from(block).unwrap_or(usize::MAX);
        let (mut rows, mut first_agrees, mut failed) = (0_u64, true, None);
        let read = run.visit_block(at, Select::All, |row| match run.dictionary_entry(row.code) {
            Ok(entry) => {
                if rows == 0 {
                    match look.begins_at(at, row.rider_id, row.accepted_at) {
                        Ok(agrees) => first_agrees = agrees,
                        Err(error) => failed = Some(error),
                    }
                }
                rows += 1;
                seen.take(row, entry, block);
                true
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        findings.verification.blocks += 1;
        whole &= findings.read(read.and(failed.map_or(Ok(()), Err))).is_some();
        findings.expect(first_agrees && rows > 0, || {
            format!("run {}: block {block} does not begin where the sparse index says", run.id)
        });
    }
    whole
}

/// A stored filter is the one that the rows make.
fn check_filter(
    ledger: &Ledger,
    run: &Run,
    (stored, of): (&RunFilter, &str),
    expected: &Filter,
    findings: &mut Findings,
) {
    let Some(read) = findings.read(stored.read(&ledger.store)) else { return };
    findings.expect(read.pages().eq(expected.pages()), || {
        format!("run {}: the stored filter of {of} is not the one that its rows make", run.id)
    });
}

/// The identity index leads to every row, and to nothing else; no filter denies a row.
fn check_index(ledger: &Ledger, run: &Run, mut hashes: Vec<Entry>, findings: &mut Findings) {
    hashes.sort_unstable();
    let day = run.entry.day;
    // A filter of the days that is not in memory is not asked.
    if let Some(filters) = ledger.runs.filters.covering(day, day, &ledger.runs.live) {
        let denied = |hash| !filters.iter().any(|filter| filter.may_contain(hash));
        let denials = hashes.iter().filter(|(hash, _)| denied(*hash)).count();
        findings
            .expect(denials == 0, || format!("run {}: the filter of its days denies {denials} rows", run.id));
    }
    let mut identities = Run::filter_for(run.entry.rows);
    hashes.iter().for_each(|(hash, _)| identities.insert(*hash));
    check_filter(ledger, run, (run.filters()[0], "identities"), &identities, findings);
    let (mut expected, mut look) = (hashes.into_iter(), run.look());
    for chunk in 0..run.entry.chunks {
        let (mut first, mut wrong) = (None, 0_u64);
        let read = run.visit_chunk(chunk, |entry| {
            first.get_or_insert(entry.0);
            wrong += u64::from(expected.next() != Some(entry));
            true
        });
        if findings.read(read).is_none() {
            return;
        }
        findings.expect(wrong == 0, || {
            format!("run {}: {wrong} entries of identity chunk {chunk} lead to no row or skip one", run.id)
        });
        let said = look.chunk_first(usize::try_from(chunk).unwrap_or(usize::MAX));
        let Some(said) = findings.read(said) else { return };
        findings.expect(first == said, || {
            format!("run {}: identity chunk {chunk} does not begin where the sparse index says", run.id)
        });
    }
    let missed = expected.count();
    findings.expect(missed == 0, || format!("run {}: the identity index misses {missed} rows", run.id));
}
