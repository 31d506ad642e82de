//! Explanations through the real program: from files and from Kafka, by commands and over HTTP, in Chinese and English.

#![cfg(test)]

mod testkit;

use serde_json::Value;
use std::fs;
use tempfile::TempDir;
use testkit::cases::Bench;
use testkit::explained;
use testkit::mock;
use testkit::orders::{TOPIC, config, order, send_to};
use testkit::program::{Program, binary};
use testkit::wait::poll_until;

const AT: &str = "2013-03-01T10:20:00Z";
const AFTER: &str = "2013-03-01T10:50:00Z";
const THROUGH: [&str; 2] = ["--complete-through", "2014-01-01T00:00:00Z"];

fn of_files(rider: &str, revision: u32, ended: &str) -> String {
    format!(
        r#"{{"platform":"aa","order_id":"o-{rider}","rider_id":"{rider}","category":"ride_hailing","region":"310000","revision":{revision},"accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T{ended}:00Z"}}"#
    )
}

/// A ledger of files: R1 is covered, R2 is not, a record of R3 was rejected.
fn of_bench() -> Bench {
    let bench = Bench::flights();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let config = config.replacen("[ledger]", "[http]\nlisten = \"127.0.0.1:0\"\n[ledger]", 1);
    fs::write(bench.path("flights.toml"), config).unwrap();
    let rejected = of_files("R3", 0, "10:40").replace("\"310000\"", "\"31000\"");
    let lines = [of_files("R1", 0, "10:40"), of_files("R2", 0, "10:10"), rejected];
    takes(&bench, &lines, &THROUGH);
    bench
}

