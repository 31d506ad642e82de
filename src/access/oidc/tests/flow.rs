//! The flow: what the browser carries, what the provider is asked, and what does not belong together.

use super::provider::{LocalProvider, challenge};
use super::*;
use crate::access::oidc::{Arrival, Begun, Callback, Grant, OidcError, OidcTerms, Provider, TokenFault};
use crate::access::principal::Role;
use crate::domain::data_scope::DataScope;
use crate::domain::time::{HOUR_MS, UtcMillis};
use std::collections::HashMap;

const START: UtcMillis = UtcMillis::new(1_795_147_200_000);
const BACK: &str = "https://ledger.example.org/sign-in/oidc/callback";
const NEXT: &str = "/?rider_id=R%201&at=2026-11-20T12:07:31Z";

fn provider(issuer: &str) -> Provider {
    let grant = |value: &str, role| Grant { value: value.to_owned(), role, scope: DataScope::All };
    Provider::new(OidcTerms {
        issuer: issuer.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: "s3:cret".to_owned(),
        certificate_authorities: None,
        scopes: vec!["openid".to_owned(), "profile".to_owned()],
        role_claim: "coverledger_roles".to_owned(),
        grants: vec![grant("auditors", Role::Auditor), grant("handlers-31", Role::Claims)],
        is_safe_address: |address| {
            address.starts_with("https://") || address.starts_with("http://127.0.0.1:")
        },
    })
}

/// A provider on this machine and the service's side of it.
struct Pair {
    signer: Signer,
    local: LocalProvider,
    provider: Provider,
}

impl Pair {
    fn new() -> Self {
        let signer = Signer::new();
        let local = LocalProvider::start(signer.jwks(""));
        let provider = provider(&local.issuer);
        Self { signer, local, provider }
    }

    fn begin(&self, now: UtcMillis) -> (Begun, HashMap<String, String>) {
        let begun = self.provider.begin(BACK, "en", NEXT, now).unwrap();
        let (page, query) = begun.location.split_once('?').unwrap();
        assert_eq!(page, format!("{}/authorize", self.local.issuer));
        let decode =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let asked = pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect();
        (begun, asked)
    }

    /// What the provider gives for the next code.
    fn issue(&self, kid: &str, claims: &Value) {
        let token = self.signer.sign(&json!({ "alg": "RS256", "kid": kid }), claims);
        self.local.script.lock().unwrap().token = (200, json!({ "id_token": token, "token_type": "Bearer" }));
    }

    fn finish(&self, cookie: &str, state: &str, now: UtcMillis) -> Result<Arrival, OidcError> {
        let callback =
            Callback { state: state.to_owned(), code: Some("c&de".to_owned()), ..Callback::default() };
        self.provider.finish(Some(cookie), &callback, BACK, now)
    }
}

#[test]
fn a_person_goes_there_and_comes_back_with_the_first_role_that_fits() {
    let pair = Pair::new();
    let (begun, asked) = pair.begin(START);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    assert!(!begun.location.contains("rider") && !begun.location.contains("R%25201"), "{}", begun.location);
    pair.issue("rsa", &claims(&pair.local.issuer, &asked["nonce"], START.millis() / 1_000));
    let arrival = pair.finish(&begun.cookie, &asked["state"], START).unwrap();
    assert_eq!((arrival.lang.as_str(), arrival.next.as_str()), ("en", NEXT));
    assert_eq!(arrival.granted, Some((Role::Claims, DataScope::All)));
    assert_eq!((arrival.person.subject.as_str(), arrival.person.shown.as_str()), ("8f2e", "Li.Wei"));
    let (form, basic) = pair.local.last_form();
    assert_eq!((form["code"].as_str(), form["redirect_uri"].as_str()), ("c&de", BACK));
    assert_eq!(challenge(&form["code_verifier"]), asked["code_challenge"]);
    assert_eq!(basic.as_deref(), Some("coverledger:s3%3Acret"));
    assert!(!form.contains_key("client_secret"));
    // The verifier and the secret never went through the browser's address.
    // The whole secret: two letters of it are in the random parts of every fortieth address.
    for secret in [form["code_verifier"].as_str(), "s3:cret", "s3%3Acret"] {
        assert!(!begun.location.contains(secret), "{}", begun.location);
    }
}

#[test]
fn an_answer_counts_once_in_its_own_browser_and_in_time() {
    let pair = Pair::new();
    let ((mine, asked), (other, others)) = (pair.begin(START), pair.begin(START));
    pair.issue("rsa", &claims(&pair.local.issuer, &asked["nonce"], START.millis() / 1_000));
    let stale =
        |result: Result<Arrival, OidcError>| assert!(matches!(result, Err(OidcError::Stale)), "{result:?}");
    // Another browser's state, another browser's cookie, none, a changed one.
    stale(pair.finish(&mine.cookie, &others["state"], START));
    stale(pair.finish(&other.cookie, &asked["state"], START));
    stale(pair.finish("", &asked["state"], START));
    stale(pair.finish(&mine.cookie.replace(".en.", ".zh."), &asked["state"], START));
    stale(pair.finish(&mine.cookie, "", START));
    let late = START.plus(10 * 60_000);
    stale(pair.finish(&mine.cookie, &asked["state"], late));
    let later = mine.cookie.replace(&late.millis().to_string(), &late.plus(HOUR_MS).millis().to_string());
    assert_ne!(later, mine.cookie);
    stale(pair.finish(&later, &asked["state"], late));
    let mixed = Callback {
        state: asked["state"].clone(),
        code: Some("code".to_owned()),
        issuer: Some("https://evil.example".to_owned()),
        error: None,
    };
    stale(pair.provider.finish(Some(&mine.cookie), &mixed, BACK, START));
    assert_eq!(pair.local.count("/token"), 0, "the provider was asked for a token");
    // The nonce of the other sign-in.
    let wrong = pair.finish(&other.cookie, &others["state"], START);
    assert!(matches!(wrong, Err(OidcError::Token(TokenFault::Claim("nonce")))), "{wrong:?}");
    assert!(pair.finish(&mine.cookie, &asked["state"], START).is_ok());
    let asked_before = pair.local.count("/token");
    stale(pair.finish(&mine.cookie, &asked["state"], START));
    assert_eq!(pair.local.count("/token"), asked_before, "a replayed answer was exchanged");
}

