//! A ledger that is a list: slow, obvious, and the reference for the real one's answers.

use crate::domain::charge::{Charge, Price};
use crate::domain::completeness::Completeness;
use crate::domain::intake::{Intake, Source};
use crate::domain::money::Micros;
use crate::domain::order::{Outcome, Phase, Region};
use crate::domain::pending::{PendingKind, RecordTimes, Scope, pending_kind};
use crate::domain::platform::Platforms;
use crate::domain::posting::RuleKind;
use crate::domain::posting::{ConfigNo, CoverTerms, Posting, RuleNo, StoredVersion, SupersededBy};
use crate::domain::rejection::{PendingCount, Rejection};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::domain::totals::{Total, TotalKey};
use crate::domain::view::{AsOf, CompleteSince, KnownAt, LedgerView};
use crate::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// Everything that was applied, in order. Identity reaches everywhere: tests keep orders near each other.
#[derive(Clone, Debug)]
pub struct NaiveLedger {
    /// All versions.
    pub versions: Vec<StoredVersion>,
    /// Rejected and conflicting records.
    pub rejections: Vec<Rejection>,
    /// As committed.
    pub completeness: Completeness,
    /// The instant of each commit, from commit 1.
    pub commits: Vec<UtcMillis>,
    /// For local days.
    pub zone: Zone,
    /// Widest lead and tail.
    pub widest: (i64, i64),
    /// What the platforms promise, for what is said of the commit that made a time complete.
    pub promises: Platforms,
    /// What every commit took in.
    pub intakes: Vec<Intake>,
}

impl Default for NaiveLedger {
    fn default() -> Self {
        Self {
            versions: Vec::new(),
            rejections: Vec::new(),
            completeness: Completeness::default(),
            commits: vec![UtcMillis::new(0)],
            zone: Zone::utc(),
            widest: (0, 0),
            promises: Platforms::default(),
            intakes: vec![Intake { source: Source::Files, positions: (1, 9), booked: 9 }],
        }
    }
}

/// A posting of rider `R` on platform `p` with the built-in cover rule; tests change what they are about.
pub fn posting(order_id: &str, accepted_at: i64, ended_at: Option<i64>) -> Posting {
    Posting {
        platform: "p".to_owned(),
        order_id: order_id.to_owned(),
        leg: 0,
        phase: if ended_at.is_some() { Phase::Ended } else { Phase::Open },
        rider_id: "R".to_owned(),
        category: "instant_delivery".to_owned(),
        region: Region::from_code(310_115).unwrap(),
        accepted_at: UtcMillis::new(accepted_at),
        ended_at: ended_at.map(UtcMillis::new),
        outcome: ended_at.map(|_| Outcome::Completed),
        revision: 0,
        fare: None,
        previous_accepted_at: None,
        cover: CoverTerms { config: ConfigNo(1), ..CoverTerms::NONE },
        charge: Charge::of_order(
            ConfigNo(1),
            match ended_at {
                Some(_) => Price::Charged { premium: Micros::new(250_000), rate: RuleNo(0), factor: None },
                None => Price::None,
            },
        ),
        commit: 1,
    }
}

impl NaiveLedger {
    /// Applies an event as the contract says: a new identity or a higher revision is booked, all else is not.
    pub fn apply(&mut self, mut posting: Posting) -> bool {
        posting.commit = u64::try_from(self.commits.len()).unwrap();
        let by = SupersededBy { revision: posting.revision, commit: posting.commit };
        let same = |v: &&mut StoredVersion| {
            let p = &v.posting;
            v.superseded_by.is_none()
                && (&p.platform, &p.order_id, p.leg, p.phase)
                    == (&posting.platform, &posting.order_id, posting.leg, posting.phase)
        };
        if let Some(current) = self.versions.iter_mut().find(same) {
            if current.posting.revision >= posting.revision {
                return false;
            }
            current.superseded_by = Some(by);
        }
        self.versions.push(StoredVersion { posting, superseded_by: None });
        true
    }

