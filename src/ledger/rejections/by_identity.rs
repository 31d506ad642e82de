//! What only the writer needs to know of the kept records: which wait for their order, and which lines are known.

use crate::domain::reject::ReadRevision;
use crate::domain::rejection::{Kept, Origin, Resolution};
use crate::ledger::rejections::stored::{RejectedIndex, RejectedRun, identity_of};
use crate::ledger::run::identity::IdentityHash;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The lowest revision of an event that resolves a record; `None` where any does that comes after it. A conflicting record
/// has the revision of what is stored: only a higher one decides between them.
pub(crate) fn resolving_revision(kept: Kept, revision: ReadRevision) -> Option<u64> {
    match (kept, revision) {
        (_, ReadRevision::Unreadable) => None,
        (Kept::Rejected(_), ReadRevision::Known(revision)) => Some(revision),
        (Kept::Conflict, ReadRevision::Known(revision)) => Some(revision.saturating_add(1)),
    }
}

/// Unresolved rejections by what resolves them, and the lines of files whose records are kept.
#[derive(Debug, Default)]
pub struct RejectionsByIdentity {
    /// Rejections that name a whole identity: by its hash, the revision that resolves them and their number.
    waiting: HashMap<IdentityHash, BTreeSet<(u64, u64)>>,
    /// The index of each of them in `waiting`.
    places: HashMap<u64, (IdentityHash, u64)>,
    /// Lines of files whose records are kept, with their numbers: ingesting the file again stores them once.
    lines: HashMap<([u8; 16], u64), u64>,
    /// Identities of records that an operator resolved: an event that mends one of them after that is not late.
    given_up: HashSet<IdentityHash>,
}

impl RejectionsByIdentity {
    /// Takes in what was committed; `index` has taken it in before.
    pub fn add(&mut self, content: &RejectedRun, index: &RejectedIndex) {
        for record in &content.records {
            let rejection = &record.rejection;
            if let Origin::File { content, line } = rejection.origin {
                self.lines.insert((content, line), rejection.id);
            }
            let Some((hash, ..)) = identity_of(&rejection.readable) else { continue };
            if let Some(resolution) = index.resolution(rejection.id) {
                if matches!(resolution, Resolution::Operator { .. }) {
                    self.given_up.insert(hash);
                }
            } else {
                let revision = resolving_revision(rejection.kept, rejection.readable.revision).unwrap_or(0);
                self.waiting.entry(hash).or_default().insert((revision, rejection.id));
                self.places.insert(rejection.id, (hash, revision));
            }
        }
        for (id, resolution) in &content.resolved {
            self.remove(*id, matches!(resolution, Resolution::Operator { .. }));
        }
    }

    fn remove(&mut self, id: u64, is_given_up: bool) {
        let Some((hash, revision)) = self.places.remove(&id) else { return };
        if is_given_up {
            self.given_up.insert(hash);
        }
        if let Some(same) = self.waiting.get_mut(&hash) {
            same.remove(&(revision, id));
            if same.is_empty() {
                self.waiting.remove(&hash);
            }
        }
    }

    /// Whether this line of a file is kept already.
    pub fn knows(&self, origin: &Origin) -> bool {
        self.number(origin).is_some()
    }

    /// The number under which this line of a file is kept.
    pub fn number(&self, origin: &Origin) -> Option<u64> {
        match origin {
            Origin::File { content, line } => self.lines.get(&(*content, *line)).copied(),
            Origin::Kafka { .. } | Origin::Redrive { .. } => None,
        }
    }

    /// Whether an operator resolved a record of this identity.
    pub fn was_given_up(&self, hash: IdentityHash) -> bool {
        self.given_up.contains(&hash)
    }

    /// Whether any rejection of this identity waits for its order.
    pub fn is_awaited(&self, hash: IdentityHash) -> bool {
        self.waiting.contains_key(&hash)
    }

    /// Numbers of the rejections that an event of this identity and revision may resolve.
    pub fn waiting(&self, hash: IdentityHash, revision: u64) -> impl Iterator<Item = u64> {
        let same = self.waiting.get(&hash).map(|same| same.range(..=(revision, u64::MAX)));
        same.into_iter().flatten().map(|(_, id)| *id)
    }

    /// Whether any rejection waits for its order.
    pub fn has_unresolved(&self) -> bool {
        !self.waiting.is_empty()
    }
}
