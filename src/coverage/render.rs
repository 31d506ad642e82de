//! Stored things in the words of an answer.

use super::answer::{DisputedLine, SupersededByLine, SupersededLine, TariffLine, WindowLine};
use crate::domain::charge::Price;
use crate::domain::money::Micros;
use crate::domain::posting::RuleKind;
use crate::domain::posting::{Posting, SupersededBy};
use crate::domain::rejection::Rejection;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::LedgerView;

/// Writes stored things with the labels of one state and the times of one zone.
#[derive(Debug)]
pub(super) struct Formatter<'a, V> {
    pub(super) view: &'a V,
    pub(super) zone: &'a Zone,
}

impl<V: LedgerView> Formatter<'_, V> {
    pub(super) fn time(&self, at: UtcMillis) -> String {
        self.zone.rfc3339(at)
    }

    pub(super) fn window(&self, posting: &Posting) -> Result<WindowLine, V::Error> {
        Ok(WindowLine {
            platform: posting.platform.clone(),
            order_id: posting.order_id.clone(),
            leg: posting.leg,
            phase: posting.phase.as_str(),
            rider_id: posting.rider_id.clone(),
            category: posting.category.clone(),
            region: posting.region.to_string(),
            outcome: posting.outcome.map(|outcome| outcome.as_str()),
            revision: posting.revision,
            starts_at: self.time(posting.starts_at()),
            ends_at: posting.ends_at().map(|at| self.time(at)),
            premium: premium(posting.charge.price).map(Micros::to_short_string),
            tariff: self.tariff(posting),
            recorded_at: self.time(self.view.commit_instant(posting.commit)?),
            commit: posting.commit,
        })
    }

    pub(super) fn windows<'p>(
        &self,
        postings: impl IntoIterator<Item = &'p Posting>,
    ) -> Result<Vec<WindowLine>, V::Error> {
        postings.into_iter().map(|posting| self.window(posting)).collect()
    }

    fn tariff(&self, posting: &Posting) -> TariffLine {
        let config = posting.charge.config;
        let (rate, factor) = match posting.charge.price {
            Price::Charged { rate, factor, .. } => (Some(rate), factor),
            Price::None | Price::Uncharged | Price::Unrated => (None, None),
        };
        TariffLine {
            version: self.view.tariff_version(config),
            rule: rate.map(|rule| self.view.rule_label(config, RuleKind::Rate, rule)),
            factor: factor.map(|rule| self.view.rule_label(config, RuleKind::Factor, rule)),
            cover: posting
                .cover
                .rule
                .map(|rule| self.view.rule_label(posting.cover.config, RuleKind::Cover, rule)),
        }
    }

    pub(super) fn superseded_by(&self, by: SupersededBy) -> Result<SupersededByLine, V::Error> {
        Ok(SupersededByLine {
            revision: by.revision,
            recorded_at: self.time(self.view.commit_instant(by.commit)?),
            commit: by.commit,
        })
    }

    pub(super) fn superseded(&self, posting: &Posting, by: SupersededBy) -> Result<SupersededLine, V::Error> {
        Ok(SupersededLine { window: self.window(posting)?, superseded_by: self.superseded_by(by)? })
    }

    pub(super) fn disputed(&self, conflict: &Rejection) -> Result<DisputedLine, V::Error> {
        let read = &conflict.readable;
        Ok(DisputedLine {
            rejection: conflict.id,
            platform: read.platform.clone(),
            order_id: read.order_id.clone(),
            leg: read.leg,
            phase: read.phase.map(|phase| phase.as_str()),
            rider_id: read.rider_id.clone(),
            accepted_at: read.accepted_at.map(|at| self.time(at)),
            ended_at: read.ended_at.map(|at| self.time(at)),
            recorded_at: self.time(self.view.commit_instant(conflict.commit)?),
            commit: conflict.commit,
        })
    }
}

/// What was charged; `None` while it is not known (open, void, unrated).
pub(super) fn premium(price: Price) -> Option<Micros> {
    match price {
        Price::Charged { premium, .. } => Some(premium),
        Price::Uncharged => Some(Micros::ZERO),
        Price::None | Price::Unrated => None,
    }
}

/// Milliseconds as seconds in JSON: parsed from their decimal text, so that no digit is made up by arithmetic.
pub(super) fn seconds(ms: i64) -> f64 {
    let ms = ms.max(0);
    format!("{}.{:03}", ms / 1_000, ms % 1_000).parse().unwrap_or(f64::MAX)
}
