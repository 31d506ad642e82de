//! Sign-in of people at a provider by OpenID Connect: the authorization code flow with PKCE.
//!
//! ```text
//! Provider::begin -> the provider's page -> Provider::finish -> Arrival -> Access::sign_in_person -> session
//! ```
//!
//! The provider says who a person is, and by the configured grants in which role. `docs/access.md` is for operators,
//! `docs/decisions/0027-openid-connect.md` says why it is built like this.

mod attempt;
mod error;
mod fetch;
mod keys;
mod metadata;
mod sign_in;
#[cfg(test)]
mod tests;
mod token;

pub use error::OidcError;
pub use token::TokenFault;

use super::principal::Role;
use super::store::Person;
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use attempt::{ATTEMPT_MS, Attempt};
use data_encoding::BASE64;
use fetch::{Client, fault, json, repeated};
use metadata::{Documents, Known, Metadata};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use token::{Claims, Expected};

/// Sign-ins that wait for the provider at a time, each on a thread.
const WAITING_MAX: usize = 8;
/// How long a begun sign-in lasts, in seconds: so long its cookie stays.
pub const ATTEMPT_SECONDS: i64 = ATTEMPT_MS / 1_000;

/// What a value of the role claim means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The value.
    pub value: String,
    /// The role that it gives.
    pub role: Role,
    /// What of the ledger the role shows.
    pub scope: DataScope,
}

/// The provider, and what this service is there.
#[derive(Clone)]
pub struct OidcTerms {
    /// The provider's identifier, letter for letter.
    pub issuer: String,
    /// The name that the provider knows this service by.
    pub client_id: String,
    /// The secret that goes with it.
    pub client_secret: String,
    /// Authorities that the provider's certificate may be of; those that browsers trust unless given.
    pub certificate_authorities: Option<PathBuf>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim with the person's roles.
    pub role_claim: String,
    /// The first grant whose value a person has counts.
    pub grants: Vec<Grant>,
    /// Whether secrets may be sent to an address.
    pub is_safe_address: fn(&str) -> bool,
}

impl std::fmt::Debug for OidcTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcTerms").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A sign-in that has begun: where the browser goes, and what it keeps meanwhile.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The provider's page.
    pub location: String,
    /// The value of the cookie that binds the answer to this browser.
    pub cookie: String,
}

/// What the browser brings back in the address.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// The parameter `state`.
    pub state: String,
    /// The parameter `code`, where the person signed in.
    pub code: Option<String>,
    /// The parameter `error`, where not.
    pub error: Option<String>,
    /// The parameter `iss` (RFC 9207), where the provider sends it.
    pub issuer: Option<String>,
}

/// A person whom the provider signed in, with the role that a grant gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who it is.
    pub person: Person,
    /// The role and what it shows; `None` where no grant fits.
    pub granted: Option<(Role, DataScope)>,
    /// The language of the page.
    pub lang: String,
    /// Where the person wanted to go.
    pub next: String,
}

/// Signs people in at one provider. Shared by all requests.
#[derive(Debug)]
pub struct Provider {
    terms: OidcTerms,
    /// Absent until first needed: the authorities' file may come later than the service.
    documents: Mutex<Option<Arc<Documents>>>,
    waiting: Mutex<usize>,
    /// Answers that were taken, until their attempt is over: none counts twice.
    taken: Mutex<HashMap<String, UtcMillis>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing here is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn form(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl Provider {
    /// A provider; nothing is asked of it yet.
    pub fn new(terms: OidcTerms) -> Self {
        Self { terms, documents: Mutex::default(), waiting: Mutex::default(), taken: Mutex::default() }
    }

    fn documents(&self) -> Result<Arc<Documents>, OidcError> {
        let mut documents = locked(&self.documents);
        if let Some(documents) = documents.as_ref() {
            return Ok(Arc::clone(documents));
        }
        let client = Client::new(self.terms.certificate_authorities.as_deref())?;
        let new = Arc::new(Documents::new(self.terms.issuer.clone(), client, self.terms.is_safe_address));
        *documents = Some(Arc::clone(&new));
        Ok(new)
    }

    /// Begins a sign-in that ends at `redirect_uri`, the service's own address of [`Provider::finish`]. May wait for the provider.
    ///
    /// # Errors
    /// The provider cannot be asked, or too many wait for it.
    pub fn begin(
        &self,
        redirect_uri: &str,
        lang: &str,
        next: &str,
        now: UtcMillis,
    ) -> Result<Begun, OidcError> {
        let _place = Place::take(&self.waiting).ok_or(OidcError::Busy)?;
        let known = self.documents()?.get(now)?;
        let attempt = Attempt::begin(lang, next, now)?;
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.terms.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &self.terms.scopes.join(" ")),
            ("state", &attempt.state()),
            ("nonce", &attempt.nonce()),
            ("code_challenge", &attempt.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &known.metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Begun { location: format!("{endpoint}{joint}{query}"), cookie: attempt.cookie() })
    }

    /// Takes the provider's answer: the cookie of [`Provider::begin`], what the browser brings back, and the same `redirect_uri`.
    /// Waits for the provider.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub fn finish(
        &self,
        cookie: Option<&str>,
        callback: &Callback,
        redirect_uri: &str,
        now: UtcMillis,
    ) -> Result<Arrival, OidcError> {
        let attempt = cookie.and_then(Attempt::of_cookie).ok_or(OidcError::Stale)?;
        if !attempt.accepts_state(&callback.state) || attempt.expires <= now || self.is_taken(&attempt, now) {
            return Err(OidcError::Stale);
        }
        // An answer of another provider, which an attacker has sent here (RFC 9207).
        if callback.issuer.as_ref().is_some_and(|issuer| *issuer != self.terms.issuer) {
            return Err(OidcError::Stale);
        }
        if let Some(error) = &callback.error {
            return Err(OidcError::Refused(repeated(error)));
        }
        let code = callback.code.as_deref().ok_or(OidcError::Stale)?;
        let _place = Place::take(&self.waiting).ok_or(OidcError::Busy)?;
        let documents = self.documents()?;
        let known = documents.get(now)?;
        let token = self.fetch_token((&documents, &known.metadata), code, &attempt, redirect_uri)?;
        let claims = self.check(&documents, &known, &token, &attempt, now)?;
        if locked(&self.taken).insert(attempt.state(), attempt.expires).is_some() {
            return Err(OidcError::Stale);
        }
        let values = claims.texts(&self.terms.role_claim);
        let granted = self.terms.grants.iter().find(|grant| values.contains(&grant.value.as_str()));
        let person = Person {
            issuer: self.terms.issuer.clone(),
            subject: claims.subject.clone(),
            shown: claims.preferred_username.clone().unwrap_or_default(),
        };
        let granted = granted.map(|grant| (grant.role, grant.scope.clone()));
        Ok(Arrival { person, granted, lang: attempt.lang, next: attempt.next })
    }

