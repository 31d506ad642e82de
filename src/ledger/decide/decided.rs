//! The decisions on a batch.

use crate::domain::posting::{Disposition, Posting};
use crate::domain::time::UtcMillis;
use crate::ledger::decide::conflict::ConflictKind;
use std::collections::HashMap;

/// A version that an amendment replaces by one with another rider or start.
#[derive(Clone, Debug)]
pub struct Tombstone {
    /// The version that is replaced.
    pub replaced: Posting,
    /// Revision of the new version.
    pub revision: u64,
    /// Its start.
    pub moved_to: UtcMillis,
}

/// A version whose charge is taken back.
#[derive(Clone, Debug)]
pub enum Replaced {
    /// A stored one.
    Stored(Box<Posting>),
    /// One of the batch, by its position.
    Fresh(usize),
}

/// The decisions on a batch.
#[derive(Debug, Default)]
pub struct Decided {
    /// Positions of the events that are booked, accepted or amended.
    pub booked: Vec<usize>,
    /// Positions of the amended ones among them.
    pub amended: Vec<usize>,
    /// Every event that is not booked, and why.
    pub unbooked: Vec<(usize, Disposition)>,
    /// What the conflicting ones among them look like.
    pub conflicts: HashMap<usize, ConflictKind>,
    /// Tombstones to be left where amended orders lay.
    pub tombstones: Vec<Tombstone>,
    /// Versions whose charge is taken back, with the position of the event that replaced them.
    pub replaced: Vec<(usize, Replaced)>,
    /// The stored current version of the other phase of an event's order.
    pub other_phase: HashMap<usize, Posting>,
    /// Open orders of which it became known that their ended event names another rider, by platform name.
    pub other_rider: Vec<String>,
}
