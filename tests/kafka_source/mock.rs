//! In this process: fast, and broken at will.

use std::cell::Cell;
use std::collections::BTreeMap;

use coverledger::domain::completeness::TopicIdentity;
use coverledger::domain::time::UtcMillis;
use coverledger::ingest::kafka::{
    Continuation, KafkaFault, KafkaHealth, KafkaProbe, LastApplied, PartitionSource, Resume, Start, StartAt,
    TopicPartition, TopicPartitions, check_continuation, next_offset,
};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::testkit::mock::{cluster, settings};
use crate::testkit::reading::{
    TIMEOUT, assert_whole, from_beginning, idle_until, offsets, read_to, read_to_fault, resumes, source,
    write,
};

fn places(topics: &[(&str, i32)]) -> Vec<TopicPartition> {
    let partitions = topics.iter().flat_map(|&(topic, count)| (0..count).map(move |p| (topic, p)));
    partitions.map(|(topic, partition)| TopicPartition::new(topic, partition)).collect()
}

#[test]
fn several_topics_are_read_once_and_the_positions_reach_the_ends() {
    let topics = [("orders.a", 3), ("orders.b", 2)];
    let cluster = cluster(&topics);
    let settings = settings(cluster.bootstrap_servers(), "whole");
    write(&settings, "orders.a", 3, 0..300, "a");
    write(&settings, "orders.b", 2, 0..200, "b");
    let source = source(&settings, &from_beginning(&places(&topics)));
    assert_eq!(source.places(), places(&topics));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 500);
    assert_whole(&seen);
    assert_eq!(offsets(&seen).len(), 5);
    assert_eq!(source.topic_index("orders.b"), Some(1));

    let asked = Cell::new(0);
    let now = || {
        asked.set(asked.get() + 1);
        UtcMillis::new(42)
    };
    let report = source.probe().ends(&source.places(), now, TIMEOUT).unwrap();
    assert_eq!((report.requested_at, asked.get()), (UtcMillis::new(42), 1));
    let positions = source.positions().unwrap();
    let ends: Vec<_> = report.ends.iter().map(|(place, end)| (place.clone(), Some(*end))).collect();
    assert_eq!(ends, positions);
    assert_eq!(report.ends.iter().map(|(_, end)| end).sum::<i64>(), 500);
}

#[test]
fn reading_goes_on_at_the_given_positions_after_every_restart() {
    let topics = [("orders.a", 2), ("orders.b", 1)];
    let cluster = cluster(&topics);
    let settings = settings(cluster.bootstrap_servers(), "restart");
    write(&settings, "orders.a", 2, 0..200, "a");
    write(&settings, "orders.b", 1, 0..100, "b");
    let mut seen = Vec::new();
    for round in 1..=10 {
        let known = resumes(&seen);
        let starts: Vec<Start> = places(&topics)
            .into_iter()
            .map(|place| {
                let resume = known.iter().find(|resume| resume.place == place);
                let at = resume.map_or(StartAt::Beginning, |resume| StartAt::Offset(resume.position));
                Start { place, at }
            })
            .collect();
        let source = source(&settings, &starts);
        read_to(&source, &mut seen, round * 30);
    }
    assert_eq!(seen.len(), 300);
    assert_whole(&seen);
}

#[test]
fn new_partitions_join_without_repeating_the_old_ones() {
    let topics = [("orders.a", 2), ("orders.b", 2)];
    let cluster = cluster(&topics);
    let settings = settings(cluster.bootstrap_servers(), "joining");
    write(&settings, "orders.a", 2, 0..100, "a");
    write(&settings, "orders.b", 2, 0..100, "b");
    let mut source = source(&settings, &from_beginning(&places(&topics[..1])));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 60);
    source.add(&from_beginning(&places(&topics))).unwrap();
    read_to(&source, &mut seen, 200);
    assert_whole(&seen);
    idle_until(&source, "a few idle polls", {
        let polls = Cell::new(0);
        move || polls.replace(polls.get() + 1) >= 5
    });
}

#[test]
fn a_broker_that_goes_and_comes_costs_nothing_and_is_reported_once() {
    let topics = [("orders", 2)];
    let cluster = cluster(&topics);
    let settings = settings(cluster.bootstrap_servers(), "outage");
    write(&settings, "orders", 2, 0..100, "o");
    let health = KafkaHealth::new();
    let mut source = PartitionSource::new(&settings, health.clone()).unwrap();
    source.add(&from_beginning(&places(&topics))).unwrap();
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 100);
    assert!(!health.is_unreachable());

    cluster.broker_down(1).unwrap();
    idle_until(&source, "the outage is known", || health.is_unreachable());
    let outages = health.counts().outages;
    let asked =
        source.probe().ends(&source.places(), || UtcMillis::new(0), std::time::Duration::from_millis(300));
    assert!(matches!(&asked, Err(fault) if fault.is_transient()), "{asked:?}");
    assert_eq!(health.counts().outages, outages, "an outage is counted once");

    cluster.broker_up(1).unwrap();
    write(&settings, "orders", 2, 100..200, "o");
    read_to(&source, &mut seen, 200);
    assert_whole(&seen);
    assert!(!health.is_unreachable());
}

#[test]
fn a_client_that_cannot_reach_its_broker_can_still_be_closed() {
    let cluster = cluster(&[("orders", 1)]);
    let settings = settings(cluster.bootstrap_servers(), "closing");
    write(&settings, "orders", 1, 0..10, "o");
    let source = source(&settings, &from_beginning(&places(&[("orders", 1)])));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 10);
    cluster.broker_down(1).unwrap();
    source.report_progress(&[(TopicPartition::new("orders", 0), next_offset(9))]);
    drop(source);
}

