//! A real Prometheus with the alert rules of the repository, ended when it is dropped. Only durations are shorter than in
//! operation: a test waits for seconds where a night shift waits for minutes.

use super::cluster::three_free_ports;
use super::http;
use super::wait::poll_until;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Where the rules are.
pub(crate) fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/prometheus")
}

/// Between two scrapes, and between two looks at the rules.
const INTERVAL: &str = "200ms";
/// For which a condition must last.
const HOLD: &str = "400ms";
/// Over which a rate is taken.
const RANGE: &str = "5s";

/// The rules with every `for:` and every range shortened; nothing else is changed.
pub(crate) fn shortened(rules: &str) -> String {
    let mut short = String::new();
    for line in rules.lines() {
        match line.split_once("for: ") {
            Some((before, _)) if before.trim().is_empty() => short.push_str(&format!("{before}for: {HOLD}")),
            _ => short.push_str(&with_short_ranges(line)),
        }
        short.push('\n');
    }
    short
}

/// Every range selector, such as `[15m]`.
fn with_short_ranges(line: &str) -> String {
    let mut parts = line.split('[');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(']') {
            Some((range, rest)) if is_duration(range) => short.push_str(&format!("[{RANGE}]{rest}")),
            _ => short.push_str(&format!("[{part}")),
        }
    }
    short
}

fn is_duration(text: &str) -> bool {
    text.ends_with(['s', 'm', 'h', 'd']) && text[..text.len() - 1].bytes().all(|byte| byte.is_ascii_digit())
}

fn configuration(scheme: &str, targets: &[&str]) -> String {
    format!(
        "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL}}}\n\
         rule_files: [alerts.yml]\n\
         scrape_configs: [{{job_name: coverledger, scheme: {scheme}, tls_config: {{insecure_skip_verify: true}}, \
         static_configs: [{{targets: {targets:?}}}]}}]\n"
    )
}

/// A running Prometheus.
pub(crate) struct Prometheus {
    child: Child,
    address: String,
    log: PathBuf,
    scheme: &'static str,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes `target` (`127.0.0.1:PORT`) as the job `coverledger`.
    pub(crate) fn start(target: &str) -> Self {
        Self::start_with("http", target)
    }

    /// The same over TLS, whatever the certificate.
    pub(crate) fn start_over_tls(target: &str) -> Self {
        Self::start_with("https", target)
    }

    fn start_with(scheme: &'static str, target: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let text = fs::read_to_string(rules().join("alerts.yml")).unwrap();
        fs::write(folder.path().join("alerts.yml"), shortened(&text)).unwrap();
        fs::write(folder.path().join("prometheus.yml"), configuration(scheme, &[target])).unwrap();
        let (address, log) =
            (format!("127.0.0.1:{}", three_free_ports()), folder.path().join("prometheus.log"));
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("Prometheus is needed (Debian package `prometheus`): scripts/setup installs it");
        let mut started = Self { child, address, log, scheme, folder };
        poll_until("Prometheus is ready", || {
            assert!(started.child.try_wait().unwrap().is_none(), "it ended: {}", started.said());
            http::get(&started.address, "/-/ready", "").filter(|reply| reply.status == 200)
        });
        started
    }

    /// Scrapes these targets from now on; it notices that within seconds.
    pub(crate) fn scrape(&self, targets: &[&str]) {
        fs::write(self.folder.path().join("prometheus.yml"), configuration(self.scheme, targets)).unwrap();
        let told = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn get(&self, path: &str) -> Value {
        let reply = http::get(&self.address, path, "").unwrap_or_else(|| panic!("{path}: {}", self.said()));
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        serde_json::from_str::<Value>(&reply.body).unwrap()["data"].take()
    }

    /// The series that an expression gives now.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        self.get(&format!("/api/v1/query?query={encoded}"))["result"].as_array().unwrap().clone()
    }

    /// The alarms that fire.
    pub(crate) fn firing(&self) -> BTreeSet<String> {
        let alerts = self.get("/api/v1/alerts")["alerts"].take();
        let firing = alerts.as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until an alarm fires.
    pub(crate) fn fires(&self, alarm: &str) {
        poll_until(&format!("{alarm} fires"), || self.firing().contains(alarm).then_some(()));
        println!("{alarm} fires");
    }

    /// Waits until it does not fire any more.
    pub(crate) fn clears(&self, alarm: &str) {
        poll_until(&format!("{alarm} clears"), || (!self.firing().contains(alarm)).then_some(()));
        println!("{alarm} clears");
    }

    /// Waits until nothing fires, but for what says how fast this machine is.
    pub(crate) fn is_quiet(&self) {
        let mut firing = BTreeSet::new();
        poll_until("nothing fires", || {
            let mut now = self.firing();
            now.retain(|alarm| !["CoverledgerSlowDisk", "CoverledgerSlowAnswers"].contains(&alarm.as_str()));
            if now != firing {
                println!("firing: {now:?}");
                firing.clone_from(&now);
            }
            now.is_empty().then_some(())
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
