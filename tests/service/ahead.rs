//! Clocks of producers that were never set, or run far ahead.

use super::tests::{config, order};
use crate::testkit::mock;
use crate::testkit::orders::{TOPIC, send_to};
use crate::testkit::program::{Program, binary};
use coverledger::domain::time::{DAY_MS, UtcMillis};
use coverledger::telemetry::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;

fn text(at: UtcMillis) -> String {
    jiff::Timestamp::from_millisecond(at.millis()).unwrap().to_string()
}

#[test]
fn records_of_kafka_far_ahead_or_of_a_zero_clock_are_beyond_the_horizon() {
    let cluster = mock::cluster(&[(TOPIC, 1)]);
    let (brokers, folder) = (cluster.bootstrap_servers(), TempDir::new().unwrap());
    let config = config(&folder, &brokers);
    let now = Clock::start().now();
    let (soon, later) = (text(now.plus(DAY_MS - 3_600_000)), text(now.plus(DAY_MS + 3_600_000)));
    let through = |at: &str| format!(r#"{{"kind":"complete","platform":"meituan","through":"{at}"}}"#);
    let records = [
        order("zero", "1970-01-01T08:00:00+08:00", "1970-01-01T08:30:00+08:00"),
        order("far", "2062-07-10T12:00:00+08:00", "2062-07-10T12:30:00+08:00"),
        order("later", &later, &later),
        order("ends later", &soon, &later),
        order("soon", &soon, &soon),
        order("past", "2025-07-10T12:00:00+08:00", "2025-07-10T12:30:00+08:00"),
        through(&later),
    ];
    let records: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
    send_to(&brokers, 0, &records);
    let mut program = Program::serve(&config, &[]);
    program.applied(i64::try_from(records.len()).unwrap());
    assert_eq!(program.terminate(), Some(0));
    let run = |args: &[&str]| {
        let output = binary().args(args).arg("--config").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = |stage: &str| {
        let mut details = Vec::new();
        for line in run(&["rejections", "--json"]).lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["reason"], "beyond_horizon", "{stage}: {line}");
            let place =
                if line["detail"].as_str().unwrap().contains("ahead_max") { "ahead" } else { "outside" };
            details.push((line["order_id"].as_str().unwrap_or("none").to_owned(), place));
        }
        details
    };
    let expected = [
        ("zero", "outside"),
        ("far", "ahead"),
        ("later", "ahead"),
        ("ends later", "ahead"),
        ("none", "ahead"),
    ];
    let expected: Vec<(String, &str)> = expected.map(|(id, place)| (id.to_owned(), place)).into();
    assert_eq!(refused("as they came"), expected);
    // Sent again at once they are not let through either.
    let again: Value = serde_json::from_str(&run(&["rejections", "--redrive"])).unwrap();
    assert_eq!((&again["records"], &again["dispositions"]["rejected"]), (&5.into(), &5.into()), "{again}");
    let statement = run(&["statement"]);
    assert!(statement.contains(",2025-07,1,"), "{statement}");
    assert!(!statement.contains("1970") && !statement.contains("2062"), "{statement}");
}
