//! Whole journeys in a real browser, on a screen and on a phone: every page on the way is accessible and fits.

use super::access::Guarded;
use super::limits::with_state;
use super::named_world::{display_names, named};
use super::walk::{SCREENS, Walk};
use crate::access::Role;
use crate::http::tests::access::PASSWORD;
use crate::wait::poll_until;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_case_is_asked_and_printed_with_the_keyboard_alone() {
    with_state(named(), |address| {
        for screen in SCREENS {
            let mut walk = Walk::start("keyboard", screen);
            walk.open(address, "/?lang=zh");
            // First of all, past the navigation.
            assert_eq!(walk.browser.tab_to(".skip"), ["跳到正文"]);
            walk.browser.tab_to("#riders");
            walk.browser.type_text("3f9c-rider-7e21");
            assert_eq!(walk.browser.tab_to("#at"), ["reference", "at"]);
            walk.browser.type_text("2026年11月20日 12:07:31");
            walk.enter("the answer");
            walk.says(&["有保障", "为什么", "达达 订单 DD-20261120-0093", "校验数"]);
            walk.browser.tab_to("a[href*='view=print']");
            walk.browser.leave(|browser| browser.press("Enter"));
            walk.look("the print view");
            walk.says(&["有保障", "打印本页"]);
            let pdf = walk.browser.print();
            Walk::keep("print-view.pdf", &pdf);
            let pages = String::from_utf8_lossy(&pdf).matches("/Type /Page\n").count();
            assert_eq!(pages, 1, "a print of one answer is one page");
            // What has the focus can be seen.
            walk.browser.tab_to("main a");
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(walk.browser.evaluate(outline), "solid");
        }
    })
    .await;
}

#[tokio::test]
async fn from_the_case_to_the_rider_and_the_order_and_back() {
    with_state(named(), |address| {
        for screen in SCREENS {
            let mut walk = Walk::start("stored", screen);
            walk.open(address, "/?rider_id=3f9c-rider-7e21&at=2026-11-20+12:07:31&reference=c-7&lang=zh");
            walk.follow("7 天");
            walk.follow("3f9c-rider-7e21");
            walk.says(&["骑手的订单与保障", "2 小时 52 分", "上海市浦东新区"]);
            walk.browser.evaluate("document.querySelector('input[value=week]').checked = true");
            walk.follow("查看");
            walk.says(&["周一 2026-11-16", "周日 2026-11-22", "9 笔"]);
            walk.follow("← 更早");
            walk.says(&["2026-11-09", "没有已入账的订单"]);
            walk.follow("更晚 →");
            walk.follow("周五 2026-11-20");
            walk.follow("8830021175020");
            walk.says(&["第 0 段", "当前版本", "美团"]);
            walk.follow("English");
            walk.says(&["Leg 0", "Current version", "Meituan"]);
            walk.follow("3f9c-rider-7e21");
            walk.follow("ask for the verdict on this time");
            walk.says(&["The interval in parts"]);
            // The reason came all the way.
            assert_eq!(walk.browser.evaluate("document.querySelector('#reference').value"), "c-7");
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_is_pasted_watched_and_downloaded() {
    with_state(named(), |address| {
        for screen in SCREENS {
            let folder = tempfile::tempdir().unwrap();
            let mut walk = Walk::start("bulk", screen);
            walk.open(address, "/?lang=zh");
            walk.follow("批量查询");
            walk.follow("开始查询");
            walk.says(&["请粘贴名单或选择文件"]);
            walk.browser.tab_to("#list");
            let rows = "骑手标识\t事故时间\t案件编号\n3f9c-rider-7e21\t2026-11-20 12:07:31\tc-1\n3f9c-rider-7e21\t2026-11-18 15:00\tc-2\nnobody\t昨天\tc-3\n";
            walk.browser.type_text(rows);
            walk.browser.follow("开始查询");
            let path = walk.browser.evaluate("location.pathname").as_str().unwrap().to_owned();
            assert!(path.starts_with("/bulk/"), "{path}");
            let done = poll_until(600, Duration::from_millis(50), || {
                walk.browser.open(&format!("http://{address}{path}?lang=zh&watch=off"), screen);
                walk.text().contains("已答 3 / 3 行").then_some(())
            });
            assert_eq!(done, Some(()));
            walk.look("the results");
            walk.says(&["已完成", "有保障", "无保障", "未答"]);
            let to = json!({"behavior": "allow", "downloadPath": folder.path()});
            walk.browser.call("Page.setDownloadBehavior", &to);
            for (link, ending) in [("下载 CSV", "csv"), ("下载 Excel（XLSX）", "xlsx")] {
                walk.browser.evaluate(&format!(
                    "[...document.querySelectorAll('a')].find(e => e.innerText.trim() === {link:?}).click()"
                ));
                let file = poll_until(600, Duration::from_millis(50), || {
                    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
                    entries.into_iter().find(|path| path.extension().is_some_and(|found| found == ending))
                });
                let bytes = std::fs::read(file.unwrap()).unwrap();
                assert!(bytes.len() > 200, "{link}: {} bytes", bytes.len());
            }
            walk.follow("打开案件");
            walk.says(&["有保障"]);
            walk.open(address, &format!("{path}?lang=zh"));
            walk.follow("删除这份名单及结果");
            walk.says(&["还没有。"]);
        }
    })
    .await;
}

#[tokio::test]
async fn an_auditor_signs_in_reads_the_log_and_signs_out() {
    let guarded = Guarded::new();
    guarded.account("wang.fang", Role::Auditor);
    guarded.token("claims-system", "claims");
    let state = guarded.state.clone().with_display_names(display_names());
    with_state(state, |address| {
        for screen in SCREENS {
            let mut walk = Walk::start("auditor", screen);
            walk.open(address, "/access-log?lang=zh");
            walk.says(&["登录"]);
            walk.type_into("name", "wang.fang");
            walk.type_into("password", PASSWORD);
            let log = format!("http://{address}/access-log");
            walk.browser.leave_for(&log, |browser| browser.press("Enter"));
            walk.look("the log");
            walk.says(&["谁在何时改了", "建立令牌", "claims-system", "建立账号", "wang.fang · 审计"]);
            walk.follow("退出");
            walk.says(&["密码"]);
        }
    })
    .await;
}
