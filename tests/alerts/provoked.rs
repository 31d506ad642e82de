//! Which alarms a test provokes at a real service, and which have unit tests of their rules only, with the reason. Each alarm is in one
//! of the two lists: a new one cannot be forgotten.

use crate::{alarms, text};
use std::collections::BTreeSet;

/// The test provokes these, sees them fire, and clear.
const LIVE: [&str; 28] = [
    "CoverledgerDown",
    "CoverledgerAbsent",
    "CoverledgerNotReady",
    "CoverledgerRestarted",
    "CoverledgerPoisoned",
    "CoverledgerFenced",
    "CoverledgerReaderBehind",
    "CoverledgerNoStandby",
    "CoverledgerAnswersRefused",
    "CoverledgerClockJumped",
    "CoverledgerCertificateExpires",
    "CoverledgerLag",
    "CoverledgerStreamDead",
    "CoverledgerKafkaUnreachable",
    "CoverledgerPlatformBehind",
    "CoverledgerLateEvents",
    "CoverledgerRejections",
    "CoverledgerUnreadableRecords",
    "CoverledgerUnratedOrders",
    "CoverledgerAnswersChanged",
    "CoverledgerIngestPaused",
    "CoverledgerDiskFills",
    "CoverledgerSlowDisk",
    "CoverledgerSealsLate",
    "CoverledgerCheckpointsFail",
    "CoverledgerBesideFailing",
    "CoverledgerErrors",
    "CoverledgerRequestsShed",
];

/// Unit tests alone hold these, and why.
const BY_UNIT_TESTS: [(&str, &str); 2] = [
    (
        "CoverledgerSealingFails",
        "a day that cannot be sealed is tried at the start and ten minutes later: Prometheus would have to scrape in the moment between \
         the start and the first attempt, or the test would have to wait",
    ),
    (
        "CoverledgerSlowAnswers",
        "no fault makes answers slow and leaves the service answering: how long one takes is the machine's matter, and benchmarks measure it",
    ),
];

#[test]
fn every_alarm_is_provoked_or_has_a_reason_why_not() {
    let rules: BTreeSet<String> = alarms().into_iter().map(|(name, _)| name).collect();
    let not_live = BY_UNIT_TESTS.map(|(name, _)| name);
    let listed: BTreeSet<String> = LIVE.iter().chain(&not_live).map(|name| (*name).to_owned()).collect();
    assert_eq!(listed.len(), LIVE.len() + not_live.len(), "an alarm is listed twice");
    assert_eq!(rules, listed, "left: ops/prometheus/alerts.yml; right: the lists of this file");
    let tests: String = ["alerts.rs", "alerts/bucket.rs", "alerts/sealing.rs"]
        .iter()
        .map(|file| text(&format!("tests/{file}")))
        .collect();
    let provoked = |name: &str| tests.contains(&format!("\"{name}\""));
    assert_eq!(LIVE.iter().find(|name| !provoked(name)), None, "no test waits for it");
    assert_eq!(not_live.iter().find(|name| provoked(name)), None, "a test waits for it: list it as such");
}
