//! `GET /v1/statements`: what each platform owes for a month, as JSON or CSV.

use super::access::Asker;
use super::answer_log::GivenAnswer;
use super::backend::Source;
use super::platforms;
use super::problem::{Document, Kind, Problem};
use super::query::Query;
use super::state::HttpState;
use crate::coverage::answer::AsOfLine;
use crate::coverage::resolve::as_of_line;
use crate::coverage::statement::{StatementLine, statement, write_csv};
use crate::coverage::warning::Warning;
use crate::domain::time::Month;
use crate::domain::view::LedgerView;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, VARY};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Codes of warnings about an answer that has no place for them.
const WARNINGS: HeaderName = HeaderName::from_static("coverledger-warnings");

#[derive(Serialize, ToSchema)]
struct Statement {
    month: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    lines: Vec<StatementLine>,
    /// What to know besides; absent where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    as_of: AsOfLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// Says what each platform owes for a month, as JSON or CSV (`Accept: text/csv`).
#[utoipa::path(
    get, path = "/v1/statements", operation_id = "statement", tag = "Statements",
    params(
        ("month" = String, Query, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", description = "Year and month", example = "2026-11"),
        ("platform" = Option<String>, Query, description = "Only this platform"),
        ("known_at" = Option<String>, Query, description = "Asks for an earlier state: the number of a commit, or an RFC 3339 instant", example = "1042"),
    ),
    responses(
        (status = 200, description = "The statement", content((Statement = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::strict(raw.as_deref(), &["month", "platform", "known_at"])?;
    let month = Month::parse(query.need("month")?).ok_or_else(|| {
        Problem::of(Kind::BadParameter, "month", "month must be a year and a month, such as 2026-11")
    })?;
    let platform = query.one("platform")?.map(str::to_owned);
    let known_at = query.known_at()?;
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = accepted(&accept.join(",")).ok_or_else(|| {
        Problem::new(Kind::NotAcceptable, "a statement is given as application/json or as text/csv")
    })?;
    if let Some(name) = &platform {
        platforms::check(&state.see(asker.scope()).platforms_known(), name)?;
    }
    let read = move |state: &HttpState<S>| {
        let seen = state.see_at(asker.scope(), known_at)?;
        let lines = statement(&seen.view, Some(month), platform.as_deref())?;
        let as_of = as_of_line(seen.view.as_of(), state.zone());
        Ok(Statement { month: month.to_string(), platform, lines, warnings: seen.warnings(), as_of })
    };
    let statement = state.read(read).await?;
    let given = GivenAnswer::to_request(statement.as_of.commit);
    Ok(given.with(match format {
        Format::Json => ([(VARY, "Accept")], Json(statement)).into_response(),
        Format::Csv => csv(&statement)?,
    }))
}

fn csv(statement: &Statement) -> Result<Response, Problem> {
    let mut text = Vec::new();
    write_csv(&statement.lines, &mut text).map_err(|_| {
        Problem::new(Kind::Internal, "Failed to write the statement: this is a defect; report it")
    })?;
    let name = format!("attachment; filename=\"statement-{}.csv\"", statement.month);
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (CONTENT_DISPOSITION, name),
        (VARY, "Accept".to_owned()),
    ];
    let mut response = (headers, text).into_response();
    // A table has no place for it.
    let warnings: Vec<&str> = statement.warnings.iter().map(Warning::code).collect();
    if let Ok(codes) = HeaderValue::from_str(&warnings.join(","))
        && !codes.is_empty()
    {
        response.headers_mut().insert(WARNINGS, codes);
    }
    Ok(response)
}

/// The format that an `Accept` header prefers; JSON when it does not care.
fn accepted(accept: &str) -> Option<Format> {
    if accept.trim().is_empty() {
        return Some(Format::Json);
    }
    let weight = |exact: &str, group: &str| {
        let found = |name: &str| accept.split(',').find_map(|range| weight_of(range, name));
        found(exact).or_else(|| found(group)).or_else(|| found("*/*")).unwrap_or(0)
    };
    let (json, csv) = (weight("application/json", "application/*"), weight("text/csv", "text/*"));
    match (json, csv) {
        (0, 0) => None,
        (json, csv) if csv > json => Some(Format::Csv),
        _ => Some(Format::Json),
    }
}

/// The weight in thousandths that a range of an `Accept` header gives to the media type `name`, if it names it.
fn weight_of(range: &str, name: &str) -> Option<u32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(name) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let Some(quality) = quality else { return Some(1_000) };
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let thousandths: u32 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some((whole.parse::<u32>().ok()?.min(1) * 1_000 + thousandths).min(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_format_is_given() {
        for (accept, format) in [
            ("", Some(Format::Json)),
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("application/json", Some(Format::Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Format::Json)),
            ("text/csv;q=0.9, application/json;q=0.8", Some(Format::Csv)),
            ("text/*, application/json;q=0.85", Some(Format::Csv)),
            ("application/json;q=0, */*", Some(Format::Csv)),
            ("image/png", None),
        ] {
            assert_eq!(accepted(accept), format, "{accept}");
        }
    }
}
