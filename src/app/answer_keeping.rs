//! The answer log of a running service: its threads, and what is logged besides answers.

use super::answer_watch::AnswerWatch;
use super::event_log::EventLog;
use super::threads::{Threads, Urgency};
use crate::access::AccessStore;
use crate::answers::{
    ANSWERS_FOLDER, AnswerLog, AnswerLogResult, Content, Digest, Draft, LogPlace, LogTerms,
};
use crate::config::Config;
use crate::domain::time::UtcMillis;
use crate::ledger::Published;
use crate::storage::local::is_in_data_dir;
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use anyhow::Context;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// How often the thread that watches logged answers looks for a new commit.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Changes of the access store that are logged at a time.
const CHANGES_AT_ONCE: u32 = 500;
/// How long the log may take to end: what waits is written by then.
const GRACE: Duration = Duration::from_secs(10);

/// Where the logs of a configuration's ledger are.
pub fn answers_folder(config: &Config) -> PathBuf {
    config.answers.dir.clone().unwrap_or_else(|| usual_folder(config))
}

fn usual_folder(config: &Config) -> PathBuf {
    config.ledger.data_dir.join(ANSWERS_FOLDER)
}

/// Refuses a log that began in another folder than the one that the configuration names now.
///
/// # Errors
/// It did; a folder cannot be read.
pub fn check_answer_log_place(config: &Config) -> AnswerLogResult<()> {
    let (usual, answers) = (usual_folder(config), answers_folder(config));
    LogPlace { usual: &usual, answers: &answers, name: &config.answers.name }.check()
}

/// Refuses a folder for a copy of the ledger that lies where the ledger itself is, or its answer logs.
///
/// # Errors
/// In which of them it lies.
pub fn check_elsewhere(folder: &Path, config: &Config) -> Result<(), String> {
    let answers = config.answers.dir.as_deref().map(|dir| (dir, "the folder of the answer logs"));
    for (taken, what) in [(config.ledger.data_dir.as_path(), "the data directory")].into_iter().chain(answers)
    {
        if is_in_data_dir(folder, taken) {
            let (folder, taken) = (folder.display(), taken.display());
            return Err(format!(
                "the folder {folder} is in {what} {taken}: name one elsewhere, best on another disk"
            ));
        }
    }
    Ok(())
}

/// The log and its threads.
#[derive(Debug, Default)]
pub(super) struct AnswerKeeping {
    pub(super) log: Option<AnswerLog>,
    threads: Threads,
    stop: Stop,
}

impl AnswerKeeping {
    /// Opens the log and starts its thread, if the configuration wants a log. A service that only reads a data directory changes no file
    /// of it, and keeps none; beside a ledger in a bucket the data directory is its own.
    pub(super) fn start(
        config: &Config,
        read_only: bool,
        now: UtcMillis,
        event_log: &EventLog,
    ) -> anyhow::Result<Self> {
        let mut keeping = Self::default();
        if read_only && config.storage.is_none() || !config.answers.keeps_log {
            return Ok(keeping);
        }
        let (usual, answers) = (usual_folder(config), answers_folder(config));
        let place = LogPlace { usual: &usual, answers: &answers, name: &config.answers.name };
        place.check()?;
        let terms = LogTerms { name: config.answers.name.clone(), retention_ms: config.answers.retention_ms };
        let (log, worker, preparer) = AnswerLog::open(&answers, terms)?;
        if log.cut_bytes() > 0 {
            let (name, bytes) = (log.name(), log.cut_bytes());
            warn!(
                name,
                bytes, "the answer log ended within an entry that was never acknowledged: it was cut off"
            );
        }
        let metrics = event_log.metrics.clone();
        let worker = worker.observed(Box::new(move |entries, took| metrics.answers_logged(entries, took)));
        keeping.threads.start("answer log", Urgency::Answering, move || {
            worker.run();
            Ok(())
        })?;
        keeping.threads.start("answer log files", Urgency::Answering, move || {
            preparer.run();
            Ok(())
        })?;
        log_configuration(&log, config, now).context("noting the configuration in the answer log")?;
        place.note()?;
        event_log.metrics.answers_changed(log.changed_count());
        keeping.log = Some(log);
        Ok(keeping)
    }

