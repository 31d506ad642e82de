//! The cluster: whether it answers, what the user may do there, how the topics are set.

use super::clock::Told;
use super::ledger::Positions;
use super::report::{Area, Report};
use crate::config::{Config, KafkaSettings};
use crate::domain::time::{DAY_MS, UtcMillis};
use crate::ingest::kafka::{
    ClientSettings, KafkaFault, KafkaHealth, KafkaProbe, TopicPartition, TopicPartitions, TopicSettings,
    client_version, may_use_group, newest_record,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked, and whom.
struct Patient<'a> {
    settings: ClientSettings,
    health: Arc<KafkaHealth>,
    probe: KafkaProbe,
    kafka: &'a KafkaSettings,
}

/// Looks at the cluster of the configuration; `positions` are where ledgers continue. Returns what its records say of the time.
pub fn examine(config: &Config, positions: &[Positions], now: UtcMillis, report: &mut Report) -> Vec<Told> {
    let Some(kafka) = &config.kafka else {
        report.ok(Area::Kafka, "cluster", "there is no [kafka]: events come from files");
        return Vec::new();
    };
    let settings = ClientSettings {
        brokers: kafka.brokers.clone(),
        group_id: kafka.group_id.clone(),
        options: kafka.options.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())).collect(),
    };
    let health = KafkaHealth::new();
    let probe = match KafkaProbe::new(&settings, Arc::clone(&health)) {
        Ok(probe) => probe,
        Err(fault) => {
            report.problem(Area::Kafka, "cluster", fault.to_string(), "correct [kafka]");
            return Vec::new();
        }
    };
    let patient = Patient { settings, health, probe, kafka };
    if let Err(fault) = patient.cluster(report) {
        let todo = "check `brokers` and the options of [kafka] (security.protocol, sasl.*, ssl.*), the network, and the brokers";
        report.problem(Area::Kafka, "cluster", format!("{fault} (brokers: {})", kafka.brokers), todo);
        return Vec::new();
    }
    let topics: Vec<String> = config.platforms.topics().into_iter().map(str::to_owned).collect();
    if topics.is_empty() {
        report.warning(
            Area::Kafka,
            "topic",
            "no platform has topics: nothing is read",
            "name them in [platform.NAME]",
        );
    }
    let (mut told, mut found) = (Vec::new(), Vec::new());
    for topic in &topics {
        match patient.probe.discover([topic.as_str()], TIMEOUT) {
            Ok(there) => found.extend(there),
            Err(fault) => {
                report.problem(
                    Area::Kafka,
                    "topic",
                    fault.to_string(),
                    "create the topic, or correct `topics` in [platform.NAME]; permit Describe on it",
                );
            }
        }
    }
    for topic in &found {
        patient.topic(topic, positions, now, report);
        told.extend(patient.read(topic, report));
    }
    patient.group(&found, report);
    patient.still_there(&found, positions, report);
    told
}

