//! A clock that jumped says nothing about what is complete; records are taken in as ever.

use super::tests::{config, order};
use crate::testkit::mock;
use crate::testkit::orders::{TOPIC, send_to};
use crate::testkit::power::set_clock;
use crate::testkit::program::Program;
use crate::testkit::wait::poll_until;
use coverledger::config::Config;
use coverledger::domain::arrival::Timestamp;
use coverledger::domain::completeness::{EndObserved, MetadataObserved, PartitionStarted, TopicIdentity};
use coverledger::domain::time::UtcMillis;
use coverledger::domain::view::LedgerView;
use coverledger::ledger::{Arrival, Batch, CommitExtras, Ledger, LedgerOptions, Observations, Source};
use coverledger::pipeline::{receive, rules_for};
use tempfile::TempDir;

/// 2025-07-11T00:00:00Z
const MIDNIGHT: i64 = 1_752_192_000_000;

fn at(seconds: i64) -> UtcMillis {
    UtcMillis::new(MIDNIGHT + seconds * 1_000)
}

#[test]
fn nothing_becomes_complete_while_the_clock_cannot_be_trusted() {
    let folder = TempDir::new().unwrap();
    let config = Config::load(&config(&folder, "127.0.0.1:9"), &|_| None).unwrap();
    let mut ledger = Ledger::open(LedgerOptions::new(&config)).unwrap();
    ledger.activate_configuration(at(0)).unwrap();
    let rules = rules_for(&config, Some(TOPIC), None);
    let mut batch = Batch::default();
    let source = batch.source(&Source::Kafka { topic: TOPIC.to_owned(), partition: 0 });
    let complete = r#"{"kind":"complete","platform":"meituan","through":"2025-07-10T12:00:00Z"}"#;
    let order = order("o1", "2025-07-10T08:00:00Z", "2025-07-10T08:30:00Z");
    for (payload, offset) in [order.as_str(), complete].into_iter().zip(0..) {
        let (payload, timestamp) = (payload.as_bytes(), Timestamp::Broker(at(0)));
        let arrival = Arrival { source, offset, timestamp, payload, key: None, headers: &[] };
        receive(&mut batch, &arrival, &rules, &config.zone);
    }
    let place = || (TOPIC.to_owned(), 0);
    let observed = |seconds| Observations {
        started: vec![PartitionStarted {
            topic: TOPIC.to_owned(),
            partition: 0,
            offset: 0,
            seen_at: at(0),
            identity: TopicIdentity::default(),
        }],
        ends: vec![EndObserved {
            topic: place().0,
            partition: place().1,
            requested_at: at(seconds),
            end_offset: 2,
        }],
        metadata: vec![MetadataObserved {
            requested_at: at(seconds),
            topics: [(TOPIC.to_owned(), vec![0])].into(),
        }],
        ..Observations::default()
    };
    let published = ledger.published();
    let through = || published.current().completeness().complete_through("meituan");
    ledger.pause_completeness(true);
    ledger.commit(&batch, &CommitExtras::default(), at(1)).unwrap();
    ledger.observe(&observed(2));
    ledger.commit(&Batch::default(), &CommitExtras::default(), at(3)).unwrap();
    assert_eq!(through(), None);
    let stored = published.current().rider_versions("R1", UtcMillis::MIN, UtcMillis::MAX).unwrap();
    assert_eq!(stored.len(), 1, "records are taken in");
    ledger.pause_completeness(false);
    ledger.commit(&Batch::default(), &CommitExtras::default(), at(4)).unwrap();
    assert_eq!(through(), Some(UtcMillis::new(1_752_148_800_000)));
}

#[test]
fn a_service_whose_clock_is_set_goes_on_taking_records_and_says_so() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers);
    let ahead = folder.path().join("ahead");
    let complete =
        |through: &str| format!(r#"{{"kind":"complete","platform":"meituan","through":"{through}"}}"#);
    let mut program = Program::serve_with(&config, &[], &mut |command| set_clock(&ahead, command));
    let through = |program: &mut Program| {
        let progress = program.get("/v1/progress");
        let platforms = progress["platforms"].as_array().unwrap().clone();
        platforms.iter().find_map(|p| p["complete_through"].as_str().map(str::to_owned))
    };
    send_to(&brokers, 0, &[complete("2025-07-09T12:00:00Z").as_bytes()]);
    let before = poll_until("the past is complete", || through(&mut program));
    assert!(before.starts_with("2025-07-09"), "{before}");
    for seconds in ["7200", "-7200"] {
        // At once: a clock that is right in between would be one that never jumped.
        std::fs::write(ahead.with_extension("new"), seconds).unwrap();
        std::fs::rename(ahead.with_extension("new"), &ahead).unwrap();
        poll_until("the jump is noticed", || program.said().contains("the wall clock jumped").then_some(()));
        let order = order(&format!("o{seconds}"), "2025-07-10T08:00:00Z", "2025-07-10T08:30:00Z");
        let records = [order.as_bytes(), complete("2025-07-10T12:00:00Z").as_bytes()].map(<[u8]>::to_vec);
        send_to(&brokers, 0, &records.each_ref().map(Vec::as_slice));
        let want = if seconds.starts_with('-') { 5 } else { 3 };
        program.applied(want);
        assert_eq!(through(&mut program).as_deref(), Some(before.as_str()), "ahead by {seconds} s");
    }
    let answer = program.get("/v1/coverage?rider_id=R1&at=2025-07-10T08:10:00Z");
    assert_eq!((&answer["verdict"], answer["windows"].as_array().unwrap().len()), (&"covered".into(), 2));
    std::fs::remove_file(&ahead).unwrap();
    poll_until("the clock is right again", || {
        through(&mut program).filter(|through| through.starts_with("2025-07-10"))
    });
    let said = program.said();
    assert_eq!(program.terminate(), Some(0), "{said}");
}
