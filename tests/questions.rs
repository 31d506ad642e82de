//! Questions of CSV files, names of platforms and times of arguments, through the real program.

#![cfg(test)]

mod testkit;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};
use testkit::cases::Bench;
use testkit::program::{self, Program};

const NOON: &str = "2013-03-01T10:30:00Z";

fn order(platform: &str, order_id: &str, rider: &str) -> String {
    format!(
        r#"{{"platform":"{platform}","order_id":"{order_id}","rider_id":"{rider}","category":"ride_hailing","region":"310000","accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T11:00:00Z"}}"#
    )
}

/// R1 rode for aa, R2 and R3 for bb; nothing is still to come.
fn bench() -> Bench {
    let bench = Bench::flights();
    let orders = [order("aa", "o1", "R1"), order("bb", "o2", "R2"), order("bb", "o3", "R3")];
    fs::write(bench.path("in.jsonl"), orders.join("\n")).unwrap();
    bench.ok("ingest", &["--complete-through", "2014-01-01T00:00:00Z", "in.jsonl"]);
    bench
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `lookup --batch` makes of a file.
fn asked(bench: &Bench, questions: &[u8]) -> Output {
    fs::write(bench.path("q.csv"), questions).unwrap();
    bench.run("lookup", &["--batch", "q.csv", "--out", "-"])
}

fn answers(bench: &Bench, questions: &[u8]) -> Vec<Value> {
    let output = asked(bench, questions);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The file is refused as a whole: exit code 1, nothing on standard output.
fn refused(bench: &Bench, questions: &[u8], why: &str) {
    let output = asked(bench, questions);
    let said = stderr(&output);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains(why), "{why}: {said}");
}

#[test]
fn a_column_with_a_meaning_over_http_has_it_in_csv() {
    let bench = bench();
    let text = format!(
        "rider_id,at,platform,reference,rider_id_2\nR1,{NOON},bb,claim 7,\nR1,{NOON},aa bb,,\nR1,{NOON},,,\n\
         R0,{NOON},bb,,R3\n"
    );
    let found = answers(&bench, text.as_bytes());
    let verdicts: Vec<&str> = found.iter().map(|answer| answer["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["not_covered", "covered", "covered", "covered"]);
    assert_eq!((&found[0]["platform"][0], &found[0]["reference"]), (&"bb".into(), &"claim 7".into()));
    assert!(found[2]["platform"].is_null() && found[2]["reference"].is_null());
    assert_eq!(found[3]["rider_id"], serde_json::json!(["R0", "R3"]));
}

#[test]
fn a_service_is_asked_the_same_and_says_which_platforms_and_times_there_are() {
    let bench = bench();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    fs::write(bench.path("flights.toml"), format!("{config}\n[http]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    let mut service = Program::serve(&bench.path("flights.toml"), &[]);
    let url = format!("http://{}", service.address());
    let text = format!("rider_id,at,platform,reference,note\nR1,{NOON},bb,c-1,x\nR1,{NOON},,,\n,{NOON},,,\n");
    fs::write(bench.path("q.csv"), text).unwrap();
    let lookup = |args: &[&str]| {
        let mut command = program::binary();
        command.current_dir(bench.folder.path()).args(["lookup", "--url", &url]).args(args).output().unwrap()
    };
    let output = lookup(&["--batch", "q.csv", "--out", "-"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["verdict"], &lines[0]["reference"]), (&"not_covered".into(), &"c-1".into()));
    assert_eq!(lines[1]["verdict"], "covered");
    assert_eq!(lines[2]["line"], 4);

    // 10:30 UTC is 05:30 in the zone of the flights.
    let local = lookup(&["--rider", "R1", "--at", "2013年3月1日 5:30"]);
    let answer: Value = serde_json::from_slice(&local.stdout).unwrap();
    assert_eq!(
        (&answer["verdict"], &answer["from"]),
        (&"covered".into(), &"2013-03-01T05:30:00.000-05:00".into())
    );
    let unknown = lookup(&["--rider", "R1", "--at", NOON, "--platform", "a"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
    assert!(stderr(&unknown).contains("known are aa, bb"), "{}", stderr(&unknown));
}

#[test]
fn a_note_that_takes_in_rows_ends_the_file() {
    let bench = bench();
    let row = |rider: &str, note: &str| format!("{rider},{NOON},{note}\n");
    let text = format!(
        "rider_id,at,note\n{}{}{}{}",
        row("R9", "\"open"),
        row("R1", "x"),
        row("R2", "y\""),
        row("R1", "z")
    );
    refused(&bench, text.as_bytes(), "the quote that opens on line 2 runs on to line 4");
    // A note over lines is a note.
    let text = format!(
        "rider_id,at,note\n{}called twice,\nno answer\"\n{}",
        row("R9", "\"open").trim_end(),
        row("R1", "x")
    );
    assert_eq!(answers(&bench, text.as_bytes()).len(), 2);
}

#[test]
fn a_file_of_another_format_is_named_once() {
    let bench = bench();
    for (text, what) in [
        (format!("{{\"rider_id\":\"R1\",\"at\":\"{NOON}\"}}\n"), "JSON lines"),
        (format!("[{{\"rider_id\":\"R1\",\"at\":\"{NOON}\"}}]\n"), "a JSON array"),
        (format!("\"rider_id,at\nR1,{NOON}\n"), "is never closed"),
        (format!("rider\"_id,at\nR1,{NOON}\n"), "a quote is misplaced"),
    ] {
        refused(&bench, text.as_bytes(), what);
        let said = stderr(&asked(&bench, text.as_bytes()));
        assert_eq!(said.matches(what).count(), 1, "{said}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_a_pipe_is_read() {
    let bench = bench();
    let text = format!("\u{feff}rider_id,at\r\nR1,{NOON}\r\n");
    assert_eq!(answers(&bench, text.as_bytes())[0]["verdict"], "covered");
    let mut command = bench.command("lookup", &["--batch", "-", "--out", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("{\"verdict\":\"covered\""));
}

#[test]
fn a_column_that_nearly_has_a_meaning_is_named() {
    let bench = bench();
    for (header, column) in [
        ("Rider_ID,at", "`Rider_ID` looks like rider_id"),
        ("rider id,at", "`rider id` looks like rider_id"),
        ("riderId,at", "`riderId` looks like rider_id"),
        ("rider_id,at,platfrom", "`platfrom` looks like platform"),
        ("rider_id,at,Platform", "`Platform` looks like platform"),
        ("rider_id,at,From", "`From` looks like from"),
        ("rider_id,at,reference ", "`reference ` looks like reference"),
    ] {
        let fields = header.matches(',').count();
        refused(&bench, format!("{header}\nR1,{NOON}{}\n", ",x".repeat(fields - 1)).as_bytes(), column);
    }
    let text = format!("rider_id,at,city,骑手,note\nR1,{NOON},x,y,z\n");
    assert_eq!(answers(&bench, text.as_bytes())[0]["verdict"], "covered");
}

#[test]
fn what_a_spreadsheet_made_of_the_file_is_named() {
    let bench = bench();
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let mark = if big { [0xFE, 0xFF] } else { [0xFF, 0xFE] };
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.swap_bytes().to_be_bytes() };
        let units = text.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(units).collect()
    };
    let plain = format!("rider_id,at\nR1,{NOON}\n");
    refused(&bench, plain.replace(',', ";").as_bytes(), "separated by `;`");
    refused(&bench, plain.replace(',', "\t").as_bytes(), "separated by tabs");
    refused(&bench, format!("sep=,\n{plain}").as_bytes(), "delete it");
    refused(&bench, plain.replace('\n', "\r").as_bytes(), "carriage return");
    refused(&bench, &utf16(&plain, false), "in UTF-16");
    refused(&bench, &utf16(&plain, true), "in UTF-16");
    refused(&bench, b"PK\x03\x04\x14\0\x06\0", "workbook");
    refused(&bench, format!("rider_id,rider_id,at\nR1,R2,{NOON}\n").as_bytes(), "as columns 1 and 2");
    refused(&bench, format!("rider_id,at,at\nR1,{NOON},{NOON}\n").as_bytes(), "as columns 2 and 3");
    refused(&bench, b"", "the file is empty");
    refused(&bench, b"name,at\n", "it names name, at");
    // GBK: of a row it is the row's own defect, of the header the file's.
    let row = [
        b"rider_id,at,note\nR1,".as_slice(),
        NOON.as_bytes(),
        b",\xC4\xE3\xBA\xC3\nR1,",
        NOON.as_bytes(),
        b",x\n",
    ];
    let found = answers(&bench, &row.concat());
    assert!(found[0]["error"].as_str().unwrap().contains("probably GBK"), "{}", found[0]);
    assert_eq!(found[1]["verdict"], "covered");
    refused(&bench, b"\xC4\xE3\xBA\xC3,rider_id,at\n", "probably GBK");
}

#[test]
fn a_quote_that_never_closes_swallows_no_row() {
    let bench = bench();
    let row = |rider: &str| format!("{rider},{NOON}\n");
    let (r1, r2) = (row("R1"), row("R2"));
    let many = r2.repeat(5_000);
    for (text, line) in [
        (format!("rider_id,at\n{r1}\"{r1}{r2}{r2}"), 3),
        (format!("rider_id,at\n{r1}\"{r1}{many}"), 3),
        (format!("rider_id,at\n\"{r1}\"R2\",{NOON}\n{r2}"), 2),
        (format!("rider_id,at\n{r1}\"R1,{NOON}\nR2\",{NOON}\n{r2}"), 3),
        (format!("rider_id,at\n{r1}R1,\"{NOON}\nR2,{NOON}\""), 3),
    ] {
        refused(&bench, text.as_bytes(), &format!("the quote that opens on line {line} "));
    }
    fs::write(bench.path("kept.ndjson"), "kept").unwrap();
    assert_eq!(bench.run("lookup", &["--batch", "q.csv", "--out", "kept.ndjson"]).status.code(), Some(1));
    assert_eq!(fs::read_to_string(bench.path("kept.ndjson")).unwrap(), "kept");
    // A note may contain line ends; it is pointed out.
    let output = asked(
        &bench,
        format!("rider_id,at,note\nR1,{NOON},\"a\nb\"\n{}", r2.replace('\n', ",\n")).as_bytes(),
    );
    assert_eq!(
        (output.status.code(), output.stdout.iter().filter(|byte| **byte == b'\n').count()),
        (Some(0), 2)
    );
    assert!(stderr(&output).contains("from line 2 to 3"), "{}", stderr(&output));
}

#[test]
fn a_row_that_is_no_question_is_its_own_error() {
    let bench = bench();
    let text = format!("rider_id,at\nR1,{NOON},x\nR1\nR1,{NOON}\nR\"1,{NOON}\n,{NOON}\n");
    let found = answers(&bench, text.as_bytes());
    let errors: Vec<&str> = found.iter().map(|line| line["error"].as_str().unwrap_or("none")).collect();
    assert_eq!(&errors[..3], ["3 fields where the header has 2", "1 fields where the header has 2", "none"]);
    assert!(
        errors[3].starts_with("a quote is misplaced") && errors[4] == "rider_id is missing",
        "{errors:?}"
    );
    assert_eq!(found[4]["line"], 6);
}

#[test]
fn an_identifier_that_a_spreadsheet_damaged_is_refused() {
    let bench = bench();
    for identifier in [
        "3.10115E+17",
        "3.10115e17",
        "\"3,10115E+17\"",
        "310115200000000123.0",
        "#REF!",
        "#N/A",
        "\"=\"\"310115\"\"\"",
        "'310115",
        "\"310,115,200\"",
        "310115199001010000",
    ] {
        let text =
            format!("rider_id,at,rider_id_2\n{identifier},{NOON},\nR1,{NOON},{identifier}\nR1,{NOON},\n");
        let found = answers(&bench, text.as_bytes());
        for bad in &found[..2] {
            let error = bad["error"].as_str().unwrap_or_default();
            assert!(error.contains("damaged by a spreadsheet"), "{identifier}: {bad}");
        }
        assert_eq!(found[2]["verdict"], "covered");
    }
}

#[test]
fn an_unknown_platform_is_an_error() {
    let bench = bench();
    let commands: [(&str, &[&str]); 3] = [
        ("statement", &["--platform", "a"]),
        ("rejections", &["--platform", "a"]),
        ("lookup", &["--rider", "R1", "--at", NOON, "--platform", "aa", "--platform", "a"]),
    ];
    for (command, args) in commands {
        let output = bench.run(command, args);
        let said = stderr(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{command}: {said}");
        assert!(
            said.contains("--platform a: no such platform") && said.contains("known are aa, bb"),
            "{said}"
        );
    }
    assert_eq!(bench.ok("statement", &["--platform", "aa"]).lines().count(), 2);
    assert_eq!(bench.ok("rejections", &["--platform", "aa"]), "");
}

#[test]
fn times_are_taken_as_people_type_them() {
    let bench = bench();
    // 10:30 UTC is 05:30 in the zone of the flights.
    for at in [
        "2013-03-01 05:30:00",
        "2013/3/1 5:30",
        "2013年3月1日 5:30",
        "２０１３-03-01 05:30",
        "2013-03-01",
        NOON,
    ] {
        let answer = bench.json("lookup", &["--rider", "R1", "--at", at, "--json"]);
        let expected = if at == "2013-03-01" { "partly_covered" } else { "covered" };
        assert_eq!(answer["verdict"], expected, "{at}");
    }
    let day =
        bench.json("timeline", &["--rider", "R1", "--from", "2013-03-01", "--to", "2013-03-01", "--json"]);
    assert_eq!(day["orders"].as_array().unwrap().len(), 1);
    let output = bench.run("lookup", &["--rider", "R1", "--at", "1/3/2013"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--at 1/3/2013"), "{}", stderr(&output));
}
