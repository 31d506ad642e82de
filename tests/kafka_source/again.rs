//! Topics that are others than the ones that were read, on a real Apache Kafka: the service stops and names the way on.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use coverledger::domain::completeness::TopicIdentity;
use coverledger::domain::time::UtcMillis;
use coverledger::ingest::kafka::{
    Cleanup, Continuation, Described, EventProducer, KafkaFault, KafkaHealth, KafkaProbe, LastApplied,
    Outgoing, Resume, Standing, TopicPartition, check_continuation,
};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;

use crate::testkit::cluster::RealKafka;
use crate::testkit::orders::{TOPIC, config_of, order, text};
use crate::testkit::program::Program;
use crate::testkit::proxy::Proxy;
use crate::testkit::reading::{TIMEOUT, from_beginning, read_to, resumes, source};
use crate::testkit::wait::poll_until;

/// A configuration that reads one topic.
pub(crate) fn config(folder: &TempDir, brokers: &str, topic: &str) -> PathBuf {
    let text = text(brokers, "").replace(TOPIC, topic);
    config_of(folder.path(), "coverledger", &(text + "complete_start = true\nmax_order_duration = \"1s\"\n"))
}

/// Sends orders of these numbers; the same number gives the same record.
fn send(kafka: &RealKafka, topic: &str, numbers: std::ops::Range<u32>) {
    let producer = EventProducer::new(&kafka.settings("sender"), KafkaHealth::new()).unwrap();
    for number in numbers {
        let payload = order(number);
        let (partition, timestamp) = (Some(0), Some(UtcMillis::new(1_795_200_000_000)));
        let payload = payload.as_bytes();
        producer.send(&Outgoing { topic, partition, key: None, payload, timestamp }).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// Sends orders of these numbers, each in a transaction of its own: behind each lies a marker.
fn send_in_transactions(kafka: &RealKafka, topic: &str, numbers: std::ops::Range<u32>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("transactional.id", topic)
        .create()
        .unwrap();
    producer.init_transactions(TIMEOUT).unwrap();
    for number in numbers {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<(), str>::to(topic).payload(&order(number))).unwrap();
        producer.commit_transaction(TIMEOUT).unwrap();
    }
}

/// A service that has read two orders of a topic, at the offsets 0 and 1, and was stopped.
fn read_before(kafka: &RealKafka, topic: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, &kafka.brokers(), topic);
    kafka.create_topic(topic, 1);
    send(kafka, topic, 0..2);
    let mut program = Program::serve(&config, &[]);
    program.applied(2);
    assert_eq!(program.terminate(), Some(0));
    (folder, config)
}

fn refused(config: &Path, says: &[&str]) {
    let (code, said) = Program::serve(config, &[]).end();
    assert_eq!(code, Some(1), "{said}");
    for part in says {
        assert!(said.contains(part) && !said.contains("panicked"), "{part}: {said}");
    }
}

/// The named way leads on into the topic of now, once; what lay between is a gap.
fn goes_on_by_decision(config: &Path, topic: &str, low: i64, end: i64) {
    let skip = format!("{topic}:0:{low}");
    let decided = ["--skip", &skip, "--reason", "made again"];
    for args in [&decided as &[&str], &[], &decided] {
        let mut program = Program::serve(config, args);
        program.applied(end);
        let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-11T12:00:00%2B08:00");
        assert_eq!(answer["platforms"][0]["reason"], "gap", "{answer}");
        assert_eq!(program.terminate(), Some(0));
    }
}

#[test]
fn a_topic_made_again_whose_remembered_offset_is_a_marker_stops_the_service() {
    let (kafka, topic) = (RealKafka::shared(), "marked");
    let (_folder, config) = read_before(&kafka, topic);
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1);
    send_in_transactions(&kafka, topic, 10..13);
    refused(&config, &["marked:0: it belongs to another topic", "--skip marked:0:0 --reason"]);
    goes_on_by_decision(&config, topic, 0, 6);
}

