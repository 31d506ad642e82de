//! Finds stored orders by identity: filters, then index, then the blocks themselves, each block once.

use crate::domain::order::Phase;
use crate::domain::posting::Posting;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::day_filters::DayRuns;
use crate::ledger::run::Run;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::{OrderId, RowKind};
use crate::ledger::yield_points::{BLOCKS, in_turns};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// More days to look at.
    pub extras: Vec<LocalDay>,
}

/// A stored row of a wanted identity.
#[derive(Clone, Debug)]
pub struct Found {
    /// The row's day.
    pub day: LocalDay,
    /// The version; for a tombstone, only identity, place, revision and commit count.
    pub posting: Posting,
    /// Where the order went, when the row is a tombstone.
    pub moved_to: Option<UtcMillis>,
}

/// So many identifiers are compared one by one: that costs less than hashing each of a block's.
const FEW: usize = 8;

/// A block to be read for a wanted identity: run, block, and the identity's position.
type Hit<'a> = (u64, u32, usize, &'a Arc<Run>);

/// The stored rows of each wanted identity, in no particular order.
pub fn find(runs: &DayRuns, wanted: &[Wanted<'_>]) -> LedgerResult<Vec<Vec<Found>>> {
    let mut order: Vec<(IdentityHash, usize)> =
        wanted.iter().zip(0..).map(|(want, at)| (want.hash, at)).collect();
    // Ascending, so that each page of a filter and each chunk of an index is read once.
    order.sort_unstable();
    let mut hits: Vec<Hit<'_>> = Vec::new();
    let mut asked = Vec::new();
    for run in runs_near(runs, wanted) {
        let meets = |want: &Wanted<'_>| {
            want.meets(run.entry.day) && run.has_kind(want.platform, want.leg, want.phase)
        };
        asked.clear();
        asked.extend(order.iter().filter(|&&(_, at)| wanted.get(at).is_some_and(meets)));
        run.blocks_with(&asked, |block, at| hits.push((run.id, block, at, run)))?;
    }
    hits.sort_unstable_by_key(|&(run, block, at, _)| (run, block, at));
    hits.dedup_by_key(|&mut (run, block, at, _)| (run, block, at));
    let mut found = vec![Vec::new(); wanted.len()];
    for same_block in in_turns(BLOCKS, hits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))) {
        read_block(same_block, wanted, &mut found)?;
    }
    Ok(found)
}

impl Wanted<'_> {
    fn meets(&self, day: LocalDay) -> bool {
        (self.days.0 <= day && day <= self.days.1) || self.extras.contains(&day)
    }
}

/// The runs of all days that are to be looked at.
fn runs_near<'a>(runs: &'a DayRuns, wanted: &[Wanted<'_>]) -> Vec<&'a Arc<Run>> {
    // Days come in few stretches, however many identities are wanted.
    let stretches: BTreeSet<(LocalDay, LocalDay)> =
        wanted.iter().map(|want| want.days).filter(|days| days.0 <= days.1).collect();
    let extras = wanted.iter().flat_map(|want| &want.extras).map(|&day| (day, day));
    let mut days: BTreeMap<LocalDay, &Vec<Arc<Run>>> = BTreeMap::new();
    for (from, to) in stretches.into_iter().chain(extras) {
        days.extend(runs.range(from..=to).map(|(&day, runs)| (day, runs)));
    }
    days.into_values().flatten().collect()
}

fn read_block(hits: &[Hit<'_>], wanted: &[Wanted<'_>], found: &mut [Vec<Found>]) -> LedgerResult<()> {
    let Some(&(_, block, _, run)) = hits.first() else { return Ok(()) };
    // A batch that comes again wants every row of a block: each row is looked up, not compared with each want.
    let mut by_order: HashMap<OrderId<'_>, Vec<usize>> = HashMap::with_capacity(hits.len());
    for &(_, _, at, _) in hits {
        wanted.get(at).into_iter().for_each(|want| by_order.entry(want.order_id).or_default().push(at));
    }
    let mut result = Ok(());
    let few: Vec<OrderId<'_>> = by_order.keys().take(FEW).copied().collect();
    let is_wanted = |id: &OrderId<'_>| {
        if by_order.len() <= FEW { few.contains(id) } else { by_order.contains_key(id) }
    };
    run.visit_orders(usize::try_from(block).unwrap_or(usize::MAX), is_wanted, |row| {
        let Some(positions) = by_order.get(&row.order_id) else { return true };
        let entry = match run.dictionary_entry(row.code) {
            Ok(entry) => entry,
            Err(error) => {
                result = Err(error);
                return false;
            }
        };
        for &at in positions {
            let same = wanted.get(at).is_some_and(|want| {
                *entry.platform == *want.platform && entry.leg == want.leg && entry.phase == want.phase
            });
            if same {
                let moved_to = row.moved_to.filter(|_| entry.kind == RowKind::Moved);
                let row = Found { day: run.entry.day, posting: row.posting(entry), moved_to };
                found.get_mut(at).into_iter().for_each(|list| list.push(row.clone()));
            }
        }
        true
    })?;
    result
}
