//! Hostile requests against the real service: injection, traversal, oversized, slow, smuggled, cross-site. None may see anything, and
//! none may keep the service from answering others.

use crate::testkit::http::{self, exchange};
use crate::testkit::program::{Program, binary};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use tempfile::TempDir;

struct Target {
    program: Option<Program>,
    address: String,
    token: String,
    _folder: TempDir,
}

impl Target {
    fn new(more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let config: PathBuf = folder.path().join("coverledger.toml");
        let text = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n{more}\n[access]\n[platform.dada]\nrecords_from = 2025-07-01\n"
        );
        fs::write(&config, text).unwrap();
        let made = binary()
            .args(["token", "create", "audit", "--role", "auditor", "--config"])
            .arg(&config)
            .output();
        let token = String::from_utf8(made.unwrap().stdout).unwrap().trim().to_owned();
        let mut program = Program::serve(&config, &[]);
        let address = program.address();
        Self { program: Some(program), address, token, _folder: folder }
    }

    fn send(&self, request: &str) -> String {
        exchange(&self.address, request.replace("HOST", &self.address).as_bytes()).unwrap_or_default()
    }

    /// Everyone else is still answered, and only those who are known.
    fn still_answers(&self) {
        let bearer = format!("Authorization: Bearer {}\r\n", self.token);
        assert_eq!(http::get(&self.address, "/v1/progress", &bearer).unwrap().status, 200);
        assert_eq!(http::get(&self.address, "/v1/progress", "").unwrap().status, 401);
    }

    fn end(mut self) {
        self.still_answers();
        let said = self.program.as_ref().unwrap().said();
        assert!(!said.contains("panicked") && !said.contains(&self.token), "{said}");
        assert_eq!(self.program.take().unwrap().terminate(), Some(0));
    }
}

/// No answer in `replies` shows what only those who are known may see.
#[track_caller]
fn nothing_seen(request: &str, replies: &str) {
    for shown in ["\"platforms\"", "\"verdict\"", "\"rejections\"", "coverledger_", "root:", "[access]"] {
        assert!(!replies.contains(shown), "{request:?} shows {shown}: {replies}");
    }
    for status in replies.split("HTTP/1.1 ").skip(1).map(|reply| &reply[..3]) {
        assert!(status != "200" && status != "500", "{request:?}: {replies}");
    }
}

#[test]
fn injection_and_traversal_find_nothing() {
    let target = Target::new("");
    for secret in
        ["' OR 1=1 --", "coverledger_' OR ''='", "coverledger_%00", "null", "undefined", "coverledger_AAAA=="]
    {
        let request = format!(
            "GET /v1/progress HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n\r\n"
        );
        let reply = target.send(&request);
        assert!(reply.starts_with("HTTP/1.1 401"), "{secret}: {reply}");
        nothing_seen(&request, &reply);
    }
    for path in [
        "/assets/../v1/progress",
        "/assets/%2e%2e/v1/progress",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/livez/../metrics",
        "/livez;/../metrics",
        "/metrics/",
        "/metrics%00",
        "//metrics",
        "/%6detrics/..",
        "/v1/progress%2f",
        "/sign-in/../../access.db",
        "/v1/orders/dada/..%2f..%2f..%2fetc%2fpasswd",
        "/v1/orders/'%20OR%201=1/x",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
        nothing_seen(&request, &target.send(&request));
    }
    // Headers by which some servers are led elsewhere.
    for header in [
        "X-Original-URL: /metrics",
        "X-Rewrite-URL: /metrics",
        "X-HTTP-Method-Override: DELETE",
        "X-Forwarded-User: admin",
    ] {
        let request =
            format!("GET /v1/progress HTTP/1.1\r\nHost: HOST\r\n{header}\r\nConnection: close\r\n\r\n");
        nothing_seen(&request, &target.send(&request));
    }
    target.end();
}

