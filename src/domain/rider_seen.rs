//! What the stored orders say of a rider at all.

use super::posting::StoredVersion;
use super::time::UtcMillis;

/// What is known of a rider at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiderSeen {
    /// The earliest `accepted_at` of any stored version.
    pub first: UtcMillis,
    /// The latest `ended_at` or `accepted_at`.
    pub last: UtcMillis,
    /// The platforms that named the rider, sorted.
    pub platforms: Vec<String>,
}

impl RiderSeen {
    /// What these versions know; `None` when there are none.
    pub fn of<'a>(versions: impl IntoIterator<Item = &'a StoredVersion>) -> Option<Self> {
        let mut seen: Option<Self> = None;
        for posting in versions.into_iter().map(|version| &version.posting) {
            let first = posting.accepted_at;
            let last = posting.ended_at.unwrap_or(first).max(first);
            let seen = seen.get_or_insert_with(|| Self { first, last, platforms: Vec::new() });
            seen.first = seen.first.min(first);
            seen.last = seen.last.max(last);
            seen.add_platform(&posting.platform);
        }
        seen
    }

    /// Two identifiers of one person.
    pub fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        other.platforms.iter().for_each(|platform| self.add_platform(platform));
    }

    fn add_platform(&mut self, platform: &str) {
        if let Err(place) = self.platforms.binary_search_by(|known| known.as_str().cmp(platform)) {
            self.platforms.insert(place, platform.to_owned());
        }
    }
}
