//! Alert rules and dashboards: they name metrics that exist, their unit tests pass, and a real Prometheus that scrapes the real
//! service on a real Kafka sees each alarm fire once its cause is there and clear once that is gone.
//!
//! For the last one the durations of the rules are shortened to seconds; expressions and thresholds are those of operation.

#![cfg(test)]

mod testkit;

#[cfg(feature = "object-store")]
#[path = "alerts/bucket.rs"]
mod bucket;
#[path = "alerts/dashboards.rs"]
mod dashboards;
#[path = "alerts/provoked.rs"]
mod provoked;
#[path = "alerts/sealing.rs"]
mod sealing;
#[path = "alerts/service.rs"]
mod service;

use service::{Service, ago, live, order_between};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::power::Fault;
use testkit::prometheus::{Prometheus, rules, shortened};
use testkit::wait::poll_until;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn promtool_accepts_the_rules_and_their_unit_tests_hold() {
    for args in [
        &["check", "rules", "--lint=all", "alerts.yml"][..],
        &["check", "config", "prometheus.yml"],
        &["test", "rules", "alerts.test.yml"],
    ] {
        let output = Command::new("promtool").args(args).current_dir(rules()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
    }
}

/// The alarms of the rules, each with its lines.
fn alarms() -> Vec<(String, String)> {
    let rules = text("ops/prometheus/alerts.yml");
    let parts = rules.split("- alert: ").skip(1);
    parts.map(|part| (part.lines().next().unwrap().to_owned(), part.to_owned())).collect()
}

#[test]
fn every_alarm_has_a_unit_test_and_a_runbook() {
    let tests = text("ops/prometheus/alerts.test.yml");
    let alarms = alarms();
    assert!(alarms.len() > 20);
    for (name, rule) in &alarms {
        assert!(tests.contains(&format!("        alertname: {name}\n")), "{name} has no unit test");
        let runbook = rule.split("runbook: ").nth(1).unwrap().lines().next().unwrap();
        let (file, anchor) = runbook.split_once('#').unwrap();
        let document = text(file);
        assert!(anchors(&document).contains(anchor), "{name}: {file} has no heading {anchor}");
        assert!(document.contains(&format!("`{name}`")), "{name}: {file} does not name it");
    }
}

/// The headings of a document as addresses.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter_map(|line| line.strip_prefix("## "));
    let address = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
    };
    headings.map(address).collect()
}

#[test]
fn only_durations_are_shortened() {
    let rules = "expr: delta(x{a=\"[b]\"}[15m]) > 900\nfor: 5m\n        for: 1h\nwait for: 3m";
    let short = "expr: delta(x{a=\"[b]\"}[5s]) > 900\nfor: 400ms\n        for: 400ms\nwait for: 3m\n";
    assert_eq!(shortened(rules), short);
}

#[test]
fn each_alarm_fires_while_its_cause_is_there_and_clears_when_it_is_gone() {
    let mut service = Service::start();
    let prometheus = Prometheus::start(&service.address());
    absent(&service, &prometheus);
    behind_and_late(&service, &prometheus);
    stream_and_kafka(&service, &prometheus);
    disk(&service, &prometheus);
    clock(&service, &prometheus);
    dashboards::of_a_directory(&prometheus);
    records(&mut service, &prometheus);
    changed_answers(&service, &prometheus);
    slow_disk(&mut service, &prometheus);
    answers(&mut service, &prometheus);
    poison(&mut service, &prometheus);
    fence(&mut service, &prometheus);
}

/// A target that is missing from the configuration of Prometheus.
fn absent(service: &Service, prometheus: &Prometheus) {
    prometheus.scrape(&[]);
    prometheus.fires("CoverledgerAbsent");
    prometheus.scrape(&[service.address().as_str()]);
    prometheus.clears("CoverledgerAbsent");
}

/// A platform whose completeness lies far back, then one that breaks its promise.
fn behind_and_late(service: &Service, prometheus: &Prometheus) {
    prometheus.fires("CoverledgerPlatformBehind");
    service.complete_dada();
    prometheus.clears("CoverledgerPlatformBehind");
    prometheus.is_quiet();
    service.send("dada", &[order_between("dada", "late", 1_800, 1_500)]);
    prometheus.fires("CoverledgerLateEvents");
    prometheus.clears("CoverledgerLateEvents");
}

/// Producers that fall silent, then a broker that goes away.
fn stream_and_kafka(service: &Service, prometheus: &Prometheus) {
    service.pause_sending();
    prometheus.fires("CoverledgerStreamDead");
    service.kafka.stop();
    prometheus.fires("CoverledgerKafkaUnreachable");
    service.kafka.start_again();
    prometheus.clears("CoverledgerKafkaUnreachable");
    service.resume_sending();
    prometheus.clears("CoverledgerStreamDead");
    prometheus.is_quiet();
}

/// A disk that fills up, and what waits meanwhile.
fn disk(service: &Service, prometheus: &Prometheus) {
    service.set_free_bytes(1_000 << 20);
    prometheus.fires("CoverledgerIngestPaused");
    prometheus.fires("CoverledgerDiskFills");
    let waiting: Vec<String> = (0..120_000).map(|nth| live("meituan", &format!("waiting-{nth}"))).collect();
    service.send("meituan", &waiting);
    prometheus.fires("CoverledgerLag");
    service.set_free_bytes(5 << 30);
    for alarm in ["CoverledgerIngestPaused", "CoverledgerDiskFills", "CoverledgerLag"] {
        prometheus.clears(alarm);
    }
}

