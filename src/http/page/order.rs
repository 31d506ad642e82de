//! `GET /order`: every leg and revision of an order.

use super::formatter::{Formatter, OrderShown, Time, human};
use super::frame::{Asking, Frame, address_fault, respond_stored};
use super::identifier::{Ident, Piece};
use super::messages::{Words, fill};
use super::names::Names;
use crate::coverage::order::{OrderHistory, VersionLine, order_history};
use crate::coverage::question::check_rider;
use crate::http::access::Asker;
use crate::http::backend::{Source, ViewError};
use crate::http::problem::Problem;
use crate::http::query::UNRESERVED;
use crate::http::state::HttpState;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::Response;
use percent_encoding::utf8_percent_encode;

const PARAMETERS: &[&str] = &["lang", "platform", "order_id", "reference"];
/// Versions that are listed.
const VERSIONS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "order_page.html")]
struct Page {
    w: &'static Words,
    frame: Frame,
    platform: String,
    order_id: String,
    reference: String,
    /// Code, name, whether it is the chosen one.
    platforms: Vec<(String, String, bool)>,
    errors: Errors,
    fault: Option<String>,
    /// Nothing is stored of the order.
    is_unknown: bool,
    legs: Vec<LegShown>,
    id_shown: Option<Ident>,
    kept_from: Option<Time>,
    commit: u64,
}

/// What is wrong, beside its field.
#[derive(Debug, Default)]
struct Errors {
    platform: Option<&'static str>,
    order_id: Option<&'static str>,
    reference: Option<&'static str>,
}

impl Errors {
    fn is_any(&self) -> bool {
        self.platform.is_some() || self.order_id.is_some() || self.reference.is_some()
    }
}

/// A leg: one rider's part of the order.
#[derive(Debug)]
struct LegShown {
    heading: String,
    versions: Vec<VersionShown>,
}

#[derive(Debug)]
struct VersionShown {
    order: OrderShown,
    phase: &'static str,
    rider: Ident,
    /// The page of the rider's day.
    rider_address: String,
    accepted_at: Time,
    ended_at: Option<Time>,
    fare: Option<String>,
    moved_from: Option<Time>,
    replaced: Option<String>,
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, PARAMETERS, &[]);
    let w = asking.w;
    let mut page = match page(&state, &asker, &asking).await {
        Ok(page) => page,
        Err(problem) => return axum::response::IntoResponse::into_response(problem),
    };
    let mut status = StatusCode::OK;
    if let Some(problem) = &asking.fault {
        (status, page.fault) = (problem.kind.status(), Some(address_fault(problem, w)));
    } else if !page.order_id.is_empty() || !page.platform.is_empty() {
        page.errors = errors(&page, &asker);
        status = if page.errors.is_any() { StatusCode::BAD_REQUEST } else { page.fill(&state, &asker).await };
    }
    respond_stored(status, w, &page, (page.commit > 0).then_some(page.commit))
}

