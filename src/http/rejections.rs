//! `GET /v1/rejections`: rejected and conflicting records, in pages.

use super::problem::{Kind, Problem};
use super::query::{Query, hexadecimal};
use super::source::{KeptFilter, RejectionPage, RejectionQuery, Source};
use super::state::HttpState;
use crate::domain::reject::{ReadRevision, Reason};
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::{Kept, Origin, Rejection, Resolution};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;

const PARAMETERS: &[&str] = &["platform", "reason", "from", "to", "unresolved", "limit", "page_token"];

/// A page of kept records.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    rejections: Vec<RejectionLine>,
    /// Ask again with it for the next page; null at the end.
    next_page_token: Option<String>,
}

/// A kept record in the words of an answer.
#[derive(Debug, Serialize)]
pub(super) struct RejectionLine {
    id: u64,
    disposition: &'static str,
    reason: Option<&'static str>,
    detail: String,
    origin: OriginLine,
    platform: Option<String>,
    order_id: Option<String>,
    leg: Option<u8>,
    phase: Option<&'static str>,
    rider_id: Option<String>,
    revision: Option<u64>,
    accepted_at: Option<String>,
    ended_at: Option<String>,
    raw_bytes: u64,
    raw_sha256: String,
    raw_truncated: bool,
    resolution: Option<ResolutionLine>,
    recorded_at: String,
    commit: u64,
}

#[derive(Debug, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
enum OriginLine {
    Kafka { topic: String, partition: i32, offset: i64, timestamp: Option<String> },
    File { content: String, line: u64 },
    Redrive { of: u64 },
}

#[derive(Debug, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum ResolutionLine {
    Event { commit: u64 },
    Operator { commit: u64, reason: String },
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page>, Problem> {
    let query = parse(raw.as_deref(), state.settings().page_rows_max)?;
    let page = state.read(move |state| state.source().rejections(&query)).await?;
    Ok(Json(written(page, state.zone())))
}

fn parse(raw: Option<&str>, rows_max: usize) -> Result<RejectionQuery, Problem> {
    let query = Query::strict(raw, PARAMETERS)?;
    let kept = match query.one("reason")? {
        None => None,
        Some("conflict") => Some(KeptFilter::Conflict),
        Some(name) => Some(KeptFilter::Reason(Reason::parse(name).ok_or_else(|| {
            let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            let detail = format!("reason must be conflict or one of: {}", names.join(", "));
            Problem::of(Kind::BadParameter, "reason", detail)
        })?)),
    };
    let unresolved = match query.one("unresolved")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Problem::of(Kind::BadParameter, "unresolved", "unresolved must be true or false"));
        }
    };
    let after = match query.one("page_token")? {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| Problem::of(Kind::BadPageToken, "page_token", "take it from the page before"))?,
        ),
    };
    Ok(RejectionQuery {
        platform: query.one("platform")?.map(str::to_owned),
        kept,
        from: query.instant("from")?,
        to: query.instant("to")?,
        unresolved,
        after,
        limit: query.limit(rows_max)?,
    })
}

fn written(page: RejectionPage, zone: &Zone) -> Page {
    Page {
        rejections: page.records.into_iter().map(|(record, at)| line(record, at, zone)).collect(),
        next_page_token: page.next_after.map(|id| id.to_string()),
    }
}

fn line(record: Rejection, recorded_at: UtcMillis, zone: &Zone) -> RejectionLine {
    let read = record.readable;
    let (disposition, reason) = match record.kept {
        Kept::Rejected(reason) => ("rejected", Some(reason.as_str())),
        Kept::Conflict => ("conflict", None),
    };
    RejectionLine {
        id: record.id,
        disposition,
        reason,
        detail: record.detail,
        origin: origin(record.origin, zone),
        platform: read.platform,
        order_id: read.order_id,
        leg: read.leg,
        phase: read.phase.map(|phase| phase.as_str()),
        rider_id: read.rider_id,
        revision: match read.revision {
            ReadRevision::Known(revision) => Some(revision),
            ReadRevision::Unreadable => None,
        },
        accepted_at: read.accepted_at.map(|at| zone.rfc3339(at)),
        ended_at: read.ended_at.map(|at| zone.rfc3339(at)),
        raw_bytes: record.raw_len,
        raw_sha256: hexadecimal(&record.raw_sha256),
        raw_truncated: record.raw_truncated,
        resolution: record.resolution.map(|resolution| match resolution {
            Resolution::Event { commit } => ResolutionLine::Event { commit },
            Resolution::Operator { commit, reason } => ResolutionLine::Operator { commit, reason },
        }),
        recorded_at: zone.rfc3339(recorded_at),
        commit: record.commit,
    }
}

fn origin(origin: Origin, zone: &Zone) -> OriginLine {
    match origin {
        Origin::Kafka { topic, partition, offset, timestamp } => {
            OriginLine::Kafka { topic, partition, offset, timestamp: timestamp.map(|at| zone.rfc3339(at)) }
        }
        Origin::File { content, line } => OriginLine::File { content: hexadecimal(&content), line },
        Origin::Redrive { of } => OriginLine::Redrive { of },
    }
}
