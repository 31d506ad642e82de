//! Decides every order event of a batch against what is stored and against the batch itself.
//!
//! Almost every event is new and alone: its hash occurs once in the batch and passes no filter. Those are accepted without
//! touching storage. The rest, grouped by hash, is looked up and decided one by one in the order of effect.

pub mod conflict;
mod context;
mod decided;

pub use context::DecideContext;
pub use decided::{Decided, Replaced, Tombstone};

use crate::domain::decide::decide;
use crate::domain::event::same_content;
use crate::domain::order::Phase;
use crate::domain::posting::Disposition;
use crate::domain::reject::Reason;
use crate::domain::time::LocalDay;
use crate::ledger::batch::{Batch, OrderEntry};
use crate::ledger::decide::conflict::ConflictKind;
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::day_filters::{DayFilters, DayRuns};
use crate::ledger::lookup::identity_lookup::{Wanted, find};
use crate::ledger::lookup::version_history::{History, Item, Step, fresh};
use crate::ledger::run::filter::Filter;
use crate::ledger::run::hash_order::sort_by_hash;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::row::OrderId;
use crate::ledger::yield_points::{DECISIONS, in_turns};
use std::collections::{BTreeSet, HashMap};

/// An event of the batch, as the sorting by hash moves it.
#[derive(Clone, Copy)]
struct Probe {
    /// Its position.
    at: u32,
    /// The number of its day in [`Nearby`]; `None` when it must be looked at closer whatever the filters say.
    day: Option<u16>,
}

/// The filters within reach of each event day of a batch.
struct Nearby<'f> {
    filters: &'f DayFilters,
    runs: &'f DayRuns,
    terms: DecideContext<'f>,
    /// `None` for a day within whose reach a filter is not in memory.
    days: Vec<(LocalDay, Option<Vec<&'f Filter>>)>,
    last: usize,
}

impl Nearby<'_> {
    /// The number of a day; `None` when its events must be looked at closer. Events of a day mostly come together.
    fn number(&mut self, day: LocalDay) -> Option<u16> {
        if self.days.get(self.last).is_none_or(|(last, _)| *last != day) {
            let known = self.days.iter().position(|(known, _)| *known == day);
            self.last = known.unwrap_or_else(|| {
                let (from, to) = reach(day, self.terms);
                self.days.push((day, self.filters.covering(from, to, self.runs)));
                self.days.len() - 1
            });
        }
        let (_, filters) = self.days.get(self.last)?;
        filters.as_ref().and_then(|_| u16::try_from(self.last).ok())
    }

    /// Whether no order of this identity can be stored within reach of the day with this number.
    fn is_new(&self, day: u16, hash: IdentityHash) -> bool {
        let near = self.days.get(usize::from(day));
        let filters = near.and_then(|(_, filters)| filters.as_ref());
        filters.is_some_and(|filters| !filters.iter().any(|filter| filter.may_contain(hash)))
    }
}

