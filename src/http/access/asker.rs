//! The asker of a request, as handlers see it.

use crate::access::{Principal, PrincipalKind, Role};
use crate::coverage::question::REFERENCE_BYTES_MAX;
use crate::domain::data_scope::DataScope;
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderName;
use axum::http::request::Parts;
use std::convert::Infallible;

/// The header that states a reason or case number for everything that a request asks.
const REASON_HEADER: HeaderName = HeaderName::from_static("coverledger-reason");

/// Who asks, and why.
#[derive(Clone, Debug)]
pub(in crate::http) struct Asker {
    /// Token or account, with its role and what it may see.
    pub(in crate::http) principal: Principal,
    /// The reason or case number, where one was stated for the whole request.
    pub(in crate::http) reason: Option<String>,
    /// Whether a question about a rider or an order needs one.
    pub(in crate::http) must_state_reason: bool,
    /// The value of the session's cookie, for the forms of its pages.
    pub(in crate::http) session: Option<String>,
}

impl Asker {
    /// The asker of a service without `[access]`.
    pub(super) fn loopback(reason: Option<String>) -> Self {
        Self { principal: Principal::loopback(), reason, must_state_reason: false, session: None }
    }

    pub(in crate::http) const fn scope(&self) -> &DataScope {
        &self.principal.scope
    }

    /// Whether records are shown without their riders.
    pub(in crate::http) fn is_blind_to_riders(&self) -> bool {
        self.principal.role == Role::Ops
    }

    /// Whether the service has no `[access]`.
    pub(in crate::http) fn is_loopback(&self) -> bool {
        self.principal.kind == PrincipalKind::Loopback
    }

    /// Refuses a question whose asker must say why, and does not; `reference` is that of the question itself.
    ///
    /// # Errors
    /// [`Kind::ReasonMissing`]
    pub(in crate::http) fn check_reason(&self, reference: Option<&str>) -> Result<(), Problem> {
        let is_said = |text: &str| !text.trim().is_empty();
        if !self.must_state_reason || self.reason.is_some() || reference.is_some_and(is_said) {
            return Ok(());
        }
        let detail =
            "state a reason or a case number: the parameter `reference`, or the header Coverledger-Reason";
        Err(Problem::of(Kind::ReasonMissing, "reference", detail))
    }
}

/// The reason that a request states in its header, else in its address.
///
/// # Errors
/// The header is not text, too long, or given twice.
pub(super) fn reason_of(request: &Request) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all(REASON_HEADER).iter();
    let bad = || {
        let detail = format!(
            "the header Coverledger-Reason has 1 to {REFERENCE_BYTES_MAX} bytes of UTF-8 without control characters, once"
        );
        Problem::new(Kind::BadRequest, detail)
    };
    match (given.next(), given.next()) {
        (None, _) => {}
        (Some(_), Some(_)) => return Err(bad()),
        (Some(value), None) => {
            let text = std::str::from_utf8(value.as_bytes()).map_err(|_| bad())?.trim();
            let is_text =
                !text.is_empty() && text.len() <= REFERENCE_BYTES_MAX && !text.contains(char::is_control);
            return if is_text { Ok(Some(text.to_owned())) } else { Err(bad()) };
        }
    }
    // What is wrong with the address, the handler says.
    let query = Query::lenient(request.uri().query()).unwrap_or_default();
    let reference = query.all("reference").into_iter().find(|text| !text.trim().is_empty());
    Ok(reference.filter(|text| text.len() <= REFERENCE_BYTES_MAX && !text.contains(char::is_control)))
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    /// The asker that [`super::check`] admitted. A request that reaches a handler without it is a defect: its asker sees
    /// nothing, since no platform has an empty name.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let unknown = || Self {
            principal: Principal {
                scope: DataScope::Platform(String::new()),
                role: Role::Ops,
                ..Principal::loopback()
            },
            reason: None,
            must_state_reason: true,
            session: None,
        };
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(unknown))
    }
}
