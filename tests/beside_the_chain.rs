//! Several processes on one ledger in a real object store: the answers of each are found through the others, a token that is revoked
//! stops everywhere, and a static file of the seal log is what HTTP serves.

#![cfg(test)]
#![cfg(feature = "object-store")]

mod testkit;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;
use tempfile::TempDir;
use testkit::bucket::Bucket;
use testkit::http;
use testkit::program::{Program, binary};
use testkit::sealed;
use testkit::seaweedfs::{BUCKET, KEY, SECRET, SeaweedFs};
use testkit::wait::poll_until;

/// A machine of its own.
struct Machine {
    folder: TempDir,
    config: PathBuf,
}

fn with_credentials(command: &mut Command) {
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
}

impl Machine {
    /// With the configuration of the bench, and a name for its answer log.
    fn new(seaweed: &SeaweedFs, name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bench = fs::read_to_string(root.join("tests/cases/flights.toml")).unwrap();
        let [one, other] = &seaweed.endpoints;
        let text = format!(
            "{bench}\n[http]\nlisten = \"127.0.0.1:0\"\n[storage]\nurl = \"s3://{BUCKET}/nation\"\nendpoints = [\"{one}\", \"{other}\"]\n\
             cache_bytes = \"16MiB\"\n[answers]\nname = \"{name}\"\n[access]\nrequests_per_second = 1000\nrequests_burst = 1000\n[seal]\nsecrets = \"seal.secrets\"\nname = \"ledger.example/seal\"\n"
        );
        let config = folder.path().join("coverledger.toml");
        fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&self, args: &[&str]) -> Program {
        Program::serve_with(&self.config, args, &mut with_credentials)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = binary();
        command.args(args).arg("--config").arg(&self.config);
        with_credentials(&mut command);
        command.output().unwrap()
    }

