//! The check itself.

use super::asker::reason_of;
use super::{Asker, Cookies, Guard};
use crate::access::{Denied, Principal};
use crate::http::backend::Source;
use crate::http::page;
use crate::http::problem::{Kind, Problem};
use crate::http::routes::{self, May, Rule};
use crate::http::state::HttpState;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tracing::info;

/// Passes a request on to its handler, with its [`Asker`], or refuses it.
pub(in crate::http) async fn check<S: Source>(
    State(state): State<HttpState<S>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    // Without a rule there is no handler either: the answer is that there is no such resource or method.
    let rule = path.as_ref().and_then(|path| routes::rule_of(path.as_str(), request.method()));
    let (Some(rule), Some(guard)) = (rule, state.guard()) else {
        return match reason_of(&request) {
            Ok(reason) => {
                request.extensions_mut().insert(Asker::loopback(reason));
                next.run(request).await
            }
            Err(problem) => problem.into_response(),
        };
    };
    let asker = match admitted(&state, guard, rule, &request) {
        Ok(asker) => asker,
        Err(Refusal::SignIn) if rule.is_page => return page::to_sign_in(request.uri()),
        Err(Refusal::Forbidden(_)) if rule.is_page => return page::sign_in::no_page(&state, &request),
        Err(refusal) => return refusal.response(rule),
    };
    let Some(asker) = asker else { return next.run(request).await };
    let line = (rule.may != May::Anyone).then(|| asker.clone());
    request.extensions_mut().insert(asker);
    let response = next.run(request).await;
    if let Some(asker) = line {
        log(&asker, rule, &response);
    }
    response
}

fn log(asker: &Asker, rule: &Rule, response: &Response) {
    let principal = &asker.principal;
    info!(
        target: "coverledger::access",
        principal = principal.name,
        kind = principal.kind.as_str(),
        role = principal.role.as_str(),
        route = rule.path,
        status = response.status().as_u16(),
        reason = asker.reason.as_deref().unwrap_or_default(),
        "request"
    );
}

/// Why a request does not pass.
enum Refusal {
    /// The request has no token and no session.
    SignIn,
    /// The secret is not accepted.
    Denied(Denied),
    /// The header Authorization cannot be read.
    Header,
    /// The role does not allow it.
    Forbidden(Principal),
    /// Too often.
    Rate(Duration),
    /// Something else is wrong.
    Problem(Problem),
}

impl Refusal {
    fn response(self, rule: &Rule) -> Response {
        let unauthorized = |detail: String| {
            let mut response = Problem::new(Kind::Unauthorized, detail).into_response();
            let challenge = HeaderValue::from_static("Bearer realm=\"coverledger\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        };
        match self {
            Self::SignIn => unauthorized(
                "this service answers known askers only: send a token in the header Authorization: Bearer, or sign in at /sign-in"
                    .to_owned(),
            ),
            Self::Denied(why) => {
                unauthorized(format!("the token or session is not accepted, {why}: ask the operator for a new token, or sign in"))
            }
            Self::Header => unauthorized(
                "the header Authorization must be given once and be a token: Authorization: Bearer coverledger_...".to_owned(),
            ),
            Self::Forbidden(principal) => {
                let detail =
                    format!("the role {} of {} does not allow {} {}", principal.role, principal.name, rule.method, rule.path);
                Problem::new(Kind::Forbidden, detail).into_response()
            }
            Self::Rate(wait) => {
                let seconds = wait.as_secs().saturating_add(1);
                let detail = format!("too many requests in a row: try again in {seconds} s");
                let mut response = Problem::new(Kind::TooManyRequests, detail).into_response();
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// The asker of a request that may pass; `None` on a route that is open to everyone.
fn admitted<S: Source>(
    state: &HttpState<S>,
    guard: &Guard,
    rule: &Rule,
    request: &Request,
) -> Result<Option<Asker>, Refusal> {
    let known = identify(guard, state.cookies(), request.headers());
    if rule.may == May::Anyone {
        return Ok(None);
    }
    let (principal, session) = known?;
    if !rule.may.allows(principal.role) {
        return Err(Refusal::Forbidden(principal));
    }
    guard.access.admit(&principal).map_err(Refusal::Rate)?;
    let reason = reason_of(request).map_err(Refusal::Problem)?;
    let must_state_reason = rule.asks_reason && guard.must_state_reason(principal.role);
    Ok(Some(Asker { principal, reason, must_state_reason, session }))
}

/// Who asks: the token in the header, else the session's cookie. A token that is not accepted is not made up for by a cookie.
fn identify(
    guard: &Guard,
    cookies: Cookies,
    headers: &HeaderMap,
) -> Result<(Principal, Option<String>), Refusal> {
    let now = guard.clock.now();
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (Some(_), Some(_)) => Err(Refusal::Header),
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(|text| text.split_once(' '));
            let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let token = token.map(|(_, token)| token.trim()).ok_or(Refusal::Header)?;
            let principal = guard.access.token(token, now).map_err(Refusal::Denied)?;
            Ok((principal, None))
        }
        (None, _) => {
            let cookie = cookies.session(headers).ok_or(Refusal::SignIn)?;
            match guard.access.session(&cookie, now) {
                Ok(principal) => Ok((principal, Some(cookie))),
                // A session that is over is nothing to be refused for: the person signs in again.
                Err(_) => Err(Refusal::SignIn),
            }
        }
    }
}