    /// The unresolved records that concern a platform.
    fn pending<'a>(
        &'a self,
        platform: &'a str,
        platforms: &'a Platforms,
    ) -> impl Iterator<Item = (PendingKind, &'a Rejection)> {
        let stored = self.platforms_stored();
        let is_known = move |name: &str| platforms.is_registered(name) || stored.contains(&name);
        let unresolved = self.rejections.iter().filter(|r| r.resolution.is_none());
        let concerns = unresolved.filter(move |r| Scope::of(r, &is_known).contains(platform, platforms));
        concerns.filter_map(|r| Some((pending_kind(r)?, r)))
    }

    /// The current version of an order's phase.
    pub fn current(&self, platform: &str, order_id: &str, leg: u8, phase: Phase) -> Option<&StoredVersion> {
        self.versions.iter().find(|v| {
            let p = &v.posting;
            v.superseded_by.is_none()
                && (p.platform.as_str(), p.order_id.as_str(), p.leg, p.phase)
                    == (platform, order_id, leg, phase)
        })
    }
}

impl LedgerView for NaiveLedger {
    type Error = Infallible;

    fn as_of(&self) -> AsOf {
        AsOf {
            commit: u64::try_from(self.commits.len()).unwrap(),
            recorded_at: *self.commits.last().unwrap(),
            config: "c0ffee".to_owned(),
        }
    }

    fn known_at(&self, _: KnownAt) -> Result<Self, Infallible> {
        Ok(self.clone())
    }

    fn earlier_promises(&self) -> Option<&Platforms> {
        None
    }

    fn commit_instant(&self, commit: u64) -> Result<UtcMillis, Infallible> {
        Ok(self.commits[usize::try_from(commit).unwrap() - 1])
    }

    fn intakes(&self, _: u64) -> Result<Vec<Intake>, Infallible> {
        Ok(self.intakes.clone())
    }

    // It remembers no earlier completeness: all became known with the newest commit.
    fn complete_since(&self, platform: &str, after: UtcMillis) -> Result<Option<CompleteSince>, Infallible> {
        let as_of = self.as_of();
        let through = self.completeness.complete_through(platform).filter(|&through| through > after);
        Ok(through.map(|complete_through| CompleteSince {
            commit: as_of.commit,
            recorded_at: as_of.recorded_at,
            complete_through,
            promise: self.promises.get(platform).clone(),
            completeness: self.completeness.clone(),
        }))
    }

    fn tariff_version(&self, config: ConfigNo) -> String {
        format!("v{}", config.0)
    }

    fn rule_label(&self, _: ConfigNo, kind: RuleKind, rule: RuleNo) -> String {
        format!("{kind:?} {}", rule.0).to_lowercase()
    }

    fn widest_cover(&self) -> (i64, i64) {
        self.widest
    }

    fn days(&self) -> Option<(LocalDay, LocalDay)> {
        let days = || self.versions.iter().map(|v| self.zone.day(v.posting.accepted_at));
        Some((days().min()?, days().max()?))
    }

    fn longest_order_ms(&self, days: (LocalDay, LocalDay)) -> i64 {
        assert!(days.0 <= days.1, "an empty range of days is never asked for");
        let postings = self.versions.iter().map(|v| &v.posting);
        postings
            .filter(|p| (days.0..=days.1).contains(&self.zone.day(p.accepted_at)))
            .filter_map(|p| p.ended_at.map(|end| end.since(p.accepted_at)))
            .max()
            .unwrap_or(0)
    }

    fn rider_versions(
        &self,
        rider_id: &str,
        from: UtcMillis,
        to: UtcMillis,
    ) -> Result<Vec<StoredVersion>, Infallible> {
        let mut found: Vec<StoredVersion> = self
            .versions
            .iter()
            .filter(|v| v.posting.rider_id == rider_id)
            .filter(|v| from <= v.posting.accepted_at && v.posting.accepted_at < to)
            .cloned()
            .collect();
        found.sort_by_key(|v| {
            let p = &v.posting;
            (p.accepted_at, p.platform.clone(), p.order_id.clone(), p.leg, p.phase, p.revision)
        });
        Ok(found)
    }

    fn order_versions(&self, platform: &str, order_id: &str) -> Result<Vec<StoredVersion>, Infallible> {
        let of_order = |v: &&StoredVersion| v.posting.platform == platform && v.posting.order_id == order_id;
        let mut found: Vec<StoredVersion> = self.versions.iter().filter(of_order).cloned().collect();
        found.sort_by_key(|v| (v.posting.leg, v.posting.phase, v.posting.accepted_at, v.posting.revision));
        Ok(found)
    }

