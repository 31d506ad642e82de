//! A real Apache Kafka: one broker, one part after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use coverledger::domain::time::UtcMillis;
use coverledger::ingest::kafka::{
    ClientSettings, Continuation, EventProducer, KafkaFault, KafkaHealth, KafkaProbe, Outgoing,
    PartitionSource, Standing, TopicPartition, check_continuation, next_offset,
};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;

use crate::faults::{MARK, marked};
use crate::testkit::cluster::{PASSWORD, RealKafka};
use crate::testkit::program::Program;
use crate::testkit::proxy::Proxy;
use crate::testkit::reading::{
    Seen, TIMEOUT, assert_whole, from_beginning, idle_until, read_to, read_to_fault, read_until, resumes,
    source, write,
};
use crate::testkit::wait::poll_until;

#[test]
fn a_real_kafka_is_read_without_loss_or_repetition_whatever_happens_to_it() {
    let kafka = RealKafka::start();
    the_broker_restarts_while_its_topics_are_read(&kafka);
    a_line_that_breaks_or_is_slow_costs_nothing(&kafka);
    added_partitions_are_noticed(&kafka);
    progress_is_visible_to_other_tools(&kafka);
    transaction_markers_at_the_tail_count_as_read(&kafka);
    large_records_pass(&kafka);
    records_removed_by_retention_stop_the_reader(&kafka);
    a_topic_made_again_is_noticed(&kafka);
    a_topic_made_again_stops_a_running_service(&kafka);
    a_damaged_segment_is_told(&kafka);
    a_missing_topic_is_named(&kafka);
    tls_and_sasl_connect(&kafka);
    // What is made while there are two brokers needs both: the last part.
    leaders_move_to_another_broker_and_back(&kafka);
}

fn places(topic: &str, partitions: i32) -> Vec<TopicPartition> {
    (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect()
}

/// Whether the source is at the ends that Kafka names now.
fn is_at_the_ends(source: &PartitionSource) -> bool {
    let report = source.probe().ends(&source.places(), || UtcMillis::new(0), TIMEOUT).unwrap();
    let positions = source.positions().unwrap();
    assert_eq!(report.ends.len(), positions.len());
    report.ends.iter().zip(&positions).all(|((place, end), (known, position))| {
        assert_eq!(place, known);
        position.is_some_and(|position| position >= *end)
    })
}

fn the_broker_restarts_while_its_topics_are_read(kafka: &RealKafka) {
    kafka.create_topic("restart.a", 3);
    kafka.create_topic("restart.b", 2);
    let settings = kafka.settings("restart");
    write(&settings, "restart.a", 3, 0..3_000, "a");
    write(&settings, "restart.b", 2, 0..2_000, "b");
    let health = KafkaHealth::new();
    let mut source = PartitionSource::new(&settings, health.clone()).unwrap();
    let all = [places("restart.a", 3), places("restart.b", 2)].concat();
    source.add(&from_beginning(&all)).unwrap();
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 1_700);
    kafka.stop();
    // What was fetched before is still handed out; then there is nothing, and the outage is known.
    read_until(&source, &mut seen, "the outage is known", || health.is_unreachable());
    kafka.start_again();
    write(&settings, "restart.a", 3, 3_000..4_200, "a");
    write(&settings, "restart.b", 2, 2_000..2_400, "b");
    read_to(&source, &mut seen, 6_600);
    assert!(!health.is_unreachable());
    assert!(is_at_the_ends(&source));
    assert_whole(&seen);
    let payloads: BTreeSet<&str> = seen.iter().map(|record| record.payload.as_str()).collect();
    assert_eq!(payloads.len(), 6_600);
}