#[test]
fn a_position_that_kafka_does_not_hold_stops_with_the_partition_and_the_range() {
    let topics = [("orders.a", 2), ("orders.b", 2)];
    let cluster = cluster(&topics);
    let settings = settings(cluster.bootstrap_servers(), "range");
    write(&settings, "orders.a", 2, 0..20, "a");
    write(&settings, "orders.b", 2, 0..20, "b");
    let mut starts = from_beginning(&places(&topics));
    let place = TopicPartition::new("orders.b", 1);
    starts[3].at = StartAt::Offset(99);
    let source = source(&settings, &starts);
    let fault = read_to_fault(&source);
    assert_eq!(fault, KafkaFault::LogTooShort { place: place.clone(), position: 99, low: 0, end: 10 });

    // The same is noticed before anything is read.
    let probe = KafkaProbe::new(&settings, KafkaHealth::new()).unwrap();
    let last = Some(LastApplied { offset: 98, digest: [0; 16] });
    let identity = TopicIdentity::default();
    let resume = Resume { place, position: 99, last, identity };
    let checked =
        check_continuation(&settings, &KafkaHealth::new(), &probe, &[resume], &BTreeMap::new(), TIMEOUT);
    assert_eq!(checked, Ok(vec![Err(fault)]));
}

#[test]
fn the_last_applied_record_is_compared_before_reading_goes_on() {
    let topics = [("orders.a", 2), ("orders.b", 2)];
    let cluster = cluster(&topics);
    let settings = settings(cluster.bootstrap_servers(), "digest");
    write(&settings, "orders.a", 2, 0..50, "a");
    write(&settings, "orders.b", 2, 0..50, "b");
    let source = source(&settings, &from_beginning(&places(&topics)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 100);
    // Later records do not matter.
    write(&settings, "orders.a", 2, 50..100, "a");
    let health = KafkaHealth::new();
    let probe = KafkaProbe::new(&settings, health.clone()).unwrap();
    let mut known = resumes(&seen);
    let checked = check_continuation(&settings, &health, &probe, &known, &BTreeMap::new(), TIMEOUT);
    assert_eq!(checked, Ok(vec![Ok(Continuation::Verified); 4]));

    known[0].last = None;
    let checked = check_continuation(&settings, &health, &probe, &known, &BTreeMap::new(), TIMEOUT).unwrap();
    assert_eq!(checked[0], Ok(Continuation::NothingApplied));

    known[2].last.as_mut().unwrap().digest[7] ^= 1;
    let checked = check_continuation(&settings, &health, &probe, &known, &BTreeMap::new(), TIMEOUT);
    let place = TopicPartition::new("orders.b", 0);
    assert_eq!(checked.unwrap()[2], Err(KafkaFault::AnotherLog { place, offset: 24, low: 0 }));

    let identity = TopicIdentity::default();
    let gone = Resume { place: TopicPartition::new("orders.b", 7), position: 1, last: None, identity };
    let asked = std::slice::from_ref(&gone);
    let checked = check_continuation(&settings, &health, &probe, asked, &BTreeMap::new(), TIMEOUT);
    assert_eq!(checked, Ok(vec![Err(KafkaFault::PartitionMissing { place: gone.place })]));
}

#[test]
fn partitions_are_discovered() {
    let cluster = cluster(&[("orders.a", 3), ("orders.b", 1)]);
    let settings = settings(cluster.bootstrap_servers(), "discovery");
    let probe = KafkaProbe::new(&settings, KafkaHealth::new()).unwrap();
    let found = probe.discover(["orders.b", "orders.a"], TIMEOUT).unwrap();
    let expected = [("orders.b", vec![0]), ("orders.a", vec![0, 1, 2])];
    let expected =
        expected.map(|(topic, partitions)| TopicPartitions { topic: topic.to_owned(), partitions });
    assert_eq!(found, expected);
}

#[test]
fn a_wrong_option_is_named_without_its_value() {
    let mut settings = settings("127.0.0.1:1".to_owned(), "options");
    settings.options.insert("security.protocol".to_owned(), "carrier-pigeon".to_owned());
    let fault = PartitionSource::new(&settings, KafkaHealth::new()).err().unwrap();
    assert!(
        matches!(&fault, KafkaFault::Settings { option, .. } if option == "security.protocol"),
        "{fault}"
    );
    settings.options.insert("security.protocol".to_owned(), "plaintext".to_owned());
    settings.options.insert("ssl.key.pem".to_owned(), "hunter2".to_owned());
    if let Err(fault) = PartitionSource::new(&settings, KafkaHealth::new()) {
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}

#[test]
fn progress_is_reported_and_closing_waits_for_it() {
    let cluster = cluster(&[("orders", 1)]);
    let settings = settings(cluster.bootstrap_servers(), "progress");
    write(&settings, "orders", 1, 0..10, "o");
    let health = KafkaHealth::new();
    let mut source = PartitionSource::new(&settings, health.clone()).unwrap();
    source.add(&from_beginning(&places(&[("orders", 1)]))).unwrap();
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 10);
    source.report_progress(&[(TopicPartition::new("orders", 0), next_offset(seen[4].offset))]);
    let counts = health.counts();
    assert_eq!((counts.progress_sent, counts.progress_failed), (1, 0));
    drop(source);
    let tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", &settings.group_id)
        .create()
        .unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition("orders", 0);
    // Closing waits for what was sent.
    let committed = tool.committed_offsets(asked, TIMEOUT).unwrap();
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(5));
}
