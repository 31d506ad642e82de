//! The commands as a shell sees them: exit codes, what goes to standard output, help.

#![cfg(test)]

mod testkit;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use testkit::cases::Bench;
use testkit::program::binary;
use testkit::wait::poll_until;

const ORDER: &str = r#"{"platform":"aa","order_id":"o1","rider_id":"R1","category":"ride_hailing","region":"310000","accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T11:00:00Z"}"#;

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A ledger with one order and what `more` holds, complete through 2100.
fn bench_with(more: &str) -> Bench {
    let bench = Bench::flights();
    fs::write(bench.path("in.jsonl"), format!("{ORDER}\n{more}")).unwrap();
    bench.ok("ingest", &["--future", "--complete-through", "2100-01-01T00:00:00Z", "in.jsonl"]);
    bench
}

#[test]
fn every_help_has_an_example() {
    let help = binary().arg("--help").output().unwrap();
    assert_eq!(code(&help), 0);
    assert!(stdout(&help).contains("Exit codes: 0"), "{}", stdout(&help));
    let listed = stdout(&help).split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands =
        listed.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let commands: Vec<_> =
        commands.map(|line| line.split(' ').next().unwrap()).filter(|name| *name != "help").collect();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        let help = binary().args([command, "--help"]).output().unwrap();
        assert_eq!(code(&help), 0, "{command}");
        let example = format!("coverledger {command}");
        let shown = stdout(&help).split_once("Example").is_some_and(|(_, after)| after.contains(&example));
        assert!(shown, "{command} --help has no example");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    // Far more than a pipe holds.
    let arguments = ["generate", "--orders", "20000", "--seed", "1"];
    let mut child = binary().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (141, ""));
}

#[test]
fn answers_are_text_or_json_on_standard_output() {
    let bench = bench_with("");
    let at = "2013-03-01T10:30:00Z";
    let text = bench.run("lookup", &["--rider", "R1", "--at", at]);
    assert_eq!((code(&text), stderr(&text)), (0, ""));
    assert!(
        stdout(&text).starts_with("COVERED: R1 was covered at 2013-03-01T05:30:00.000-05:00."),
        "{}",
        stdout(&text)
    );
    let json = bench.json("lookup", &["--rider", "R1", "--at", at, "--json"]);
    assert_eq!(json["verdict"], "covered");
    let out = bench.ok("lookup", &["--rider", "R2", "--at", at]);
    assert!(
        out.starts_with("NO RECORD: nothing is stored of R2")
            && out.contains("Warning: no stored order names"),
        "{out}"
    );
    let out = bench.ok("lookup", &["--rider", "R1", "--at", "2013-03-01T12:00:00Z"]);
    assert!(out.starts_with("NOT COVERED: R1") && !out.contains("Warning"), "{out}");
    let out = bench.ok("lookup", &["--rider", "R1", "--at", "2100-06-01T10:30:00Z"]);
    assert!(out.starts_with("UNDETERMINED") && out.contains("aa: not all of its records"), "{out}");
    let out = bench.ok("lookup", &["--rider", "R1", "--from", at, "--to", "2013-03-01T12:00:00Z"]);
    assert!(out.starts_with("PARTLY COVERED") && out.contains("not covered"), "{out}");
    let week = ["--rider", "R1", "--from", "2013-03-01T00:00:00Z", "--to", "2013-03-08T00:00:00Z"];
    let out = bench.ok("timeline", &week);
    assert!(out.contains("Covered (orders merged):") && out.contains("aa order o1"), "{out}");
    let statement = bench.json("statement", &["--month", "2013-03", "--platform", "aa", "--format", "json"]);
    assert_eq!(statement[0]["premium_exact"], "0.010000");
    assert_eq!(bench.ok("statement", &["--month", "2013-04"]).lines().count(), 1);
}

#[test]
fn ingest_says_in_one_line_what_became_of_the_records_and_how_long_it_took() {
    let bench = bench_with("");
    let summary = bench.json("ingest", &["in.jsonl"]);
    let names: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "blank",
        "compaction_s",
        "dispositions",
        "elapsed_s",
        "misspelt",
        "records",
        "records_per_s",
        "rejected",
    ];
    assert_eq!(names, expected);
    assert_eq!((&summary["records"], &summary["dispositions"]["duplicate"]), (&1.into(), &1.into()));
    let [elapsed_s, compaction_s] = ["elapsed_s", "compaction_s"].map(|name| summary[name].as_f64().unwrap());
    assert!(elapsed_s > 0.0 && (0.0..=elapsed_s).contains(&compaction_s), "{summary}");
}

