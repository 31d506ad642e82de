//! The tariff: dated rates, factors and cover rules, and what they make of an order.
//!
//! Of the rules that match an order's category, platform, region and date, the most specific one applies
//! ([`rule::Scope::rank`]). Premiums are exact: a rate and a factor whose product is not are refused when the tariff
//! is made, and so are two rules between which rank cannot choose.

mod book;
mod check;
mod names;
mod rule;
mod table;
#[cfg(test)]
mod tests;

pub use book::{CoverEntry, RuleBook, RuleEntry};
pub use check::{RateGap, RuleRef, TariffProblem};
pub use rule::{CoverRule, FactorRule, RateRule, RegionPrefix, Scope};

use super::charge::{Charge, Price};
use super::order::{Outcome, Region};
use super::posting::{ConfigNo, CoverTerms, Pricing, RuleNo};
use super::time::LocalDay;
use names::{Epochs, Names, RegionClasses};
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use table::{Point, Table};

/// What the price of an order depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceQuery<'a> {
    /// Platform.
    pub platform: &'a str,
    /// Tariff category.
    pub category: &'a str,
    /// Where the order was accepted.
    pub region: Region,
    /// Local date of `accepted_at`.
    pub day: LocalDay,
    /// `None` while the order is open.
    pub outcome: Option<Outcome>,
}

/// Valid rules, compiled.
#[derive(Clone, Debug)]
pub struct Tariff {
    config: ConfigNo,
    rates: Vec<RateRule>,
    factors: Vec<FactorRule>,
    covers: Vec<CoverRule>,
    categories: Names,
    platforms: Names,
    regions: RegionClasses,
    epochs: Epochs,
    rate_table: Table,
    factor_table: Table,
    cover_table: Table,
    book: RuleBook,
}

impl Tariff {
    /// Compiles the rules, or says everything that is wrong with them.
    ///
    /// # Errors
    /// Ambiguous rules, inexact products, rules that never apply.
    pub fn new(
        rates: Vec<RateRule>,
        factors: Vec<FactorRule>,
        covers: Vec<CoverRule>,
    ) -> Result<Self, Vec<TariffProblem>> {
        let problems = check::check_rules(&rates, &factors, &covers);
        if !problems.is_empty() {
            return Err(problems);
        }
        let scopes: Vec<&Scope> = (rates.iter().map(|rule| &rule.scope))
            .chain(factors.iter().map(|rule| &rule.scope))
            .chain(covers.iter().map(|rule| &rule.scope))
            .collect();
        let categories = Names::new(scopes.iter().filter_map(|scope| scope.category.as_deref()));
        let platforms = Names::new(scopes.iter().filter_map(|scope| scope.platform.as_deref()));
        let book = RuleBook::new(&rates, &factors, &covers);
        let tariff = Self {
            config: ConfigNo::default(),
            regions: RegionClasses::new(scopes.iter().copied()),
            epochs: Epochs::new(scopes.iter().copied()),
            rate_table: Table::new(&rates, &categories, &platforms),
            factor_table: Table::new(&factors, &categories, &platforms),
            cover_table: Table::new(&covers, &categories, &platforms),
            book,
            categories,
            platforms,
            rates,
            factors,
            covers,
        };
        let problems = check::check_products(&tariff);
        if problems.is_empty() { Ok(tariff) } else { Err(problems) }
    }

    /// What the rules make of an order.
    pub fn price(&self, query: &PriceQuery<'_>) -> Pricing {
        let point = self.point(query);
        let cover_no = self.cover_table.find(point);
        let cover = cover_no.and_then(|number| self.covers.get(usize::from(number)));
        let charged = |outcome: Outcome| match cover {
            Some(rule) => rule.charged_outcomes.contains(&outcome),
            None => outcome == Outcome::Completed,
        };
        let price = match query.outcome {
            None | Some(Outcome::Void) => Price::None,
            Some(outcome) if !charged(outcome) => Price::Uncharged,
            Some(_) => self.premium(point),
        };
        let terms = CoverTerms {
            config: self.config,
            rule: cover_no.map(RuleNo),
            lead_ms: cover.map_or(0, |rule| rule.lead_ms),
            tail_ms: cover.map_or(0, |rule| rule.tail_ms),
        };
        Pricing { charge: Charge::of_order(self.config, price), cover: terms }
    }

    fn point(&self, query: &PriceQuery<'_>) -> Point {
        Point {
            category: self.categories.number(query.category),
            platform: self.platforms.number(query.platform),
            region: query.region,
            day: query.day,
        }
    }

    /// The premium by the most specific rate and factor.
    fn premium(&self, point: Point) -> Price {
        let factor_no = self.factor_table.find(point);
        let multiply = factor_no
            .and_then(|number| self.factors.get(usize::from(number)))
            .map_or(Decimal::ONE, |rule| rule.multiply);
        let rate_no = self.rate_table.find(point);
        let rate = rate_no.and_then(|number| self.rates.get(usize::from(number)));
        // A product that is not exact does not get past `new`.
        match rate.and_then(|rule| check::product(rule.per_order, multiply)).zip(rate_no) {
            Some((premium, rate_no)) => {
                Price::Charged { premium, rate: RuleNo(rate_no), factor: factor_no.map(RuleNo) }
            }
            None => Price::Unrated,
        }
    }

    fn rate_and_factor(&self, query: &PriceQuery<'_>) -> Option<(u16, Option<u16>)> {
        let point = self.point(query);
        self.rate_table.find(point).map(|rate| (rate, self.factor_table.find(point)))
    }

    /// Whether any rule names the category. One that only a factor or a cover rule names has no rate: its orders are
    /// accepted, covered and unrated.
    pub fn knows_category(&self, category: &str) -> bool {
        self.categories.contains(category)
    }

    /// Every category that a rule names, sorted.
    pub fn categories(&self) -> BTreeSet<&str> {
        self.categories.all()
    }

    /// Every platform that a rule names, sorted.
    pub fn platforms(&self) -> BTreeSet<&str> {
        self.platforms.all()
    }

    /// The largest lead and the largest tail of any cover rule, in milliseconds.
    pub fn widest_cover(&self) -> (i64, i64) {
        self.book.widest_cover()
    }

    /// A short hash of the rules: 16 hexadecimal digits. The order in which they are written does not count.
    pub fn version(&self) -> &str {
        &self.book.version
    }

    /// The rules' names and terms, to be kept with the configuration.
    pub const fn book(&self) -> &RuleBook {
        &self.book
    }

    /// The number under which the ledger knows the configuration.
    pub const fn config_no(&self) -> ConfigNo {
        self.config
    }

    /// The same tariff under that number.
    #[must_use]
    pub fn with_config_no(mut self, config: ConfigNo) -> Self {
        self.config = config;
        self
    }

    /// Gaps between dated rates of the same key: legal, but seldom meant.
    pub fn gaps(&self) -> Vec<RateGap> {
        check::gaps(&self.rates)
    }

    /// Categories that factors or cover rules name, but no rate.
    pub fn categories_without_rate(&self) -> BTreeSet<&str> {
        let rated: BTreeSet<_> =
            self.rates.iter().filter_map(|rule| rule.scope.category.as_deref()).collect();
        self.categories().difference(&rated).copied().collect()
    }
}
