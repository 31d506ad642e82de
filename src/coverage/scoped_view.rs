//! One committed state as an asker with a limited [`DataScope`] sees it: what lies outside the scope is as if it were not
//! stored. Every answer is computed against the view, so that no answer can show more.

use crate::domain::completeness::Completeness;
use crate::domain::data_scope::DataScope;
use crate::domain::intake::{Intake, Source};
use crate::domain::pending::{PendingKind, Scope};
use crate::domain::platform::Platforms;
use crate::domain::posting::{ConfigNo, RuleKind, RuleNo, StoredVersion};
use crate::domain::rejection::{PendingCount, Rejection};
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::totals::{Total, TotalKey};
use crate::domain::view::{AsOf, CompleteSince, KnownAt, LedgerView, Refused};
use crate::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A state and what of it may be seen.
#[derive(Debug)]
pub struct ScopedView<V> {
    view: Arc<V>,
    scope: DataScope,
    /// Every platform as configured: what concerns the asker's own depends on the others, too.
    platforms: Platforms,
    /// The part of the state's completeness that may be seen; `None` = all of it.
    completeness: Option<Completeness>,
}

impl<V: LedgerView> ScopedView<V> {
    /// The part of `view` that lies in `scope`; `platforms` are those of the configuration in force.
    pub fn new(view: Arc<V>, scope: &DataScope, platforms: &Platforms) -> Self {
        let completeness = scope.platform().map(|name| completeness_of(view.completeness(), name));
        let platforms = if completeness.is_some() { platforms.clone() } else { Platforms::default() };
        Self { view, scope: scope.clone(), platforms, completeness }
    }

    fn sees(&self, version: &StoredVersion) -> bool {
        self.scope.is_all() || self.scope.includes_order(&version.posting.platform, version.posting.region)
    }

    fn visible(&self, mut versions: Vec<StoredVersion>) -> Vec<StoredVersion> {
        versions.retain(|version| self.sees(version));
        versions
    }

    /// The platforms by which records that concern the scope are known: all of them where the scope names one.
    fn all_platforms<'a>(&'a self, asked: &'a Platforms) -> &'a Platforms {
        if self.completeness.is_some() { &self.platforms } else { asked }
    }

    /// Whether a kept record concerns the scope.
    fn concerns(&self, record: &Rejection) -> bool {
        let Some(own) = self.scope.platform() else { return true };
        let known = self.view.completeness().platforms_known(&self.platforms, self.view.platforms_stored());
        Scope::of(record, |name| known.iter().any(|known| known == name)).contains(own, &self.platforms)
    }
}

/// The facts about one platform and its topics.
fn completeness_of(all: &Completeness, name: &str) -> Completeness {
    let own = all.platforms.get_key_value(name);
    let is_own = |topic: &str| own.is_some_and(|(_, facts)| facts.topics.contains(topic));
    let topics = all.topics.iter().filter(|(topic, _)| is_own(topic));
    Completeness {
        topics: topics.map(|(topic, facts)| (topic.clone(), facts.clone())).collect(),
        platforms: own.map(|(name, facts)| (name.clone(), facts.clone())).into_iter().collect(),
        dropped_until: all.dropped_until,
    }
}

impl<V: LedgerView> LedgerView for ScopedView<V> {
    type Error = V::Error;

    fn refusal(error: &Self::Error) -> Option<Refused> {
        V::refusal(error)
    }

    fn as_of(&self) -> AsOf {
        self.view.as_of()
    }

    fn known_at(&self, at: KnownAt) -> Result<Self, Self::Error> {
        let view = Arc::new(self.view.known_at(at)?);
        let platforms = view.earlier_promises().unwrap_or(&self.platforms).clone();
        Ok(Self::new(view, &self.scope, &platforms))
    }

    fn earlier_promises(&self) -> Option<&Platforms> {
        self.view.earlier_promises()
    }

    fn commit_instant(&self, commit: u64) -> Result<UtcMillis, Self::Error> {
        self.view.commit_instant(commit)
    }

    // A limited view knows its own topics only, as the progress that it is shown.
    fn intakes(&self, commit: u64) -> Result<Vec<Intake>, Self::Error> {
        let mut intakes = self.view.intakes(commit)?;
        if let Some(own) = &self.completeness {
            intakes.retain(|intake| match &intake.source {
                Source::Kafka { topic, .. } => own.topics.contains_key(topic),
                Source::Files | Source::Redrive => true,
            });
        }
        Ok(intakes)
    }

