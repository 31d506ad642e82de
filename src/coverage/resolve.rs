//! From a question to its answer.

use super::Terms;
use super::answer::{
    Answer, AnswerWhen, AsOfLine, NearestAfter, NearestBefore, Part, PlatformStatus, RiderSeenLine,
};
use super::explain::{Findings, why};
use super::fetch::{Conflict, Fetched, OpenOrder, fetch, window_of};
use super::nearest::Search;
use super::question::{Question, When};
use super::render::{Formatter, seconds};
use super::rider_days::RiderDays;
use super::rider_summary::rider_seen;
use super::warning::Warning;
use crate::domain::finality::{CoverMargins, PlatformFinality, Stretch};
use crate::domain::pending::{PendingKind, Scope};
use crate::domain::platform::UnreadableRecords;
use crate::domain::posting::Posting;
use crate::domain::rejection::Rejection;
use crate::domain::rider_seen::RiderSeen;
use crate::domain::time::Zone;
use crate::domain::verdict::Verdict;
use crate::domain::view::{AsOf, LedgerView};
use crate::domain::window::{Window, subtract, union_within};

/// Answers a question from one committed state.
pub fn resolve<V: LedgerView>(view: &V, terms: Terms<'_>, question: &Question) -> Result<Answer, V::Error> {
    answer(view, terms, question, false)
}

/// Answers a question from one committed state, and explains the answer. An explanation reads commit records besides.
pub fn explain<V: LedgerView>(view: &V, terms: Terms<'_>, question: &Question) -> Result<Answer, V::Error> {
    answer(view, terms, question, true)
}

fn answer<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    question: &Question,
    is_explained: bool,
) -> Result<Answer, V::Error> {
    let known = view.completeness().platforms_known(terms.platforms, view.platforms_stored());
    let wanted = question.platforms.as_ref().unwrap_or(&known);
    let reach = reach_of(view);
    let around = question.when.window();
    let riders = RiderDays::new(view, terms.zone, &question.rider_ids);
    riders.expect_ends();
    let fetched = fetch(&riders, terms, around, reach, wanted)?;
    let as_of = view.as_of();
    let line_of = |name: &'_ String| PlatformFinality::new(name, view.completeness(), terms.platforms, reach);
    let mut lines: Vec<Line<'_>> = wanted.iter().map(|name| (name.as_str(), line_of(name))).collect();
    let (cover, holding) = cover(&fetched, &lines, around);
    claim_open_time(view, &mut lines, &fetched, terms, &known, around);
    let stretches: Vec<Vec<Stretch>> =
        lines.iter().map(|(_, line)| line.stretches(around, as_of.recorded_at)).collect();
    let unsettled = unsettled(&stretches, around);
    let parts = parts(&cover, &unsettled, around);
    let formatter = Formatter { view, zone: terms.zone };
    let seen = rider_seen(&riders)?;
    let (before, after) = match &seen {
        Some(seen) if cover.is_empty() => {
            let seen = Window::new(seen.first, seen.last);
            nearest(&Search { riders: &riders, platforms: wanted, reach, seen }, around)?
        }
        _ => (None, None),
    };
    let verdict = overall(&parts);
    let findings = Findings {
        formatter: &formatter,
        terms,
        question,
        verdict,
        rider_known: seen.is_some(),
        fetched: &fetched,
        known: &known,
        lines: &lines,
        stretches: &stretches,
        cover: &cover,
        holding: &holding,
        nearest: (before.as_ref(), after.as_ref()),
    };
    let why = is_explained.then(|| why(&findings).map(Box::new)).transpose()?;
    let mut warnings = warnings(question, &fetched, seen.is_some(), &known);
    warnings.extend(lines.iter().filter_map(|line| unreadable_ignored(view, terms, line, around)));
    let disputed = fetched.conflicts.iter().filter(|conflict| disputes(conflict, &lines, around));
    let superseded = fetched.superseded.iter().map(|(posting, by)| formatter.superseded(posting, *by));
    let statuses = lines.iter().zip(&stretches).map(|(line, stretches)| status(&formatter, line, stretches));
    Ok(Answer {
        verdict,
        rider_id: question.rider_ids.clone(),
        when: when(&formatter, question.when, &parts),
        platform: question.platforms.clone(),
        reference: question.reference.clone(),
        windows: formatter.windows(holding)?,
        nearest_before: before.map(|posting| nearest_before(&formatter, posting, around)),
        nearest_after: after.map(|posting| nearest_after(&formatter, posting, question.when)),
        settled: unsettled.is_empty(),
        platforms: statuses.collect(),
        superseded: superseded.collect::<Result<_, _>>()?,
        disputed: disputed.map(|conflict| formatter.disputed(&conflict.record)).collect::<Result<_, _>>()?,
        warnings,
        rider_seen: seen.map(|seen| rider_seen_line(&formatter, seen)),
        as_of: as_of_line(as_of, terms.zone),
        why,
        open_near: fetched.open_near,
    })
}

