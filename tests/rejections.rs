//! Kept records through the real program: filtered, resolved in bulk, mended and sent again.

#![cfg(test)]

mod testkit;

use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use testkit::cases::Bench;

fn order(order_id: &str, rider: &str, ended: &str) -> String {
    format!(
        r#"{{"platform":"aa","order_id":"{order_id}","rider_id":"{rider}","category":"ride_hailing","region":"310000","accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T{ended}Z"}}"#
    )
}

/// A ledger that holds what these lines are, complete through 2013.
fn bench(lines: &[Vec<u8>]) -> Bench {
    let bench = Bench::flights();
    fs::write(bench.path("good.jsonl"), order("o1", "R1", "11:00:00")).unwrap();
    bench.ok("ingest", &["--complete-through", "2014-01-01T00:00:00Z", "good.jsonl"]);
    fs::write(bench.path("in.jsonl"), lines.join(&b'\n')).unwrap();
    bench.ok("ingest", &["in.jsonl"]);
    bench
}

/// One of each kind: a wrong time, a byte order mark within the file, a number that is none, other bytes, an array, other
/// content under a known revision.
fn odd_lines() -> Vec<Vec<u8>> {
    let good = |order_id: &str, rider: &str| order(order_id, rider, "11:00:00");
    vec![
        order("o2", "R2", "noon").into_bytes(),
        format!("\u{feff}{}", good("o3", "R3")).into_bytes(),
        good("o4", "R4").replace('}', ",\"distance_km\":NaN}").into_bytes(),
        b"\x1F\x8B\x08\0".to_vec(),
        format!("[{}]", good("o5", "R5")).into_bytes(),
        order("o1", "R1", "12:00:00").into_bytes(),
    ]
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lines of JSON that a list gives.
fn listed(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let text = bench.ok("rejections", &[args, &["--json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(bench: &Bench, args: &[&str]) -> Vec<u64> {
    listed(bench, args).iter().map(|line| line["id"].as_u64().unwrap()).collect()
}

fn verdict(bench: &Bench, rider: &str) -> String {
    let at = ["--rider", rider, "--at", "2013-03-01T10:30:00Z", "--json"];
    bench.json("lookup", &at)["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn records_are_filtered_by_number_line_detail_and_rider() {
    let bench = bench(&odd_lines());
    let all = listed(&bench, &[]);
    let id = |line: usize| all[line - 1]["id"].as_u64().unwrap();
    let number = |line: usize| id(line).to_string();
    assert_eq!(all.len(), 6);
    assert_eq!(ids(&bench, &["--id", &number(2)]), [id(2)]);
    assert_eq!(
        ids(&bench, &["--id", &format!("{}-{}", id(2), id(3)), "--id", &number(5)]),
        [id(2), id(3), id(5)]
    );
    assert_eq!(ids(&bench, &["--line", "4-5"]), [id(4), id(5)]);
    let content = all[2]["origin"]["content"].as_str().unwrap();
    assert_eq!(ids(&bench, &["--content", content]), [id(3)]);
    assert_eq!(ids(&bench, &["--detail", "ended_at"]), [id(1)]);
    assert_eq!(ids(&bench, &["--rider", "R2"]), [id(1)]);
    assert_eq!(ids(&bench, &["--reason", "conflict"]), [id(6)]);
    assert!(ids(&bench, &["--unreadable"]).contains(&id(4)));
    assert!(!ids(&bench, &["--unreadable"]).contains(&id(1)));
    assert_eq!(ids(&bench, &["--from", "2013-01-01", "--to", "2014-01-01"]), [0; 0]);
    let kinds: Vec<&str> = all.iter().map(|line| line["keeps_open"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "rejected_record");
    assert_eq!((kinds[3], kinds[5]), ("unreadable_record", "conflicting_record"));
    assert_eq!(ids(&bench, &["--topic", "orders.aa"]), [0; 0]);
    assert_eq!(ids(&bench, &["--offset", "1"]), [0; 0]);
    for args in
        [["--id", "x"], ["--line", "3-1"], ["--content", "00"], ["--partition", "x"], ["--from", "soon"]]
    {
        assert_eq!(bench.run("rejections", &args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn rejections_and_conflicts_are_resolved_in_bulk_for_one_reason() {
    // More than one commit resolves.
    let mut lines = odd_lines();
    lines.extend((0..12_000).map(|number| order(&format!("b{number}"), "R9", "noon").into_bytes()));
    let bench = bench(&lines);
    assert_eq!(verdict(&bench, "R9"), "undetermined");
    let resolve = |args: &[&str]| bench.json("rejections", &[args, &["--resolve", "ticket 4711"]].concat());
    assert_eq!(resolve(&["--reason", "bad_time", "--to", "2014-01-01"]), json!({"resolved": 0}));
    assert_eq!(
        resolve(&["--reason", "bad_time", "--platform", "aa", "--from", "2014-01-01"]),
        json!({"resolved": 12_001})
    );
    assert_eq!(resolve(&["--reason", "conflict"]), json!({"resolved": 1}));
    assert_eq!(ids(&bench, &["--reason", "conflict", "--unresolved"]), [0; 0]);
    assert_eq!(resolve(&["--reason", "bad_time"]), json!({"resolved": 0}));
    // Records in which no rider can be read concern R9, too.
    let unreadable = ids(&bench, &["--unreadable", "--unresolved"]).len();
    assert!(unreadable > 0);
    assert_eq!(verdict(&bench, "R9"), "undetermined");
    assert_eq!(resolve(&["--unreadable"]), json!({"resolved": unreadable}));
    assert_eq!(verdict(&bench, "R9"), "not_covered");
    let resolutions: Vec<Value> = listed(&bench, &["--reason", "bad_time"])
        .into_iter()
        .map(|line| line["resolution"].clone())
        .collect();
    assert!(resolutions.iter().all(|resolution| resolution["reason"] == "ticket 4711"));
    let mut commits: Vec<u64> = resolutions.iter().map(|line| line["commit"].as_u64().unwrap()).collect();
    commits.dedup();
    assert_eq!(commits.len(), 2, "bounded commits");
    assert_eq!(ids(&bench, &["--unresolved"]).len(), 4 - unreadable);
    bench.ok("verify", &[]);
}

#[test]
fn records_are_exported_plain_mended_and_sent_again() {
    let bench = bench(&odd_lines());
    bench.ok("rejections", &["--export-plain", "mend.ndjson"]);
    let mut lines = bench.json_lines("mend.ndjson");
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0]["record"]["rider_id"], "R2");
    assert!(lines[1]["text"].as_str().unwrap().starts_with("\u{feff}{"));
    let written = fs::read_to_string(bench.path("mend.ndjson")).unwrap();
    assert!(written.contains(r#""text":"\ufeff{"#), "what cannot be seen is escaped: {written}");
    assert_eq!(lines[3]["base64"], "H4sIAA==");
    assert!(lines[4]["text"].as_str().unwrap().starts_with('['));

    let good = |order_id: &str, rider: &str| -> Value {
        serde_json::from_str(&order(order_id, rider, "11:00:00")).unwrap()
    };
    lines[0]["record"]["ended_at"] = "2013-03-01T11:00:00Z".into();
    lines[1]["text"] = lines[1]["text"].as_str().unwrap().trim_start_matches('\u{feff}').into();
    lines[2]["text"] = lines[2]["text"].as_str().unwrap().replace("NaN", "1.5").into();
    lines[3].as_object_mut().unwrap().remove("base64");
    lines[3]["record"] = good("o6", "R6");
    lines[5]["record"]["revision"] = 1.into();
    // The array stays as it is: refused again, with its number.
    let left = lines[4]["rejection"].as_u64().unwrap();
    let mended: String = lines.iter().map(|line| format!("{line}\r\n\n")).collect();
    fs::write(bench.path("mend.ndjson"), format!("\u{feff}{mended}")).unwrap();
    assert_eq!(verdict(&bench, "R2"), "undetermined");
    let output = bench.run("rejections", &["--send", "mend.ndjson"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&result["records"], &result["resolved"], &result["not_sent"]),
        (&6.into(), &5.into(), &0.into())
    );
    assert_eq!(result["rejected"], json!({"malformed_json": 1}));
    assert!(
        said.contains(&format!("rejection {left} stays: the record is refused again, malformed_json: ")),
        "{said}"
    );
    assert_eq!(ids(&bench, &["--unresolved"]), [left]);
    for rider in ["R2", "R3", "R4", "R6"] {
        assert_eq!(verdict(&bench, rider), "covered", "{rider}");
    }
    // Sent once more, nothing changes.
    let again = bench.json("rejections", &["--send", "mend.ndjson"]);
    assert_eq!((&again["records"], &again["resolved_before"]), (&1.into(), &5.into()), "{again}");
    let statement = bench.json("statement", &["--format", "json"]);
    assert_eq!(statement[0]["orders_charged"], 5);
    bench.ok("verify", &[]);
}

#[test]
fn a_file_with_wrong_lines_is_not_sent_and_a_record_is_not_put_beside_another_number() {
    let bench = bench(&odd_lines());
    bench.ok("rejections", &["--line", "1-2", "--export-plain", "mend.ndjson"]);
    let lines = bench.json_lines("mend.ndjson");
    let (first, second) = (lines[0]["rejection"].as_u64().unwrap(), lines[1]["rejection"].as_u64().unwrap());
    let send = |text: String| {
        fs::write(bench.path("mend.ndjson"), text).unwrap();
        bench.run("rejections", &["--send", "mend.ndjson"])
    };
    let record = |rejection: u64, order_id: &str, rider: &str| {
        format!("{{\"rejection\":{rejection},\"record\":{}}}\n", order(order_id, rider, "11:00:00"))
    };
    let good = record(first, "o2", "R2");
    for (wrong, what) in [
        (
            record(second, "o3", "R3").replace("record", "recrod"),
            "line 2: not a line of such a file: unknown field `recrod`",
        ),
        (format!("{{\"rejection\":{second}}}"), "line 2: write the record once"),
        (record(first, "o3", "R3"), "line 2: rejection 1 is on line 1 already"),
        (record(99, "o3", "R3"), "line 2: there is no rejection 99"),
        ("not json".to_owned(), "line 2: not a line of such a file"),
    ] {
        let output = send(format!("{good}{wrong}"));
        let said = stderr(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        let what = what.replace("rejection 1 ", &format!("rejection {first} "));
        assert!(said.contains(&what) && said.contains("nothing was sent"), "{what}: {said}");
        assert_eq!(verdict(&bench, "R2"), "undetermined");
    }
    // The record of line 2 beside the number of line 1.
    let output = send(record(first, "o3", "R3"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("names another order and another rider"), "{}", stderr(&output));
    assert_eq!(ids(&bench, &["--unresolved", "--line", "1-2"]), [first, second]);
    assert_eq!(send(good).status.code(), Some(0));
    assert_eq!(verdict(&bench, "R2"), "covered");
}

#[test]
fn mended_records_in_another_encoding_or_packed_are_named() {
    use std::io::Write;
    let bench = bench(&odd_lines());
    bench.ok("rejections", &["--export-plain", "mend.ndjson"]);
    let text = fs::read_to_string(bench.path("mend.ndjson")).unwrap();
    let wide = |marked: &str, text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| {
            let mut bytes = unit.to_be_bytes();
            if !big {
                bytes.reverse();
            }
            bytes
        };
        format!("{marked}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let wider: Vec<u8> = text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for (bytes, what) in [
        (wide("\u{feff}", &text, false), "iconv -f UTF-16LE -t UTF-8"),
        (wide("\u{feff}", &text, true), "iconv -f UTF-16BE -t UTF-8"),
        (wide("", &text, false), "iconv -f UTF-16LE -t UTF-8"),
        (wider, "iconv -f UTF-32BE -t UTF-8"),
        (gzip.finish().unwrap(), "gzip -dc"),
        (zstd::encode_all(text.as_bytes(), 1).unwrap(), "zstd -dc"),
    ] {
        fs::write(bench.path("mend.ndjson"), bytes).unwrap();
        let output = bench.run("rejections", &["--send", "mend.ndjson"]);
        let said = stderr(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.contains(what) && said.contains("nothing was sent"), "{what}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    fs::write(bench.path("mend.ndjson"), "[]\n").unwrap();
    let said = stderr(&bench.run("rejections", &["--send", "mend.ndjson"]));
    assert!(said.contains("line 1: not a line of such a file: it is no JSON object"), "{said}");
    assert!(!said.contains("struct"), "{said}");
}

#[test]
fn a_blank_reason_is_refused() {
    let bench = bench(&odd_lines());
    for blank in ["", " ", " \t\n", "\u{3000}", "\u{200b}"] {
        for (command, args) in [
            ("rejections", vec!["--resolve", blank]),
            ("ingest", vec!["--accept-unreadable", blank, "in.jsonl"]),
            ("serve", vec!["--skip", "t:0:1", "--reason", blank]),
            ("serve", vec!["--accept-older-state", "--reason", blank]),
        ] {
            let output = bench.run(command, &args);
            assert_eq!(output.status.code(), Some(2), "{command} {blank:?}: {}", stderr(&output));
            assert!(stderr(&output).contains("it is blank"), "{}", stderr(&output));
        }
    }
    assert_eq!(ids(&bench, &["--unresolved"]).len(), 6);
}

#[test]
fn a_record_that_is_kept_in_part_only_is_left_out_and_counted() {
    let bench = Bench::flights();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    fs::write(bench.path("flights.toml"), format!("{config}\n[limits]\nrejected_bytes_per_record = 100\n"))
        .unwrap();
    fs::write(bench.path("in.jsonl"), format!("{}\n[1]\n", order("o2", "R2", "noon"))).unwrap();
    bench.ok("ingest", &["in.jsonl"]);
    let output = bench.run("rejections", &["--export-plain", "-"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    let said = stderr(&output);
    assert!(said.contains("1 records written") && said.contains("1 records are kept in part only"), "{said}");
}

#[test]
fn a_platform_that_only_a_refused_record_names_is_known() {
    let odd = order("o2", "R2", "noon").replace("\"aa\"", "\"zz\"").into_bytes();
    let bench = bench(&[odd]);
    assert_eq!(ids(&bench, &["--platform", "zz"]).len(), 1);
    let output = bench.run("rejections", &["--platform", "z"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--platform z: no such platform"), "{}", stderr(&output));
    assert!(stderr(&output).contains("known are aa; kept records also name zz"), "{}", stderr(&output));
}

#[test]
fn a_record_that_the_configuration_passes_over_keeps_nothing_open() {
    let bench = bench(&[order("o2", "R2", "noon").into_bytes(), b"[1]".to_vec()]);
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let keeps_open =
        || -> Vec<Value> { listed(&bench, &[]).iter().map(|line| line["keeps_open"].clone()).collect() };
    assert_eq!(keeps_open(), [json!("rejected_record"), json!("unreadable_record")]);
    let table = "[platform_defaults]\n";
    assert_eq!(config.matches(table).count(), 1, "{config}");
    let warns = config.replace(table, &format!("{table}unreadable_records = \"warn\"\n"));
    fs::write(bench.path("flights.toml"), warns).unwrap();
    assert_eq!(keeps_open(), [json!("rejected_record"), Value::Null]);
}
