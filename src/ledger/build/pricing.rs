//! Prices orders: every distinct combination of platform, category, region, day and outcome is priced once and
//! remembered, and the orders of each are counted, so that totals cost one addition an order.

use crate::domain::charge::ChargeSource;
use crate::domain::order::{Outcome as OrderOutcome, Phase, Region};
use crate::domain::posting::{Posting, Pricing};
use crate::domain::tariff::{PriceQuery, Tariff};
use crate::domain::time::LocalDay;
use crate::domain::totals::Total;
use crate::ledger::batch::{Batch, OrderEntry};
use crate::ledger::error::LedgerError;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::row::{DictionaryEntry, RowKind};
use crate::ledger::run::totals::{DayTotals, line_of, scaled, sum, total_of};
use crate::ledger::run::writer::Dictionary;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Combinations that are remembered, places of the grid included; beyond it all are forgotten and met again.
const SLOTS_MAX: usize = 4 << 20;

/// What an order's slot depends on besides its region: platform, category, leg and outcome in one number, and the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Combination(u64, i32);

/// One remembered combination.
#[derive(Debug)]
struct Slot {
    day: LocalDay,
    /// Position of its platform and category in [`PriceBook::groups`].
    group: u32,
    region: Region,
    unit: Total,
}

/// What every order touches of its combination, kept apart so that it stays in the caches.
#[derive(Clone, Copy, Debug)]
struct Tally {
    code: u32,
    /// Net orders of the commit under way.
    count: i64,
}

/// The memory of prices of one batch's numbering.
#[derive(Debug, Default)]
pub struct PriceBook {
    slots: Vec<Slot>,
    /// As many as slots.
    tallies: Vec<Tally>,
    /// The row of the grid of each combination: dozens, met again and again.
    rows: FxHashMap<Combination, u32>,
    /// For each row the slot of each region, by the region's number: 0 = not met yet, else the slot plus one.
    grid: Vec<Vec<u32>>,
    /// The number of each region code, plus one: some thousands are in use, which the nearest caches hold.
    regions: Vec<u32>,
    regions_met: u32,
    /// Numbers of names that hold across batches, and what the batch's own numbers denote.
    names: HashMap<String, u64>,
    platforms: Vec<u64>,
    categories: Vec<u64>,
    /// Platform and category of slots, and their positions.
    groups: Vec<(String, String)>,
    group_numbers: HashMap<(u64, u64), u32>,
    touched: Vec<u32>,
}

impl PriceBook {
    /// Prepares for a batch, whose numbers of names are its own.
    pub fn prepare(&mut self, batch: &Batch) {
        let places = self.grid.len().saturating_mul(usize_of(self.regions_met));
        if places > SLOTS_MAX || self.names.len() > SLOTS_MAX {
            self.forget();
        }
        let mut number = |name: &String| {
            let next = u64::try_from(self.names.len()).unwrap_or(u64::MAX);
            *self.names.entry(name.clone()).or_insert(next)
        };
        self.platforms = batch.platforms.all().iter().map(&mut number).collect();
        self.categories = batch.categories.all().iter().map(&mut number).collect();
    }

    /// Forgets every price: the tariff changed.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The slot of an order.
    pub fn slot(
        &mut self,
        batch: &Batch,
        entry: &OrderEntry,
        tariff: &Tariff,
        dictionary: &mut Dictionary,
    ) -> usize {
        let outcome = entry.outcome.map_or(7, |outcome| outcome as u64);
        let name = |names: &[u64], number: u16| names.get(usize::from(number)).copied().unwrap_or(0);
        let combination = Combination(
            (name(&self.platforms, entry.platform) << 38)
                | (name(&self.categories, entry.category) << 16)
                | (u64::from(entry.leg) << 8)
                | outcome,
            entry.day.0,
        );
        let code = usize_of(entry.region.code());
        if let Some(&row) = self.rows.get(&combination)
            && let Some(&region @ 1..) = self.regions.get(code)
            && let Some(&slot @ 1..) = self.grid.get(usize_of(row)).and_then(|row| row.get(usize_of(region)))
        {
            return usize_of(slot - 1);
        }
        self.learn(batch, entry, combination, tariff, dictionary)
    }

