//! Which values count in which segment file: one state of it, immutable, so that readers never wait.
//!
//! Of a group (kind and run) it knows the files with values of it, and which numbers in them do not count any more.
//! Where each value lies is read from the file's pages when it is asked for.

use super::failure::Failure;
use super::pages::{Pages, Segment};
use super::segment::Sealed;
use super::table::{Entry, Group, Place};
use imbl::{OrdMap, OrdSet};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Live {
    values: u64,
    bytes: u64,
}

impl Live {
    fn add(&mut self, other: Self) {
        self.values = self.values.saturating_add(other.values);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn subtract(&mut self, other: Self) {
        self.values = self.values.saturating_sub(other.values);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// The values of a group in one file.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) segment: Arc<Segment>,
    entry: Entry,
    /// Numbers that do not count: deleted one by one, or held by a later file. Mostly none: groups die as a whole.
    gone: OrdSet<u32>,
    live: Live,
}

impl Layer {
    fn whole(segment: &Arc<Segment>, entry: Entry) -> Self {
        let live = Live { values: u64::from(entry.count), bytes: entry.bytes };
        Self { segment: Arc::clone(segment), entry, gone: OrdSet::new(), live }
    }

    fn find(&self, pages: &Pages, number: u32) -> Result<Option<Place>, Failure> {
        if self.gone.contains(&number) {
            return Ok(None);
        }
        pages.find(&self.segment, &self.entry, number)
    }

    /// Its values that count, in the order of their numbers.
    pub(super) fn places(&self, pages: &Pages) -> Result<Vec<Place>, Failure> {
        let mut places = Vec::new();
        pages.visit(&self.segment, &self.entry, |place| {
            if self.gone.is_empty() || !self.gone.contains(&place.number) {
                places.push(place);
            }
        })?;
        Ok(places)
    }

    /// They count no more; returns what counted.
    fn mask(&mut self, places: &[Place]) -> Live {
        let mut dead = Live::default();
        for place in places {
            if self.gone.insert(place.number).is_none() {
                dead.add(Live { values: 1, bytes: u64::from(place.length) });
            }
        }
        self.live.subtract(dead);
        dead
    }
}

/// A file, and what of it counts.
#[derive(Clone, Debug)]
struct Held {
    segment: Arc<Segment>,
    live: Live,
}

/// Every live value of every segment file.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    /// No number counts in two layers of a group.
    groups: OrdMap<Group, Arc<[Layer]>>,
    segments: OrdMap<u64, Held>,
}

impl Catalog {
    /// Where a value lies.
    pub(super) fn find(
        &self,
        pages: &Pages,
        group: Group,
        number: u32,
    ) -> Result<Option<(&Arc<Segment>, Place)>, Failure> {
        for layer in self.layers_of(group) {
            if let Some(place) = layer.find(pages, number)? {
                return Ok(Some((&layer.segment, place)));
            }
        }
        Ok(None)
    }

    /// Every group from `from` on, with the files with values of it.
    pub(super) fn layers_from(&self, from: Group) -> impl Iterator<Item = (Group, &[Layer])> {
        self.groups.range(from..).map(|(&group, layers)| (group, &**layers))
    }

    fn layers_of(&self, group: Group) -> &[Layer] {
        self.groups.get(&group).map_or(&[], |layers| layers)
    }

    /// Values of a group.
    pub(super) fn count(&self, group: Group) -> u64 {
        self.layers_of(group).iter().map(|layer| layer.live.values).sum()
    }

    /// Whether a group is known to contain the values from 0 up to `count`, and no others, without reading.
    pub(super) fn is_whole(&self, group: Group, count: u32) -> bool {
        match self.layers_of(group) {
            [layer] => layer.gone.is_empty() && layer.entry.is_whole(count),
            _ => false,
        }
    }