    /// Starts the thread that looks at logged answers after commits.
    pub(super) fn watch(
        &mut self,
        config: &Config,
        published: &Arc<Published>,
        clock: Clock,
        event_log: &EventLog,
    ) -> anyhow::Result<()> {
        let Some(log) = self.log.clone() else { return Ok(()) };
        let watch = AnswerWatch::new(log.clone(), config.platforms.clone(), config.zone.clone());
        let (published, stop, event_log) = (Arc::clone(published), self.stop.clone(), event_log.clone());
        self.threads.start("answer watch", Urgency::Background, move || {
            follow(watch, &log, &published, clock, &stop, &event_log);
            Ok(())
        })?;
        Ok(())
    }

    /// Ends the threads; every handle of the log must have been dropped.
    pub(super) fn finish(self) {
        self.stop.set();
        drop(self.log);
        let failed = |(name, result): super::threads::Ended| {
            if let Err(problem) = result {
                error!(thread = name, "{problem:#}");
            }
        };
        let left = self.threads.join(GRACE, failed);
        if !left.is_empty() {
            warn!(
                threads = left.join(", "),
                "Failed to end the answer log within its time: what was acknowledged is durable"
            );
        }
    }
}

/// Looks at logged answers after commits, until the service stops.
fn follow(
    mut watch: AnswerWatch,
    log: &AnswerLog,
    published: &Published,
    clock: Clock,
    stop: &Stop,
    event_log: &EventLog,
) {
    let mut has_failed = false;
    loop {
        match watch.step(&published.current(), clock.now()) {
            Ok(asked) => {
                has_failed = false;
                event_log.metrics.answers_asked_again(asked);
            }
            Err(problem) if !has_failed => {
                has_failed = true;
                let cause: &(dyn StdError + 'static) = &problem;
                error!(error = cause, "Failed to look at logged answers: it is tried again");
            }
            Err(_) => {}
        }
        event_log.metrics.answers_changed(log.changed_count());
        if stop.wait(LOOK_EVERY) {
            break;
        }
    }
    if let Err(problem) = watch.finish() {
        warn!(%problem, "Failed to note how far logged answers were looked at: the next start looks at more of them");
    }
}

/// Who starts the service: the user of the machine.
fn actor() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// Logs what differs from the configuration before, if anything does.
fn log_configuration(log: &AnswerLog, config: &Config, now: UtcMillis) -> anyhow::Result<()> {
    let (sha256, tariff) = (Digest(config.hash), config.tariff.version().to_owned());
    let (settings, known) = (config.settings(), log.settings());
    let added: Vec<String> = settings.difference(&known).cloned().collect();
    let removed: Vec<String> = known.difference(&settings).cloned().collect();
    if added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    let (added_lines, removed_lines) = (added.len(), removed.len());
    let content = Content::Configuration { actor: actor(), sha256, tariff, added, removed };
    let logged = log.append_blocking(Draft { at: now, content })?;
    info!(
        entry = logged.number,
        added_lines, removed_lines, "the configuration is another one than that of the answer log"
    );
    Ok(())
}

/// Logs the changes of tokens and accounts that the log does not have yet.
pub(super) fn log_access(log: &AnswerLog, store: &AccessStore, now: UtcMillis) -> anyhow::Result<()> {
    loop {
        let changes = store.changes_after(log.access_through(), CHANGES_AT_ONCE)?;
        let is_last = changes.len() < usize::try_from(CHANGES_AT_ONCE).unwrap_or(usize::MAX);
        for change in changes {
            let content = Content::Access {
                change: change.number,
                changed_at_ms: change.at.millis(),
                actor: change.actor,
                action: change.action,
                subject: change.subject,
                detail: change.detail,
            };
            log.append_blocking(Draft { at: now, content })?;
        }
        if is_last {
            return Ok(());
        }
    }
}
