//! The running service: what is started, in which order, and how it ends. The only place that starts threads.
//!
//! ```text
//! Kafka -> reader -> (batches, bounded) -> writer -> ledger -> published state -> HTTP
//!          end_offset_poller -> (observations) ------^
//! ```
//!
//! The first thread to fail brings the process down cleanly: a half-dead ledger is worse than a restart.

mod access_control;
pub mod admin;
mod answer_keeping;
pub mod answer_watch;
pub mod beside;
mod checkpoint_publisher;
pub mod compaction_lanes;
pub mod compactor;
pub mod demo;
mod disks;
pub mod end_offset_poller;
pub mod event_log;
mod freshness;
pub mod handover;
mod kafka;
mod offset_overrides;
mod open_files;
mod operator;
pub mod reader;
mod receipts;
mod reload;
mod role;
mod seal_secrets;
pub mod sealer;
pub mod service;
mod signals;
pub mod status;
mod store_figures;
mod store_trial;
pub mod threads;
mod web;
pub mod writer;

use crate::access::Access;
use crate::config::Config;
use crate::http::{self, ExampleCases, ServiceRole};
use crate::ingest::kafka::TopicPartition;
use crate::ledger::{DiskSpace, Ledger, Published};
use crate::telemetry::clock::{Clock, Mark};
use crate::wait::Stop;
use access_control::AccessControl;
pub use access_control::access_store;
use answer_keeping::AnswerKeeping;
pub use answer_keeping::{answers_folder, check_answer_log_place, check_elsewhere};
use anyhow::Context;
use beside::Beside;
use disks::Disks;
use event_log::EventLog;
use freshness::Freshness;
use operator::Operator;
use receipts::Receipts;
use reload::Reloader;
use role::Follower;
use service::Service;
use signals::Hangup;
use status::Status;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use store_trial::StoreTrial;
use threads::{Ended, Threads, Urgency};
use tokio::sync::Notify;
use tracing::{error, info, warn};
use web::Web;
use writer::Writer;

/// Work that may wait for the writer. Batches are large: one waits while one is written.
const WORK_WAITING: usize = 1;
/// How often the supervisor looks around.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An offset to which an operator lets the ledger go, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Reading continues here.
    pub offset: i64,
}

impl Skip {
    fn place(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }
}

/// The options of `serve` besides its configuration.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// Recorded ways past offsets that are gone.
    pub skips: Vec<Skip>,
    /// Continuing from an older state than was acknowledged.
    pub accept_older_state: bool,
    /// Why, for both.
    pub reason: String,
    /// Read-only: serves queries from the ledger, without Kafka.
    pub read_only: bool,
    /// Follows the writer, answers, and takes its place when it ends or dies.
    pub standby: bool,
    /// Ready questions on the first page.
    pub example_cases: ExampleCases,
    /// The file that SIGHUP reads again; without one SIGHUP ends the service: its terminal is gone.
    pub config_file: Option<PathBuf>,
}

/// A service that answers.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The committed state.
    pub published: Arc<Published>,
    /// Readiness.
    pub status: Arc<Status>,
    /// Who may ask; `None` where everyone may.
    pub access: Option<Arc<Access>>,
    /// Ends the service.
    pub stop: Stop,
}

