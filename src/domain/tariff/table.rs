//! One kind of rules, compiled: a few lookups by number find the most specific rule that applies.

use super::names::{Names, UNNAMED};
use super::rule::{RegionPrefix, Scoped};
use crate::domain::order::Region;
use crate::domain::time::LocalDay;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// What is asked of a table, in numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) category: u16,
    pub(super) platform: u16,
    pub(super) region: Region,
    pub(super) day: LocalDay,
}

/// Which of the optional parts a rule has: tried from the most specific down, and only when some rule has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    platform: bool,
    region_digits: u8,
    category: bool,
}

/// The dates of one rule.
#[derive(Clone, Copy, Debug)]
struct Dated {
    from: Option<LocalDay>,
    until: Option<LocalDay>,
    rule: u16,
}

/// Rules of one kind by what they ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    shapes: Vec<Shape>,
    rules: FxHashMap<u64, Vec<Dated>>,
}

/// Category and platform are numbers from 1, 0 = not asked for; a region prefix fits into 23 bits.
fn packed(category: u16, platform: u16, region: Option<RegionPrefix>) -> u64 {
    (u64::from(category) << 48) | (u64::from(platform) << 32) | region.map_or(0, RegionPrefix::packed)
}

impl Table {
    pub(super) fn new(rules: &[impl Scoped], categories: &Names, platforms: &Names) -> Self {
        let mut table = Self::default();
        let mut shapes = BTreeSet::new();
        for (rule, number) in rules.iter().map(Scoped::scope).zip(0..) {
            let category = rule.category.as_deref().map_or(UNNAMED, |name| categories.number(name));
            let platform = rule.platform.as_deref().map_or(UNNAMED, |name| platforms.number(name));
            // The field order of a shape is the order of ranks.
            shapes.insert(Shape {
                platform: rule.platform.is_some(),
                region_digits: rule.region.map_or(0, RegionPrefix::digits),
                category: rule.category.is_some(),
            });
            let dated = Dated { from: rule.from, until: rule.until, rule: number };
            table.rules.entry(packed(category, platform, rule.region)).or_default().push(dated);
        }
        table.shapes = shapes.into_iter().rev().collect();
        table
    }

    /// The most specific rule that applies.
    pub(super) fn find(&self, point: Point) -> Option<u16> {
        self.shapes.iter().find_map(|shape| {
            let category = if shape.category { point.category } else { UNNAMED };
            let platform = if shape.platform { point.platform } else { UNNAMED };
            if (shape.category && category == UNNAMED) || (shape.platform && platform == UNNAMED) {
                return None;
            }
            let region =
                (shape.region_digits > 0).then(|| RegionPrefix::of(point.region, shape.region_digits));
            let dated = self.rules.get(&packed(category, platform, region))?;
            let in_force = |dated: &&Dated| {
                dated.from.is_none_or(|from| from <= point.day)
                    && dated.until.is_none_or(|until| point.day < until)
            };
            dated.iter().find(in_force).map(|dated| dated.rule)
        })
    }
}
