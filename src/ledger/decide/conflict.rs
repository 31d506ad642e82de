//! What conflicts look like to a person.

use crate::domain::time::LocalDay;
use crate::ledger::lookup::version_history::Item;

/// What a conflict looks like, by what differs from the stored version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictKind {
    /// The same rider and day.
    #[default]
    OtherContent,
    /// Another rider on the same day.
    OtherRider,
    /// Another day.
    OtherDay,
}

impl ConflictKind {
    /// Of an event against the stored version.
    pub(crate) fn of(stored: &Item, day: LocalDay, rider_id: &str) -> Self {
        if stored.day != day {
            Self::OtherDay
        } else if stored.rider_id != rider_id {
            Self::OtherRider
        } else {
            Self::OtherContent
        }
    }

    /// For a person: what differs, and what the platform should do.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::OtherContent => {
                "the stored version of this revision has other content: a correction needs a higher revision"
            }
            Self::OtherRider => {
                "the stored version of this revision names another rider: an order that is handed on needs a higher \
                 revision, or a leg for each rider"
            }
            Self::OtherDay => {
                "the stored version of this revision lies on another day: an order number that is used again within \
                 identity_days is one order; a correction needs a higher revision"
            }
        }
    }
}
