//! Which value lies in which segment file: one state of it, immutable, so that readers wait for nobody.

use super::segment::Sealed;
use super::table::{Group, Place};
use arc_swap::ArcSwapOption;
use imbl::OrdMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value in a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) segment: u64,
    pub(super) place: Place,
}

/// A sealed file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Bytes of values that are not deleted.
    live_bytes: AtomicU64,
    live_values: AtomicU64,
    handle: ArcSwapOption<File>,
}

impl Segment {
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.live_values.load(Ordering::Relaxed) == 0
    }

    /// Only whoever changes the catalog counts.
    fn count_dead(&self, place: &Place) {
        self.live_bytes.fetch_sub(u64::from(place.length), Ordering::Relaxed);
        self.live_values.fetch_sub(1, Ordering::Relaxed);
    }

    /// The open file; `true` when it was opened now.
    pub(super) fn file(&self) -> io::Result<(Arc<File>, bool)> {
        if let Some(file) = self.handle.load_full() {
            return Ok((file, false));
        }
        let file = Arc::new(File::open(&self.path)?);
        self.handle.store(Some(Arc::clone(&file)));
        Ok((file, true))
    }

    /// Whoever reads it still does so; the next one opens it again.
    pub(super) fn close(&self) {
        self.handle.store(None);
    }
}

/// Every live value of every segment file.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    groups: OrdMap<Group, Arc<[Part]>>,
    pub(super) segments: OrdMap<u64, Arc<Segment>>,
}

impl Catalog {
    pub(super) fn find(&self, group: Group, number: u32) -> Option<Part> {
        let parts = self.groups.get(&group)?;
        let at = parts.binary_search_by_key(&number, |part| part.place.number).ok()?;
        parts.get(at).copied()
    }

    /// Every value from `from` on, in the order of keys.
    pub(super) fn parts_from(&self, from: Group) -> impl Iterator<Item = (Group, Part)> {
        self.groups.range(from..).flat_map(|(&group, parts)| parts.iter().map(move |&part| (group, part)))
    }

    /// Every group.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group> {
        self.groups.keys().copied()
    }

    /// Numbers of a group's values.
    pub(super) fn numbers(&self, group: Group) -> Vec<u32> {
        self.groups.get(&group).map_or_else(Vec::new, |p| p.iter().map(|part| part.place.number).collect())
    }

    /// Takes a sealed file in. Its values stand for those of the same keys in files before it.
    pub(super) fn add(&mut self, path: PathBuf, sealed: Sealed) {
        let Sealed { number: segment, bytes, table } = sealed;
        let places = || table.iter().flat_map(|(_, places)| places);
        let new = Segment {
            number: segment,
            path,
            bytes,
            live_bytes: AtomicU64::new(places().map(|place| u64::from(place.length)).sum()),
            live_values: AtomicU64::new(places().map(|_| 1_u64).sum()),
            handle: ArcSwapOption::empty(),
        };
        self.segments.insert(segment, Arc::new(new));
        for (group, places) in table {
            let parts: Vec<Part> = places.into_iter().map(|place| Part { segment, place }).collect();
            let parts = match self.groups.get(&group) {
                Some(before) => self.replaced(before, parts),
                None => parts,
            };
            self.groups.insert(group, parts.into());
        }
    }

    /// Takes in a file into which values were copied as they lay in `from`: those that were deleted meanwhile stay so.
    pub(super) fn add_moved(&mut self, path: PathBuf, mut sealed: Sealed, from: &Self) {
        for (group, places) in &mut sealed.table {
            places.retain(|place| {
                let now = self.find(*group, place.number);
                now.is_some() && now == from.find(*group, place.number)
            });
        }
        sealed.table.retain(|(_, places)| !places.is_empty());
        self.add(path, sealed);
    }

    /// `before` and `after` as one, `after` where both have a number.
    fn replaced(&self, before: &[Part], after: Vec<Part>) -> Vec<Part> {
        let stays = |part: &&Part| {
            let again = after.binary_search_by_key(&part.place.number, |part| part.place.number).is_ok();
            if again {
                self.count_dead(part);
            }
            !again
        };
        let mut parts: Vec<Part> = before.iter().filter(stays).copied().collect();
        parts.extend(after);
        parts.sort_by_key(|part| part.place.number);
        parts
    }

    fn count_dead(&self, part: &Part) {
        if let Some(segment) = self.segments.get(&part.segment) {
            segment.count_dead(&part.place);
        }
    }

    /// Removes values; the numbers of a group come together.
    pub(super) fn remove(&mut self, keys: impl IntoIterator<Item = (Group, u32)>) {
        let mut keys = keys.into_iter().peekable();
        while let Some((group, number)) = keys.next() {
            let mut gone = vec![number];
            while let Some((_, number)) = keys.next_if(|(next, _)| *next == group) {
                gone.push(number);
            }
            gone.sort_unstable();
            let Some(parts) = self.groups.get(&group) else { continue };
            let stays = |part: &&Part| {
                let dies = gone.binary_search(&part.place.number).is_ok();
                if dies {
                    self.count_dead(part);
                }
                !dies
            };
            let left: Vec<Part> = parts.iter().filter(stays).copied().collect();
            if left.is_empty() {
                self.groups.remove(&group);
            } else {
                self.groups.insert(group, left.into());
            }
        }
    }

    /// Removes the files without a live value from the catalog, and returns them.
    pub(super) fn take_dead(&mut self) -> Vec<Arc<Segment>> {
        let dead: Vec<_> = self.segments.values().filter(|segment| segment.is_dead()).cloned().collect();
        dead.iter().for_each(|segment| {
            self.segments.remove(&segment.number);
        });
        dead
    }
}
