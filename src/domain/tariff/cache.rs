//! The memory of prices: what the tariff says depends on few things, and orders repeat them.

use super::table::MixHash;
use super::{PriceQuery, Tariff};
use crate::domain::order::{Outcome, Region};
use crate::domain::posting::{ConfigNo, Pricing};
use crate::domain::time::LocalDay;
use std::collections::HashMap;

/// Prices kept at most. Real tariffs need some thousands; the bound is for hostile ones.
const ENTRIES_MAX: usize = 1 << 17;

/// Prices already asked for, by the caller's numbers for platform and category.
///
/// The numbers must name the same platform and category for as long as the cache lives. One cache serves one thread.
#[derive(Clone, Debug, Default)]
pub struct RatingCache {
    /// The tariff that the entries come from.
    source: Option<(ConfigNo, u64)>,
    /// Places in `prices`: small entries, so that many stay close to the processor.
    entries: HashMap<u64, u32, MixHash>,
    prices: Vec<Pricing>,
    numbers: HashMap<Pricing, u32>,
    /// The key asked for last, and its place in `prices`.
    last: Option<(u64, usize)>,
    last_day: Option<(LocalDay, u64)>,
}

const fn outcome_number(outcome: Option<Outcome>) -> u64 {
    match outcome {
        None => 0,
        Some(Outcome::Completed) => 1,
        Some(Outcome::Cancelled) => 2,
        Some(Outcome::Interrupted) => 3,
        Some(Outcome::Transferred) => 4,
        Some(Outcome::Void) => 5,
    }
}

impl RatingCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same as [`Tariff::price`], mostly from memory. Another tariff than the last time empties the memory.
    pub fn price(
        &mut self,
        tariff: &Tariff,
        (platform_no, platform): (u16, &str),
        (category_no, category): (u16, &str),
        region: Region,
        day: LocalDay,
        outcome: Option<Outcome>,
    ) -> Pricing {
        if self.source != Some(tariff.stamp()) {
            *self = Self { source: Some(tariff.stamp()), ..Self::default() };
        }
        let epoch = self.epoch(tariff, day);
        // 16 bits each for platform and category, 15 for the class of regions, 3 for the outcome, 14 for the epoch.
        let key = (u64::from(platform_no) << 48)
            | (u64::from(category_no) << 32)
            | (u64::from(tariff.regions.number(region)) << 17)
            | (outcome_number(outcome) << 14)
            | epoch;
        let place = match self.last {
            Some((last, place)) if last == key => Some(place),
            _ => self.entries.get(&key).and_then(|&place| usize::try_from(place).ok()),
        };
        if let Some(place) = place
            && let Some(&known) = self.prices.get(place)
        {
            self.last = Some((key, place));
            return known;
        }
        let pricing = tariff.price(&PriceQuery { platform, category, region, day, outcome });
        if epoch != EPOCH_NONE {
            self.remember(key, pricing);
        }
        pricing
    }

    fn remember(&mut self, key: u64, pricing: Pricing) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
            self.prices.clear();
            self.numbers.clear();
            self.last = None;
        }
        let next = u32::try_from(self.prices.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(pricing).or_insert(next);
        if number == next {
            self.prices.push(pricing);
        }
        self.entries.insert(key, number);
    }

    fn epoch(&mut self, tariff: &Tariff, day: LocalDay) -> u64 {
        match self.last_day {
            Some((last, epoch)) if last == day => epoch,
            _ => {
                let number = u64::try_from(tariff.epochs.number(day)).unwrap_or(EPOCH_NONE);
                let epoch = number.min(EPOCH_NONE);
                self.last_day = Some((day, epoch));
                epoch
            }
        }
    }
}

/// Epochs from this number on (a tariff with sixteen thousand dates) are priced without memory.
const EPOCH_NONE: u64 = (1 << 14) - 1;