#[test]
fn wrong_usage_is_2_and_bad_configuration_78() {
    let bench = bench_with("");
    let config = ["--config", "flights.toml"];
    for args in [
        vec!["lookup"],
        vec!["lookup", config[0], config[1], "--rider", "R1"],
        vec!["lookup", config[0], config[1], "--rider", "R1", "--at", "03/01/2013"],
        vec!["lookup", config[0], config[1], "--rider", "R1", "--from", "2013-03-01T00:00:00Z"],
        vec!["lookup", config[0], config[1], "--batch", "x.csv"],
        vec!["lookup", "--url", "ftp://x", "--rider", "R1", "--at", "2013-03-01T00:00:00Z"],
        vec!["timeline", config[0], config[1], "--rider", "R1", "--from", "x", "--to", "y"],
        vec!["statement", config[0], config[1], "--month", "2013"],
        vec!["rejections", config[0], config[1], "--reason", "nonsense"],
        vec!["rejections", config[0], config[1], "--redrive", "--resolve", "x"],
        vec!["nonsense"],
    ] {
        let output = binary().current_dir(bench.folder.path()).args(&args).output().unwrap();
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty(), "{args:?}");
    }
    fs::write(bench.path("flights.toml"), "nonsense = 1\nmore = 2\n").unwrap();
    let output = bench.run("statement", &[]);
    assert_eq!((code(&output), stdout(&output)), (78, ""));
    assert!(stderr(&output).contains("nonsense") && stderr(&output).contains("more"), "{}", stderr(&output));
    let output =
        binary().current_dir(bench.folder.path()).args(["check-config", "flights.toml"]).output().unwrap();
    assert_eq!(code(&output), 78);
}

#[test]
fn failures_are_1_and_say_why() {
    let bench = bench_with("");
    let output = bench.run("ingest", &["missing.jsonl"]);
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).contains("missing.jsonl"), "{}", stderr(&output));
    fs::write(bench.path("q.csv"), "nobody,at\n").unwrap();
    assert_eq!(code(&bench.run("lookup", &["--batch", "q.csv", "--out", "a"])), 1);
}

#[test]
fn a_directory_in_use_is_75() {
    let bench = Bench::flights();
    let mut holder = bench.command("ingest", &["--dispositions", "d.csv", "-"]);
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The header of the dispositions is written after the ledger was opened.
    poll_until("the ledger is open", || {
        assert!(holder.try_wait().unwrap().is_none(), "the holder ended early");
        bench.path("data").join("store").metadata().ok()
    });
    let output = bench.run("lookup", &["--rider", "R1", "--at", "2013-03-01T10:30:00Z"]);
    assert_eq!((code(&output), stdout(&output)), (75, ""));
    assert!(stderr(&output).contains("in use") && stderr(&output).contains("--url"), "{}", stderr(&output));
    let mut input = holder.stdin.take().unwrap();
    writeln!(input, "{ORDER}").unwrap();
    drop(input);
    let ended = holder.wait_with_output().unwrap();
    assert_eq!(code(&ended), 0);
    assert!(stdout(&ended).contains("\"accepted\":1"), "{}", stdout(&ended));
    bench.ok("statement", &[]);
}

#[test]
fn a_batch_answers_every_row_in_order() {
    let bench = bench_with("");
    let rows = "rider_id,at,from,to\nR1,2013-03-01T10:30:00Z,,\nR1,,,\nR1,,2013-03-01T10:30:00Z,2013-03-01T12:00:00Z\n";
    fs::write(bench.path("q.csv"), rows).unwrap();
    assert_eq!(bench.ok("lookup", &["--batch", "q.csv", "--out", "a.ndjson"]), "");
    let answers = bench.json_lines("a.ndjson");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["verdict"], "covered");
    assert_eq!(answers[1]["line"], 3);
    assert!(answers[1]["error"].is_string());
    assert_eq!(answers[2]["verdict"], "partly_covered");
}

