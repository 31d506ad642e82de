//! Real order streams against answers that other programs computed: the real binary, from files to answers.

#![cfg(test)]

mod testkit;

use coverledger::domain::event::ExactTime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use testkit::cases::{Bench, Case, H1_FOLDER, table};
use testkit::program::binary;
use testkit::skipped::skipped;

/// After the second run, every so many-th question is asked again.
const SAMPLE: usize = 1;
const COMPLETE: [&str; 3] = ["--complete-through", "2100-12-31T00:00:00Z", "--future"];

type Row = BTreeMap<String, String>;

fn march() -> Case {
    Case::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/flights-march"))
}

#[test]
fn flights_march_agrees_with_the_oracle() {
    agrees(&march());
}

#[test]
fn flights_h1_agrees_with_the_oracle() {
    match std::env::var_os(H1_FOLDER) {
        Some(folder) => {
            agrees(&Case::new(folder));
            eprintln!("flights-h1: run");
        }
        None => skipped("flights-h1 from files", "set COVERLEDGER_CASES_H1 to its folder"),
    }
}

fn agrees(case: &Case) {
    let bench = Bench::flights();
    let started = Instant::now();
    let said = |what: &str| eprintln!("{}: {what} ({:.1} s)", case.name, started.elapsed().as_secs_f64());
    let checked = binary().current_dir(bench.folder.path()).args(["check-config", "flights.toml"]).output();
    assert_eq!(checked.unwrap().status.code(), Some(0));

    let expected = expected_counts(case);
    let first = ingest_without_statement(&bench, case, "first.csv");
    assert_eq!(fs::read(bench.path("first.csv")).unwrap(), case.bytes("dispositions.csv"), "dispositions");
    assert_eq!(counts(&first), expected);
    said(&format!("{} lines ingested: every disposition agrees, nothing is stated", first["records"]));
    let statement = bench.ok("statement", &[]);
    assert_eq!(as_the_oracle_writes(&statement), case.rows("statement.csv"), "statement");
    said("the statement agrees");

    // Stated by a run of its own, over nothing, while every refused record is still unresolved.
    fs::write(bench.path("nothing.jsonl"), "").unwrap();
    bench.ok("ingest", &[COMPLETE[0], COMPLETE[1], COMPLETE[2], "nothing.jsonl"]);
    let lookups = case.rows("lookups.csv");
    let mut held =
        lookups_agree(&bench, &lookups, &["unreadable_record", "rejected_record", "conflicting_record"]);
    said(&format!("{} lookups agree, but for these: {}", lookups.len(), listed(&held)));
    let resolved = bench.json("rejections", &["--unreadable", "--resolve", "no tail number"]);
    said(&format!("{} records in which no rider can be read resolved", resolved["resolved"]));
    let by_rider = lookups_agree(&bench, &rows_of(&held), &["rejected_record", "conflicting_record"]);
    said(&format!("of these lookups the records of their own riders keep open {}", listed(&by_rider)));
    names_are_in_the_feed(&bench, &by_rider);
    held.retain(|(row, _)| by_rider.iter().all(|(other, _)| other != row));
    said(&format!("{} timelines agree", timelines_agree(&bench, case)));

    let unresolved = bench.ok("rejections", &["--unresolved", "--json"]).lines().count();
    let resolved = bench.json("rejections", &["--resolve", "test"]);
    assert_eq!(resolved["resolved"], unresolved);
    assert_eq!(bench.ok("rejections", &["--unresolved", "--json"]), "");
    assert!(lookups_agree(&bench, &rows_of(&by_rider), &[]).is_empty(), "after resolving");
    said(&format!("{unresolved} records resolved: these lookups agree too"));

    let kept = bench.ok("rejections", &["--json"]);
    // Every line without a rider is known again, and resolved: nothing speaks against a statement.
    let input = case.path("orders.jsonl");
    let input = input.to_str().unwrap();
    let again = ["--dispositions", "again.csv", COMPLETE[0], COMPLETE[1], COMPLETE[2], input];
    let again = bench.json("ingest", &again);
    assert_eq!(counts(&again), second_counts(case));
    assert_eq!(bench.ok("statement", &[]), statement, "statement after the second run");
    assert_eq!(bench.ok("rejections", &["--json"]), kept, "rejections after the second run");
    let sample: Vec<Row> = lookups.iter().step_by(SAMPLE).cloned().collect();
    assert!(lookups_agree(&bench, &sample, &[]).is_empty(), "after the second run");
    said(&format!("the same file again: {}; nothing changed", again["dispositions"]));
}

