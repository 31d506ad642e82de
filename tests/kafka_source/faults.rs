//! What brokers and networks do: nothing of it loses, repeats or changes a record.

use crate::testkit::mock::settings;
use crate::testkit::proxy::Proxy;
use crate::testkit::random::Random;
use crate::testkit::reading::{
    TIMEOUT, assert_whole, from_beginning, read_to, read_to_fault, resumes, source, write,
};
use crate::testkit::wait::poll_until;
use coverledger::domain::time::UtcMillis;
use coverledger::ingest::kafka::{
    ClientSettings, EventProducer, KafkaFault, KafkaHealth, Outgoing, PartitionSource, Polled, Start,
    StartAt, TopicPartition, next_offset,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const MARK: &str = "DAMAGED-ON-THE-WAY";

fn cluster(brokers: i32, partitions: i32) -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(brokers).unwrap();
    cluster.create_topic("orders", partitions, brokers).unwrap();
    cluster
}

fn places(partitions: i32) -> Vec<TopicPartition> {
    (0..partitions).map(|partition| TopicPartition::new("orders", partition)).collect()
}

#[test]
fn leaders_move_while_their_partitions_are_read() {
    let cluster = cluster(3, 2);
    let settings = settings(cluster.bootstrap_servers(), "leaders");
    let source = source(&settings, &from_beginning(&places(2)));
    let mut seen = Vec::new();
    for round in 0..6 {
        for partition in 0..2 {
            cluster.partition_leader("orders", partition, Some((round + partition) % 3 + 1)).unwrap();
        }
        write(&settings, "orders", 2, round * 100..round * 100 + 100, "o");
        read_to(&source, &mut seen, usize::try_from(round).unwrap() * 100 + 70);
    }
    read_to(&source, &mut seen, 600);
    assert_whole(&seen);
    let payloads: BTreeSet<&str> = seen.iter().map(|record| record.payload.as_str()).collect();
    assert_eq!(payloads.len(), 600);
}

#[test]
fn connections_that_break_and_errors_that_pass_cost_nothing() {
    use RDKafkaRespErr as Code;
    let cluster = cluster(1, 2);
    let settings = settings(cluster.bootstrap_servers(), "errors");
    write(&settings, "orders", 2, 0..200, "o");
    let errors = [
        Code::RD_KAFKA_RESP_ERR__TRANSPORT,
        Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT,
        Code::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    ];
    cluster.request_errors(RDKafkaApiKey::Fetch, &errors);
    cluster.request_errors(RDKafkaApiKey::Metadata, &errors[..1]);
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &errors[..2]);
    let source = source(&settings, &from_beginning(&places(2)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 120);
    cluster.request_errors(RDKafkaApiKey::Fetch, &errors);
    write(&settings, "orders", 2, 200..400, "o");
    read_to(&source, &mut seen, 400);
    assert_whole(&seen);
}

