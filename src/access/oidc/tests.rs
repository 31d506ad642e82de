//! The checks of an ID token, each broken once; and the flow against a provider on this machine.

mod flow;
mod people;
mod provider;
mod tls;
mod token;

use super::keys::Keys;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::process::Command;

const ISSUER: &str = "https://login.example.org/realms/claims";
const CLIENT: &str = "coverledger";
const NONCE: &str = "n-0S6_WzA2Mj";

/// The provider's private keys.
struct Signer {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let p256 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        // No library here makes RSA keys.
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // The lines between those that begin and end the key.
        let pem = String::from_utf8(made.stdout).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let rsa = BASE64.decode(body.as_bytes()).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(&rsa).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(algorithm, p256.as_ref(), &random).unwrap(),
            random,
        }
    }

    fn modulus(&self) -> Vec<u8> {
        PublicKeyComponents::<Vec<u8>>::from(self.rsa.public()).n
    }

    /// The public keys as a provider publishes them, beside two for encryption and one of a kind that the service does not know.
    fn jwks(&self, suffix: &str) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = self.p256.public_key().as_ref();
        let (n, e) = (encode(&rsa.n), encode(&rsa.e));
        json!({ "keys": [
            { "kty": "RSA", "kid": format!("enc{suffix}"), "use": "enc", "n": n, "e": e },
            { "kty": "RSA", "kid": format!("oaep{suffix}"), "alg": "RSA-OAEP", "n": n, "e": e },
            { "kty": "OKP", "kid": format!("ed{suffix}"), "crv": "Ed25519", "x": encode(&[7; 32]) },
            { "kty": "RSA", "kid": format!("rsa{suffix}"), "use": "sig", "alg": "RS256", "n": n, "e": e },
            { "kty": "EC", "kid": format!("ec{suffix}"), "use": "sig", "crv": "P-256",
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        ] })
    }

    fn keys(&self) -> Keys {
        Keys::read(self.jwks("").to_string().as_bytes()).unwrap()
    }

    /// A signed token.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = if header["alg"] == "ES256" {
            self.p256.sign(&self.random, signed.as_bytes()).unwrap().as_ref().to_vec()
        } else {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, signed.as_bytes(), &mut signature).unwrap();
            signature
        };
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

/// Claims that are accepted at a second of Unix time.
fn claims(issuer: &str, nonce: &str, now: i64) -> Value {
    json!({
        "iss": issuer, "aud": CLIENT, "sub": "8f2e", "nonce": nonce, "iat": now, "exp": now + 300,
        "preferred_username": "Li.Wei", "coverledger_roles": ["canteen", "handlers-31"],
        "realm_access": { "roles": ["auditors"] },
    })
}
