//! Real order streams in ten parts: what was answered after each part is answered again after the last one.
//!
//! The streams have amendments, conflicting records, records that cannot be taken in, and orders that come late for what was
//! declared complete.

use crate::testkit::cases::{Bench, Case, H1_FOLDER};
use crate::testkit::skipped::skipped;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const PARTS: usize = 10;
/// Questions after each part.
const QUESTIONS: usize = 200;

/// What was answered after one part.
struct Answered {
    commit: String,
    questions: String,
    answers: String,
    statement: String,
    timelines: Vec<([String; 3], String)>,
}

#[test]
fn answers_at_ten_commits_of_the_march_flights_are_given_again() {
    given_again(&Case::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/flights-march")));
}

#[test]
fn answers_at_ten_commits_of_the_half_year_are_given_again() {
    match std::env::var_os(H1_FOLDER) {
        Some(folder) => given_again(&Case::new(folder)),
        None => skipped("flights-h1 as known at ten commits", "set COVERLEDGER_CASES_H1 to its folder"),
    }
}

fn given_again(case: &Case) {
    let bench = Bench::flights();
    fs::write(bench.path("nothing.jsonl"), "").unwrap();
    let lookups = case.rows("lookups.csv");
    let orders = case.bytes("orders.jsonl");
    let lines: Vec<&[u8]> = orders.split_inclusive(|&byte| byte == b'\n').collect();
    let mut answered = Vec::new();
    for (number, part) in lines.chunks(lines.len().div_ceil(PARTS)).enumerate() {
        take_in(&bench, part);
        // Another choice of riders and times after each part.
        let chosen = lookups.iter().skip(number).step_by((lookups.len() / QUESTIONS).max(1)).take(QUESTIONS);
        let rows: Vec<&BTreeMap<String, String>> = chosen.collect();
        answered.push(ask(&bench, case, &rows));
    }
    let resolved = bench.json("rejections", &["--resolve", "test"]);
    let (mut equal, mut changed) = (0, 0);
    for earlier in &answered {
        let known_at = ["--known-at", earlier.commit.as_str()];
        let again = answers(&bench, &earlier.questions, &known_at);
        let now = answers(&bench, &earlier.questions, &[]);
        for ((then, again), now) in earlier.answers.lines().zip(again.lines()).zip(now.lines()) {
            assert_eq!(again, then, "as known at commit {}", earlier.commit);
            equal += 1;
            changed += usize::from(verdict(then) != verdict(now));
        }
        assert_eq!(again, earlier.answers, "as known at commit {}", earlier.commit);
        assert_eq!(bench.ok("statement", &known_at), earlier.statement, "commit {}", earlier.commit);
        for (question, then) in &earlier.timelines {
            assert_eq!(&timeline(&bench, question, &known_at), then, "commit {}", earlier.commit);
        }
    }
    assert_eq!(answered.len(), PARTS);
    assert!(changed > 0, "no verdict changed on the way: the comparison shows nothing");
    println!(
        "{}: {equal} answers at {PARTS} commits are given again byte for byte; the verdict of {changed} differs now; {} records resolved",
        case.name, resolved["resolved"]
    );
}

/// Takes in some lines, then declares the time before the last of them complete.
fn take_in(bench: &Bench, part: &[&[u8]]) {
    fs::write(bench.path("part.jsonl"), part.concat()).unwrap();
    bench.ok("ingest", &["part.jsonl"]);
    let accepted_at = |line: &&[u8]| {
        let event: Value = serde_json::from_slice(line).ok()?;
        let text = event["accepted_at"].as_str()?;
        text.starts_with("2013-").then(|| text.to_owned())
    };
    let through = part.iter().rev().find_map(accepted_at).unwrap();
    bench.ok("ingest", &["--complete-through", &through, "--future", "nothing.jsonl"]);
}

fn ask(bench: &Bench, case: &Case, rows: &[&BTreeMap<String, String>]) -> Answered {
    let mut questions = "rider_id,at\n".to_owned();
    for row in rows {
        questions.push_str(&format!("{},{}\n", row["rider_id"], row["at"]));
    }
    let answers = answers(bench, &questions, &[]);
    assert_eq!(answers.lines().count(), rows.len());
    let first: Value = serde_json::from_str(answers.lines().next().unwrap()).unwrap();
    let weeks = case.rows("timelines.csv").into_iter().step_by(997).take(3);
    let weeks = weeks.map(|row| ["rider_id", "week_from", "week_to"].map(|name| row[name].clone()));
    let timelines = weeks.map(|week| (week.clone(), timeline(bench, &week, &[]))).collect();
    let commit = first["as_of"]["commit"].to_string();
    Answered { commit, questions, answers, statement: bench.ok("statement", &[]), timelines }
}

/// The answers to a file of questions, a line each.
fn answers(bench: &Bench, questions: &str, more: &[&str]) -> String {
    fs::write(bench.path("questions.csv"), questions).unwrap();
    bench.ok("lookup", &[&["--batch", "questions.csv", "--out", "answers.ndjson"], more].concat());
    fs::read_to_string(bench.path("answers.ndjson")).unwrap()
}

fn timeline(bench: &Bench, [rider, from, to]: &[String; 3], more: &[&str]) -> String {
    bench.ok("timeline", &[&["--rider", rider, "--from", from, "--to", to, "--json"], more].concat())
}

fn verdict(answer: &str) -> Value {
    serde_json::from_str::<Value>(answer).unwrap()["verdict"].clone()
}
