//! From rows to versions: which row is the newest at its place, and what superseded the others.

use crate::domain::order::Phase;
use crate::domain::posting::{StoredVersion, SupersededBy};
use crate::domain::time::UtcMillis;
use crate::ledger::lookup::identity_lookup::Found;

/// Where a row lies: rows of one place and identity are versions of one order.
type Place<'a> = (UtcMillis, &'a str, &'a str, &'a str, u8, Phase);

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
