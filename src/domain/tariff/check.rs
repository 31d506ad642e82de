//! What is wrong with a set of rules: every problem is found, none stops the search.

use super::PriceQuery;
use super::Tariff;
use super::names::RegionClasses;
use super::rule::{CoverRule, FactorRule, RateRule, Scope, Scoped};
use crate::domain::charge::Price;
use crate::domain::money::Micros;
use crate::domain::order::Outcome;
use crate::domain::posting::RuleKind;
use crate::domain::posting::RuleNo;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A rule of the tariff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleRef {
    /// Which kind.
    pub kind: RuleKind,
    /// Its position among its kind.
    pub rule: RuleNo,
}

/// Why a set of rules is no tariff. Labels name the rules for people, the references find where they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TariffProblem {
    /// Two rules of equal rank apply to one date.
    Ambiguous {
        /// The one written first.
        first: (RuleRef, String),
        /// The other.
        second: (RuleRef, String),
    },
    /// A rate and a factor that meet give more than six decimals, or an amount that does not fit.
    Inexact {
        /// The rate.
        rate: (RuleRef, String),
        /// The factor.
        factor: (RuleRef, String),
    },
    /// `until` is not after `from`.
    NoDates(RuleRef, String),
    /// More rules of one kind, or more regions, than can be numbered.
    TooMany(RuleRef),
}

impl TariffProblem {
    /// The rules that it is about.
    pub fn rules(&self) -> Vec<RuleRef> {
        match self {
            Self::Ambiguous { first, second } => vec![first.0, second.0],
            Self::Inexact { rate, factor } => vec![rate.0, factor.0],
            Self::NoDates(rule, _) | Self::TooMany(rule) => vec![*rule],
        }
    }
}

impl fmt::Display for TariffProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { first, second } => write!(
                f,
                "`{}` and `{}` have the same rank and share dates: end one where the other begins (`until` is \
                 exclusive), or remove one",
                first.1, second.1
            ),
            Self::Inexact { rate, factor } => write!(
                f,
                "`{}` times `{}` is not exact in millionths of a yuan: change the rate or the factor",
                rate.1, factor.1
            ),
            Self::NoDates(_, label) => {
                write!(f, "`{label}` never applies: `until` must be later than `from`")
            }
            Self::TooMany(_) => {
                write!(f, "more rules of one kind, or more regions, than the ledger can number")
            }
        }
    }
}

/// Two dated rates of one key with days between them that neither holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateGap {
    /// The rate before the gap.
    pub before: (RuleRef, String),
    /// The rate after it.
    pub after: (RuleRef, String),
}

impl fmt::Display for RateGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is a gap between `{}` and `{}`: no such rate applies in it",
            self.before.1, self.after.1
        )
    }
}

pub(super) const fn kind_name(kind: RuleKind) -> &'static str {
    match kind {
        RuleKind::Rate => "rate",
        RuleKind::Factor => "factor",
        RuleKind::Cover => "cover",
    }
}

/// Rules of one key, in the order of their dates.
fn by_key(rules: &[impl Scoped]) -> Vec<Vec<(u16, &Scope)>> {
    let mut keys: BTreeMap<_, Vec<(u16, &Scope)>> = BTreeMap::new();
    for (scope, number) in rules.iter().map(Scoped::scope).zip(0..) {
        keys.entry((&scope.category, &scope.platform, scope.region)).or_default().push((number, scope));
    }
    keys.values_mut().for_each(|rules| rules.sort_by_key(|(number, scope)| (scope.from, *number)));
    keys.into_values().collect()
}

fn named(kind: RuleKind, (number, scope): (u16, &Scope)) -> (RuleRef, String) {
    (RuleRef { kind, rule: RuleNo(number) }, scope.label(kind_name(kind)))
}

/// Problems of one kind of rules.
fn check_kind(kind: RuleKind, rules: &[impl Scoped], problems: &mut Vec<TariffProblem>) {
    if u16::try_from(rules.len()).is_err() {
        problems.push(TariffProblem::TooMany(RuleRef { kind, rule: RuleNo(u16::MAX) }));
        return;
    }
    for rules in by_key(rules) {
        for (index, &rule) in rules.iter().enumerate() {
            if let (Some(from), Some(until)) = (rule.1.from, rule.1.until)
                && until <= from
            {
                let (place, label) = named(kind, rule);
                problems.push(TariffProblem::NoDates(place, label));
            }
            for &later in rules.iter().skip(index + 1) {
                if rule.1.same_key(later.1) && rule.1.dates_meet(later.1) {
                    let (first, second) = if rule.0 < later.0 { (rule, later) } else { (later, rule) };
                    problems.push(TariffProblem::Ambiguous {
                        first: named(kind, first),
                        second: named(kind, second),
                    });
                }
            }
        }
    }
}

/// Problems that each rule, and two of one kind, can have.
pub(super) fn check_rules(
    rates: &[RateRule],
    factors: &[FactorRule],
    covers: &[CoverRule],
) -> Vec<TariffProblem> {
    let mut problems = Vec::new();
    check_kind(RuleKind::Rate, rates, &mut problems);
    check_kind(RuleKind::Factor, factors, &mut problems);
    check_kind(RuleKind::Cover, covers, &mut problems);
    let scopes = rates.iter().map(Scoped::scope).chain(factors.iter().map(Scoped::scope));
    let scopes = scopes.chain(covers.iter().map(Scoped::scope));
    let regions: BTreeSet<_> = scopes.filter_map(|scope| scope.region).collect();
    if problems.is_empty() && regions.len() > RegionClasses::len_max() {
        problems.push(TariffProblem::TooMany(RuleRef { kind: RuleKind::Rate, rule: RuleNo(0) }));
    }
    problems
}