#[test]
fn a_service_is_asked_and_its_answer_printed_as_it_came() {
    let bench = Bench::flights();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ask = |reply: &str| {
        let child = binary()
            .args(["lookup", "--url", &url, "--rider", "R 1", "--at", "2013-03-01T10:30:00+08:00"])
            // The question goes to the service itself.
            .envs([("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir(bench.folder.path())
            .spawn()
            .unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        // All of the request is read: unread bytes would reset the connection.
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let line = head.next().unwrap();
        assert!(head.any(|line| line.is_empty()));
        drop(head);
        stream.write_all(reply.as_bytes()).unwrap();
        drop(stream);
        (line, child.wait_with_output().unwrap())
    };
    let (asked, output) = ask("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"verdict\":\"x\"}");
    assert_eq!(asked, "GET /v1/coverage?rider_id=R%201&at=2013-03-01T10%3A30%3A00%2B08%3A00 HTTP/1.1");
    assert_eq!((code(&output), stdout(&output)), (0, "{\"verdict\":\"x\"}\n"), "{}", stderr(&output));
    let (_, output) = ask("HTTP/1.1 400 Bad Request\r\n\r\n{\"type\":\"t\",\"detail\":\"the rider is odd\"}");
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).contains("the rider is odd"), "{}", stderr(&output));
}

#[test]
fn rejections_are_listed_exported_sent_again_and_settled() {
    let odd = ORDER.replace("\"o1\"", "\"o2\"").replace("ride_hailing", "kite_flying").replace("R1", "R2");
    let bench = bench_with(&format!("{odd}\n"));
    // A record that names no rider would have kept the statement out.
    fs::write(bench.path("in.jsonl"), format!("{ORDER}\n{odd}\nnot json \u{7}\n")).unwrap();
    bench.ok("ingest", &["in.jsonl"]);
    let list = bench.ok("rejections", &[]);
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("rejected:unknown_category unresolved aa o2 (file line 2)"), "{list}");
    let at = ["--rider", "R2", "--at", "2013-03-01T10:30:00Z"];
    assert!(bench.ok("lookup", &at).contains("a rejected record of the rider may concern the time"));

    bench.ok("rejections", &["--export", "out.ndjson"]);
    let exported = bench.json_lines("out.ndjson");
    assert_eq!(exported[1]["raw_base64"], "bm90IGpzb24gBw==");
    assert_eq!(exported[0]["rider_id"], "R2");
    assert_eq!(bench.ok("rejections", &["--to", "2013-01-01T00:00:00Z"]), "");

    // Nothing was mended: rejected again, it only counts.
    let again = bench.json("rejections", &["--redrive"]);
    assert_eq!((&again["dispositions"]["rejected"], &again["resolved"]), (&2.into(), &0.into()), "{again}");
    assert_eq!(bench.ok("rejections", &[]), list);

    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let mended = format!("{config}\n[[rate]]\ncategory = \"kite_flying\"\nper_order = \"0.5\"\n");
    fs::write(bench.path("flights.toml"), mended).unwrap();
    let again = bench.json("rejections", &["--reason", "unknown_category", "--redrive"]);
    assert_eq!((&again["dispositions"]["accepted"], &again["resolved"]), (&1.into(), &1.into()), "{again}");
    assert!(bench.ok("lookup", &at).starts_with("COVERED"));
    assert!(bench.ok("statement", &[]).contains("kite_flying,2013-03,1,0.500000"));

    let done = bench.json("rejections", &["--resolve", "a test line"]);
    assert_eq!(done["resolved"], 1);
    let left = bench.ok("rejections", &["--reason", "malformed_json", "--json"]);
    assert!(left.contains("\"by\":\"operator\"") && left.contains("a test line"), "{left}");
    assert_eq!(bench.ok("rejections", &["--unresolved"]), "");
    // The same file again neither brings the settled ones back nor books anything.
    bench.ok("ingest", &["in.jsonl"]);
    assert_eq!(bench.ok("rejections", &["--unresolved"]), "");
    assert_eq!(bench.ok("rejections", &["--json"]).lines().count(), 2);
}
