//! Ledgers whose days can be sealed, and both verifiers of receipts.

use super::cases::Bench;
use super::program::binary;
use data_encoding::BASE64;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::process::{Command, Stdio};

/// The verifier that was written from `docs/receipts.md`.
pub(crate) const SECOND_VERIFIER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verifier/verify_receipt.py");
pub(crate) const COMPLETE: [&str; 2] = ["--complete-through", "2013-03-20T00:00:00Z"];
pub(crate) const RIDERS: u32 = 7;

/// An order of a rider on a day of March, half an hour from an hour and minute of UTC; past midnight of New York (05:00) for
/// some of them.
pub(crate) fn order(rider: u32, day: u32, hour: u32, more: &str) -> String {
    let (start, end) =
        (format!("2013-03-{day:02}T{hour:02}:10:00Z"), format!("2013-03-{day:02}T{hour:02}:40:00Z"));
    format!(
        r#"{{"platform":"aa","order_id":"o-{rider}-{day}-{hour}","rider_id":"R{rider}","category":"ride_hailing","region":"310000","accepted_at":"{start}","ended_at":"{end}"{more}}}"#
    )
}

/// Orders of some days: amended, void, repeated, refused, of two platforms, over midnight.
pub(crate) fn events() -> Vec<String> {
    let mut events = Vec::new();
    for day in 4..9 {
        for rider in 0..RIDERS {
            if (rider + day) % 5 == 0 {
                continue;
            }
            for hour in [4, 11, 16] {
                events.push(order(rider, day, hour, ""));
            }
            let night = format!(
                r#"{{"platform":"ua","order_id":"n-{rider}-{day}","rider_id":"R{rider}","category":"instant_delivery","region":"310000","accepted_at":"2013-03-{day:02}T04:30:00Z","ended_at":"2013-03-{day:02}T05:20:00Z"}}"#
            );
            events.push(night);
        }
    }
    events.push(order(1, 5, 11, r#","revision":1,"outcome":"cancelled""#));
    events.push(order(2, 5, 11, r#","revision":1,"outcome":"void""#));
    events.push(order(3, 5, 11, ""));
    // Refused: it names its rider and time, and keeps that open.
    events.push(order(3, 6, 13, "").replace("310000", "31"));
    // Open for ever.
    events.push(order(4, 6, 14, "").replace(r#","ended_at":"2013-03-06T14:40:00Z""#, ""));
    events
}

/// Takes in events by several runs of `ingest`, of so many lines each.
pub(crate) fn ledger(events: &[String], lines: usize) -> Bench {
    let bench = Bench::flights();
    for part in events.chunks(lines) {
        take(&bench, part);
    }
    bench.ok("ingest", &[COMPLETE[0], COMPLETE[1], "in.jsonl"]);
    bench
}

pub(crate) fn take(bench: &Bench, events: &[String]) {
    fs::write(bench.path("in.jsonl"), events.join("\n") + "\n").unwrap();
    bench.ok("ingest", &["in.jsonl"]);
}

/// Makes the secrets of a bench, or takes those of another; returns the public key.
pub(crate) fn secrets(bench: &Bench, of: Option<&Bench>) -> String {
    match of {
        Some(other) => {
            fs::copy(other.path("seal.secrets"), bench.path("seal.secrets")).unwrap();
            bench.json("seal", &["--secrets", "seal.secrets", "--status"])["keys"][0]
                .as_str()
                .unwrap()
                .to_owned()
        }
        None => {
            let arguments = ["seal", "--new-secrets", "seal.secrets", "--name", "ledger.example/seal"];
            let made = binary().current_dir(bench.folder.path()).args(arguments).output().unwrap();
            assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
            String::from_utf8(made.stdout).unwrap().trim().to_owned()
        }
    }
}

/// Whether both verifiers accept a receipt.
pub(crate) fn check(bench: &Bench, receipt: &str, key: &str) {
    fs::write(bench.path("receipt.json"), receipt).unwrap();
    let arguments = ["verify-receipt", "receipt.json", "--key", key];
    let own = binary().current_dir(bench.folder.path()).args(arguments).output().unwrap();
    assert_eq!(own.status.code(), Some(0), "{}{receipt}", String::from_utf8_lossy(&own.stdout));
    let mut python = Command::new("python3");
    let arguments = [SECOND_VERIFIER, "--key", key, "receipt.json"];
    let other = python.current_dir(bench.folder.path()).args(arguments).output();
    let other = other.expect("python3 runs the second verifier: scripts/setup installs it");
    assert_eq!(other.status.code(), Some(0), "{}{receipt}", String::from_utf8_lossy(&other.stderr));
}

/// What the verifier in Python says of each file: `ok VERDICT` or `refused WHERE: WHY`.
pub(crate) fn in_python(key: &str, files: &[Vec<u8>]) -> Vec<String> {
    let lines: String = files.iter().map(|file| BASE64.encode(file) + "\n").collect();
    let mut input: File = tempfile::tempfile().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    input.rewind().unwrap();
    let mut python = Command::new("python3");
    python.args([SECOND_VERIFIER, "--lines", "--key", key]).stdin(input).stderr(Stdio::inherit());
    let output = python.output().expect("python3 runs the second verifier: scripts/setup installs it");
    assert!(output.status.success(), "the verifier in Python failed");
    let said: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(said.len(), files.len());
    said
}

/// Adds `[seal]`, and a free port to listen on, to the configuration of a bench.
pub(crate) fn configure(bench: &Bench, seal: &str) {
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let sections =
        format!("[http]\nlisten = \"127.0.0.1:0\"\n[seal]\nsecrets = \"seal.secrets\"\n{seal}[ledger]");
    fs::write(bench.path("flights.toml"), config.replacen("[ledger]", &sections, 1)).unwrap();
}
