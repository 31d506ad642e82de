//! A real Apache Kafka in a temporary directory, on free ports, ended when it is dropped.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::random::Random;
use super::reading::TIMEOUT;
use coverledger::ingest::kafka::ClientSettings;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::MetadataPartition;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tempfile::TempDir;

/// The user that the listener with TLS and SASL knows.
pub(crate) const USER: &str = "clerk";
/// The user's password.
pub(crate) const PASSWORD: &str = "quite-secret-word";

/// What a right is about, by Kafka's numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource {
    Topic = 2,
    Group = 3,
}

/// What a right permits, by Kafka's numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Read = 3,
    Describe = 8,
    DescribeConfigs = 10,
}

/// A node of a cluster, mostly its only one. `scripts/kafka.sh` does the work.
pub(crate) struct RealKafka {
    dir: TempDir,
    port: u16,
    /// The folder of the node that it joined.
    joined: Option<PathBuf>,
    /// More lines of its properties.
    properties: Option<String>,
}

impl RealKafka {
    /// Starts a broker with a plain listener and one with TLS and SASL.
    pub(crate) fn start() -> Self {
        Self::start_in(None, None)
    }

    /// The same with more lines of properties.
    pub(crate) fn start_with(properties: &str) -> Self {
        Self::start_in(None, Some(properties.to_owned()))
    }

    /// Starts a second broker in the cluster of this one.
    pub(crate) fn start_another(&self) -> Self {
        Self::start_in(Some(self.dir.path().to_path_buf()), None)
    }

