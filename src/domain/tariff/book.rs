//! What is kept of a tariff's rules as long as postings name them: labels and terms, without the machinery.

use super::rule::{CoverRule, FactorRule, RateRule};
use crate::domain::posting::RuleKind;
use crate::domain::posting::RuleNo;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// One rate or factor.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RuleEntry {
    /// e.g. `rate instant_delivery platform=meituan from=2025-07-01`
    pub label: String,
    /// What it says: `per_order=0.25`, `multiply=0.8`.
    pub terms: String,
}

/// One cover rule.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CoverEntry {
    /// e.g. `cover platform=meituan`
    pub label: String,
    /// e.g. `lead_ms=0 tail_ms=600000 charged_outcomes=completed,cancelled`
    pub terms: String,
    /// Cover before `accepted_at`, in milliseconds.
    pub lead_ms: i64,
    /// Cover after `ended_at`, in milliseconds.
    pub tail_ms: i64,
}

/// Every rule of one configuration; a rule's number is its place in its list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RuleBook {
    /// [`super::Tariff::version`].
    pub version: String,
    /// `[[rate]]`
    pub rates: Vec<RuleEntry>,
    /// `[[factor]]`
    pub factors: Vec<RuleEntry>,
    /// `[[cover]]`
    pub covers: Vec<CoverEntry>,
}

impl RuleBook {
    pub(super) fn new(rates: &[RateRule], factors: &[FactorRule], covers: &[CoverRule]) -> Self {
        let rate = |rule: &RateRule| RuleEntry {
            label: rule.scope.label("rate"),
            terms: format!("per_order={}", rule.per_order.to_short_string()),
        };
        let factor = |rule: &FactorRule| RuleEntry {
            label: rule.scope.label("factor"),
            terms: format!("multiply={}", rule.multiply.normalize()),
        };
        let mut book = Self {
            version: String::new(),
            rates: rates.iter().map(rate).collect(),
            factors: factors.iter().map(factor).collect(),
            covers: covers.iter().map(cover_entry).collect(),
        };
        book.version = book.hash();
        book
    }

    /// The first 16 hexadecimal digits of the SHA-256 over label and terms of every rule, one a line, sorted.
    fn hash(&self) -> String {
        let rules = self.rates.iter().chain(&self.factors).map(|entry| (&entry.label, &entry.terms));
        let rules = rules.chain(self.covers.iter().map(|entry| (&entry.label, &entry.terms)));
        let mut lines: Vec<String> = rules.map(|(label, terms)| format!("{label} {terms}\n")).collect();
        lines.sort();
        let mut hash = HEXLOWER.encode(&Sha256::digest(lines.concat()));
        hash.truncate(16);
        hash
    }

    /// The label of a rule; `None` when there is no such rule.
    pub fn label(&self, kind: RuleKind, rule: RuleNo) -> Option<&str> {
        let index = usize::from(rule.0);
        match kind {
            RuleKind::Rate => self.rates.get(index).map(|entry| entry.label.as_str()),
            RuleKind::Factor => self.factors.get(index).map(|entry| entry.label.as_str()),
            RuleKind::Cover => self.covers.get(index).map(|entry| entry.label.as_str()),
        }
    }

    /// The largest lead and the largest tail of any cover rule, in milliseconds.
    pub fn widest_cover(&self) -> (i64, i64) {
        self.covers.iter().fold((0, 0), |(lead, tail), rule| (lead.max(rule.lead_ms), tail.max(rule.tail_ms)))
    }
}

fn cover_entry(rule: &CoverRule) -> CoverEntry {
    let mut charged: Vec<_> = rule.charged_outcomes.iter().map(|outcome| outcome.as_str()).collect();
    charged.sort_unstable();
    CoverEntry {
        label: rule.scope.label("cover"),
        terms: format!(
            "lead_ms={} tail_ms={} charged_outcomes={}",
            rule.lead_ms,
            rule.tail_ms,
            charged.join(",")
        ),
        lead_ms: rule.lead_ms,
        tail_ms: rule.tail_ms,
    }
}
