//! What no client library would send: every refusal is a problem document, those of the HTTP library too.

use super::limits::with_server;
use super::world::*;
use crate::config::HttpSettings;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Sends `bytes` and reads to the end of the connection.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

#[track_caller]
fn is_problem(reply: &str, status: u16, name: &str) {
    let shown = &reply[..reply.len().min(1_000)];
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {shown:?}"));
    assert_eq!(head.get(..12).map(|head| &head[8..]), Some(format!(" {status}").as_str()), "{shown}");
    assert!(head.contains("content-type: application/problem+json"), "{shown}");
    assert!(head.contains("x-content-type-options: nosniff"), "{shown}");
    let length = format!("content-length: {}", body.len());
    assert!(head.lines().any(|line| line == length), "{shown}");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["type"], format!("urn:coverledger:problem:{name}"), "{document}");
    assert_eq!(document["status"], status);
}

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
    };
    let many: String = (0..300).map(|n| format!("X-{n}: x\r\n")).collect();
    let long = "x".repeat(600_000);
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (get(&format!("/v1/coverage?rider_id={}", "r".repeat(70_000)), ""), 414, "uri-too-long"),
        (get(&format!("/{}", "%41".repeat(60_000)), ""), 414, "uri-too-long"),
        (get("/livez", &many), 431, "head-too-large"),
        (get("/livez", &format!("X: {long}\r\n")), 431, "head-too-large"),
        (get(&format!("/{long}"), ""), 431, "head-too-large"),
        (get("/livez", "no colon\r\n"), 400, "bad-request"),
        (get("/livez", "X\0: x\r\n"), 400, "bad-request"),
        (get("/livez", "Content-Length: x\r\n"), 400, "bad-request"),
        (get("/livez", "Content-Length: 1\r\nContent-Length: 2\r\n"), 400, "bad-request"),
        (get("/livez", &format!("Content-Length: {}\r\n", u64::MAX)), 400, "bad-request"),
        (get("/livez", "content-length:18446744073709551614\r\n"), 400, "bad-request"),
        (get("/livez", "Content-Length: 99999999999999999999999999\r\n"), 400, "bad-request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 400, "bad-request"),
        (get("/livez", "Transfer-Encoding: gzip\r\n"), 400, "bad-request"),
        (get("/ \u{e4}", ""), 400, "bad-request"),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec(), 400, "bad-request"),
        (b"GET /\r\n\r\n".to_vec(), 400, "bad-request"),
        (b"G\0T / HTTP/1.1\r\n\r\n".to_vec(), 400, "bad-request"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), 400, "bad-request"),
        (
            b"GET noslash HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
            400,
            "bad-request",
        ),
        (
            b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(),
            400,
            "bad-request",
        ),
        (b"GET /v1/progress HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), 400, "bad-request"),
        (b"GET /v1/progress HTTP/1.0\r\n\r\n".to_vec(), 400, "bad-request"),
        (b"GET /v1/progress HTTP/1.0\r\nHost: evil.example\r\n\r\n".to_vec(), 421, "misdirected"),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(), 404, "not-found"),
        (get("/nothing", "Connection: close\r\n"), 404, "not-found"),
        (b"DELETE /livez HTTP/1.0\r\n\r\n".to_vec(), 405, "method-not-allowed"),
        (get("/livez", "Expect: miracles\r\nConnection: close\r\n"), 417, "unsupported-expectation"),
    ];
    let cases = with_server(settings(), |address| {
        cases
            .into_iter()
            .map(|(bytes, status, name)| (exchange(address, &bytes), status, name))
            .collect::<Vec<_>>()
    })
    .await;
    for (reply, status, name) in cases {
        is_problem(&reply, status, name);
    }
}

#[tokio::test]
async fn a_refusal_behind_an_answer_on_the_same_connection_is_one_too() {
    let reply = with_server(settings(), |address| {
        exchange(address, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nrubbish\r\n\r\n")
    })
    .await;
    let (first, second) = reply.split_once("ok\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 OK"), "{reply}");
    is_problem(second, 400, "bad-request");
}

