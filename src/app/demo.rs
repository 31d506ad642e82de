//! The demo: a broker inside this process, riders that stream to it, and the whole service reading from it.
//!
//! ```text
//! riders -> embedded broker -> the service, as `serve` runs it -> HTTP
//! ```

mod accidents;
mod home;
mod people;
mod riders;
mod scenes;

pub use accidents::{Accident, Accidents, Record};
pub use home::Home;
pub use people::{People, Person};
pub use scenes::{Scenes, Seen};

use super::Running;
use super::ServeOptions;
use super::serve;
use super::threads::{Ended, Threads, Urgency};
use crate::config::{Config, Secret};
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::verdict::Verdict;
use crate::generate::LiveSettings;
use crate::http::ExampleCases;
use crate::ingest::kafka::{ClientSettings, EventProducer, KafkaHealth};
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use anyhow::Context;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use riders::Riders;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Partitions of every topic.
const PARTITIONS: i32 = 4;
/// How far back the orders reach at most, and at least.
const HISTORY_S: (u64, u64) = (3 * 3_600, 3_600);
/// Orders of that history, if it can be that few.
const HISTORY_ORDERS: u64 = 200_000;

/// The options of the demo.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where to listen; another port is taken when this one is not free.
    pub listen: SocketAddr,
    /// Above 1, the history passes that many times faster than real time instead of at once.
    pub speed: u32,
    /// Orders accepted in a second, in the demo's time.
    pub orders_per_second: u32,
    /// Another seed, other riders.
    pub seed: u64,
    /// Everything is kept here; absent, in a temporary folder that goes with the demo.
    pub keep: Option<PathBuf>,
}

/// A running demo.
pub struct Demo {
    // In the order in which they must go: the threads are joined first, the broker goes before the folder.
    threads: Option<Threads>,
    running: Running,
    scenes: Arc<Scenes>,
    grace: Duration,
    moved_from: Option<SocketAddr>,
    config: Config,
    people: People,
    clock: Clock,
    example_cases: ExampleCases,
    _broker: MockCluster<'static, DefaultProducerContext>,
    home: Home,
}

impl Demo {
    /// Starts everything; the service listens when this returns.
    ///
    /// # Errors
    /// A folder that is not empty, an address that cannot be had, a broker or a service that does not start.
    pub fn start(options: &DemoOptions) -> anyhow::Result<Self> {
        if !options.listen.ip().to_canonical().is_loopback() {
            anyhow::bail!(
                "Failed to start the demo on {}: it shows its passwords, so that it listens on loopback only; leave --listen out, or write 127.0.0.1:PORT",
                options.listen
            );
        }
        let home = Home::make(options.keep.as_deref())?;
        let mut config = home.config()?;
        let listen = free(options.listen)?;
        config.http.listen = listen;
        let broker = broker(&config)?;
        let kafka =
            config.kafka.as_mut().context("Failed to start the demo: its configuration has no [kafka]")?;
        kafka.brokers = broker.bootstrap_servers();
        let settings = ClientSettings::new(kafka.brokers.clone(), "demo-riders");
        let (grace, clock) = (config.shutdown.grace, Clock::start());
        let people = People::make(&config, clock.now())?;
        let (scenes, example_cases) = (Arc::new(Scenes::default()), ExampleCases::default());
        let mut threads = Threads::default();
        let running = start_service(config.clone(), example_cases.clone(), &mut threads)?;
        let started = start_riders(options, settings, (&running, &scenes), &mut threads);
        let demo = Self {
            threads: Some(threads),
            moved_from: (listen != options.listen).then_some(options.listen),
            running,
            scenes,
            grace,
            config,
            people,
            clock,
            example_cases,
            _broker: broker,
            home,
        };
        // On failure the demo ends what it began.
        started.map(|()| demo)
    }

    /// Where the service listens.
    pub const fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The address that was asked for, if it was not free.
    pub const fn moved_from(&self) -> Option<SocketAddr> {
        self.moved_from
    }

    /// The zone in which instants are written.
    pub const fn zone(&self) -> &Zone {
        &self.config.zone
    }

    /// Its configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Who may ask it.
    pub const fn people(&self) -> &People {
        &self.people
    }

    /// The ready questions of its first page.
    pub const fn example_cases(&self) -> &ExampleCases {
        &self.example_cases
    }

    /// Signs a person in. Returns the value of the session's cookie.
    ///
    /// # Errors
    /// The access store cannot be used.
    pub fn sign_in(&self, person: &Person) -> anyhow::Result<Secret> {
        let access = self.running.access.as_ref();
        let access = access.context("Failed to sign in: the demo's configuration has no [access]")?;
        let signed_in = access.sign_in((person.name, person.password.expose()), None, None, self.clock.now());
        let signed_in = signed_in.with_context(|| format!("Failed to sign {} in", person.name))?;
        Ok(Secret::new(signed_in.cookie))
    }

