//! A rider's orders and merged cover over a stretch of time.

use super::Terms;
use super::answer::WindowLine;
use super::fetch::{fetch, window_of};
use super::render::Formatter;
use super::resolve::reach_of;
use super::rider_days::RiderDays;
use crate::domain::finality::PlatformFinality;
use crate::domain::posting::Posting;
use crate::domain::view::LedgerView;
use crate::domain::window::{Window, union_within};
use serde::Serialize;
use utoipa::ToSchema;

/// `{rider_id, from, to, cover, orders, open}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The rider.
    pub rider_id: String,
    /// Start.
    pub from: String,
    /// End, exclusive.
    pub to: String,
    /// The union of the windows of ended orders, cut to the stretch; touching windows are one.
    pub cover: Vec<CoverLine>,
    /// Ended orders whose windows cover some of the stretch, by start.
    pub orders: Vec<WindowLine>,
    /// Open orders that may cover some of it, by start.
    pub open: Vec<WindowLine>,
    /// Orders accepted before it were dropped by retention; absent when none were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<String>,
}

/// A stretch of cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CoverLine {
    /// Start.
    pub from: String,
    /// End, exclusive.
    pub to: String,
}

/// The timeline of a rider over `[from, to)`.
pub fn timeline<V: LedgerView>(
    view: &V,
    terms: Terms<'_>,
    rider_id: &str,
    within: Window,
) -> Result<Timeline, V::Error> {
    let known = view.completeness().platforms_known(terms.platforms, view.platforms_stored());
    let reach = reach_of(view);
    let rider_ids = [rider_id.to_owned()];
    let riders = RiderDays::new(view, terms.zone, &rider_ids);
    let mut fetched = fetch(&riders, terms, within, reach, &known)?;
    let by_start = |a: &Posting, b: &Posting| {
        let key = |p: &Posting| p.starts_at();
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.platform, &a.order_id, a.leg).cmp(&(&b.platform, &b.order_id, b.leg)))
    };
    fetched.windows.sort_by(by_start);
    fetched.open.retain(|open| {
        let line = PlatformFinality::new(&open.posting.platform, view.completeness(), terms.platforms, reach);
        line.open_window(&open.posting, open.ended_elsewhere_at).overlaps(within)
    });
    fetched.open.sort_by(|a, b| by_start(&a.posting, &b.posting));
    let formatter = Formatter { view, zone: terms.zone };
    let cover = union_within(fetched.windows.iter().filter_map(window_of), within);
    Ok(Timeline {
        rider_id: rider_id.to_owned(),
        from: formatter.time(within.from),
        to: formatter.time(within.until),
        cover: cover
            .into_iter()
            .map(|window| CoverLine { from: formatter.time(window.from), to: formatter.time(window.until) })
            .collect(),
        orders: formatter.windows(&fetched.windows)?,
        open: formatter.windows(fetched.open.iter().map(|open| &open.posting))?,
        kept_from: view.completeness().dropped_until.map(|at| formatter.time(at)),
    })
}
