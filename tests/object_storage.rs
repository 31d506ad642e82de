//! The real program with its ledger in a real object store, and a real Kafka: writers that are killed or stopped, others that take
//! over on other machines, and a ledger that is exact in the end.

#![cfg(test)]
#![cfg(feature = "object-store")]

mod testkit;

use coverledger::generate::PLATFORMS;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth};
use std::path::Path;
use std::time::Instant;
use testkit::cluster::RealKafka;
use testkit::machine::{Machine, with_credentials};
use testkit::program::binary;
use testkit::seaweedfs::{SECRET, SeaweedFs};
use testkit::store_proxy::StoreProxy;
use testkit::stream::{PARTITIONS, Sent, compare, config, events, send};
use testkit::wait::poll_until;

const RECORDS: usize = 6_000;

fn whole(records: usize) -> i64 {
    i64::try_from(records).unwrap()
}

#[test]
fn writers_die_and_sleep_and_others_continue_exactly_where_the_chain_ends() {
    let (kafka, seaweed) = (RealKafka::start(), SeaweedFs::start());
    PLATFORMS.iter().for_each(|(_, topic)| kafka.create_topic(topic, PARTITIONS));
    let sender = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
    let machine = || Machine::new(&seaweed, |folder| config(folder, &kafka.brokers()));
    let (one, other) = (machine(), machine());
    let sent = events(7, RECORDS);
    let parts: Vec<&[Sent]> = sent.chunks(RECORDS / 3).collect();

    let mut first = one.serve(&[]);
    send(&sender, &parts[0][..500]);
    first.applied(500);
    // While it works no other process may write.
    let (code, said) = other.serve(&[]).end();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("s3://ledger/nation: it is in use"), "{said}");
    send(&sender, &parts[0][500..]);
    first.applied(700);
    first.kill();

    let killed = Instant::now();
    let mut second = other.serve(&[]);
    second.applied(whole(parts[0].len()));
    println!("another writer had everything {:.1} s after a SIGKILL", killed.elapsed().as_secs_f64());
    // Stopped in the middle of its work it is taken for dead, too.
    send(&sender, &parts[1][..1_000]);
    second.applied(whole(parts[0].len()) + 100);
    second.signal("-STOP");
    let mut third = one.serve(&[]);
    send(&sender, &parts[1][1_000..]);
    third.applied(whole(parts[0].len() + parts[1].len()));
    second.signal("-CONT");
    let (code, said) = second.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another writer has taken over"), "{said}");
    assert!(!said.contains(SECRET) && !third.said().contains(SECRET), "a secret is in the log");
    send(&sender, parts[2]);
    third.applied(whole(RECORDS));
    let is_tried = "the store does what a writer relies on";
    poll_until("the store is tried beside the work", || third.said().contains(is_tried).then_some(()));
    shows_its_requests_to_the_store(&third.text("/metrics", "*/*"));
    assert_eq!(third.terminate(), Some(0));

    let verified = other.printed(&["verify"]);
    println!("{verified}");
    let (_folder, copy) = other.copied(&kafka.brokers());
    compare(&copy, &sent, &[]);
    takes_files_in_and_answers(&one);
    the_doctor_tries_the_store(&one);
    verify_says_that_the_store_refuses_it(&one);
    a_killed_writer_is_followed_at_once_on_its_machine(&one);
    a_store_that_passed_and_fails_later_ends_the_process(&one);
    assert!(one.folder.path().join("data/object-cache").read_dir().unwrap().next().is_some());
}