#[test]
fn a_topic_made_again_whose_log_starts_above_the_remembered_record_stops_the_service() {
    let (kafka, topic) = (RealKafka::shared(), "above");
    let (_folder, config) = read_before(&kafka, topic);
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1);
    send(&kafka, topic, 10..15);
    kafka.delete_records(topic, 0, 2);
    refused(&config, &["above:0: it belongs to another topic", "--skip above:0:2 --reason"]);
    goes_on_by_decision(&config, topic, 2, 5);
}

#[test]
fn a_topic_made_again_with_the_same_records_stops_the_service() {
    let (kafka, topic) = (RealKafka::shared(), "same");
    let (_folder, config) = read_before(&kafka, topic);
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1);
    send(&kafka, topic, 0..2);
    refused(&config, &["same:0: it belongs to another topic", "--skip same:0:0 --reason"]);
}

#[test]
fn a_topic_made_again_between_two_probes_stops_the_next_start() {
    let (kafka, topic) = (RealKafka::shared(), "between");
    let (_folder, config) = read_before(&kafka, topic);
    let mut program = Program::serve(&config, &[]);
    program.ready();
    poll_until("it asked where the topic ends", || {
        let progress = program.get("/v1/progress");
        progress["partitions"][0]["end"].as_i64()
    });
    // The service sees nothing of it but a topic that is longer than before.
    program.signal("-STOP");
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1);
    send(&kafka, topic, 20..40);
    program.signal("-CONT");
    let (code, said) = program.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("Failed to read the topic between: it was replaced meanwhile, its id was"),
        "{said}"
    );
    refused(&config, &["between:0: it belongs to another topic", "--skip between:0:0 --reason"]);
}

#[test]
fn a_topic_deleted_while_down_and_created_while_running_stops() {
    let (kafka, topic) = (RealKafka::shared(), "absent");
    let (_folder, config) = read_before(&kafka, topic);
    kafka.delete_topic(topic);
    refused(&config, &["no such topic: absent"]);
    // It runs, and answers, while the brokers cannot be reached.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let written = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, written.replace(&kafka.brokers(), &address)).unwrap();
    let mut program = Program::serve(&config, &[]);
    poll_until("it tried", || program.said().contains("Failed to reach Kafka").then_some(()));
    assert!(!program.has_ended());
    kafka.create_topic(topic, 1);
    send_in_transactions(&kafka, topic, 10..13);
    let _proxy = Proxy::answering(silent, &kafka.brokers());
    let (code, said) = program.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("absent:0: it belongs to another topic"), "{said}");
}

#[test]
fn another_cluster_under_the_same_names_stops() {
    let (kafka, other, topic) = (RealKafka::shared(), RealKafka::start(), "mirrored");
    let (_folder, config) = read_before(&kafka, topic);
    // A mirror: the same records, and one more before those that come next.
    other.create_topic(topic, 1);
    send(&other, topic, 0..2);
    send(&other, topic, 7..9);
    let written = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, written.replace(&kafka.brokers(), &other.brokers())).unwrap();
    refused(&config, &["mirrored:0: it belongs to another cluster", "--skip mirrored:0:0 --reason"]);
    goes_on_by_decision(&config, topic, 0, 4);
}

#[test]
fn a_compacted_topic_is_refused() {
    let (kafka, folder) = (RealKafka::shared(), TempDir::new().unwrap());
    for (topic, policy) in [("compacted", "compact"), ("both", "compact,delete")] {
        kafka.create_topic_with(topic, &[("cleanup.policy", policy)]);
        let config = config(&folder, &kafka.brokers(), topic);
        refused(&config, &[&format!("Failed to read compacted topics: {topic};"), "cleanup.policy=delete"]);
    }
}

#[test]
fn a_topic_that_becomes_compacted_stops_the_service() {
    let (kafka, topic) = (RealKafka::shared(), "packing");
    let (_folder, config) = read_before(&kafka, topic);
    let mut program = Program::serve(&config, &[]);
    program.ready();
    assert!(!program.said().contains("compacted"), "{}", program.said());
    kafka.configure_topic(topic, "cleanup.policy", "compact");
    let (code, said) = program.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Failed to read compacted topics: packing;"), "{said}");
    kafka.configure_topic(topic, "cleanup.policy", "delete");
    let mut program = Program::serve(&config, &[]);
    program.ready();
    assert_eq!(program.terminate(), Some(0));
}