/// Runs the service until it is asked to stop (SIGTERM, SIGINT, [`Running::stop`]) or a part of it fails.
///
/// # Errors
/// Whatever failed first. Everything that was committed stays.
pub fn serve(
    config: &Config,
    options: &ServeOptions,
    started: impl FnOnce(Running) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    check(config, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(http::THREADS)
        .enable_all()
        .build()
        .context("Failed to start the threads of HTTP")?;
    let stop = Stop::default();
    // Before the ledger is opened, which may take a while: a stray signal must not end that either.
    let reload_asked = Arc::new(Notify::new());
    let hangup = options
        .config_file
        .as_ref()
        .map_or(Hangup::Stop(stop.clone()), |_| Hangup::Reload(Arc::clone(&reload_asked)));
    signals::outlive(&runtime, hangup)?;
    let clock = Clock::start();
    let event_log = EventLog::start()?;
    let asked = role::asked(config, options)?;
    let looked = Mark::now();
    let Some((role, ledger)) = role::open((config, options), asked, (&clock, &stop))? else { return Ok(()) };
    let published = ledger.published();
    let figures = ledger.options().storage.figures();
    let status = Arc::new(Status::new(role));
    let freshness = Arc::new(Freshness::of(config, role, looked));
    let secrets = seal_secrets::open(config, &published.current(), role != ServiceRole::Writer)?;
    let receipts = secrets.map(|secrets| Receipts::new(secrets, config, &event_log));
    let service = Service {
        published: Arc::clone(&published),
        receipts: receipts.clone(),
        status: Arc::clone(&status),
        clock,
        event_log: event_log.clone(),
        platforms: config.platforms.clone(),
        freshness: Arc::clone(&freshness),
        disks: Disks::of(config),
    };
    let mut access_control = AccessControl::open(config, options.read_only, clock)?;
    let mut answer_keeping = AnswerKeeping::start(config, options.read_only, clock.now(), &event_log)?;
    access_control.answer_log = answer_keeping.log.clone();
    access_control.log_changes()?;
    answer_keeping.watch(config, &published, clock, &event_log)?;
    let sides = (&mut access_control, receipts.clone(), &published);
    let beside = Beside::start(config, sides, &status, (clock, &event_log))?;
    store_figures::watch(&event_log.metrics, figures.into_iter().chain(beside.figures.clone()));
    let parts = (service, &access_control, options.example_cases.clone());
    let web = Web::start(&runtime, config, parts, &event_log, &stop)?;
    access_control.watch(&runtime, &event_log);
    if let Some(file) = options.config_file.clone() {
        let (state, access) = (web.state.clone(), access_control.access.clone());
        reload::watch(&runtime, reload_asked, Reloader { file, in_force: config.clone(), state, access });
    }
    started(Running {
        address: web.address,
        published: Arc::clone(&published),
        status: Arc::clone(&status),
        access: access_control.access.clone(),
        stop: stop.clone(),
    })?;
    let shared = (&clock, &event_log, &status, &stop);
    let result = work(config, options, (role, ledger, receipts), (&access_control, &freshness), shared);
    status.set_stopping();
    let web = web.finish(&runtime, config.shutdown.grace);
    access_control.finish();
    runtime.shutdown_timeout(Duration::from_millis(200));
    drop(access_control);
    answer_keeping.finish();
    // After the last entry.
    beside.finish();
    event_log.traces.finish();
    result.and(web)
}

/// Refuses options that do not fit the configuration.
fn check(config: &Config, options: &ServeOptions) -> anyhow::Result<()> {
    if config.kafka.is_none() && !options.skips.is_empty() {
        anyhow::bail!("--skip needs [kafka] in the configuration: add it, or leave --skip out");
    }
    // The demo chooses its address after its configuration was read.
    if let Some(refused) = config.http.refused_listen(config.access.is_some()) {
        anyhow::bail!("Failed to start: {refused}");
    }
    Ok(())
}

/// Does what the role says, until a stop is requested or a part fails.
fn work(
    config: &Config,
    options: &ServeOptions,
    (role, ledger, receipts): (ServiceRole, Ledger, Option<Receipts>),
    (access_control, freshness): (&AccessControl, &Arc<Freshness>),
    shared: (&Clock, &EventLog, &Arc<Status>, &Stop),
) -> anyhow::Result<()> {
    let (_, _, status, stop) = shared;
    if role == ServiceRole::Reader {
        return role::stay(config, ledger, freshness, (status, stop));
    }
    let mut operator = Operator::listen(config, (ledger.published(), access_control), (status, stop))?;
    let trial = StoreTrial::start(&ledger, &mut operator.threads, stop)?;
    let worked = match role {
        ServiceRole::Standby => stand_by(config, options, (ledger, receipts), (operator, freshness), shared),
        ServiceRole::Writer | ServiceRole::Reader => {
            run(config, options, (ledger, receipts), operator, shared)
        }
    };
    trial.result().and(worked)
}

/// Follows the writer; then writes, with the same process.
fn stand_by(
    config: &Config,
    options: &ServeOptions,
    (ledger, receipts): (Ledger, Option<Receipts>),
    (mut operator, freshness): (Operator, &Arc<Freshness>),
    (clock, event_log, status, stop): (&Clock, &EventLog, &Arc<Status>, &Stop),
) -> anyhow::Result<()> {
    let follower = Follower::new(ledger, Arc::clone(freshness));
    match role::stand_by(config, follower, &mut operator, (clock, status, stop))? {
        Some(ledger) => run(config, options, (ledger, receipts), operator, (clock, event_log, status, stop)),
        None => {
            drop(operator.end);
            end(operator.threads, None, config.shutdown.grace, status)
        }
    }
}

/// Starts the threads, waits for the end, and ends them.
fn run(
    config: &Config,
    options: &ServeOptions,
    (mut ledger, receipts): (Ledger, Option<Receipts>),
    Operator { mut threads, end: admin, handover }: Operator,
    (clock, event_log, status, stop): (&Clock, &EventLog, &Arc<Status>, &Stop),
) -> anyhow::Result<()> {
    let published = ledger.published();
    let (work, to_do) = sync_channel(WORK_WAITING);
    let (emptied, to_fill) = sync_channel(WORK_WAITING);
    let kafka = match &config.kafka {
        Some(settings) => kafka::connect((config, settings, options), &mut ledger, (clock, event_log, stop))?,
        None => None,
    };
    if stop.is_set() {
        info!("stopped before anything was read");
        drop((admin, ledger));
        return end(threads, None, config.shutdown.grace, status);
    }
    let compactor = compactor::Compactor::start(stop, &mut threads)?;
    let secrets = receipts.as_ref().map(|receipts| Arc::clone(receipts.issuer.secrets()));
    let publisher = checkpoint_publisher::start(receipts.zip(Some(&published)), config, stop, &mut threads)?;
    let sealer = sealer::start(secrets.as_ref(), config, (event_log, publisher), stop, &mut threads)?;
    if let Some(upkeep) = ledger.upkeep() {
        let stopped = stop.clone();
        threads.start("upkeep", Urgency::Background, move || {
            upkeep.run(stopped.flag())?;
            Ok(())
        })?;
    }
    let (cache_warmup, stopped) = (ledger.cache_warmup(), stop.clone());
    threads.start_errand("cache warm-up", Urgency::Background, move || {
        match cache_warmup.run(stopped.flag()) {
            Ok(Some(bytes)) => info!(bytes, "the newest orders are in the system's memory"),
            Ok(None) => {}
            Err(problem) => {
                warn!(%problem, "Failed to read the newest orders ahead: questions read them from the disk")
            }
        }
    })?;
    // Known before anything is read.
    let mut disk_space = DiskSpace::of(ledger.options());
    event_log.disk_space(&disk_space.look()?, status);
    let writer = Writer {
        ledger,
        disk_space,
        batch_limits: config.ingest.batch_limits(),
        work: to_do,
        emptied,
        clock: *clock,
        status: Arc::clone(status),
        event_log: event_log.clone(),
        compactor,
        sealer,
        handover,
    };
    threads.start("writer", Urgency::Ingest, move || writer.run())?;
    if let Some(connected) = kafka {
        connected.start(
            config,
            &mut threads,
            kafka::Shared {
                work: work.clone(),
                to_fill,
                published,
                status: Arc::clone(status),
                stop: stop.clone(),
            },
            (clock, event_log),
        )?;
    }
    status.set_assigned();
    info!("ready");
    let first = wait(&threads, stop);
    // Sources first: what they sent is committed, then the writer ends by itself.
    stop.set();
    drop((work, admin));
    end(threads, first, config.shutdown.grace, status)
}

/// Until a stop is requested or a thread ends.
fn wait(threads: &Threads, stop: &Stop) -> Option<Ended> {
    loop {
        if let Some(ended) = threads.first_ended(LOOK_EVERY) {
            return Some(ended);
        }
        if stop.is_set() {
            info!("stopping");
            return None;
        }
    }
}

fn end(threads: Threads, first: Option<Ended>, grace: Duration, status: &Status) -> anyhow::Result<()> {
    let mut failure: Option<anyhow::Error> = None;
    let mut note = |(name, result): Ended| {
        if let Err(problem) = result {
            if name == "writer" {
                status.set_poisoned();
            }
            error!(thread = name, "{problem:#}");
            let problem = problem.context(format!("the {name} stopped"));
            // The others stop because the writer did: its failure is the one to report.
            if failure.is_none() || name == "writer" {
                failure = Some(problem);
            }
        }
    };
    first.into_iter().for_each(&mut note);
    let left = threads.join(grace, note);
    match failure {
        Some(problem) => Err(problem),
        None if left.is_empty() => {
            info!("stopped; everything that was read is committed");
            Ok(())
        }
        None => {
            anyhow::bail!(
                "Failed to stop within the grace time of {} s: {} did not end",
                grace.as_secs(),
                left.join(", ")
            )
        }
    }
}
