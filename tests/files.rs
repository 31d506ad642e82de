//! Files as they come from the field: their bytes tell what they are, and what could not be read keeps a statement out.

#![cfg(test)]

mod testkit;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};
use testkit::cases::Bench;
use testkit::program::binary;

const T: &str = "2014-01-01T00:00:00Z";
const STATE: [&str; 2] = ["--complete-through", T];
/// An instant of which nothing is stored.
const QUIET: &str = "2013-06-01T00:00:00Z";

fn order(id: usize) -> String {
    format!(
        r#"{{"platform":"aa","order_id":"o{id}","rider_id":"R{id}","category":"ride_hailing","region":"310000","accepted_at":"2013-03-01T10:00:00Z","ended_at":"2013-03-01T11:00:00Z"}}"#
    )
}

fn orders(count: usize) -> String {
    (1..=count).map(|id| order(id) + "\n").collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or(Value::Null)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn piped(bench: &Bench, args: &[&str], input: &[u8]) -> Output {
    let mut command = bench.command("ingest", args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that is refused early does not read to the end.
    let _closed = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn verdict(bench: &Bench, rider: &str) -> String {
    let answer = bench.json("lookup", &["--rider", rider, "--at", QUIET, "--json"]);
    answer["verdict"].as_str().unwrap().to_owned()
}

fn is_nothing_booked(bench: &Bench) -> bool {
    !bench.path("data").exists()
}

#[test]
fn gzip_and_zstandard_are_read_whatever_the_name() {
    let content = orders(3).into_bytes();
    let marked = [b"\xef\xbb\xbf", content.as_slice()].concat();
    let mut long = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    long.window_log(28).unwrap();
    long.write_all(&content).unwrap();
    for (name, bytes) in [
        ("orders.jsonl.gz.1", gzip(&content)),
        ("orders.zstd", zstd::encode_all(content.as_slice(), 1).unwrap()),
        ("orders.jsonl", gzip(&content)),
        ("long.zst", long.finish().unwrap()),
        ("padded.gz", [gzip(&content), vec![0; 10_240]].concat()),
        ("members.gz", [gzip(&content[..200]), gzip(&content[200..])].concat()),
        ("marked.jsonl", marked.clone()),
        ("marked.gz", gzip(&marked)),
    ] {
        for is_piped in [false, true] {
            let bench = Bench::flights();
            fs::write(bench.path(name), &bytes).unwrap();
            let output = if is_piped {
                piped(&bench, &[STATE[0], STATE[1], "-"], &bytes)
            } else {
                bench.run("ingest", &[STATE[0], STATE[1], name])
            };
            assert_eq!(output.status.code(), Some(0), "{name} {is_piped}: {}", said(&output));
            assert_eq!(summary(&output)["dispositions"]["accepted"], 3, "{name} {is_piped}");
            assert_eq!(verdict(&bench, "R1"), "not_covered", "{name}");
        }
    }
}

#[test]
fn what_is_no_json_lines_is_refused_by_name_before_anything_is_booked() {
    let csv: String = (0..2_000).map(|id| format!("aa,o{id},R{id},2013-03-01T10:00:00Z\n")).collect();
    let csv = format!("platform,order_id,rider_id,accepted_at\n{csv}");
    let array = format!("[{}]", orders(3).trim_end().replace('\n', ","));
    let wide: Vec<u8> =
        orders(3).encode_utf16().flat_map(|unit| unit.to_be_bytes().into_iter().rev()).collect();
    for (what, advice, bytes) in [
        ("xz", "xz -dc", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46".to_vec()),
        ("bzip2", "bzip2 -dc", b"BZh91AY&SY\x01".to_vec()),
        ("lz4", "lz4 -dc", b"\x04\x22\x4d\x18\x64\x40".to_vec()),
        ("zip", "unzip -p", b"PK\x03\x04\x14\0\0\0".to_vec()),
        ("7-Zip", "7z x", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec()),
        ("Parquet", "JSON lines", b"PAR1\x15\x04".to_vec()),
        ("Avro", "JSON lines", b"Obj\x01\x04\x14avro.codec".to_vec()),
        ("TOML", "--config", b"[ledger]\ndata_dir = \"data\"\n".to_vec()),
        ("UTF-16LE", "iconv -f UTF-16LE -t UTF-8", [b"\xff\xfe", wide.as_slice()].concat()),
        ("UTF-16LE", "iconv", wide),
        ("JSON array", "jq", array.into_bytes()),
        ("CSV", "JSON object", csv.clone().into_bytes()),
        ("CSV", "JSON object", gzip(csv.as_bytes())),
        ("HTML", "error page", b"<!DOCTYPE html>\n<html>".to_vec()),
    ] {
        let bench = Bench::flights();
        fs::write(bench.path("good.jsonl"), orders(3)).unwrap();
        fs::write(bench.path("orders.jsonl.gz"), &bytes).unwrap();
        let output = bench.run("ingest", &[STATE[0], STATE[1], "good.jsonl", "orders.jsonl.gz"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(said(&output).contains(what) && said(&output).contains(advice), "{what}: {}", said(&output));
        assert!(output.stdout.is_empty() && is_nothing_booked(&bench), "{what}");
        fs::write(bench.path("my orders'.gz"), &bytes).unwrap();
        let output = bench.run("ingest", &["my orders'.gz"]);
        let is_quoted = !advice.contains("-dc") || said(&output).contains(r"-dc 'my orders'\''.gz' |");
        assert!(is_quoted, "{what}: {}", said(&output));
        let output = piped(&bench, &[STATE[0], STATE[1], "-"], &bytes);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(said(&output).contains(what), "{what}: {}", said(&output));
        // Advice names the file that was piped in, not standard input.
        assert_eq!(said(&output).matches("standard input").count(), 1, "{what}: {}", said(&output));
        assert_eq!(bench.ok("statement", &[]).lines().count(), 1, "{what}");
        assert_eq!(verdict(&bench, "R1"), "undetermined", "{what}");
    }
}

#[test]
fn whole_lines_before_a_cut_are_booked_with_the_right_number_and_nothing_is_stated() {
    let content: String = (1..=3_000)
        .map(|id| order(id).replace("310000", &format!("{:06}", 310_000 + id * 7_919 % 997)) + "\n")
        .collect();
    let whole = gzip(content.as_bytes());
    let cut = &whole[..whole.len() * 2 / 3];
    let mut before = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(cut), &mut before).unwrap_err();
    let lines = before.iter().filter(|&&byte| byte == b'\n').count();
    assert!(lines > 1_000 && lines < 3_000);
    let bench = Bench::flights();
    fs::write(bench.path("cut.jsonl.gz"), cut).unwrap();
    let output = bench.run("ingest", &["--dispositions", "d.csv", STATE[0], STATE[1], "cut.jsonl.gz"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&format!("beyond line {lines}:")), "{lines}: {}", said(&output));
    assert_eq!(summary(&output)["dispositions"]["accepted"], lines);
    assert_eq!(fs::read_to_string(bench.path("d.csv")).unwrap().lines().count(), lines + 1);
    assert_eq!(verdict(&bench, "R1"), "undetermined");
    // The whole file later books the rest.
    fs::write(bench.path("cut.jsonl.gz"), &whole).unwrap();
    let again = bench.json("ingest", &[STATE[0], STATE[1], "cut.jsonl.gz"]);
    assert_eq!(again["dispositions"]["duplicate"], lines);
    assert_eq!(verdict(&bench, "R1"), "not_covered");
}

#[test]
fn an_empty_file_whose_name_says_packed_states_nothing() {
    let bench = Bench::flights();
    for ending in ["gz", "zst", "xz", "bz2", "lz4", "zip", "7z", "sz", "br", "lzma", "Z", "XZ", "xz.1", "tar"]
    {
        let name = format!("orders.jsonl.{ending}");
        fs::write(bench.path(&name), "").unwrap();
        let output = bench.run("ingest", &[STATE[0], STATE[1], &name]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert!(said(&output).contains("cut off"), "{name}: {}", said(&output));
        assert!(is_nothing_booked(&bench), "{name}");
    }
    fs::write(bench.path("orders.jsonl"), "").unwrap();
    bench.ok("ingest", &[STATE[0], STATE[1], "orders.jsonl"]);
}

#[test]
fn blank_lines_are_passed_over_and_counted_apart() {
    let bench = Bench::flights();
    let text = format!("\n{}\n \t\r\n\n{{broken\n{}\n\r\n", order(1), order(2));
    fs::write(bench.path("in.jsonl"), &text).unwrap();
    let output = bench.ok("ingest", &["--dispositions", "d.csv", "in.jsonl"]);
    let done: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&done["blank"], &done["records"]), (&4.into(), &7.into()));
    // The numbers of lines stay, and every line has a disposition.
    let blank = "rejected:malformed_json";
    let expected = ["line,disposition".to_owned(), format!("1,{blank}"), "2,accepted".to_owned()];
    let expected =
        [expected.as_slice(), &[format!("3,{blank}"), format!("4,{blank}"), format!("5,{blank}")]].concat();
    let expected = [expected.as_slice(), &["6,accepted".to_owned(), format!("7,{blank}")]].concat();
    assert_eq!(fs::read_to_string(bench.path("d.csv")).unwrap().lines().collect::<Vec<_>>(), expected);
    // Only the broken one is kept.
    let kept = bench.ok("rejections", &["--json"]);
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert!(kept.contains("\"line\":5"), "{kept}");
    // Blank lines alone keep no statement out.
    let bench = Bench::flights();
    fs::write(bench.path("in.jsonl"), format!("{}\n\n\n  \n", order(1))).unwrap();
    bench.ok("ingest", &[STATE[0], STATE[1], "in.jsonl"]);
    assert_eq!(verdict(&bench, "R9"), "not_covered");
    bench.ok("verify", &[]);
}

#[test]
fn a_record_that_names_no_rider_keeps_the_statement_out_until_it_is_accepted() {
    let bench = Bench::flights();
    fs::write(
        bench.path("in.jsonl"),
        format!("{}\n\ngarbage\n{{\"platform\":\"aa\"}}\n{}\n", order(1), order(2)),
    )
    .unwrap();
    let stated = [STATE[0], STATE[1], "in.jsonl"];
    let output = bench.run("ingest", &stated);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["2 records", "line 3", "--accept-unreadable", "rejections"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    assert_eq!(summary(&output)["dispositions"]["accepted"], 2);
    assert_eq!(verdict(&bench, "R9"), "undetermined");
    // Without a statement it is only said.
    let output = bench.run("ingest", &["in.jsonl"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("line 3"), "{}", said(&output));
    let accepted = ["--accept-unreadable", "the garbage of ticket 4711", STATE[0], STATE[1], "in.jsonl"];
    bench.ok("ingest", &accepted);
    assert_eq!(verdict(&bench, "R9"), "not_covered");
    assert_eq!(bench.ok("rejections", &["--unresolved"]), "");
    assert!(bench.ok("rejections", &["--json"]).contains("ticket 4711"));
    // Once resolved, the same file is no doubt any more.
    assert_eq!(said(&bench.run("ingest", &stated)), "");
    bench.ok("verify", &[]);
}

#[test]
fn what_leads_on_after_unreadable_records_is_said_and_does_it() {
    let bench = Bench::flights();
    fs::write(bench.path("in.jsonl"), format!("garbage\n{}\n", order(2))).unwrap();
    let output = bench.run("ingest", &[STATE[0], STATE[1], "in.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["rejections --unreadable", "--export-plain", "--send", "--resolve", "--accept-unreadable"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    // The input alone is mended: the statement is booked, and what is left is said.
    fs::write(bench.path("in.jsonl"), format!("{}\n{}\n", order(1), order(2))).unwrap();
    let output = bench.run("ingest", &[STATE[0], STATE[1], "in.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for part in ["warning:", "1 records", "rejections --unreadable --unresolved", "--resolve"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    assert_eq!(verdict(&bench, "R9"), "undetermined");
    // A run without a statement has nothing to warn of.
    assert_eq!(said(&bench.run("ingest", &["in.jsonl"])), "");
    bench.ok("rejections", &["--unreadable", "--resolve", "mended in the input"]);
    assert_eq!(said(&bench.run("ingest", &[STATE[0], STATE[1], "in.jsonl"])), "");
    assert_eq!(verdict(&bench, "R9"), "not_covered");
}

#[test]
fn a_record_that_the_same_run_mends_keeps_no_statement_out() {
    let bench = Bench::flights();
    let nameless = order(1).replace("\"rider_id\":\"R1\",", "");
    fs::write(bench.path("in.jsonl"), format!("{nameless}\n{}\n", order(1))).unwrap();
    bench.ok("ingest", &[STATE[0], STATE[1], "in.jsonl"]);
    assert_eq!(verdict(&bench, "R9"), "not_covered");
}

#[test]
fn a_typed_year_is_refused_unless_it_is_said_twice() {
    let bench = Bench::flights();
    fs::write(bench.path("in.jsonl"), orders(1)).unwrap();
    let year = ["--complete-through", "2206-11-22T00:00:00+08:00", "in.jsonl"];
    let output = bench.run("ingest", &year);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--future") && is_nothing_booked(&bench), "{}", said(&output));
    let output = bench.run("ingest", &[year[0], year[1], "--future", year[2]]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("horizon") && is_nothing_booked(&bench), "{}", said(&output));
    let later = ["--complete-through", "aa=2099-01-01T00:00:00Z", "in.jsonl"];
    assert_eq!(bench.run("ingest", &later).status.code(), Some(2));
    bench.ok("ingest", &["--future", later[0], later[1], later[2]]);
    assert_eq!(bench.run("ingest", &["--complete-through", "2013", "in.jsonl"]).status.code(), Some(2));
}

#[test]
fn a_zero_clock_lies_outside_the_default_horizon() {
    let bench = Bench::flights();
    let zero = order(1).replace("2013-03-01T10:00:00Z", "1970-01-01T08:00:00+08:00");
    let zero = zero.replace("2013-03-01T11:00:00Z", "1970-01-01T08:30:00+08:00");
    let early = order(2).replace("2013-03-01T1", "1999-12-31T1");
    let first = order(3).replace("2013-03-01T1", "2000-01-01T1");
    let ahead = order(4).replace("2013-03-01T1", "2062-03-01T1");
    fs::write(bench.path("in.jsonl"), [zero, early, first, ahead].join("\n")).unwrap();
    let done = bench.json("ingest", &["in.jsonl"]);
    assert_eq!(done["rejected"]["beyond_horizon"], 2, "{done}");
    // A file may tell of any time within the horizon.
    assert_eq!(done["dispositions"]["accepted"], 2, "{done}");
    fs::write(bench.path("late.toml"), "[limits]\nhorizon = { until = 2103-01-01T00:00:00Z }\n").unwrap();
    let output = binary().arg("check-config").arg(bench.path("late.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stdout).contains("2102"), "{output:?}");
}

#[test]
fn a_misspelt_optional_field_is_counted_and_warned_of() {
    let bench = Bench::flights();
    let misspelt = |id: usize| order(id).replace('}', ",\"outcom\":\"cancelled\",\"distance_km\":3}");
    fs::write(bench.path("in.jsonl"), format!("\n{}\n{}\n{}\n", order(1), misspelt(2), misspelt(3))).unwrap();
    let output = bench.run("ingest", &["in.jsonl"]);
    assert_eq!((output.status.code(), &summary(&output)["misspelt"]["outcome"]), (Some(0), &2.into()));
    assert!(
        said(&output).contains("2 accepted orders") && said(&output).contains("line 3"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_new_tariff_says_how_much_is_booked_at_other_prices() {
    let bench = Bench::flights();
    fs::write(bench.path("in.jsonl"), orders(3)).unwrap();
    bench.ok("ingest", &["in.jsonl"]);
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let with = |text: String| {
        fs::write(bench.path("flights.toml"), text).unwrap();
        said(&bench.run("ingest", &["/dev/null"]))
    };
    let changed = config.replacen("\"0.01\"", "\"0.02\"", 1);
    let notice = with(changed.clone());
    assert!(
        notice.contains("3 booked orders are charged 0.03 yuan in all, and would be charged 0.06"),
        "{notice}"
    );
    assert_eq!(with(changed), "", "it is said once");
    // The old prices again, and changes that meet no booked order.
    assert_eq!(with(config.clone()), "");
    assert_eq!(with(format!("# a comment\n{config}")), "");
    assert_eq!(with(format!("{config}\n[[rate]]\ncategory = \"kite_flying\"\nper_order = \"1\"\n")), "");
    assert!(bench.ok("statement", &[]).contains(",3,0.030000,"), "booked orders keep their prices");
}

#[test]
fn waiting_for_disk_space_can_be_interrupted() {
    let bench = Bench::flights();
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let full = config.replace("[ledger]\n", "[ledger]\nmin_free_bytes = \"1024TiB\"\n");
    fs::write(bench.path("flights.toml"), full).unwrap();
    fs::write(bench.path("in.jsonl"), orders(1)).unwrap();
    let output = bench.run("ingest", &["--no-wait", "in.jsonl"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("min_free_bytes"), "{}", said(&output));
}