/// What the second check reports where the broker tells no topic ids.
fn without_ids(kafka: &RealKafka, known: &[Resume], cleanup: Cleanup) -> Standing {
    let (settings, health) = (kafka.settings("guard"), KafkaHealth::new());
    let probe = KafkaProbe::new(&settings, health.clone()).unwrap();
    let topic = known[0].place.topic.clone();
    let described = Described { identity: TopicIdentity::default(), cleanup };
    let now = BTreeMap::from([(topic, described)]);
    check_continuation(&settings, &health, &probe, known, &now, TIMEOUT).unwrap().remove(0)
}

#[test]
fn the_second_guard_stops_where_the_last_record_cannot_be_missing() {
    let (kafka, topic) = (RealKafka::shared(), "guarded");
    kafka.create_topic(topic, 1);
    send_in_transactions(&kafka, topic, 0..4);
    let place = TopicPartition::new(topic, 0);
    let reader = source(&kafka.settings("guard"), &from_beginning(std::slice::from_ref(&place)));
    let mut seen = Vec::new();
    read_to(&reader, &mut seen, 3);
    let mut known = resumes(&seen);
    assert_eq!((known[0].position, known[0].last.unwrap().offset), (5, 4));
    for cleanup in [Cleanup::Keeps, Cleanup::Deletes, Cleanup::Unknown] {
        assert_eq!(without_ids(&kafka, &known, cleanup), Ok(Continuation::Verified));
    }
    // A marker where a record was applied.
    let applied = known[0].last.unwrap();
    known[0].last = Some(LastApplied { offset: 3, ..applied });
    let missing = |why: &'static str, offset, low| {
        Err(KafkaFault::LastRecordMissing { place: place.clone(), offset, why, low })
    };
    for cleanup in [Cleanup::Keeps, Cleanup::Deletes, Cleanup::Unknown] {
        assert_eq!(without_ids(&kafka, &known, cleanup), missing("it lies within the log", 3, 0));
    }
    // The start of the log lies behind the record.
    known[0].last = Some(applied);
    kafka.delete_records(topic, 0, 5);
    let kept = missing("by its configuration the topic deletes no records", 4, 5);
    assert_eq!(without_ids(&kafka, &known, Cleanup::Keeps), kept);
    for cleanup in [Cleanup::Deletes, Cleanup::Unknown] {
        assert_eq!(without_ids(&kafka, &known, cleanup), Ok(Continuation::LastRecordGone));
    }
}

#[test]
fn kafka_tells_which_topics_these_are_and_what_is_deleted_of_them() {
    let kafka = RealKafka::shared();
    kafka.create_topic_with("told", &[("retention.ms", "86400000")]);
    kafka.create_topic_with("kept", &[("retention.ms", "-1"), ("retention.bytes", "-1")]);
    kafka.create_topic_with("bounded", &[("retention.ms", "-1"), ("retention.bytes", "1000000")]);
    let probe = KafkaProbe::new(&kafka.settings("ids"), KafkaHealth::new()).unwrap();
    let topics = ["told", "kept", "bounded"].map(str::to_owned);
    let described = probe.describe(&topics, TIMEOUT).unwrap();
    assert_eq!(described, probe.describe(&topics, TIMEOUT).unwrap());
    let cleanups = topics.each_ref().map(|topic| described[topic].cleanup);
    assert_eq!(cleanups, [Cleanup::Deletes, Cleanup::Keeps, Cleanup::Deletes]);
    let ids: std::collections::BTreeSet<_> =
        described.values().map(|topic| topic.identity.topic.clone().unwrap()).collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| id.len() == 22), "{ids:?}");
    let clusters: std::collections::BTreeSet<_> =
        described.values().map(|topic| topic.identity.cluster.clone().unwrap()).collect();
    assert_eq!(clusters.len(), 1);
    // One that is not there is for discovery to tell.
    let absent = probe.describe(&["nowhere".to_owned()], TIMEOUT).unwrap_err();
    assert!(absent.is_transient(), "{absent}");
}
