//! Reading changes nothing: not a byte of the data directory, not the configuration in force, not completeness.

#![cfg(test)]

mod testkit;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;
use testkit::program::{Program, binary};

const LINES: &str = r#"{"platform":"meituan","order_id":"o1","rider_id":"R1","category":"instant_delivery","region":"310115","accepted_at":"2025-07-10T12:00:00+08:00","ended_at":"2025-07-10T12:30:00+08:00"}
{"platform":"meituan","order_id":"o2","rider_id":"R1","category":"ride_hailing","region":"310115","accepted_at":"2025-07-10T13:00:00+08:00","ended_at":"2025-07-10T13:30:00+08:00"}
{"platform":"meituan","order_id":"o3","rider_id":"R9",NaN
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    /// A ledger with two orders, one of them without a rate, and a rejected line.
    fn new() -> Self {
        let this = Self { folder: TempDir::new().unwrap() };
        this.configure("");
        fs::write(this.path("in.jsonl"), LINES).unwrap();
        let lines = this.path("in.jsonl");
        let done =
            this.run(&["ingest", "--complete-through", "2025-07-11T00:00:00Z", lines.to_str().unwrap()]);
        assert!(done.status.success(), "{done:?}");
        this
    }

    fn configure(&self, more: &str) {
        let text = format!(
            "[ledger]\ndata_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n[[rate]]\ncategory = \
             \"instant_delivery\"\nper_order = \"0.25\"\n[[rate]]\ncategory = \"ride_hailing\"\nregion = \"44\"\nper_order = \"0.20\"\n{more}[platform.meituan]\nrecords_from = 2025-07-01\n"
        );
        fs::write(self.path("coverledger.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let (first, rest) = args.split_first().unwrap();
        let config = self.path("coverledger.toml");
        binary()
            .current_dir(self.folder.path())
            .arg(first)
            .arg("--config")
            .arg(config)
            .args(rest)
            .output()
            .unwrap()
    }

    fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every file of the data directory, with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path("data"), &mut files);
        files
    }

    /// Takes the right to write away; a superuser keeps it, and the files are compared all the same.
    fn protect(&self, mode: u32) {
        let data = self.path("data");
        for folder in [data.join("store"), data.join("segments"), data] {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

const AT: [&str; 5] = ["lookup", "--rider", "R1", "--at", "2025-07-10T12:07:31+08:00"];
const DAY: [&str; 7] =
    ["timeline", "--rider", "R1", "--from", "2025-07-10T00:00:00+08:00", "--to", "2025-07-11T00:00:00+08:00"];

#[test]
fn commands_that_ask_change_nothing_whatever_configuration_they_are_given() {
    let place = Place::new();
    let before = place.files();
    place.protect(0o555);
    let asked = || {
        [&AT[..], &DAY, &["statement"], &["rejections", "--json"], &["verify", "--json"]]
            .map(|args| place.text(args))
    };
    let answers = asked();
    assert!(answers[0].starts_with("COVERED") && answers[3].contains("malformed"), "{answers:?}");
    // A rate for the order without one.
    place.configure("[[rate]]\ncategory = \"ride_hailing\"\nper_order = \"0.10\"\n");
    assert_eq!(asked(), answers);
    let warned = place.run(&AT);
    assert!(String::from_utf8_lossy(&warned.stderr).contains("not the configuration in force"), "{warned:?}");
    assert_eq!(place.files(), before);
    // What writes does so: the order is priced now.
    place.protect(0o755);
    place.text(&["rejections", "--resolve", "a test"]);
    assert_ne!(place.text(&["statement"]), answers[2]);
    assert_ne!(place.files(), before);
}

#[test]
fn a_ledger_that_is_not_there_is_not_made() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("coverledger.toml");
    fs::write(&config, "[ledger]\ndata_dir = \"data\"\n[platform_defaults]\nrecords_from = 2025-07-01\n")
        .unwrap();
    let output = binary().args(AT).arg("--config").arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("no ledger in"), "{said}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_service_that_only_reads_answers_and_says_so() {
    let place = Place::new();
    let before = place.files();
    place.protect(0o555);
    let config = place.path("coverledger.toml");
    let mut program = Program::serve(&config, &["--read-only"]);
    program.ready();
    assert_eq!(program.text("/readyz", "*/*"), "ready, read-only\n");
    let progress = program.get("/v1/progress");
    assert_eq!(progress["read_only"], true, "{progress}");
    let through = progress["platforms"][0]["complete_through"].clone();
    assert!(through.as_str().unwrap().starts_with("2025-07-11T"), "{progress}");
    let covered = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T12:07:31%2B08:00");
    assert_eq!(covered["verdict"], "covered", "{covered}");
    // Two of them, and commands, share the directory; one that writes waits for them to end.
    let second = place.path("second.toml");
    fs::copy(&config, &second).unwrap();
    let mut other = Program::serve(&second, &["--read-only"]);
    assert_eq!(other.get("/v1/progress")["platforms"][0]["complete_through"], through);
    assert!(place.text(&AT).starts_with("COVERED"));
    let writing = place.run(&["ingest", "in.jsonl"]);
    assert_eq!(writing.status.code(), Some(75), "{writing:?}");
    assert_eq!((program.terminate(), other.terminate()), (Some(0), Some(0)));
    assert_eq!(place.files(), before);
    place.protect(0o755);
}

#[test]
fn what_a_crash_left_is_read_and_left() {
    let place = Place::new();
    fs::create_dir_all(place.path("data/segments")).unwrap();
    fs::write(place.path("data/segments/0000000000000009.new"), b"half").unwrap();
    fs::write(place.path("data/HEAD.tmp"), b"coverledger HEAD 1\n").unwrap();
    let before = place.files();
    assert!(place.text(&AT).starts_with("COVERED"));
    assert!(place.text(&["verify"]).contains("everything holds"));
    assert_eq!(place.files(), before);
}
