//! The description of the interface as OpenAPI 3.1, made from the handlers, as a document and as a page without script.

mod page;

use super::{answers, batch, coverage, health, order, progress, rejections, statement, timeline};
use crate::coverage::answer::Answer;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
pub(super) use page::get as get_page;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

const HOUR: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=3600");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "coverledger",
        description = "Was rider R covered at time T? Answers come from one committed state and name it (`as_of`): the same question to the same state has the same answer. Times in answers are RFC 3339 with milliseconds in the configured zone; decimals are texts. Errors are RFC 9457 documents with stable types.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        coverage::get, batch::post, timeline::get, order::get, statement::get, rejections::get, progress::get,
        answers::list, answers::get, health::live, health::ready, health::metrics
    ),
    components(schemas(Answer)),
    modifiers(&Credentials),
    security(("token" = []), ("session" = [])),
    tags(
        (name = "Coverage", description = "Was a rider covered?"),
        (name = "Orders", description = "What is stored of an order"),
        (name = "Statements", description = "What a platform owes"),
        (name = "Rejections", description = "Records that could not be taken in"),
        (name = "Answers", description = "What was answered before"),
        (name = "Service", description = "How far the ledger is, and monitoring")
    )
)]
struct Interface;

/// How a client proves who it is, where the service has `[access]`.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut Document) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A token of `coverledger token create`. Not needed on loopback without `[access]`.",
        ));
        let session = ApiKeyValue::with_description(
            "coverledger",
            "The session of a person who signed in at /sign-in. Under TLS the name is `__Host-coverledger`.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    }
}

/// The description of every call under `/v1` and of the monitoring calls.
pub fn document() -> Document {
    Interface::openapi()
}

/// The description as JSON, indented.
///
/// # Errors
/// None that can occur: a description writes itself as JSON.
pub fn document_json() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&document()).map(|text| text + "\n")
}

/// The description as JSON.
pub(super) async fn get() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), HOUR], document_json().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::RULES;
    use std::collections::BTreeSet;

    /// What is for browsers, verifiers of receipts and readers of this description is described elsewhere.
    #[test]
    fn every_call_is_described() {
        let described: BTreeSet<String> = document().paths.paths.into_keys().collect();
        let is_call = |path: &&str| path.starts_with("/v1/") && *path != "/v1/openapi.json";
        let calls = RULES.iter().map(|rule| rule.path).filter(is_call);
        let watched = ["/livez", "/readyz", "/metrics"].into_iter();
        assert_eq!(described, calls.chain(watched).map(str::to_owned).collect());
    }
}
