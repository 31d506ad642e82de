//! `GET /v1/orders/{platform}/{order_id}`: every leg, phase and revision of an order.

use super::access::Asker;
use super::answer_log::GivenAnswer;
use super::backend::Source;
use super::problem::{Document, Kind, Problem};
use super::query::Query;
use super::state::HttpState;
use crate::coverage::order::{OrderHistory, order_history};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

/// Lists every leg, phase and revision of an order.
#[utoipa::path(
    get, path = "/v1/orders/{platform}/{order_id}", operation_id = "order", tag = "Orders",
    params(
        ("platform" = String, Path, description = "Platform"),
        ("order_id" = String, Path, description = "The platform's identifier of the order"),
        ("reference" = Option<String>, Query, description = "Reason or case number; an answer repeats it"),
        ("known_at" = Option<String>, Query, description = "Asks for an earlier state: the number of a commit, or an RFC 3339 instant", example = "1042"),
    ),
    responses(
        (status = 200, description = "The history of the order", body = OrderHistory),
        (status = "4XX", description = "The request is refused", body = Document<'static>, content_type = "application/problem+json"),
        (status = "5XX", description = "The service cannot answer", body = Document<'static>, content_type = "application/problem+json")
    )
)]
pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let known_at = Query::strict(raw.as_deref(), &["reference", "known_at"])?.known_at()?;
    asker.check_reason(None)?;
    let Path((platform, order_id)) =
        path.map_err(|_| Problem::new(Kind::BadRequest, "the path is not UTF-8"))?;
    let read = move |state: &HttpState<S>| {
        let seen = state.see_at(asker.scope(), known_at)?;
        let mut history = order_history(&seen.view, seen.terms(), &platform, &order_id)?;
        history.warnings = seen.warnings();
        Ok(history)
    };
    let history = state.read(read).await?;
    let given = GivenAnswer::to_request(history.as_of.commit);
    if history.versions.is_empty() {
        let dropped = history.kept_from.map(|from| format!("; orders accepted before {from} were dropped"));
        let detail = format!(
            "as of commit {}: check the platform and the order identifier{}{}",
            history.as_of.commit,
            dropped.unwrap_or_default(),
            history
                .warnings
                .iter()
                .map(|warning| format!("; {}: {warning}", warning.code()))
                .collect::<String>()
        );
        // That nothing is stored is an answer, too.
        return Ok(given.with(Problem::new(Kind::OrderUnknown, detail)));
    }
    Ok(given.with(Json(history)))
}
