//! How facts about platforms enter [`Completeness`].

use super::Completeness;
use super::PlatformFacts;
use super::VOUCHES_PENDING_MAX;
use super::Vouch;
use crate::domain::intake::RecordPlace;
use crate::domain::platform::Platforms;
use crate::domain::time::UtcMillis;

impl Completeness {
    /// `complete_through` of a platform; `None` while nothing is known.
    pub fn complete_through(&self, platform: &str) -> Option<UtcMillis> {
        self.platforms.get(platform).and_then(|facts| facts.complete_through)
    }

    /// The facts of a platform, made when missing.
    pub(super) fn platform_mut(&mut self, platform: &str) -> &mut PlatformFacts {
        self.platforms.entry(platform.to_owned()).or_default()
    }

    /// A configuration came into force: its platforms count from now on, whatever later ones say.
    pub fn register(&mut self, platforms: &Platforms) {
        for (name, promise) in platforms.registered() {
            let facts = self.platform_mut(name);
            facts.registered = true;
            facts.topics.extend(promise.topics.iter().cloned());
        }
    }

    /// A completeness record was applied at `applied_at`. One that vouches for less than an earlier one adds nothing.
    pub fn vouched(
        &mut self,
        platform: &str,
        through: UtcMillis,
        applied_at: UtcMillis,
        record: Option<RecordPlace>,
    ) {
        let through = through.min(applied_at);
        let facts = self.platform_mut(platform);
        let best = facts.vouches_pending.iter().map(|vouch| vouch.through).chain(facts.vouched_through).max();
        if best.is_some_and(|best| best >= through) {
            return;
        }
        facts.vouches_pending.truncate(VOUCHES_PENDING_MAX - 1);
        facts.vouches_pending.push(Vouch { through, applied_at, record });
    }

    /// Events of a platform were applied from Kafka; `newest` is the newest of their [`super::vouching_instant`]s.
    /// `record` is the event that told it.
    pub fn events_applied(&mut self, platform: &str, newest: UtcMillis, record: Option<RecordPlace>) {
        let facts = self.platform_mut(platform);
        if facts.newest_event < Some(newest) {
            (facts.newest_event, facts.newest_event_by) = (Some(newest), record);
        }
    }

    /// `ingest --complete-through PLATFORM=T`.
    pub fn stated(&mut self, platform: &str, through: UtcMillis) {
        let facts = self.platform_mut(platform);
        facts.stated_through = facts.stated_through.max(Some(through));
    }

    /// `ingest --complete-through T`: for every platform that is in the ledger, which are those ever registered or
    /// heard of and those of `stored`.
    pub fn stated_for_all<'a>(&mut self, stored: impl IntoIterator<Item = &'a str>, through: UtcMillis) {
        for platform in stored {
            self.platform_mut(platform);
        }
        for facts in self.platforms.values_mut() {
            facts.stated_through = facts.stated_through.max(Some(through));
        }
    }

    /// Retention dropped every day that ends at or before `until`.
    pub fn days_dropped(&mut self, until: UtcMillis) {
        self.dropped_until = self.dropped_until.max(Some(until));
    }

    /// `count` late events of a platform were applied.
    pub fn late_applied(&mut self, platform: &str, count: u64) {
        let facts = self.platform_mut(platform);
        facts.late = facts.late.saturating_add(count);
    }

    /// Every platform that counts when a question names none: ever registered, heard of, or stored. Sorted.
    pub fn platforms_known(&self, platforms: &Platforms, stored: Vec<&str>) -> Vec<String> {
        let mut names = stored;
        names.extend(self.platforms.keys().map(String::as_str));
        names.extend(platforms.registered().map(|(name, _)| name));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(str::to_owned).collect()
    }
}
