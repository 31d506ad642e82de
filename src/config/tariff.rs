//! `[[rate]]`, `[[factor]]` and `[[cover]]`, from all files, made into a tariff.

use super::platforms::{PLATFORM_NAME_RULE, is_platform_name};
use super::problem::Report;
use super::reader::Section;
use super::value;
use crate::domain::money::Micros;
use crate::domain::order::Outcome;
use crate::domain::platform::Platforms;
use crate::domain::posting::RuleKind;
use crate::domain::posting::RuleNo;
use crate::domain::tariff::{
    CoverRule, FactorRule, RateRule, RegionPrefix, RuleRef, Scope, Tariff, TariffProblem,
};
use toml::de::DeValue;

/// Largest premium of one order, in yuan: far beyond every scheme, and sums of it stay in range.
const PER_ORDER_MAX: u32 = 100_000;
/// Largest factor.
const MULTIPLY_MAX: u32 = 1_000;
/// Longest category, in bytes.
const CATEGORY_BYTES_MAX: usize = 64;

/// Rules of one kind and where each is written.
#[derive(Debug)]
struct Written<R> {
    rules: Vec<R>,
    places: Vec<String>,
}

impl<R> Default for Written<R> {
    fn default() -> Self {
        Self { rules: Vec::new(), places: Vec::new() }
    }
}

impl<R> Written<R> {
    fn push(&mut self, rule: Option<R>, place: String) {
        if let Some(rule) = rule {
            self.rules.push(rule);
            self.places.push(place);
        }
    }
}

/// The rules of all files so far.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rates: Written<RateRule>,
    factors: Written<FactorRule>,
    covers: Written<CoverRule>,
}

impl Rules {
    /// Adds the rules of one file.
    pub(super) fn read(&mut self, root: &mut Section<'_>, report: &mut Report) {
        for section in root.tables("rate", report) {
            let place = section.place();
            self.rates.push(rate(section, report), place);
        }
        for section in root.tables("factor", report) {
            let place = section.place();
            self.factors.push(factor(section, report), place);
        }
        for section in root.tables("cover", report) {
            let place = section.place();
            self.covers.push(cover(section, report), place);
        }
    }

    fn place(&self, rule: RuleRef) -> String {
        let places = match rule.kind {
            RuleKind::Rate => &self.rates.places,
            RuleKind::Factor => &self.factors.places,
            RuleKind::Cover => &self.covers.places,
        };
        places.get(usize::from(rule.rule.0)).cloned().unwrap_or_default()
    }

    /// The tariff; `None` when the rules do not make one (then it is reported).
    pub(super) fn tariff(&self, platforms: &Platforms, main: &str, report: &mut Report) -> Option<Tariff> {
        let rules = (self.rates.rules.clone(), self.factors.rules.clone(), self.covers.rules.clone());
        match Tariff::new(rules.0, rules.1, rules.2) {
            Ok(tariff) => {
                self.warn(&tariff, platforms, main, report);
                Some(tariff)
            }
            Err(problems) => {
                problems.iter().for_each(|problem| self.report(problem, report));
                None
            }
        }
    }

    fn report(&self, problem: &TariffProblem, report: &mut Report) {
        let places: Vec<String> = problem.rules().into_iter().map(|rule| self.place(rule)).collect();
        match places.as_slice() {
            [first, second] => report.problem(second.clone(), format!("{problem} (the first is at {first})")),
            _ => report.problem(places.concat(), problem.to_string()),
        }
    }

    fn warn(&self, tariff: &Tariff, platforms: &Platforms, main: &str, report: &mut Report) {
        for gap in tariff.gaps() {
            report.warning(self.place(gap.after.0), gap.to_string());
        }
        if self.rates.rules.is_empty() {
            let text = "there is no [[rate]]: no order will be charged, and orders of categories that no rule names \
                        are rejected";
            report.warning(main, text);
        }
        for category in tariff.categories_without_rate() {
            let text = format!("category `{category}` has no rate: its orders will be covered, but unrated");
            report.warning(main, text);
        }
        if platforms.is_any_registered() {
            for platform in tariff.platforms().into_iter().filter(|name| !platforms.is_registered(name)) {
                let rule = self.first_of(platform).map(|rule| self.place(rule)).unwrap_or_default();
                report.warning(
                    rule,
                    format!("platform `{platform}` is not registered: no order can be from it"),
                );
            }
        }
    }

