//! Whom a request is addressed to. A page of another site can point its own name at this machine (DNS rebinding) and would
//! then read answers about persons: so a name must be loopback, the address that was connected to, or a configured one.

use super::backend::Source;
use super::in_flight;
use super::problem::{Kind, Problem};
use super::state::HttpState;
use crate::config::HostName;
use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Nothing here is about a person, and monitoring asks by whatever name it has for the service.
const OPEN_PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Refuses requests that are addressed to another host, or that a page of another site makes.
pub(super) async fn check<S: Source>(
    State(state): State<HttpState<S>>,
    request: Request,
    next: Next,
) -> Response {
    let local = in_flight::of(&request).local();
    let checked = addressed(&request, local, &state.settings().hosts).and_then(|()| same_site(&request));
    let checked = checked.and_then(|()| same_origin(&request));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn addressed(request: &Request, local: Option<IpAddr>, hosts: &[HostName]) -> Result<(), Problem> {
    let is_open = OPEN_PATHS.contains(&request.uri().path());
    let named = host_header(request.headers(), request.version() == Version::HTTP_10 && is_open)?;
    let target = target(request.uri())?;
    let is_ours = |authority: &&Authority| is_ours(authority, local, hosts);
    if is_open || named.iter().chain(&target).all(|authority| is_ours(&authority)) {
        return Ok(());
    }
    let detail = "the service does not answer under this host name: ask by its address, or add the name to `hosts` under \
                  [http] in its configuration";
    Err(Problem::new(Kind::Misdirected, detail))
}

/// The one `Host` of a request; only an old client that asks how the service is may leave it out.
fn host_header(headers: &HeaderMap, may_lack: bool) -> Result<Option<Authority>, Problem> {
    let mut given = headers.get_all(HOST).iter();
    match (given.next(), given.next()) {
        (None, _) if may_lack => Ok(None),
        (None, _) => Err(Problem::new(Kind::BadRequest, "the header Host is missing")),
        (Some(_), Some(_)) => Err(Problem::new(Kind::BadRequest, "the header Host is given more than once")),
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(authority);
            host.map(Some).ok_or_else(|| Problem::new(Kind::BadRequest, "the header Host names no host"))
        }
    }
}

/// The host in the target itself: `GET http://host/path`.
fn target(uri: &Uri) -> Result<Option<Authority>, Problem> {
    let asks_elsewhere =
        || Problem::new(Kind::BadRequest, "the target of a request is a path, such as /v1/coverage");
    match uri.authority() {
        None => Ok(None),
        Some(_) if uri.scheme().is_none() => Err(asks_elsewhere()),
        Some(given) => authority(given.as_str()).map(Some).ok_or_else(asks_elsewhere),
    }
}

fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let has_host = !authority.host().is_empty() && !authority.as_str().contains('@');
    has_host.then_some(authority)
}

fn is_ours(authority: &Authority, local: Option<IpAddr>, hosts: &[HostName]) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) if address.to_canonical().is_loopback() => return true,
        Ok(address) if local.is_some_and(|local| local.to_canonical() == address.to_canonical()) => {
            return true;
        }
        _ => {}
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || hosts.iter().any(|known| known.is(host, authority.port_u16()))
}

/// A browser says when a page of another site asks; following a link is not asking.
fn same_site(request: &Request) -> Result<(), Problem> {
    let is = |name: &HeaderName, value: &str| {
        request.headers().get(name).is_some_and(|given| given.as_bytes() == value.as_bytes())
    };
    if is(&SEC_FETCH_SITE, "cross-site") && !is(&SEC_FETCH_MODE, "navigate") {
        return Err(Problem::new(
            Kind::CrossSite,
            "a page of another site sent this request: open the service's own page",
        ));
    }
    Ok(())
}

/// A request that may change something must come from a page of this very service, or from a program. Browsers say which with
/// every such request; programs say nothing.
fn same_origin(request: &Request) -> Result<(), Problem> {
    if request.method().is_safe() {
        return Ok(());
    }
    let refused = || Err(Problem::new(Kind::CrossSite, "a page of another site may not send this"));
    let site = request.headers().get(&SEC_FETCH_SITE);
    if site.is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return refused();
    }
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (origin, named) {
        (Some(("http" | "https", origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => refused(),
    }
}
