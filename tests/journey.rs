//! A claim handler's day: an injured rider, Tuesday 12:07, from signing in to a print and a receipt that is verified offline. The
//! real service and a real browser; the handler follows only what the screen says.

#![cfg(test)]

mod testkit;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use testkit::http;
use testkit::program::{Program, binary};
use testkit::wait::poll_until;
use testkit::walk::{SCREENS, Walk};

const RIDER: &str = "83686889862639a3897498cf";
const PASSWORD: &str = "correct horse battery staple";
const CONFIG: &str = r#"
[ledger]
data_dir = "data"
[http]
listen = "127.0.0.1:0"
[access]
[seal]
secrets = "seal.secrets"
name = "ledger.example/seal"
[[rate]]
category = "instant_delivery"
per_order = "0.25"
[platform.meituan]
display_name = { zh = "美团", en = "Meituan" }
records_from = 2025-07-01
[platform.dada]
display_name = { zh = "达达", en = "Dada" }
records_from = 2025-07-01
"#;

/// The office of an insurer: a ledger, a service, an account.
struct Office {
    folder: TempDir,
    program: Program,
}

impl Office {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("coverledger.toml"), CONFIG).unwrap();
        let orders = [
            ("meituan", "12:00:10", "12:31:44"),
            ("dada", "12:05:02", "12:40:00"),
            ("meituan", "18:00:00", "18:20:00"),
        ];
        let order = |(nth, (platform, from, to)): (usize, &(&str, &str, &str))| {
            format!(
                r#"{{"platform":"{platform}","order_id":"330120250708000{nth}","rider_id":"{RIDER}","category":"instant_delivery","region":"310115","accepted_at":"2025-07-08T{from}+08:00","ended_at":"2025-07-08T{to}+08:00"}}"#
            )
        };
        let lines: Vec<String> = orders.iter().enumerate().map(order).collect();
        fs::write(folder.path().join("orders.jsonl"), lines.join("\n")).unwrap();
        run(folder.path(), &["ingest", "orders.jsonl", "--complete-through", "2025-07-12T00:00:00Z"], "");
        run(folder.path(), &["account", "create", "li.wei", "--role", "claims"], PASSWORD);
        let token = run(folder.path(), &["token", "create", "prometheus", "--role", "ops"], "");
        let mut program = Program::serve(&folder.path().join("coverledger.toml"), &[]);
        let (address, bearer) = (program.address(), format!("Authorization: Bearer {}\r\n", token.trim()));
        poll_until("the days are sealed", || {
            let metrics = http::get(&address, "/metrics", &bearer).unwrap().body;
            let seals = metrics.lines().any(|line| line == "coverledger_seals 2");
            (seals && metrics.contains("\ncoverledger_seals_due 0\n")).then_some(())
        });
        Self { folder, program }
    }
}

fn run(folder: &Path, args: &[&str], input: &str) -> String {
    let mut command = binary();
    command.current_dir(folder).args(args).args(["--config", "coverledger.toml"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Signs in where a page leads to.
fn sign_in(walk: &mut Walk, address: &str) {
    walk.open(address, "/?lang=zh");
    walk.says(&["登录", "账号", "密码"]);
    walk.type_into("name", "li.wei");
    walk.type_into("password", PASSWORD);
    walk.browser.leave_for(&format!("http://{address}/?"), |browser| browser.press("Enter"));
    walk.look("the first page");
    walk.says(&["li.wei · 理赔", "骑手标识", "案件编号"]);
}

/// Asks about a time, and sees the verdict.
fn ask(walk: &mut Walk, time: &str, verdict: &str) {
    walk.type_into("riders", RIDER);
    walk.type_into("reference", "2025-沪-0317");
    walk.type_into("at", time);
    walk.enter("the answer");
    walk.says(&[verdict, "周二 2025-07-08", "2025-沪-0317", "为什么"]);
}

/// Downloads what a link leads to.
fn download(walk: &mut Walk, link: &str, folder: &Path) -> PathBuf {
    let to = serde_json::json!({"behavior": "allow", "downloadPath": folder});
    walk.browser.call("Page.setDownloadBehavior", &to);
    walk.browser.evaluate(&format!(
        "[...document.querySelectorAll('main a')].find(e => e.innerText.trim() === {link:?}).click()"
    ));
    poll_until("the file is there", || {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json"))
    })
}

/// Verifies a receipt with the command that the page shows, on a computer without the ledger. Returns what it prints.
fn verify(walk: &mut Walk, receipt: &Path) -> String {
    walk.browser.evaluate("document.querySelectorAll('.evidence details').forEach(part => part.open = true)");
    walk.look("how to verify");
    walk.says(&["不需要网络", "公钥"]);
    let command = walk.browser.evaluate("document.querySelector('.evidence details code').innerText");
    let command = command.as_str().unwrap().to_owned();
    let words: Vec<&str> = command.split_whitespace().collect();
    let ["coverledger", args @ ..] = words.as_slice() else { panic!("{command}") };
    let mut alone = Command::new(env!("CARGO_BIN_EXE_coverledger"));
    let done = alone.current_dir(receipt.parent().unwrap()).args(args).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn an_injured_rider_on_tuesday_at_12_07() {
    let mut office = Office::open();
    let address = office.program.address();
    for screen in SCREENS {
        let mut walk = Walk::start("tuesday", screen);
        sign_in(&mut walk, &address);
        for (time, verdict, code) in
            [("2025年7月8日 12:07", "有保障", "covered"), ("2025-07-08 15:00:00", "无保障", "not_covered")]
        {
            ask(&mut walk, time, verdict);
            let folder = TempDir::new().unwrap();
            let receipt = download(&mut walk, "下载凭证（可离线核验）", folder.path());
            assert_eq!(receipt.file_name().unwrap(), "receipt-2025-07-08.json");
            let verified = verify(&mut walk, &receipt);
            assert!(
                verified.starts_with(&format!("valid: {code}\n")) && verified.contains(RIDER),
                "{verified}"
            );
            walk.follow("打印版");
            let numbers = walk.browser.evaluate("document.querySelector('.numbers').innerText");
            let numbers = numbers.as_str().unwrap().to_owned();
            assert!(
                verified.contains(&format!("check numbers: {numbers}\n")),
                "{numbers} are not in {verified}"
            );
            let pdf = walk.browser.print();
            Walk::keep(&format!("tuesday-{code}.pdf"), &pdf);
            assert_eq!(
                String::from_utf8_lossy(&pdf).matches("/Type /Page\n").count(),
                1,
                "a print is one page"
            );
            walk.follow("返回");
        }
        walk.says(&["本案此前的答复"]);
        walk.follow("退出");
        walk.says(&["密码"]);
    }
    assert_eq!(office.program.terminate(), Some(0));
    drop(office.folder);
}
