//! The answer of a reader that is behind: nothing about the present is final, and what its state says may be replaced already.
//!
//! It reads nothing that is stored, so that it comes at once also where the storage is away.

use super::Terms;
use super::answer::{Answer, AnswerWhen, Part, PlatformStatus};
use super::explain::why_behind;
use super::question::{Question, When};
use super::render::Formatter;
use super::resolve::{Line, as_of_line, reach_of};
use super::warning::Warning;
use crate::domain::behind::Behind;
use crate::domain::finality::PlatformFinality;
use crate::domain::time::Zone;
use crate::domain::verdict::Verdict;
use crate::domain::view::LedgerView;

/// What every answer about the present says of a reader that is behind.
pub fn warning<V: LedgerView>(view: &V, zone: &Zone, behind: Behind) -> Warning {
    Warning::ReaderBehind { since: zone.rfc3339(behind.since), commit: view.as_of().commit }
}

/// Answers a question about the present: undetermined, with the reason and with the state that an exact answer can be had of.
pub fn undetermined<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    (question, is_explained): (&Question, bool),
    behind: Behind,
) -> Answer {
    let known = view.completeness().platforms_known(terms.platforms, view.platforms_stored());
    let wanted = question.platforms.as_ref().unwrap_or(&known);
    let reach = reach_of(view);
    let line_of = |name: &'_ String| PlatformFinality::new(name, view.completeness(), terms.platforms, reach);
    let lines: Vec<Line<'_>> = wanted.iter().map(|name| (name.as_str(), line_of(name))).collect();
    let formatter = Formatter { view, zone: terms.zone };
    let status = |(name, line): &Line<'_>| PlatformStatus {
        platform: (*name).to_owned(),
        settled: false,
        reason: Some(Behind::CODE),
        complete_through: line.complete_through().map(|at| formatter.time(at)),
        ask_again_at: Some(formatter.time(behind.ask_again_at)),
    };
    let why = is_explained.then(|| Box::new(why_behind(&formatter, question, &lines, behind)));
    Answer {
        verdict: Verdict::Undetermined,
        rider_id: question.rider_ids.clone(),
        when: when(&formatter, question.when),
        platform: question.platforms.clone(),
        reference: question.reference.clone(),
        windows: Vec::new(),
        nearest_before: None,
        nearest_after: None,
        settled: false,
        platforms: lines.iter().map(status).collect(),
        superseded: Vec::new(),
        disputed: Vec::new(),
        rider_seen: None,
        warnings: vec![warning(view, terms.zone, behind)],
        as_of: as_of_line(view.as_of(), terms.zone),
        why,
        open_near: Vec::new(),
    }
}

fn when<V: LedgerView>(formatter: &Formatter<'_, V>, when: When) -> AnswerWhen {
    match when {
        When::Instant(at) => AnswerWhen::Instant { at: formatter.time(at) },
        When::Minute(window) | When::Interval(window) => {
            let (from, to) = (formatter.time(window.from), formatter.time(window.until));
            let part = Part { from: from.clone(), to: to.clone(), verdict: Verdict::Undetermined };
            AnswerWhen::Interval { from, to, parts: vec![part] }
        }
    }
}
