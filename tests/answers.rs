//! The answer log of the real program: killed while it answers, started with other configurations, kept in backups, and told by
//! commits which answers have changed. `COVERLEDGER_KILL_ROUNDS` sets how often the service is killed.

#![cfg(test)]

#[path = "answers/place.rs"]
mod place;
mod testkit;

use coverledger::answers::{Content, Digest, Entry, chain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use testkit::http;
use testkit::program::{Program, binary};
use testkit::random::number;
use testkit::wait::poll_until;

/// Clients that ask at a time.
const CLIENTS: usize = 4;
/// Answers that the clients of a round get before the service is killed.
const ANSWERS_A_ROUND: usize = 60;

const AT: &str = "at=2025-07-10T12:10:00%2B08:00";

struct Place {
    folder: TempDir,
    /// The folder of the logs, below that one.
    answers: &'static str,
}

impl Place {
    fn new() -> Self {
        Self::with_logs_in("data/answers", "")
    }

    /// Where the configuration, with more of it, has the logs in a folder.
    fn with_logs_in(answers: &'static str, more: &str) -> Self {
        let this = Self { folder: TempDir::new().unwrap(), answers };
        this.configure("0.25", more);
        this.ingest(&[order("o1", "R1", 12, 0)], "2025-07-12T00:00:00Z");
        this
    }

    fn configure(&self, rate: &str, more: &str) {
        let text = format!(
            "[ledger]\ndata_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n{more}\n[[rate]]\ncategory = \"instant_delivery\"\n\
             per_order = \"{rate}\"\n[platform.meituan]\nrecords_from = 2025-07-01\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("coverledger.toml")
    }

    fn run(&self, args: &[&str]) -> Output {
        binary()
            .current_dir(self.folder.path())
            .args(args)
            .arg("--config")
            .arg(self.config())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn ingest(&self, lines: &[String], through: &str) {
        let file = self.path("in.jsonl");
        fs::write(&file, lines.join("\n")).unwrap();
        self.done(&["ingest", file.to_str().unwrap(), "--complete-through", through]);
    }

    fn serve(&self) -> Program {
        Program::serve(&self.config(), &[])
    }

    fn log(&self) -> PathBuf {
        self.path(self.answers).join("main")
    }

    fn entries(&self) -> BTreeMap<u64, Entry> {
        let mut entries = BTreeMap::new();
        chain::visit(&self.log(), |entry, _| drop(entries.insert(entry.number, entry))).unwrap();
        entries
    }
}

fn order(order_id: &str, rider: &str, hour: u32, revision: u32) -> String {
    format!(
        r#"{{"platform":"meituan","order_id":"{order_id}","rider_id":"{rider}","category":"instant_delivery","region":"310115","accepted_at":"2025-07-10T{hour:02}:00:00+08:00","ended_at":"2025-07-10T{hour:02}:30:00+08:00","outcome":"completed","revision":{revision}}}"#
    )
}

/// The number of the entry that a response names.
fn entry_of(head: &str) -> u64 {
    let line = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("coverledger-answer: main/")?.parse().ok());
    line.unwrap_or_else(|| panic!("no entry is named: {head}"))
}

/// Asks until the service is gone; keeps what came whole: the entry, and the digest of the body.
fn ask_on(
    address: &str,
    client: usize,
    seen: &Mutex<Vec<(u64, Digest)>>,
    count: &AtomicUsize,
    end: &AtomicBool,
) {
    for nth in 0.. {
        let path = match nth % 3 {
            0 => format!("/v1/coverage?rider_id=R{}&{AT}", (client + nth) % 5),
            1 => "/v1/orders/meituan/o1".to_owned(),
            _ => format!("/v1/coverage?rider_id=R1&{AT}&reference=client-{client}-{nth}"),
        };
        let whole = http::get(address, &path, "").filter(|reply| {
            // A body that was cut off is no answer.
            reply.status == 200 && serde_json::from_str::<Value>(&reply.body).is_ok()
        });
        match whole {
            Some(reply) => {
                let given = (entry_of(&reply.head), Digest::of(reply.body.as_bytes()));
                seen.lock().unwrap().push(given);
                count.fetch_add(1, Ordering::Relaxed);
            }
            None if end.load(Ordering::Acquire) => return,
            None => {}
        }
    }
}

#[test]
fn every_answer_that_a_client_received_is_in_the_log_of_a_service_that_was_killed() {
    let place = Place::new();
    let mut received: Vec<(u64, Digest)> = Vec::new();
    for round in 0..number("COVERLEDGER_KILL_ROUNDS", 5) {
        let mut program = place.serve();
        let address = program.address();
        let (seen, count, end) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (address, seen, count, end) = (&address, &seen, &count, &end);
                scope.spawn(move || ask_on(address, client, seen, count, end));
            }
            let wanted = ANSWERS_A_ROUND + 7 * usize::try_from(round).unwrap();
            poll_until("answers come", || (count.load(Ordering::Relaxed) >= wanted).then_some(()));
            program.kill();
            end.store(true, Ordering::Release);
        });
        received.extend(seen.into_inner().unwrap());
        assert_eq!(place.done(&["answers", "verify"]).lines().count(), 1);
    }
    // One more start mends what the last kill tore.
    assert_eq!(place.serve_and_stop(), Some(0));
    let entries = place.entries();
    for (number, digest) in &received {
        let Some(Entry { content: Content::Answer { body_sha256, .. }, .. }) = entries.get(number) else {
            panic!("answer {number} is not in the log")
        };
        assert_eq!(body_sha256.as_ref(), Some(digest), "entry {number}");
    }
    assert!(place.done(&["verify"]).contains("answer log main"));
}