fn takes(bench: &Bench, lines: &[String], args: &[&str]) {
    fs::write(bench.path("in.jsonl"), lines.join("\n")).unwrap();
    bench.ok("ingest", &[args, &["in.jsonl"]].concat());
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn each_verdict_of_a_ledger_of_files_is_explained_and_stays_as_it_was_known() {
    let bench = of_bench();
    let riders = ["R1", "R2", "R3", "stranger"];
    let ask =
        |rider: &str, more: &[&str]| bench.ok("explain", &[&["--rider", rider, "--at", AT], more].concat());
    let answers = riders.map(|rider| ask(rider, &["--json"]));
    for (answer, verdict) in answers.iter().zip(["covered", "not_covered", "undetermined", "not_covered"]) {
        let answer = json(answer);
        assert_eq!(answer["verdict"], verdict);
        explained::check(&answer);
        explained::check_completeness(&answer["why"]);
    }
    let [covered, not_covered, undetermined, _] =
        answers.each_ref().map(|answer| json(answer)["why"].clone());
    let source = &covered["windows"][0]["source"];
    assert_eq!(source["records"], json(r#"[{"source":"files","first_line":1,"last_line":3}]"#));
    let is_final = &not_covered["platforms"][0]["final"];
    assert_eq!(is_final["since"]["by"], "stated_completeness");
    assert_eq!(is_final["since"]["commit"], source["commit"], "the run that brought the orders stated it");
    let kept = &undetermined["platforms"][0]["open"][0];
    assert_eq!(
        (&kept["code"], &kept["records"][0]["origin"]["line"]),
        (&"rejected_record".into(), &3.into())
    );
    let words = |more: &[&str]| riders.map(|rider| ask(rider, more)).concat();
    let (english, chinese) = (words(&[]), words(&["--lang", "zh"]));
    for part in [
        "Covered: the window of 1 order",
        "By an operator's word",
        "(bad_region, aa order o-R3)",
        "Time alone will not help.",
    ] {
        assert!(english.contains(part), "{part}: {english}");
    }
    for part in ["有保障：", "无保障，且为最终结论", "暂不能确定", "查无此人", "运营人员在导入文件时声明"]
    {
        assert!(chinese.contains(part), "{part}: {chinese}");
    }
    // The same beside the answers of a lookup, alone and in a batch.
    let looked_up =
        riders.map(|rider| bench.ok("lookup", &["--rider", rider, "--at", AT, "--json", "--explain"]));
    assert_eq!(looked_up, answers);
    let text = bench.ok("lookup", &["--rider", "R2", "--at", AT, "--explain"]);
    assert!(text.contains("NOT COVERED") && text.contains("By an operator's word"), "{text}");
    let questions = riders.map(|rider| format!("{rider},{AT}\n")).concat();
    fs::write(bench.path("questions.csv"), format!("rider_id,at\n{questions}")).unwrap();
    let batch = |more: &[&str]| {
        bench.ok("lookup", &[&["--batch", "questions.csv", "--out", "answers.ndjson"], more].concat());
        fs::read_to_string(bench.path("answers.ndjson")).unwrap()
    };
    assert_eq!(batch(&["--explain"]), answers.concat());
    assert!(!batch(&[]).contains("\"why\""));
    // Later events change the explanations, and none as known then.
    let commit = json(&answers[0])["as_of"]["commit"].to_string();
    takes(&bench, &[of_files("R1", 1, "10:05"), of_files("R2", 1, "10:50"), of_files("R3", 0, "10:40")], &[]);
    let superseded = json(&ask("R1", &["--json"]))["why"]["superseded"][0].clone();
    assert_eq!((&superseded["revision"], &superseded["superseded_by"]["revision"]), (&0.into(), &1.into()));
    assert_ne!(superseded["source"]["commit"], superseded["superseded_by"]["source"]["commit"]);
    assert_ne!(words(&[]), english);
    assert_eq!(riders.map(|rider| ask(rider, &["--json", "--known-at", &commit])), answers);
    assert_eq!(words(&["--known-at", &commit]), english);
    assert_eq!(words(&["--known-at", &commit, "--lang", "zh"]), chinese);
    assert_eq!(batch(&["--explain", "--known-at", &commit]), answers.concat());
}

/// `explain --url`
fn ask_service(address: &str, args: &[&str]) -> String {
    let url = format!("http://{address}");
    let output = binary().args(["explain", "--url", &url]).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_service_explains_as_the_command_does_alone_and_in_batches() {
    let bench = of_bench();
    let riders = ["R1", "R2", "R3"];
    let here =
        |rider: &str, more: &[&str]| bench.ok("explain", &[&["--rider", rider, "--at", AT], more].concat());
    let local = riders.map(|rider| here(rider, &["--json"]));
    let local_words = riders.map(|rider| here(rider, &["--lang", "zh"]));
    let mut service = Program::serve(&bench.path("flights.toml"), &["--read-only"]);
    let address = service.address();
    let there =
        |rider: &str, more: &[&str]| ask_service(&address, &[&["--rider", rider, "--at", AT], more].concat());
    assert_eq!(riders.map(|rider| there(rider, &["--json"])), local);
    assert_eq!(riders.map(|rider| there(rider, &["--lang", "zh"])), local_words);
    // Narrowing a question to the only platform changes no word.
    assert_eq!(there("R1", &["--lang", "zh", "--platform", "aa"]), local_words[0]);
    let lines = riders.map(|rider| format!("{{\"rider_id\":\"{rider}\",\"at\":\"{AT}\"}}\n")).concat();
    assert_eq!(
        service.post("/v1/coverage/batch?explain=true", &lines),
        local.each_ref().map(|answer| json(answer))
    );
    let plain = service.post("/v1/coverage/batch?explain=false", &lines);
    assert!(plain.iter().all(|answer| answer["why"].is_null()));
    let path = format!("/v1/coverage?rider_id=R1&at={AT}");
    assert!(service.get(&path)["why"].is_null());
    let interval = service
        .get("/v1/coverage?rider_id=R1&from=2013-03-01T10:30:00Z&to=2013-03-01T10:50:00Z&explain=true");
    explained::check(&interval);
    assert_eq!(interval["verdict"], "partly_covered");
    let reply = testkit::http::get(&address, &format!("{path}&explain=yes"), "").unwrap();
    assert_eq!((reply.status, json(&reply.body)["parameter"].clone()), (400, "explain".into()));
    assert_eq!(service.terminate(), Some(0));
}

/// A service that read an order and a completeness record from Kafka.
fn reads_kafka(folder: &TempDir, brokers: &str) -> Program {
    let mut program = Program::serve(&config(folder, brokers, ""), &[]);
    program.applied(3);
    program
}

#[test]
fn an_absence_names_the_completeness_record_and_a_cover_the_offset() {
    let cluster = mock::cluster(&[(TOPIC, 2)]);
    let brokers = cluster.bootstrap_servers();
    let complete =
        r#"{"kind":"complete","platform":"meituan","through":"2025-08-01T00:00:00+08:00"}"#.to_owned();
    send_to(&brokers, 0, &[order(0)]);
    send_to(&brokers, 1, &[order(1), complete]);
    let folder = TempDir::new().unwrap();
    let mut service = reads_kafka(&folder, &brokers);
    // Order 0 lasts from 8:00 to 8:30, order 1 from 9:00 to 9:30.
    let path = |at: &str| format!("/v1/coverage?rider_id=R1&at=2025-07-10T{at}:00%2B08:00&explain=true");
    let answer = poll_until("the completeness record is confirmed", || {
        let answer = service.get(&path("10:00"));
        explained::check(&answer);
        (answer["verdict"] == "not_covered").then_some(answer)
    });
    explained::check_completeness(&answer["why"]);
    let since = &answer["why"]["platforms"][0]["final"]["since"];
    assert_eq!(since["by"], "completeness_record");
    let place = ["topic", "partition", "offset"].map(|name| since["record"][name].to_string());
    assert_eq!(place, ["\"orders.meituan\"", "1", "1"], "{since}");
    assert_eq!(since["partitions"], 2);
    assert_eq!(answer["why"]["nearest_before"]["order_id"], "o1");
    let covered = service.get(&path("08:15"));
    explained::check(&covered);
    let records = covered["why"]["windows"][0]["source"]["records"].as_array().unwrap();
    let is_first = |records: &&Value| records["partition"] == 0;
    let own = records.iter().find(is_first).unwrap();
    assert_eq!(
        (&own["topic"], &own["first_offset"], &own["last_offset"]),
        (&TOPIC.into(), &0.into(), &0.into())
    );
    // After a restart the same is cited: it is stored.
    let commit = since["commit"].clone();
    assert_eq!(service.terminate(), Some(0));
    let mut service = reads_kafka(&folder, &brokers);
    let again = service.get(&path("10:00"));
    assert_eq!(&again["why"]["platforms"][0]["final"]["since"], since);
    assert!(again["as_of"]["commit"].as_i64() >= commit.as_i64());
    let words = ask_service(&service.address(), &["--rider", "R1", "--at", "2025-07-10T10:00:00+08:00"]);
    assert!(
        words.contains("its completeness record at topic orders.meituan, partition 1, offset 1"),
        "{words}"
    );
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn usage_is_checked() {
    let bench = of_bench();
    for args in [
        &["--at", AT][..],
        &["--rider", "R1"],
        &["--rider", "R1", "--at", AT, "--lang", "fr"],
        &["--rider", "R1", "--at", AT, "--json", "--lang", "zh"],
        &["--rider", "R1", "--at", "yesterday"],
        &["--rider", "R1", "--at", AT, "--platform", "nowhere"],
        &["--rider", "R1", "--at", AT, "--known-at", "then"],
    ] {
        let output = bench.run("explain", args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
    }
    let unknown = bench.run("explain", &["--rider", "R1", "--at", AFTER, "--known-at", "99"]);
    assert_eq!(unknown.status.code(), Some(1));
}
