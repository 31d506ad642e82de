//! `GET /v1/riders/{rider_id}/timeline`: orders and merged cover, in pages.
//!
//! A page is a piece of the asked stretch: the orders that start in it, at most `limit`, and the cover inside it. The
//! pieces follow each other, so nothing is lost or told twice when orders arrive between two pages.

use super::access::Asker;
use super::answer_log::GivenAnswer;
use super::backend::{Source, ViewError};
use super::coverage::interval_within_limits;
use super::problem::{Document, Kind, Problem};
use super::query::{Query, missing};
use super::state::{HttpState, Seen};
use crate::coverage::answer::{AsOfLine, WindowLine};
use crate::coverage::instant::parse_from;
use crate::coverage::question::{check_interval_years, check_rider, parse_interval};
use crate::coverage::resolve::as_of_line;
use crate::coverage::timeline::{CoverLine, timeline};
use crate::coverage::warning::Warning;
use crate::domain::time::{HOUR_MS, UtcMillis};
use crate::domain::view::LedgerView;
use crate::domain::window::Window;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::Serialize;
use utoipa::ToSchema;

/// How much of a timeline is read at first.
const FIRST_STRETCH_MS: i64 = HOUR_MS;

const PARAMETERS: &[&str] = &["from", "to", "limit", "page_token", "reference", "known_at"];

/// A page of a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelinePage {
    rider_id: String,
    from: String,
    to: String,
    /// Merged, inside this page's piece of the stretch.
    cover: Vec<CoverLine>,
    orders: Vec<WindowLine>,
    open: Vec<WindowLine>,
    /// The piece that this page is about.
    page: CoverLine,
    /// Ask again with it for the next piece; null at the end.
    next_page_token: Option<String>,
    /// Orders accepted before it were dropped by retention; absent when none were.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_from: Option<String>,
    /// What to know besides; absent where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    as_of: AsOfLine,
}

/// Lists a rider's orders and merged cover, in pages.
#[utoipa::path(
    get, path = "/v1/riders/{rider_id}/timeline", operation_id = "timeline", tag = "Coverage",
    params(
        ("rider_id" = String, Path, description = "The rider"),
        ("from" = String, Query, format = DateTime, description = "Start", example = "2026-11-20T12:07:31+08:00"),
        ("to" = String, Query, format = DateTime, description = "End, exclusive", example = "2026-11-20T13:00:00+08:00"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Rows of a page; at most, and by default, `http.page_rows_max`"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
        ("reference" = Option<String>, Query, description = "Reason or case number; an answer repeats it"),
        ("known_at" = Option<String>, Query, description = "Asks for an earlier state: the number of a commit, or an RFC 3339 instant", example = "1042"),
    ),
    responses(
        (status = 200, description = "A page of the timeline", body = TimelinePage),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let rider_id = path.map_err(|_| Problem::new(Kind::BadRequest, "the path is not UTF-8"))?.0;
    check_rider(&rider_id)?;
    let query = Query::strict(raw.as_deref(), PARAMETERS)?;
    asker.check_reason(None)?;
    let from = query.time("from")?.ok_or_else(|| missing("from"))?;
    let to = query.time("to")?.ok_or_else(|| missing("to"))?;
    let within = parse_interval(&from, &to)?;
    check_interval_years(within, state.zone())?;
    interval_within_limits(within, &state.settings())?;
    let limit = query.limit(state.settings().page_rows_max)?;
    let start = match query.one("page_token")? {
        None => None,
        Some(text) => {
            Some(Place::read(text).filter(|place| within.holds(place.starts_at)).ok_or_else(|| {
                Problem::of(
                    Kind::BadPageToken,
                    "page_token",
                    "take it from the page before, with the same from and to",
                )
            })?)
        }
    };
    state.note_riders(&asker, std::slice::from_ref(&rider_id));
    let page = Page { rider_id, within, start, limit };
    let known_at = query.known_at()?;
    let page = state.read(move |state| page.read(&state.see_at(asker.scope(), known_at)?, state)).await?;
    Ok(GivenAnswer::to_request(page.as_of.commit).with(Json(page)))
}

/// The position of an order in a timeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    starts_at: UtcMillis,
    platform: String,
    order_id: String,
    leg: u8,
}