impl Place {
    fn serve_and_stop(&self) -> Option<i32> {
        let mut program = self.serve();
        program.address();
        program.terminate()
    }
}

fn changed(program: &mut Program) -> Vec<Value> {
    program.get("/v1/answers?changed=true")["entries"].as_array().unwrap().clone()
}

#[test]
fn an_answer_that_commits_change_is_listed_with_the_order_that_changed_it() {
    let place = Place::new();
    let mut program = place.serve();
    let ask = |program: &mut Program, rider: &str| {
        program.get(&format!("/v1/coverage?rider_id={rider}&{AT}&reference=case-7"))
    };
    assert_eq!(ask(&mut program, "R1")["verdict"], "covered");
    assert_eq!(ask(&mut program, "R2")["verdict"], "not_covered");
    assert_eq!(changed(&mut program), [] as [Value; 0]);
    assert_eq!(program.terminate(), Some(0));
    // The order was another rider's all along.
    place.ingest(&[order("o1", "R2", 12, 1)], "2025-07-12T00:00:00Z");
    let mut program = place.serve();
    let listed =
        poll_until("both have changed", || Some(changed(&mut program)).filter(|listed| listed.len() == 2));
    let events: Vec<(&str, &Value, &Value)> = listed
        .iter()
        .map(|entry| {
            let (verdict, now) = (entry["verdict"].as_str().unwrap(), &entry["changed"]["verdict"]);
            (verdict, now, &entry["changed"]["event"]["revision"])
        })
        .collect();
    assert_eq!(
        events,
        [("covered", &"not_covered".into(), &1.into()), ("not_covered", &"covered".into(), &1.into())]
    );
    assert!(listed.iter().all(|entry| entry["changed"]["event"]["order_id"] == "o1"), "{listed:?}");
    poll_until("the metric says so", || {
        program.text("/metrics", "text/plain").contains("coverledger_answers_changed 2").then_some(())
    });
    let number = &listed[0]["number"];
    let beside = program.get(&format!("/v1/answers/{number}"));
    assert_eq!(
        (&beside["now"]["verdict"], &beside["is_same_verdict"]),
        (&"not_covered".into(), &false.into())
    );
    assert_eq!(program.terminate(), Some(0));
    let table = place.done(&["answers", "changed", "--reason", "case-7"]);
    assert_eq!(table.lines().count(), 3, "{table}");
    // Put right again, they are as they were.
    place.ingest(&[order("o1", "R1", 12, 2)], "2025-07-12T00:00:00Z");
    let mut program = place.serve();
    poll_until("none differs any more", || changed(&mut program).is_empty().then_some(()));
    assert_eq!(program.terminate(), Some(0));
    assert!(place.done(&["answers", "verify"]).contains("hold"));
}

