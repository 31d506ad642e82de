//! `GET /access-log`: who changed which token or account, newest first.

use super::formatter::{Time, human};
use super::frame::{Asking, Frame, address_fault, respond};
use super::messages::Words;
use crate::access::Change;
use crate::domain::time::Zone;
use crate::http::access::Asker;
use crate::http::backend::Source;
use crate::http::state::HttpState;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::Response;

const PARAMETERS: &[&str] = &["lang", "before"];
/// Changes on a page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "access_log.html")]
struct Page {
    w: &'static Words,
    frame: Frame,
    fault: Option<String>,
    /// There is no log: the service has no `[access]`.
    is_off: bool,
    changes: Vec<ChangeShown>,
    /// The page with older changes.
    older: Option<String>,
    /// The first page, from any other.
    newest: Option<String>,
}

#[derive(Debug)]
struct ChangeShown {
    number: u64,
    at: Time,
    actor: String,
    action: String,
    subject: String,
    detail: String,
}

impl ChangeShown {
    fn new(change: Change, zone: &Zone, w: &Words) -> Self {
        let machine = zone.rfc3339(change.at);
        Self {
            number: change.number,
            at: Time { text: human(&machine, ""), machine },
            action: w.change(&change.action),
            actor: change.actor,
            subject: change.subject,
            detail: change.detail,
        }
    }
}

pub(super) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let asking = Asking::read(raw.as_deref(), &headers, PARAMETERS, &[]);
    let (w, before) = (asking.w, asking.text("before"));
    let other_language = format!("/access-log?lang={}", w.other_lang);
    let frame = Frame::new(&state, &asker, "/access-log", other_language, w);
    let is_off = state.guard().is_none();
    let mut page = Page { w, frame, fault: None, is_off, changes: Vec::new(), older: None, newest: None };
    let number = if before.is_empty() { Some(u64::MAX) } else { before.parse().ok() };
    let (status, fault) = match (&asking.fault, number) {
        (Some(problem), _) => (problem.kind.status(), Some(address_fault(problem, w))),
        (None, None) => (StatusCode::BAD_REQUEST, Some(w.error_number.to_owned())),
        (None, Some(_)) if is_off => (StatusCode::OK, None),
        (None, Some(number)) => match changes(&state, number).await {
            Ok(changes) => {
                page.list(changes, state.zone(), !before.is_empty());
                (StatusCode::OK, None)
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "Failed to read the log of changes"
                );
                (StatusCode::INTERNAL_SERVER_ERROR, Some(w.error_service.to_owned()))
            }
        },
    };
    page.fault = fault;
    respond(status, w, &page)
}

/// The newest changes with a lower number than `before`, descending.
async fn changes<S: Source>(
    state: &HttpState<S>,
    before: u64,
) -> Result<Vec<Change>, crate::access::SignInError> {
    state
        .with_guard(move |guard| {
            let store = guard.access.store();
            let end = store.newest_change()?.saturating_add(1).min(before);
            let mut changes = store.changes_after(end.saturating_sub(u64::from(ROWS) + 1), ROWS)?;
            changes.retain(|change| change.number < end);
            changes.reverse();
            Ok(changes)
        })
        .await
}

impl Page {
    fn list(&mut self, changes: Vec<Change>, zone: &Zone, is_older: bool) {
        let lang = self.w.short_lang;
        let last = changes.last().map_or(1, |change| change.number);
        self.older = (last > 1).then(|| format!("/access-log?lang={lang}&before={last}"));
        self.newest = is_older.then(|| format!("/access-log?lang={lang}"));
        self.changes = changes.into_iter().map(|change| ChangeShown::new(change, zone, self.w)).collect();
    }
}
