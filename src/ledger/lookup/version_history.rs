//! The history of one identity: which rows belong to one order, and which of them is current.

use crate::domain::posting::Posting;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::batch::Batch;
use crate::ledger::lookup::identity_lookup::Found;

/// What a step of a history is.
#[derive(Clone, Debug)]
pub enum Step {
    /// A stored version.
    Stored(Box<Posting>),
    /// An event of the batch under way, by its position.
    Fresh(usize),
    /// The version at this place went elsewhere.
    Moved(UtcMillis),
}

/// One step: a version or a tombstone, where it lies, and its revision.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub step: Step,
    /// Its day.
    pub day: LocalDay,
    /// Its rider.
    pub rider_id: String,
    /// Its start.
    pub accepted_at: UtcMillis,
    /// Its revision (of a tombstone: the revision that replaced).
    pub revision: u64,
    /// Later steps of equal revision count (a repriced version follows the one it prices).
    pub commit: u64,
}

/// All steps known of one identity.
#[derive(Debug, Default)]
pub struct History {
    items: Vec<Item>,
}

impl History {
    /// The history that the ledger holds.
    pub fn stored(found: Vec<Found>) -> Self {
        let items = found.into_iter().map(|row| Item {
            day: row.day,
            rider_id: row.posting.rider_id.clone(),
            accepted_at: row.posting.accepted_at,
            revision: row.posting.revision,
            commit: row.posting.commit,
            step: row.moved_to.map_or_else(|| Step::Stored(Box::new(row.posting)), Step::Moved),
        });
        Self { items: items.collect() }
    }

    /// Adds a step.
    pub fn push(&mut self, item: Item) {
        // What lay at the same place before is history that no decision needs: a hot order stays short.
        self.items.retain(|old| old.accepted_at != item.accepted_at || old.rider_id != item.rider_id);
        self.items.push(item);
    }

    /// Adds all steps of another part.
    pub fn extend(&mut self, other: Self) {
        self.items.extend(other.items);
    }

    /// Days, outside `days`, to which tombstones point and where nothing was looked for yet.
    pub fn leads_outside(
        &self,
        days: (LocalDay, LocalDay),
        day_of: impl Fn(UtcMillis) -> LocalDay,
    ) -> Vec<LocalDay> {
        let targets = self.items.iter().filter_map(|item| match item.step {
            Step::Moved(to) => Some(day_of(to)),
            _ => None,
        });
        targets.filter(|day| *day < days.0 || days.1 < *day).collect()
    }

    /// The current version of the order that an event of `day` concerns: the nearest step within `reach_days`, or on
    /// the day `also`, followed to its end. `None` when nothing lies within reach.
    pub fn current(&self, day: LocalDay, reach_days: i32, extras: Option<LocalDay>) -> Option<&Item> {
        let distance = |item: &Item| i64::from(item.day.0).abs_diff(i64::from(day.0));
        let nearest = self
            .items
            .iter()
            .filter(|item| {
                distance(item) <= u64::try_from(reach_days).unwrap_or(0) || extras == Some(item.day)
            })
            .min_by_key(|item| (distance(item), item.day, std::cmp::Reverse(item.revision)))?;
        Some(self.follow(nearest))
    }

    /// The newest version of the order that a step belongs to.
    fn follow<'a>(&'a self, from: &'a Item) -> &'a Item {
        let mut at = from;
        // A history has no circles longer than itself.
        for _ in 0..=self.items.len() {
            let newest_here = self
                .items
                .iter()
                .filter(|item| item.accepted_at == at.accepted_at && item.rider_id == at.rider_id)
                .max_by_key(|item| (item.revision, item.commit, matches!(item.step, Step::Fresh(_))))
                .unwrap_or(at);
            let Step::Moved(to) = newest_here.step else { return newest_here };
            // The step that the tombstone names, or what lies there since: the oldest not older than the tombstone.
            let next = self
                .items
                .iter()
                .filter(|item| item.revision >= newest_here.revision && item.accepted_at == to)
                .filter(|item| item.accepted_at != at.accepted_at || item.rider_id != at.rider_id)
                .min_by_key(|item| item.revision);
            match next {
                Some(next) => at = next,
                None => return newest_here,
            }
        }
        at
    }
}

/// The step of an event of the batch.
pub fn fresh(batch: &Batch, at: usize) -> Option<Item> {
    let entry = batch.orders.get(at)?;
    Some(Item {
        step: Step::Fresh(at),
        day: entry.day,
        rider_id: batch.text(entry.rider).to_owned(),
        accepted_at: entry.accepted_at,
        revision: entry.revision,
        commit: u64::MAX,
    })
}
