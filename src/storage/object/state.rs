//! The state that a chain of slots leads to: entries, and which values count. Immutable maps: a copy shares what is the same, so
//! readers keep theirs while the writer goes on.

use super::entry_pages::EntryPage;
use super::name::{Nonce, SegmentName};
use super::places::{Entry, Group};
use super::slot::{Hash, Kind, Slot, hash};
use super::table::TableChange;
use crate::storage::bytes::CodecError;
use crate::storage::key::ValueKey;
use crate::storage::root::{Change, Version};
use imbl::OrdMap;
use std::ops::Range;
use std::sync::Arc;
use thiserror::Error;

pub(super) type Bytes = Arc<[u8]>;

/// The newest slot that a state knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) slot: u64,
    pub(super) hash: Hash,
    pub(super) epoch: u64,
    pub(super) nonce: Nonce,
    pub(super) kind: Kind,
}

impl Default for Head {
    fn default() -> Self {
        Self { slot: 0, hash: [0; 32], epoch: 0, nonce: Nonce::default(), kind: Kind::Release }
    }
}

/// Values of a group in one place. No number is in two layers that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Segment(SegmentName, Entry),
    Inline(OrdMap<u32, Bytes>),
}

impl Layer {
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Segment(_, entry) => u64::from(entry.count),
            Self::Inline(values) => u64::try_from(values.len()).unwrap_or(u64::MAX),
        }
    }
}

/// A segment with values that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) bytes: u64,
    /// Groups with values in it, and pages of entries.
    pub(super) groups: u64,
}

/// A segment without values that count. States before `slot` still need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) slot: u64,
    pub(super) bytes: u64,
}