/// A wall clock that is set ahead and back.
fn clock(service: &Service, prometheus: &Prometheus) {
    service.set_clock_ahead(3_600);
    prometheus.fires("CoverledgerClockJumped");
    service.set_clock_ahead(0);
    prometheus.clears("CoverledgerClockJumped");
    prometheus.is_quiet();
}

/// Records that cannot be read, and orders without a rate; mended while the service is stopped.
fn records(service: &mut Service, prometheus: &Prometheus) {
    let broken = "{\"platform\":\"meituan\",\"order_id\":\"broken\",NaN".to_owned();
    service.send("meituan", &[broken, live("meituan", "ride").replace("instant_delivery", "ride_hailing")]);
    for alarm in ["CoverledgerRejections", "CoverledgerUnreadableRecords", "CoverledgerUnratedOrders"] {
        prometheus.fires(alarm);
    }
    prometheus.clears("CoverledgerRejections");
    service.stop();
    prometheus.fires("CoverledgerDown");
    service.run(&["rejections", "--unreadable", "--resolve", "a test"]);
    service.add_rate("ride_hailing");
    service.serve(&mut |_| {});
    for alarm in ["CoverledgerDown", "CoverledgerUnreadableRecords", "CoverledgerUnratedOrders"] {
        prometheus.clears(alarm);
    }
    prometheus.is_quiet();
}

/// An answer that an order contradicts which arrives after it.
fn changed_answers(service: &Service, prometheus: &Prometheus) {
    let at = ago(60).replace('+', "%2B");
    assert_eq!(service.status(&format!("/v1/coverage?rider_id=R6&at={at}")), Some(200));
    let order = order_between("meituan", "of-r6", 600, 1).replace("\"R1\"", "\"R6\"");
    service.send("meituan", &[order]);
    prometheus.fires("CoverledgerAnswersChanged");
    prometheus.clears("CoverledgerAnswersChanged");
}

/// A disk that takes long for each fsync, then one that takes no time.
fn slow_disk(service: &mut Service, prometheus: &Prometheus) {
    let data = service.data();
    let mut serve = |ms| {
        service.stop();
        service.serve(&mut |command| Fault::SlowToSync(ms).enter(&data, command));
    };
    serve(150);
    prometheus.fires("CoverledgerSlowDisk");
    serve(0);
    prometheus.clears("CoverledgerSlowDisk");
}

/// An answer log that cannot be synced: the service runs on and answers nothing about riders.
fn answers(service: &mut Service, prometheus: &Prometheus) {
    service.stop();
    let log = service.answer_logs();
    service.serve(&mut |command| Fault::Unsyncable(8).enter(&log, command));
    // Of R1 there are too many orders to answer about.
    let path = "/v1/coverage?rider_id=R2&at=2025-07-10T09:07:31%2B08:00";
    poll_until("CoverledgerErrors fires", || {
        service.status(path);
        prometheus.firing().contains("CoverledgerErrors").then_some(())
    });
    println!("CoverledgerErrors fires");
    assert_eq!(service.status(path), Some(503));
    prometheus.fires("CoverledgerAnswersRefused");
    prometheus.fires("CoverledgerNotReady");
    service.stop();
    service.serve(&mut |_| {});
    for alarm in ["CoverledgerAnswersRefused", "CoverledgerNotReady", "CoverledgerErrors"] {
        prometheus.clears(alarm);
    }
}

/// A disk on which an fsync fails. The process ends within moments, perhaps between two scrapes: it is started again as by a
/// supervisor, until the alarm fires.
fn poison(service: &mut Service, prometheus: &Prometheus) {
    service.stop();
    let data = service.data();
    service.ends_again_and_again(
        prometheus,
        "CoverledgerPoisoned",
        // Whichever write meets it first.
        "Input/output error (os error 5)",
        |service| {
            service.serve(&mut |command| Fault::Unsyncable(60).enter(&data, command));
        },
    );
    service.serve(&mut |_| {});
    prometheus.clears("CoverledgerDown");
    prometheus.fires("CoverledgerRestarted");
    prometheus.clears("CoverledgerPoisoned");
    prometheus.clears("CoverledgerRestarted");
}

/// A data directory whose lock is taken away from the process that has it.
fn fence(service: &mut Service, prometheus: &Prometheus) {
    service.stop();
    let lock = service.data().join("LOCK");
    service.ends_again_and_again(
        prometheus,
        "CoverledgerFenced",
        "was moved, replaced or deleted",
        |service| {
            service.serve(&mut |_| {});
            fs::remove_file(Path::new(&lock)).unwrap();
        },
    );
    service.serve(&mut |_| {});
    for alarm in ["CoverledgerFenced", "CoverledgerPoisoned", "CoverledgerRestarted", "CoverledgerDown"] {
        prometheus.clears(alarm);
    }
    prometheus.is_quiet();
    service.complete_dada();
}