/// The nearest windows before and after a time.
fn nearest<V: LedgerView>(
    search: &Search<'_, V>,
    around: Window,
) -> Result<(Option<Posting>, Option<Posting>), V::Error> {
    // An instant is a stretch of one millisecond: the next window starts right after it, or later.
    Ok((search.before(around.from)?, search.after(around.until.minus(1))?))
}

/// A platform by name.
pub(super) type Line<'a> = (&'a str, PlatformFinality);

/// What is covered for certain, as a union, and the orders behind it.
fn cover<'g>(fetched: &'g Fetched, lines: &[Line<'_>], around: Window) -> (Vec<Window>, Vec<&'g Posting>) {
    let mut cover: Vec<Window> = fetched.windows.iter().filter_map(window_of).collect();
    let mut holding: Vec<&Posting> = fetched.windows.iter().collect();
    // Where an end was reported for another rider, or was refused, the length of this rider's part is unknown.
    let sure = |open: &&OpenOrder| open.ended_elsewhere_at.is_none() && !open.end_refused;
    for open in fetched.open.iter().filter(sure) {
        let line = lines.iter().find(|(name, _)| *name == open.posting.platform);
        let certain = line.map(|(_, line)| line.open_cover(&open.posting)).unwrap_or_default();
        let certain = union_within(certain, around);
        if !certain.is_empty() {
            cover.extend(certain);
            holding.push(&open.posting);
        }
    }
    holding.sort_by(|a, b| (&a.platform, &a.order_id, a.leg).cmp(&(&b.platform, &b.order_id, b.leg)));
    (union_within(cover, around), holding)
}

/// Where any platform is unsettled; everywhere while no platform is known at all.
fn unsettled(stretches: &[Vec<Stretch>], around: Window) -> Vec<Window> {
    if stretches.is_empty() {
        return vec![around];
    }
    let unsettled = stretches.iter().flatten().filter(|stretch| stretch.unsettled.is_some());
    union_within(unsettled.map(|stretch| stretch.window), around)
}

/// The widest cover rules that were ever in force.
pub(super) fn reach_of<V: LedgerView>(view: &V) -> CoverMargins {
    let (lead_ms, tail_ms) = view.widest_cover();
    CoverMargins { lead_ms, tail_ms }
}