/// Why a slot cannot be the next one.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    #[error("{0}")]
    Damaged(#[from] CodecError),
    #[error("{0}")]
    Chain(&'static str),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) version: Version,
    /// Entries that may change.
    pub(super) entries: OrdMap<Bytes, Bytes>,
    /// Entries that were appended of late.
    pub(super) appended: OrdMap<Bytes, Bytes>,
    /// Pages of the store with all that was appended before, by the first key of each.
    pub(super) pages: OrdMap<Bytes, EntryPage>,
    /// The newest layer of a group comes last.
    pub(super) groups: OrdMap<Group, Arc<[Layer]>>,
    pub(super) segments: OrdMap<SegmentName, Held>,
    pub(super) dead: OrdMap<SegmentName, Dead>,
}

impl State {
    /// Whether nothing was ever written.
    pub(super) fn is_empty(&self) -> bool {
        self.version == Version::NONE
            && self.entries.is_empty()
            && self.groups.is_empty()
            && self.pages.is_empty()
    }

    /// Continues with the next slot, as it is stored.
    pub(super) fn follow(&mut self, stored: &[u8]) -> Result<Slot, Broken> {
        let slot = Slot::decode(stored)?;
        self.check(&slot).map_err(Broken::Chain)?;
        self.head = Head {
            slot: slot.number,
            hash: hash(stored),
            epoch: slot.epoch,
            nonce: slot.nonce,
            kind: slot.kind,
        };
        self.version = slot.version;
        self.change_entries(&slot.entries);
        for change in &slot.table {
            self.change_table(change, slot.number);
        }
        let is_gone = |dead: &Dead| dead.slot < slot.collected;
        let gone: Vec<_> =
            self.dead.iter().filter(|(_, dead)| is_gone(dead)).map(|(name, _)| *name).collect();
        for name in &gone {
            self.dead.remove(name);
        }
        Ok(slot)
    }

    fn check(&self, slot: &Slot) -> Result<(), &'static str> {
        let Head { slot: number, hash, epoch, nonce, .. } = self.head;
        if slot.number != number + 1 {
            return Err("it has the number of another slot");
        }
        if slot.previous != hash {
            return Err("it does not name the slot before it");
        }
        let is_claim = slot.kind == Kind::Claim;
        if is_claim != (slot.epoch == epoch + 1) || !is_claim && (slot.epoch, slot.nonce) != (epoch, nonce) {
            return Err("its writer did not take over by it, nor before it");
        }
        let follows = match slot.kind {
            Kind::Commit => slot.version.follows(&self.version),
            Kind::Claim | Kind::Heartbeat | Kind::Release => slot.version == self.version,
        };
        if follows { Ok(()) } else { Err("its version does not follow the one before it") }
    }

    pub(super) fn change_entries(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    self.entries.insert(key.as_slice().into(), value.as_slice().into());
                }
                // Pages have no key in common: one that comes out of order stays in memory.
                Change::Append(key, value) => {
                    let entries = match self.newest_appended().is_none_or(|newest| **newest < **key) {
                        true => &mut self.appended,
                        false => &mut self.entries,
                    };
                    entries.insert(key.as_slice().into(), value.as_slice().into());
                }
                Change::Delete(key) => {
                    self.entries.remove(key.as_slice());
                }
            }
        }
    }

    /// The last key of all that were appended.
    fn newest_appended(&self) -> Option<&Bytes> {
        let in_pages = self.pages.get_max().map(|(_, page)| &page.last);
        self.appended.get_max().map(|(key, _)| key).max(in_pages)
    }

    /// Applies a change of the table that stands in a slot of this number; returns how many values it removed.
    pub(super) fn change_table(&mut self, change: &TableChange, slot: u64) -> u64 {
        match change {
            TableChange::Add { segment, bytes, entries } => {
                let groups = u64::try_from(entries.len()).unwrap_or(u64::MAX);
                self.segments.insert(*segment, Held { bytes: *bytes, groups });
                for entry in &**entries {
                    self.push(entry.group, Layer::Segment(*segment, *entry));
                }
                0
            }
            TableChange::Inline(values) => {
                for (key, value) in &**values {
                    self.put_inline(key, value);
                }
                0
            }
            TableChange::Remove { kind, runs } => {
                let groups: Vec<Group> = self.groups_of(*kind, runs).collect();
                groups.into_iter().map(|group| self.remove(group, slot)).sum()
            }
            TableChange::Pages { segment, bytes, pages } => {
                let count = u64::try_from(pages.len()).unwrap_or(u64::MAX);
                self.segments.insert(*segment, Held { bytes: *bytes, groups: count });
                for (first, page) in &**pages {
                    self.pages.insert(Arc::clone(first), page.clone());
                    let in_page = self.appended.range(Arc::clone(first)..=Arc::clone(&page.last));
                    let in_page: Vec<Bytes> = in_page.map(|(key, _)| Arc::clone(key)).collect();
                    for key in &in_page {
                        self.appended.remove(key);
                    }
                }
                0
            }
        }
    }

    fn groups_of(&self, kind: u8, runs: &Range<u64>) -> impl Iterator<Item = Group> {
        let at = |run| Group { kind, run };
        // An empty or reversed range would not be one for the map.
        let (from, to) = (at(runs.start), at(runs.end.max(runs.start)));
        self.groups.range(from..to).map(|(group, _)| *group)
    }

    fn push(&mut self, group: Group, layer: Layer) {
        let mut layers = self.layers(group).to_vec();
        layers.push(layer);
        self.groups.insert(group, layers.into());
    }

    fn put_inline(&mut self, key: &ValueKey, value: &Bytes) {
        let group = Group { kind: key.kind(), run: key.run() };
        let mut layers = self.layers(group).to_vec();
        match layers.last_mut() {
            Some(Layer::Inline(values)) => {
                values.insert(key.number(), Arc::clone(value));
            }
            _ => layers.push(Layer::Inline(OrdMap::unit(key.number(), Arc::clone(value)))),
        }
        self.groups.insert(group, layers.into());
    }

    fn remove(&mut self, group: Group, slot: u64) -> u64 {
        let Some(layers) = self.groups.remove(&group) else { return 0 };
        for layer in &*layers {
            let Layer::Segment(name, _) = layer else { continue };
            let Some(held) = self.segments.get_mut(name) else { continue };
            held.groups = held.groups.saturating_sub(1);
            if held.groups == 0 {
                let bytes = held.bytes;
                self.segments.remove(name);
                self.dead.insert(*name, Dead { slot, bytes });
            }
        }
        layers.iter().map(Layer::count).sum()
    }

    pub(super) fn layers(&self, group: Group) -> &[Layer] {
        self.groups.get(&group).map_or(&[], |layers| layers)
    }

    /// Bytes that it takes in the store, as far as they count.
    pub(super) fn bytes(&self) -> u64 {
        let length = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let segments: u64 = self.segments.values().map(|held| held.bytes).sum();
        let dead: u64 = self.dead.values().map(|dead| dead.bytes).sum();
        let entries = self.entries.iter().chain(self.appended.iter());
        let entries: u64 = entries.map(|(key, value)| length(key) + length(value)).sum();
        let inline = self.groups.values().flat_map(|layers| layers.iter()).map(|layer| match layer {
            Layer::Inline(values) => values.values().map(length).sum(),
            Layer::Segment(..) => 0,
        });
        segments + dead + entries + inline.sum::<u64>()
    }
}