    fn first_of(&self, platform: &str) -> Option<RuleRef> {
        let of = |scope: &Scope| scope.platform.as_deref() == Some(platform);
        let find = |kind, index: Option<usize>| {
            let rule = RuleNo(u16::try_from(index?).ok()?);
            Some(RuleRef { kind, rule })
        };
        find(RuleKind::Rate, self.rates.rules.iter().position(|rule| of(&rule.scope)))
            .or_else(|| find(RuleKind::Factor, self.factors.rules.iter().position(|rule| of(&rule.scope))))
            .or_else(|| find(RuleKind::Cover, self.covers.rules.iter().position(|rule| of(&rule.scope))))
    }
}

fn category(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    if text.len() > CATEGORY_BYTES_MAX {
        return Err(format!("a category has at most {CATEGORY_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn platform(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    if is_platform_name(&text) { Ok(text) } else { Err(format!("`{text}`: {PLATFORM_NAME_RULE}")) }
}

fn region(value: &DeValue<'_>) -> Result<RegionPrefix, String> {
    let text = value.as_str().unwrap_or_default();
    RegionPrefix::parse(text).ok_or_else(|| {
        "write 6 digits (county), 4 (prefecture) or 2 (province) as a string, such as \"31\"".to_owned()
    })
}

fn scope(section: &mut Section<'_>, report: &mut Report) -> Scope {
    Scope {
        category: section.read("category", report, category),
        platform: section.read("platform", report, platform),
        region: section.read("region", report, region),
        from: section.read("from", report, value::date),
        until: section.read("until", report, value::date),
    }
}

/// Whether what the scope says is what is written: a rule whose platform cannot be read must not apply to all.
fn is_whole(section: &mut Section<'_>, scope: &Scope) -> bool {
    let written = |section: &mut Section<'_>, key, read: bool| section.get(key).is_some() == read;
    written(section, "category", scope.category.is_some())
        && written(section, "platform", scope.platform.is_some())
        && written(section, "region", scope.region.is_some())
        && written(section, "from", scope.from.is_some())
        && written(section, "until", scope.until.is_some())
}

fn rate(mut section: Section<'_>, report: &mut Report) -> Option<RateRule> {
    let scope = scope(&mut section, report);
    let category = section.need("category", report, |_| Ok(()));
    let per_order = section.need("per_order", report, |value| {
        let decimal = value::decimal(PER_ORDER_MAX)(value)?;
        Micros::from_decimal(decimal).ok_or_else(|| format!("`{decimal}` has more than six decimals"))
    });
    let whole = is_whole(&mut section, &scope);
    section.finish(report);
    category.filter(|()| whole)?;
    Some(RateRule { scope, per_order: per_order? })
}

fn factor(mut section: Section<'_>, report: &mut Report) -> Option<FactorRule> {
    let scope = scope(&mut section, report);
    let multiply = section.need("multiply", report, value::decimal(MULTIPLY_MAX));
    let whole = is_whole(&mut section, &scope);
    section.finish(report);
    multiply.filter(|_| whole).map(|multiply| FactorRule { scope, multiply })
}

fn cover(mut section: Section<'_>, report: &mut Report) -> Option<CoverRule> {
    let scope = scope(&mut section, report);
    let reach = value::duration("0s", "31d");
    let lead_ms = if section.get("lead").is_some() { section.read("lead", report, &reach) } else { Some(0) };
    let tail_ms = if section.get("tail").is_some() { section.read("tail", report, &reach) } else { Some(0) };
    let charged_outcomes = if section.get("charged_outcomes").is_some() {
        section.read("charged_outcomes", report, outcomes)
    } else {
        Some(vec![Outcome::Completed])
    };
    let whole = is_whole(&mut section, &scope);
    section.finish(report);
    let charged_outcomes = charged_outcomes.filter(|_| whole)?;
    Some(CoverRule { scope, lead_ms: lead_ms?, tail_ms: tail_ms?, charged_outcomes })
}

fn outcomes(value: &DeValue<'_>) -> Result<Vec<Outcome>, String> {
    let names = value::texts(value)?;
    let outcome = |name: &String| {
        let chargeable = Outcome::parse(name).filter(|outcome| *outcome != Outcome::Void);
        chargeable.ok_or_else(|| {
            format!(
                "`{name}` is no outcome that can be charged: completed, cancelled, interrupted, transferred"
            )
        })
    };
    names.iter().map(outcome).collect()
}
