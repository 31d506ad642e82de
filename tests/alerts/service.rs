//! The service that is watched: real Kafka, a fixed port, a disk and a clock that a test can set, and producers that never rest.

use crate::testkit::cluster::{RealKafka, three_free_ports};
use crate::testkit::http;
use crate::testkit::mock;
use crate::testkit::power::{set_clock, tell_free};
use crate::testkit::program::{Program, binary};
use crate::testkit::prometheus::Prometheus;
use crate::testkit::wait::{delay, poll_until};
use coverledger::domain::time::{SECOND_MS, Zone};
use coverledger::ingest::kafka::{ClientSettings, EventProducer, KafkaHealth, Outgoing};
use coverledger::telemetry::clock::Clock;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// Between two records of the producers.
const TICK: Duration = Duration::from_millis(100);

/// The instant of so many seconds ago.
pub(crate) fn ago(seconds: i64) -> String {
    Zone::utc().rfc3339(Clock::start().now().minus(seconds * SECOND_MS))
}

/// An order from so many seconds ago to so many.
pub(crate) fn order_between(platform: &str, id: &str, from: i64, to: i64) -> String {
    format!(
        r#"{{"platform":"{platform}","order_id":"{id}","rider_id":"R1","category":"instant_delivery","region":"310115","accepted_at":"{}","ended_at":"{}"}}"#,
        ago(from),
        ago(to)
    )
}

/// An order of the last minute.
pub(crate) fn live(platform: &str, id: &str) -> String {
    order_between(platform, id, 60, 1)
}