/// Decides every order event of the batch.
pub fn resolve(
    batch: &Batch,
    runs: &DayRuns,
    filters: &DayFilters,
    terms: DecideContext<'_>,
) -> LedgerResult<Decided> {
    let with_open: Vec<bool> =
        batch.platforms.all().iter().map(|name| terms.with_open.contains(name)).collect();
    let mut nearby = Nearby { filters, runs, terms, days: Vec::new(), last: 0 };
    let mut order: Vec<(IdentityHash, Probe)> = Vec::with_capacity(batch.orders.len());
    let mut decided = Decided::default();
    for (entry, at) in in_turns(DECISIONS, batch.orders.iter().zip(0u32..)) {
        // Decoded before the line moved: the rules that refuse it now were not in force yet.
        if terms.is_dropped(entry.day) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            decided.unbooked.push((at, Disposition::Rejected(Reason::BeforeRetention)));
            continue;
        }
        let open = with_open.get(usize::from(entry.platform)).copied().unwrap_or(false);
        let previous = batch.extra(entry).and_then(|extra| extra.previous_accepted_at);
        let day = if previous.is_none() { nearby.number(entry.day) } else { None };
        // Where open orders are streamed, the other phase must be unheard of as well.
        let either_phase = open || entry.phase() == Phase::Open;
        let day = day.filter(|&day| !either_phase || nearby.is_new(day, sibling_hash(batch, entry)));
        order.push((entry.hash, Probe { at, day }));
    }
    // In ascending order of hashes memory is walked forward, here and in the filters.
    sort_by_hash(&mut order);
    let mut is_alone = vec![false; batch.orders.len()];
    let mut suspects: Vec<Vec<usize>> = Vec::new();
    for same in in_turns(DECISIONS, order.chunk_by(|a, b| a.0 == b.0)) {
        let positions = same.iter().map(|(_, probe)| usize::try_from(probe.at).unwrap_or(usize::MAX));
        let alone = match same {
            [(hash, Probe { at, day: Some(day) })] if nearby.is_new(*day, *hash) => Some(*at),
            _ => None,
        };
        match alone.and_then(|at| is_alone.get_mut(usize::try_from(at).ok()?)) {
            Some(alone) => *alone = true,
            None => suspects.push(positions.collect()),
        }
    }
    let alone = is_alone.iter().enumerate().filter(|(_, alone)| **alone).map(|(at, _)| at);
    decided.booked.reserve(order.len());
    decided.booked.extend(alone);
    look_closer(batch, runs, terms, suspects, &mut decided)?;
    note_riders_in_batch(batch, &mut decided);
    Ok(decided)
}

/// The hash of the other phase of an entry's order.
fn sibling_hash(batch: &Batch, entry: &OrderEntry) -> IdentityHash {
    let other = match entry.phase() {
        Phase::Open => Phase::Ended,
        Phase::Ended => Phase::Open,
    };
    IdentityHash::of(batch.platforms.name(entry.platform), batch.text(entry.order), entry.leg, other)
}

const fn reach(day: LocalDay, terms: DecideContext<'_>) -> (LocalDay, LocalDay) {
    (day.plus_days(-terms.identity_days), day.plus_days(terms.identity_days))
}

/// Looks up the suspects, all at once so that each block is read once, and decides them.
fn look_closer(
    batch: &Batch,
    runs: &DayRuns,
    terms: DecideContext<'_>,
    suspects: Vec<Vec<usize>>,
    decided: &mut Decided,
) -> LedgerResult<()> {
    let mut ranks: Vec<usize> = (0..batch.sources.len()).collect();
    ranks.sort_by_key(|&at| batch.sources.get(at).map(|span| &span.source));
    let rank_of = |entry: &OrderEntry| ranks.iter().position(|&at| at == usize::from(entry.source));
    let mut groups: Vec<Vec<usize>> =
        suspects.into_iter().flat_map(|same| by_identity(batch, same)).collect();
    for group in &mut groups {
        group.sort_by_key(|&at| batch.orders.get(at).map(|entry| (rank_of(entry), entry.ordinal)));
    }
    let wanted: Vec<Wanted<'_>> =
        in_turns(DECISIONS, &groups).filter_map(|group| wanted(batch, group, terms, false)).collect();
    let siblings: Vec<Wanted<'_>> =
        in_turns(DECISIONS, &groups).filter_map(|group| wanted_sibling(batch, group, terms)).collect();
    let stored = find(runs, &wanted)?;
    let other_phases = find(runs, &siblings)?;
    let found = wanted.iter().zip(stored).zip(siblings.iter().zip(other_phases));
    for (group, ((want, rows), (sibling, other))) in in_turns(DECISIONS, groups.iter().zip(found)) {
        let entries = group.iter().filter_map(|&at| batch.orders.get(at));
        let previous = entries.filter_map(|entry| batch.extra(entry)?.previous_accepted_at);
        let previous: Vec<LocalDay> = previous.map(|at| terms.zone.day(at)).collect();
        let history = follow_marks(runs, want, History::stored(rows), &previous, terms)?;
        let other = follow_marks(runs, sibling, History::stored(other), &[], terms)?;
        decide_group(batch, group, history, terms, decided);
        note_other_phase(batch, group, &other, terms, decided);
    }
    Ok(())
}

