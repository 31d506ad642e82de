//! What the configuration allows the events of one source to say.

use crate::domain::time::{LocalDay, UtcMillis, Zone};

/// The rules for the events of one source (a topic, or all files), as plain values made from tariff, platforms and
/// limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRules {
    /// The categories that the tariff knows.
    pub categories: Vec<String>,
    /// The platforms that may speak here, each with the longest order it may report, in milliseconds. Their names
    /// are valid ones, as the configuration has made sure.
    pub platforms: Vec<(String, i64)>,
    /// The longest order of a platform that is not listed; `None` when only the listed ones may speak.
    pub unlisted_duration_ms_max: Option<i64>,
    /// Every time must lie in `[from, until)`.
    pub horizon: (UtcMillis, UtcMillis),
    /// `until` is the present with `ahead_max`, not the end of the configured horizon.
    pub is_until_ahead: bool,
    /// The first day that retention has kept, and the zone in which days are counted.
    pub retention: Option<(LocalDay, Zone)>,
}

impl EventRules {
    /// The longest order that `platform` may report; `None` when it may not speak here.
    #[inline]
    pub fn duration_ms_max(&self, platform: &str) -> Option<i64> {
        self.listed_duration_ms_max(platform).or(self.unlisted_duration_ms_max)
    }

    #[inline]
    pub(super) fn listed_duration_ms_max(&self, platform: &str) -> Option<i64> {
        self.platforms.iter().find(|(name, _)| name == platform).map(|&(_, duration_ms_max)| duration_ms_max)
    }

    /// Whether the tariff knows `category`.
    #[inline]
    pub fn knows_category(&self, category: &str) -> bool {
        self.categories.iter().any(|known| known == category)
    }

    /// Whether the local day of `accepted_at` was dropped by retention.
    #[inline]
    pub fn is_before_retention(&self, accepted_at: UtcMillis) -> bool {
        self.retention.as_ref().is_some_and(|(first_kept, zone)| zone.day(accepted_at) < *first_kept)
    }
}