/// A completeness record up to so many seconds ago.
pub(crate) fn complete(platform: &str, seconds: i64) -> String {
    format!(r#"{{"kind":"complete","platform":"{platform}","through":"{}"}}"#, ago(seconds))
}

fn topic(platform: &str) -> String {
    format!("orders.{platform}")
}

fn send(settings: &ClientSettings, platform: &str, records: &[String]) {
    let producer = EventProducer::new(settings, KafkaHealth::new()).unwrap();
    let topic = topic(platform);
    for record in records {
        let (topic, payload) = (topic.as_str(), record.as_bytes());
        producer.send(&Outgoing { topic, partition: Some(0), key: None, payload, timestamp: None }).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// What the producers share with the test.
#[derive(Default)]
struct Producers {
    is_paused: AtomicBool,
    is_over: AtomicBool,
    /// Rounds that were sent whole.
    rounds: AtomicU64,
    /// How far back dada is complete, in seconds.
    dada_ago: AtomicU64,
}

impl Producers {
    /// An order of meituan and a completeness record of dada, again and again.
    fn run(&self, settings: &ClientSettings) {
        let mut producer: Option<EventProducer> = None;
        for nth in 0_u64.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            delay(TICK);
            if self.is_paused.load(Ordering::SeqCst) {
                producer = None;
                continue;
            }
            let producer =
                producer.get_or_insert_with(|| EventProducer::new(settings, KafkaHealth::new()).unwrap());
            let back = i64::try_from(self.dada_ago.load(Ordering::SeqCst)).unwrap();
            for (platform, record) in
                [("meituan", live("meituan", &format!("live-{nth}"))), ("dada", complete("dada", back))]
            {
                let (topic, payload) = (topic(platform), record.as_bytes());
                let record =
                    Outgoing { topic: &topic, partition: Some(0), key: None, payload, timestamp: None };
                producer.send(&record).unwrap();
            }
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The service and all around it.
pub(crate) struct Service {
    pub(crate) kafka: RealKafka,
    folder: TempDir,
    config: PathBuf,
    port: u16,
    program: Option<Program>,
    producers: Arc<Producers>,
    sending: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let (kafka, folder, port) = (RealKafka::start(), TempDir::new().unwrap(), three_free_ports());
        for platform in ["meituan", "dada"] {
            kafka.create_topic(&topic(platform), 1);
        }
        let config = folder.path().join("coverledger.toml");
        fs::write(&config, text(&kafka.brokers(), port)).unwrap();
        let producers = Arc::new(Producers::default());
        producers.dada_ago.store(3_600, Ordering::SeqCst);
        let (shared, settings) = (Arc::clone(&producers), mock::settings(kafka.brokers(), "sender"));
        let sending = std::thread::Builder::new().spawn(move || shared.run(&settings)).unwrap();
        let mut service =
            Self { kafka, folder, config, port, program: None, producers, sending: Some(sending) };
        service.set_free_bytes(5 << 30);
        service.set_clock_ahead(0);
        service.serve(&mut |_| {});
        service
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn answer_logs(&self) -> PathBuf {
        self.folder.path().join("answer-logs")
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, after `change` had its way with the command, and waits until it is ready or has ended.
    pub(crate) fn serve(&mut self, change: &mut dyn FnMut(&mut Command)) {
        let (free, clock) = (self.folder.path().join("free"), self.folder.path().join("clock"));
        let mut program = Program::serve_with(&self.config, &[], &mut |command| {
            tell_free(&free, command);
            set_clock(&clock, command);
            change(command);
        });
        poll_until("it is ready or has ended", || {
            (program.has_ended() || program.said().contains(" ready")).then_some(())
        });
        self.program = Some(program);
    }

    /// SIGTERM, if it runs.
    pub(crate) fn stop(&mut self) {
        if let Some(mut program) = self.program.take()
            && !program.has_ended()
        {
            assert_eq!(program.terminate(), Some(0));
        }
    }

    /// Starts it by `start` whenever it has ended, which it does by itself and says why, until the alarm fires.
    pub(crate) fn ends_again_and_again(
        &mut self,
        prometheus: &Prometheus,
        alarm: &str,
        why: &str,
        start: impl Fn(&mut Self),
    ) {
        let mut starts = 0;
        poll_until(&format!("{alarm} fires"), || {
            if prometheus.firing().contains(alarm) {
                return Some(());
            }
            let has_ended = self.program.as_mut().is_none_or(Program::has_ended);
            if has_ended {
                if let Some(ended) = self.program.take() {
                    let (code, said) = ended.end();
                    assert!(code == Some(1) && said.contains(why), "{code:?}: {said}");
                }
                start(self);
                starts += 1;
            }
            None
        });
        println!("{alarm} fires after {starts} starts");
        poll_until("it ends", || self.program.as_mut().is_none_or(Program::has_ended).then_some(()));
        self.program = None;
        prometheus.fires("CoverledgerDown");
    }

    /// Another command with its configuration; the service is stopped.
    pub(crate) fn run(&self, args: &[&str]) {
        let (command, rest) = args.split_first().unwrap();
        let output = binary().arg(command).arg("--config").arg(&self.config).args(rest).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    pub(crate) fn status(&self, path: &str) -> Option<u16> {
        http::get(&self.address(), path, "").map(|reply| reply.status)
    }

    pub(crate) fn add_rate(&self, category: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        let rate = format!("[[rate]]\ncategory = \"{category}\"\nper_order = \"0.20\"\n");
        fs::write(&self.config, format!("{text}{rate}")).unwrap();
    }

    pub(crate) fn send(&self, platform: &str, records: &[String]) {
        send(&mock::settings(self.kafka.brokers(), "sender"), platform, records);
    }

    /// From now on dada is complete to two minutes ago.
    pub(crate) fn complete_dada(&self) {
        self.producers.dada_ago.store(120, Ordering::SeqCst);
    }

    /// Nothing is sent any more once this returns.
    pub(crate) fn pause_sending(&self) {
        self.producers.is_paused.store(true, Ordering::SeqCst);
    }

    pub(crate) fn resume_sending(&self) {
        let rounds = self.producers.rounds.load(Ordering::SeqCst);
        self.producers.is_paused.store(false, Ordering::SeqCst);
        poll_until("producers send", || {
            (self.producers.rounds.load(Ordering::SeqCst) > rounds + 1).then_some(())
        });
    }

    pub(crate) fn set_free_bytes(&self, bytes: u64) {
        self.say("free", bytes);
    }

    pub(crate) fn set_clock_ahead(&self, seconds: u64) {
        self.say("clock", seconds);
    }

    /// Replaced at once: the process may be reading it.
    fn say(&self, name: &str, number: u64) {
        let new = self.folder.path().join(format!("{name}.new"));
        fs::write(&new, number.to_string()).unwrap();
        fs::rename(&new, Path::new(self.folder.path()).join(name)).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.producers.is_over.store(true, Ordering::SeqCst);
        if let Some(sending) = self.sending.take() {
            let ended = sending.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the producers failed");
        }
    }
}

fn text(brokers: &str, port: u16) -> String {
    format!(
        r#"
[ledger]
min_free_bytes = "1GiB"
[answers]
dir = "answer-logs"
[http]
listen = "127.0.0.1:{port}"
[kafka]
brokers = "{brokers}"
options = {{ "reconnect.backoff.max.ms" = "100" }}
[platform.meituan]
topics = ["orders.meituan"]
records_from = 2025-07-01
[platform.dada]
topics = ["orders.dada"]
records_from = 2025-07-01
[[rate]]
category = "instant_delivery"
per_order = "0.25"
[[rate]]
category = "ride_hailing"
region = "44"
per_order = "0.20"
"#
    )
}
