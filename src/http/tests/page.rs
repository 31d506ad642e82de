//! The page in a real browser.

use super::chromium::chromium;
use super::limits::with_server;
use super::world::*;
use axum::body::Body;
use axum::http::Request;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

const RIDER: &str = "rider_id=3f9c-rider-7e21";
/// A folder that gets the pictures, for people to look at.
const PICTURES: &str = "COVERLEDGER_PICTURES";

/// Runs the browser on an address, with a profile of its own.
fn run(url: &str, arguments: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn picture(url: &str, folder: &Path, name: &str, (width, height): (u32, u32)) {
    let path = folder.join(format!("{name}.png"));
    let (shot, size) =
        (format!("--screenshot={}", path.display()), format!("--window-size={width},{height}"));
    run(url, &[&shot, &size]);
    let png = std::fs::read(&path).unwrap();
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (width, height), "{name}");
    assert!(png.len() > 15_000, "{name} is nearly empty: {} bytes", png.len());
    if let Some(pictures) = std::env::var_os(PICTURES) {
        std::fs::copy(&path, Path::new(&pictures).join(format!("{name}.png"))).unwrap();
    }
}

struct Case {
    name: &'static str,
    query: &'static str,
    size: (u32, u32),
    has: &'static [&'static str],
}

const CASES: [Case; 6] = [
    Case {
        name: "covered-zh",
        query: "&at=2026-11-20+12:07:31&reference=2026-%E6%B2%AA-0317&lang=zh",
        size: (1200, 2330),
        has: &[
            "lang=\"zh-CN\"",
            "data-verdict=\"covered\"",
            "有保障",
            "8830021175020",
            "DD-20261120-0093",
            "曾经覆盖",
            "有争议",
            "2026-沪-0317",
        ],
    },
    Case {
        name: "covered-en",
        query: "&at=2026-11-20+12:07:31&lang=en",
        size: (1200, 2180),
        has: &[
            "lang=\"en\"",
            "Covered",
            "Orders that cover the time",
            "0.25 yuan",
            "commit 2",
            "replaced by revision 3",
        ],
    },
    Case {
        name: "not-covered-zh",
        query: "&at=2026-11-18T15:00:00%2B08:00&lang=zh",
        size: (1200, 1240),
        has: &["data-verdict=\"not_covered\"", "无保障", "最近的订单", "8830021179999", "已完结"],
    },
    Case {
        name: "undetermined-en",
        query: "&at=2026-11-20+14:10:00&lang=en",
        size: (1200, 1320),
        has: &["data-verdict=\"undetermined\"", "Cannot be said yet", "Ask again at", "Nearest orders"],
    },
    Case {
        name: "interval-en-narrow",
        query: "&from=2026-11-20+11:20&to=2026-11-20+13:10&lang=en",
        size: (500, 2200),
        has: &["class=\"part covered\"", "The interval in parts", "class=\"part undetermined\""],
    },
    Case {
        name: "mistakes-zh",
        query: "&at=20%20Nov&platform=MEITUAN&lang=zh",
        size: (1200, 620),
        has: &["无法识别", "平台名由", "aria-invalid=\"true\"", "value=\"20 Nov\""],
    },
];

#[tokio::test]
async fn a_browser_shows_every_verdict_in_both_languages() {
    with_server(settings(), |address: SocketAddr| {
        let folder = tempfile::tempdir().unwrap();
        for case in CASES {
            let url = format!("http://{address}/?{RIDER}{}", case.query);
            let dom = run(&url, &["--dump-dom"]);
            for text in case.has {
                assert!(dom.contains(text), "{}: `{text}` is not in {dom}", case.name);
            }
            assert!(!dom.contains("<script"), "{}: the page works without script", case.name);
            if case.name != "mistakes-zh" {
                for text in [
                    "<title id=\"figure-title-wide\">",
                    "<desc id=\"figure-desc-narrow\">",
                    "class=\"mark-text\"",
                    "id=\"as-of\"",
                ] {
                    assert!(dom.contains(text), "{}: `{text}` is not in {dom}", case.name);
                }
            }
            picture(&url, folder.path(), case.name, case.size);
        }
    })
    .await;
}

#[tokio::test]
async fn the_page_is_served_with_its_parts() {
    let state = state();
    let reply = get(&state, "/").await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(reply.header("content-language"), "zh-CN");
    assert!(!reply.body.contains("id=\"answer\"") && !reply.body.contains("aria-invalid"));
    let request = Request::get("/").header("accept-language", "en-GB,en;q=0.9");
    let english = send(&state, request.body(Body::empty()).unwrap()).await;
    assert!(english.body.contains("lang=\"en\"") && english.body.contains("Rider identifier"));
    assert!(get(&state, "/assets/page.css").await.header("content-type").starts_with("text/css"));
    assert_eq!(get(&state, "/assets/icon.svg").await.header("content-type"), "image/svg+xml");
}

#[tokio::test]
async fn what_is_typed_comes_back_as_text_and_mistakes_beside_their_field() {
    let state = state();
    let reply = get(&state, "/?lang=en&rider_id=%3Cscript%3E&at=").await;
    assert_eq!(reply.status, 400);
    assert!(!reply.body.contains("<script") && reply.body.contains("A time is needed"));
    for (query, text) in [
        ("at=2026-11-20+12:07", "A rider identifier is needed"),
        ("rider_id=a&at=2026-11-20+12:07&from=2026-11-20+12:07", "Give an instant or an interval, not both"),
        ("rider_id=a&from=2026-11-20+12:07", "A time is needed"),
        ("rider_id=a&from=2026-11-20+12:07&to=2026-11-20+12:07", "The end must be later than the start"),
        ("rider_id=a&at=2026-11-20+12:07&platform=A", "A platform name has"),
        ("rider_id=a&from=1990-11-20+12:07&to=2026-11-20+12:07", "The interval is longer than"),
        ("rider_id=%FF&at=2026-11-20+12:07", "The address cannot be read"),
    ] {
        let reply = get(&state, &format!("/?lang=en&{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains(text), "{query}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_whole_minute_and_several_platforms_can_be_asked_for() {
    let uri = "/?lang=en&rider_id=3f9c-rider-7e21&at=2026/11/20%2012:00&platform=dada,meituan";
    let reply = get(&state(), uri).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    // The order that began at 12:01 does not cover it, the amended one ended at 11:58.
    assert!(reply.body.contains("data-verdict=\"undetermined\""));
    assert!(
        reply.body.contains("from=2026-11-20T12:00:00.000%2B08:00&amp;to=2026-11-20T12:01:00.000%2B08:00")
            || reply.body.contains("from=2026-11-20T12:00:00.000%2B08:00&#38;to=")
    );
}