impl Patient<'_> {
    fn cluster(&self, report: &mut Report) -> Result<(), KafkaFault> {
        let cluster = self.probe.cluster(TIMEOUT)?;
        let id = cluster.id.as_deref().unwrap_or("without an id");
        let found = format!(
            "{} brokers of the cluster {id} answer at {}; client librdkafka {}",
            cluster.brokers,
            self.kafka.brokers,
            client_version()
        );
        if cluster.brokers < 3 {
            let todo = "have three at least, so that one may fail";
            report.warning(Area::Kafka, "cluster", found, todo);
        } else {
            report.ok(Area::Kafka, "cluster", found);
        }
        Ok(())
    }

    fn topic(&self, topic: &TopicPartitions, positions: &[Positions], now: UtcMillis, report: &mut Report) {
        let name = &topic.topic;
        match self.probe.identities(std::slice::from_ref(name), TIMEOUT).as_deref() {
            Ok([(_, identity)]) if identity.topic.is_some() => {
                report.ok(
                    Area::Kafka,
                    "version",
                    format!("{name}: the broker tells topic ids (Kafka 2.8 or newer)"),
                );
            }
            Ok(_) => report.warning(
                Area::Kafka,
                "version",
                format!("{name}: the broker tells no topic ids (Kafka before 2.8)"),
                "upgrade the brokers: a topic that is made again is noticed by its last record only",
            ),
            Err(fault) => {
                report.warning(Area::Kafka, "version", fault.to_string(), "permit Describe on the topic")
            }
        }
        match self.probe.topic_settings(name, TIMEOUT) {
            Ok(settings) => judge_settings(topic, &settings, positions, now, report),
            Err(fault) => report.warning(
                Area::Kafka,
                "settings",
                fault.to_string(),
                "permit DescribeConfigs on the topic",
            ),
        }
    }

    /// Reads the newest record of each partition.
    fn read(&self, topic: &TopicPartitions, report: &mut Report) -> Vec<Told> {
        let mut told = Vec::new();
        for place in topic.places() {
            match newest_record(&self.settings, &self.health, &place, TIMEOUT) {
                Ok(Some(newest)) => {
                    let by = format!("the newest record of {place}");
                    let is_trusted = newest.is_append_time;
                    told.extend(newest.timestamp.map(|at| Told { by, at, is_trusted }));
                }
                Ok(None) => {}
                Err(fault) => {
                    let todo = "permit Read and Describe on the topic for the user of [kafka] options";
                    report.problem(Area::Kafka, "read", format!("{place} cannot be read: {fault}"), todo);
                    return told;
                }
            }
        }
        let found = format!("{}: {} partitions can be read", topic.topic, topic.partitions.len());
        report.ok(Area::Kafka, "read", found);
        told
    }

    fn group(&self, topics: &[TopicPartitions], report: &mut Report) {
        let places: Vec<TopicPartition> = topics.iter().flat_map(TopicPartitions::places).collect();
        if places.is_empty() {
            return;
        }
        let group = &self.kafka.group_id;
        match may_use_group(&self.settings, &self.health, &places, TIMEOUT) {
            Ok(()) => {
                report.ok(Area::Kafka, "group", format!("progress can be shown under the group {group}"))
            }
            Err(fault) => report.warning(
                Area::Kafka,
                "group",
                format!("progress cannot be shown under the group {group}: {fault}"),
                "permit Read on the group; positions are the ledger's own, so nothing else depends on it",
            ),
        }
    }

    /// Whether Kafka still has what ledgers would read next.
    fn still_there(&self, topics: &[TopicPartitions], positions: &[Positions], report: &mut Report) {
        let places: Vec<TopicPartition> = topics.iter().flat_map(TopicPartitions::places).collect();
        let ranges = match self.probe.ranges(&places, TIMEOUT) {
            Ok(ranges) => ranges,
            Err(fault) => {
                return report.problem(Area::Kafka, "offsets", fault.to_string(), "check the brokers");
            }
        };
        let ranges: BTreeMap<&TopicPartition, (i64, i64)> =
            ranges.iter().map(|range| (&range.place, (range.low, range.end))).collect();
        for of in positions {
            let mut gone = Vec::new();
            for (place, next) in &of.next {
                match ranges.get(place) {
                    Some(&(low, end)) if *next < low || *next > end => {
                        gone.push(format!("{place} continues at {next}, Kafka has {low} to {end}"));
                    }
                    _ => {}
                }
            }
            if gone.is_empty() {
                report.ok(
                    Area::Kafka,
                    "offsets",
                    format!("Kafka has everything that {} would read next", of.what),
                );
            } else {
                let found = format!("{}: {}", of.what, gone.join("; "));
                report.problem(
                    Area::Kafka,
                    "offsets",
                    found,
                    "docs/operations.md, Offset gone: restore the topic, or record the loss with --skip",
                );
            }
        }
    }
}

