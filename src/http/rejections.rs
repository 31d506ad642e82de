//! `GET /v1/rejections`: rejected and conflicting records, in pages.

use super::problem::{Kind, Problem};
use super::query::Query;
use super::source::{KeptFilter, RejectionPage, RejectionQuery, Source};
use super::state::HttpState;
use crate::coverage::rejection::RejectionLine;
use crate::domain::reject::Reason;
use crate::domain::time::Zone;
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

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page>, Problem> {
    let query = parse(raw.as_deref(), state.settings().page_rows_max, state.zone())?;
    let page = state.read(move |state| state.source().rejections(&query)).await?;
    Ok(Json(written(page, state.zone())))
}

fn parse(raw: Option<&str>, rows_max: usize, zone: &Zone) -> Result<RejectionQuery, Problem> {
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
        from: query.instant("from", zone)?,
        to: query.instant("to", zone)?,
        unresolved,
        after,
        limit: query.limit(rows_max)?,
    })
}

fn written(page: RejectionPage, zone: &Zone) -> Page {
    Page {
        rejections: page
            .records
            .into_iter()
            .map(|(record, at)| RejectionLine::new(record, at, zone))
            .collect(),
        next_page_token: page.next_after.map(|id| id.to_string()),
    }
}
