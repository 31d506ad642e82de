//! `coverledger doctor` on a real Kafka: a place where all is well, and one thing that is wrong at a time.

#![cfg(test)]

mod testkit;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use testkit::cluster::{Operation, PASSWORD, RealKafka, Resource, USER};
use testkit::orders::{TOPIC, config_of, order, send};
use testkit::power::{Fault, set_clock, tell_free};
use testkit::program::{Program, binary};
use testkit::wait::poll_until;

/// A week.
const RETENTION: [(&str, &str); 2] =
    [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "604800000")];

/// A ledger with two orders from Kafka and a backup of it; the service is stopped.
struct Place {
    folder: TempDir,
    kafka: RealKafka,
}

/// What the doctor said.
struct Said {
    code: Option<i32>,
    text: String,
}

impl Place {
    fn new() -> Self {
        Self::on(RealKafka::start())
    }

    fn on(kafka: RealKafka) -> Self {
        kafka.create_topic_with(TOPIC, &RETENTION);
        let this = Self { folder: TempDir::new().unwrap(), kafka };
        this.configure("");
        let mut program = Program::serve(&this.config(), &[]);
        send(&this.kafka.brokers(), &[order(1), order(2)]);
        program.applied(2);
        assert_eq!(program.terminate(), Some(0));
        let made =
            binary().arg("backup").arg(this.backup()).arg("--config").arg(this.config()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::set_permissions(this.data(), fs::Permissions::from_mode(0o750)).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("coverledger.toml")
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn backup(&self) -> PathBuf {
        self.path("backup")
    }

    /// Writes the configuration, with more of it before the platform.
    fn configure(&self, more: &str) {
        self.write(&format!("[kafka]\nbrokers = \"{}\"\n", self.kafka.brokers()), more);
    }

    fn write(&self, kafka: &str, more: &str) {
        let text = format!(
            "[ledger]\nmin_free_bytes = \"1MiB\"\n[http]\nlisten = \"127.0.0.1:0\"\n{more}{kafka}[[rate]]\ncategory = \
             \"instant_delivery\"\nper_order = \"0.25\"\n[platform.meituan]\ntopics = [\"{TOPIC}\"]\nrecords_from = 2025-07-01\n"
        );
        config_of(self.folder.path(), "coverledger", &text);
    }

    fn doctor(&self, change: impl FnOnce(&mut Command)) -> Said {
        let mut command = binary();
        command
            .arg("doctor")
            .arg("--config")
            .arg(self.config())
            .arg("--backup")
            .arg(self.backup())
            .arg("--json");
        change(&mut command);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        Said { code: output.status.code(), text }
    }

    /// Asks again until the cluster has taken over what was changed.
    fn doctor_until(&self, is_there: impl Fn(&Said) -> bool) -> Said {
        poll_until("the cluster has taken it over", || {
            Some(self.doctor(|_| {})).filter(|said| is_there(said))
        })
    }

    /// Finds one thing wrong, and says what to do.
    #[track_caller]
    fn finds(&self, (check, words): (&str, &str), change: impl FnOnce(&mut Command)) {
        self.doctor(change).has("problem", check, words);
    }
}

impl Said {
    fn findings(&self) -> Vec<Value> {
        let whole: Value = serde_json::from_str(self.text.lines().next().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {}", self.text));
        whole["findings"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn has(&self, level: &str, check: &str, words: &str) {
        let found = self.findings().into_iter().any(|finding| {
            finding["level"] == level
                && finding["check"] == check
                && finding["found"].as_str().unwrap().contains(words)
                && (level == "ok" || finding["todo"].as_str().is_some_and(|todo| !todo.is_empty()))
        });
        assert!(found, "no {level} {check} with {words:?}: {}", self.text);
        let has_problem = self.findings().iter().any(|finding| finding["level"] == "problem");
        assert_eq!(self.code, Some(i32::from(has_problem)), "{}", self.text);
    }
}

/// A file with a number in it.
fn number(place: &Place, name: &str, number: i64) -> PathBuf {
    let path = place.path(name);
    fs::write(&path, number.to_string()).unwrap();
    path
}

#[test]
fn where_all_is_well_it_finds_no_problem_and_changes_nothing() {
    let place = Place::new();
    let before = files(&place.data());
    let said = place.doctor(|_| {});
    for (check, words) in [
        ("configuration", "1 platforms"),
        ("permissions", "closed to other users"),
        ("free_space", "MiB are free"),
        ("fsync", "an fsync in"),
        ("ledger", "its newest commit is"),
        ("backup", "the backup in"),
        ("version", "topic ids"),
        ("settings", "deletes nothing that is needed"),
        ("read", "1 partitions can be read"),
        ("group", "under the group coverledger"),
        ("offsets", "everything that the ledger in"),
        ("offsets", "everything that the backup in"),
        ("ahead", "is not behind any of 3 instants"),
    ] {
        said.has("ok", check, words);
    }
    said.has("warning", "copies", "has one copy");
    assert_eq!(files(&place.data()), before);
    // For people, the same.
    let output = binary().arg("doctor").arg("--config").arg(place.config()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "\nKafka\n",
        "\nclock\n",
        "  WARNING  no backup was named",
        "\n           -> name the newest",
        "\n0 problems, ",
    ] {
        assert!(text.contains(line), "{line:?}: {text}");
    }
    // Beside a service, too.
    let mut program = Program::serve(&place.config(), &[]);
    program.ready();
    place.doctor(|_| {}).has("ok", "ledger", "is in use by a service");
    assert_eq!(program.terminate(), Some(0));
}

fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        match about.is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push((entry.path(), about.len())),
        }
    }
    found.sort();
    found
}

#[test]
fn a_disk_a_clock_a_ledger_and_a_configuration_that_are_wrong_are_found() {
    let place = Place::new();
    let free = number(&place, "free", 0);
    place.finds(("free_space", "0 MiB are free"), |command| tell_free(&free, command));
    let data = place.data();
    place.finds(("write", "Input/output error"), |command| Fault::Unsyncable(0).enter(&data, command));
    place.finds(("write", "No space left"), |command| Fault::Full(0).enter(&data, command));
    // An hour behind the broker and behind its own commits.
    let behind = number(&place, "behind", -3_600);
    let said = place.doctor(|command| set_clock(&behind, command));
    said.has("problem", "ahead", "the newest record of orders.meituan:0");
    said.has("problem", "ahead", "the newest commit of the ledger");
    // Ten days on, Kafka would have deleted what the backup needs.
    let later = number(&place, "later", 10 * 86_400);
    let said = place.doctor(|command| set_clock(&later, command));
    said.has("problem", "retention", "keeps records for 7 days, and the backup");
    fs::write(place.data().join("HEAD"), "damaged").unwrap();
    place.finds(("ledger", "HEAD"), |_| {});
    fs::write(place.config(), "[ledger]\nnonsense = 1\n[wrong]\n").unwrap();
    let said = place.doctor(|_| {});
    said.has("problem", "configuration", "nonsense");
    said.has("problem", "configuration", "wrong");
}

#[test]
fn a_cluster_that_is_wrong_is_found() {
    let place = Place::new();
    place.kafka.delete_records(TOPIC, 0, 2);
    place.doctor(|_| {}).has("ok", "offsets", "the backup in");
    send(&place.kafka.brokers(), &[order(3), order(4)]);
    place.kafka.delete_records(TOPIC, 0, 3);
    place.finds(("offsets", "continues at 2, Kafka has 3 to 4"), |_| {});
    place.kafka.configure_topic(TOPIC, "cleanup.policy", "compact");
    place.finds(("cleanup_policy", "compact"), |_| {});
    place.kafka.configure_topic(TOPIC, "message.timestamp.type", "CreateTime");
    place.doctor(|_| {}).has("warning", "timestamp_type", "CreateTime");
    place.kafka.delete_topic(TOPIC);
    place.finds(("topic", "no such topic: orders.meituan"), |_| {});
    let options = format!(
        "options = {{ \"security.protocol\" = \"SASL_SSL\", \"sasl.mechanism\" = \"SCRAM-SHA-256\", \"sasl.username\" = \"{USER}\", \
         \"sasl.password\" = \"wrong\", \"ssl.ca.location\" = \"{}\" }}\n",
        place.kafka.authority().display()
    );
    place.write(&format!("[kafka]\nbrokers = \"{}\"\n{options}", place.kafka.secure_brokers()), "");
    let said = place.doctor(|_| {});
    said.has("problem", "cluster", "brokers: ");
    assert!(!said.text.contains("\"wrong\""), "{}", said.text);
    place.write("[kafka]\nbrokers = \"127.0.0.1:1\"\n", "");
    place.finds(("cluster", "Failed to reach Kafka"), |_| {});
}

/// Rights as a broker with an authorizer has them: first none, then to see the topic, then to read it, then all.
#[test]
fn missing_rights_are_found() {
    let kafka = RealKafka::start_with(
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS\n",
    );
    let place = Place::on(kafka);
    let options = format!(
        "options = {{ \"security.protocol\" = \"SASL_SSL\", \"sasl.mechanism\" = \"SCRAM-SHA-256\", \"sasl.username\" = \"{USER}\", \
         \"sasl.password\" = \"{PASSWORD}\", \"ssl.ca.location\" = \"{}\" }}\n",
        place.kafka.authority().display()
    );
    place.write(&format!("[kafka]\nbrokers = \"{}\"\n{options}", place.kafka.secure_brokers()), "");
    place.finds(("topic", "orders.meituan"), |_| {});
    place.kafka.permit(Resource::Topic, TOPIC, Operation::Describe);
    let said = place.doctor_until(|said| !said.text.contains("no such topic"));
    said.has("problem", "read", "cannot be read");
    assert!(said.text.contains("may not be asked for"), "{}", said.text);
    assert!(said.text.contains("cannot be shown under the group"), "{}", said.text);
    place.kafka.permit(Resource::Topic, TOPIC, Operation::Read);
    place.kafka.permit(Resource::Topic, TOPIC, Operation::DescribeConfigs);
    place.kafka.permit(Resource::Group, "coverledger", Operation::Read);
    let said = place
        .doctor_until(|said| said.code == Some(0) && !said.text.contains("under the group coverledger: "));
    for check in ["read", "group", "settings"] {
        said.has("ok", check, "");
    }
}

fn certificate(folder: &Path, name: &str, year: i32) -> PathBuf {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    let path = folder.join(format!("{name}.crt"));
    fs::write(&path, certificate.pem()).unwrap();
    path
}

#[test]
fn certificates_that_expired_or_do_not_fit_are_found() {
    let place = Place::new();
    let folder = place.folder.path();
    certificate(folder, "good", 2090);
    certificate(folder, "old", 2021);
    let use_pair = |certificate: &str, key: &str| {
        place.configure(&format!("[http.tls]\ncertificate = \"{certificate}.crt\"\nkey = \"{key}.key\"\n"));
    };
    use_pair("good", "good");
    fs::set_permissions(folder.join("good.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let said = place.doctor(|_| {});
    said.has("ok", "certificate", "is good until 2090");
    said.has("ok", "pair", "belong together");
    said.has("ok", "key", "closed to other users");
    fs::set_permissions(folder.join("good.key"), fs::Permissions::from_mode(0o644)).unwrap();
    place.doctor(|_| {}).has("warning", "key", "every user");
    use_pair("old", "old");
    place.finds(("certificate", "expired at 2021-01-01"), |_| {});
    use_pair("good", "old");
    place.finds(("pair", ""), |_| {});
    use_pair("missing", "good");
    place.finds(("certificate", "No such file"), |_| {});
    // Twenty days before the end.
    use_pair("good", "good");
    let clock = number(&place, "clock", seconds_to_2090() - 20 * 86_400);
    let said = place.doctor(|command| set_clock(&clock, command));
    assert!(said.text.contains("expires at 2090-01-01") && said.text.contains("in 19 days"), "{}", said.text);
}

/// From now on.
fn seconds_to_2090() -> i64 {
    3_786_912_000 - coverledger::telemetry::clock::Clock::start().now().millis() / 1_000
}
