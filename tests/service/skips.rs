//! Partitions that cannot be read on, and an operator's decisions about them.

use super::tests::{config, order};
use crate::testkit::mock::{self, Cluster};
use crate::testkit::orders::{TOPIC, send_to};
use crate::testkit::program::Program;
use crate::testkit::reading::TIMEOUT;
use crate::testkit::wait::poll_until;
use coverledger::domain::time::UtcMillis;
use coverledger::ingest::kafka::{EventProducer, KafkaHealth, Outgoing};
use coverledger::telemetry::clock::Clock;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A cluster with so many orders in each partition; their identifiers begin with `name`. The same name and partition
/// give the same records.
fn filled(name: &str, orders: &[usize]) -> Cluster {
    let cluster = mock::cluster(&[(TOPIC, i32::try_from(orders.len()).unwrap())]);
    let settings = mock::settings(cluster.bootstrap_servers(), "sender");
    let producer = EventProducer::new(&settings, KafkaHealth::new()).unwrap();
    for (partition, &count) in (0..).zip(orders) {
        for n in 0..count {
            let id = format!("{name}-{partition}-{n}");
            let payload = order(&id, "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00");
            let payload = payload.as_bytes();
            let timestamp = Some(UtcMillis::new(1_752_150_000_000));
            let (topic, partition) = (TOPIC, Some(partition));
            producer.send(&Outgoing { topic, partition, key: None, payload, timestamp }).unwrap();
        }
    }
    producer.flush(TIMEOUT).unwrap();
    cluster
}

/// The ledger of `config` meets another cluster.
fn moved(config: &Path, from: &Cluster, to: &Cluster) {
    let text = std::fs::read_to_string(config).unwrap();
    let text = text.replace(&from.bootstrap_servers(), &to.bootstrap_servers());
    std::fs::write(config, text).unwrap();
}

/// A service that has read everything of a cluster with these partitions, and was stopped.
fn read_before(orders: &[usize]) -> (Cluster, TempDir, PathBuf) {
    let (cluster, folder) = (filled("old", orders), TempDir::new().unwrap());
    let config = config(&folder, &cluster.bootstrap_servers());
    let mut program = Program::serve(&config, &[]);
    program.applied(i64::try_from(orders.iter().sum::<usize>()).unwrap());
    assert_eq!(program.terminate(), Some(0));
    (cluster, folder, config)
}

