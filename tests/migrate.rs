//! A ledger that was made of files moves into a real object store and back: every answer is the same, a death anywhere costs little,
//! and what is damaged or in the way is found. Backups go there and come back.

#![cfg(test)]
#![cfg(feature = "object-store")]

mod testkit;

use coverledger::storage::crash_points::{Point, VARIABLE};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use testkit::bucket::Bucket;
use testkit::program::{Program, binary};
use testkit::seaweedfs::{BUCKET, KEY, SECRET, SeaweedFs};

const ORDERS: u64 = 6_000;
/// Bytes of a piece: the ledger has some of them.
const PIECE: &str = "30000";
const SIGABRT: i32 = 6;

/// A machine: a folder with a data directory and configurations.
struct Machine {
    folder: TempDir,
    endpoints: String,
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Machine {
    fn new(seaweed: &SeaweedFs) -> Self {
        let [one, other] = &seaweed.endpoints;
        Self { folder: TempDir::new().unwrap(), endpoints: format!("[\"{one}\", \"{other}\"]") }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration with a data directory and, if one is named, a bucket.
    fn config(&self, name: &str, data_dir: &str, bucket: Option<&str>) -> PathBuf {
        let url = bucket.map(|bucket| format!("url = \"{bucket}\"\n")).unwrap_or_default();
        let text = format!(
            "timezone = \"Asia/Shanghai\"\n[ledger]\ndata_dir = \"{data_dir}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[storage]\n{url}\
             endpoints = {}\ncache_bytes = \"16MiB\"\n[ingest]\nbatch_records = 1500\n[platform_defaults]\nrecords_from = 2026-01-01\n\
             [access]\n[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.07\"\n",
            self.endpoints
        );
        let path = self.at(&format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    /// Some riders of the ledger.
    fn riders(&self) -> Vec<String> {
        let bytes = fs::read(self.at("orders-3.jsonl")).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let rider = |line: &str| Some(line.split_once("\"rider_id\":\"")?.1.split_once('"')?.0.to_owned());
        let mut riders: Vec<String> =
            text.lines().filter_map(rider).filter(|rider| rider.len() == 24).collect();
        riders.sort();
        riders.dedup();
        riders.truncate(8);
        assert_eq!(riders.len(), 8);
        riders
    }

    /// A ledger of files in `data`, with a token.
    fn fill(&self) -> PathBuf {
        let config = self.config("local", "data", None);
        for seed in ["3", "4"] {
            let file = self.at(&format!("orders-{seed}.jsonl"));
            let args = ["generate", "--orders", &ORDERS.to_string(), "--seed", seed, "--riders", "50"];
            let more =
                ["--days", "3", "--amended", "0.05", "--bad", "0.02", "--open", "0.1", "--conflicts", "0.01"];
            let made = binary().args(args).args(more).output().unwrap();
            fs::write(&file, made.stdout).unwrap();
            told(&config, &["ingest", path(&file)]);
        }
        told(&config, &["token", "create", "auditor-system", "--role", "auditor", "--expires", "365d"]);
        config
    }
}

fn run(config: &Path, args: &[&str], crash_at: Option<&str>) -> Output {
    let mut command = binary();
    command.args(args).arg("--config").arg(config);
    with_credentials(&mut command);
    if let Some(point) = crash_at {
        command.env(VARIABLE, point);
    }
    command.output().unwrap()
}

fn with_credentials(command: &mut Command) {
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
}

/// What a command that succeeds prints.
fn told(config: &Path, args: &[&str]) -> String {
    let output = run(config, args, None);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What a command that fails says, and its exit code.
fn refused(config: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(config, args, None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(!said.contains(SECRET), "{said}");
    (output.status.code(), said)
}

fn migrate(config: &Path, to: &str) -> Value {
    let said = told(config, &["migrate", "--json", "--piece-bytes", PIECE, "--to", to]);
    println!("{}", said.trim_end());
    serde_json::from_str(&said).unwrap()
}

/// Dies at a point of a migration.
fn die(config: &Path, to: &str, point: &str) {
    let output = run(config, &["migrate", "--piece-bytes", PIECE, "--to", to], Some(point));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.signal(), Some(SIGABRT), "{point}: {said}");
}

/// Everything that a ledger answers: statements, riders now and as they were known, and what `verify` counts.
fn answers(machine: &Machine, config: &Path) -> Vec<String> {
    let mut answers = vec![told(config, &["statement", "--format", "csv"])];
    for rider in machine.riders() {
        for known_at in [None, Some("2"), Some("5")] {
            let mut args = vec![
                "lookup",
                "--json",
                "--rider",
                &rider,
                "--from",
                "2026-11-20T00:00:00+08:00",
                "--to",
                "2026-11-22T00:00:00+08:00",
            ];
            known_at.iter().for_each(|at| args.extend(["--known-at", at]));
            answers.push(told(config, &args));
        }
        let times = ["--from", "2026-11-20T00:00:00+08:00", "--to", "2026-11-23T00:00:00+08:00"];
        answers.push(told(config, &[["timeline", "--json", "--rider", &rider].as_slice(), &times].concat()));
    }
    answers.push(told(config, &["rejections"]));
    let verified: Value = serde_json::from_str(&told(config, &["verify", "--json"])).unwrap();
    assert_eq!(verified["holds"], true, "{verified}");
    answers.extend(
        ["newest_commit", "commits", "rows", "versions", "kept_records", "values"]
            .map(|key| verified[key].to_string()),
    );
    answers
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn there_and_back_every_answer_is_the_same_and_a_death_anywhere_costs_little() {
    let seaweed = SeaweedFs::start();
    let machine = Machine::new(&seaweed);
    let local = machine.fill();
    let before = answers(&machine, &local);
    let mark = machine.at("data/MOVED");
    let mut hashes = Vec::new();
    for (nth, point) in Point::OF_COPIES.iter().enumerate() {
        let to = format!("s3://{BUCKET}/nation-{nth}");
        let is_piece = matches!(point, Point::StagedPieceWritten | Point::StagedPieceRecorded);
        let at = if is_piece { format!("{}:3", point.name()) } else { point.name().to_owned() };
        die(&local, &to, &at);
        // Until it counts, the ledger is where it was.
        let is_marked =
            matches!(point, Point::SourceMarked | Point::StagedFullWritten | Point::StagedPublished);
        assert_eq!(mark.exists(), is_marked, "{at}");
        if !is_marked {
            told(&local, &["verify"]);
        }
        let done = migrate(&local, &to);
        let (copied, reused) = (number(&done["values_copied"]), number(&done["pieces_reused"]));
        match point {
            Point::StagedPieceWritten => assert!(reused == 2 && copied > 0, "{at}: {done}"),
            Point::StagedPieceRecorded => assert!(reused == 3 && copied > 0, "{at}: {done}"),
            Point::StagedPublished => assert_eq!(done["was_done_before"], true, "{at}: {done}"),
            // What did not fill a piece is small.
            _ => assert!(reused > 3 && number(&done["bytes_copied"]) < 256 << 10, "{at}: {done}"),
        }
        hashes.push((done["hash"].clone(), done["commit"].clone()));
        let (code, said) = refused(&local, &["ingest", path(&machine.at("orders-3.jsonl"))]);
        assert!(code == Some(1) && said.contains(&format!("it was migrated to {to}")), "{code:?} {said}");
        fs::remove_file(&mark).unwrap();
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "one state has one hash: {hashes:?}");
    let there = machine.config("bucket", "data", Some(&format!("s3://{BUCKET}/nation-0")));
    assert_eq!(answers(&machine, &there), before);
    come_back(&machine, &there, (&before, &hashes[0].0));
    // What a copy left behind says nothing about a chain that is there.
    let bucket = Bucket::of(&seaweed);
    for nth in 0..Point::OF_COPIES.len() {
        assert_eq!(bucket.names(&format!("nation-{nth}/slice/0-of-1/stage")), Vec::<String>::new(), "{nth}");
    }
}

/// From the bucket into a folder, with deaths on the way.
fn come_back(machine: &Machine, bucket: &Path, (before, hash): (&[String], &Value)) {
    let target = machine.at("data-2");
    let to = path(&target);
    for point in ["copy.piece_recorded:2", "copy.source_marked"] {
        die(bucket, to, point);
        assert!(!target.exists(), "{point}");
    }
    let done = migrate(bucket, to);
    assert!(number(&done["pieces_reused"]) >= 2 && number(&done["values_copied"]) == 0, "{done}");
    assert_eq!(&done["hash"], hash);
    let (code, said) = refused(bucket, &["ingest", path(&machine.at("orders-3.jsonl"))]);
    assert!(
        code == Some(1) && said.contains("it was migrated to") && said.contains("delete the object"),
        "{said}"
    );
    let back = machine.config("back", "data-2", None);
    assert_eq!(answers(machine, &back), before);
    assert!(told(&back, &["token", "list"]).contains("auditor-system"));
    // It goes on there.
    let file = machine.at("more.jsonl");
    let made = binary().args(["generate", "--orders", "100", "--seed", "9"]).output().unwrap();
    fs::write(&file, made.stdout).unwrap();
    told(&back, &["ingest", path(&file)]);
    told(&back, &["verify"]);
}

#[test]
fn what_is_damaged_on_the_way_is_found_and_what_is_in_the_way_is_refused() {
    let seaweed = SeaweedFs::start();
    let (machine, bucket) = (Machine::new(&seaweed), Bucket::of(&seaweed));
    let local = machine.fill();
    let (prefix, to) = ("damaged", format!("s3://{BUCKET}/damaged"));
    die(&local, &to, "copy.whole");
    let segments = bucket.names(&format!("{prefix}/slice/0-of-1/seg"));
    assert!(segments.len() > 3, "{segments:?}");
    // One changed byte, one object that is cut short, one that is gone.
    let mut bytes = bucket.get(&segments[0]).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bucket.put(&segments[0], bytes);
    let short = bucket.get(&segments[1]).unwrap();
    bucket.put(&segments[1], short[..short.len() - 1].to_vec());
    bucket.delete(&segments[2]);
    let all = u64::try_from(segments.len()).unwrap();
    let done = migrate(&local, &to);
    assert!(number(&done["pieces_reused"]) == all - 3 && number(&done["values_copied"]) > 0, "{done}");
    let there = machine.config("bucket", "data", Some(&to));
    told(&there, &["verify"]);

    fs::remove_file(machine.at("data/MOVED")).unwrap();
    let (_, said) = refused(&local, &["migrate", "--to", &to]);
    assert!(said.contains("it is not empty; name a new one"), "{said}");
    let (code, said) = refused(&local, &["migrate", "--to", path(&machine.at("other"))]);
    assert!(code == Some(2) && said.contains("lies in a folder"), "{code:?} {said}");
    let (code, said) = refused(&local, &["migrate", "--to", "s3://x"]);
    assert!(code == Some(2) && said.contains("no name of a bucket"), "{code:?} {said}");
    let (_, said) = refused(&there, &["migrate", "--to", path(&machine.at("data/inside"))]);
    assert!(said.contains("is in the data directory"), "{said}");
    fs::create_dir(machine.at("full")).unwrap();
    fs::write(machine.at("full/file"), "x").unwrap();
    let (_, said) = refused(&there, &["migrate", "--to", path(&machine.at("full"))]);
    assert!(said.contains("the folder is not empty"), "{said}");
    let (_, said) = refused(&there, &["migrate", "--to", "s3://no-such-bucket/x"]);
    assert!(said.contains("s3://no-such-bucket"), "{said}");
}

#[test]
fn beside_a_running_service_it_copies_ahead_and_the_rest_goes_when_that_is_stopped() {
    let seaweed = SeaweedFs::start();
    let machine = Machine::new(&seaweed);
    let local = machine.fill();
    let to = format!("s3://{BUCKET}/ahead");
    let (_, said) = refused(&local, &["migrate", "--ahead", "--to", &to]);
    assert!(said.contains("no service answers"), "{said}");
    let mut service = Program::serve_with(&local, &[], &mut with_credentials);
    service.address();
    let (code, said) = refused(&local, &["migrate", "--to", &to]);
    assert!(code == Some(75) && said.contains("--ahead"), "{code:?} {said}");
    let ahead = told(&local, &["migrate", "--ahead", "--json", "--piece-bytes", PIECE, "--to", &to]);
    println!("{}", ahead.trim_end());
    assert_eq!(service.terminate(), Some(0));
    // What comes until then is the rest.
    let file = machine.at("more.jsonl");
    let made = binary().args(["generate", "--orders", "200", "--seed", "9"]).output().unwrap();
    fs::write(&file, made.stdout).unwrap();
    told(&local, &["ingest", path(&file)]);
    let before = answers(&machine, &local);
    let done = migrate(&local, &to);
    let ahead: Value = serde_json::from_str(&ahead).unwrap();
    assert!(number(&done["bytes_copied"]) < number(&ahead["bytes_copied"]) / 2, "{done}");
    assert!(number(&done["pieces_reused"]) > 3, "{done}");
    let there = machine.config("bucket", "data", Some(&to));
    assert_eq!(answers(&machine, &there), before);
}

#[test]
fn a_backup_in_a_bucket_is_verified_there_and_restored_into_a_folder_and_into_a_bucket() {
    let seaweed = SeaweedFs::start();
    let machine = Machine::new(&seaweed);
    let local = machine.fill();
    let before = answers(&machine, &local);
    let (beside, without) = (format!("s3://{BUCKET}/beside"), format!("s3://{BUCKET}/without"));
    let mut service = Program::serve_with(&local, &[], &mut with_credentials);
    service.address();
    told(&local, &["backup", &beside]);
    assert_eq!(service.terminate(), Some(0));
    told(&local, &["backup", &without]);
    let (_, said) = refused(&local, &["backup", &without]);
    assert!(said.contains("it is not empty"), "{said}");
    for (nth, from) in [&beside, &without].into_iter().enumerate() {
        let backup = machine.config("backup", "cache-only", Some(from));
        assert_eq!(answers(&machine, &backup), before, "{from}");
        let folder = machine.config("folder", &format!("restored-{nth}"), None);
        if nth == 1 {
            let text = fs::read_to_string(&folder).unwrap();
            fs::write(&folder, format!("{text}[answers]\ndir = \"fast\"\n")).unwrap();
        }
        told(&folder, &["restore", "--from", from]);
        assert_eq!(answers(&machine, &folder), before, "{from}");
        assert!(told(&folder, &["token", "list"]).contains("auditor-system"), "{from}");
        assert!(told(&folder, &["answers", "verify"]).contains("answer log main"), "{from}");
        assert_eq!(machine.at("fast/main").is_dir(), nth == 1);
        let (_, said) = refused(&folder, &["restore", "--from", from]);
        assert!(said.contains("the folder is not empty"), "{said}");
    }
    // The backup admits whom it admitted before: it did not move.
    let target = format!("s3://{BUCKET}/restored");
    let bucket = machine.config("bucket", "restored-2", Some(&target));
    told(&bucket, &["restore", "--from", &beside]);
    assert_eq!(answers(&machine, &bucket), before);
    assert!(told(&bucket, &["token", "list"]).contains("auditor-system"));
    told(&bucket, &["ingest", path(&machine.at("orders-3.jsonl"))]);
}