fn a_line_that_breaks_or_is_slow_costs_nothing(kafka: &RealKafka) {
    kafka.create_topic("line", 2);
    let direct = kafka.settings("line");
    for round in 0..40 {
        write(&direct, "line", 2, round * 100..round * 100 + 100, "o");
    }
    let breaking = Proxy::breaking(&kafka.brokers(), 6_000);
    let slow = Proxy::slow(&kafka.brokers(), Duration::from_millis(100));
    for proxy in [&breaking, &slow] {
        let mut through = direct.clone();
        through.brokers = proxy.address();
        // A broken connection brings one small answer or two.
        through.options.insert("fetch.message.max.bytes".to_owned(), "1000".to_owned());
        let source = source(&through, &from_beginning(&places("line", 2)));
        let mut seen = Vec::new();
        read_to(&source, &mut seen, 4_000);
        assert_whole(&seen);
        assert!(is_at_the_ends(&source));
    }
    assert!(breaking.broken() > 3, "{} connections broke", breaking.broken());
}

fn leaders_move_to_another_broker_and_back(kafka: &RealKafka) {
    let other = kafka.start_another();
    kafka.create_copied_topic("moving", 4, 2);
    let settings = kafka.settings("moving");
    let led_by = |nodes: &BTreeSet<i32>| {
        let leaders = || BTreeSet::from_iter(kafka.leaders("moving"));
        poll_until(&format!("{nodes:?} lead"), || (leaders() == *nodes).then_some(()));
    };
    let (one, both) = (BTreeSet::from([1]), BTreeSet::from([1, 2]));
    let source = source(&settings, &from_beginning(&places("moving", 4)));
    let mut seen = Vec::new();
    for (round, clean) in [(0, true), (1, false)] {
        let from = round * 2_000;
        led_by(&both);
        write(&settings, "moving", 4, from..from + 1_000, "m");
        read_to(&source, &mut seen, usize::try_from(from).unwrap() + 700);
        if clean {
            other.stop()
        } else {
            other.kill()
        }
        led_by(&one);
        write(&settings, "moving", 4, from + 1_000..from + 2_000, "m");
        read_to(&source, &mut seen, usize::try_from(from).unwrap() + 2_000);
        other.start_again();
    }
    led_by(&both);
    assert!(is_at_the_ends(&source));
    assert_whole(&seen);
    let payloads: BTreeSet<&str> = seen.iter().map(|record| record.payload.as_str()).collect();
    assert_eq!(payloads.len(), 4_000);
}