fn refused(config: &Path, args: &[&str], says: &[&str]) {
    let (code, said) = Program::serve(config, args).end();
    assert_eq!(code, Some(1), "{said}");
    for part in says {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn positions(program: &mut Program) -> Vec<(i64, i64)> {
    let progress = program.get("/v1/progress");
    let lines = progress["partitions"].as_array().unwrap().iter();
    lines.map(|line| (line["partition"].as_i64().unwrap(), line["position"].as_i64().unwrap())).collect()
}

fn is_made_before(said: &str) -> bool {
    said.contains("was made before, or is not needed")
}

#[test]
fn a_skip_is_checked_recorded_once_and_replaces_what_was_known_of_the_log() {
    let (old, _folder, config) = read_before(&[3]);
    let other = filled("other", &[10]);
    moved(&config, &old, &other);
    let another = "orders.meituan:0: it belongs to another cluster than the one that was read before";
    refused(&config, &[], &[another, "--skip orders.meituan:0:0 --reason"]);
    let skip = |to: &str| ["--skip", to, "--reason", "made again"].map(str::to_owned);
    let beyond = skip("orders.meituan:0:11");
    let beyond = beyond.each_ref().map(String::as_str);
    refused(&config, &beyond, &["Kafka holds 0 to 10", "choose an offset from 0 to 10"]);
    let cases = [
        ("no.such:0:1", "no platform of the configuration reads"),
        ("orders.meituan:7:1", "no such partition"),
    ];
    for (place, says) in cases {
        refused(&config, &["--skip", place, "--reason", "mistyped"], &[says]);
    }
    // Above the last offset that was applied of the old log.
    let decided = skip("orders.meituan:0:7");
    let decided = decided.each_ref().map(String::as_str);
    let mut program = Program::serve(&config, &decided);
    program.applied(10);
    assert!(program.said().contains("skipped to orders.meituan:0:7: made again"), "{}", program.said());
    assert_eq!(program.terminate(), Some(0));
    // Neither without the option nor with it left in is anything skipped or refused again.
    for (args, again) in [(&[] as &[&str], false), (&decided, true)] {
        let mut program = Program::serve(&config, args);
        program.ready();
        assert_eq!((positions(&mut program), is_made_before(&program.said())), (vec![(0, 10)], again));
        assert_eq!(program.terminate(), Some(0));
    }
    // An old decision does not cover for what happens later.
    let third = filled("third", &[20]);
    moved(&config, &other, &third);
    refused(&config, &decided, &["made before, in commit", another, "reason of its own"]);
    let mut program =
        Program::serve(&config, &["--skip", "orders.meituan:0:7", "--reason", "made a third time"]);
    program.applied(20);
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn a_decision_about_one_partition_is_none_about_the_others_of_its_topic() {
    let (old, _folder, config) = read_before(&[3, 3]);
    // Whatever the records are: they are those of another cluster.
    let other = filled("old", &[3, 3]);
    moved(&config, &old, &other);
    refused(&config, &[], &["Failed to read 2 partitions", "once for each partition"]);
    let one = ["--skip", "orders.meituan:0:3", "--reason", "restored"];
    for args in [&one as &[&str], &[], &one] {
        refused(&config, args, &["orders.meituan:1: it belongs to another cluster"]);
    }
    let two = ["--skip", "orders.meituan:1:3", "--reason", "restored"];
    for args in [&two as &[&str], &[]] {
        let mut program = Program::serve(&config, args);
        program.ready();
        assert_eq!(positions(&mut program), [(0, 3), (1, 3)]);
        assert_eq!(program.terminate(), Some(0));
    }
}

#[test]
fn what_the_broker_does_not_tell_is_warned_of_once() {
    let cluster = filled("mock", &[3]);
    let folder = TempDir::new().unwrap();
    let mut program = Program::serve(&config(&folder, &cluster.bootstrap_servers()), &[]);
    program.applied(3);
    // Partitions are asked for again after the first listing.
    let through =
        |program: &mut Program| program.get("/v1/progress")["platforms"][0]["complete_through"].clone();
    let first =
        poll_until("something is complete", || Some(through(&mut program)).filter(|at| !at.is_null()));
    assert!(first.is_string());
    let said = program.said();
    assert_eq!(said.matches("Failed to read the configuration of the topics").count(), 1, "{said}");
    assert_eq!(program.terminate(), Some(0));
}

#[test]
fn a_partition_that_is_gone_can_be_left_behind() {
    let (old, _folder, config) = read_before(&[3, 3, 3]);
    let other = filled("old", &[3]);
    moved(&config, &old, &other);
    let says = [
        "Failed to read 3 partitions",
        "orders.meituan:0: it belongs to another cluster",
        "orders.meituan:1: the partition no longer exists",
        "--skip orders.meituan:2:0",
    ];
    refused(&config, &[], &says);
    // A decision counts although others are missing, and says nothing about the other partitions.
    let skip = |partition: i32, offset: i64| format!("{TOPIC}:{partition}:{offset}");
    let one = ["--skip", &skip(0, 3), "--reason", "one less"];
    let says = [
        "orders.meituan:1: the partition no longer exists",
        "orders.meituan:2: the partition no longer exists",
    ];
    refused(&config, &one, &says);
    refused(
        &config,
        &["--skip", &skip(1, 0), "--reason", "one less"],
        &["orders.meituan:2: the partition no longer exists"],
    );
    let args = ["--skip", &skip(1, 0), "--skip", &skip(2, 0), "--reason", "one less"];
    let mut program = Program::serve(&config, &args);
    program.ready();
    assert_eq!(positions(&mut program), [(0, 3)]);
    let now = jiff::Timestamp::from_millisecond(Clock::start().now().millis()).unwrap();
    let complete = format!(r#"{{"kind":"complete","platform":"meituan","through":"{now}"}}"#);
    send_to(&other.bootstrap_servers(), 0, &[complete.as_bytes()]);
    let through = |program: &mut Program| {
        let progress = program.get("/v1/progress");
        progress["platforms"][0]["complete_through"].as_str().map(str::to_owned)
    };
    poll_until("the platform is complete without them", || {
        through(&mut program).filter(|through| through.as_str() > "2026")
    });
    let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T11:00:00%2B08:00");
    let why = (&answer["verdict"], &answer["platforms"][0]["reason"]);
    assert_eq!(why, (&Value::from("undetermined"), &Value::from("gap")), "{answer}");
    assert_eq!(program.terminate(), Some(0));
    for args in [&[] as &[&str], &args] {
        let mut program = Program::serve(&config, args);
        program.ready();
        assert_eq!(positions(&mut program), [(0, 4)]);
        assert_eq!(program.terminate(), Some(0));
    }
}

#[test]
fn a_stop_is_heard_while_kafka_is_away() {
    let folder = TempDir::new().unwrap();
    // No process listens on the discard port of this machine.
    let config = config(&folder, "127.0.0.1:9");
    let mut program = Program::serve(&config, &[]);
    let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T11:00:00%2B08:00");
    assert_eq!(answer["verdict"], "undetermined");
    poll_until("it tried", || program.said().contains("Failed to reach Kafka").then_some(()));
    let log = folder.path().join("coverledger.log");
    assert_eq!(program.terminate(), Some(0));
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("stopped before anything was read") && !said.contains(" ready"), "{said}");
    let (code, said) = {
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(
            &config,
            text.replace("[kafka]", "").replace("brokers", "# brokers").replace("options", "# options"),
        )
        .unwrap();
        Program::serve(&config, &["--skip", "orders.meituan:0:1", "--reason", "none"]).end()
    };
    assert!(code == Some(1) && said.contains("needs [kafka]"), "{said}");
}
