//! Proof that a form is the service's own: a page of another site can send one, but cannot know this.

use super::error::AccessResult;
use super::secret::RandomSecret;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a form must carry beside the cookie that the browser sends by itself: a code made with the cookie's secret.
#[derive(Clone, Debug)]
pub struct FormProof {
    secret: RandomSecret,
}

impl FormProof {
    /// Of a form before its sender signed in: the secret is for a cookie of its own.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn generate() -> AccessResult<Self> {
        RandomSecret::generate().map(|secret| Self { secret })
    }

    /// Of a form whose sender has this cookie; `None` when the value was never given out in this form.
    pub fn of_cookie(value: &str) -> Option<Self> {
        RandomSecret::decode(value).map(|secret| Self { secret })
    }

    /// The value of the cookie.
    pub fn cookie(&self) -> String {
        self.secret.encoded()
    }

    /// The value of the hidden field.
    pub fn field(&self) -> String {
        self.mac().map(|mac| BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())).unwrap_or_default()
    }

    /// Whether a hidden field has that value. Takes the same time for every wrong value.
    pub fn accepts(&self, field: &str) -> bool {
        let Ok(code) = BASE64URL_NOPAD.decode(field.as_bytes()) else { return false };
        self.mac().is_some_and(|mac| mac.verify_slice(&code).is_ok())
    }

    fn mac(&self) -> Option<Hmac<Sha256>> {
        // A key of 32 bytes is never refused.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.key()).ok()?;
        mac.update(b"coverledger form");
        Some(mac)
    }
}
