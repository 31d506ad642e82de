//! `/sign-in` and `/sign-out`: how a person gets a session, and ends it. Forms without script; each carries a proof that it is
//! the service's own.

use super::frame::words;
use super::messages::{Words, fill};
use crate::access::{FormProof, SignInError, check_name};
use crate::http::access::{Asker, Guard};
use crate::http::backend::Source;
use crate::http::client::Client;
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::http::state::HttpState;
use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{
    CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::utf8_percent_encode;
use std::error::Error as StdError;

/// Bytes of a form at most.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Pages to go on to after signing in.
const PAGES: [&str; 7] = ["/", "/bulk", "/rider", "/order", "/answer", "/receipt", "/access-log"];
/// Bytes of an address to go on to at most.
const NEXT_BYTES_MAX: usize = 8 * 1024;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    w: &'static Words,
    version: &'static str,
    name: String,
    next: String,
    next_encoded: String,
    proof: String,
    fault: Option<String>,
    /// The button of the provider.
    provider: Option<String>,
}

/// Leads to the sign-in page, and back afterwards.
pub(in crate::http) fn to_sign_in(asked: &Uri) -> Response {
    let next = asked.path_and_query().map_or("/", |asked| asked.as_str());
    let lang = asked.query().and_then(|raw| raw.split('&').find(|pair| pair.starts_with("lang=")));
    let next = utf8_percent_encode(next, crate::http::UNRESERVED);
    let lang = lang.filter(|pair| pair.bytes().all(|b| b.is_ascii_alphanumeric() || b"=-".contains(&b)));
    see_other(&format!(
        "/sign-in?next={next}{}{}",
        if lang.is_some() { "&" } else { "" },
        lang.unwrap_or_default()
    ))
}

pub(super) fn see_other(target: &str) -> Response {
    let target = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, target)]).into_response()
}

/// An address of one of this service's own pages; anything else becomes the first page, so that no link leads elsewhere after
/// signing in.
pub(super) fn own_address(next: &str) -> String {
    let path = next.split('?').next().unwrap_or_default();
    let is_list = path.strip_prefix("/bulk/").is_some_and(|id| {
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    });
    let is_own = is_list || PAGES.contains(&path);
    let is_plain =
        next.len() <= NEXT_BYTES_MAX && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own && is_plain { next.to_owned() } else { "/".to_owned() }
}

/// The same address in the language in which a person signed in, unless it names one.
pub(super) fn in_language(address: &str, w: &Words) -> String {
    let query = address.split_once('?').map(|(_, query)| query);
    if query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("lang="))) {
        return address.to_owned();
    }
    let separator = if query.is_some() { '&' } else { '?' };
    format!("{address}{separator}lang={}", w.short_lang)
}

pub(super) fn first(query: &Query, name: &str) -> String {
    query.all(name).into_iter().next().unwrap_or_default()
}

