//! A real Chromium, driven over the pipe of its DevTools protocol: one JSON message between zero bytes.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// Where scripts/setup puts it; its version is there too.
const AXE: &str = "target/axe-core/axe.min.js";

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _profile: TempDir,
    session: Value,
    last_id: u64,
    /// Names of events since the last page was opened.
    events: Vec<String>,
    /// The address of the page.
    address: String,
}

/// Chromium by any of its names.
pub(crate) fn chromium() -> &'static str {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    found.expect("this test needs Chromium: run scripts/setup")
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol speaks on descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh", chromium()])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            input,
            output,
            _profile: profile,
            session: Value::Null,
            last_id: 0,
            events: Vec::new(),
            address: String::new(),
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].clone();
        browser.call("Page.enable", &json!({}));
        browser
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.output.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "Chromium ended");
        serde_json::from_slice(&message).unwrap()
    }

    /// Calls a method and waits for its result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.input.as_mut().unwrap().write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut reply = self.read();
            if reply["id"] == self.last_id {
                assert!(reply["error"].is_null(), "{method}: {}", reply["error"]);
                return reply["result"].take();
            }
            self.note(&reply);
        }
    }

    fn note(&mut self, event: &Value) {
        if event["method"] == "Page.frameNavigated" && event["params"]["frame"]["parentId"].is_null() {
            self.address = event["params"]["frame"]["url"].as_str().unwrap_or_default().to_owned();
            // What was loaded before is another page.
            self.events.clear();
        }
        self.events.extend(event["method"].as_str().map(str::to_owned));
    }

    /// Opens an address and waits until the page and its parts are there.
    pub(crate) fn open(&mut self, url: &str, screen: Screen) {
        let size = json!({"width": screen.width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if screen.dark { "dark" } else { "light" };
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &feature);
        self.events.clear();
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.wait_until_loaded();
    }

    /// Waits until the page that something led to is there.
    fn wait_until_loaded(&mut self) {
        while !self.events.iter().any(|event| event == "Page.loadEventFired") {
            let event = self.read();
            self.note(&event);
        }
    }

    /// Does what leads to an address, perhaps over other pages, and waits until the page there is loaded.
    pub(crate) fn leave_for(&mut self, address: &str, way: impl FnOnce(&mut Self)) {
        self.leave(way);
        while !self.address.starts_with(address) {
            self.events.clear();
            self.wait_until_loaded();
        }
    }

    /// Does what leads to another page, and waits until that is there.
    pub(crate) fn leave(&mut self, way: impl FnOnce(&mut Self)) {
        self.events.clear();
        way(self);
        self.wait_until_loaded();
    }

    /// Follows the first link or button that has this text.
    pub(crate) fn follow(&mut self, text: &str) {
        let click = format!(
            "(() => {{ const found = [...document.querySelectorAll('a, header button, main button')]
                .find(e => e.innerText.trim() === {text:?}); found.click(); return found.tagName; }})()"
        );
        self.leave(|browser| {
            browser.evaluate(&click);
        });
    }

    /// Presses a key, as a keyboard does.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("{other} has no code here"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Goes on with the tabulator until an element that matches has the focus; says what had it on the way.
    pub(crate) fn tab_to(&mut self, selector: &str) -> Vec<String> {
        let mut way = Vec::new();
        loop {
            self.press("Tab");
            let focused = self.evaluate("(e => e.id || e.innerText || e.tagName)(document.activeElement)");
            way.push(focused.as_str().unwrap_or_default().to_owned());
            if self.evaluate(&format!("document.activeElement.matches({selector:?})")) == true {
                return way;
            }
            assert!(way.len() < 100, "{selector} is not reached: {way:?}");
        }
    }

    /// Types a text into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// The value of an expression; of a promise, what it comes to.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut done = self.call("Runtime.evaluate", &params);
        assert!(done["exceptionDetails"].is_null(), "{}", done["exceptionDetails"]);
        done["result"]["value"].take()
    }

    /// What axe-core finds wrong with the page, one line each.
    pub(crate) fn violations(&mut self) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
        let axe = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; run scripts/setup", path.display()));
        self.evaluate(&format!("{axe};0"));
        let found = self.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.flatMap(
                rule => rule.nodes.map(node => rule.impact + ' ' + rule.id + ': ' + node.failureSummary
                    + ' ' + node.html.slice(0, 300))))",
        );
        serde_json::from_value(found).unwrap()
    }

    /// The page on paper.
    pub(crate) fn print(&mut self) -> Vec<u8> {
        let printed =
            self.call("Page.printToPDF", &json!({"preferCSSPageSize": true, "printBackground": true}));
        base64(printed["data"].as_str().unwrap())
    }

    /// The whole page as PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        base64(shot["data"].as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when its last client has gone.
        self.input = None;
        self.child.wait().ok();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0u32, |bits, c| (bits << 6) | u32::from(value(*c)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