/// What this rider's own records, and those that may be about any rider, keep unsettled.
fn claim_open_time<V: LedgerView>(
    view: &V,
    lines: &mut [Line<'_>],
    fetched: &Fetched,
    terms: Terms<'_>,
    known: &[String],
    around: Window,
) {
    let is_known = |name: &str| {
        known.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
            || lines.iter().any(|(wanted, _)| *wanted == name)
    };
    let rejected = fetched.rejected.iter().map(|record| (Scope::of(record, is_known), record));
    let rejected: Vec<(Scope, &Rejection)> = rejected.collect();
    for (name, line) in lines.iter_mut() {
        for open in fetched.open.iter().filter(|open| open.posting.platform == **name) {
            line.claim_open(&open.posting, open.ended_elsewhere_at);
        }
        for (_, record) in rejected.iter().filter(|(scope, _)| scope.contains(name, terms.platforms)) {
            line.claim_rejected(record);
        }
        if line.promise().unreadable_records == UnreadableRecords::Hold {
            let near = line.unreadable_near(around);
            for window in view.unreadable_time(name, terms.platforms, near) {
                line.claim_unreadable(window);
            }
        }
        let conflicts = fetched.conflicts.iter().filter_map(|conflict| added_by(conflict, name, line));
        for window in conflicts.collect::<Vec<_>>() {
            line.claim_conflicting(window);
        }
    }
}

/// The cover that a conflicting record would add on a platform.
pub(super) fn added_by(conflict: &Conflict, platform: &str, line: &PlatformFinality) -> Option<Window> {
    if conflict.record.readable.platform.as_deref() != Some(platform) {
        return None;
    }
    line.conflict_window(&conflict.record, conflict.ended.as_ref())
}

/// The time in pieces of one verdict each, ascending, without holes.
fn parts(cover: &[Window], unsettled: &[Window], around: Window) -> Vec<(Window, Verdict)> {
    let mut pieces: Vec<(Window, Verdict)> = cover.iter().map(|&window| (window, Verdict::Covered)).collect();
    for bare in subtract(around, cover) {
        pieces.extend(
            union_within(unsettled.iter().copied(), bare)
                .into_iter()
                .map(|window| (window, Verdict::Undetermined)),
        );
        pieces.extend(subtract(bare, unsettled).into_iter().map(|window| (window, Verdict::NotCovered)));
    }
    pieces.sort_unstable();
    pieces
}

/// The common verdict, else undetermined if any part is, else partly covered.
fn overall(parts: &[(Window, Verdict)]) -> Verdict {
    let mut verdicts = parts.iter().map(|&(_, verdict)| verdict);
    let Some(first) = verdicts.next() else { return Verdict::Undetermined };
    if parts.iter().all(|&(_, verdict)| verdict == first) {
        return first;
    }
    let open = parts.iter().any(|&(_, verdict)| verdict == Verdict::Undetermined);
    if open { Verdict::Undetermined } else { Verdict::PartlyCovered }
}

fn when<V: LedgerView>(formatter: &Formatter<'_, V>, when: When, parts: &[(Window, Verdict)]) -> AnswerWhen {
    match when {
        When::Instant(at) => AnswerWhen::Instant { at: formatter.time(at) },
        When::Minute(window) | When::Interval(window) => AnswerWhen::Interval {
            from: formatter.time(window.from),
            to: formatter.time(window.until),
            parts: parts
                .iter()
                .map(|&(part, verdict)| Part {
                    from: formatter.time(part.from),
                    to: formatter.time(part.until),
                    verdict,
                })
                .collect(),
        },
    }
}

/// A platform is settled when all of the time is; else the first reason of any piece is given, and the latest of the
/// instants to ask again, if time helps every piece.
fn status<V: LedgerView>(
    formatter: &Formatter<'_, V>,
    (name, line): &Line<'_>,
    stretches: &[Stretch],
) -> PlatformStatus {
    let unsettled = || stretches.iter().filter_map(|stretch| stretch.unsettled);
    let reason = unsettled().map(|unsettled| unsettled.reason).min();
    let hopeless = unsettled().any(|unsettled| unsettled.ask_again_at.is_none());
    let latest = unsettled().filter_map(|unsettled| unsettled.ask_again_at).max();
    PlatformStatus {
        platform: (*name).to_owned(),
        settled: reason.is_none(),
        reason: reason.map(|reason| reason.as_str()),
        complete_through: line.complete_through().map(|at| formatter.time(at)),
        ask_again_at: latest
            .filter(|&at| !hopeless && formatter.zone.has_four_digit_year(at))
            .map(|at| formatter.time(at)),
    }
}

fn nearest_before<V: LedgerView>(
    formatter: &Formatter<'_, V>,
    posting: Posting,
    around: Window,
) -> NearestBefore {
    let ends_at = posting.ends_at().unwrap_or(posting.accepted_at);
    NearestBefore {
        platform: posting.platform,
        order_id: posting.order_id,
        leg: posting.leg,
        ends_at: formatter.time(ends_at),
        distance_s: seconds(around.from.since(ends_at)),
    }
}

fn nearest_after<V: LedgerView>(formatter: &Formatter<'_, V>, posting: Posting, when: When) -> NearestAfter {
    let starts_at = posting.starts_at();
    let from = match when {
        When::Instant(at) => at,
        When::Minute(window) | When::Interval(window) => window.until,
    };
    NearestAfter {
        platform: posting.platform,
        order_id: posting.order_id,
        leg: posting.leg,
        starts_at: formatter.time(starts_at),
        distance_s: seconds(starts_at.since(from)),
    }
}

/// Whether a conflicting record would add cover of some of the time on a platform that counts.
fn disputes(conflict: &Conflict, lines: &[Line<'_>], around: Window) -> bool {
    let added = lines.iter().filter_map(|(name, line)| added_by(conflict, name, line));
    added.into_iter().any(|window| window.overlaps(around))
}

fn rider_seen_line<V: LedgerView>(formatter: &Formatter<'_, V>, seen: RiderSeen) -> RiderSeenLine {
    RiderSeenLine {
        first: formatter.time(seen.first),
        last: formatter.time(seen.last),
        platforms: seen.platforms,
    }
}

/// The state in the words of an answer.
pub fn as_of_line(as_of: AsOf, zone: &Zone) -> AsOfLine {
    AsOfLine { commit: as_of.commit, recorded_at: zone.rfc3339(as_of.recorded_at), config: as_of.config }
}

fn warnings(question: &Question, fetched: &Fetched, is_seen: bool, known: &[String]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !is_seen {
        warnings.push(Warning::RiderUnknown);
    }
    if known.is_empty() && question.platforms.is_none() {
        warnings.push(Warning::NoPlatformKnown);
    }
    let unknown = |name: &&String| known.binary_search(name).is_err();
    let asked = question.platforms.iter().flatten();
    warnings.extend(asked.filter(unknown).map(|name| Warning::PlatformUnknown { platform: name.clone() }));
    let elsewhere = fetched.open.iter().filter(|open| open.ended_elsewhere_at.is_some());
    warnings.extend(elsewhere.map(|open| Warning::OrderEndedByAnotherRider {
        platform: open.posting.platform.clone(),
        order_id: open.posting.order_id.clone(),
    }));
    warnings
}

/// The warning of a platform whose unreadable records keep nothing open, where they may concern the time.
fn unreadable_ignored<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    (name, line): &Line<'_>,
    around: Window,
) -> Option<Warning> {
    let is_ignored = line.promise().unreadable_records == UnreadableRecords::Warn;
    if !is_ignored || view.unreadable_time(name, terms.platforms, line.unreadable_near(around)).is_empty() {
        return None;
    }
    let counts = view.pending_counts(name, terms.platforms);
    let count = counts.get(&PendingKind::Unreadable).map_or(0, |count| count.records);
    Some(Warning::UnreadableRecordsIgnored { platform: (*name).to_owned(), count })
}

pub mod rider_day;

#[cfg(test)]
mod finality;
#[cfg(test)]
mod tests;
