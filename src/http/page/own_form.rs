//! Proof that a form which changes something is the service's own.

use crate::access::{AccessResult, FormProof, PrincipalKind};
use crate::http::access::Asker;
use crate::http::backend::Source;
use crate::http::state::HttpState;
use axum::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use axum::response::Response;

/// The hidden field of a form, with the cookie that belongs to it where the browser has none yet.
#[derive(Debug, Default)]
pub(super) struct OwnForm {
    pub(super) proof: String,
    cookie: Option<String>,
}

impl OwnForm {
    /// For a page of the asker: made of the session, or, in a service without `[access]`, of a cookie of its own.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub(super) fn of<S: Source>(
        state: &HttpState<S>,
        asker: &Asker,
        headers: &HeaderMap,
    ) -> AccessResult<Self> {
        if !asker.is_loopback() {
            let proof = asker.session.as_deref().and_then(FormProof::of_cookie);
            return Ok(Self { proof: proof.map(|proof| proof.field()).unwrap_or_default(), cookie: None });
        }
        let known = state.cookies().form(headers).and_then(|cookie| FormProof::of_cookie(&cookie));
        let proof = known.map_or_else(FormProof::generate, Ok)?;
        Ok(Self { proof: proof.field(), cookie: Some(state.cookies().set_form(&proof.cookie())) })
    }

    /// Adds the cookie to the response with the form.
    pub(super) fn with_cookie(self, mut response: Response) -> Response {
        if let Some(cookie) = self.cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

/// Whether a form is the service's own. The bearer of a token needs no proof: no browser adds that header by itself.
pub(super) fn is_own<S: Source>(
    state: &HttpState<S>,
    asker: &Asker,
    headers: &HeaderMap,
    proof: &str,
) -> bool {
    let cookie = match asker.principal.kind {
        PrincipalKind::Token => return true,
        PrincipalKind::Account => asker.session.clone(),
        PrincipalKind::Loopback => state.cookies().form(headers),
    };
    cookie.and_then(|cookie| FormProof::of_cookie(&cookie)).is_some_and(|own| own.accepts(proof))
}
