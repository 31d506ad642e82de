//! Why an answer is what it is: the orders behind a cover and where they came from, the promises and records behind an absence,
//! what is missing where nothing can be said yet. `docs/explain.md` lists the codes.
//!
//! ```text
//! what a verdict was derived from -> why() -> Why (JSON) -> words() (Chinese, English)
//! ```

mod behind;
mod complete;
mod form;
mod open;
mod orders;
mod wording;

pub(super) use behind::why_behind;
pub use form::*;
pub use wording::{Language, Section, Words, words};

use super::Terms;
use super::fetch::Fetched;
use super::question::{Question, When};
use super::render::Formatter;
use super::resolve::Line;
use crate::domain::finality::Stretch;
use crate::domain::posting::Posting;
use crate::domain::time::UtcMillis;
use crate::domain::verdict::Verdict;
use crate::domain::view::LedgerView;
use crate::domain::window::{Window, subtract, union, union_within};
use behind::promise_line;

/// Open orders, and kept records, that an explanation lists of one reason and platform. It counts all of them.
pub const LISTED_MAX: usize = 20;

/// What a verdict was derived from.
#[derive(Debug)]
pub(super) struct Findings<'a, V> {
    pub(super) formatter: &'a Formatter<'a, V>,
    pub(super) terms: Terms<'a>,
    pub(super) question: &'a Question,
    pub(super) verdict: Verdict,
    pub(super) rider_known: bool,
    pub(super) fetched: &'a Fetched,
    /// Every platform that is known, sorted.
    pub(super) known: &'a [String],
    pub(super) lines: &'a [Line<'a>],
    /// Of each of `lines`.
    pub(super) stretches: &'a [Vec<Stretch>],
    /// What is covered, as a union.
    pub(super) cover: &'a [Window],
    /// The orders behind it.
    pub(super) holding: &'a [&'a Posting],
    pub(super) nearest: (Option<&'a Posting>, Option<&'a Posting>),
}

/// Explains a verdict.
///
/// # Errors
/// The state could not be read.
pub(super) fn why<V: LedgerView>(findings: &Findings<'_, V>) -> Result<Why, V::Error> {
    let around = findings.question.when.window();
    let bare = subtract(around, findings.cover);
    let platforms = findings.lines.iter().zip(findings.stretches).filter(|_| !bare.is_empty());
    let platforms = platforms.map(|(line, stretches)| findings.platform(line, stretches, &bare));
    let order = |posting: &&Posting| findings.order(posting);
    let margins = super::resolve::reach_of(findings.formatter.view);
    Ok(Why {
        verdict: findings.verdict,
        time: match findings.question.when {
            When::Instant(at) => Asked::Instant { at: findings.time(at) },
            When::Minute(window) | When::Interval(window) => Asked::Interval(findings.span(window)),
        },
        rider_id: findings.question.rider_ids.clone(),
        rider_known: findings.rider_known,
        limited_to: None,
        margins: Margins { lead_ms: margins.lead_ms, tail_ms: margins.tail_ms },
        windows: findings.holding.iter().map(order).collect::<Result<_, _>>()?,
        platforms: platforms.collect::<Result<_, _>>()?,
        superseded: findings.superseded()?,
        nearest_before: findings.nearest.0.as_ref().map(order).transpose()?,
        nearest_after: findings.nearest.1.as_ref().map(order).transpose()?,
    })
}

impl<V: LedgerView> Findings<'_, V> {
    fn platform(
        &self,
        of: &Line<'_>,
        stretches: &[Stretch],
        bare: &[Window],
    ) -> Result<PlatformWhy, V::Error> {
        let (name, line) = of;
        let settled = stretches.iter().filter(|stretch| stretch.unsettled.is_none());
        let settled: Vec<Window> = settled.map(|stretch| stretch.window).collect();
        Ok(PlatformWhy {
            platform: (*name).to_owned(),
            complete_through: self.optional(line.complete_through()),
            promise: promise_line(line.promise(), self.terms.zone),
            is_final: self.is_final(name, line, common(&settled, bare))?,
            open: self.open(of, bare)?,
        })
    }

    fn time(&self, at: UtcMillis) -> String {
        self.formatter.time(at)
    }

    /// An instant, if RFC 3339 can write it.
    fn optional(&self, at: Option<UtcMillis>) -> Option<String> {
        behind::optional(at, self.terms.zone)
    }

    fn span(&self, window: Window) -> Span {
        Span { from: self.time(window.from), to: self.time(window.until) }
    }

    fn spans(&self, windows: &[Window]) -> Vec<Span> {
        windows.iter().map(|&window| self.span(window)).collect()
    }

    fn reach(&self, window: Window) -> Reach {
        Reach { from: self.optional(Some(window.from)), to: self.optional(Some(window.until)) }
    }
}

/// What lies in both.
fn common(some: &[Window], others: &[Window]) -> Vec<Window> {
    union(some.iter().flat_map(|&window| union_within(others.iter().copied(), window)).collect())
}

#[cfg(test)]
mod tests;
