//! The page of a logged answer, on a screen and on paper.

use super::answers::open_log;
use super::chromium::Screen;
use super::limits::with_state;
use super::named_world::{display_names, named};
use super::walk::{SCREENS, Walk};
use super::world::*;
use crate::answers::{AnswerLog, Content, Draft, Event};
use crate::domain::check_numbers::check_numbers;
use crate::http::HttpState;
use crate::telemetry::clock::Clock;
use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const CASE: &str = "/?rider_id=3f9c-rider-7e21&at=2026-11-18+15:00:00&reference=2026-%E6%B2%AA-0317&lang=zh";

/// A service that has answered one question, as entry 1 of its log.
async fn answered(state: HttpState<World>) -> (TempDir, AnswerLog, HttpState<World>) {
    let folder = TempDir::new().unwrap();
    let log = open_log(&folder);
    let state = state.with_answer_log(log.clone(), Clock::start());
    assert_eq!(get(&state, CASE).await.header("coverledger-answer"), "main/1");
    (folder, log, state)
}

#[tokio::test]
async fn a_print_carries_the_digest_of_the_entry() {
    let (_folder, log, state) = answered(state_with(World { sealing: None, ..world() }, settings())).await;
    let (entry, digest) = log.entry_and_digest(1).unwrap().unwrap();
    let Content::Answer { body_sha256: Some(sent), .. } = entry.content else { panic!() };
    let told = get(&state, "/v1/answers/1").await.json();
    assert_eq!(told["digest"], digest.to_string());
    for view in ["", "&view=print"] {
        let page = get(&state, &format!("/answer?number=1&lang=en{view}")).await.body;
        assert_eq!(page.contains("<body class=\"paper\">"), !view.is_empty());
        for text in [&digest.to_string(), &sent.to_string(), &check_numbers(&digest.0), "<svg class=\"qr\""] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
        assert!(page.contains("coverledger answers show main/1") && page.contains("No receipt"), "{page}");
    }
    let refused = get(&state, "/answer?number=1&lang=en&view=paper").await;
    assert!(refused.status == 400 && !refused.body.contains(&digest.to_string()), "{}", refused.body);
}

#[tokio::test]
async fn it_carries_the_receipt_while_the_verdict_is_the_same() {
    let (_folder, log, state) = answered(state()).await;
    let print = "/answer?number=1&lang=en&view=print";
    let receipt: [u8; 32] = Sha256::digest("{\"of\":\"3f9c-rider-7e21\",\"whole\":false}").into();
    let (hex, numbers) = (HEXLOWER.encode(&receipt), check_numbers(&receipt));
    let page = get(&state, print).await.body;
    for text in [&hex, &numbers, &log.entry_and_digest(1).unwrap().unwrap().1.to_string()] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    let screen = get(&state, "/answer?number=1&lang=en").await.body;
    assert!(
        screen.contains("href=\"/receipt?rider_id=3f9c-rider-7e21") && !screen.contains(&hex),
        "{screen}"
    );
    // An answer of another question is no less an entry: it has no receipt.
    get(&state, "/v1/coverage?rider_id=R9&at=2026-11-20T14:10:00%2B08:00").await;
    let page = get(&state, "/answer?number=4&lang=en&view=print").await;
    assert!(page.status == 200 && page.body.contains("No receipt"), "{}", page.body);
}

#[tokio::test]
async fn it_is_one_page_of_a4_without_navigation() {
    let (_folder, log, state) = answered(named().with_display_names(display_names())).await;
    let event = Event::Order {
        platform: "dada".to_owned(),
        order_id: "DD-20261120-0093".to_owned(),
        leg: 0,
        revision: 1,
        commit: 2,
    };
    let content = Content::Changed { answer: 1, verdict: "covered".to_owned(), event };
    log.append(Draft { at: Clock::start().now(), content }).await.unwrap();
    with_state(state, |address| {
        for screen in SCREENS {
            let mut walk = Walk::start("entry", screen);
            walk.open(address, CASE);
            walk.follow("main/1");
            walk.says(&["2026-沪-0317", "无保障", "结论为何变化", "校验数", "再问一次"]);
            walk.follow("打印版");
            walk.says(&["打印本页", "答复 main/1", "答复时间", "3f9c-rider-7e21", "2026-11-18 15:00:00"]);
            walk.says(&["2026-沪-0317", "无保障", "校验数", "记录摘要", "所发内容摘要"]);
            let pdf = walk.browser.print();
            Walk::keep("entry.pdf", &pdf);
            let text = String::from_utf8_lossy(&pdf);
            assert_eq!(text.matches("/Type /Page\n").count(), 1, "a print of an entry is one page");
            assert!(text.contains("/MediaBox [0 0 594.95996 841.91998]"), "no A4 page");
            // As wide as A4 between its margins.
            let print = format!("http://{address}/answer?number=1&view=print&lang=zh");
            walk.browser.open(&print, Screen { width: 725, ..screen });
            walk.browser.call("Emulation.setEmulatedMedia", &json!({"media": "print"}));
            walk.picture();
            let seen = |walk: &mut Walk, selector: &str| {
                walk.browser.evaluate(&format!(
                    "[...document.querySelectorAll({selector:?})].filter(e => e.getClientRects().length).length"
                ))
            };
            assert_eq!(seen(&mut walk, "nav, form, .paper-note, .ways, .language"), 0);
            assert_eq!(seen(&mut walk, "svg.qr"), 1);
            let cut = walk.browser.evaluate(
                "[...document.querySelectorAll('dd, dt, svg.qr')].filter(e => e.getClientRects().length === 0
                    || e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))",
            );
            assert_eq!(cut, json!([]));
        }
    })
    .await;
}