    fn told(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn token(&self, name: &str) -> String {
        self.told(&["token", "create", name, "--role", "admin", "--expires", "30d"]).trim_end().to_owned()
    }
}

/// The status and the body of a question with a token.
fn ask(program: &mut Program, target: &str, token: &str) -> (u16, Value) {
    let reply = http::get(&program.address(), target, &format!("Authorization: Bearer {token}\r\n"));
    let reply = reply.unwrap_or_else(|| panic!("{target}: no answer: {}", program.said()));
    (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
}

/// Waits until a question has an answer that `wanted` wants; returns it, and prints how long that took.
fn wait_for<T>(
    what: &str,
    (program, target, token): (&mut Program, &str, &str),
    wanted: impl Fn(u16, &Value) -> Option<T>,
) -> T {
    let began = Instant::now();
    let found = poll_until(what, || {
        assert!(!program.has_ended(), "it ended: {}", program.said());
        let (status, body) = ask(program, target, token);
        wanted(status, &body)
    });
    println!("{what}: {:.1} s", began.elapsed().as_secs_f64());
    found
}

const QUESTION: &str = "/v1/coverage?rider_id=R1&at=2013-03-05T11:20:00Z&reference=case-7";

fn is_answered(status: u16, _: &Value) -> Option<()> {
    (status == 200).then_some(())
}

#[test]
fn all_processes_have_the_answers_of_all_the_tokens_of_the_writer_and_the_files_of_the_seal_log() {
    let (seaweed, events) = (SeaweedFs::start(), sealed::events());
    let bucket = Bucket::of(&seaweed);
    let (writer, reader) = (Machine::new(&seaweed, "main"), Machine::new(&seaweed, "reader-1"));
    fs::write(writer.path("in.jsonl"), events.join("\n") + "\n").unwrap();
    let input = writer.path("in.jsonl");
    writer.told(&["ingest", input.to_str().unwrap(), sealed::COMPLETE[0], sealed::COMPLETE[1]]);
    let token = writer.token("first");
    let mut writing = writer.serve(&[]);
    // The reader reads with the secrets of sealing of the writer, which lie in no bucket.
    writing.address();
    fs::copy(writer.path("seal.secrets"), reader.path("seal.secrets")).unwrap();
    let mut reading = reader.serve(&["--read-only"]);
    wait_for("the reader knows the token of the writer", (&mut reading, QUESTION, &token), is_answered);

    the_answers_of_each_are_found_through_the_others(
        &seaweed,
        (&writer, &mut writing),
        (&reader, &mut reading),
        &token,
    );
    a_revoked_token_stops_at_the_reader((&writer, &mut writing), (&reader, &mut reading), &token);
    the_files_of_the_seal_log_are_those_of_http(&bucket, &mut writing);
    assert!(!writing.said().contains(SECRET) && !reading.said().contains(SECRET));

    // What was said last is there when a process has ended.
    let (status, _) =
        ask(&mut reading, "/v1/coverage?rider_id=R2&at=2013-03-05T11:20:00Z&reference=the-last", &token);
    assert_eq!(status, 200);
    assert_eq!(reading.terminate(), Some(0));
    assert!(writer.told(&["answers", "list", "--reason", "the-last"]).contains("reader-1~"));
    assert_eq!(writing.terminate(), Some(0));
    shipped_chains_are_verified(&bucket, &writer);
}

fn the_answers_of_each_are_found_through_the_others(
    seaweed: &SeaweedFs,
    (writer, writing): (&Machine, &mut Program),
    (reader, reading): (&Machine, &mut Program),
    token: &str,
) {
    let (status, _) = ask(reading, QUESTION, token);
    assert_eq!(status, 200);
    let listed = "/v1/answers?log=reader-1&reason=case-7";
    let number = wait_for(
        "the answer of the reader is found at the writer",
        (writing, listed, token),
        |status, body| {
            let entry = body["entries"].as_array()?.last()?;
            assert_eq!((status, &body["log"], &body["logs"][0]), (200, &"reader-1".into(), &"main".into()));
            entry["number"].as_u64()
        },
    );
    let (status, beside) = ask(writing, &format!("/v1/answers/{number}?log=reader-1"), token);
    assert_eq!((status, &beside["is_same_verdict"]), (200, &true.into()), "{beside}");
    assert_eq!(beside["entry"]["id"], format!("reader-1/{number}"));
    // That it was looked at is an answer as well, and says in which log.
    let (_, own) = ask(writing, "/v1/answers?kind=answer", token);
    let looked = own["entries"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&looked["question"]["number"], &looked["question"]["log"]),
        (&number.into(), &"reader-1".into()),
        "{looked}"
    );
    let (status, unknown) = ask(writing, "/v1/answers?log=no-such", token);
    assert!(status == 400 && unknown["detail"].as_str().unwrap().contains("main, reader-1"), "{unknown}");
    // And the other way round.
    wait_for(
        "an answer of the writer is found at the reader",
        (reading, "/v1/answers?log=main&kind=answer", token),
        |_, body| (!body["entries"].as_array()?.is_empty()).then_some(()),
    );
    // By command, on either machine.
    for machine in [writer, reader] {
        let listed = machine.told(&["answers", "list", "--json", "--log", "reader-1", "--reason", "case-7"]);
        assert!(listed.contains(&format!("reader-1/{number}")), "{listed}");
        machine.told(&["answers", "show", &format!("reader-1/{number}")]);
    }
    // A process with a name that is taken is told apart.
    let twin = Machine::new(seaweed, "reader-1");
    fs::copy(writer.path("seal.secrets"), twin.path("seal.secrets")).unwrap();
    let mut third = twin.serve(&["--read-only"]);
    wait_for("a third process knows the token", (&mut third, QUESTION, token), is_answered);
    wait_for("two logs of one name are told apart", (writing, "/v1/answers", token), |_, body| {
        let logs = body["logs"].as_array()?;
        let named =
            |log: &&Value| log.as_str().is_some_and(|log| log.starts_with("reader-1~") && log.len() == 17);
        (logs.iter().filter(named).count() == 2).then_some(())
    });
    assert_eq!(third.terminate(), Some(0));
}

fn a_revoked_token_stops_at_the_reader(
    (writer, writing): (&Machine, &mut Program),
    (reader, reading): (&Machine, &mut Program),
    token: &str,
) {
    let other = writer.token("second");
    wait_for("a new token works at the reader", (reading, QUESTION, &other), is_answered);
    let refused = reader.run(&["token", "revoke", "second"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1)
            && said.contains("run the command on the machine where the writer runs"),
        "{said}"
    );
    assert!(reader.told(&["token", "list"]).contains("second"));
    writer.told(&["token", "revoke", "second"]);
    let is_refused = |status, _: &Value| (status == 401).then_some(());
    wait_for("a revoked token stops at the reader", (reading, QUESTION, &other), is_refused);
    let (status, _) = ask(writing, QUESTION, &other);
    assert_eq!(status, 401);
    let (status, _) = ask(reading, QUESTION, token);
    assert_eq!(status, 200, "the other one works on");
}

fn the_files_of_the_seal_log_are_those_of_http(bucket: &Bucket, writing: &mut Program) {
    let served = |writing: &mut Program, path: &str| {
        let reply = http::get(&writing.address(), &format!("/tlog/{path}"), "").unwrap();
        (reply.status == 200).then_some(reply.body)
    };
    let text = |name: &str| {
        bucket.get(&format!("nation/side/tlog/{name}")).map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let size =
        |checkpoint: &str| checkpoint.lines().nth(1).and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
    let checkpoint = poll_until("the checkpoint of the sealed days is in the bucket", || {
        let there = text("checkpoint").filter(|there| size(there) == 7)?;
        // Signatures are the same for the same log.
        (Some(&there) == served(writing, "checkpoint").as_ref()).then_some(there)
    });
    println!("{checkpoint}");
    assert_eq!(text("keys"), served(writing, "keys"));
    let tiles = bucket.names("nation/side/tlog/tile");
    assert!(tiles.len() >= 2, "{tiles:?}");
    for tile in &tiles {
        let path = tile.strip_prefix("nation/side/tlog/").unwrap();
        let reply = http::bytes(&writing.address(), &format!("/tlog/{path}"));
        assert_eq!(reply, bucket.get(tile), "{path}");
    }
    let secret = fs::read_to_string(writing_secrets(writing)).unwrap();
    let private: Vec<&str> = secret.split_whitespace().filter(|word| word.len() > 30).collect();
    for name in bucket.names("nation/side/tlog") {
        let bytes = bucket.get(&name).unwrap();
        let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!private.iter().any(|word| holds(word)) && !holds("\"R1\""), "{name}");
    }
}

fn writing_secrets(program: &Program) -> PathBuf {
    program.log().with_file_name("seal.secrets")
}

/// A byte of a shipped log that is changed in the bucket is found, by command and by `verify`.
fn shipped_chains_are_verified(bucket: &Bucket, writer: &Machine) {
    let verified: Value = serde_json::from_str(&writer.told(&["verify", "--json"])).unwrap();
    let logs: Vec<&Value> = verified["answer_logs"].as_array().unwrap().iter().collect();
    assert!(logs.len() == 3 && logs.iter().all(|log| log["holds"] == true), "{verified}");
    let names = bucket.names("nation/side/answers/reader-1");
    let mut bytes = bucket.get(&names[0]).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bucket.put(&names[0], bytes);
    for command in [["verify", "--json"].as_slice(), &["answers", "verify"]] {
        let output = writer.run(command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("reader-1") && said.contains("entry "), "{said}");
    }
}

#[test]
fn after_a_take_over_the_successor_says_who_may_ask_and_the_former_writer_follows() {
    let seaweed = SeaweedFs::start();
    let (one, other) = (Machine::new(&seaweed, "one"), Machine::new(&seaweed, "other"));
    let token = one.token("first");
    let mut first = one.serve(&[]);
    first.address();
    fs::copy(one.path("seal.secrets"), other.path("seal.secrets")).unwrap();
    let mut second = other.serve(&["--standby"]);
    wait_for("the standby knows the token", (&mut second, "/v1/progress", &token), is_answered);
    assert_eq!(other.run(&["token", "create", "too-early", "--role", "ops"]).status.code(), Some(1));
    first.kill();
    wait_for("the standby is the writer", (&mut second, "/v1/progress", &token), |_, body| {
        (body["role"] == "writer").then_some(())
    });
    let created = poll_until("the successor's machine may change tokens", || {
        let output = other.run(&["token", "create", "second", "--role", "admin"]);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    });
    other.told(&["token", "revoke", "first"]);
    // What was changed on the former writer's machine since is lost, and its log names it.
    one.told(&["token", "create", "lost", "--role", "ops"]);
    let mut again = one.serve(&["--standby"]);
    wait_for(
        "the former writer knows the token of its successor",
        (&mut again, "/v1/progress", &created),
        is_answered,
    );
    wait_for("and what that one revoked", (&mut again, "/v1/progress", &token), |status, _| {
        (status == 401).then_some(())
    });
    let said = again.said();
    assert!(said.contains("was never published") && said.contains("lost"), "{said}");
    let listed = one.told(&["token", "list"]);
    assert!(listed.contains("second") && !listed.contains("lost"), "{listed}");
    assert_eq!(one.run(&["token", "revoke", "second"]).status.code(), Some(1));
    for program in [again, second] {
        assert_eq!(program.terminate(), Some(0));
    }
}
