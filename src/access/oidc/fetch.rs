//! Questions to the provider over HTTP, with limits of time and size; TLS wherever the provider is not on this machine.

use super::error::OidcError;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error};

/// The longest time for one answer, from the connection to its last byte.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Bytes of one answer at most.
const ANSWER_BYTES_MAX: u64 = 512 * 1024;
/// The longest part of what a provider says that a message repeats, in characters.
const REPEATED_MAX: usize = 200;

/// Asks the provider.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// Over TLS it trusts the authorities in a file, or those that browsers trust.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn new(authorities: Option<&Path>) -> Result<Self, OidcError> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = authorities {
            tls = tls.root_certs(read_authorities(path)?);
        }
        let config = Agent::config_builder()
            .tls_config(tls.build())
            // A redirect could lead the secret elsewhere.
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("coverledger/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(ANSWER_MAX));
        Ok(Self { agent: config.build().new_agent() })
    }

    /// The body of a good answer to GET.
    pub(super) fn get(&self, address: &str) -> Result<Vec<u8>, OidcError> {
        let (status, body) =
            body(address, self.agent.get(address).header("accept", "application/json").call())?;
        if status == 200 { Ok(body) } else { Err(fault(address, format!("it answers {status}"))) }
    }

    /// The answer to a form, with its status; `authorization` is a header.
    pub(super) fn post(
        &self,
        address: &str,
        form: &str,
        authorization: Option<&str>,
    ) -> Result<(u16, Vec<u8>), OidcError> {
        let request = self.agent.post(address).header("accept", "application/json");
        let mut request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        body(address, request.send(form))
    }
}

fn read_authorities(path: &Path) -> Result<RootCerts, OidcError> {
    let failed = |cause: String| OidcError::Authorities { file: path.display().to_string(), cause };
    let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let items: Vec<PemItem<'static>> =
        parse_pem(&text).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        return Err(failed("it has no certificate in PEM".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

fn body(address: &str, asked: Result<Response<Body>, Error>) -> Result<(u16, Vec<u8>), OidcError> {
    let unreachable =
        |error: Error| OidcError::Unreachable { address: address.to_owned(), cause: error.to_string() };
    let mut answer = asked.map_err(unreachable)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
    Ok((status, body))
}

/// An answer that cannot be used.
pub(super) fn fault(address: &str, fault: String) -> OidcError {
    OidcError::Answer { address: address.to_owned(), fault }
}

/// An answer in JSON.
pub(super) fn json<T: DeserializeOwned>(address: &str, body: &[u8]) -> Result<T, OidcError> {
    serde_json::from_slice(body).map_err(|error| fault(address, error.to_string()))
}

/// What another system says, fit for a log: without control characters, and short.
pub(super) fn repeated(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REPEATED_MAX).collect()
}