fn added_partitions_are_noticed(kafka: &RealKafka) {
    kafka.create_topic("growing", 2);
    let settings = kafka.settings("growing");
    write(&settings, "growing", 2, 0..200, "before");
    let mut source = source(&settings, &from_beginning(&places("growing", 2)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 150);
    kafka.add_partitions("growing", 4);
    let is_known = || source.probe().discover(["growing"], TIMEOUT).unwrap()[0].partitions.len() == 4;
    let mut left = 1_000;
    while !is_known() {
        left -= 1;
        assert!(left > 0, "the new partitions are not discovered");
    }
    let found: Vec<_> = source.probe().discover(["growing"], TIMEOUT).unwrap()[0].places().collect();
    source.add(&from_beginning(&found)).unwrap();
    write(&settings, "growing", 4, 200..400, "after");
    read_to(&source, &mut seen, 400);
    assert_whole(&seen);
    assert!(is_at_the_ends(&source));
}

fn progress_is_visible_to_other_tools(kafka: &RealKafka) {
    let settings = kafka.settings("visible");
    let source = source(&settings, &from_beginning(&places("growing", 1)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 50);
    let progress = (TopicPartition::new("growing", 0), next_offset(seen[29].offset));
    source.report_progress(&[progress]);
    drop(source);
    let tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("group.id", "visible")
        .create()
        .unwrap();
    let mut asked = rdkafka::TopicPartitionList::new();
    asked.add_partition("growing", 0);
    let committed = tool.committed_offsets(asked, TIMEOUT).unwrap();
    assert_eq!(committed.elements()[0].offset(), rdkafka::Offset::Offset(30));
}

fn transaction_markers_at_the_tail_count_as_read(kafka: &RealKafka) {
    kafka.create_topic("transactions", 1);
    let settings = kafka.settings("transactions");
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("transactional.id", "tests")
        .create()
        .unwrap();
    producer.init_transactions(TIMEOUT).unwrap();
    let send = |payload: &str| {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<(), str>::to("transactions").payload(payload)).unwrap();
        producer.flush(TIMEOUT).unwrap();
    };
    send("kept");
    producer.commit_transaction(TIMEOUT).unwrap();
    let source = source(&settings, &from_beginning(&places("transactions", 1)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 1);
    // One record and one marker.
    idle_until(&source, "the commit marker counts", || is_at_the_ends(&source));
    assert_eq!(source.position(&source.places()[0]).unwrap(), Some(2));

    send("dropped");
    // Acknowledged, but undecided: the end lies behind it, and the reader stays before it.
    assert!(!is_at_the_ends(&source));
    producer.abort_transaction(TIMEOUT).unwrap();
    idle_until(&source, "the abort marker counts", || is_at_the_ends(&source));
    assert_eq!(seen.iter().map(|record| record.payload.as_str()).collect::<Vec<_>>(), ["kept"]);

    // The position may lie behind the last record: that one is compared all the same.
    let mut known = resumes(&seen);
    known[0].position = source.position(&known[0].place).unwrap().unwrap();
    assert_eq!(known[0].position, 4);
    assert_eq!(check(&settings, &known), Ok(vec![Ok(Continuation::Verified)]));
}

fn check(
    settings: &ClientSettings,
    known: &[coverledger::ingest::kafka::Resume],
) -> Result<Vec<Standing>, KafkaFault> {
    let health = KafkaHealth::new();
    let probe = KafkaProbe::new(settings, health.clone()).unwrap();
    check_continuation(settings, &health, &probe, known, &BTreeMap::new(), TIMEOUT)
}

fn large_records_pass(kafka: &RealKafka) {
    kafka.create_topic("large", 1);
    let mut settings = kafka.settings("large");
    settings.options.insert("message.max.bytes".to_owned(), "15000000".to_owned());
    let payload = vec![b'x'; 12_000_000];
    let producer = EventProducer::new(&settings, KafkaHealth::new()).unwrap();
    // Random bytes would do as well: what counts is the length after decompression too.
    let outgoing =
        Outgoing { topic: "large", partition: Some(0), key: None, payload: &payload, timestamp: None };
    producer.send(&outgoing).unwrap();
    producer.send(&Outgoing { payload: b"next", ..outgoing }).unwrap();
    producer.flush(TIMEOUT).unwrap();
    let source = source(&settings, &from_beginning(&places("large", 1)));
    let mut seen = Vec::new();
    read_to(&source, &mut seen, 2);
    assert_eq!(seen[0].payload.len(), payload.len());
    assert_eq!(check(&settings, &resumes(&seen[..1])), Ok(vec![Ok(Continuation::Verified)]));
}

fn records_removed_by_retention_stop_the_reader(kafka: &RealKafka) {
    kafka.create_topic("retained", 1);
    let settings = kafka.settings("retained");
    write(&settings, "retained", 1, 0..100, "r");
    let seen = {
        let source = source(&settings, &from_beginning(&places("retained", 1)));
        let mut seen = Vec::new();
        read_to(&source, &mut seen, 50);
        seen
    };
    let known = resumes(&seen);
    assert_eq!(known[0].position, 50);
    kafka.delete_records("retained", 0, 50);
    assert_eq!(check(&settings, &known), Ok(vec![Ok(Continuation::LastRecordGone)]));
    kafka.delete_records("retained", 0, 60);
    let place = TopicPartition::new("retained", 0);
    let gone = KafkaFault::OffsetGone { place: place.clone(), position: 50, low: 60, end: 100 };
    assert_eq!(check(&settings, &known), Ok(vec![Err(gone.clone())]));
    let at = coverledger::ingest::kafka::StartAt::Offset(50);
    let source = source(&settings, &[coverledger::ingest::kafka::Start { place, at }]);
    assert_eq!(read_to_fault(&source), gone);
}

fn a_topic_made_again_is_noticed(kafka: &RealKafka) {
    kafka.create_topic("again", 1);
    let settings = kafka.settings("again");
    write(&settings, "again", 1, 0..100, "first");
    let running = source(&settings, &from_beginning(&places("again", 1)));
    let mut seen: Vec<Seen> = Vec::new();
    read_to(&running, &mut seen, 100);
    let known = resumes(&seen);
    assert_eq!(check(&settings, &known), Ok(vec![Ok(Continuation::Verified)]));

    kafka.delete_topic("again");
    let fault = read_to_fault(&running);
    assert_eq!(fault, KafkaFault::TopicMissing { topics: vec!["again".to_owned()] });

    kafka.create_topic("again", 1);
    write(&settings, "again", 1, 0..40, "second");
    let place = TopicPartition::new("again", 0);
    let short = KafkaFault::LogTooShort { place: place.clone(), position: 100, low: 0, end: 40 };
    assert_eq!(check(&settings, &known), Ok(vec![Err(short)]));
    write(&settings, "again", 1, 40..140, "second");
    let another = KafkaFault::AnotherLog { place, offset: 99, low: 0 };
    assert_eq!(check(&settings, &known), Ok(vec![Err(another)]));
}

fn a_topic_made_again_stops_a_running_service(kafka: &RealKafka) {
    let (topic, folder) = ("remade", TempDir::new().unwrap());
    kafka.create_topic(topic, 1);
    let settings = kafka.settings(topic);
    write(&settings, topic, 1, 0..100, "not an event");
    let config = folder.path().join("coverledger.toml");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[kafka]\nbrokers = \"{}\"\n[platform.p]\nrecords_from = 2025-07-01\ntopics = [\"{topic}\"]\n",
        kafka.brokers()
    );
    std::fs::write(&config, text).unwrap();
    let mut program = Program::serve(&config, &[]);
    program.applied(100);
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1);
    write(&settings, topic, 1, 0..40, "of another log");
    let (code, said) = program.end();
    assert!(code.is_some_and(|code| code != 0), "{said}");
    assert!(said.contains(topic) && !said.contains("panicked"), "{said}");
    // Nothing of the other log was taken, and the check detects it when the service starts again.
    let (code, said) = Program::serve(&config, &[]).end();
    assert!(code.is_some_and(|code| code != 0), "{said}");
    assert!(
        said.contains("remade:0: it belongs to another topic than the one that was read before"),
        "{said}"
    );
}

