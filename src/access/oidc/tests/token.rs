//! Every check of an ID token.

use super::*;
use crate::access::oidc::token::{Claims, Expected, TokenFault, check};
use crate::domain::time::UtcMillis;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const NOW: i64 = 1_795_147_200;

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, client_id: CLIENT, nonce: NONCE, now: UtcMillis::new(NOW * 1_000) }
}

fn checked(signer: &Signer, header: &Value, claims: &Value) -> Result<Claims, TokenFault> {
    check(&signer.sign(header, claims), &signer.keys(), &expected())
}

#[test]
fn a_token_of_either_algorithm_is_accepted_with_its_claims() {
    let signer = Signer::new();
    let good = claims(ISSUER, NONCE, NOW);
    for header in [
        json!({ "alg": "RS256", "kid": "rsa", "typ": "JWT" }),
        json!({ "alg": "ES256", "kid": "ec" }),
        // The only key of its algorithm needs no name.
        json!({ "alg": "ES256" }),
        json!({ "alg": "RS256" }),
    ] {
        let claims = checked(&signer, &header, &good).unwrap_or_else(|fault| panic!("{header}: {fault}"));
        assert_eq!((claims.subject.as_str(), claims.preferred_username.as_deref()), ("8f2e", Some("Li.Wei")));
        assert_eq!(claims.texts("coverledger_roles"), ["canteen", "handlers-31"]);
        assert_eq!(claims.texts("realm_access.roles"), ["auditors"]);
        assert_eq!(claims.texts("sub"), ["8f2e"]);
        assert!(claims.texts("realm_access").is_empty() && claims.texts("none.at.all").is_empty());
    }
}

#[test]
fn a_token_that_another_key_or_no_key_signed_is_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let good = claims(ISSUER, NONCE, NOW);
    let rs256 = json!({ "alg": "RS256", "kid": "rsa" });
    for header in [rs256.clone(), json!({ "alg": "ES256", "kid": "ec" })] {
        let forged = check(&other.sign(&header, &good), &signer.keys(), &expected());
        assert_eq!(forged, Err(TokenFault::Signature), "{header}");
    }
    let unknown = |kid: &str, alg: &str| checked(&signer, &json!({ "alg": alg, "kid": kid }), &good);
    assert_eq!(unknown("other", "RS256"), Err(TokenFault::Key));
    // A key is of one algorithm and for signatures only.
    assert_eq!(unknown("ec", "RS256"), Err(TokenFault::Key));
    assert_eq!(unknown("rsa", "ES256"), Err(TokenFault::Key));
    assert_eq!(unknown("enc", "RS256"), Err(TokenFault::Key));
    assert_eq!(unknown("oaep", "RS256"), Err(TokenFault::Key));
    for alg in ["none", "None", "HS256", "RS512", "PS256", ""] {
        assert_eq!(unknown("rsa", alg), Err(TokenFault::Algorithm), "{alg}");
    }
    let critical = json!({ "alg": "RS256", "kid": "rsa", "crit": ["exp"] });
    assert_eq!(checked(&signer, &critical, &good), Err(TokenFault::Form));
    // One changed character anywhere.
    let token = signer.sign(&rs256, &good);
    let (signed, _) = token.rsplit_once('.').unwrap();
    for at in [signed.len() - 3, token.len() - 20] {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let fault = check(&changed, &signer.keys(), &expected());
        assert_eq!(fault, Err(TokenFault::Signature), "{at}");
    }
    for token in ["", "a", "a.b", "a.b.c", &format!("{signed}."), &token[1..], &format!("{token}.x")] {
        assert!(check(token, &signer.keys(), &expected()).is_err(), "{token}");
    }
    let long = json!({ "iss": "x".repeat(70_000) });
    assert_eq!(checked(&signer, &rs256, &long), Err(TokenFault::Form));
}

