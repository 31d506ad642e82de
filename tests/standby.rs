//! Writer, standbys and readers of a ledger in a real object store, with a real Kafka: who dies, sleeps or hands over, another continues
//! exactly; and who cannot say that its state is the newest says nothing about the present.

#![cfg(test)]
#![cfg(feature = "object-store")]

mod testkit;

use coverledger::generate::PLATFORMS;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;
use std::time::Instant;
use tempfile::TempDir;
use testkit::cluster::RealKafka;
use testkit::machine::Machine;
use testkit::program::Program;
use testkit::seaweedfs::SeaweedFs;
use testkit::stream::{PARTITIONS, Sent, compare, config, events, send};
use testkit::wait::poll_until;

const RECORDS: usize = 8_000;
const PART: usize = RECORDS / 4;

fn whole(records: usize) -> i64 {
    i64::try_from(records).unwrap()
}

/// The role that a program says it has.
fn role(program: &mut Program) -> Option<String> {
    Some(program.try_get("/v1/progress")?["role"].as_str()?.to_owned())
}

fn waits_for_role(program: &mut Program, name: &str) {
    poll_until(&format!("it is {name}"), || {
        assert!(!program.has_ended(), "it ended: {}", program.said());
        role(program).filter(|role| role == name)
    });
}

fn commit(program: &mut Program) -> u64 {
    program.get("/v1/progress")["as_of"]["commit"].as_u64().unwrap()
}

fn epoch(program: &mut Program) -> u64 {
    program.get("/v1/progress")["chain"]["epoch"].as_u64().unwrap()
}

/// What is there at once of a program that may be the writer.
fn position(program: &mut Program) -> i64 {
    program.position_if_any().unwrap_or(0)
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What is sent, in four parts, and the way of it.
struct Stream<'a> {
    sender: EventProducer,
    parts: Vec<&'a [Sent]>,
}

#[test]
fn standbys_take_over_from_a_writer_that_dies_sleeps_or_hands_over() {
    let (kafka, seaweed) = (RealKafka::start(), SeaweedFs::start());
    PLATFORMS.iter().for_each(|(_, topic)| kafka.create_topic(topic, PARTITIONS));
    let sender = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
    let machine = || Machine::new(&seaweed, |folder| config(folder, &kafka.brokers()));
    let (one, two, three) = (machine(), machine(), machine());
    let sent = events(11, RECORDS);
    let stream = Stream { sender, parts: sent.chunks(PART).collect() };
    let writer = it_dies(&stream, &one, &two);
    let [(writer, its), (standby, other)] = it_sleeps(&stream, writer, [&one, &three]);
    it_hands_over(&stream, (writer, its), (standby, other));
    println!("{}", two.printed(&["verify"]));
    let folder = TempDir::new().unwrap();
    let copy = config(&folder, &kafka.brokers());
    two.printed(&["backup", folder.path().join("data").to_str().unwrap()]);
    compare(&copy, &sent, &[]);
}

/// A standby that finds no ledger begins one; the next one follows it, answers, and takes over when it is killed in the middle of its
/// work.
fn it_dies(stream: &Stream<'_>, one: &Machine, two: &Machine) -> Program {
    let mut first = one.serve(&["--standby"]);
    send(&stream.sender, &stream.parts[0][..400]);
    first.applied(400);
    assert_eq!(role(&mut first).as_deref(), Some("writer"));
    let mut second = two.serve(&["--standby"]);
    second.ready();
    assert_eq!(role(&mut second).as_deref(), Some("standby"));
    assert_eq!(second.text("/readyz", "text/plain"), "ready, standby\n");
    let newest = commit(&mut first);
    poll_until("the standby has the commit", || (commit(&mut second) >= newest).then_some(()));
    send(&stream.sender, &stream.parts[0][400..]);
    first.applied(600);
    first.kill();
    let killed = Instant::now();
    waits_for_role(&mut second, "writer");
    let taken = killed.elapsed();
    second.applied(whole(PART));
    println!(
        "after a SIGKILL the standby was the writer within {:.1} s, and everything was taken in within {:.1} s",
        taken.as_secs_f64(),
        killed.elapsed().as_secs_f64()
    );
    second
}