    /// Accidents of the riders, once their history has some of each kind.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn accidents(&self) -> anyhow::Result<Option<Accidents>> {
        Ok(Accidents::find(&self.scenes.seen(), &self.running.published.current(), &self.config)?)
    }

    /// The verdict on an accident as of now.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn verdict(&self, accident: &Accident) -> anyhow::Result<Verdict> {
        Ok(accident.answer(&self.running.published.current(), &self.config)?.verdict)
    }

    /// What the riders did.
    pub fn scenes(&self) -> &Scenes {
        &self.scenes
    }

    /// The folder with everything.
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// Whether the folder stays.
    pub const fn is_kept(&self) -> bool {
        self.home.is_kept()
    }

    /// Waits for a while; `true` once the demo is over: it was asked to stop, or a part of it failed.
    pub fn is_over_within(&mut self, deadline: Duration) -> anyhow::Result<bool> {
        let first = self.threads.as_ref().and_then(|threads| threads.first_ended(deadline));
        match first {
            Some((_, result)) => result.map(|()| true),
            None => Ok(self.running.stop.is_set()),
        }
    }

    /// Ends everything and, unless it is kept, removes the folder.
    ///
    /// # Errors
    /// Whatever failed first while it ran or ended.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let ended = self.end();
        self.home.remove().and(ended)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.running.stop.set();
        let Some(threads) = self.threads.take() else { return Ok(()) };
        let mut failure = None;
        let left = threads.join(self.grace.saturating_mul(2), |(name, result): Ended| {
            if let Err(problem) = result {
                failure.get_or_insert(problem.context(format!("Failed to run the {name}")));
            }
        });
        match failure {
            Some(problem) => Err(problem),
            None if left.is_empty() => Ok(()),
            None => anyhow::bail!("Failed to stop the demo: {} did not end", left.join(", ")),
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Only after a failure is there anything left to end, and that failure was already reported.
        let _ended = self.end();
    }
}

/// The address, or another port of it when it is taken.
fn free(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    match TcpListener::bind(listen) {
        Ok(_) => Ok(listen),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(SocketAddr::new(listen.ip(), 0)),
        Err(error) => Err(error).with_context(|| format!("Failed to listen on {listen}")),
    }
}

/// A broker with the topics of the configuration.
fn broker(config: &Config) -> anyhow::Result<MockCluster<'static, DefaultProducerContext>> {
    let broker = MockCluster::new(1).context("Failed to start the embedded broker")?;
    for topic in config.platforms.topics() {
        broker
            .create_topic(topic, PARTITIONS, 1)
            .with_context(|| format!("Failed to create the topic {topic} in the embedded broker"))?;
    }
    Ok(broker)
}

/// Starts the service on a thread and waits until it listens.
fn start_service(
    config: Config,
    example_cases: ExampleCases,
    threads: &mut Threads,
) -> anyhow::Result<Running> {
    let (started, wait) = channel();
    threads.start("service", Urgency::Answering, move || {
        let options = ServeOptions { example_cases, ..ServeOptions::default() };
        serve(&config, &options, |running| {
            // No receiver is left when the demo ends.
            let _ending = started.send(running);
            Ok(())
        })
    })?;
    match wait.recv() {
        Ok(running) => Ok(running),
        // The thread ended without a service, and says why.
        Err(_) => match threads.first_ended(Duration::MAX) {
            Some((_, Err(problem))) => Err(problem),
            _ => anyhow::bail!("Failed to start the demo: the service ended before it answered; see the log"),
        },
    }
}

fn start_riders(
    options: &DemoOptions,
    settings: ClientSettings,
    (running, scenes): (&Running, &Arc<Scenes>),
    threads: &mut Threads,
) -> anyhow::Result<()> {
    let rate = u64::from(options.orders_per_second.max(1));
    let history_s = (HISTORY_ORDERS / rate).clamp(HISTORY_S.1, HISTORY_S.0);
    let clock = Clock::start();
    let back_ms = i64::try_from(history_s).unwrap_or(0).saturating_mul(1_000);
    let from: UtcMillis = clock.now().minus(back_ms);
    let riders = Riders {
        producer: EventProducer::new(&settings, KafkaHealth::new())?,
        live: LiveSettings { seed: options.seed, from, orders_per_second: options.orders_per_second },
        speed: i64::from(options.speed.max(1)),
        clock,
        published: Arc::clone(&running.published),
        scenes: Arc::clone(scenes),
        stop: Stop::clone(&running.stop),
    };
    threads.start("riders", Urgency::Answering, move || riders.run())?;
    Ok(())
}
