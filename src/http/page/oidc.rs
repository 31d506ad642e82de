//! `/sign-in/oidc` and `/sign-in/oidc/callback`: to the provider's page, and back with a session.

use super::frame::words;
use super::messages::{self, Words, fill};
use super::sign_in::{failed, first, form, in_language, own_address, see_other, with_cookie};
use crate::access::SignedIn;
use crate::access::oidc::{ATTEMPT_SECONDS, Callback, OidcError, Provider};
use crate::http::access::Guard;
use crate::http::backend::Source;
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::http::state::HttpState;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

/// The path at which the provider's page ends.
const CALLBACK: &str = "/sign-in/oidc/callback";

/// The page after signing in. The provider's page led here, and to an address that it leads on to a browser sends no `Strict`
/// cookie: so the service's own page leads on.
#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage {
    w: &'static Words,
    next: String,
}

/// The service's own address of the callback, as the browser knows the service. The host was checked before.
fn redirect_uri<S: Source>(state: &HttpState<S>, headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let scheme = if state.cookies().is_encrypted() { "https" } else { "http" };
    Some(format!("{scheme}://{host}{CALLBACK}"))
}

/// Asks the provider on a blocking thread; `None` without one.
async fn ask<S: Source, T: Send + 'static>(
    state: &HttpState<S>,
    job: impl FnOnce(&Guard, &Provider) -> Result<T, OidcError> + Send + 'static,
) -> Option<Result<T, OidcError>> {
    let job = move |guard: &Guard| Ok(guard.oidc.as_ref().map(|(provider, _)| job(guard, provider)));
    // A panic there is a defect of one answer; it is logged where it happens.
    state.with_guard(job).await.unwrap_or(Some(Err(OidcError::Busy)))
}

pub(in crate::http) async fn begin<S: Source>(
    State(state): State<HttpState<S>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let query = Query::lenient(raw.as_deref()).unwrap_or_default();
    let w = words(&query, &headers);
    let Some(redirect_uri) = redirect_uri(&state, &headers) else {
        return Problem::new(Kind::BadRequest, "the header Host is missing").into_response();
    };
    let next = own_address(&first(&query, "next"));
    let job = move |guard: &Guard, provider: &Provider| {
        provider.begin(&redirect_uri, w.short_lang, &next, guard.clock.now())
    };
    match ask(&state, job).await {
        None => see_other("/sign-in"),
        Some(Ok(begun)) => {
            let cookie = state.cookies().set_oidc(&begun.cookie, ATTEMPT_SECONDS);
            with_cookie(see_other(&begun.location), &cookie)
        }
        Some(Err(error)) => refused(&state, &headers, w, &error),
    }
}

pub(in crate::http) async fn callback<S: Source>(
    State(state): State<HttpState<S>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let query = Query::lenient(raw.as_deref()).unwrap_or_default();
    let w = words(&query, &headers);
    let Some(redirect_uri) = redirect_uri(&state, &headers) else {
        return Problem::new(Kind::BadRequest, "the header Host is missing").into_response();
    };
    let one = |name: &'static str| query.one(name).map(|value| value.map(str::to_owned));
    let callback = match (one("state"), one("code"), one("error"), one("iss")) {
        (Ok(state), Ok(code), Ok(error), Ok(issuer)) => {
            Callback { state: state.unwrap_or_default(), code, error, issuer }
        }
        // Given twice: nothing that the provider sends.
        _ => Callback::default(),
    };
    let (cookie, replaced) = (state.cookies().oidc(&headers), state.cookies().session(&headers));
    let job = move |guard: &Guard, provider: &Provider| -> Result<(SignedIn, String, String), OidcError> {
        let now = guard.clock.now();
        let arrival = provider.finish(cookie.as_deref(), &callback, &redirect_uri, now)?;
        let signed_in = guard.access.sign_in_person(&arrival, replaced.as_deref(), now)?;
        Ok((signed_in, arrival.lang, arrival.next))
    };
    let response = match ask(&state, job).await {
        None => return see_other("/sign-in"),
        Some(Ok((signed_in, lang, next))) => {
            tracing::info!(target: "coverledger::access", account = signed_in.principal.name, "signed in at the provider");
            let w = messages::choose(Some(&lang), None);
            let page = SignedInPage { w, next: in_language(&own_address(&next), w) };
            with_cookie(arrived(&page), &state.cookies().set_session(&signed_in.cookie))
        }
        Some(Err(error)) => refused(&state, &headers, w, &error),
    };
    with_cookie(response, &state.cookies().clear_oidc())
}

fn arrived(page: &SignedInPage) -> Response {
    match page.render() {
        Ok(html) => {
            let html_type = HeaderValue::from_static("text/html; charset=utf-8");
            let headers =
                [(CONTENT_TYPE, html_type), (CONTENT_LANGUAGE, HeaderValue::from_static(page.w.lang))];
            (headers, html).into_response()
        }
        Err(_) => Problem::new(Kind::Internal, "the page could not be written").into_response(),
    }
}

/// The sign-in page, which says why; details are for the log.
fn refused<S: Source>(
    state: &HttpState<S>,
    headers: &HeaderMap,
    w: &'static Words,
    error: &OidcError,
) -> Response {
    let name = state.guard().and_then(|guard| guard.oidc.as_ref()).map_or("", |(_, name)| name.as_str());
    tracing::warn!(target: "coverledger::access", %error, "a sign-in at the provider failed");
    let (status, text) = match error {
        OidcError::Stale => (StatusCode::BAD_REQUEST, w.oidc_stale.to_owned()),
        OidcError::Refused(why) => (StatusCode::UNAUTHORIZED, fill(w.oidc_refused, &[why])),
        OidcError::NoRole => (StatusCode::FORBIDDEN, fill(w.oidc_no_role, &[name])),
        OidcError::Disabled => (StatusCode::FORBIDDEN, w.oidc_disabled.to_owned()),
        OidcError::Busy => (StatusCode::SERVICE_UNAVAILABLE, w.sign_in_busy.to_owned()),
        OidcError::Token(_) => (StatusCode::UNAUTHORIZED, fill(w.oidc_unreachable, &[name])),
        OidcError::Unreachable { .. } | OidcError::Answer { .. } | OidcError::Authorities { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, fill(w.oidc_unreachable, &[name]))
        }
        OidcError::Failed(error) => return failed(error),
    };
    form(state, headers, (w, "/", ""), status, Some(text))
}
