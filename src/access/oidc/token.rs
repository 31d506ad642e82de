//! The ID token: a JWT that says who signed in (OpenID Connect Core 1.0, section 3.1.3.7).

use super::keys::{Algorithm, Keys};
use crate::domain::time::{MINUTE_MS, SECOND_MS, UtcMillis};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// Longest ID token, in bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// How far the clocks of the provider and of the service may be apart, in milliseconds.
const CLOCKS_APART_MS: i64 = MINUTE_MS;
/// A token that the provider issued longer ago, in milliseconds, is none for this sign-in.
const AGE_MAX_MS: i64 = 10 * MINUTE_MS;
/// Longest `sub`, in bytes, by the standard.
const SUBJECT_BYTES_MAX: usize = 255;

/// Why an ID token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenFault {
    /// It is no signed JWT.
    #[error("it is no signed JWT")]
    Form,
    /// It is signed by an algorithm that is not accepted, or not signed.
    #[error("its algorithm is not accepted: only RS256 and ES256 are")]
    Algorithm,
    /// The provider publishes no such key for its algorithm.
    #[error("the provider publishes no key of this name for its algorithm")]
    Key,
    /// The signature is not the provider's.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing, or has another value.
    #[error("its claim `{0}` is missing or wrong")]
    Claim(&'static str),
    /// It is over.
    #[error("it has expired")]
    Expired,
}

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: UtcMillis,
}

/// Who signed in, by an accepted token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) preferred_username: Option<String>,
    all: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<Value>,
}

/// The three parts of a token.
struct Parts<'t> {
    header: Header,
    signed: &'t [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn split(token: &str) -> Option<Parts<'_>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let header = serde_json::from_slice(&decode(header)?).ok()?;
    Some(Parts {
        header,
        signed: signed.as_bytes(),
        payload: decode(payload)?,
        signature: decode(signature)?,
    })
}

/// Checks a token and reads its claims.
///
/// # Errors
/// The first thing that is wrong. [`TokenFault::Key`] may be mended by newer keys.
pub(super) fn check(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, TokenFault> {
    let parts = split(token).ok_or(TokenFault::Form)?;
    let algorithm = Algorithm::parse(&parts.header.alg).ok_or(TokenFault::Algorithm)?;
    if parts.header.crit.is_some() {
        return Err(TokenFault::Form);
    }
    let key = keys.find(parts.header.kid.as_deref(), algorithm).ok_or(TokenFault::Key)?;
    if !key.has_signed(parts.signed, &parts.signature) {
        return Err(TokenFault::Signature);
    }
    let claims: serde_json::Map<String, Value> =
        serde_json::from_slice(&parts.payload).map_err(|_| TokenFault::Form)?;
    check_claims(&claims, expected)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = text("sub").filter(|sub| !sub.is_empty() && sub.len() <= SUBJECT_BYTES_MAX);
    let subject = subject.ok_or(TokenFault::Claim("sub"))?.to_owned();
    Ok(Claims { subject, preferred_username: text("preferred_username").map(str::to_owned), all: claims })
}

fn check_claims(claims: &serde_json::Map<String, Value>, expected: &Expected<'_>) -> Result<(), TokenFault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(TokenFault::Claim("iss"));
    }
    let (is_ours, has_others) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected.client_id, false),
        Some(Value::Array(many)) => {
            let ours = many.iter().filter(|one| one.as_str() == Some(expected.client_id)).count();
            (ours > 0, ours < many.len())
        }
        _ => (false, false),
    };
    if !is_ours {
        return Err(TokenFault::Claim("aud"));
    }
    // Where others may use the token as well, it must say that it was made for this service.
    let is_made_for_us = match claims.get("azp") {
        Some(party) => party.as_str() == Some(expected.client_id),
        None => !has_others,
    };
    if !is_made_for_us {
        return Err(TokenFault::Claim("azp"));
    }
    check_times(claims, expected.now)?;
    if text("nonce") != Some(expected.nonce) {
        return Err(TokenFault::Claim("nonce"));
    }
    Ok(())
}

fn check_times(claims: &serde_json::Map<String, Value>, now: UtcMillis) -> Result<(), TokenFault> {
    let instant = |name: &'static str| -> Result<Option<UtcMillis>, TokenFault> {
        let Some(value) = claims.get(name) else { return Ok(None) };
        // A number with a fraction is allowed; its whole part is enough.
        let text = value.as_number().map(ToString::to_string).ok_or(TokenFault::Claim(name))?;
        let seconds = text.split('.').next().and_then(|whole| whole.parse::<i64>().ok());
        let millis = seconds.and_then(|seconds| seconds.checked_mul(SECOND_MS));
        millis.map(|millis| Some(UtcMillis::new(millis))).ok_or(TokenFault::Claim(name))
    };
    let expires = instant("exp")?.ok_or(TokenFault::Claim("exp"))?;
    if now.since(expires) >= CLOCKS_APART_MS {
        return Err(TokenFault::Expired);
    }
    let issued = instant("iat")?.ok_or(TokenFault::Claim("iat"))?;
    if issued.since(now) > CLOCKS_APART_MS || now.since(issued) > AGE_MAX_MS {
        return Err(TokenFault::Claim("iat"));
    }
    if instant("nbf")?.is_some_and(|from| from.since(now) > CLOCKS_APART_MS) {
        return Err(TokenFault::Claim("nbf"));
    }
    Ok(())
}

impl Claims {
    /// The texts of a claim: one, or a list. Where no claim has the whole name, its dots are a path into objects.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        let mut steps = name.split('.');
        let by_path = || {
            let first = self.all.get(steps.next()?)?;
            steps.try_fold(first, |value, step| value.get(step))
        };
        match self.all.get(name).or_else(by_path) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}