/// Equal hashes of different identities part here.
fn by_identity(batch: &Batch, same: Vec<usize>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in same {
        let known = groups.iter_mut().find(|group| {
            let first = group.first().and_then(|&first| batch.orders.get(first));
            first.zip(batch.orders.get(at)).is_some_and(|(a, b)| {
                a.platform == b.platform
                    && a.leg == b.leg
                    && a.phase() == b.phase()
                    && batch.text(a.order) == batch.text(b.order)
            })
        });
        match known {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

fn wanted<'a>(
    batch: &'a Batch,
    group: &[usize],
    terms: DecideContext<'_>,
    sibling: bool,
) -> Option<Wanted<'a>> {
    let entries = || group.iter().filter_map(|&at| batch.orders.get(at));
    let first = entries().next()?;
    let (from, to) = (entries().map(|e| e.day).min()?, entries().map(|e| e.day).max()?);
    let platform = batch.platforms.name(first.platform);
    let order_id = batch.text(first.order);
    let phase = match (first.phase(), sibling) {
        (Phase::Open, true) | (Phase::Ended, false) => Phase::Ended,
        (Phase::Ended, true) | (Phase::Open, false) => Phase::Open,
    };
    let previous = entries().filter_map(|e| batch.extra(e)?.previous_accepted_at);
    Some(Wanted {
        hash: IdentityHash::of(platform, order_id, first.leg, phase),
        order_id: OrderId::pack(order_id),
        platform,
        leg: first.leg,
        phase,
        days: (reach(from, terms).0, reach(to, terms).1),
        extras: previous.map(|at| terms.zone.day(at)).collect(),
    })
}

/// The other phase of a group's order; looked for where no day can be when its platform has no open orders.
fn wanted_sibling<'a>(batch: &'a Batch, group: &[usize], terms: DecideContext<'_>) -> Option<Wanted<'a>> {
    let mut sibling = wanted(batch, group, terms, true)?;
    if sibling.phase == Phase::Open && !terms.with_open.contains(sibling.platform) {
        sibling.days = (LocalDay(i32::MAX), LocalDay(i32::MAX));
        sibling.extras.clear();
    }
    Some(sibling)
}

/// Tombstones and events may lead to days that were not looked at.
fn follow_marks(
    runs: &DayRuns,
    want: &Wanted<'_>,
    mut history: History,
    previous: &[LocalDay],
    terms: DecideContext<'_>,
) -> LedgerResult<History> {
    let is_near = |day: &LocalDay| want.days.0 <= *day && *day <= want.days.1;
    let mut seen: BTreeSet<LocalDay> = want.extras.iter().copied().collect();
    loop {
        let mut leads = history.leads_outside(want.days, |at| terms.zone.day(at));
        // Events of one batch may each name another day at which the order lay before.
        leads.extend(previous.iter().filter(|day| !is_near(day)));
        let Some(&day) = leads.iter().find(|day| !seen.contains(day)) else { return Ok(history) };
        seen.insert(day);
        let there = Wanted { days: (day, day), extras: Vec::new(), ..want.clone() };
        let more = find(runs, &[there])?.pop().unwrap_or_default();
        history.extend(History::stored(more));
    }
}

fn decide_group(
    batch: &Batch,
    group: &[usize],
    mut history: History,
    terms: DecideContext<'_>,
    decided: &mut Decided,
) {
    for &at in group {
        let Some(entry) = batch.orders.get(at) else { continue };
        let previous = batch.extra(entry).and_then(|extra| extra.previous_accepted_at);
        let extras = previous.map(|instant| terms.zone.day(instant));
        let current = history.current(entry.day, terms.identity_days, extras).cloned();
        if terms.amends_dropped(current.as_ref(), previous) {
            decided.unbooked.push((at, Disposition::Rejected(Reason::BeforeRetention)));
            continue;
        }
        let disposition = current.as_ref().map_or(Disposition::Accepted, |current| {
            decide(current.revision, entry.revision, || match &current.step {
                Step::Stored(posting) => same_content(&batch.event(entry), posting),
                Step::Fresh(other) => {
                    batch.orders.get(*other).is_some_and(|other| batch.event(other) == batch.event(entry))
                }
                Step::Moved(_) => false,
            })
        });
        match (disposition, current) {
            (Disposition::Accepted, _) | (_, None) => decided.booked.push(at),
            (Disposition::Amended, Some(current)) => {
                decided.booked.push(at);
                decided.amended.push(at);
                replace(batch, at, &current, &mut history, decided);
            }
            (other, Some(current)) => {
                if other == Disposition::Conflict {
                    let kind = ConflictKind::of(&current, entry.day, batch.text(entry.rider));
                    decided.conflicts.insert(at, kind);
                }
                decided.unbooked.push((at, other));
                continue;
            }
        }
        fresh(batch, at).into_iter().for_each(|item| history.push(item));
    }
}

/// An event takes the place of the current version: its charge is taken back, and where it lies elsewhere a tombstone is left.
fn replace(batch: &Batch, at: usize, current: &Item, history: &mut History, decided: &mut Decided) {
    let Some(entry) = batch.orders.get(at) else { return };
    let (old, replaced) = match &current.step {
        Step::Stored(posting) => (Some(posting.as_ref().clone()), Replaced::Stored(posting.clone())),
        Step::Fresh(other) => (batch.orders.get(*other).map(|e| batch.posting(e)), Replaced::Fresh(*other)),
        Step::Moved(_) => return,
    };
    decided.replaced.push((at, replaced));
    let same_place = current.accepted_at == entry.accepted_at && current.rider_id == batch.text(entry.rider);
    if let Some(old) = old.filter(|_| !same_place) {
        decided.tombstones.push(Tombstone {
            replaced: old,
            revision: entry.revision,
            moved_to: entry.accepted_at,
        });
        history.push(Item {
            step: Step::Moved(entry.accepted_at),
            revision: entry.revision,
            commit: u64::MAX,
            ..current.clone()
        });
    }
}

/// What the stored other phase of the order says, for lateness and for riders that differ.
fn note_other_phase(
    batch: &Batch,
    group: &[usize],
    other: &History,
    terms: DecideContext<'_>,
    decided: &mut Decided,
) {
    for &at in group {
        let Some(entry) = batch.orders.get(at) else { continue };
        let stored = match other.current(entry.day, terms.identity_days, None).map(|item| &item.step) {
            Some(Step::Stored(posting)) => posting.as_ref().clone(),
            _ => continue,
        };
        let booked = decided.booked.iter().rev().take(group.len()).any(|&b| b == at);
        if booked && stored.rider_id != batch.text(entry.rider) {
            decided.other_rider.push(batch.platforms.name(entry.platform).to_owned());
        }
        decided.other_phase.insert(at, stored);
    }
}

/// Open orders whose ended event came in the same batch and names another rider.
fn note_riders_in_batch(batch: &Batch, decided: &mut Decided) {
    let booked = || decided.booked.iter().filter_map(|&at| Some((at, batch.orders.get(at)?)));
    let opens: HashMap<IdentityHash, &OrderEntry> = booked()
        .filter(|(_, entry)| entry.phase() == Phase::Open)
        .map(|(_, entry)| (sibling_hash(batch, entry), entry))
        .collect();
    if opens.is_empty() {
        return;
    }
    let ended =
        booked().filter(|(at, entry)| entry.phase() == Phase::Ended && !decided.other_phase.contains_key(at));
    let differing = ended.filter(|(_, entry)| {
        opens.get(&entry.hash).is_some_and(|open| {
            open.platform == entry.platform
                && open.leg == entry.leg
                && batch.text(open.order) == batch.text(entry.order)
                && batch.text(open.rider) != batch.text(entry.rider)
        })
    });
    let platforms: Vec<String> =
        differing.map(|(_, entry)| batch.platforms.name(entry.platform).to_owned()).collect();
    decided.other_rider.extend(platforms);
}