#[test]
fn no_algorithm_turns_the_public_key_into_a_secret() {
    let signer = Signer::new();
    let good = claims(ISSUER, NONCE, NOW);
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    for (alg, kid) in [("HS256", "rsa"), ("RS256", "rsa"), ("ES256", "ec")] {
        let signed = format!("{}.{}", encode(&json!({ "alg": alg, "kid": kid })), encode(&good));
        let mut mac = Hmac::<Sha256>::new_from_slice(&signer.modulus()).unwrap();
        mac.update(signed.as_bytes());
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()));
        let fault = if alg == "HS256" { TokenFault::Algorithm } else { TokenFault::Signature };
        assert_eq!(check(&token, &signer.keys(), &expected()), Err(fault), "{alg}");
        let unsigned = format!("{}.{}.", encode(&json!({ "alg": "none", "kid": kid })), encode(&good));
        assert_eq!(check(&unsigned, &signer.keys(), &expected()), Err(TokenFault::Algorithm));
    }
}

#[test]
fn every_claim_that_is_wrong_or_missing_is_refused_by_its_name() {
    let signer = Signer::new();
    let header = json!({ "alg": "RS256", "kid": "rsa" });
    let with = |name: &str, value: Value| {
        let mut claims = claims(ISSUER, NONCE, NOW);
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name).map(drop).unwrap_or_default(),
            value => claims[name] = value,
        }
        checked(&signer, &header, &claims).map(drop)
    };
    let wrong = |name: &'static str| Err(TokenFault::Claim(name));
    for (name, value) in [
        ("iss", Value::Null),
        ("iss", json!("https://login.example.org/realms/other")),
        ("iss", json!(format!("{ISSUER}/"))),
        ("iss", json!([ISSUER])),
        ("aud", Value::Null),
        ("aud", json!("other")),
        ("aud", json!(["other", "another"])),
        ("aud", json!([])),
        ("azp", json!("other")),
        ("azp", json!(1)),
        ("nonce", Value::Null),
        ("nonce", json!("another")),
        ("exp", Value::Null),
        ("exp", json!("1895147200")),
        ("exp", json!(i64::MAX)),
        ("iat", Value::Null),
        ("iat", json!(NOW + 61)),
        ("iat", json!(NOW - 601)),
        ("iat", json!(true)),
        ("nbf", json!(NOW + 61)),
        ("nbf", json!("soon")),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("x".repeat(256))),
    ] {
        assert_eq!(with(name, value.clone()), wrong(name), "{name} = {value}");
    }
    // A token for several must name the one that it was made for.
    assert_eq!(with("aud", json!([CLIENT, "other"])), wrong("azp"));
    let mut shared = claims(ISSUER, NONCE, NOW);
    shared["aud"] = json!([CLIENT, "other"]);
    shared["azp"] = json!(CLIENT);
    assert!(checked(&signer, &header, &shared).is_ok());
    for (exp, result) in
        [(NOW - 60, Err(TokenFault::Expired)), (NOW - 59, Ok(())), (NOW - 9_999, Err(TokenFault::Expired))]
    {
        assert_eq!(with("exp", json!(exp)), result, "{exp}");
    }
    for (name, value) in [
        ("aud", json!([CLIENT])),
        ("iat", json!(NOW + 60)),
        ("iat", json!(NOW - 600)),
        ("nbf", json!(NOW + 60)),
        ("exp", json!(1_795_147_500.25)),
    ] {
        assert_eq!(with(name, value.clone()), Ok(()), "{name} = {value}");
    }
}

#[test]
fn a_document_without_usable_keys_is_refused() {
    for document in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        assert!(Keys::read(document.as_bytes()).is_err(), "{document}");
    }
    let many: Vec<Value> = (0..101).map(|_| json!({ "kty": "RSA" })).collect();
    assert!(
        Keys::read(json!({ "keys": many }).to_string().as_bytes()).unwrap_err().contains("more than 100")
    );
}