#[test]
fn keys_that_the_provider_changed_are_fetched_again_but_not_for_every_made_up_token() {
    let pair = Pair::new();
    let sign_in = |kid: &str, now: UtcMillis| {
        let (begun, asked) = pair.begin(now);
        pair.issue(kid, &claims(&pair.local.issuer, &asked["nonce"], now.millis() / 1_000));
        pair.finish(&begun.cookie, &asked["state"], now)
    };
    assert!(sign_in("rsa", START).is_ok());
    assert_eq!((pair.local.count("/keys"), pair.local.count("/.well-known/openid-configuration")), (1, 1));
    pair.local.script.lock().unwrap().jwks = pair.signer.jwks("-2");
    let at = START.plus(20_000);
    assert!(sign_in("rsa-2", at).is_ok());
    assert_eq!(pair.local.count("/keys"), 2);
    for made_up in 0..5 {
        let refused = sign_in(&format!("made-up-{made_up}"), at.plus(9_000));
        assert!(matches!(refused, Err(OidcError::Token(TokenFault::Key))), "{refused:?}");
    }
    assert_eq!(pair.local.count("/keys"), 2, "made-up keys were fetched");
    // A key that was withdrawn is accepted no more.
    let withdrawn = sign_in("rsa", at.plus(11_000));
    assert!(matches!(withdrawn, Err(OidcError::Token(TokenFault::Key))), "{withdrawn:?}");
    assert_eq!(pair.local.count("/keys"), 3);
    assert!(sign_in("rsa-2", START.plus(HOUR_MS)).is_ok());
    assert_eq!((pair.local.count("/keys"), pair.local.count("/.well-known/openid-configuration")), (4, 2));
}

#[test]
fn documents_that_lead_elsewhere_are_refused_and_read_again_next_time() {
    let pair = Pair::new();
    let refused = |metadata: Value, part: &str| {
        pair.local.script.lock().unwrap().metadata = metadata;
        let error = pair.provider.begin(BACK, "zh", "/", START).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(json!({ "issuer": "http://127.0.0.1:1" }), "its issuer is `http://127.0.0.1:1`");
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        refused(json!({ endpoint: "http://login.example.org/x" }), "neither of https nor of this machine");
    }
    refused(json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }), "client_secret_basic");
    refused(json!({ "jwks_uri": format!("{}/none", pair.local.issuer) }), "it answers 404");
    pair.local.script.lock().unwrap().metadata =
        json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    let (begun, asked) = pair.begin(START);
    pair.issue("rsa", &claims(&pair.local.issuer, &asked["nonce"], START.millis() / 1_000));
    assert!(pair.finish(&begun.cookie, &asked["state"], START).is_ok());
    let (form, basic) = pair.local.last_form();
    assert_eq!(
        (basic, form["client_secret"].as_str(), form["client_id"].as_str()),
        (None, "s3:cret", CLIENT)
    );
}

#[test]
fn what_the_provider_refuses_is_told_apart() {
    let pair = Pair::new();
    let (begun, asked) = pair.begin(START);
    let error = Callback {
        state: asked["state"].clone(),
        error: Some("access_denied\n".to_owned()),
        ..Callback::default()
    };
    let denied = pair.provider.finish(Some(&begun.cookie), &error, BACK, START);
    assert!(matches!(&denied, Err(OidcError::Refused(why)) if why == "access_denied"), "{denied:?}");
    let answers = |status: u16, answer: Value| {
        pair.local.script.lock().unwrap().token = (status, answer);
        pair.finish(&begun.cookie, &asked["state"], START)
    };
    assert!(matches!(answers(400, json!({ "error": "invalid_grant" })), Err(OidcError::Stale)));
    let unauthorized = answers(401, json!({ "error": "invalid_client" }));
    assert!(unauthorized.unwrap_err().to_string().contains("401 invalid_client"));
    assert!(matches!(answers(200, json!({ "access_token": "x" })), Err(OidcError::Answer { .. })));
    let mut roleless = claims(&pair.local.issuer, &asked["nonce"], START.millis() / 1_000);
    roleless["coverledger_roles"] = json!(["canteen"]);
    pair.issue("rsa", &roleless);
    assert_eq!(pair.finish(&begun.cookie, &asked["state"], START).unwrap().granted, None);
    // The port is closed.
    let away = provider("http://127.0.0.1:1").begin(BACK, "zh", "/", START);
    assert!(matches!(away, Err(OidcError::Unreachable { .. })), "{away:?}");
}
