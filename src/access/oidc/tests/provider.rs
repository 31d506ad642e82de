//! A provider on this machine for the checks that a real one gives no way to make: rotated keys, wrong documents.

use super::*;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the provider answers, and what it was asked.
#[derive(Default)]
pub(super) struct Script {
    /// Members of the discovery document that are other than usual.
    pub(super) metadata: Value,
    pub(super) jwks: Value,
    /// The answer of the token endpoint.
    pub(super) token: (u16, Value),
    /// Requests by path.
    pub(super) asked: HashMap<String, Vec<(String, String)>>,
}

pub(super) struct LocalProvider {
    pub(super) issuer: String,
    pub(super) script: Arc<Mutex<Script>>,
}

impl LocalProvider {
    pub(super) fn start(jwks: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script { jwks, ..Script::default() }));
        let (answers, base) = (Arc::clone(&script), issuer.clone());
        // Ends with the test program.
        let answering =
            move || listener.incoming().for_each(|stream| answer(stream.unwrap(), &base, &answers));
        thread::Builder::new().spawn(answering).unwrap();
        Self { issuer, script }
    }

    /// How often a path was asked for.
    pub(super) fn count(&self, path: &str) -> usize {
        self.script.lock().unwrap().asked.get(path).map_or(0, Vec::len)
    }

    /// The form and the header Authorization of the last request for a token.
    pub(super) fn last_form(&self) -> (HashMap<String, String>, Option<String>) {
        let script = self.script.lock().unwrap();
        let (head, body) = script.asked["/token"].last().unwrap();
        let decode =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
        let form = pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect();
        let basic = head.lines().find_map(|line| {
            line.to_lowercase().starts_with("authorization: basic ").then(|| line[21..].to_owned())
        });
        let basic = basic.map(|code| String::from_utf8(BASE64.decode(code.as_bytes()).unwrap()).unwrap());
        (form, basic)
    }
}

fn answer(stream: TcpStream, base: &str, script: &Mutex<Script>) {
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let (status, reply) = {
        let mut script = script.lock().unwrap();
        script.asked.entry(path.clone()).or_default().push((head, String::from_utf8(body).unwrap()));
        match path.as_str() {
            "/.well-known/openid-configuration" => {
                let mut document = json!({
                    "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
                    "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/keys"),
                });
                for (name, value) in script.metadata.as_object().into_iter().flatten() {
                    document[name] = value.clone();
                }
                (200, document)
            }
            "/keys" => (200, script.jwks.clone()),
            "/token" => script.token.clone(),
            _ => (404, Value::Null),
        }
    };
    let reply = reply.to_string();
    let mut stream = &stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{reply}",
        reply.len()
    )
    .unwrap();
}

/// The challenge of a verifier, as RFC 7636 says.
pub(super) fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier))
}