/// What a writer asked of the store is among its metrics.
fn shows_its_requests_to_the_store(metrics: &str) {
    for series in [
        r#"store_requests_total{kind="put",result="ok"}"#,
        r#"store_requests_total{kind="get",result="absent"}"#,
        r#"store_requests_total{kind="list",result="ok"}"#,
        r#"store_request_seconds_count{kind="put"}"#,
        "store_sent_bytes_total",
        "store_received_bytes_total",
        "store_deleted_objects_total",
    ] {
        let beginning = format!("coverledger_{series} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&beginning));
        assert!(value.is_some_and(|value| value != "0"), "{series}: {metrics}");
    }
}

/// Files go the same way, and a command answers from the bucket.
fn takes_files_in_and_answers(machine: &Machine) {
    let order = r#"{"platform":"meituan","order_id":"from-a-file","rider_id":"R-file","category":"instant_delivery","region":"310115","accepted_at":"2025-07-10T08:00:00+08:00","ended_at":"2025-07-10T08:30:00+08:00"}"#;
    let file = machine.folder.path().join("orders.jsonl");
    std::fs::write(&file, format!("{order}\n")).unwrap();
    machine.printed(&["ingest", path(&file)]);
    answers_from_the_file(machine);
    machine.printed(&["verify"]);
}

fn answers_from_the_file(machine: &Machine) {
    let at = "2025-07-10T08:10:00+08:00";
    let answer = machine.printed(&["lookup", "--rider", "R-file", "--at", at, "--json"]);
    assert!(answer.contains("from-a-file"), "{answer}");
}

/// A store that does what is needed is reported so; one that refuses the credentials is a problem.
fn the_doctor_tries_the_store(machine: &Machine) {
    let found = |secret: &str| {
        let mut command = binary();
        command.args(["doctor", "--json", "--config"]).arg(&machine.config);
        with_credentials(&mut command);
        let said = command.env("AWS_SECRET_ACCESS_KEY", secret).output().unwrap().stdout;
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        let findings = said["findings"].as_array().unwrap();
        let of_area = |area: &str| findings.iter().find(|finding| finding["area"] == area).unwrap().clone();
        (of_area("object_store"), of_area("ledger"))
    };
    let (store, ledger) = found(SECRET);
    assert_eq!((&store["level"], &store["check"]), (&"ok".into(), &"probe".into()), "{store}");
    let text = ledger["found"].as_str().unwrap();
    assert!(text.starts_with("the ledger in s3://ledger/nation opens; its newest commit is "), "{text}");
    let (store, ledger) = found("not-the-secret");
    assert_eq!(
        (&store["level"], &ledger["level"]),
        (&"problem".into(), &"problem".into()),
        "{store} {ledger}"
    );
    assert!(!store["found"].as_str().unwrap().contains("not-the-secret"), "{store}");
}

/// A store that does not answer says nothing about the ledger, which need not be rebuilt.
fn verify_says_that_the_store_refuses_it(machine: &Machine) {
    let mut command = binary();
    command.args(["verify", "--config"]).arg(&machine.config);
    with_credentials(&mut command);
    let output = command.env("AWS_SECRET_ACCESS_KEY", "not-the-secret").output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && said.contains("check the object store"), "{said}");
    assert!(!said.contains("rebuild") && !said.contains("problems"), "{said}");
}

const NO_LEASE: &str = "its lease does not count";

fn a_killed_writer_is_followed_at_once_on_its_machine(machine: &Machine) {
    let mut first = machine.serve(&[]);
    first.ready();
    assert!(!first.said().contains(NO_LEASE), "the one before has ended by itself: {}", first.said());
    first.kill();
    let killed = Instant::now();
    let mut second = machine.serve(&[]);
    second.ready();
    println!("a writer was ready {:.1} s after a SIGKILL on its machine", killed.elapsed().as_secs_f64());
    assert!(second.said().contains(NO_LEASE), "{}", second.said());
    // Commands that only read need not wait for the end of the writer.
    answers_from_the_file(machine);
    assert_eq!(second.terminate(), Some(0));
}

fn a_store_that_passed_and_fails_later_ends_the_process(machine: &Machine) {
    let proxy = StoreProxy::plain();
    proxy.report_creations();
    // The standby takes over while it tries the store, or before that.
    for arguments in [&[][..], &["--standby"]] {
        let (code, said) = machine.serve_through(&proxy, arguments).end();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("listening") && said.contains("(create twice)"), "{said}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