/// A writer that sleeps is taken for dead by one of two standbys; the other follows that one. Returns the writer and the standby.
fn it_sleeps<'a>(
    stream: &Stream<'_>,
    writer: Program,
    machines: [&'a Machine; 2],
) -> [(Program, &'a Machine); 2] {
    let mut standbys = machines.map(|machine| machine.serve(&["--standby"]));
    standbys.iter_mut().for_each(Program::ready);
    let epoch_before = epoch(&mut standbys[0]);
    writer.signal("-STOP");
    let stopped = Instant::now();
    send(&stream.sender, stream.parts[1]);
    poll_until("one of them has taken in everything", || {
        standbys.iter_mut().any(|program| position(program) >= whole(2 * PART)).then_some(())
    });
    println!("after a SIGSTOP another had everything within {:.1} s", stopped.elapsed().as_secs_f64());
    let roles = poll_until("both answer", || standbys.iter_mut().map(role).collect::<Option<Vec<_>>>());
    let mut sorted = roles.clone();
    sorted.sort();
    assert_eq!(sorted, ["standby", "writer"], "exactly one has taken over");
    poll_until("the new epoch is seen", || (epoch(&mut standbys[0]) > epoch_before).then_some(()));
    assert_eq!(epoch(&mut standbys[0]), epoch_before + 1, "one has taken over, once");
    writer.signal("-CONT");
    let (code, said) = writer.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another writer has taken over"), "{said}");
    let [one, other] = standbys;
    let mut pair = [(one, machines[0]), (other, machines[1])];
    if roles[0] == "standby" {
        pair.reverse();
    }
    let [(writer, _), (standby, _)] = &mut pair;
    // The one that lost goes on following.
    send(&stream.sender, stream.parts[2]);
    writer.applied(whole(3 * PART));
    let newest = commit(writer);
    poll_until("the standby follows the new writer", || (commit(standby) >= newest).then_some(()));
    assert_eq!(role(standby).as_deref(), Some("standby"));
    pair
}

/// A planned change, asked of the wrong process first; then one of an operator who does not want to wait.
fn it_hands_over(
    stream: &Stream<'_>,
    (writer, its): (Program, &Machine),
    (mut standby, other): (Program, &Machine),
) {
    let refused = other.run(&["failover"]);
    assert!(!refused.status.success() && text(&refused).contains("is not the writer"), "{}", text(&refused));
    let changed: Value = serde_json::from_str(&its.printed(&["failover", "--json"])).unwrap();
    println!("a planned change: {changed}");
    assert_eq!(changed["next_epoch"].as_u64(), changed["epoch"].as_u64().map(|epoch| epoch + 1), "{changed}");
    let (code, said) = writer.end();
    assert_eq!(code, Some(0), "{said}");
    let begun = Instant::now();
    send(&stream.sender, stream.parts[3]);
    standby.applied(whole(RECORDS));
    println!("{} ms after that the next part was taken in", begun.elapsed().as_millis());
    let mut last = its.serve(&["--standby"]);
    last.ready();
    let taken = its.printed(&["failover", "--take-over"]);
    print!("{taken}");
    assert!(taken.starts_with("taken over after "), "{taken}");
    let (code, said) = standby.end();
    assert_eq!(code, Some(1), "{said}");
    waits_for_role(&mut last, "writer");
    last.applied(whole(RECORDS));
    assert_eq!(last.terminate(), Some(0));
}

/// A ledger that files fill.
fn of_files(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("coverledger.toml");
    let text = "[http]\nlisten = \"127.0.0.1:0\"\n[[rate]]\ncategory = \"instant_delivery\"\nper_order = \"0.07\"\n\
                [platform.meituan]\nrecords_from = 2025-07-01\n";
    std::fs::write(&path, text).unwrap();
    path
}

/// Takes an order of a rider in on a machine; completes the day where that is asked for.
fn ingest(machine: &Machine, order: &str, rider: &str, is_complete: bool) {
    let line = format!(
        r#"{{"platform":"meituan","order_id":"{order}","rider_id":"{rider}","category":"instant_delivery","region":"310115","accepted_at":"2025-07-10T08:00:00+08:00","ended_at":"2025-07-10T08:30:00+08:00"}}"#
    );
    let file = machine.folder.path().join(format!("{order}.jsonl"));
    std::fs::write(&file, format!("{line}\n")).unwrap();
    let mut args = vec!["ingest", file.to_str().unwrap()];
    if is_complete {
        args.extend(["--complete-through", "2025-08-01T00:00:00+08:00"]);
    }
    machine.printed(&args);
}

const AT: &str = "at=2025-07-10T08:10:00%2B08:00";

fn asked(program: &mut Program, rider: &str, more: &str) -> Value {
    program.get(&format!("/v1/coverage?rider_id={rider}&{AT}{more}"))
}

#[test]
fn a_reader_follows_and_is_undetermined_while_it_cannot_say_that_its_state_is_the_newest() {
    let seaweed = SeaweedFs::start();
    let (writing, reading) = (Machine::new(&seaweed, of_files), Machine::new(&seaweed, of_files));
    ingest(&writing, "o-1", "R-1", true);
    let mut reader = reading.serve(&["--read-only"]);
    reader.ready();
    assert_eq!(reader.text("/readyz", "text/plain"), "ready, read-only\n");
    assert_eq!(asked(&mut reader, "R-1", "")["verdict"], "covered");
    assert_eq!(asked(&mut reader, "R-2", "")["verdict"], "not_covered");
    // A new order: what was final, and wrongly so by then, is replaced.
    ingest(&writing, "o-2", "R-2", false);
    let begun = Instant::now();
    poll_until("the reader has the commit", || {
        (asked(&mut reader, "R-2", "")["verdict"] == "covered").then_some(())
    });
    println!(
        "a commit was visible on the reader {} ms after its command had ended",
        begun.elapsed().as_millis()
    );
    let commit = commit(&mut reader);
    let known = format!("&known_at={commit}");
    let exact = asked(&mut reader, "R-2", &known);
    let timeline = "/v1/riders/R-2/timeline?from=2025-07-10T00:00:00%2B08:00&to=2025-07-11T00:00:00%2B08:00";
    assert!(reader.get(timeline)["warnings"].is_null());

    seaweed.pause();
    let paused = Instant::now();
    let behind = poll_until("the reader is behind", || {
        let answer = asked(&mut reader, "R-2", "&explain=true");
        (answer["verdict"] == "undetermined").then_some(answer)
    });
    println!(
        "the reader said that it is behind {} ms after the store had stopped",
        paused.elapsed().as_millis()
    );
    testkit::explained::check(&behind);
    assert_eq!(behind["platforms"][0]["reason"], "reader_behind", "{behind}");
    assert_eq!(behind["why"]["platforms"][0]["open"][0]["code"], "reader_behind", "{behind}");
    let warning = &behind["warnings"][0];
    assert_eq!((&warning["code"], &warning["commit"]), (&"reader_behind".into(), &commit.into()), "{behind}");
    assert_eq!(behind["windows"], serde_json::json!([]), "{behind}");
    // What it knew then it knows exactly.
    assert_eq!(asked(&mut reader, "R-2", &known), exact);
    assert_eq!(reader.get(timeline)["warnings"][0]["code"], "reader_behind");
    assert_eq!(reader.get("/v1/statements?month=2025-07")["warnings"][0]["code"], "reader_behind");
    assert_eq!(reader.get("/v1/progress")["warnings"][0]["code"], "reader_behind");
    let address = reader.address();
    let unready = testkit::http::get(&address, "/readyz", "").unwrap();
    assert!(unready.status == 503 && unready.body.contains("reader_behind"), "{unready:?}");
    let metrics = reader.text("/metrics", "text/plain");
    assert!(metrics.contains("\ncoverledger_reader_behind 1\n"), "{metrics}");

    seaweed.resume();
    let resumed = Instant::now();
    poll_until("it answers again", || (asked(&mut reader, "R-2", "")["verdict"] == "covered").then_some(()));
    println!("it answered again {} ms after the store came back", resumed.elapsed().as_millis());
    assert_eq!(reader.text("/readyz", "text/plain"), "ready, read-only\n");
    ingest(&writing, "o-3", "R-3", false);
    poll_until("it follows on", || (asked(&mut reader, "R-3", "")["verdict"] == "covered").then_some(()));
    assert_eq!(reader.terminate(), Some(0));
}

#[test]
fn a_standby_of_a_ledger_in_a_directory_is_refused_and_so_is_its_change_of_the_writer() {
    let folder = TempDir::new().unwrap();
    let config = of_files(&folder);
    let (code, said) = Program::serve(&config, &["--standby"]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no second process can follow") && said.contains("[storage]"), "{said}");
    let mut command = testkit::program::binary();
    let refused = command.args(["failover", "--config"]).arg(&config).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
}
