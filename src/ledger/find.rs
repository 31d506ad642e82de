//! Finds stored orders by identity: filters, then index, then the blocks themselves, each block once.

use super::block::Select;
use super::days::DayRuns;
use super::error::Outcome;
use super::identity::IdentityHash;
use super::row::{OrderId, RowKind};
use super::run::Run;
use crate::domain::order::Phase;
use crate::domain::posting::Posting;
use crate::domain::time::{LocalDay, UtcMillis};
use std::sync::Arc;

/// An identity that is looked for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Its hash.
    pub hash: IdentityHash,
    /// Its order identifier.
    pub order_id: OrderId<'a>,
    /// Its platform.
    pub platform: &'a str,
    /// Its leg.
    pub leg: u8,
    /// Its phase.
    pub phase: Phase,
    /// First and last day to look at.
    pub days: (LocalDay, LocalDay),
    /// One more day to look at.
    pub also: Option<LocalDay>,
}

/// A stored row of a wanted identity.
#[derive(Clone, Debug)]
pub struct Found {
    /// The row's day.
    pub day: LocalDay,
    /// The version; for a mark, only identity, place, revision and commit count.
    pub posting: Posting,
    /// Where the order went, when the row is a mark.
    pub moved_to: Option<UtcMillis>,
}

/// The stored rows of each wanted identity, in no particular order.
pub fn find(runs: &DayRuns, wanted: &[Wanted<'_>]) -> Outcome<Vec<Vec<Found>>> {
    let mut hits: Vec<(u64, u32, usize, &Arc<Run>)> = Vec::new();
    let mut blocks = Vec::new();
    for (at, want) in wanted.iter().enumerate() {
        let also = want.also.filter(|day| *day < want.days.0 || want.days.1 < *day);
        let near = runs.range(want.days.0..=want.days.1);
        for run in
            near.chain(also.into_iter().flat_map(|day| runs.range(day..=day))).flat_map(|(_, runs)| runs)
        {
            blocks.clear();
            run.blocks_with(want.hash, &mut blocks)?;
            hits.extend(blocks.iter().map(|&block| (run.id, block, at, run)));
        }
    }
    hits.sort_unstable_by_key(|&(run, block, at, _)| (run, block, at));
    hits.dedup_by_key(|&mut (run, block, at, _)| (run, block, at));
    let mut found = vec![Vec::new(); wanted.len()];
    for same_block in hits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        read_block(same_block, wanted, &mut found)?;
    }
    Ok(found)
}

fn read_block(
    hits: &[(u64, u32, usize, &Arc<Run>)],
    wanted: &[Wanted<'_>],
    found: &mut [Vec<Found>],
) -> Outcome<()> {
    let Some(&(_, block, _, run)) = hits.first() else { return Ok(()) };
    let mut result = Ok(());
    run.visit_block(usize::try_from(block).unwrap_or(usize::MAX), Select::All, |row| {
        for &(_, _, at, _) in hits {
            let Some(want) = wanted.get(at).filter(|want| want.order_id == row.order_id) else { continue };
            let class = match run.class(row.class) {
                Ok(class) => class,
                Err(error) => {
                    result = Err(error);
                    return false;
                }
            };
            if *class.platform == *want.platform && class.leg == want.leg && class.phase == want.phase {
                let moved_to = row.moved_to.filter(|_| class.kind == RowKind::Moved);
                let row = Found { day: run.entry.day, posting: row.posting(class), moved_to };
                found.get_mut(at).into_iter().for_each(|list| list.push(row.clone()));
            }
        }
        true
    })?;
    result
}