    /// Numbers of a group's values, ascending.
    pub(super) fn numbers(&self, pages: &Pages, group: Group) -> Result<Vec<u32>, Failure> {
        let mut numbers = Vec::new();
        for layer in self.layers_of(group) {
            numbers.extend(layer.places(pages)?.iter().map(|place| place.number));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Whether any value of a file counts.
    pub(super) fn knows(&self, segment: &Segment) -> bool {
        self.segments.contains_key(&segment.number)
    }

    /// Every file.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.values().map(|held| &held.segment)
    }

    /// Every file with the bytes of its values that count.
    pub(super) fn live_bytes(&self) -> impl Iterator<Item = (&Arc<Segment>, u64)> {
        self.segments.values().map(|held| (&held.segment, held.live.bytes))
    }

    /// Takes a sealed file in. Its values replace those of the same keys in files before it.
    pub(super) fn add(&mut self, pages: &Pages, path: PathBuf, sealed: Sealed) -> Result<(), Failure> {
        let segment = self.enter(path, &sealed);
        for entry in sealed.entries {
            let new = Layer::whole(&segment, entry);
            let mut layers = self.layers_of(entry.group).to_vec();
            for old in &mut layers {
                // Only what a crash left of a rewriting lies in two files.
                if old.entry.numbers.0 <= entry.numbers.1 && entry.numbers.0 <= old.entry.numbers.1 {
                    let mut again = Vec::new();
                    for place in old.places(pages)? {
                        if new.find(pages, place.number)?.is_some() {
                            again.push(place);
                        }
                    }
                    let dead = old.mask(&again);
                    self.subtract(&old.segment, dead);
                }
            }
            layers.push(new);
            self.put(entry.group, layers, &segment);
        }
        Ok(())
    }

    /// Takes in a file to which the values of the files `moved` were copied: those that were deleted meanwhile stay so, and
    /// of these files nothing counts any more.
    pub(super) fn add_moved(
        &mut self,
        pages: &Pages,
        path: PathBuf,
        sealed: Sealed,
        moved: &BTreeSet<u64>,
    ) -> Result<(), Failure> {
        let segment = self.enter(path, &sealed);
        for entry in sealed.entries {
            let is_moved = |layer: &Layer| moved.contains(&layer.segment.number);
            let (old, mut layers): (Vec<Layer>, Vec<Layer>) =
                self.layers_of(entry.group).iter().cloned().partition(is_moved);
            let mut new = Layer::whole(&segment, entry);
            // Nothing comes to a sealed file: as many as were copied are those that were copied.
            if old.iter().map(|layer| layer.live.values).sum::<u64>() != new.live.values {
                let mut deleted = Vec::new();
                for place in new.places(pages)? {
                    let mut counts = false;
                    for layer in &old {
                        counts |= layer.find(pages, place.number)?.is_some();
                    }
                    if !counts {
                        deleted.push(place);
                    }
                }
                new.mask(&deleted);
            }
            for layer in &old {
                self.subtract(&layer.segment, layer.live);
            }
            layers.push(new);
            self.put(entry.group, layers, &segment);
        }
        Ok(())
    }

    fn enter(&mut self, path: PathBuf, sealed: &Sealed) -> Arc<Segment> {
        let segment = Arc::new(Segment::new(path, sealed));
        let held = Held { segment: Arc::clone(&segment), live: Live::default() };
        self.segments.insert(segment.number, held);
        segment
    }

    /// The layers of a group, of which those in the file `new` were not counted yet.
    fn put(&mut self, group: Group, mut layers: Vec<Layer>, new: &Arc<Segment>) {
        layers.retain(|layer| layer.live.values > 0);
        let live = layers.iter().filter(|layer| layer.segment.number == new.number);
        let live: Vec<Live> = live.map(|layer| layer.live).collect();
        if let Some(held) = self.segments.get_mut(&new.number) {
            live.into_iter().for_each(|live| held.live.add(live));
        }
        self.set(group, layers);
    }

    fn set(&mut self, group: Group, layers: Vec<Layer>) {
        if layers.is_empty() {
            self.groups.remove(&group);
        } else {
            self.groups.insert(group, layers.into());
        }
    }

    fn subtract(&mut self, segment: &Segment, dead: Live) {
        if let Some(held) = self.segments.get_mut(&segment.number) {
            held.live.subtract(dead);
        }
    }

    /// Removes values of a group.
    pub(super) fn remove(&mut self, pages: &Pages, group: Group, numbers: &[u32]) -> Result<(), Failure> {
        let mut layers = self.layers_of(group).to_vec();
        for layer in &mut layers {
            let mut dead = Vec::new();
            for &number in numbers {
                dead.extend(layer.find(pages, number)?);
            }
            let dead = layer.mask(&dead);
            self.subtract(&layer.segment, dead);
        }
        layers.retain(|layer| layer.live.values > 0);
        self.set(group, layers);
        Ok(())
    }

    /// Removes all values of a group; returns how many.
    pub(super) fn remove_group(&mut self, group: Group) -> u64 {
        let count = self.count(group);
        if let Some(layers) = self.groups.remove(&group) {
            layers.iter().for_each(|layer| self.subtract(&layer.segment, layer.live));
        }
        count
    }

    /// Removes the files without a live value from the catalog, and returns them.
    pub(super) fn take_dead(&mut self) -> Vec<Arc<Segment>> {
        let dead = self.segments.values().filter(|held| held.live.values == 0);
        let dead: Vec<_> = dead.map(|held| Arc::clone(&held.segment)).collect();
        dead.iter().for_each(|segment| {
            self.segments.remove(&segment.number);
        });
        dead
    }
}