/// The feed has orders without a rider: a run over it states nothing and reports that.
fn ingest_without_statement(bench: &Bench, case: &Case, dispositions: &str) -> Value {
    let input = case.path("orders.jsonl");
    let input = input.to_str().unwrap();
    let args = ["--dispositions", dispositions, COMPLETE[0], COMPLETE[1], COMPLETE[2], input];
    let output = bench.run("ingest", &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no rider can be read"), "{said}");
    let summary = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(summary.lines().last().unwrap()).unwrap()
}

/// A question that an unresolved record keeps open, with the reason.
type Held = (Row, String);

fn rows_of(held: &[Held]) -> Vec<Row> {
    held.iter().map(|(row, _)| row.clone()).collect()
}

/// Counts by reason, and the first few questions.
fn listed(held: &[Held]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    held.iter().for_each(|(_, reason)| *counts.entry(reason).or_default() += 1);
    let first =
        held.iter().take(20).map(|(row, reason)| format!("{} at {} ({reason})", row["rider_id"], row["at"]));
    format!("{counts:?}: {}", first.collect::<Vec<_>>().join(", "))
}

/// Each rider whose own records keep an answer open is named by an unresolved record.
fn names_are_in_the_feed(bench: &Bench, held: &[Held]) {
    let unresolved = bench.ok("rejections", &["--unresolved", "--json"]);
    let records = unresolved.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let riders: BTreeSet<String> =
        records.filter_map(|record| record["rider_id"].as_str().map(str::to_owned)).collect();
    for (row, _) in held {
        assert!(riders.contains(&row["rider_id"]), "no unresolved record names {}", row["rider_id"]);
    }
}

/// Counts by disposition, without reasons.
fn expected_counts(case: &Case) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = NAMES.map(|name| (name.to_owned(), 0)).into();
    for row in case.rows("dispositions.csv") {
        let name = row["disposition"].split(':').next().unwrap().to_owned();
        *counts.get_mut(&name).unwrap() += 1;
    }
    counts
}

const NAMES: [&str; 7] = ["accepted", "amended", "duplicate", "stale", "conflict", "rejected", "control"];

fn counts(summary: &Value) -> BTreeMap<String, u64> {
    NAMES.map(|name| (name.to_owned(), summary["dispositions"][name].as_u64().unwrap())).into()
}

/// What the same lines must become the second time: those of the stored revision are duplicates (or conflicts), those of
/// an earlier one are stale, and a refused line is refused again.
fn second_counts(case: &Case) -> BTreeMap<String, u64> {
    let orders = case.bytes("orders.jsonl");
    let revision_of = |line: &[u8]| {
        let event: Value = serde_json::from_slice(line).unwrap();
        let name = |field: &str| event[field].as_str().unwrap().to_owned();
        ((name("platform"), name("order_id")), event["revision"].as_u64().unwrap_or(0))
    };
    let rows = case.rows("dispositions.csv");
    let known: Vec<_> = orders
        .split(|&byte| byte == b'\n')
        .zip(&rows)
        .map(|(line, row)| (row["disposition"].split(':').next().unwrap(), line))
        .map(|(first, line)| (first, (first != "rejected").then(|| revision_of(line))))
        .collect();
    let mut newest = BTreeMap::new();
    for (order, revision) in known.iter().filter_map(|(_, known)| known.as_ref()) {
        let held = newest.entry(order).or_insert(*revision);
        *held = (*held).max(*revision);
    }
    let mut counts: BTreeMap<String, u64> = NAMES.map(|name| (name.to_owned(), 0)).into();
    for (first, known) in &known {
        let again = match known {
            None => "rejected",
            Some((order, revision)) if *revision < newest[order] => "stale",
            Some(_) if *first == "conflict" => "conflict",
            Some(_) => "duplicate",
        };
        *counts.get_mut(again).unwrap() += 1;
    }
    counts
}

/// The oracle's columns of a statement; the others must be zero.
fn as_the_oracle_writes(statement: &str) -> Vec<Row> {
    let mut rows = table(statement.as_bytes());
    for row in &mut rows {
        for zero in ["uncharged_completed", "uncharged_transferred", "unrated"] {
            assert_eq!(row.remove(zero).as_deref(), Some("0"), "{row:?}");
        }
        // The oracle writes four decimals, the contract six.
        let exact = row.get_mut("premium_exact").unwrap();
        *exact = exact.strip_suffix("00").unwrap().to_owned();
    }
    rows
}