    /// Prices a combination that was not met yet.
    #[cold]
    fn learn(
        &mut self,
        batch: &Batch,
        entry: &OrderEntry,
        combination: Combination,
        tariff: &Tariff,
        dictionary: &mut Dictionary,
    ) -> usize {
        let name = |names: &[u64], number: u16| names.get(usize::from(number)).copied().unwrap_or(0);
        let (platform, category) =
            (batch.platforms.name(entry.platform), batch.categories.name(entry.category));
        let query =
            PriceQuery { platform, category, region: entry.region, day: entry.day, outcome: entry.outcome };
        let Pricing { charge, cover } = tariff.price(&query);
        let shared = DictionaryEntry {
            kind: RowKind::Version,
            platform: platform.into(),
            category: category.into(),
            leg: entry.leg,
            phase: entry.phase(),
            outcome: entry.outcome,
            cover,
            charge,
        };
        let names = (name(&self.platforms, entry.platform), name(&self.categories, entry.category));
        let group = *self.group_numbers.entry(names).or_insert_with(|| {
            self.groups.push((platform.to_owned(), category.to_owned()));
            u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
        });
        let unit = total_of(&charge, entry.outcome);
        let slot = Slot { day: entry.day, group, region: entry.region, unit };
        let number = self.slots.len();
        self.slots.push(slot);
        self.tallies.push(Tally { code: dictionary.number(&Arc::new(shared)), count: 0 });
        self.place(combination, entry.region, number);
        number
    }

    /// Puts a slot into the grid.
    fn place(&mut self, combination: Combination, region: Region, slot: usize) {
        let code = usize_of(region.code());
        if self.regions.len() <= code {
            self.regions.resize(code + 1, 0);
        }
        let Some(number) = self.regions.get_mut(code) else { return };
        if *number == 0 {
            self.regions_met += 1;
            *number = self.regions_met;
        }
        let number = usize_of(*number);
        let next = u32::try_from(self.grid.len()).unwrap_or(u32::MAX);
        let row = *self.rows.entry(combination).or_insert(next);
        if row == next {
            self.grid.push(Vec::new());
        }
        let Some(row) = self.grid.get_mut(usize_of(row)) else { return };
        if row.len() <= number {
            row.resize(number + 1, 0);
        }
        if let Some(place) = row.get_mut(number) {
            *place = u32::try_from(slot + 1).unwrap_or(u32::MAX);
        }
    }

    /// Counts an order (or takes one back).
    pub fn count(&mut self, slot: usize, orders: i64) {
        if let Some(tally) = self.tallies.get_mut(slot) {
            if tally.count == 0 {
                self.touched.push(u32::try_from(slot).unwrap_or(u32::MAX));
            }
            tally.count += orders;
        }
    }

    /// Number of a slot in the dictionary.
    pub fn code(&self, slot: usize) -> u32 {
        self.tallies.get(slot).map_or(0, |tally| tally.code)
    }

    /// Adds what was counted to the totals of its days, and starts again from zero.
    pub fn drain(&mut self, totals: &mut BTreeMap<LocalDay, DayTotals>) -> LedgerResult<()> {
        let mut changes: Vec<(LocalDay, u32, Region, u32)> = Vec::with_capacity(self.touched.len());
        for number in std::mem::take(&mut self.touched) {
            let slot = self.slots.get(usize_of(number));
            changes.extend(slot.map(|slot| (slot.day, slot.group, slot.region, number)));
        }
        changes.sort_unstable();
        // Platform and category by platform and category: each list of regions is merged once.
        let mut lines: Vec<(Region, Total)> = Vec::new();
        for same in changes.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let Some(&(day, group, ..)) = same.first() else { continue };
            let Some((platform, category)) = self.groups.get(usize_of(group)) else { continue };
            lines.clear();
            let overflow = || LedgerError::Overflow(format!("{platform} {day}"));
            for &(_, _, region, number) in same {
                let number = usize_of(number);
                let (Some(slot), Some(tally)) = (self.slots.get(number), self.tallies.get_mut(number)) else {
                    continue;
                };
                let change = scaled(&slot.unit, std::mem::take(&mut tally.count)).ok_or_else(overflow)?;
                match lines.last_mut() {
                    Some((last, total)) if *last == region => {
                        *total = sum(total, &change).ok_or_else(overflow)?;
                    }
                    _ => lines.push((region, change)),
                }
            }
            totals.entry(day).or_default().add_lines(platform, (category, ChargeSource::Order), &lines)?;
        }
        Ok(())
    }
}

/// Takes a stored version's charge back.
pub fn take_back(
    posting: &Posting,
    day: LocalDay,
    totals: &mut BTreeMap<LocalDay, DayTotals>,
) -> LedgerResult<()> {
    let (key, unit) = line_of(posting);
    let change = scaled(&unit, -1).ok_or_else(|| LedgerError::Overflow(posting.platform.clone()))?;
    totals.entry(day).or_default().add(&key, &change)
}

/// Prices a stored version anew.
pub fn price_posting(posting: &Posting, day: LocalDay, tariff: &Tariff) -> Pricing {
    let outcome: Option<OrderOutcome> = posting.outcome.filter(|_| posting.phase == Phase::Ended);
    let region: Region = posting.region;
    tariff.price(&PriceQuery {
        platform: &posting.platform,
        category: &posting.category,
        region,
        day,
        outcome,
    })
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
