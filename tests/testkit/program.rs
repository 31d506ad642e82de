//! The real program as a service: started, asked, told to stop, killed.

use super::http::{self, Reply};
use super::wait::poll_until;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The real binary.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coverledger"));
    command.stdin(Stdio::null()).env_remove("COVERLEDGER_LOG");
    command
}

/// A running `serve`.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
    address: Option<String>,
}

impl Program {
    /// Starts `serve` with a configuration; its log goes to a file beside it.
    pub(crate) fn serve(config: &Path, args: &[&str]) -> Self {
        Self::serve_with(config, args, &mut |_| {})
    }

    /// The same, after `change` had its way with the command.
    pub(crate) fn serve_with(config: &Path, args: &[&str], change: &mut dyn FnMut(&mut Command)) -> Self {
        let log = config.with_extension("log");
        let errors = File::create(&log).unwrap();
        let mut command = binary();
        command.arg("serve").arg("--config").arg(config).args(args).stdout(Stdio::null()).stderr(errors);
        change(&mut command);
        Self { child: command.spawn().unwrap(), log, address: None }
    }

    /// The file that it logs to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// What it logged.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it answers.
    pub(crate) fn address(&mut self) -> String {
        if let Some(address) = &self.address {
            return address.clone();
        }
        let address = poll_until("it listens", || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.said());
            address_in(&self.said())
        });
        self.address = Some(address.clone());
        address
    }

    /// What a GET gives, or `None` when nothing answers.
    pub(crate) fn try_get(&mut self, path: &str) -> Option<Value> {
        let reply = http::get(&self.address(), path, "")?;
        Some(serde_json::from_str(&body(path, reply)).unwrap_or(Value::Null))
    }

    /// What a GET gives, or `None` when the connection ends without it or the service is too busy.
    pub(crate) fn if_answered(&mut self, path: &str) -> Option<Value> {
        let reply = http::get(&self.address(), path, "").filter(|reply| reply.status != 503)?;
        Some(serde_json::from_str(&body(path, reply)).unwrap())
    }

    /// Resident memory in bytes, and its peak.
    pub(crate) fn resident(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    pub(crate) fn get(&mut self, path: &str) -> Value {
        self.try_get(path).unwrap_or_else(|| panic!("{path}: no answer: {}", self.said()))
    }

    /// The body of a GET as it is.
    pub(crate) fn text(&mut self, path: &str, accept: &str) -> String {
        let reply = http::get(&self.address(), path, &format!("Accept: {accept}\r\n"));
        body(path, reply.unwrap_or_else(|| panic!("{path}: no answer: {}", self.said())))
    }

    /// What a POST of lines gives.
    pub(crate) fn post(&mut self, path: &str, lines: &str) -> Vec<Value> {
        let ndjson = "Content-Type: application/x-ndjson\r\n";
        let reply = http::post(&self.address(), path, ndjson, lines.as_bytes());
        let body = body(path, reply.unwrap_or_else(|| panic!("{path}: no answer: {}", self.said())));
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Records applied, in all partitions.
    pub(crate) fn position(&mut self) -> Option<i64> {
        let progress = self.try_get("/v1/progress")?;
        progress["partitions"].as_array()?.iter().map(|partition| partition["position"].as_i64()).sum()
    }

    /// The same of a program that may be dead, or not answer yet.
    pub(crate) fn position_if_any(&mut self) -> Option<i64> {
        if self.address.is_none() {
            self.address = address_in(&self.said());
        }
        self.address.as_ref()?;
        self.position()
    }

    /// Waits until so many records are applied.
    pub(crate) fn applied(&mut self, records: i64) {
        poll_until("the records are applied", || {
            assert!(!self.has_ended(), "it ended: {}", self.said());
            self.position().filter(|position| *position >= records)
        });
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it reads from Kafka.
    pub(crate) fn ready(&mut self) {
        poll_until("it is ready", || {
            assert!(!self.has_ended(), "it ended: {}", self.said());
            self.said().contains(" ready").then_some(())
        });
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.ended()
    }

    /// Waits for its end; the exit code and what it logged.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.ended();
        (code, self.said())
    }

    /// A program that goes on where it should end fails the test instead of hanging it.
    fn ended(&mut self) -> Option<i32> {
        poll_until("the program ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After a failed test nothing may continue running; after a good one there is nothing left to kill.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn address_in(said: &str) -> Option<String> {
    let (_, after) = said.split_once("https://").or_else(|| said.split_once("http://"))?;
    let end = after.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    Some(after[..end].to_owned())
}

/// The body of an answer that must be a good one.
fn body(path: &str, reply: Reply) -> String {
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.body
}
