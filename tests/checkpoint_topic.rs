//! Each checkpoint of the seal log in a topic of a real Kafka, whatever happens to the broker and the service.

#![cfg(test)]

mod testkit;

use coverledger::seal::checkpoint::Checkpoint;
use coverledger::seal::merkle::verify_consistency;
use coverledger::seal::note::PublicKey;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::fs;
use std::time::Duration;
use testkit::cases::Bench;
use testkit::cluster::RealKafka;
use testkit::program::Program;
use testkit::sealed::{configure, events, ledger, order, take};
use testkit::wait::poll_until;

const TOPIC: &str = "seal.checkpoints";
const NAMED: &str = "name = \"ledger.example/seal\"\ncheckpoint_topic = \"seal.checkpoints\"\n";

/// A configuration with Kafka whose platforms have no topic of their own to read.
fn with_kafka(bench: &Bench, brokers: &str) {
    configure(bench, NAMED);
    let config = fs::read_to_string(bench.path("flights.toml")).unwrap();
    let kafka = format!(
        "[kafka]\nbrokers = \"{brokers}\"\noptions = {{ \"reconnect.backoff.max.ms\" = \"200\" }}\n[ledger]"
    );
    fs::write(bench.path("flights.toml"), config.replacen("[ledger]", &kafka, 1)).unwrap();
}

/// The checkpoints in the topic, in order.
fn published(brokers: &str, count: usize) -> Vec<String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "auditor").set("enable.partition.eof", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let mut found = Vec::new();
    poll_until("the checkpoints are in the topic", || {
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            assert_eq!(message.key(), Some("ledger.example/seal".as_bytes()));
            found.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
        (found.len() >= count).then_some(())
    });
    found
}

fn serve(bench: &Bench) -> Program {
    Program::serve(&bench.path("flights.toml"), &[])
}

fn has(program: &mut Program, line: &str) {
    poll_until(line, || {
        assert!(!program.has_ended(), "it ended: {}", program.said());
        program.text("/metrics", "*/*").contains(line).then_some(())
    });
}

fn has_not(program: &mut Program, line: &str) {
    poll_until(&format!("no longer {line}"), || {
        (!program.text("/metrics", "*/*").contains(line)).then_some(())
    });
}

#[test]
fn every_checkpoint_reaches_the_topic_once_the_broker_is_there() {
    let kafka = RealKafka::start();
    kafka.create_topic(TOPIC, 1);
    let bench = ledger(&events(), 1000);
    with_kafka(&bench, &kafka.brokers());
    kafka.stop();
    // Sealing does not wait for a broker that is away.
    let mut program = serve(&bench);
    has(&mut program, "coverledger_seals 7\n");
    let key = program.text("/tlog/keys", "*/*").trim_end().to_owned();
    assert!(program.text("/metrics", "*/*").contains("coverledger_checkpoints_published_total 0\n"));
    has_not(&mut program, "coverledger_checkpoint_failures_total 0\n");
    kafka.start_again();
    has_not(&mut program, "coverledger_checkpoints_published_total 0\n");
    let newest = program.text("/tlog/checkpoint", "*/*");
    let first = published(&kafka.brokers(), 1);
    assert_eq!(first.last(), Some(&newest));
    assert_eq!(program.terminate(), Some(0));
    // What is sealed without Kafka is published after the next start, each checkpoint once.
    take(&bench, &[order(5, 6, 20, "")]);
    take(&bench, &[order(5, 7, 20, "")]);
    bench.ok("seal", &[]);
    let mut program = serve(&bench);
    let all = published(&kafka.brokers(), first.len() + 2);
    let known = [PublicKey::parse(&key).unwrap()];
    let states: Vec<Checkpoint> =
        all.iter().map(|note| Checkpoint::verify(note, &known).unwrap().checkpoint).collect();
    let sizes: Vec<u64> = states.iter().map(|state| state.size).collect();
    let expected: Vec<u64> = (states[0].size..=9).collect();
    assert_eq!(sizes, expected);
    assert_eq!(all.last(), Some(&program.text("/tlog/checkpoint", "*/*")));
    // Each continues the one before it.
    let log =
        coverledger::seal::log::SealLog::of_texts(entries(&mut program).iter().map(String::as_str)).unwrap();
    for pair in states.windows(2) {
        let upto = log.checkpoint_at(pair[1].size, "ledger.example/seal");
        assert_eq!(upto, pair[1]);
        assert!(pair[0].size < pair[1].size);
    }
    let path = log.prove_consistency(states[0].size);
    let newest = states.last().unwrap();
    assert!(verify_consistency((states[0].size, states[0].root), (newest.size, newest.root), &path));
    assert_eq!(program.terminate(), Some(0));
    // A restart with nothing new publishes nothing again.
    let mut program = serve(&bench);
    program.ready();
    take_a_look(&mut program);
    assert_eq!(program.terminate(), Some(0));
    assert_eq!(published(&kafka.brokers(), all.len()).len(), all.len());
}

/// Waits until the service has asked Kafka what is published: then it would have published what is missing.
fn take_a_look(program: &mut Program) {
    poll_until("the publisher has looked", || {
        program.said().contains("the topic has every checkpoint").then_some(())
    });
}

fn entries(program: &mut Program) -> Vec<String> {
    let bundle = program.text("/tlog/tile/entries/000.p/9", "*/*");
    let entries = coverledger::seal::tiles::decode_bundle(bundle.as_bytes()).unwrap();
    entries.into_iter().map(|entry| String::from_utf8(entry.to_vec()).unwrap()).collect()
}
