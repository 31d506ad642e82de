//! Files that commands write: never one that the command reads, whole or not there at all.

#![cfg(test)]

mod testkit;

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Output;
use testkit::cases::Bench;
use testkit::program::binary;

const ORDERS: &str = concat!(
    r#"{"platform":"aa","order_id":"o1","rider_id":"R1","category":"ride_hailing","region":"310000","accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T11:00:00Z"}"#,
    "\n{broken\n"
);
const QUESTIONS: &str = "rider_id,at\nR1,2013-03-01T10:30:00Z\nR2,2013-03-01T10:30:00Z\n";

fn bench() -> Bench {
    let bench = Bench::flights();
    fs::write(bench.path("orders.jsonl"), ORDERS).unwrap();
    bench.ok("ingest", &["orders.jsonl"]);
    fs::write(bench.path("q.csv"), QUESTIONS).unwrap();
    bench
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Names of the folder's entries: nothing temporary stays behind.
fn entries(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn refused(bench: &Bench, command: &str, args: &[&str]) {
    let before = entries(bench);
    let output = bench.run(command, args);
    assert_eq!(output.status.code(), Some(2), "{command} {args:?}: {}", said(&output));
    assert!(said(&output).contains("which this command reads"), "{}", said(&output));
    assert_eq!(entries(bench), before, "{command} {args:?}");
    assert_eq!(fs::read_to_string(bench.path("q.csv")).unwrap(), QUESTIONS, "{command} {args:?}");
    assert_eq!(fs::read_to_string(bench.path("orders.jsonl")).unwrap(), ORDERS, "{command} {args:?}");
}

#[test]
fn no_command_writes_to_a_file_that_it_reads() {
    let bench = bench();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    for (name, of) in [("q", "q.csv"), ("orders", "orders.jsonl"), ("config", "flights.toml")] {
        symlink(of, bench.path(&format!("soft-{name}"))).unwrap();
        symlink(format!("soft-{name}"), bench.path(&format!("softer-{name}"))).unwrap();
        fs::hard_link(bench.path(of), bench.path(&format!("hard-{name}"))).unwrap();
    }
    let absolute = bench.path("q.csv").display().to_string();
    for out in ["q.csv", "./q.csv", &absolute, "soft-q", "softer-q", "hard-q", "flights.toml", "hard-config"]
    {
        refused(&bench, "lookup", &["--batch", "q.csv", "--out", out]);
    }
    // The questions read through a link, the answers written to the file itself.
    refused(&bench, "lookup", &["--batch", "soft-q", "--out", "q.csv"]);
    for out in ["orders.jsonl", "soft-orders", "softer-orders", "hard-orders", "soft-config"] {
        refused(&bench, "ingest", &["--dispositions", out, "orders.jsonl"]);
    }
    refused(&bench, "ingest", &["--dispositions", "orders.jsonl", "q.csv", "hard-orders"]);
    for out in ["flights.toml", "softer-config", "hard-config"] {
        refused(&bench, "rejections", &["--export", out]);
    }
    assert_eq!(fs::read_to_string(bench.path("flights.toml")).unwrap(), config);
    bench.ok("verify", &[]);
}

#[test]
fn an_included_tariff_is_not_written_to() {
    let bench = bench();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    fs::write(bench.path("more.toml"), "").unwrap();
    fs::write(bench.path("flights.toml"), format!("include = [\"more.toml\"]\n{config}")).unwrap();
    refused(&bench, "ingest", &["--dispositions", "more.toml", "orders.jsonl"]);
    assert_eq!(fs::read_to_string(bench.path("more.toml")).unwrap(), "");
}

#[test]
fn standard_input_is_an_input_under_its_own_name() {
    let bench = bench();
    let ingest = |args: &[&str]| {
        let input = File::open(bench.path("orders.jsonl")).unwrap();
        bench.command("ingest", args).stdin(input).output().unwrap()
    };
    for args in [["--dispositions", "orders.jsonl", "-"], ["--dispositions", "orders.jsonl", "/dev/stdin"]] {
        let output = ingest(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert_eq!(fs::read_to_string(bench.path("orders.jsonl")).unwrap(), ORDERS);
    }
    assert_eq!(ingest(&["--dispositions", "out.csv", "-"]).status.code(), Some(0));
}

#[test]
fn a_standard_output_that_is_an_input_is_refused() {
    let bench = bench();
    for (command, args, file) in [
        ("lookup", vec!["--batch", "q.csv", "--out", "-"], "q.csv"),
        ("lookup", vec!["--batch", "q.csv", "--out", "/dev/stdout"], "q.csv"),
        ("ingest", vec!["orders.jsonl"], "orders.jsonl"),
    ] {
        let before = fs::read(bench.path(file)).unwrap();
        let appended = OpenOptions::new().append(true).open(bench.path(file)).unwrap();
        let mut child = bench.command(command, &args);
        let status = child.stdout(appended).stderr(std::process::Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{command} {args:?}");
        assert_eq!(fs::read(bench.path(file)).unwrap(), before, "{command} {args:?}");
    }
}

/// Runs a command whose standard output the shell appends to a file.
fn appended(bench: &Bench, command: &str, args: &[&str], file: &str) -> Output {
    let file = OpenOptions::new().append(true).open(bench.path(file)).unwrap();
    let mut child = match command {
        "check-config" => {
            let mut child = binary();
            child.arg(command).arg(bench.path("flights.toml")).current_dir(bench.folder.path());
            child
        }
        _ => bench.command(command, args),
    };
    child.stdout(file).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_standard_output_in_the_configuration_or_the_data_directory_is_refused() {
    let bench = bench();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    fs::write(bench.path("more.toml"), "").unwrap();
    fs::write(bench.path("flights.toml"), format!("include = [\"more.toml\"]\n{config}")).unwrap();
    bench.ok("rejections", &["--export-plain", "mend.ndjson"]);
    let segment = fs::read_dir(bench.path("data/store")).unwrap().next().unwrap().unwrap().path();
    let segment = segment.strip_prefix(bench.folder.path()).unwrap().display().to_string();
    fs::hard_link(bench.path("data/HEAD"), bench.path("hard-head")).unwrap();
    symlink("data/HEAD", bench.path("soft-head")).unwrap();
    let (at, from) =
        (["--rider", "R1", "--at", "2013-03-01"], ["--from", "2013-03-01", "--to", "2013-03-02"]);
    let span = [at[0], at[1], from[0], from[1], from[2], from[3]];
    let commands: [(&str, &[&str]); 14] = [
        ("check-config", &[]),
        ("verify", &[]),
        ("statement", &[]),
        ("timeline", &span),
        ("lookup", &at),
        ("lookup", &["--batch", "q.csv", "--out", "x.ndjson"]),
        ("rejections", &[]),
        ("rejections", &["--json"]),
        ("rejections", &["--export", "x.ndjson"]),
        ("rejections", &["--resolve", "ticket 4711"]),
        ("rejections", &["--send", "mend.ndjson"]),
        ("ingest", &["/dev/null"]),
        ("backup", &["elsewhere"]),
        ("serve", &["--read-only"]),
    ];
    for file in ["flights.toml", "more.toml", "data/HEAD", &segment, "hard-head", "soft-head"] {
        for (command, args) in commands {
            let before = fs::read(bench.path(file)).unwrap();
            let output = appended(&bench, command, args, file);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{command} {args:?} >> {file}: {said}");
            assert!(said.contains("standard output is"), "{command} {args:?} >> {file}: {said}");
            assert_eq!(fs::read(bench.path(file)).unwrap(), before, "{command} {args:?} >> {file}");
        }
    }
    assert!(!bench.path("x.ndjson").exists() && !bench.path("elsewhere").exists());
    // A configuration with errors is not written to, either.
    let usable = fs::read_to_string(bench.path("flights.toml")).unwrap();
    fs::write(bench.path("flights.toml"), format!("{usable}\n[unknown]\nx = 1\n")).unwrap();
    for file in ["flights.toml", "more.toml"] {
        let before = fs::read(bench.path(file)).unwrap();
        let output = appended(&bench, "check-config", &[], file);
        assert_eq!(output.status.code(), Some(2), ">> {file}: {}", said(&output));
        assert_eq!(fs::read(bench.path(file)).unwrap(), before, ">> {file}");
    }
    fs::write(bench.path("flights.toml"), usable).unwrap();
    let output = appended(&bench, "rejections", &["--send", "mend.ndjson"], "mend.ndjson");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    bench.ok("verify", &[]);
}

#[test]
fn the_data_directory_is_not_written_to() {
    let bench = bench();
    let head = fs::read(bench.path("data/HEAD")).unwrap();
    fs::hard_link(bench.path("data/HEAD"), bench.path("hard-head")).unwrap();
    symlink("data", bench.path("soft-data")).unwrap();
    for out in ["data/HEAD", "data/new.csv", "soft-data/store/new.csv", "hard-head"] {
        let output = bench.run("ingest", &["--dispositions", out, "orders.jsonl"]);
        assert_eq!(output.status.code(), Some(2), "{out}: {}", said(&output));
        assert!(said(&output).contains("data directory"), "{}", said(&output));
    }
    assert!(!bench.path("data/new.csv").exists());
    assert_eq!(fs::read(bench.path("data/HEAD")).unwrap(), head);
}

#[test]
fn an_output_is_replaced_only_when_it_is_whole() {
    let bench = bench();
    fs::write(bench.path("out.csv"), "before\n").unwrap();
    fs::set_permissions(bench.path("out.csv"), Permissions::from_mode(0o640)).unwrap();
    symlink("out.csv", bench.path("link.csv")).unwrap();
    // A file without the columns of questions: nothing is answered, and what was there stays.
    let before = entries(&bench);
    let output = bench.run("lookup", &["--batch", "orders.jsonl", "--out", "link.csv"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(fs::read_to_string(bench.path("out.csv")).unwrap(), "before\n");
    assert_eq!(entries(&bench), before);
    bench.ok("lookup", &["--batch", "q.csv", "--out", "link.csv"]);
    assert_eq!(fs::read_to_string(bench.path("out.csv")).unwrap().lines().count(), 2);
    assert!(fs::symlink_metadata(bench.path("link.csv")).unwrap().is_symlink());
    assert_eq!(fs::metadata(bench.path("out.csv")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(entries(&bench), before);
    // A link that leads nowhere yet.
    symlink("later.csv", bench.path("dangling.csv")).unwrap();
    bench.ok("ingest", &["--dispositions", "dangling.csv", "orders.jsonl"]);
    assert_eq!(
        fs::read_to_string(bench.path("later.csv")).unwrap(),
        "line,disposition\n1,duplicate\n2,rejected:malformed_json\n"
    );
    fs::write(bench.path("plain.txt"), "").unwrap();
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("later.csv"), mode("plain.txt"), "a new file has the mask of the process");
}

#[test]
fn devices_and_standard_output_are_written_as_they_are() {
    let bench = bench();
    bench.ok("ingest", &["--dispositions", "/dev/null", "/dev/null"]);
    for out in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let shown = bench.ok("ingest", &["--dispositions", out, "orders.jsonl"]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[..2], ["line,disposition", "1,duplicate"], "{out}");
        assert!(lines[3].starts_with("{\"blank\""), "the result comes last: {shown}");
        assert_eq!(bench.ok("lookup", &["--batch", "q.csv", "--out", out]).lines().count(), 2, "{out}");
    }
    assert!(fs::metadata("/dev/null").unwrap().permissions().mode() & 0o7777 != 0);
    let output = bench.run("ingest", &["--dispositions", ".", "orders.jsonl"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
