//! From rows to versions: reads the rows of a rider, finds the newest at each place, and what superseded the others.

use crate::domain::order::Phase;
use crate::domain::posting::{StoredVersion, SupersededBy};
use crate::domain::time::UtcMillis;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::lookup::identity_lookup::Found;
use crate::ledger::run::Run;
use crate::ledger::run::row::RowKind;

/// Stored versions of one rider that are read at a time, mostly those of a day. A person has some hundred orders a day at
/// most; of a placeholder that many riders share, this bounds what a question costs.
const VERSIONS_READ_MAX: usize = 20_000;

/// The place of a row: rows of one place and identity are versions of one order.
type Place<'a> = (UtcMillis, &'a str, &'a str, &'a str, u8, Phase);

/// Adds the rows of a rider in a run with `from <= accepted_at < to`, of the commits up to `commit`.
///
/// # Errors
/// The run cannot be read, or more rows name the rider than one question reads.
pub(super) fn collect_rows(
    run: &Run,
    rider_id: &str,
    (from, to): (UtcMillis, UtcMillis),
    commit: u64,
    rows: &mut Vec<Found>,
) -> LedgerResult<()> {
    if !run.may_know(rider_id)? {
        return Ok(());
    }
    run.visit_rider(rider_id, (from, to), |row| {
        if row.commit > commit {
            return Ok(());
        }
        if rows.len() == VERSIONS_READ_MAX {
            return Err(LedgerError::TooManyOrders { limit: VERSIONS_READ_MAX });
        }
        let entry = run.dictionary_entry(row.code)?;
        let moved_to = row.moved_to.filter(|_| entry.kind == RowKind::Moved);
        rows.push(Found { day: run.entry.day, posting: row.posting(entry), moved_to });
        Ok(())
    })
}

/// Groups rows into versions and marks the superseded ones: at one place and identity the newest row supersedes the others, and
/// a tombstone supersedes the version before it. Versions come in the order of their places.
pub(super) fn group_versions(mut rows: Vec<Found>) -> Vec<StoredVersion> {
    rows.sort_by(|a, b| {
        let order = |row: &Found| (row.posting.revision, row.posting.commit);
        place(a).cmp(&place(b)).then_with(|| order(a).cmp(&order(b)))
    });
    let mut versions: Vec<StoredVersion> = Vec::with_capacity(rows.len());
    // A price that came later does not change when the order was recorded.
    let mut recorded: Option<u64> = None;
    let mut rows = rows.into_iter().peekable();
    while let Some(mut row) = rows.next() {
        let next = rows.peek().filter(|next| place(next) == place(&row));
        // The same revision again is the same version, priced later.
        let repriced =
            next.is_some_and(|n| n.moved_to.is_none() && n.posting.revision == row.posting.revision);
        if row.moved_to.is_some() {
            continue;
        }
        let commit = recorded.take().unwrap_or(row.posting.commit);
        if repriced {
            recorded = Some(commit);
            continue;
        }
        let superseded_by =
            next.map(|n| SupersededBy { revision: n.posting.revision, commit: n.posting.commit });
        row.posting.commit = commit;
        versions.push(StoredVersion { posting: row.posting, superseded_by });
    }
    versions
}

fn place(row: &Found) -> Place<'_> {
    let p = &row.posting;
    (p.accepted_at, &p.rider_id, &p.platform, &p.order_id, p.leg, p.phase)
}