/// Judges the settings of a topic, without asking anyone.
fn judge_settings(
    topic: &TopicPartitions,
    settings: &TopicSettings,
    positions: &[Positions],
    now: UtcMillis,
    report: &mut Report,
) {
    let name = &topic.topic;
    if settings.copies == 1 {
        report.warning(
            Area::Kafka,
            "copies",
            format!("{name} has one copy"),
            "have three: what is not in the ledger yet is lost with that broker",
        );
    }
    let Some(values) = &settings.values else {
        let todo = "permit DescribeConfigs on it: without it the service cannot notice compaction";
        return report.warning(
            Area::Kafka,
            "settings",
            format!("the settings of {name} may not be asked for"),
            todo,
        );
    };
    let value = |key: &str| values.get(key).map(String::as_str).unwrap_or_default();
    let before = report.findings.len();
    if value("cleanup.policy").split(',').any(|policy| policy.trim() == "compact") {
        let found =
            format!("{name} has cleanup.policy={}: records vanish from its middle", value("cleanup.policy"));
        report.problem(
            Area::Kafka,
            "cleanup_policy",
            found,
            "set cleanup.policy=delete; the service refuses to read it",
        );
    }
    if value("message.timestamp.type") == "CreateTime" {
        let found = format!(
            "{name} has message.timestamp.type=CreateTime: times of its records are by the clocks of producers"
        );
        report.warning(
            Area::Kafka,
            "timestamp_type",
            found,
            "set message.timestamp.type=LogAppendTime, or make sure that producers run a time daemon",
        );
    }
    if value("unclean.leader.election.enable") == "true" {
        let found =
            format!("{name} has unclean.leader.election.enable=true: acknowledged records can be lost");
        report.warning(Area::Kafka, "unclean_election", found, "set it to false");
    }
    if settings.copies > 2 && value("min.insync.replicas") == "1" {
        let found = format!(
            "{name} has {} copies and min.insync.replicas=1: one broker may acknowledge alone",
            settings.copies
        );
        report.warning(Area::Kafka, "insync", found, "set min.insync.replicas=2");
    }
    retention(name, value("retention.ms"), positions, now, report);
    if report.findings.len() == before {
        report.ok(
            Area::Kafka,
            "settings",
            format!("{name}: {} copies, deletes nothing that is needed", settings.copies),
        );
    }
}

/// Whether Kafka keeps records longer than the age of every backup.
fn retention(topic: &str, retention_ms: &str, positions: &[Positions], now: UtcMillis, report: &mut Report) {
    let Some(kept_ms) = retention_ms.parse::<i64>().ok().filter(|ms| *ms >= 0) else { return };
    let days = kept_ms / DAY_MS;
    for backup in positions.iter().filter(|of| of.is_backup) {
        let age_ms = now.since(backup.recorded_at);
        let found = format!(
            "{topic} keeps records for {days} days, and {} is {} days old",
            backup.what,
            age_ms / DAY_MS
        );
        if age_ms > kept_ms {
            report.problem(
                Area::Kafka,
                "retention",
                found,
                "make a backup now, and more often than that; or raise retention.ms",
            );
        } else if age_ms > kept_ms / 2 {
            report.warning(
                Area::Kafka,
                "retention",
                found,
                "make a backup, or raise retention.ms: after a restore Kafka must have everything since",
            );
        }
    }
    if kept_ms < 2 * DAY_MS {
        let found = format!("{topic} keeps records for {} hours", kept_ms / (DAY_MS / 24));
        report.warning(Area::Kafka, "retention", found, "raise retention.ms to a week at least: it is the time in which a service that stands still must be repaired");
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn judge(copies: usize, values: &[(&str, &str)], age_days: i64) -> Vec<(&'static str, Level)> {
        let now = UtcMillis::new(100 * DAY_MS);
        let topic = TopicPartitions { topic: "orders".to_owned(), partitions: vec![0] };
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let backup = Positions {
            what: "the backup".to_owned(),
            is_backup: true,
            recorded_at: now.minus(age_days * DAY_MS),
            next: Vec::new(),
        };
        let mut report = Report::default();
        judge_settings(&topic, &TopicSettings { values: Some(values), copies }, &[backup], now, &mut report);
        report.findings.iter().map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn settings_are_judged_by_what_they_can_lose() {
        let good = [
            ("cleanup.policy", "delete"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.insync.replicas", "2"),
            ("retention.ms", "604800000"),
        ];
        use Level::{Ok, Problem, Warning};
        assert_eq!(judge(3, &good, 1), [("settings", Ok)]);
        assert_eq!(judge(3, &good, 4), [("retention", Warning)]);
        assert_eq!(judge(3, &good, 8), [("retention", Problem)]);
        assert_eq!(judge(1, &good, 1), [("copies", Warning), ("settings", Ok)]);
        assert_eq!(judge(3, &[("cleanup.policy", "compact,delete")], 1), [("cleanup_policy", Problem)]);
        assert_eq!(judge(3, &[("message.timestamp.type", "CreateTime")], 1), [("timestamp_type", Warning)]);
        assert_eq!(
            judge(3, &[("unclean.leader.election.enable", "true")], 1),
            [("unclean_election", Warning)]
        );
        assert_eq!(judge(3, &[("min.insync.replicas", "1")], 1), [("insync", Warning)]);
        assert_eq!(judge(3, &[("retention.ms", "3600000")], 0), [("retention", Warning)]);
        assert_eq!(judge(3, &[("retention.ms", "-1")], 90), [("settings", Ok)]);
    }
}
