//! What a provider publishes about itself (OpenID Connect Discovery 1.0), read when a person first signs in and again now and
//! then. A provider that is away never keeps the service from starting.

use super::error::OidcError;
use super::fetch::{Client, fault, json};
use super::keys::Keys;
use crate::domain::time::{HOUR_MS, SECOND_MS, UtcMillis};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Documents are fetched again after this time, in milliseconds: keys that the provider withdrew are no longer accepted then.
const FRESH_MS: i64 = HOUR_MS;
/// Keys are fetched at most so often for tokens whose key is not known, in milliseconds: tokens are made up easily.
const KEYS_AGAIN_MS: i64 = 10 * SECOND_MS;

/// Where the provider does what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    /// Absent: the client's secret goes into the header Authorization.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Whether the secret goes into the header, else into the form.
    pub(super) fn takes_secret_in_header(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref();
        methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
    }
}

/// Documents and when they were fetched.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) metadata: Metadata,
    pub(super) keys: Keys,
    fetched: UtcMillis,
    keys_fetched: UtcMillis,
}

/// The documents of one provider.
#[derive(Debug)]
pub(super) struct Documents {
    issuer: String,
    client: Client,
    is_safe: fn(&str) -> bool,
    known: Mutex<Option<Arc<Known>>>,
}

impl Documents {
    /// Of an issuer; secrets go to addresses only that `is_safe`.
    pub(super) fn new(issuer: String, client: Client, is_safe: fn(&str) -> bool) -> Self {
        Self { issuer, client, is_safe, known: Mutex::default() }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Known>>> {
        // Nothing here is left half done by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The documents in force; fetched where they are missing or old. One thread fetches, the others wait for it.
    ///
    /// # Errors
    /// They cannot be fetched or used.
    pub(super) fn get(&self, now: UtcMillis) -> Result<Arc<Known>, OidcError> {
        let mut known = self.lock();
        if let Some(known) = known.as_ref().filter(|known| now.since(known.fetched) < FRESH_MS) {
            return Ok(Arc::clone(known));
        }
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = json(&address, &self.client.get(&address)?)?;
        self.check(&address, &metadata)?;
        let keys = self.fetch_keys(&metadata)?;
        let fetched = Arc::new(Known { metadata, keys, fetched: now, keys_fetched: now });
        *known = Some(Arc::clone(&fetched));
        Ok(fetched)
    }

    /// Documents with newer keys than those in `seen`, where the limit allows to fetch them.
    ///
    /// # Errors
    /// They cannot be fetched or used.
    pub(super) fn with_newer_keys(&self, seen: &Arc<Known>, now: UtcMillis) -> Result<Arc<Known>, OidcError> {
        let mut known = self.lock();
        if let Some(newer) = known.as_ref().filter(|known| known.keys_fetched > seen.keys_fetched) {
            return Ok(Arc::clone(newer));
        }
        if now.since(seen.keys_fetched) < KEYS_AGAIN_MS {
            return Ok(Arc::clone(seen));
        }
        let keys = self.fetch_keys(&seen.metadata)?;
        let newer = Arc::new(Known { keys, keys_fetched: now, ..Known::clone(seen) });
        *known = Some(Arc::clone(&newer));
        Ok(newer)
    }

    fn check(&self, address: &str, metadata: &Metadata) -> Result<(), OidcError> {
        if metadata.issuer != self.issuer {
            let says = super::fetch::repeated(&metadata.issuer);
            let text = format!("its issuer is `{says}`, and `issuer` in [access.oidc] is `{}`", self.issuer);
            return Err(fault(address, text));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if let Some(endpoint) = endpoints.into_iter().find(|endpoint| !(self.is_safe)(endpoint)) {
            let says = super::fetch::repeated(endpoint);
            return Err(fault(
                address,
                format!("its address `{says}` is neither of https nor of this machine"),
            ));
        }
        if let Some(methods) = &metadata.token_endpoint_auth_methods_supported {
            let known = ["client_secret_basic", "client_secret_post"];
            if !methods.iter().any(|method| known.contains(&method.as_str())) {
                return Err(fault(
                    address,
                    format!("it takes a secret in none of the ways {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }

    fn fetch_keys(&self, metadata: &Metadata) -> Result<Keys, OidcError> {
        let body = self.client.get(&metadata.jwks_uri)?;
        Keys::read(&body).map_err(|text| fault(&metadata.jwks_uri, text))
    }
}
