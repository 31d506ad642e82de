//! The three cookies: of a session, of the sign-in form, and of a sign-in at a provider. Under TLS their names begin with `__Host-`, which browsers take
//! from the host itself over TLS only.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// The cookie of a session, without TLS.
pub const SESSION_COOKIE: &str = "coverledger";

/// The names and attributes of the service's cookies.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Cookies {
    is_encrypted: bool,
}

impl Cookies {
    /// Of a service that browsers reach with TLS, or without.
    pub(in crate::http) const fn new(is_encrypted: bool) -> Self {
        Self { is_encrypted }
    }

    const fn session_name(self) -> &'static str {
        if self.is_encrypted { "__Host-coverledger" } else { SESSION_COOKIE }
    }

    const fn form_name(self) -> &'static str {
        if self.is_encrypted { "__Host-coverledger-form" } else { "coverledger-form" }
    }

    /// Whether browsers reach the service with TLS.
    pub(in crate::http) const fn is_encrypted(self) -> bool {
        self.is_encrypted
    }

    const fn oidc_name(self) -> &'static str {
        if self.is_encrypted { "__Host-coverledger-oidc" } else { "coverledger-oidc" }
    }

    /// The sign-in at a provider that a browser began.
    pub(in crate::http) fn oidc(self, headers: &HeaderMap) -> Option<String> {
        value(headers, self.oidc_name())
    }

    /// Sets the cookie of a sign-in at a provider. Browsers send it when the provider's page leads back, which `Strict` would
    /// prevent.
    pub(in crate::http) fn set_oidc(self, value: &str, seconds: i64) -> String {
        self.cookie(self.oidc_name(), value, "Lax", &format!("; Max-Age={seconds}"))
    }

    /// Removes the cookie of a sign-in at a provider.
    pub(in crate::http) fn clear_oidc(self) -> String {
        self.set_oidc("", 0)
    }

    /// The session of a request.
    pub(in crate::http) fn session(self, headers: &HeaderMap) -> Option<String> {
        value(headers, self.session_name())
    }

    /// The sign-in form's secret.
    pub(in crate::http) fn form(self, headers: &HeaderMap) -> Option<String> {
        value(headers, self.form_name())
    }

    /// Sets the session's cookie; it lasts as long as the browser, the service ends it sooner.
    pub(in crate::http) fn set_session(self, value: &str) -> String {
        self.set(self.session_name(), value, "")
    }

    /// Removes the session's cookie.
    pub(in crate::http) fn clear_session(self) -> String {
        self.set(self.session_name(), "", "; Max-Age=0")
    }

    /// Sets the form's cookie, for an hour.
    pub(in crate::http) fn set_form(self, value: &str) -> String {
        self.set(self.form_name(), value, "; Max-Age=3600")
    }

    fn set(self, name: &str, value: &str, more: &str) -> String {
        self.cookie(name, value, "Strict", more)
    }

    fn cookie(self, name: &str, value: &str, same_site: &str, more: &str) -> String {
        let secure = if self.is_encrypted { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{more}")
    }
}

/// The value of a cookie; `None` when it is given twice, as a page of a neighbouring host can arrange.
fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    match (values.next(), values.next()) {
        (value, None) => value,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_cookie_is_read_by_its_whole_name_and_only_if_it_is_given_once() {
        let plain = Cookies::new(false);
        let session = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            plain.session(&headers)
        };
        assert_eq!(session(&["a=b; coverledger=x=y;c=d"]).as_deref(), Some("x=y"));
        assert_eq!(session(&["xcoverledger=1", "coverledger-form=2"]), None);
        assert_eq!(session(&["coverledger=1; coverledger=2"]), None);
        assert_eq!(session(&["coverledger=1", "coverledger=1"]), None);
        let set = Cookies::new(true).set_session("v");
        assert_eq!(set, "__Host-coverledger=v; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(!plain.set_session("v").contains("Secure"));
        // The provider's page leads back with it.
        let set = Cookies::new(true).set_oidc("v", 600);
        assert_eq!(set, "__Host-coverledger-oidc=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600");
        assert!(Cookies::new(true).clear_oidc().ends_with("; Max-Age=0"));
    }
}