/// Whether an order can be such that both rules are asked about it.
fn can_meet(rate: &Scope, factor: &Scope) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    let nested = match (rate.region, factor.region) {
        (Some(a), Some(b)) => {
            a.to_string().starts_with(&b.to_string()) || b.to_string().starts_with(&a.to_string())
        }
        _ => true,
    };
    same(&rate.category, &factor.category)
        && same(&rate.platform, &factor.platform)
        && nested
        && rate.dates_meet(factor)
}

/// Rates and factors whose product is not exact, though some order would be charged by both.
pub(super) fn check_products(tariff: &Tariff) -> Vec<TariffProblem> {
    let amounts: BTreeSet<Micros> = tariff.rates.iter().map(|rule| rule.per_order).collect();
    let multiples: BTreeSet<Decimal> = tariff.factors.iter().map(|rule| rule.multiply).collect();
    let pairs = amounts.iter().flat_map(|&amount| multiples.iter().map(move |&multiple| (amount, multiple)));
    let inexact: BTreeSet<_> =
        pairs.filter(|&(amount, multiple)| product(amount, multiple).is_none()).collect();
    if inexact.is_empty() {
        return Vec::new();
    }
    let mut suspects = BTreeSet::new();
    for (rate, rate_no) in tariff.rates.iter().zip(0_u16..) {
        for (factor, factor_no) in tariff.factors.iter().zip(0_u16..) {
            if inexact.contains(&(rate.per_order, factor.multiply)) && can_meet(&rate.scope, &factor.scope) {
                suspects.insert((rate_no, factor_no));
            }
        }
    }
    // A pair that can meet may still be hidden by more specific rules wherever it does: ask the tariff itself.
    suspects.retain(|&(rate, factor)| meet(tariff, rate, factor));
    let label = |kind, number: u16, scope: &Scope| named(kind, (number, scope));
    suspects
        .into_iter()
        .filter_map(|(rate, factor)| {
            let rate_scope = &tariff.rates.get(usize::from(rate))?.scope;
            let factor_scope = &tariff.factors.get(usize::from(factor))?.scope;
            Some(TariffProblem::Inexact {
                rate: label(RuleKind::Rate, rate, rate_scope),
                factor: label(RuleKind::Factor, factor, factor_scope),
            })
        })
        .collect()
}

/// The premium, when it is exact and fits: in whole numbers, because a decimal's own product is rounded when it is long.
pub(super) fn product(per_order: Micros, multiply: Decimal) -> Option<Micros> {
    let numerator = i128::from(per_order.get()).checked_mul(multiply.mantissa())?;
    let denominator = 10_i128.checked_pow(multiply.scale())?;
    if numerator.checked_rem(denominator)? != 0 {
        return None;
    }
    i64::try_from(numerator.checked_div(denominator)?).ok().map(Micros::new)
}

/// Whether any order is charged by exactly this rate and factor, tried on one order of every sort that the rules tell apart.
fn meet(tariff: &Tariff, rate: u16, factor: u16) -> bool {
    let (Some(rate_rule), Some(factor_rule)) =
        (tariff.rates.get(usize::from(rate)), tariff.factors.get(usize::from(factor)))
    else {
        return false;
    };
    let Some(category) = rate_rule.scope.category.as_deref() else { return false };
    let platforms: Vec<&str> =
        match rate_rule.scope.platform.as_deref().or(factor_rule.scope.platform.as_deref()) {
            Some(platform) => vec![platform],
            // No platform has the empty name: it represents all that no rule names.
            None => tariff.platforms.all().into_iter().chain([""]).collect(),
        };
    let region_ok = |scope: &Scope, region| scope.region.is_none_or(|prefix| prefix.holds(region));
    let regions: Vec<_> = tariff
        .regions
        .samples()
        .into_iter()
        .filter(|&region| region_ok(&rate_rule.scope, region) && region_ok(&factor_rule.scope, region))
        .collect();
    let days = tariff
        .epochs
        .days()
        .filter(|&day| rate_rule.scope.holds_day(day) && factor_rule.scope.holds_day(day));
    days.into_iter().any(|day| {
        platforms.iter().any(|platform| {
            regions.iter().any(|&region| {
                let query = PriceQuery { platform, category, region, day, outcome: None };
                tariff.rate_and_factor(&query) == Some((rate, Some(factor)))
                    && Outcome::ALL.into_iter().any(|outcome| {
                        // An outcome that is not charged there has no product.
                        let query = PriceQuery { outcome: Some(outcome), ..query };
                        !matches!(tariff.price(&query).charge.price, Price::None | Price::Uncharged)
                    })
            })
        })
    })
}

/// Gaps between dated rates of the same key.
pub(super) fn gaps(rates: &[RateRule]) -> Vec<RateGap> {
    let mut gaps = Vec::new();
    for rules in by_key(rates) {
        for (&before, &after) in rules.iter().zip(rules.iter().skip(1)) {
            if let (Some(until), Some(from)) = (before.1.until, after.1.from)
                && until < from
            {
                gaps.push(RateGap {
                    before: named(RuleKind::Rate, before),
                    after: named(RuleKind::Rate, after),
                });
            }
        }
    }
    gaps
}
