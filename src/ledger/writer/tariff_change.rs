//! What a new tariff would charge for what is booked: booked orders keep their prices, and people should know how many.

use crate::domain::charge::Price;
use crate::domain::money::Micros;
use crate::domain::order::Outcome as OrderOutcome;
use crate::domain::tariff::{PriceQuery, Tariff};
use crate::domain::time::LocalDay;
use crate::domain::totals::{Total, TotalKey};
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::run::period_totals::PeriodTotals;
use crate::ledger::writer::Ledger;
use std::fmt;

/// Booked orders whose price differs from what a new tariff says, by lines of the totals: a line (platform, region,
/// category and day) counts whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TariffChange {
    /// Orders.
    pub orders: i64,
    /// Their premium as it is booked.
    pub booked: Micros,
    /// Their premium by the new tariff.
    pub by_new: Micros,
}

impl fmt::Display for TariffChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tariff has changed: {} booked orders are charged {} yuan in all, and would be charged {} by the new tariff; \
             booked orders keep their prices",
            self.orders,
            self.booked.to_short_string(),
            self.by_new.to_short_string()
        )
    }
}

impl TariffChange {
    fn add(&mut self, orders: i64, booked: Micros, by_new: Micros) -> Option<()> {
        self.orders = self.orders.checked_add(orders)?;
        self.booked = self.booked.checked_add(booked)?;
        self.by_new = self.by_new.checked_add(by_new)?;
        Some(())
    }

    fn add_line(&mut self, key: &TotalKey, line: &Total, day: LocalDay, tariff: &Tariff) -> Option<()> {
        let price = |orders: i64, outcome| {
            let (platform, category, region) = (key.platform.as_str(), key.category.as_str(), key.region);
            let query = PriceQuery { platform, category, region, day, outcome: Some(outcome) };
            match tariff.price(&query).charge.price {
                Price::Charged { premium, .. } => premium.get().checked_mul(orders).map(Micros::new),
                Price::None | Price::Uncharged | Price::Unrated => Some(Micros::ZERO),
            }
        };
        let charged = price(line.orders_charged, OrderOutcome::Completed)?;
        if charged != line.premium {
            self.add(line.orders_charged, line.premium, charged)?;
        }
        for (orders, outcome) in [
            (line.uncharged_completed, OrderOutcome::Completed),
            (line.uncharged_cancelled, OrderOutcome::Cancelled),
            (line.uncharged_interrupted, OrderOutcome::Interrupted),
            (line.uncharged_transferred, OrderOutcome::Transferred),
        ] {
            let charged = price(orders, outcome)?;
            if charged != Micros::ZERO {
                self.add(orders, Micros::ZERO, charged)?;
            }
        }
        Some(())
    }
}

impl Ledger {
    /// What the change of the tariff leaves at other prices; `None` when the last [`Self::activate_configuration`] changed no tariff, or
    /// every booked price is that of the new one.
    pub const fn tariff_change(&self) -> Option<TariffChange> {
        self.tariff_change
    }

    /// Compares the booked totals with the tariff that comes into force.
    pub(crate) fn compare_prices(&mut self) -> LedgerResult<()> {
        let tariff = &self.options.tariff;
        let before = self.configurations.get(self.manifest.root().config);
        self.tariff_change = None;
        if before.is_none_or(|before| before.rules.version == tariff.version()) {
            return Ok(());
        }
        let mut change = TariffChange::default();
        for (&day, runs) in self.runs.live.iter() {
            let mut totals = PeriodTotals::default();
            for run in runs {
                totals.merge(&run.totals()?)?;
            }
            for (key, line) in totals.sum()?.lines() {
                let added = change.add_line(&key, &line, day, tariff);
                added.ok_or_else(|| LedgerError::Overflow(format!("{} by the new tariff", key.platform)))?;
            }
        }
        self.tariff_change = (change.orders != 0).then_some(change);
        Ok(())
    }
}
