//! The page of a case: why, names, zoom, earlier states, and what a print carries.

use super::named_world::named;
use super::world::*;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

const RIDER: &str = "rider_id=3f9c-rider-7e21";
const COVERED: &str = "at=2026-11-20+12:07:31";
const OPEN: &str = "at=2026-11-20+14:10:00";
const SETTLED: &str = "at=2026-11-18+15:00:00";

/// The text between two others.
#[track_caller]
fn between<'a>(body: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = body.split_once(before).unwrap_or_else(|| panic!("`{before}` is not in {body}"));
    rest.split_once(after).unwrap_or_else(|| panic!("`{after}` is not in {rest}")).0
}

#[tokio::test]
async fn a_print_carries_the_digest_of_the_answer_that_the_interface_gives() {
    // Where there is a receipt, the print carries its digest first.
    let state = state_with(World { sealing: None, ..world() }, settings());
    for time in [COVERED, OPEN, SETTLED, "from=2026-11-20+11:20&to=2026-11-20+13:10"] {
        for reference in ["", "&reference=2026-%E6%B2%AA-0317"] {
            let page = get(&state, &format!("/?{RIDER}&{time}{reference}&lang=zh&view=print")).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let copy = between(&page.body, "<div class=\"copy\">", "</section>");
            let address = between(copy, "class=\"json\" href=\"", "\"").replace("&#38;", "&");
            assert!(address.ends_with("&known_at=2"), "{address}");
            let answer = get(&state, &address).await;
            assert_eq!(answer.status, 200, "{address}: {}", answer.body);
            let digest = Sha256::digest(answer.body.as_bytes());
            assert_eq!(between(copy, "<dd><code>", "<"), HEXLOWER.encode(&digest), "{time}");
            let first = u32::from_be_bytes(digest[..4].try_into().unwrap()) % 10_000;
            assert!(between(copy, "class=\"numbers\">", "<").starts_with(&format!("{first:04} ")), "{copy}");
            assert!(copy.contains("<svg class=\"qr\"") && copy.contains("role=\"img\""), "{copy}");
            // For paper: the answer alone, and a way back.
            assert!(
                page.body.contains("<body class=\"paper\">")
                    && !page.body.contains("<form class=\"card ask\"")
            );
            assert!(page.body.contains("打印本页"), "{}", page.body);
        }
    }
    let reply = get(&state, "/?view=print&lang=zh").await;
    assert!(!reply.body.contains("class=\"paper\""), "without an answer there is the form: {}", reply.body);
    for bad in ["view=paper", "zoom=9d", "known_at=tomorrow"] {
        let reply = get(&state, &format!("/?{RIDER}&{COVERED}&{bad}&lang=en")).await;
        assert_eq!(reply.status, 400, "{bad}");
        assert!(!reply.body.contains("data-verdict"), "{bad}: {}", reply.body);
    }
}

#[tokio::test]
async fn platforms_and_regions_have_names_and_their_codes_stay() {
    let state = named();
    let zh = get(&state, &format!("/?{RIDER}&{COVERED}&lang=zh")).await.body;
    for text in [
        "达达 <span class=\"code\">dada</span>",
        "美团 <span class=\"code\">meituan</span>",
        "<span lang=\"zh-CN\">上海市浦东新区</span> <span class=\"code\">310115</span>",
    ] {
        assert!(zh.contains(text), "`{text}` is not in {zh}");
    }
    let en = get(&state, &format!("/?{RIDER}&{COVERED}&lang=en")).await.body;
    assert!(en.contains("Dada <span class=\"code\">dada</span>") && !en.contains("达达"), "{en}");
    assert!(en.contains("上海市浦东新区"), "{en}");
    // Without a configured name there is the code alone.
    let bare = get(&super::world::state(), &format!("/?{RIDER}&{COVERED}&lang=zh")).await.body;
    assert!(bare.contains("<span class=\"platform\">dada</span>"), "{bare}");
}

