//! Numbers for what the rules distinguish: names, stretches of dates, and classes of regions that no rule tells apart.

use super::rule::{RegionPrefix, Scope};
use crate::domain::order::Region;
use crate::domain::time::LocalDay;
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, HashMap};

/// The number of a name that no rule mentions.
pub(super) const UNNAMED: u16 = 0;

/// Platforms or categories that rules name, numbered from 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashMap<String, u16>);

impl Names {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let sorted: BTreeSet<&str> = names.collect();
        Self(sorted.into_iter().zip(1..).map(|(name, number)| (name.to_owned(), number)).collect())
    }

    pub(super) fn number(&self, name: &str) -> u16 {
        self.0.get(name).copied().unwrap_or(UNNAMED)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn all(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Stretches of dates in which no rule begins or ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs(Vec<LocalDay>);

impl Epochs {
    pub(super) fn new<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let bounds: BTreeSet<LocalDay> =
            scopes.flat_map(|scope| [scope.from, scope.until]).flatten().collect();
        Self(bounds.into_iter().collect())
    }

    /// One day of every epoch.
    pub(super) fn days(&self) -> impl Iterator<Item = LocalDay> {
        let before = self.0.first().map_or(LocalDay(0), |first| first.plus_days(-1));
        std::iter::once(before).chain(self.0.iter().copied())
    }
}

/// Set on a four-digit entry when rules name counties below it.
const HAS_COUNTIES: u16 = 1 << 15;
/// Four-digit prefixes.
const PREFECTURES: usize = 10_000;

/// Regions that no rule tells apart share a class: the longest prefix that any rule names, or none.
#[derive(Clone, Debug, Default)]
pub(super) struct RegionClasses {
    /// Class of each four-digit prefix; empty when no rule names a region.
    prefectures: Vec<u16>,
    counties: FxHashMap<u32, u16>,
    prefixes: Vec<RegionPrefix>,
}

impl RegionClasses {
    pub(super) fn new<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let mut prefixes: Vec<_> =
            scopes.filter_map(|scope| scope.region).collect::<BTreeSet<_>>().into_iter().collect();
        prefixes.sort_by_key(|prefix| prefix.digits());
        let mut classes = Self { prefixes, ..Self::default() };
        if classes.prefixes.is_empty() {
            return classes;
        }
        classes.prefectures = vec![0; PREFECTURES];
        // Shorter prefixes first, so that longer ones overwrite them.
        for (prefix, class) in classes.prefixes.iter().zip(1..) {
            let first = prefix.first_region_code();
            let prefecture = usize::try_from(first / 100).unwrap_or(PREFECTURES);
            let wide = if prefix.digits() == 2 { 100 } else { 1 };
            let range = classes.prefectures.get_mut(prefecture..prefecture + wide).unwrap_or_default();
            if prefix.digits() == 6 {
                classes.counties.insert(first, class);
                range.iter_mut().for_each(|entry| *entry |= HAS_COUNTIES);
            } else {
                range.fill(class);
            }
        }
        classes
    }

    /// How many classes can be told apart from the rest: they must stay below the flag bit.
    pub(super) const fn len_max() -> usize {
        (HAS_COUNTIES - 1) as usize
    }

    pub(super) fn number(&self, region: Region) -> u16 {
        let prefecture = usize::try_from(region.code() / 100).unwrap_or(PREFECTURES);
        let Some(&entry) = self.prefectures.get(prefecture) else { return 0 };
        let class = entry & !HAS_COUNTIES;
        if entry == class {
            return class;
        }
        self.counties.get(&region.code()).copied().unwrap_or(class)
    }

    /// A region of each class, and one that no rule names (a class that longer prefixes cover whole has none).
    pub(super) fn samples(&self) -> Vec<Region> {
        let mut samples: Vec<Region> = Vec::new();
        for class in 0..=self.prefixes.len() {
            let prefix = class.checked_sub(1).and_then(|index| self.prefixes.get(index));
            let first = prefix.map_or(0, |prefix| prefix.first_region_code());
            let wide = match prefix.map(|prefix| prefix.digits()) {
                None => 1_000_000,
                Some(2) => 10_000,
                Some(4) => 100,
                Some(_) => 1,
            };
            let mut regions = (first..first + wide).filter_map(Region::from_code);
            samples.extend(regions.find(|&region| usize::from(self.number(region)) == class));
        }
        samples
    }
}