#[test]
fn smuggled_requests_are_not_answered() {
    let target = Target::new("");
    let inner = "GET /metrics HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let length = inner.replace("HOST", &target.address).len();
    for request in [
        format!(
            "POST /v1/coverage/batch HTTP/1.1\r\nHost: HOST\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{inner}"
        ),
        format!(
            "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nContent-Length: +{length}\r\nConnection: close\r\n\r\n{inner}"
        ),
        format!(
            "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\nConnection: close\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "GET /livez HTTP/1.1\r\nHost: HOST\r\nX: a\r\n Authorization: Bearer x\r\nConnection: close\r\n\r\n{inner}"
        ),
        format!(
            "GET /v1/progress HTTP/1.1\r\nHost: HOST\r\nX: a\rAuthorization: Bearer x\r\nConnection: close\r\n\r\n{inner}"
        ),
        format!("GET /v1/progress\r\nHost: HOST\r\n\r\n{inner}"),
        "GET http://HOST@evil.example/v1/progress HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
            .to_owned(),
    ] {
        let replies = target.send(&request);
        for shown in ["coverledger_http_requests_total", "\"platforms\""] {
            assert!(!replies.contains(shown), "{request:?}: {replies}");
        }
    }
    // Two requests in a row on one connection: the second is not in the first one's name.
    let bearer = format!("Authorization: Bearer {}\r\n", target.token);
    let two = format!(
        "GET /v1/progress HTTP/1.1\r\nHost: HOST\r\n{bearer}\r\nGET /v1/progress HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
    );
    let replies = target.send(&two);
    let statuses: Vec<&str> = replies.split("HTTP/1.1 ").skip(1).map(|reply| &reply[..3]).collect();
    assert_eq!(statuses, ["200", "401"], "{replies}");
    target.end();
}

#[test]
fn what_is_oversized_is_refused_by_its_size() {
    let target = Target::new("");
    let big = "x".repeat(600_000);
    for (request, statuses) in [
        (
            format!(
                "GET /v1/progress HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {big}\r\nConnection: close\r\n\r\n"
            ),
            ["431", "401"],
        ),
        (
            format!(
                "GET /v1/progress HTTP/1.1\r\nHost: HOST\r\nCookie: coverledger={big}\r\nConnection: close\r\n\r\n"
            ),
            ["431", "401"],
        ),
        (
            format!("GET /sign-in?next=/?{big} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"),
            ["414", "431"],
        ),
        (
            format!(
                "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{big}",
                big.len()
            ),
            ["413", "413"],
        ),
    ] {
        let reply = target.send(&request);
        let status = reply.get(9..12).unwrap_or_default();
        assert!(statuses.contains(&status), "{}: {reply}", &request[..60]);
    }
    let cookies: String = (0..200).map(|n| format!("Cookie: c{n}=1\r\n")).collect();
    let reply = target
        .send(&format!("GET /v1/progress HTTP/1.1\r\nHost: HOST\r\n{cookies}Connection: close\r\n\r\n"));
    assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
    target.end();
}

#[test]
fn slow_clients_lose_their_place_and_delay_no_others() {
    let target = Target::new("timeout = \"1s\"\nconcurrent_requests_max = 2\n");
    let begin = |text: &str| {
        let mut stream = TcpStream::connect(&target.address).unwrap();
        stream.write_all(text.replace("HOST", &target.address).as_bytes()).unwrap();
        stream
    };
    let slow: Vec<TcpStream> = [
        "GET /v1/prog",
        "GET /v1/progress HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer cover",
        "POST /sign-in HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100\r\n\r\nname=li",
        "POST /sign-out HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100\r\n\r\nproof",
    ]
    .map(begin)
    .into();
    for mut stream in slow {
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let reply = String::from_utf8(reply).unwrap();
        nothing_seen("slow", &reply);
    }
    target.end();
}

#[test]
fn pages_of_other_sites_get_nothing() {
    let target = Target::new("");
    let bearer = format!("Authorization: Bearer {}\r\n", target.token);
    let line = "{\"rider_id\":\"R1\",\"at\":\"2026-11-20T12:07:31Z\"}\n";
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate",
    ] {
        for path in ["/v1/coverage/batch", "/sign-in", "/sign-out"] {
            let headers = format!("{bearer}{header}\r\n");
            let reply = http::post(&target.address, path, &headers, line.as_bytes()).unwrap();
            assert_eq!(reply.status, 403, "{path} {header}: {reply:?}");
            assert!(reply.body.contains("cross-site"), "{path} {header}: {reply:?}");
            assert!(!reply.head.to_lowercase().contains("access-control-allow"), "{reply:?}");
        }
    }
    let preflight = "OPTIONS /v1/progress HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\
         Access-Control-Request-Headers: authorization\r\nConnection: close\r\n\r\n";
    let reply = target.send(preflight);
    assert!(
        reply.starts_with("HTTP/1.1 405") && !reply.to_lowercase().contains("access-control-allow"),
        "{reply}"
    );
    let own = format!("{bearer}Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", target.address);
    assert_eq!(http::post(&target.address, "/v1/coverage/batch", &own, line.as_bytes()).unwrap().status, 200);
    target.end();
}