#[test]
fn a_slow_broker_is_waited_for() {
    let cluster = cluster(1, 2);
    let settings = settings(cluster.bootstrap_servers(), "slow");
    write(&settings, "orders", 2, 0..100, "o");
    cluster.broker_round_trip_time(1, Duration::from_millis(400)).unwrap();
    let source = source(&settings, &from_beginning(&places(2)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 100);
    assert_whole(&seen);
    let report = source.probe().ends(&source.places(), || UtcMillis::new(1), TIMEOUT).unwrap();
    assert_eq!(report.ends.iter().map(|(_, end)| *end).collect::<Vec<_>>(), [50, 50]);
}

/// Ten records, a batch with the mark, ten records; all in partition 1 of two.
pub(crate) fn marked(settings: &ClientSettings) {
    let producer = EventProducer::new(settings, KafkaHealth::new()).unwrap();
    for payloads in [vec!["before"; 10], vec!["first of its batch", MARK], vec!["behind"; 10]] {
        for payload in payloads {
            let payload = payload.as_bytes();
            let (topic, partition) = ("orders", Some(1));
            producer.send(&Outgoing { topic, partition, key: None, payload, timestamp: None }).unwrap();
        }
        // A batch of its own.
        producer.flush(TIMEOUT).unwrap();
    }
}

#[test]
fn a_damaged_batch_stops_the_reader_before_anything_of_it_or_behind_it_is_taken() {
    let cluster = cluster(1, 2);
    let direct = settings(cluster.bootstrap_servers(), "damaged");
    write(&direct, "orders", 1, 0..5, "other");
    marked(&direct);
    let proxy = Proxy::damaging(&cluster.bootstrap_servers(), MARK, i64::MAX);
    let through = settings(proxy.address(), "damaged");
    let mut seen = Vec::new();
    let place = TopicPartition::new("orders", 1);
    let fault = {
        let source = source(&through, &from_beginning(&places(2)));
        let fault = poll_until("the source stops", || match source.poll(Duration::ZERO) {
            Polled::Record(record) => {
                seen.push((record.partition, record.offset, record.payload().to_vec()));
                None
            }
            Polled::Idle => None,
            Polled::Fault(fault) => Some(fault),
        });
        assert_eq!(source.position(&place).unwrap(), Some(10), "nothing was stepped over");
        fault
    };
    let damaged: Vec<i64> =
        seen.iter().filter(|(partition, ..)| *partition == 1).map(|(_, offset, _)| *offset).collect();
    assert_eq!(damaged, (0..10).collect::<Vec<_>>(), "what lies before it, and nothing else");
    assert_eq!(fault, KafkaFault::RecordsDamaged { place: place.clone(), position: 10, next: Some(12) });
    assert!(fault.to_string().contains("--skip orders:1:12 --reason"), "{fault}");
    // Behind it everything is as it was.
    let at = StartAt::Offset(12);
    let source = source(&through, &[Start { place, at }]);
    let mut rest = Vec::new();
    read_to(&source, &mut rest, 10);
    assert!(rest.iter().all(|record| record.payload == "behind"), "{rest:?}");
}

#[test]
fn records_that_were_damaged_on_the_way_are_read_again() {
    let cluster = cluster(1, 2);
    let direct = settings(cluster.bootstrap_servers(), "once");
    marked(&direct);
    let proxy = Proxy::damaging(&cluster.bootstrap_servers(), MARK, 1);
    let through = settings(proxy.address(), "once");
    let fault = read_to_fault(&source(&through, &from_beginning(&places(2))));
    assert_eq!((fault, proxy.damages_left() <= 0), (KafkaFault::DamagedOnTheWay, true));
    let source = source(&through, &from_beginning(&places(2)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 22);
    assert_whole(&seen);
    assert_eq!(seen[11].payload, MARK);
    assert_eq!(resumes(&seen)[0].position, next_offset(21));
}

#[test]
fn a_record_of_a_megabyte_is_a_record() {
    let cluster = cluster(1, 1);
    let mut settings = settings(cluster.bootstrap_servers(), "large");
    settings.options.insert("message.max.bytes".to_owned(), "4000000".to_owned());
    let producer = EventProducer::new(&settings, KafkaHealth::new()).unwrap();
    // Numbers do not compress away.
    let mut random = Random::new(1);
    let payload: String = (0..200_000).map(|_| random.below(1_000_000_u64).to_string()).collect();
    assert!(payload.len() > 1_000_000);
    for payload in [payload.as_bytes(), b"next"] {
        let (topic, partition) = ("orders", Some(0));
        producer.send(&Outgoing { topic, partition, key: None, payload, timestamp: None }).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
    let mut source = PartitionSource::new(&settings, KafkaHealth::new()).unwrap();
    source.add(&from_beginning(&places(1))).unwrap();
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 2);
    assert!(seen[0].payload == payload && seen[1].payload == "next");
}
