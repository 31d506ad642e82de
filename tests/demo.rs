//! The demo as a person starts it: the real program, what it prints, and how it ends.

#![cfg(test)]

mod testkit;

use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use testkit::browser::{Browser, Page, absolute};
use testkit::http;
use testkit::walk::{SCREENS, Walk};

/// A running demo whose temporary files lie in `folder`.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed test nothing may continue running; after a good one there is nothing left to kill.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Running {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let errors = File::create(folder.join("stderr")).unwrap();
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_coverledger"))
            .args(["demo", "--orders-per-second", "1"])
            .args(args)
            .env("TMPDIR", &temporary)
            .env_remove("COVERLEDGER_LOG")
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, said: Vec::new() }
    }

    /// The next line; the end of the output is a failure.
    fn line(&mut self) -> String {
        let line =
            self.lines.next().unwrap_or_else(|| panic!("it ended after\n{}", self.said.join("\n"))).unwrap();
        self.said.push(line.clone());
        line
    }

    /// Reads on until a line holds `text`.
    fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Reads the rest and the exit code.
    fn end(mut self) -> (Vec<String>, Option<i32>) {
        for line in self.lines.by_ref() {
            self.said.push(line.unwrap());
        }
        let code = self.child.wait().unwrap().code();
        (std::mem::take(&mut self.said), code)
    }
}

/// What a GET of the URL gives to the bearer of a token.
fn json(url: &str, token: &str) -> Value {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let reply = http::get(address, &format!("/{path}"), &bearer).unwrap();
    assert_eq!(reply.status, 200, "{url}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// A person whose sign-in link is printed.
struct Person {
    name: String,
    role: String,
    password: String,
    link: String,
}

/// The people of the lines that give passwords.
fn people(said: &[String]) -> Vec<Person> {
    let lines = said.iter().filter(|line| line.contains(" password "));
    let person = |line: &String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, role, "password", password, link] = words[..] else { panic!("{line}") };
        let [name, role, password, link] = [name, role, password, link].map(str::to_owned);
        Person { name, role, password, link }
    };
    lines.map(person).collect()
}

/// Follows a person's link and signs in there; where that leads.
fn sign_in(browser: &mut Browser, person: &Person) -> Page {
    let form = browser.go(&person.link, None);
    assert_eq!(form.value("name=\"name\" value=\""), person.name, "{form:?}");
    let (proof, next) = (form.value("name=\"proof\" value=\""), form.value("name=\"next\" value=\""));
    let filled =
        format!("name={}&password={}&proof={proof}&next={next}&lang=en", person.name, person.password);
    browser.go(&absolute(&form.url, "/sign-in"), Some(&filled))
}