    fn complete_since(&self, platform: &str, after: UtcMillis) -> Result<Option<CompleteSince>, Self::Error> {
        if !self.scope.includes_platform(platform) {
            return Ok(None);
        }
        let mut since = self.view.complete_since(platform, after)?;
        if let (Some(since), Some(own)) = (&mut since, self.scope.platform()) {
            since.completeness = completeness_of(&since.completeness, own);
        }
        Ok(since)
    }

    fn tariff_version(&self, config: ConfigNo) -> String {
        self.view.tariff_version(config)
    }

    fn rule_label(&self, config: ConfigNo, kind: RuleKind, rule: RuleNo) -> String {
        self.view.rule_label(config, kind, rule)
    }

    fn widest_cover(&self) -> (i64, i64) {
        self.view.widest_cover()
    }

    fn days(&self) -> Option<(LocalDay, LocalDay)> {
        self.view.days()
    }

    fn longest_order_ms(&self, days: (LocalDay, LocalDay)) -> i64 {
        self.view.longest_order_ms(days)
    }

    fn rider_versions(
        &self,
        rider_id: &str,
        from: UtcMillis,
        to: UtcMillis,
    ) -> Result<Vec<StoredVersion>, Self::Error> {
        self.view.rider_versions(rider_id, from, to).map(|versions| self.visible(versions))
    }

    fn prefetch_riders(&self, rider_ids: &[String], days: &BTreeSet<LocalDay>) {
        self.view.prefetch_riders(rider_ids, days);
    }

    fn order_versions(&self, platform: &str, order_id: &str) -> Result<Vec<StoredVersion>, Self::Error> {
        if !self.scope.includes_platform(platform) {
            return Ok(Vec::new());
        }
        self.view.order_versions(platform, order_id).map(|versions| self.visible(versions))
    }

    // The end of a visible order counts wherever it says that the order lay: an open order must not cover for ever.
    fn ended_version(
        &self,
        platform: &str,
        order_id: &str,
        leg: u8,
        accepted_at: UtcMillis,
    ) -> Result<Option<StoredVersion>, Self::Error> {
        if !self.scope.includes_platform(platform) {
            return Ok(None);
        }
        self.view.ended_version(platform, order_id, leg, accepted_at)
    }

    fn totals(&self, from: LocalDay, until: LocalDay) -> Result<Vec<(TotalKey, Total)>, Self::Error> {
        let mut totals = self.view.totals(from, until)?;
        totals.retain(|(key, _)| self.scope.includes_order(&key.platform, key.region));
        Ok(totals)
    }

    fn completeness(&self) -> &Completeness {
        self.completeness.as_ref().unwrap_or_else(|| self.view.completeness())
    }

    fn platforms_stored(&self) -> Vec<&str> {
        let mut stored = self.view.platforms_stored();
        stored.retain(|name| self.scope.includes_platform(name));
        stored
    }

    fn days_stored(&self) -> impl DoubleEndedIterator<Item = LocalDay> {
        self.view.days_stored()
    }

    fn may_have_orders_of(
        &self,
        rider_id: &str,
        day: LocalDay,
        platforms: &[&str],
    ) -> Result<bool, Self::Error> {
        self.view.may_have_orders_of(rider_id, day, platforms)
    }

    fn days_of_totals(&self) -> Option<(LocalDay, LocalDay)> {
        self.view.days_of_totals()
    }

    fn rejections_of_rider(&self, rider_id: &str) -> Result<Vec<Rejection>, Self::Error> {
        let mut records = self.view.rejections_of_rider(rider_id)?;
        records.retain(|record| self.concerns(record));
        Ok(records)
    }

    fn unreadable_time(&self, platform: &str, platforms: &Platforms, within: Window) -> Vec<Window> {
        if !self.scope.includes_platform(platform) {
            return Vec::new();
        }
        self.view.unreadable_time(platform, self.all_platforms(platforms), within)
    }

    fn unreadable_records(
        &self,
        platform: &str,
        platforms: &Platforms,
        within: Window,
        most: usize,
    ) -> Result<(Vec<Rejection>, u64), Self::Error> {
        if !self.scope.includes_platform(platform) {
            return Ok((Vec::new(), 0));
        }
        self.view.unreadable_records(platform, self.all_platforms(platforms), within, most)
    }

    fn pending_counts(&self, platform: &str, platforms: &Platforms) -> BTreeMap<PendingKind, PendingCount> {
        if !self.scope.includes_platform(platform) {
            return BTreeMap::new();
        }
        self.view.pending_counts(platform, self.all_platforms(platforms))
    }
}