    /// Whether an answer to an attempt was taken already. Forgets those whose time is over.
    fn is_taken(&self, attempt: &Attempt, now: UtcMillis) -> bool {
        let mut taken = locked(&self.taken);
        taken.retain(|_, expires| *expires > now);
        taken.contains_key(&attempt.state())
    }

    /// Exchanges the code for the ID token.
    fn fetch_token(
        &self,
        (documents, metadata): (&Documents, &Metadata),
        code: &str,
        attempt: &Attempt,
        redirect_uri: &str,
    ) -> Result<String, OidcError> {
        #[derive(Deserialize)]
        struct Answer {
            id_token: Option<String>,
            error: Option<String>,
        }
        let (id, secret) = (self.terms.client_id.as_str(), self.terms.client_secret.as_str());
        let verifier = attempt.verifier();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &verifier),
        ];
        let basic =
            format!("Basic {}", BASE64.encode(format!("{}:{}", encoded(id), encoded(secret)).as_bytes()));
        let in_header = metadata.takes_secret_in_header();
        if !in_header {
            fields.extend([("client_id", id), ("client_secret", secret)]);
        }
        let address = &metadata.token_endpoint;
        let (status, body) =
            documents.client().post(address, &form(&fields), in_header.then_some(basic.as_str()))?;
        let answer: Answer = json(address, &body)?;
        match (status, answer) {
            (200, Answer { id_token: Some(token), .. }) => Ok(token),
            // The code is used up, over, or made up.
            (400, Answer { error: Some(error), .. }) if error == "invalid_grant" => Err(OidcError::Stale),
            (status, answer) => {
                let error = answer.error.map(|error| repeated(&error)).unwrap_or_default();
                Err(fault(address, format!("it answers {status} {error} without an ID token")))
            }
        }
    }

    /// Checks the token; fetches newer keys once where its key is not among those known.
    fn check(
        &self,
        documents: &Documents,
        known: &Arc<Known>,
        token: &str,
        attempt: &Attempt,
        now: UtcMillis,
    ) -> Result<Claims, OidcError> {
        let nonce = attempt.nonce();
        let (issuer, client_id) = (self.terms.issuer.as_str(), self.terms.client_id.as_str());
        let expected = Expected { issuer, client_id, nonce: &nonce, now };
        match token::check(token, &known.keys, &expected) {
            Err(TokenFault::Key) => {
                let newer = documents.with_newer_keys(known, now)?;
                Ok(token::check(token, &newer.keys, &expected)?)
            }
            checked => Ok(checked?),
        }
    }
}

/// A place among those that wait for the provider.
struct Place<'a>(&'a Mutex<usize>);

impl<'a> Place<'a> {
    fn take(count: &'a Mutex<usize>) -> Option<Self> {
        let mut taken = locked(count);
        if *taken >= WAITING_MAX {
            return None;
        }
        *taken = taken.saturating_add(1);
        drop(taken);
        Some(Self(count))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = locked(self.0);
        *taken = taken.saturating_sub(1);
    }
}