impl Place {
    fn of(line: &WindowLine) -> Self {
        // Written by ourselves a moment ago.
        let starts_at = parse_from(&line.starts_at).unwrap_or(UtcMillis::MIN);
        Self { starts_at, platform: line.platform.clone(), order_id: line.order_id.clone(), leg: line.leg }
    }

    fn write(&self) -> String {
        let text = format!("{} {} {} {}", self.starts_at.millis(), self.leg, self.platform, self.order_id);
        HEXLOWER.encode(text.as_bytes())
    }

    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(HEXLOWER_PERMISSIVE.decode(token.as_bytes()).ok()?).ok()?;
        let mut parts = text.splitn(4, ' ');
        let starts_at = UtcMillis::new(parts.next()?.parse().ok()?);
        let leg = parts.next()?.parse().ok()?;
        Some(Self { starts_at, leg, platform: parts.next()?.to_owned(), order_id: parts.next()?.to_owned() })
    }
}

struct Page {
    rider_id: String,
    within: Window,
    start: Option<Place>,
    limit: usize,
}

impl Page {
    /// Reads as far as the page needs, in stretches that double: however long the whole is, no more than about two pages
    /// of it are in memory.
    fn read<S: Source>(
        &self,
        seen: &Seen<'_, S::View>,
        state: &HttpState<S>,
    ) -> Result<TimelinePage, ViewError<S>> {
        let begins = self.start.as_ref().map_or(self.within.from, |place| place.starts_at);
        let mut length_ms = FIRST_STRETCH_MS;
        loop {
            let until = begins.plus(length_ms).min(self.within.until);
            let page = self.read_stretch(Window::new(begins, until), seen, state)?;
            if page.next_page_token.is_some() || until >= self.within.until {
                return Ok(page);
            }
            length_ms = length_ms.saturating_mul(2);
        }
    }

    /// The page, as if nothing came after `rest`.
    fn read_stretch<S: Source>(
        &self,
        rest: Window,
        seen: &Seen<'_, S::View>,
        state: &HttpState<S>,
    ) -> Result<TimelinePage, ViewError<S>> {
        let begins = rest.from;
        let mut whole = timeline(&seen.view, seen.terms(), &self.rider_id, rest)?;
        let mut next = None;
        let mut rows = 0_usize;
        whole.orders.retain(|line| {
            let place = Place::of(line);
            if self.start.as_ref().is_some_and(|start| place < *start) || next.is_some() {
                return false;
            }
            if rows >= self.limit {
                next = Some(place);
                return false;
            }
            rows = rows.saturating_add(1);
            true
        });
        let ends = next.as_ref().map_or(self.within.until, |place| place.starts_at);
        let zone = state.zone();
        whole.open.retain(|line| {
            let starts_at = Place::of(line).starts_at;
            (self.start.is_none() || starts_at >= begins) && (next.is_none() || starts_at < ends)
        });
        Ok(TimelinePage {
            from: zone.rfc3339(self.within.from),
            to: zone.rfc3339(self.within.until),
            cover: whole.cover.into_iter().filter_map(|line| cut(line, ends, state)).collect(),
            rider_id: whole.rider_id,
            orders: whole.orders,
            open: whole.open,
            page: CoverLine { from: zone.rfc3339(begins), to: zone.rfc3339(ends) },
            next_page_token: next.map(|place| place.write()),
            kept_from: whole.kept_from,
            warnings: seen.warnings(),
            as_of: as_of_line(seen.view.as_of(), zone),
        })
    }
}

/// The part of a stretch of cover before `ends`.
fn cut<S: Source>(line: CoverLine, ends: UtcMillis, state: &HttpState<S>) -> Option<CoverLine> {
    let window = Window::new(parse_from(&line.from).ok()?, parse_from(&line.to).ok()?.min(ends));
    let to = state.zone().rfc3339(window.until);
    (!window.is_empty()).then_some(CoverLine { from: line.from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_place(ms in any::<i64>(), leg in any::<u8>(), order_id in ".{1,40}") {
            let place = Place { starts_at: UtcMillis::new(ms), platform: "a_b-1".to_owned(), order_id, leg };
            prop_assert_eq!(Place::read(&place.write()), Some(place));
        }

        #[test]
        fn no_text_is_too_strange(token in ".{0,40}") {
            let read = Place::read(&token);
            prop_assert!(read.is_none_or(|place| place.write().eq_ignore_ascii_case(&token)));
        }
    }
}