/// Asks everything; returns the questions that unresolved records keep open for one of `reasons`, and fails when another
/// answer differs.
fn lookups_agree(bench: &Bench, lookups: &[Row], reasons: &[&str]) -> Vec<Held> {
    let mut questions = "rider_id,at\n".to_owned();
    for row in lookups {
        questions.push_str(&format!("{},{}\n", row["rider_id"], row["at"]));
    }
    fs::write(bench.path("questions.csv"), questions).unwrap();
    bench.ok("lookup", &["--batch", "questions.csv", "--out", "answers.ndjson"]);
    let answers = bench.json_lines("answers.ndjson");
    assert_eq!(answers.len(), lookups.len());
    let mut held = Vec::new();
    for (row, answer) in lookups.iter().zip(&answers) {
        if answer["verdict"] == "undetermined" {
            assert_eq!(
                row["verdict"], "not_covered",
                "an open answer takes no cover away: {row:?}: {answer}"
            );
            let given =
                answer["platforms"].as_array().unwrap().iter().filter_map(|line| line["reason"].as_str());
            let given: BTreeSet<&str> = given.collect();
            let reason = reasons.iter().find(|reason| given.contains(*reason));
            assert!(given.iter().all(|reason| reasons.contains(reason)), "{row:?}: {answer}");
            held.push((row.clone(), (*reason.expect("an unsettled platform has a reason")).to_owned()));
        } else {
            assert_eq!(answer["verdict"], row["verdict"].as_str(), "{row:?}: {answer}");
        }
        let orders: Vec<String> = answer["windows"].as_array().unwrap().iter().map(order_name).collect();
        assert_eq!(orders.join(";"), row["covering_orders"], "{row:?}: {answer}");
        let before = instant(answer["nearest_before"]["ends_at"].as_str().unwrap_or_default());
        assert_eq!(before, instant(&row["nearest_end_before"]), "{row:?}: {answer}");
        let after = instant(answer["nearest_after"]["starts_at"].as_str().unwrap_or_default());
        assert_eq!(after, instant(&row["nearest_start_after"]), "{row:?}: {answer}");
    }
    held
}

fn order_name(window: &Value) -> String {
    format!("{}/{}", window["platform"].as_str().unwrap(), window["order_id"].as_str().unwrap())
}

/// Milliseconds; `None` of an empty text.
fn instant(text: &str) -> Option<i64> {
    (!text.is_empty()).then(|| ExactTime::parse(text).unwrap().floor().millis())
}

/// Asks for every timeline; returns how many there are.
fn timelines_agree(bench: &Bench, case: &Case) -> usize {
    type Cover = Vec<(Option<i64>, Option<i64>)>;
    let mut expected: BTreeMap<[String; 3], Cover> = BTreeMap::new();
    for row in case.rows("timelines.csv") {
        let key = ["rider_id", "week_from", "week_to"].map(|name| row[name].clone());
        let cover = expected.entry(key).or_default();
        if !row["covered_from"].is_empty() {
            cover.push((instant(&row["covered_from"]), instant(&row["covered_to"])));
        }
    }
    for ([rider, from, to], expected) in &expected {
        let found = bench.json("timeline", &["--rider", rider, "--from", from, "--to", to, "--json"]);
        let time = |line: &Value, name: &str| instant(line[name].as_str().unwrap());
        let cover = found["cover"].as_array().unwrap().iter();
        let cover: Cover = cover.map(|line| (time(line, "from"), time(line, "to"))).collect();
        assert_eq!(&cover, expected, "{rider} {from}");
    }
    expected.len()
}

/// Several runs over parts of the stream, in different packings, come to the same statement.
#[test]
fn parts_in_several_runs_come_to_the_same() {
    let (case, bench) = (march(), Bench::flights());
    let orders = case.bytes("orders.jsonl");
    let lines: Vec<&[u8]> = orders.split_inclusive(|&byte| byte == b'\n').collect();
    let third = lines.len() / 3;
    let part = |from: usize, to: usize| lines[from..to].concat();
    fs::write(bench.path("1.jsonl"), part(0, third)).unwrap();
    let packed = fs::File::create(bench.path("2.jsonl.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(&part(third, 2 * third)).unwrap();
    packed.finish().unwrap();
    let packed = zstd::encode_all(part(2 * third, lines.len()).as_slice(), 1).unwrap();
    fs::write(bench.path("3.jsonl.zst"), packed).unwrap();

    bench.ok("ingest", &["--dispositions", "1.csv", "1.jsonl"]);
    let packed = ["2.jsonl.gz", "3.jsonl.zst"];
    // Orders without a rider are among them; nothing is stated, so that the run ends with 0.
    bench.ok("ingest", &["--dispositions", "2.csv", packed[0], packed[1]]);
    assert_eq!(as_the_oracle_writes(&bench.ok("statement", &[])), case.rows("statement.csv"));
    let became = |name: &str| {
        let rows = table(&fs::read(bench.path(name)).unwrap()).into_iter();
        rows.map(|row| row["disposition"].clone()).collect::<Vec<_>>()
    };
    let expected: Vec<String> =
        case.rows("dispositions.csv").into_iter().map(|row| row["disposition"].clone()).collect();
    assert_eq!([became("1.csv"), became("2.csv")].concat(), expected);
}
