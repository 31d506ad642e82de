//! `GET /v1/rejections`: rejected and conflicting records, in pages.

use super::access::Asker;
use super::backend::{RejectionPage, RejectionQuery, Source};
use super::platforms;
use super::problem::{Document, Kind, Problem};
use super::query::Query;
use super::state::HttpState;
use crate::coverage::question::QuestionError;
use crate::coverage::rejection::RejectionLine;
use crate::coverage::rejection_filter::{
    NumberRange, OwnRecords, RejectionFilter, parse_content, parse_kept,
};
use crate::coverage::warning::Warning;
use crate::domain::rejection::Rejection;
use crate::domain::time::{UtcMillis, Zone};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

const PARAMETERS: &[&str] = &[
    "id",
    "platform",
    "reason",
    "from",
    "to",
    "unresolved",
    "rider_id",
    "unreadable",
    "detail",
    "topic",
    "partition",
    "offset",
    "line",
    "content",
    "limit",
    "page_token",
];

/// A page of kept records.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectionPage)]
pub(super) struct Page {
    rejections: Vec<RejectionLine>,
    /// Ask again with it for the next page; null at the end.
    next_page_token: Option<String>,
    /// What to know besides; absent where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Lists rejected and conflicting records, in pages. A record must pass every filter.
#[utoipa::path(
    get, path = "/v1/rejections", operation_id = "rejections", tag = "Rejections",
    params(
        ("id" = Option<Vec<String>>, Query, description = "Number of the record, or a range; may be repeated", example = json!(["12-40"])),
        ("platform" = Option<String>, Query, description = "The platform that the record names"),
        ("reason" = Option<String>, Query, description = "A rejection reason, or `conflict`"),
        ("from" = Option<String>, Query, format = DateTime, description = "Recorded from", example = "2026-11-20T12:07:31+08:00"),
        ("to" = Option<String>, Query, format = DateTime, description = "Recorded before", example = "2026-11-20T13:00:00+08:00"),
        ("unresolved" = Option<bool>, Query, description = "`true`: only records that are not resolved"),
        ("rider_id" = Option<String>, Query, description = "The rider whom the record names"),
        ("unreadable" = Option<bool>, Query, description = "`true`: only records in which no rider can be read"),
        ("detail" = Option<String>, Query, description = "A part of the detail"),
        ("topic" = Option<String>, Query, description = "Topic of the record"),
        ("partition" = Option<u32>, Query, description = "Partition of the record"),
        ("offset" = Option<Vec<String>>, Query, description = "Offset of the record, or a range; may be repeated", example = json!(["12-40"])),
        ("line" = Option<Vec<String>>, Query, description = "Line of the record, or a range; may be repeated", example = json!(["12-40"])),
        ("content" = Option<String>, Query, pattern = "^[0-9a-f]{32}$", description = "Hash of the content up to the line, as `origin` shows it"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Rows of a page; at most, and by default, `http.page_rows_max`"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of records", body = Page),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page>, Problem> {
    let mut query = parse(raw.as_deref(), state.settings().page_rows_max, state.zone())?;
    if asker.is_blind_to_riders() && query.filter.rider_id.is_some() {
        let detail = "the role ops sees records without their riders: leave rider_id out";
        return Err(Problem::of(Kind::Forbidden, "rider_id", detail));
    }
    query.filter.only = own_records(&asker, &state);
    let platform = query.filter.platform.clone();
    let scope = asker.scope().clone();
    let found = move |state: &HttpState<S>| {
        let known = state.see(&scope).platforms_known();
        if let Some(name) = &query.filter.platform
            && !known.contains(name)
            && state.source().rejections(&first_of(name, &query.filter))?.records.is_empty()
        {
            return Ok((None, known));
        }
        Ok((Some(state.source().rejections(&query)?), known))
    };
    match (state.read(found).await?, platform) {
        ((Some(page), known), _) => Ok(Json(written(page, &state, &known, &asker))),
        ((None, known), platform) => Err(platforms::unknown(&known, platform.as_deref().unwrap_or_default())),
    }
}

/// The records of an asker that speaks for one platform; `None` where all may be seen.
fn own_records<S: Source>(asker: &Asker, state: &HttpState<S>) -> Option<OwnRecords> {
    let platform = asker.scope().platform()?.to_owned();
    let own = &state.platforms().get(&platform).topics;
    // What came in a shared topic and names no platform may be another's.
    let is_own = |topic: &&String| state.platforms().of_topic(topic) == [platform.as_str()];
    let topics = own.iter().filter(is_own).cloned().collect();
    Some(OwnRecords { platform, topics })
}

/// Asks whether any record names a platform: a record may contain a misspelt one, too.
fn first_of(platform: &str, asked: &RejectionFilter) -> RejectionQuery {
    let (platform, only) = (Some(platform.to_owned()), asked.only.clone());
    let filter = RejectionFilter { platform, only, ..RejectionFilter::default() };
    RejectionQuery { filter, after: None, limit: 1 }
}

fn parse(raw: Option<&str>, rows_max: usize, zone: &Zone) -> Result<RejectionQuery, Problem> {
    let query = Query::strict(raw, PARAMETERS)?;
    let bad = |name: &'static str, detail: String| Problem::of(Kind::BadParameter, name, detail);
    let after = match query.one("page_token")? {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| Problem::of(Kind::BadPageToken, "page_token", "take it from the page before"))?,
        ),
    };
    let text = |name: &'static str| -> Result<Option<String>, Problem> {
        match query.one(name)? {
            Some("") => Err(bad(name, format!("{name} is empty"))),
            text => Ok(text.map(str::to_owned)),
        }
    };
    let kept = query.one("reason")?.map(parse_kept).transpose();
    let partition = query.one("partition")?.map(|text| {
        let number = text.parse().ok().filter(|&number: &i32| number >= 0);
        number.ok_or_else(|| bad("partition", "partition must be a number from 0".to_owned()))
    });
    let (from, to) = (query.instant("from", zone)?, query.instant("to", zone)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(QuestionError::EmptyInterval.into());
    }
    let content = query.one("content")?.map(|text| {
        let hash = parse_content(text);
        hash.ok_or_else(|| bad("content", "content must have 32 hexadecimal digits".to_owned()))
    });
    let filter = RejectionFilter {
        ids: ranges(&query, "id")?,
        platform: text("platform")?,
        kept: kept.map_err(|detail| bad("reason", format!("reason: {detail}")))?,
        from,
        to,
        unresolved: query.flag("unresolved")?,
        rider_id: text("rider_id")?,
        unreadable: query.flag("unreadable")?,
        detail: text("detail")?,
        topic: text("topic")?,
        partition: partition.transpose()?,
        offsets: ranges(&query, "offset")?,
        lines: ranges(&query, "line")?,
        content: content.transpose()?,
        only: None,
    };
    Ok(RejectionQuery { filter, after, limit: query.limit(rows_max)? })
}

/// Numbers, or ranges of them; may be repeated.
fn ranges(query: &Query, name: &'static str) -> Result<Vec<NumberRange>, Problem> {
    let read = |text: &String| {
        NumberRange::parse(text).ok_or_else(|| {
            Problem::of(Kind::BadParameter, name, format!("{name} must be a number, or two such as 12-40"))
        })
    };
    query.all(name).iter().map(read).collect()
}

fn written<S: Source>(page: RejectionPage, state: &HttpState<S>, known: &[String], asker: &Asker) -> Page {
    let line = |(record, at): (Rejection, UtcMillis)| {
        let line = RejectionLine::new(record, at, state.zone(), (state.platforms(), known));
        if asker.is_blind_to_riders() { line.without_rider() } else { line }
    };
    Page {
        rejections: page.records.into_iter().map(line).collect(),
        next_page_token: page.next_after.map(|id| id.to_string()),
        warnings: state.see(asker.scope()).warnings(),
    }
}
