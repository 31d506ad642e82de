//! One sign-in on its way: what binds the provider's answer to the browser that asked for it.
//!
//! A cookie holds a random secret; `state`, `nonce` and the verifier of PKCE are keyed hashes with it. The service keeps nothing
//! of an attempt, so begun ones cannot fill its memory.

use crate::access::error::AccessResult;
use crate::access::secret::RandomSecret;
use crate::domain::time::{MINUTE_MS, UtcMillis};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// How long a person may take at the provider, in milliseconds.
pub(super) const ATTEMPT_MS: i64 = 10 * MINUTE_MS;
/// Browsers keep cookies of at most 4096 bytes; a longer address to go on to is forgotten.
const NEXT_BYTES_MAX: usize = 3_000;

/// A begun sign-in.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    secret: RandomSecret,
    /// From this instant on it is over.
    pub(super) expires: UtcMillis,
    /// The language of the page.
    pub(super) lang: String,
    /// Where the person wanted to go. It may name a rider, so the provider never sees it.
    pub(super) next: String,
}

impl Attempt {
    /// Begins one.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub(super) fn begin(lang: &str, next: &str, now: UtcMillis) -> AccessResult<Self> {
        let next_bytes = utf8_percent_encode(next, NON_ALPHANUMERIC).map(str::len).sum::<usize>();
        let next = if next_bytes <= NEXT_BYTES_MAX { next } else { "/" };
        let secret = RandomSecret::generate()?;
        Ok(Self { secret, expires: now.plus(ATTEMPT_MS), lang: lang.to_owned(), next: next.to_owned() })
    }

    /// The value of its cookie.
    pub(super) fn cookie(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!(
            "{}.{}.{}.{}",
            self.secret.encoded(),
            self.expires.millis(),
            encoded(&self.lang),
            encoded(&self.next)
        )
    }

    /// Reads [`Attempt::cookie`].
    pub(super) fn of_cookie(value: &str) -> Option<Self> {
        let mut parts = value.splitn(4, '.');
        let mut part = || parts.next();
        let secret = RandomSecret::decode(part()?)?;
        let expires = UtcMillis::new(part()?.parse().ok()?);
        let mut text = || Some(percent_decode_str(part()?).decode_utf8().ok()?.into_owned());
        Some(Self { secret, expires, lang: text()?, next: text()? })
    }

    fn mac(&self, purpose: &str) -> Option<Hmac<Sha256>> {
        // A key of 32 bytes is never refused.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.key()).ok()?;
        mac.update(
            format!("coverledger oidc {purpose} {} {} {}", self.expires.millis(), self.lang, self.next)
                .as_bytes(),
        );
        Some(mac)
    }

    fn code(&self, purpose: &str) -> String {
        self.mac(purpose).map(|mac| BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())).unwrap_or_default()
    }

    /// What the provider gives back beside its answer.
    pub(super) fn state(&self) -> String {
        self.code("state")
    }

    /// Whether an answer belongs to it. Takes the same time for every wrong value.
    pub(super) fn accepts_state(&self, state: &str) -> bool {
        let Ok(code) = BASE64URL_NOPAD.decode(state.as_bytes()) else { return false };
        self.mac("state").is_some_and(|mac| mac.verify_slice(&code).is_ok())
    }

    /// What the ID token must repeat.
    pub(super) fn nonce(&self) -> String {
        self.code("nonce")
    }

    /// What the service shows when it fetches the token (RFC 7636).
    pub(super) fn verifier(&self) -> String {
        self.code("verifier")
    }

    /// The hash of the verifier, which the browser carries to the provider.
    pub(super) fn challenge(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.verifier()))
    }
}