fn a_damaged_segment_is_told(kafka: &RealKafka) {
    kafka.create_topic("orders", 2);
    let settings = kafka.settings("damaged");
    marked(&settings);
    kafka.stop();
    kafka.damage("orders", 1, MARK.as_bytes());
    kafka.start_again();
    let place = TopicPartition::new("orders", 1);
    let fault = read_to_fault(&source(&settings, &from_beginning(std::slice::from_ref(&place))));
    assert_eq!(fault, KafkaFault::RecordsDamaged { place, position: 10, next: Some(12) });
}

fn a_missing_topic_is_named(kafka: &RealKafka) {
    let settings = kafka.settings("missing");
    let probe = KafkaProbe::new(&settings, KafkaHealth::new()).unwrap();
    let fault = probe.discover(["no.such", "growing", "nor.this"], TIMEOUT).unwrap_err();
    let topics = vec!["no.such".to_owned(), "nor.this".to_owned()];
    assert_eq!(fault, KafkaFault::TopicMissing { topics });
}

fn tls_and_sasl_connect(kafka: &RealKafka) {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let settings = kafka.secure_settings("secure", mechanism, PASSWORD);
        let source = source(&settings, &from_beginning(&places("growing", 4)));
        assert_eq!(source.probe().discover(["growing"], TIMEOUT).unwrap()[0].partitions.len(), 4);
        let mut seen = Vec::new();
        read_to(&source, &mut seen, 400);
        assert_whole(&seen);
        assert_eq!(check(&settings, &resumes(&seen)), Ok(vec![Ok(Continuation::Verified); 4]));
    }
    let settings = kafka.secure_settings("secure", "SCRAM-SHA-256", "a-wrong-word");
    let health = KafkaHealth::new();
    let probe = KafkaProbe::new(&settings, health.clone()).unwrap();
    let fault = probe.discover(["growing"], Duration::from_secs(2)).unwrap_err();
    assert!(fault.is_transient(), "{fault}");
    assert!(health.is_unreachable());
    assert!(!format!("{fault} {settings:?}").contains("a-wrong-word"));
}
