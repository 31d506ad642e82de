//! Why a reader that is behind says nothing about the present.

use super::{Asked, Margins, Missing, Open, PlatformWhy, PromiseLine, Span, Why};
use crate::coverage::question::{Question, When};
use crate::coverage::render::Formatter;
use crate::coverage::resolve::{Line, reach_of};
use crate::domain::behind::Behind;
use crate::domain::platform::Promise;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::verdict::Verdict;
use crate::domain::view::LedgerView;

/// Explains it. Nothing that is stored was looked at, so it names no order, and knows of no rider.
pub(in crate::coverage) fn why_behind<V: LedgerView>(
    formatter: &Formatter<'_, V>,
    question: &Question,
    lines: &[Line<'_>],
    behind: Behind,
) -> Why {
    let around = question.when.window();
    let span = Span { from: formatter.time(around.from), to: formatter.time(around.until) };
    let margins = reach_of(formatter.view);
    let platform = |(name, line): &Line<'_>| PlatformWhy {
        platform: (*name).to_owned(),
        complete_through: optional(line.complete_through(), formatter.zone),
        promise: promise_line(line.promise(), formatter.zone),
        is_final: None,
        open: vec![Open {
            parts: vec![span.clone()],
            ask_again_at: Some(formatter.time(behind.ask_again_at)),
            missing: Missing::ReaderBehind {
                since: formatter.time(behind.since),
                commit: formatter.view.as_of().commit,
            },
        }],
    };
    Why {
        verdict: Verdict::Undetermined,
        time: match question.when {
            When::Instant(at) => Asked::Instant { at: formatter.time(at) },
            When::Minute(_) | When::Interval(_) => Asked::Interval(span.clone()),
        },
        rider_id: question.rider_ids.clone(),
        rider_known: false,
        limited_to: None,
        margins: Margins { lead_ms: margins.lead_ms, tail_ms: margins.tail_ms },
        windows: Vec::new(),
        platforms: lines.iter().map(platform).collect(),
        superseded: Vec::new(),
        nearest_before: None,
        nearest_after: None,
    }
}

/// An instant, if RFC 3339 can write it.
pub(super) fn optional(at: Option<UtcMillis>, zone: &Zone) -> Option<String> {
    at.filter(|&at| zone.has_four_digit_year(at)).map(|at| zone.rfc3339(at))
}

/// The promise of a platform.
pub(super) fn promise_line(promise: &Promise, zone: &Zone) -> PromiseLine {
    PromiseLine {
        records_from: optional(promise.records_from, zone),
        complete_start: promise.complete_start,
        delivery_delay_ms: promise.delivery_delay_ms,
        max_order_duration_ms: promise.max_order_duration_ms,
        streams_open_orders_from: optional(promise.streams_open_orders_from, zone),
        topics: promise.topics.clone(),
    }
}
