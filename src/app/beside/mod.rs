//! What a service keeps beside the chain of a ledger in a bucket, so that all processes of the ledger have it: access data, answer
//! logs, and the static files of the seal log.
//!
//! ```text
//! PREFIX/side/access/{number}                tokens and accounts; the writer publishes them, the others take them over
//! PREFIX/side/answers/{name}/{identity}/...  the answer log of each process, and copies of it in the others
//! PREFIX/side/tlog/...                       the files of the seal log as `/tlog/` of HTTP has them; the writer puts them there
//! ```
//!
//! Each has a thread of its own: a slow one delays no other. `docs/decisions/0031-files-beside-the-chain.md` says what is
//! authoritative.

pub mod access;
pub mod answers;
mod seal_log;

use super::access_control::AccessControl;
use super::event_log::EventLog;
use super::receipts::Receipts;
use super::status::Status;
use super::threads::{Ended, Threads, Urgency};
use crate::answers::OtherLogs;
use crate::config::Config;
use crate::http::ServiceRole;
use crate::ledger::{Published, storage_at};
use crate::storage::SideFiles;
use crate::storage::requests::StoreFigures;
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use access::AccessSharing;
use answers::AnswerShipping;
use anyhow::anyhow;
use seal_log::SealLogFiles;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::{error, info, warn};

/// How often access data are looked at.
const ACCESS_EVERY: Duration = Duration::from_secs(1);
/// How often answer logs are shipped and fetched, and the seal log is looked at.
const FILES_EVERY: Duration = Duration::from_secs(2);
/// How long the threads may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Whether this process is the writer, and publishes what others take over. A standby becomes it when it takes over.
#[derive(Clone, Debug)]
struct Lead {
    status: Arc<Status>,
    /// Another process published since: this one is a writer no more, and finds that out at its next slot.
    is_given_up: Arc<AtomicBool>,
}

impl Lead {
    fn of(status: &Arc<Status>) -> Self {
        Self { status: Arc::clone(status), is_given_up: Arc::default() }
    }

    fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    fn is_here(&self) -> bool {
        self.status.role() == ServiceRole::Writer && !self.is_given_up.load(Ordering::Acquire)
    }
}

/// The files beside the chain of a configuration's ledger; `None` where it does not lie in a bucket.
///
/// # Errors
/// The bucket cannot be used.
pub fn side_files(config: &Config) -> anyhow::Result<Option<SideFiles>> {
    let Some(settings) = &config.storage else { return Ok(None) };
    let storage = storage_at(config, &settings.url()).map_err(|problem| anyhow!(problem))?;
    Ok(storage.side_files()?)
}

/// The threads, and what they share with the service.
#[derive(Debug, Default)]
pub(super) struct Beside {
    threads: Threads,
    stop: Stop,
    /// What was asked of the store for them.
    pub(super) figures: Option<Arc<StoreFigures>>,
}

impl Beside {
    /// Starts the threads, if the ledger lies in a bucket.
    ///
    /// # Errors
    /// The bucket's settings cannot be used; the system gives no thread.
    pub(super) fn start(
        config: &Config,
        (access_control, receipts, published): (&mut AccessControl, Option<Receipts>, &Arc<Published>),
        status: &Arc<Status>,
        (clock, event_log): (Clock, &EventLog),
    ) -> anyhow::Result<Self> {
        let mut beside = Self::default();
        let lead = Lead::of(status);
        let Some(files) = side_files(config)? else { return Ok(beside) };
        beside.figures = files.figures();
        if let Some(access) = &access_control.access {
            let shared = (files.clone(), Arc::clone(access));
            let mut sharing = AccessSharing::new(config, shared, lead.clone(), clock);
            beside.repeat("access sharing", ACCESS_EVERY, event_log, move || sharing.step())?;
        }
        if config.answers.keeps_log {
            let others = OtherLogs::default();
            access_control.other_logs = others.clone();
            let mut shipping = AnswerShipping::new(config, files.clone(), others);
            beside.repeat("answer shipping", FILES_EVERY, event_log, move || shipping.step())?;
        }
        if let Some(receipts) = receipts {
            let published = Arc::clone(published);
            let mut seal_log = SealLogFiles::new(files, receipts);
            let step = move || if lead.is_here() { seal_log.step(&published.current()) } else { Ok(()) };
            beside.repeat("seal log files", FILES_EVERY, event_log, step)?;
        }
        Ok(beside)
    }

    /// Does something again and again until the end, and once more then. What fails is tried again; the log says so once.
    fn repeat(
        &mut self,
        name: &'static str,
        every: Duration,
        event_log: &EventLog,
        mut step: impl FnMut() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (stop, metrics) = (self.stop.clone(), event_log.metrics.clone());
        metrics.beside_failing(name, false);
        self.threads.start(name, Urgency::Background, move || {
            let mut is_failing = false;
            loop {
                let is_last = stop.is_set();
                let done = step();
                metrics.beside_failing(name, done.is_err());
                match &done {
                    Ok(()) if is_failing => info!(what = name, "files beside the chain are exchanged again"),
                    Err(problem) if !is_failing => {
                        error!(
                            what = name,
                            "Failed to exchange files beside the chain: {problem:#}; it is tried again"
                        );
                    }
                    _ => {}
                }
                is_failing = done.is_err();
                if is_last {
                    break;
                }
                stop.wait(every);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Ends the threads, after what is left was done once more.
    pub(super) fn finish(self) {
        self.stop.set();
        let failed = |(name, result): Ended| {
            if let Err(problem) = result {
                error!(thread = name, "{problem:#}");
            }
        };
        let left = self.threads.join(GRACE, failed);
        if !left.is_empty() {
            warn!(
                threads = left.join(", "),
                "Failed to exchange the last files beside the chain within their time: the next start does it"
            );
        }
    }
}