pub(in crate::http) async fn get<S: Source>(
    State(state): State<HttpState<S>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Response {
    let query = Query::lenient(raw.as_deref()).unwrap_or_default();
    let w = words(&query, &headers);
    if state.guard().is_none() {
        return see_other(&format!("/?lang={}", w.short_lang));
    }
    // A link may fill the name in.
    let name = Some(first(&query, "name")).filter(|name| check_name(name).is_ok()).unwrap_or_default();
    form(&state, &headers, (w, &first(&query, "next"), &name), StatusCode::OK, None)
}

/// Says that the role of the person who is signed in has no pages, and lets another sign in.
pub(in crate::http) fn no_page<S: Source>(state: &HttpState<S>, request: &Request) -> Response {
    let query = Query::lenient(request.uri().query()).unwrap_or_default();
    let w = words(&query, request.headers());
    let fault = Some(w.no_page_for_role.to_owned());
    form(state, request.headers(), (w, "/", ""), StatusCode::FORBIDDEN, fault)
}

/// The form, with a fresh proof where the browser has none.
pub(super) fn form<S: Source>(
    state: &HttpState<S>,
    headers: &HeaderMap,
    (w, next, name): (&'static Words, &str, &str),
    status: StatusCode,
    fault: Option<String>,
) -> Response {
    let known = state.cookies().form(headers).and_then(|cookie| FormProof::of_cookie(&cookie));
    let proof = match known.map_or_else(FormProof::generate, Ok) {
        Ok(proof) => proof,
        Err(error) => return failed(&error),
    };
    let next = own_address(next);
    let provider = state.guard().and_then(|guard| guard.oidc.as_ref());
    let page = Page {
        w,
        provider: provider.map(|(_, name)| fill(w.sign_in_at, &[name])),
        version: env!("CARGO_PKG_VERSION"),
        name: name.to_owned(),
        next_encoded: utf8_percent_encode(&next, crate::http::UNRESERVED).to_string(),
        next,
        proof: proof.field(),
        fault,
    };
    let cookie = HeaderValue::from_str(&state.cookies().set_form(&proof.cookie()));
    match (page.render(), cookie) {
        (Ok(html), Ok(cookie)) => {
            let html_type = HeaderValue::from_static("text/html; charset=utf-8");
            let language = HeaderValue::from_static(w.lang);
            let headers = [(CONTENT_TYPE, html_type), (CONTENT_LANGUAGE, language), (SET_COOKIE, cookie)];
            (status, headers, html).into_response()
        }
        _ => Problem::new(Kind::Internal, "the page could not be written").into_response(),
    }
}

pub(super) fn failed(error: &(dyn StdError + 'static)) -> Response {
    tracing::error!(error, "signing in failed");
    Problem::new(Kind::Internal, "signing in failed; the log of the service says why").into_response()
}

pub(super) async fn fields(body: Body, known: &[&str]) -> Result<Query, Problem> {
    let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| Problem::new(Kind::BodyTooLarge, "a form has at most 16 KiB"))?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::new(Kind::BadRequest, "the form is not UTF-8"))?;
    Query::strict(Some(text), known)
}

pub(in crate::http) async fn post<S: Source>(
    State(state): State<HttpState<S>>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let query = match fields(body, &["name", "password", "proof", "next", "lang"]).await {
        Ok(query) => query,
        Err(problem) => return problem.into_response(),
    };
    let w = words(&query, &headers);
    if state.guard().is_none() {
        return see_other(&format!("/?lang={}", w.short_lang));
    }
    let (name, next) = (first(&query, "name").trim().to_owned(), first(&query, "next"));
    let answer = |status, fault: String| form(&state, &headers, (w, &next, &name), status, Some(fault));
    let proof = state.cookies().form(&headers).and_then(|cookie| FormProof::of_cookie(&cookie));
    if !proof.is_some_and(|proof| proof.accepts(&first(&query, "proof"))) {
        return answer(StatusCode::FORBIDDEN, w.sign_in_stale.to_owned());
    }
    let replaced = state.cookies().session(&headers);
    let (password, typed) = (first(&query, "password"), name.clone());
    let job = move |guard: &Guard| {
        guard.access.sign_in((&typed, &password), client, replaced.as_deref(), guard.clock.now())
    };
    match state.with_guard(job).await {
        Ok(signed_in) => {
            tracing::info!(target: "coverledger::access", account = signed_in.principal.name, "signed in");
            let cookie = state.cookies().set_session(&signed_in.cookie);
            with_cookie(see_other(&in_language(&own_address(&next), w)), &cookie)
        }
        Err(SignInError::Wrong) => {
            tracing::warn!(target: "coverledger::access", client = client.map(|ip| ip.to_string()), "a sign-in failed");
            answer(StatusCode::UNAUTHORIZED, w.sign_in_wrong.to_owned())
        }
        Err(SignInError::Wait(wait)) => {
            let seconds = wait.as_secs().saturating_add(1);
            let text = fill(w.sign_in_wait, &[&seconds.to_string()]);
            let mut response = answer(StatusCode::TOO_MANY_REQUESTS, text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(SignInError::Busy) => answer(StatusCode::SERVICE_UNAVAILABLE, w.sign_in_busy.to_owned()),
        Err(SignInError::Failed(error)) => failed(&error),
    }
}

pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    match HeaderValue::from_str(cookie) {
        Ok(cookie) => {
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        Err(_) => Problem::new(Kind::Internal, "the cookie could not be written").into_response(),
    }
}

pub(in crate::http) async fn sign_out<S: Source>(
    State(state): State<HttpState<S>>,
    asker: Asker,
    body: Body,
) -> Response {
    let query = match fields(body, &["proof", "lang"]).await {
        Ok(query) => query,
        Err(problem) => return problem.into_response(),
    };
    let Some(session) = asker.session else {
        let detail = "only a person who signed in can sign out: a token is revoked by its operator";
        return Problem::new(Kind::BadRequest, detail).into_response();
    };
    let proof = FormProof::of_cookie(&session);
    if !proof.is_some_and(|proof| proof.accepts(&first(&query, "proof"))) {
        let detail = "the form is not this service's own, or has expired: open the page again";
        return Problem::new(Kind::CrossSite, detail).into_response();
    }
    let lang = if first(&query, "lang") == "en" { "en" } else { "zh" };
    let job =
        move |guard: &Guard| guard.access.sign_out(&session, guard.clock.now()).map_err(SignInError::from);
    match state.with_guard(job).await {
        Ok(()) => {
            tracing::info!(target: "coverledger::access", account = asker.principal.name, "signed out");
            with_cookie(see_other(&format!("/sign-in?lang={lang}")), &state.cookies().clear_session())
        }
        Err(error) => failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_no_address_leads_to_another_site() {
        let own = "/?rider_id=R%201&at=2026-11-20T12:07:31Z";
        assert_eq!(own_address(own), own);
        for own in [
            "/bulk?lang=zh",
            "/bulk/aB3-_?lang=zh",
            "/rider?rider_id=R1&day=2026-11-20",
            "/order",
            "/access-log",
        ] {
            assert_eq!(own_address(own), own);
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/x",
            "/bulk/",
            "/bulk/../x",
            "/bulk//evil",
            "/sign-out",
            "/?a\r\nb",
            "/? x",
            "?x",
        ] {
            assert_eq!(own_address(other), "/", "{other}");
        }
        assert_eq!(own_address(&format!("/?{}", "x".repeat(NEXT_BYTES_MAX))), "/");
    }

    #[test]
    fn the_language_of_the_sign_in_page_stays() {
        let w = crate::http::page::messages::choose(Some("en"), None);
        for (address, expected) in [
            ("/", "/?lang=en"),
            ("/?at=2026-11-20", "/?at=2026-11-20&lang=en"),
            ("/?lang=zh&at=2026-11-20", "/?lang=zh&at=2026-11-20"),
            ("/?reference=lang%3Dzh", "/?reference=lang%3Dzh&lang=en"),
        ] {
            assert_eq!(in_language(address, w), expected);
        }
    }
}
