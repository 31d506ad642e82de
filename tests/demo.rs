//! The demo as a person starts it: the real program, what it prints, and how it ends.

#![cfg(test)]

mod testkit;

use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use testkit::http;

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

/// What a GET of the URL gives.
fn get(url: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let reply = http::get(address, &format!("/{path}"), "").unwrap();
    assert_eq!(reply.status, 200, "{url}: {reply:?}");
    reply.body
}

fn json(url: &str) -> Value {
    serde_json::from_str(&get(url)).unwrap()
}

fn verdict(url: &str) -> String {
    json(url)["verdict"].as_str().unwrap().to_owned()
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
    let urls: Vec<String> =
        demo.said.iter().filter(|line| line.contains("curl -s '")).map(|line| quoted(line, '\'')).collect();
    let told: Vec<String> = demo
        .said
        .iter()
        .filter_map(|line| line.trim().strip_prefix("\"verdict\": "))
        .map(|line| quoted(line, '"'))
        .collect();
    assert_eq!(told, ["covered", "not_covered", "undetermined"]);
    assert_eq!(urls.len(), 3, "{urls:?}");
    assert_eq!([verdict(&urls[0]), verdict(&urls[1])], ["covered", "not_covered"]);
    for url in &urls[..2] {
        assert_eq!(json(url)["settled"], true, "{url}");
    }
    // The last one settles by itself while the demo continues.
    let settled = loop {
        match verdict(&urls[2]) {
            waiting if waiting == "undetermined" => demo.until("; complete "),
            settled => break settled,
        };
    };
    assert_eq!(settled, "covered");

    let progress = json(&format!("{page}v1/progress"));
    let platforms = progress["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 6, "{progress}");
    assert!(platforms.iter().all(|platform| platform["late"] == 0), "{progress}");
    assert!(get(&format!("{page}v1/rejections")).contains("missing_field"));
    assert!(get(&page).contains("<form"));

    let killed = Command::new("kill").args(["-TERM", &demo.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let (said, code) = demo.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(said.last().unwrap().ends_with("is removed."), "{said:?}");
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    assert_eq!(errors(folder.path()), "");
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
