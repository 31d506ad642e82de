//! The rules as they are written: what each applies to, when, and what it says.

use crate::domain::money::Micros;
use crate::domain::order::{Outcome, Region};
use crate::domain::time::LocalDay;
use rust_decimal::Decimal;
use std::fmt;

/// The first 2 (province), 4 (prefecture) or all 6 (county) digits of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionPrefix {
    digits: u8,
    code: u32,
}

impl RegionPrefix {
    /// Reads 2, 4 or 6 ASCII digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = u8::try_from(text.len()).ok().filter(|digits| matches!(digits, 2 | 4 | 6))?;
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| text.parse().ok().map(|code| Self { digits, code })).flatten()
    }

    /// The prefix of `digits` (2, 4 or 6) digits that holds `region`.
    pub const fn of(region: Region, digits: u8) -> Self {
        let code = match digits {
            2 => region.code() / 10_000,
            4 => region.code() / 100,
            _ => region.code(),
        };
        Self { digits, code }
    }

    /// How many digits: 2, 4 or 6.
    pub const fn digits(self) -> u8 {
        self.digits
    }

    /// Whether it holds `region`.
    pub fn holds(self, region: Region) -> bool {
        Self::of(region, self.digits) == self
    }

    /// The smallest region that it holds.
    pub(super) const fn first_region_code(self) -> u32 {
        match self.digits {
            2 => self.code * 10_000,
            4 => self.code * 100,
            _ => self.code,
        }
    }

    /// A number that no other prefix has, below 2^23.
    pub(super) const fn packed(self) -> u64 {
        // Codes are below 10^6 < 2^20, digits below 2^3; `as` widens only.
        ((self.digits as u64) << 20) | self.code as u64
    }
}

impl fmt::Display for RegionPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.code, width = usize::from(self.digits))
    }
}

/// What a rule applies to, and when. What is absent is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scope {
    /// Tariff category. A rate always has one.
    pub category: Option<String>,
    /// Platform.
    pub platform: Option<String>,
    /// Region or prefix of it.
    pub region: Option<RegionPrefix>,
    /// First local date of `accepted_at`.
    pub from: Option<LocalDay>,
    /// Local date of `accepted_at` from which the rule is over.
    pub until: Option<LocalDay>,
}

impl Scope {
    /// How specific: platform and region (longer prefix first), platform, region (longer prefix first), then neither;
    /// of two that agree in this, the one that names a category. The higher number applies.
    pub fn rank(&self) -> u8 {
        let region = self.region.map_or(0, RegionPrefix::digits);
        let place = if self.platform.is_some() { 8 + region } else { region };
        2 * place + u8::from(self.category.is_some())
    }

    /// Whether the dates include `day`.
    pub fn holds_day(&self, day: LocalDay) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }

    /// Whether two rules ask for exactly the same: rules of equal rank meet only then.
    pub(super) fn same_key(&self, other: &Self) -> bool {
        self.category == other.category && self.platform == other.platform && self.region == other.region
    }

    /// Whether the dates of two rules share a day.
    pub(super) fn dates_meet(&self, other: &Self) -> bool {
        let from = self.from.max(other.from);
        let until = self.until.into_iter().chain(other.until).min();
        from.is_none_or(|from| until.is_none_or(|until| from < until))
    }

    /// `kind category platform=... region=... from=... until=...`, without what is absent.
    pub fn label(&self, kind: &str) -> String {
        let mut label = kind.to_owned();
        let mut add = |text: String| {
            label.push(' ');
            label.push_str(&text);
        };
        self.category.iter().for_each(|category| add(category.clone()));
        self.platform.iter().for_each(|platform| add(format!("platform={platform}")));
        self.region.iter().for_each(|region| add(format!("region={region}")));
        self.from.iter().for_each(|from| add(format!("from={from}")));
        self.until.iter().for_each(|until| add(format!("until={until}")));
        label
    }
}

/// `[[rate]]`: what an order costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRule {
    /// What it applies to; the category is always there.
    pub scope: Scope,
    /// Base premium of one order.
    pub per_order: Micros,
}

/// `[[factor]]`: multiplies the rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorRule {
    /// What it applies to.
    pub scope: Scope,
    /// The factor.
    pub multiply: Decimal,
}

/// `[[cover]]`: how far cover reaches around an order, and which outcomes are charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverRule {
    /// What it applies to.
    pub scope: Scope,
    /// Cover before `accepted_at`, in milliseconds.
    pub lead_ms: i64,
    /// Cover after `ended_at`, in milliseconds.
    pub tail_ms: i64,
    /// The outcomes that are charged; the others are covered all the same.
    pub charged_outcomes: Vec<Outcome>,
}

/// Lets the checks and the tables treat the three kinds alike.
pub(super) trait Scoped {
    fn scope(&self) -> &Scope;
}

impl Scoped for RateRule {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Scoped for FactorRule {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Scoped for CoverRule {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}