    fn ended_version(
        &self,
        platform: &str,
        order_id: &str,
        leg: u8,
        _: UtcMillis,
    ) -> Result<Option<StoredVersion>, Infallible> {
        Ok(self.current(platform, order_id, leg, Phase::Ended).cloned())
    }

    fn totals(&self, from: LocalDay, until: LocalDay) -> Result<Vec<(TotalKey, Total)>, Infallible> {
        let mut totals: BTreeMap<TotalKey, Total> = BTreeMap::new();
        for posting in self.versions.iter().filter(|v| v.superseded_by.is_none()).map(|v| &v.posting) {
            if !(from..until).contains(&self.zone.day(posting.accepted_at)) || !posting.has_window() {
                continue;
            }
            let key = TotalKey {
                platform: posting.platform.clone(),
                region: posting.region,
                category: posting.category.clone(),
                source: posting.charge.source,
            };
            let total = totals.entry(key).or_default();
            match (posting.charge.price, posting.outcome) {
                (Price::Charged { premium, .. }, _) => {
                    total.orders_charged += 1;
                    total.premium = total.premium.checked_add(premium).unwrap();
                }
                (Price::Unrated, _) => total.unrated += 1,
                (_, Some(Outcome::Completed)) => total.uncharged_completed += 1,
                (_, Some(Outcome::Cancelled)) => total.uncharged_cancelled += 1,
                (_, Some(Outcome::Interrupted)) => total.uncharged_interrupted += 1,
                (_, Some(Outcome::Transferred)) => total.uncharged_transferred += 1,
                (_, Some(Outcome::Void) | None) => {}
            }
        }
        Ok(totals.into_iter().collect())
    }

    fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    fn platforms_stored(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.versions.iter().map(|v| v.posting.platform.as_str()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn days_stored(&self) -> impl DoubleEndedIterator<Item = LocalDay> {
        let days = self.versions.iter().map(|v| self.zone.day(v.posting.accepted_at));
        days.collect::<BTreeSet<_>>().into_iter()
    }

    fn may_have_orders_of(&self, _: &str, _: LocalDay, _: &[&str]) -> Result<bool, Infallible> {
        Ok(true)
    }

    fn rejections_of_rider(&self, rider_id: &str) -> Result<Vec<Rejection>, Infallible> {
        let names =
            |r: &&Rejection| r.resolution.is_none() && r.readable.rider_id.as_deref() == Some(rider_id);
        Ok(self.rejections.iter().filter(names).cloned().collect())
    }

    fn unreadable_time(&self, platform: &str, platforms: &Platforms, within: Window) -> Vec<Window> {
        let pending = self.pending(platform, platforms);
        let unreadable = pending.filter(|(kind, _)| *kind == PendingKind::Unreadable);
        let windows = unreadable.map(|(_, r)| RecordTimes::of(r).window(platforms.get(platform)));
        windows.filter(|window| window.overlaps(within)).collect()
    }

    fn unreadable_records(
        &self,
        platform: &str,
        platforms: &Platforms,
        within: Window,
        most: usize,
    ) -> Result<(Vec<Rejection>, u64), Infallible> {
        let unreadable =
            self.pending(platform, platforms).filter(|(kind, _)| *kind == PendingKind::Unreadable);
        let near = |r: &&Rejection| RecordTimes::of(r).window(platforms.get(platform)).overlaps(within);
        let near: Vec<Rejection> = unreadable.map(|(_, r)| r).filter(near).cloned().collect();
        let count = u64::try_from(near.len()).unwrap();
        Ok((near.into_iter().take(most).collect(), count))
    }

    fn pending_counts(&self, platform: &str, platforms: &Platforms) -> BTreeMap<PendingKind, PendingCount> {
        let mut counts = BTreeMap::new();
        for (kind, record) in self.pending(platform, platforms) {
            let first = PendingCount { records: 0, since_commit: record.commit };
            counts.entry(kind).or_insert(first).records += 1;
        }
        counts
    }
}