    /// The broker that the tests of a program share while any of them runs.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<RealKafka>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let kafka = Arc::new(Self::start());
            *shared = Arc::downgrade(&kafka);
            kafka
        })
    }

    fn start_in(joined: Option<PathBuf>, properties: Option<String>) -> Self {
        let mut failures = Vec::new();
        // A port that was free can be taken before the broker binds it; other ports then.
        for _ in 0..3 {
            let (dir, port) = (TempDir::new().unwrap(), three_free_ports());
            let kafka = Self { dir, port, joined: joined.clone(), properties: properties.clone() };
            match kafka.script("start") {
                Ok(()) => return kafka,
                Err(failure) => failures.push(failure),
            }
        }
        panic!("no Kafka could be started: {}", failures.join("\n"));
    }

    /// `host:port` of the plain listener.
    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port` of the listener with TLS and SASL.
    pub(crate) fn secure_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port + 2)
    }

    /// The authority that its certificate is of.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("tls/ca.pem")
    }

    /// Gives the user a right (`CreateAcls`, which rdkafka does not offer); the broker has an authorizer.
    pub(crate) fn permit(&self, kind: Resource, name: &str, operation: Operation) {
        let text =
            |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        // Literal names; any host; allowed.
        let (literal, allow) = ([3], [3]);
        let acl = [
            &[kind as u8][..],
            &text(name),
            &literal,
            &text(&format!("User:{USER}")),
            &text("*"),
            &[operation as u8],
            &allow,
        ]
        .concat();
        let head =
            [&30_i16.to_be_bytes()[..], &1_i16.to_be_bytes(), &7_i32.to_be_bytes(), &text("test")].concat();
        let request = [&head[..], &1_i32.to_be_bytes(), &acl].concat();
        let mut stream = TcpStream::connect(self.brokers()).unwrap();
        let size = u32::try_from(request.len()).unwrap().to_be_bytes();
        stream.write_all(&[&size[..], &request].concat()).unwrap();
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
        stream.read_exact(&mut answer).unwrap();
        // Correlation, throttling, one result, no error.
        assert_eq!(answer[..14], [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "{answer:?}");
    }

    /// Settings for the plain listener.
    pub(crate) fn settings(&self, group: &str) -> ClientSettings {
        let mut settings = ClientSettings::new(self.brokers(), group);
        let quick = [("reconnect.backoff.max.ms", "200"), ("topic.metadata.refresh.interval.ms", "2000")];
        settings.options.extend(quick.map(|(name, value)| (name.to_owned(), value.to_owned())));
        settings
    }

    /// Settings for the listener with TLS and SASL.
    pub(crate) fn secure_settings(&self, group: &str, mechanism: &str, password: &str) -> ClientSettings {
        let mut settings = self.settings(group);
        settings.brokers = self.secure_brokers();
        let authority = self.authority().display().to_string();
        for (name, value) in [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &authority),
            ("sasl.mechanism", mechanism),
            ("sasl.username", USER),
            ("sasl.password", password),
        ] {
            settings.options.insert(name.to_owned(), value.to_owned());
        }
        settings
    }

    /// Ends the broker cleanly; its data stay.
    pub(crate) fn stop(&self) {
        self.script("stop").unwrap();
    }

    /// Ends the broker as a fallen machine does.
    pub(crate) fn kill(&self) {
        let pid = fs::read_to_string(self.dir.path().join("pid")).unwrap();
        assert!(Command::new("kill").arg("-9").arg(pid.trim()).status().unwrap().success());
        self.script("stop").unwrap();
    }

    /// Starts it again on the same ports with the same data.
    pub(crate) fn start_again(&self) {
        self.script("start").unwrap();
    }

    /// Flips a bit of the first place in a partition's log on disk that holds `mark`. The broker must be stopped.
    pub(crate) fn damage(&self, topic: &str, partition: i32, mark: &[u8]) {
        let log = format!("{topic}-{partition}/00000000000000000000.log");
        let folders = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let path = folders.map(|folder| folder.join(&log)).find(|path| path.exists()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(mark.len()).position(|part| part == mark).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    /// Makes a topic and waits until the broker serves it.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        self.create_copied_topic(name, partitions, 1);
    }

    /// Makes a topic of which so many brokers keep a copy.
    pub(crate) fn create_copied_topic(&self, name: &str, partitions: i32, copies: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
        let results = wait(self.admin().create_topics(&[topic], &admin_options())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Makes a topic with these settings.
    pub(crate) fn create_topic_with(&self, name: &str, settings: &[(&str, &str)]) {
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let results = wait(self.admin().create_topics(&[topic], &admin_options())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Changes a setting of a topic.
    pub(crate) fn configure_topic(&self, name: &str, key: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
        let results = wait(self.admin().alter_configs(&[change], &admin_options())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Raises the number of a topic's partitions.
    pub(crate) fn add_partitions(&self, name: &str, total: usize) {
        let change = NewPartitions::new(name, total);
        let results = wait(self.admin().create_partitions(&[change], &admin_options())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Deletes a topic.
    pub(crate) fn delete_topic(&self, name: &str) {
        let results = wait(self.admin().delete_topics(&[name], &admin_options())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Deletes the records of a partition below `offset`, as retention does.
    pub(crate) fn delete_records(&self, name: &str, partition: i32, offset: i64) {
        let mut below = TopicPartitionList::new();
        below.add_partition_offset(name, partition, Offset::Offset(offset)).unwrap();
        let result = wait(self.admin().delete_records(&below, &admin_options())).unwrap();
        assert!(result.elements().iter().all(|element| element.error().is_ok()), "{result:?}");
    }

    /// The numbers of the nodes that lead the partitions of a topic; -1 for a partition that none leads.
    pub(crate) fn leaders(&self, name: &str) -> Vec<i32> {
        let metadata = self.admin().inner().fetch_metadata(Some(name), TIMEOUT).unwrap();
        metadata.topics()[0].partitions().iter().map(MetadataPartition::leader).collect()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.brokers()).create().unwrap()
    }

    fn script(&self, command: &str) -> Result<(), String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka.sh");
        let mut run = Command::new(script);
        if let Some(joined) = &self.joined {
            run.env("COVERLEDGER_KAFKA_JOIN", joined);
        }
        run.arg(command)
            .arg(self.dir.path())
            .arg(self.port.to_string())
            .env("COVERLEDGER_KAFKA_SASL", format!("{USER}:{PASSWORD}"))
            .env("COVERLEDGER_KAFKA_MAX_MESSAGE_BYTES", "20000000")
            .env_remove("COVERLEDGER_KAFKA_PROPS");
        if let Some(properties) = &self.properties {
            let file = self.dir.path().join("more.properties");
            fs::write(&file, properties).unwrap();
            run.env("COVERLEDGER_KAFKA_PROPS", file);
        }
        let output = run.output().unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for RealKafka {
    fn drop(&mut self) {
        // By the process's own number, and without ceremony: its data go with the directory.
        if let Ok(pid) = fs::read_to_string(self.dir.path().join("pid")) {
            let killed = Command::new("kill").arg("-9").arg(pid.trim()).status();
            assert!(killed.is_ok(), "{killed:?}");
        }
    }
}

fn admin_options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(Duration::from_secs(30)))
        .request_timeout(Some(Duration::from_secs(30)))
}

/// Runs one request of the admin client to its end.
fn wait<T>(request: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(request)
}

/// The first of three ports in a row that no process listens on.
pub(crate) fn three_free_ports() -> u16 {
    /// Below all that a system gives to outgoing connections: one of these would keep a broker that was stopped from
    /// starting again.
    const PORTS: std::ops::Range<u16> = 12_000..30_000;
    static TRIES: AtomicU64 = AtomicU64::new(0);
    loop {
        // Other test programs look for ports, too: each begins elsewhere.
        let nth = TRIES.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::new((u64::from(std::process::id()) << 20) | nth);
        let port = PORTS.start + u16::try_from(random.below(u64::from(PORTS.end - PORTS.start))).unwrap();
        let held = [0, 1, 2].map(|step| TcpListener::bind(("127.0.0.1", port + step)));
        if held.iter().all(Result::is_ok) {
            return port;
        }
    }
}
