//! Edges of text, of hosts and of years.

use super::world::*;
use crate::config::Config;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

const RIDER: &str = "3f9c-rider-7e21";
const NDJSON: &str = "application/x-ndjson";

fn line() -> String {
    format!("{{\"rider_id\":\"{RIDER}\",\"at\":\"2026-11-20T12:07:31+08:00\"}}\n")
}

fn batch(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/v1/coverage/batch");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn a_body_in_another_encoding_is_refused() {
    let state = state();
    for coding in ["gzip", "zstd", "br", "identity, gzip", "x-unknown"] {
        let request = batch(&[("content-type", NDJSON), ("content-encoding", coding)], line());
        let reply = send(&state, request).await;
        reply.is_problem(415, "unsupported-encoding");
        assert!(reply.body.contains("Content-Encoding"), "{}", reply.body);
    }
    let plain = batch(&[("content-type", NDJSON), ("content-encoding", "Identity")], line());
    assert_eq!(send(&state, plain).await.json()["verdict"], "covered");
    let coded = batch(&[("content-type", NDJSON), ("transfer-encoding", "gzip, chunked")], line());
    send(&state, coded).await.is_problem(501, "unsupported-transfer-coding");
    // Compressed without a word about it.
    for bytes in [&b"\x1f\x8b\x08\0\0"[..], b"\x28\xb5\x2f\xfd\x04", b"\xfd7zXZ\0", b"BZh91AY", b"PK\x03\x04"]
    {
        post(&state, NDJSON, bytes).await.is_problem(415, "unsupported-encoding");
    }
}

#[tokio::test]
async fn a_charset_that_is_not_utf_8_is_refused() {
    let state = state();
    for charset in ["gbk", "\"GB18030\"", "utf-16", "utf-16le", "iso-8859-1", "us-ascii", "utf-7", ""] {
        let reply = post(&state, &format!("{NDJSON}; charset={charset}"), line()).await;
        reply.is_problem(415, "unsupported-encoding");
    }
    for fine in ["; charset=utf-8", ";charset=\"UTF-8\"", "; Charset=utf8", "; version=1"] {
        let reply = post(&state, &format!("{NDJSON}{fine}"), line()).await;
        assert_eq!(reply.json()["verdict"], "covered", "{fine}");
    }
    for other in ["text/plain", "application/json", "application/x-www-form-urlencoded", "", "\u{e4}"] {
        post(&state, other, line()).await.is_problem(415, "unsupported-media-type");
    }
    let twice = batch(&[("content-type", NDJSON), ("content-type", "text/plain")], line());
    send(&state, twice).await.is_problem(415, "unsupported-media-type");
    assert_eq!(send(&state, batch(&[], line())).await.json()["verdict"], "covered");
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped_once_and_wider_encodings_are_refused() {
    let state = state();
    let marked = post(&state, NDJSON, format!("\u{feff}{}", line())).await;
    assert_eq!(marked.json()["verdict"], "covered", "{}", marked.body);
    let twice = post(&state, NDJSON, format!("\u{feff}\u{feff}{}{0}", line())).await;
    let lines: Vec<Value> = twice.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["line"], &lines[1]["verdict"]), (&1.into(), &"covered".into()), "{}", twice.body);
    assert_eq!(post(&state, NDJSON, "\u{feff}").await.body, "");
    let units: Vec<u16> = line().encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| [(unit & 255) as u8, (unit >> 8) as u8]).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| [(unit >> 8) as u8, (unit & 255) as u8]).collect();
    let wide: Vec<u8> = units.iter().flat_map(|unit| [(unit & 255) as u8, (unit >> 8) as u8, 0, 0]).collect();
    for (mark, bytes, name) in [
        (&b"\xff\xfe"[..], &little, "UTF-16"),
        (b"\xfe\xff", &big, "UTF-16"),
        (b"", &little, "UTF-16"),
        (b"", &big, "UTF-16"),
        (b"\xff\xfe\0\0", &wide, "UTF-32"),
        (b"", &wide, "UTF-32"),
    ] {
        let reply = post(&state, NDJSON, [mark, bytes].concat()).await;
        reply.is_problem(415, "unsupported-encoding");
        assert!(reply.body.contains(name), "{}", reply.body);
    }
}

#[tokio::test]
async fn years_have_four_digits() {
    let state = state();
    let at = |time: &str| format!("/v1/coverage?rider_id={RIDER}&at={time}");
    for late in [
        "9999-12-31T23:59:59Z",
        "9999-12-31T16:00:00Z",
        "9999-12-31T23:59:59-08:00",
        "9999-12-31T23:59%2B08:00",
    ] {
        get(&state, &at(late)).await.is_problem(400, "bad-time");
    }
    get(&state, &at("0000-01-01T00:00:00%2B14:00")).await.is_problem(400, "bad-time");
    for fine in ["9999-12-31T23:59:59.999%2B08:00", "9999-12-31T15:59:59Z", "0000-01-01T00:00:00%2B08:00"] {
        let reply = get(&state, &at(fine)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(!reply.body.contains("\"10000-") && !reply.body.contains("\"-"), "{}", reply.body);
    }
    let span = "from=9999-12-31T10:00:00Z&to=9999-12-31T18:00:00Z";
    get(&state, &format!("/v1/coverage?rider_id={RIDER}&{span}")).await.is_problem(400, "bad-time");
    get(&state, &format!("/v1/riders/{RIDER}/timeline?{span}")).await.is_problem(400, "bad-time");
    get(&state, &format!("/v1/rejections?{span}")).await.is_problem(400, "bad-time");
    let reply =
        post(&state, NDJSON, format!("{{\"rider_id\":\"a\",\"at\":\"9999-12-31T23:59:59Z\"}}\n{}", line()))
            .await;
    let lines: Vec<Value> = reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["error"].as_str().unwrap().contains("four digits"), "{}", reply.body);
    assert_eq!(lines[1]["verdict"], "covered");
    let page = get(&state, &format!("/?rider_id={RIDER}&at=9999-12-31T23:59:59Z&lang=en")).await;
    assert_eq!(page.status, 400, "{}", page.body);
    assert!(!page.body.contains("10000-01-01"), "{}", page.body);
}