/// The links of the cases on a first page, in their order.
fn cases(page: &Page) -> Vec<String> {
    let (_, list) = page.body.split_once("class=\"card examples\"").unwrap_or_else(|| panic!("{page:?}"));
    let list = list.split("</ul>").next().unwrap();
    let links = list.split("<li><a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    links.map(|link| absolute(&page.url, &link.replace("&#38;", "&").replace("&amp;", "&"))).collect()
}

/// The text between the first pair of `quote`.
fn quoted(line: &str, quote: char) -> String {
    line.split(quote).nth(1).unwrap_or_else(|| panic!("nothing between {quote} in {line}")).to_owned()
}

fn errors(folder: &Path) -> String {
    fs::read_to_string(folder.join("stderr")).unwrap()
}

#[test]
fn what_it_prints_can_be_asked_and_it_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(folder.path(), &["--listen", "127.0.0.1:0", "--seed", "7"]);
    let page = demo.until("  page ").split_whitespace().nth(1).unwrap().to_owned();
    demo.until("Ctrl-C ends the demo");
    let token = demo.said.iter().find_map(|line| line.trim().strip_prefix("TOKEN=")).unwrap().to_owned();
    let urls: Vec<String> =
        demo.said.iter().filter(|line| line.contains("curl -s -H ")).map(|line| quoted(line, '\'')).collect();
    let told: Vec<String> = demo
        .said
        .iter()
        .filter_map(|line| line.trim().strip_prefix("\"verdict\": "))
        .map(|line| quoted(line, '"'))
        .collect();
    assert_eq!(told, ["covered", "not_covered", "undetermined"]);
    assert_eq!(urls.len(), 4, "{urls:?}");
    for (url, (verdict, settled)) in
        urls.iter().zip([("covered", true), ("not_covered", true), ("undetermined", false)])
    {
        let answer = json(url, &token);
        assert_eq!((&answer["verdict"], &answer["settled"]), (&verdict.into(), &settled.into()), "{url}");
    }
    let changed = json(&urls[3], &token);
    let entry = &changed["entries"][0];
    assert_eq!((&entry["verdict"], &entry["reason"]), (&"not_covered".into(), &"DEMO-4".into()), "{changed}");
    assert_eq!(entry["changed"]["verdict"], "covered", "{changed}");
    assert_eq!(entry["changed"]["event"]["order_id"], "DEMO-LATE-1", "{changed}");
    assert_eq!(entry["principal"]["name"], "li.wei", "{changed}");

    let progress = json(&format!("{page}v1/progress"), &token);
    let platforms = progress["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 6, "{progress}");
    let late: Vec<&Value> = platforms.iter().filter(|platform| platform["late"] != 0).collect();
    assert_eq!(late.len(), 1, "{progress}");
    assert_eq!((&late[0]["platform"], &late[0]["late"]), (&"dada".into(), &1.into()), "{progress}");
    let rejections = json(&format!("{page}v1/rejections"), &token).to_string();
    assert!(rejections.contains("missing_field") && rejections.contains("DEMO-REFUSED-1"), "{rejections}");
    three_people_sign_in(&demo);
    a_claim_handler_walks(&demo);

    let killed = Command::new("kill").args(["-TERM", &demo.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let (said, code) = demo.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(said.last().unwrap().ends_with("is removed."), "{said:?}");
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    // The order that the demo lets come late is warned of, and nothing else.
    let errors = errors(folder.path());
    assert!(errors.lines().count() == 1 && errors.contains("WARN late events"), "{errors}");
}

/// Each link leads to its role's page, and the cases there to their verdicts.
fn three_people_sign_in(demo: &Running) {
    let people = people(&demo.said);
    let roles: Vec<&str> = people.iter().map(|person| person.role.as_str()).collect();
    assert_eq!(roles, ["claims", "platform:dada", "auditor"]);
    let mut browsers: Vec<Browser> = Vec::new();
    for person in &people {
        let mut browser = Browser::default();
        let page = sign_in(&mut browser, person);
        assert!(page.status == 200 && page.body.contains(&person.name), "{page:?}");
        browsers.push(browser);
    }
    let base = people[0].link.split("/sign-in").next().unwrap().to_owned();
    let first = browsers[0].go(&format!("{base}/?lang=en"), None);
    assert!(first.body.contains("My cases: answers that would now be others"), "{first:?}");
    let links = cases(&first);
    let verdicts = ["covered", "not_covered", "undetermined", "covered"];
    assert_eq!(links.len(), verdicts.len(), "{links:?}");
    for (link, verdict) in links.iter().zip(verdicts) {
        let page = browsers[0].go(link, None);
        assert_eq!((page.status, page.value("data-verdict=\"")), (200, verdict.to_owned()), "{link}");
    }
    // The platform sees the order that it sent late, and is not told what the others know.
    let first = browsers[1].go(&format!("{base}/?lang=en"), None);
    assert!(!first.body.contains("chip covered") && cases(&first) == links, "{first:?}");
    let page = browsers[1].go(&links[3], None);
    assert_eq!(page.value("data-verdict=\""), "covered", "{page:?}");
    assert_eq!(browsers[1].go(&format!("{base}/access-log"), None).status, 403);
    // The auditor sees who made the accounts.
    let log = browsers[2].go(&format!("{base}/access-log?lang=en"), None);
    assert!(log.status == 200 && log.body.contains("dada.desk") && log.body.contains("demo"), "{log:?}");
}

/// The same in Chromium, on a screen and on a phone.
fn a_claim_handler_walks(demo: &Running) {
    let people = people(&demo.said);
    let handler = &people[0];
    let (address, path) = handler.link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    for screen in SCREENS {
        let mut walk = Walk::start("demo", screen);
        walk.open(address, &format!("/{path}&lang=zh"));
        walk.type_into("password", &handler.password);
        walk.enter("the first page");
        walk.says(&["演示：四位受伤的骑手", "我的案件：结论已有变化的答复", "DEMO-4"]);
        let entry = walk.browser.evaluate("document.querySelector('.earlier a').innerText");
        walk.follow(entry.as_str().unwrap());
        walk.says(&["结论为何变化", "达达 订单 DEMO-LATE-1", "无保障", "有保障", "li.wei · 理赔"]);
        walk.follow("案件查询");
        for (about, says) in [
            ("送单途中受伤", "有保障"),
            ("接单之前受伤，各平台的记录都已完整", "无保障"),
            ("有一条提到该骑手的记录被拒收，处理之前不能下结论", "暂不能确定"),
            ("先答无保障；之后才到的一笔订单改变了结论", "有保障"),
        ] {
            walk.follow(about);
            walk.says(&[says, "没有凭证"]);
            walk.follow("案件查询");
        }
        walk.follow("退出");
    }
}

#[test]
fn ctrl_c_ends_it_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(folder.path(), &["--listen", "127.0.0.1:0"]);
    demo.until("Taking in the orders");
    let sent = Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let (said, code) = demo.end();
    assert_eq!((code, errors(folder.path()).as_str()), (Some(0), ""), "{said:?}");
    assert!(said.last().unwrap().ends_with("is removed."), "{said:?}");
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn it_ends_by_itself_and_keeps_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, taken) = (folder.path().join("kept"), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = taken.local_addr().unwrap().to_string();
    let args = ["--listen", &address, "--duration", "1", "--speed", "60", "--keep", kept.to_str().unwrap()];
    let (said, code) = Running::start(folder.path(), &args).end();
    assert_eq!((code, errors(folder.path()).as_str()), (Some(0), ""), "{said:?}");
    let text = said.join("\n");
    assert!(text.contains(&format!("{address} is taken")) && text.contains("60 times faster"), "{text}");
    assert!(!text.contains(&format!("http://{address}/")), "{text}");
    assert!(kept.join("demo.toml").is_file() && kept.join("demo-data").is_dir());

    let (said, code) = Running::start(folder.path(), &args).end();
    assert_eq!((code, said.len()), (Some(1), 0), "{said:?}");
    assert!(errors(folder.path()).contains("is not empty"), "{}", errors(folder.path()));
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}
