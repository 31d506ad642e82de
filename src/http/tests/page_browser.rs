//! The page in a real browser: accessible, on a phone, on paper.

use super::answers::open_log;
use super::chromium::{Browser, Screen};
use super::limits::{with_server, with_state};
use super::world::*;
use crate::telemetry::clock::Clock;
use std::path::Path;
use tempfile::TempDir;

/// A folder that gets pictures and printed pages, for people to look at.
const PICTURES: &str = "COVERLEDGER_PICTURES";

const RIDER: &str = "rider_id=3f9c-rider-7e21";

/// Every kind of page, in one language or the other.
fn pages() -> [(&'static str, String); 11] {
    [
        ("start", "lang=zh".to_owned()),
        ("covered", format!("{RIDER}&at=2026-11-20+12:07:31&reference=2026-%E6%B2%AA-0317&lang=zh")),
        ("not-covered", format!("{RIDER}&at=2026-11-18T15:00:00%2B08:00&lang=en")),
        ("undetermined", format!("{RIDER}&at=2026-11-20+14:10:00&lang=zh")),
        ("interval", format!("{RIDER}&from=2026-11-20+11:20&to=2026-11-20+13:10&lang=en")),
        ("day", format!("{RIDER}&rider_id=rider-open&at=2026-11-20&lang=zh")),
        ("no-record", "rider_id=%EF%BC%B23f9c-rider-7e2l%E2%80%8B&at=2026-11-18+15:00:00&lang=en".to_owned()),
        ("look-alike", "rider_id=3f9c-rid%D0%B5r-7e21&at=2026-11-20+14:10:00&lang=zh".to_owned()),
        ("mistakes", "riders=a&at=11/20/2026&platform=MEITUAN&lang=en".to_owned()),
        ("long-identifier", format!("rider_id={}&at=2026-11-18&lang=en", "x".repeat(300))),
        ("long-parameter", format!("{RIDER}&{}=1&lang=zh", "x".repeat(300))),
    ]
}

fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os(PICTURES) {
        std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
    }
}

#[tokio::test]
async fn every_page_is_accessible_on_a_screen_and_on_a_phone() {
    with_server(settings(), |address| {
        let mut browser = Browser::start();
        for (name, query) in pages() {
            check(&mut browser, (name, &format!("http://{address}/?{query}")), "");
        }
    })
    .await;
}

#[tokio::test]
async fn earlier_answers_explanations_and_the_description_of_the_interface_are_accessible() {
    let log = TempDir::new().unwrap();
    let state = state().with_answer_log(open_log(&log), Clock::start());
    with_state(state, |address| {
        let mut browser = Browser::start();
        // From the second answer on there are earlier ones.
        let case = format!("http://{address}/?{RIDER}&at=2026-11-20+12:07:31&reference=case-7");
        browser.open(&case, Screen { width: 1280, dark: false });
        let unfold = "document.querySelectorAll('details').forEach(part => part.open = true)";
        check(&mut browser, ("earlier", &format!("{case}&lang=zh")), unfold);
        let tables = browser.evaluate("document.querySelectorAll('.earlier tbody tr').length > 0");
        assert_eq!(tables, true);
        check(&mut browser, ("docs", &format!("http://{address}/docs")), "");
    })
    .await;
}

/// Looks at a page in both widths and colours, after `prepare` has run in it.
pub(super) fn check(browser: &mut Browser, (name, address): (&str, &str), prepare: &str) {
    for (width, dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
        let page = format!("{name} at {width}, dark: {dark}");
        browser.open(address, Screen { width, dark });
        if !prepare.is_empty() {
            browser.evaluate(&format!("{prepare};0"));
        }
        assert_eq!(browser.violations(), Vec::<String>::new(), "{page}");
        let heads = browser.evaluate("document.querySelectorAll('h1').length");
        assert_eq!(heads, 1, "{page}");
        // Nothing is wider than the screen, and what scrolls inside it takes the focus.
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert_eq!(wide, width, "{page}");
        let mute = browser.evaluate(
            "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1
                && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)
                && !['TEXTAREA', 'INPUT'].includes(e.tagName)
                && !(e.tabIndex === 0 && e.getAttribute('role') === 'region' && e.ariaLabel)).length",
        );
        assert_eq!(mute, 0, "{page}");
        keep(&format!("{name}-{width}{}.png", if dark { "-dark" } else { "" }), &browser.picture());
    }
}

#[tokio::test]
async fn the_picture_is_centred_on_the_instant() {
    with_server(settings(), |address| {
        let mut browser = Browser::start();
        for width in [1280, 360] {
            browser.open(&format!("http://{address}/?{}", pages()[1].1), Screen { width, dark: false });
            let off = browser.evaluate(
                "(() => { const seen = [...document.querySelectorAll('svg.figure')].filter(e => e.clientWidth);
                    if (seen.length !== 1) return seen.length + ' pictures';
                    const box = e => { const b = e.getBoundingClientRect(); return (b.left + b.right) / 2; };
                    return Math.abs(box(seen[0].querySelector('rect.mark')) - innerWidth / 2); })()",
            );
            assert!(off.as_f64().is_some_and(|off| off < 3.0), "{width}: {off}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_printed_on_one_page_with_every_column_its_question_and_the_time() {
    with_server(settings(), |address| {
        let mut browser = Browser::start();
        for (name, query) in pages().into_iter().filter(|(name, _)| !["start", "mistakes"].contains(name)) {
            browser.open(&format!("http://{address}/?{query}"), Screen { width: 1280, dark: true });
            let pdf = browser.print();
            keep(&format!("{name}.pdf"), &pdf);
            let text = String::from_utf8_lossy(&pdf);
            let count = text.split("/Type /Pages").nth(1).and_then(|rest| rest.split("/Count ").nth(1));
            let count = count.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            assert_eq!(count.as_deref(), Some("1"), "{name}");
            // A4 in points.
            assert!(text.contains("/MediaBox [0 0 594.95996 841.91998]"), "{name}: no A4 page");
        }
        // On paper as wide as A4 between its margins, no column is cut off, and the time is there.
        browser.open(&format!("http://{address}/?{}", pages()[1].1), Screen { width: 725, dark: false });
        browser.call("Emulation.setEmulatedMedia", &serde_json::json!({"media": "print"}));
        let cut = browser.evaluate(
            "[...document.querySelectorAll('th, td, dd, dt, svg.wide')].filter(e => e.getClientRects().length === 0
                || e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1)
                .map(e => e.outerHTML.slice(0, 80))",
        );
        assert_eq!(cut, serde_json::json!([]));
        let question = browser.evaluate("document.querySelector('.verdict').innerText");
        let year = &browser.evaluate("String(new Date().getFullYear())");
        let asked_on = question.as_str().unwrap().split("查询于").nth(1).unwrap().trim();
        assert!(asked_on.starts_with(year.as_str().unwrap()), "{question}");
        for part in ["3f9c-rider-7e21", "2026-11-20 12:07:31", "2026-沪-0317"] {
            assert!(question.as_str().unwrap().contains(part), "{part} is not in {question}");
        }
    })
    .await;
}