fn addressed(path: &str, hosts: &[&str]) -> Request<Body> {
    let request = hosts.iter().fold(Request::get(path), |request, host| request.header("host", *host));
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused() {
    let state = state();
    let personal = format!("/v1/coverage?rider_id={RIDER}&at=2026-11-20T12:07:31%2B08:00");
    let paths =
        [personal.as_str(), "/", "/v1/progress", "/v1/rejections", "/v1/nothing", "/v1/orders/dada/x"];
    for path in paths {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "10.0.0.5",
            "[2001:db8::1]:80",
            "a_b",
        ] {
            send_as_it_is(&state, addressed(path, &[host])).await.is_problem(421, "misdirected");
        }
        for hosts in [
            &[][..],
            &["localhost", "localhost"],
            &["localhost", "evil.example"],
            &["localhost@evil.example"],
            &["a b"],
            &[""],
        ] {
            send_as_it_is(&state, addressed(path, hosts)).await.is_problem(400, "bad-request");
        }
    }
    for host in ["localhost", "LocalHost:1", "localhost.", "127.0.0.1:8080", "127.9.9.9", "[::1]", "[::1]:99"]
    {
        let reply = send_as_it_is(&state, addressed(&personal, &[host])).await;
        assert_eq!(reply.json()["verdict"], "covered", "{host}");
    }
    // The target itself may name a host.
    let elsewhere = addressed("http://evil.example/v1/progress", &["localhost"]);
    send_as_it_is(&state, elsewhere).await.is_problem(421, "misdirected");
    let here = addressed("http://localhost/v1/progress", &["localhost"]);
    assert_eq!(send_as_it_is(&state, here).await.status, 200);
    // The service reports its health under any host name, but the request must have one.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(send_as_it_is(&state, addressed(path, &["coverledger.svc:8080"])).await.status, 200);
        send_as_it_is(&state, addressed(path, &[])).await.is_problem(400, "bad-request");
        send_as_it_is(&state, addressed(path, &["a", "b"])).await.is_problem(400, "bad-request");
    }
}

#[tokio::test]
async fn a_configured_host_is_ours() {
    let text = "[http]\nhosts = [\"Ledger.Example\", \"10.0.0.5:8080\"]\n";
    let state = state_with(world(), Config::from_text(text).unwrap().http);
    for (host, status) in [
        ("ledger.example", 200),
        ("LEDGER.example:9000", 200),
        ("10.0.0.5:8080", 200),
        ("10.0.0.5:8081", 421),
        ("10.0.0.5", 421),
        ("x.ledger.example", 421),
    ] {
        assert_eq!(
            send_as_it_is(&state, addressed("/v1/progress", &[host])).await.status.as_u16(),
            status,
            "{host}"
        );
    }
    let wrong = Config::from_text("[http]\nhosts = [\"http://a\"]\n").unwrap_err().to_string();
    assert!(wrong.contains("`http://a` is no host"), "{wrong}");
}

#[tokio::test]
async fn a_page_of_another_site_may_not_ask() {
    let state = state();
    let asked = |mode: &str| {
        let request = Request::get("/v1/progress").header("sec-fetch-site", "cross-site");
        request.header("sec-fetch-mode", mode).body(Body::empty()).unwrap()
    };
    for mode in ["no-cors", "cors", "same-origin"] {
        send(&state, asked(mode)).await.is_problem(403, "cross-site");
    }
    assert_eq!(send(&state, asked("navigate")).await.status, 200);
    let reply = get(&state, "/v1/progress").await;
    assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin");
    let cors: Vec<_> =
        reply.headers.keys().filter(|name| name.as_str().starts_with("access-control")).collect();
    assert!(cors.is_empty(), "{cors:?}");
}

#[tokio::test]
async fn only_the_expectation_of_a_body_is_met() {
    let state = state();
    let expecting =
        |what: &str| Request::get("/v1/progress").header("expect", what).body(Body::empty()).unwrap();
    send(&state, expecting("200-ok")).await.is_problem(417, "unsupported-expectation");
    assert_eq!(send(&state, expecting("100-Continue")).await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let state = state();
    for path in ["/v1/orders/dada/none", "/v1/orders/meituan/none", "/v1/nothing", "/v1/else", "/livez"] {
        get(&state, path).await;
    }
    let strange = Request::builder().method("BREW").uri("/livez").body(Body::empty()).unwrap();
    send(&state, strange).await.is_problem(405, "method-not-allowed");
    let metrics = get(&state, "/metrics").await.body;
    for line in [
        "coverledger_http_requests_total{method=\"GET\",route=\"/v1/orders/{platform}/{order_id}\",status=\"404\"} 2",
        "coverledger_http_requests_total{method=\"GET\",route=\"other\",status=\"404\"} 2",
        "coverledger_http_requests_total{method=\"GET\",route=\"/livez\",status=\"200\"} 1",
        "coverledger_http_requests_total{method=\"other\",route=\"/livez\",status=\"405\"} 1",
        "coverledger_http_request_duration_seconds_count{route=\"/livez\",status=\"200\"} 1",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_open_fds ",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_start_time_seconds ",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}