#[tokio::test]
async fn an_old_client_asks_how_the_service_is_without_a_host() {
    let reply = with_server(settings(), |address| exchange(address, b"GET /livez HTTP/1.0\r\n\r\n")).await;
    assert!(reply.starts_with("HTTP/1.0 200 OK") || reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
}

#[tokio::test]
async fn a_refused_body_is_read_on_so_that_the_refusal_arrives() {
    let small = HttpSettings { body_bytes_max: 1_024, ..settings() };
    let replies = with_server(small, |address| {
        let head = "POST /v1/coverage/batch HTTP/1.1\r\nHost: localhost\r\n";
        let body = "x".repeat(4_000_000);
        let sized = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let chunked =
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        [exchange(address, sized.as_bytes()), exchange(address, chunked.as_bytes())]
    })
    .await;
    replies.iter().for_each(|reply| is_problem(reply, 413, "body-too-large"));
}

#[tokio::test]
async fn a_slow_head_and_a_body_that_breaks_off_are_told() {
    let settings = HttpSettings { timeout: Duration::from_millis(100), ..settings() };
    let replies = with_server(settings, |address| {
        let slow = exchange(address, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        let idle = exchange(address, b"");
        let body = exchange(
            address,
            b"POST /v1/coverage/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        );
        [slow, idle, body]
    })
    .await;
    is_problem(&replies[0], 408, "slow-request");
    assert_eq!(replies[1], "");
    is_problem(&replies[2], 400, "bad-request");
}

const HEAD: &str = "POST /v1/coverage/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

fn good(address: SocketAddr) -> String {
    let line = "{\"rider_id\":\"a\",\"at\":\"2026-11-20T12:07:31Z\"}\n";
    exchange(address, format!("{HEAD}Content-Length: {}\r\n\r\n{line}", line.len()).as_bytes())
}

/// Clients that begin a body of `length` bytes, send `sent` of them, and stay.
fn slow_bodies(address: SocketAddr, count: usize, (length, sent): (usize, usize)) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let begun = format!("{HEAD}Content-Length: {length}\r\n\r\n{}", "\n".repeat(sent));
        stream.write_all(begun.as_bytes()).unwrap();
        stream
    };
    (0..count).map(begin).collect()
}

#[tokio::test]
async fn slow_bodies_hold_no_place_of_batches_or_requests() {
    // More slow bodies than places of batches and of requests; no deadline ends by itself.
    let settings =
        HttpSettings { timeout: Duration::from_secs(600), concurrent_requests_max: 50, ..settings() };
    let reply = with_server(settings, |address| {
        let slow = slow_bodies(address, 100, (10_000, 10));
        // They are there: the server has read what they sent, as it asks each for more.
        let reply = (0..20).map(|_| good(address)).collect::<Vec<_>>();
        drop(slow);
        reply
    })
    .await;
    for reply in reply {
        assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.contains("\"verdict\""), "{reply}");
    }
}

#[tokio::test]
async fn slow_bodies_that_fill_the_memory_give_it_up_when_others_wait() {
    let bytes_max = 256 * 1_024;
    let settings =
        HttpSettings { timeout: Duration::from_secs(600), body_bytes_max: bytes_max, ..settings() };
    let (reply, refused) = with_server(settings, move |address| {
        // All but a byte of so many largest bodies as fit, and of some more.
        let slow = slow_bodies(address, 20, (bytes_max, bytes_max - 1));
        let reply = good(address);
        let refused = slow.into_iter().map(|mut stream| {
            stream.shutdown(Shutdown::Write).ok();
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).ok();
            String::from_utf8(reply).unwrap()
        });
        (
            reply,
            refused
                .filter(|reply| reply.contains("HTTP/1.1 408 ") || reply.contains("HTTP/1.1 503 "))
                .count(),
        )
    })
    .await;
    assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.contains("\"verdict\""), "{reply}");
    assert!(refused > 0);
}

#[tokio::test]
async fn askers_that_do_not_read_hold_no_place_of_batches() {
    let settings =
        HttpSettings { timeout: Duration::from_secs(600), concurrent_requests_max: 50, ..settings() };
    let reply = with_server(settings, |address| {
        // Far more answers than sockets and buffers take.
        let line = "{\"rider_id\":\"3f9c-rider-7e21\",\"at\":\"2026-11-20T12:07:31Z\"}\n";
        let body = line.repeat(20_000);
        let deaf: Vec<TcpStream> = (0..12)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                let asked = format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(asked.as_bytes()).unwrap();
                // The first answers are on their way: it is being worked on.
                let mut first = [0; 12];
                stream.read_exact(&mut first).unwrap();
                assert_eq!(&first, b"HTTP/1.1 200");
                stream
            })
            .collect();
        let reply = good(address);
        drop(deaf);
        reply
    })
    .await;
    assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.contains("\"verdict\""), "{reply}");
}