#[tokio::test]
async fn every_verdict_says_why_in_sentences() {
    let state = named();
    for (time, lines, says) in [
        (COVERED, 2, "达达 订单 DD-20261120-0093：保障自 2026-11-20 12:06:00 至 2026-11-20 12:52:00"),
        (SETTLED, 2, "美团：记录完整至 2026-11-20 12:58:00，这一时间没有可覆盖的订单"),
        (OPEN, 2, "美团：可能覆盖这一时间的订单记录尚未全部到达。可在 "),
    ] {
        let body = get(&state, &format!("/?{RIDER}&{time}&lang=zh")).await.body;
        let why = between(&body, "<section class=\"card because\">", "</section>");
        assert!(why.contains(says), "`{says}` is not in {why}");
        assert_eq!(why.matches("<li>").count(), lines, "{why}");
    }
    let unknown = get(&state, &format!("/?rider_id=nobody&{SETTLED}&lang=zh")).await.body;
    assert!(!unknown.contains("card because"), "{unknown}");
}

#[tokio::test]
async fn links_zoom_the_picture_and_keep_the_question() {
    let state = named();
    let count = async |zoom: &str| {
        let body = get(&state, &format!("/?{RIDER}&{COVERED}&reference=c-1&lang=en{zoom}")).await.body;
        let figure = between(&body, "<svg class=\"figure wide\"", "</svg>").to_owned();
        (figure.matches("class=\"order\"").count(), body)
    };
    let (near, body) = count("").await;
    let link = "/?lang=en&#38;rider_id=3f9c-rider-7e21&#38;at=2026-11-20%2012%3A07%3A31&#38;reference=c-1&#38;zoom=7d#timeline";
    assert!(body.contains(link), "`{link}` is not in {body}");
    let (far, zoomed) = count("&zoom=7d").await;
    let (close, _) = count("&zoom=30m").await;
    assert!(close < near && near < far, "{close} {near} {far}");
    assert!(zoomed.contains("zoom=7d#timeline\" aria-current=\"true\""), "{zoomed}");
    // The zoom changes what is drawn, not what is answered.
    let digest = |body: &str| between(body, "class=\"numbers\">", "<").to_owned();
    assert_eq!(digest(&body), digest(&zoomed));
}

#[tokio::test]
async fn platforms_in_the_picture_differ_by_pattern_and_letter() {
    let body = get(&named(), &format!("/?{RIDER}&{COVERED}&lang=zh")).await.body;
    let figure = between(&body, "<svg class=\"figure wide\"", "</svg>");
    let tile =
        |number: u8| between(figure, &format!("id=\"wide-pattern-{number}\""), "</pattern>").to_owned();
    assert!(!tile(0).contains("grain") && tile(1).contains("class=\"grain\" d=\"M-2 2l4-4"), "{figure}");
    assert!(
        figure.contains("fill=\"url(#wide-pattern-0)\"") && figure.contains("fill=\"url(#wide-pattern-1)\"")
    );
    assert!(figure.contains(">A 达达</text>") && figure.contains(">B 美团</text>"), "{figure}");
    let legend = between(&body, "<p class=\"legend\">", "</p>");
    assert!(legend.contains("<b>A</b> 达达") && legend.contains("<b>B</b> 美团"), "{legend}");
    // Each pattern is defined once.
    let mut ids: Vec<&str> =
        body.split("<pattern id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (6, 6));
}

#[tokio::test]
async fn the_page_asks_an_earlier_state_and_says_which() {
    let state = named();
    for known_at in ["2", "2026-11-20T13:00:00%2B08:00", "2026-11-20+13:00:00"] {
        let body = get(&state, &format!("/?{RIDER}&{COVERED}&known_at={known_at}&lang=en")).await.body;
        let question = between(&body, "data-verdict=\"covered\"", "</dl>");
        assert!(question.contains("As known at") && question.contains("commit 2"), "{question}");
    }
    let now = get(&state, &format!("/?{RIDER}&{COVERED}&lang=en")).await.body;
    // 2026-11-20 was a Friday.
    assert!(now.contains("<dd>Fri <time datetime=\"2026-11-20T12:07:31.000+08:00\">"), "{now}");
    assert!(!between(&now, "data-verdict=\"covered\"", "</dl>").contains("As known at"));
}