#[test]
fn configurations_and_changes_of_access_are_entries_too() {
    let place = Place::new();
    let of_kind = |kind: &str| -> Vec<Value> {
        let lines = place.done(&["answers", "list", "--json", "--kind", kind]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(place.serve_and_stop(), Some(0));
    assert_eq!(place.serve_and_stop(), Some(0));
    assert_eq!(of_kind("configuration").len(), 1, "the same configuration is no news");
    place.configure("0.30", "[access]\n");
    place.done(&["token", "create", "audit", "--role", "auditor"]);
    assert_eq!(place.serve_and_stop(), Some(0));
    let entries = of_kind("configuration");
    let (added, removed) = (entries[1]["added"].to_string(), entries[1]["removed"].to_string());
    assert!(
        added.contains("0.30") && removed.contains("0.25") && !added.contains("data_dir"),
        "{added} {removed}"
    );
    assert!(entries[1]["actor"].as_str().unwrap().starts_with("uid "));
    // While it runs, and made while none ran.
    let program = place.serve();
    place.done(&["token", "revoke", "audit"]);
    poll_until("the change is logged", || (of_kind("access").len() == 2).then_some(()));
    assert_eq!(program.terminate(), Some(0));
    let actions: Vec<Value> = of_kind("access").iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["token_created", "token_revoked"]);
}

#[test]
fn a_backup_has_the_log_and_a_restored_service_continues_it() {
    let place = Place::new();
    let mut program = place.serve();
    program.get(&format!("/v1/coverage?rider_id=R1&{AT}"));
    let backup = place.path("backup");
    place.done(&["backup", backup.to_str().unwrap()]);
    program.get(&format!("/v1/coverage?rider_id=R2&{AT}"));
    program.kill();
    fs::rename(place.path("data"), place.path("lost")).unwrap();
    fs::rename(&backup, place.path("data")).unwrap();
    let before = place.entries();
    let mut program = place.serve();
    let reply = http::get(&program.address(), &format!("/v1/coverage?rider_id=R1&{AT}"), "").unwrap();
    assert_eq!(entry_of(&reply.head), u64::try_from(before.len()).unwrap() + 1);
    assert_eq!(program.terminate(), Some(0));
    assert!(place.done(&["verify"]).contains("answer log main"));
    damaged_is_found(&place, &place.log());
}

/// A changed byte fails both commands, and the start.
fn damaged_is_found(place: &Place, log: &Path) {
    let file = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "log"));
    let (file, mut bytes) = (file.clone().unwrap(), fs::read(file.unwrap()).unwrap());
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
    for args in [&["answers", "verify"][..], &["verify", "--json"]] {
        let output = place.run(args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("entry "), "{args:?}: {output:?}");
    }
    let (code, said) = place.serve().end();
    assert!(code == Some(1) && said.contains("Failed to read the answer log: entry "), "{said}");
}

#[test]
fn a_service_that_only_reads_keeps_no_log_and_one_that_shall_not_keep_one_either() {
    let place = Place::new();
    let asks = |program: &mut Program| {
        let reply = http::get(&program.address(), &format!("/v1/coverage?rider_id=R1&{AT}"), "").unwrap();
        assert!(
            reply.status == 200 && !reply.head.to_ascii_lowercase().contains("coverledger-answer"),
            "{}",
            reply.head
        );
    };
    let mut program = Program::serve(&place.config(), &["--read-only"]);
    asks(&mut program);
    assert_eq!(program.terminate(), Some(0));
    place.configure("0.25", "[answers]\nlog = false\n");
    let mut program = place.serve();
    asks(&mut program);
    assert_eq!(program.terminate(), Some(0));
    assert!(!place.path("data").join("answers").exists());
    place.configure("0.25", "[answers]\nname = \"east-1\"\n");
    let mut program = place.serve();
    program.get(&format!("/v1/coverage?rider_id=R1&{AT}"));
    assert_eq!(program.terminate(), Some(0));
    assert!(place.done(&["answers", "list"]).contains("east-1/2"));
}