/// The page before anything is read of the order.
async fn page<S: Source>(state: &HttpState<S>, asker: &Asker, asking: &Asking) -> Result<Page, Problem> {
    let w = asking.w;
    let (platform, reference) = (asking.text("platform"), asking.text("reference"));
    let order_id = asking.query.all("order_id").into_iter().next().unwrap_or_default();
    let scope = asker.scope().clone();
    let known = state.read_little(move |state| Ok(state.see(&scope).platforms_known())).await?;
    let names = Names::new(&state.display_names(), w);
    let choice = |code: String| (names.platform(&code).text, code == platform, code);
    let platforms = known.into_iter().map(choice).map(|(name, is_chosen, code)| (code, name, is_chosen));
    let onward = format!("&reference={}", encoded(&reference));
    let here = format!("/order?lang={}&platform={}", w.other_lang, encoded(&platform));
    let other_language = format!("{here}&order_id={}{onward}", encoded(&order_id));
    Ok(Page {
        w,
        frame: Frame::new(state, asker, "/order", other_language, w),
        platforms: platforms.collect(),
        platform,
        order_id,
        reference,
        errors: Errors::default(),
        fault: None,
        is_unknown: false,
        legs: Vec::new(),
        id_shown: None,
        kept_from: None,
        commit: 0,
    })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn errors(page: &Page, asker: &Asker) -> Errors {
    let w = page.w;
    let order_id = match page.order_id.as_str() {
        "" => Some(w.error_order_missing),
        // The rules are those of identifiers of riders.
        id => check_rider(id).is_err().then_some(w.error_order_bad),
    };
    let reference = Some(page.reference.as_str());
    Errors {
        platform: page.platform.is_empty().then_some(w.error_platform_missing),
        order_id,
        reference: asker.check_reason(reference).is_err().then_some(w.error_reason_missing),
    }
}

impl Page {
    /// Reads the order.
    async fn fill<S: Source>(&mut self, state: &HttpState<S>, asker: &Asker) -> StatusCode {
        let (scope, platform, order_id) =
            (asker.scope().clone(), self.platform.clone(), self.order_id.clone());
        let read = move |state: &HttpState<S>| -> Result<OrderHistory, ViewError<S>> {
            let seen = state.see(&scope);
            order_history(&seen.view, seen.terms(), &platform, &order_id)
        };
        let history = match state.read(read).await {
            Ok(history) => history,
            Err(problem) => {
                self.fault = Some(self.w.error_service.to_owned());
                return problem.kind.status();
            }
        };
        let names = Names::new(&state.display_names(), self.w);
        let formatter = Formatter {
            w: self.w,
            names: &names,
            offset: String::new(),
            riders: &[],
            zone: state.zone(),
            onward: format!("&lang={}&reference={}", self.w.short_lang, encoded(&self.reference)),
        };
        let riders: Vec<String> = history.versions.iter().map(|v| v.window.rider_id.clone()).collect();
        state.note_riders(asker, &riders);
        self.id_shown = Some(Ident::new(&history.order_id));
        self.commit = history.as_of.commit;
        self.kept_from = history.kept_from.as_deref().map(|at| formatter.time(at));
        self.legs = legs(&history, &formatter);
        self.is_unknown = history.versions.is_empty();
        if self.is_unknown { StatusCode::NOT_FOUND } else { StatusCode::OK }
    }
}

fn legs(history: &OrderHistory, formatter: &Formatter<'_>) -> Vec<LegShown> {
    let mut legs: Vec<LegShown> = Vec::new();
    let mut last = None;
    for version in history.versions.iter().take(VERSIONS_MAX) {
        if last != Some(version.window.leg) {
            let heading = fill(formatter.w.order_leg, &[&version.window.leg.to_string()]);
            legs.push(LegShown { heading, versions: Vec::new() });
            last = Some(version.window.leg);
        }
        if let Some(leg) = legs.last_mut() {
            leg.versions.push(shown(version, formatter));
        }
    }
    legs
}

fn shown(version: &VersionLine, formatter: &Formatter<'_>) -> VersionShown {
    let w = formatter.w;
    let replaced = version.superseded_by.as_ref().map(|by| {
        let text = w.replaced_by.replace("{}", &by.revision.to_string());
        format!("{text} · {} · {} {}", human(&by.recorded_at, ""), w.commit, by.commit)
    });
    let day = version.accepted_at.get(..10).unwrap_or_default();
    let rider = encoded(&version.window.rider_id);
    VersionShown {
        order: formatter.order(&version.window),
        phase: if version.window.phase == "open" { w.order_phase_open } else { w.order_phase_ended },
        rider: Ident::new(&version.window.rider_id),
        rider_address: format!("/rider?rider_id={rider}&day={day}{}", formatter.onward),
        accepted_at: formatter.time(&version.accepted_at),
        ended_at: version.ended_at.as_deref().map(|at| formatter.time(at)),
        fare: version.fare.clone(),
        moved_from: version.previous_accepted_at.as_deref().map(|at| formatter.time(at)),
        replaced,
    }
}
