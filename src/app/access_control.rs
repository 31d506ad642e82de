//! Who may ask and under which keys: the access store and the TLS files of a running service, both looked at again and again,
//! since commands and renewals change them.

use super::answer_keeping::log_access;
use super::event_log::EventLog;
use crate::access::{Access, AccessStore, LockoutTerms, RateTerms, STORE_FILE, Terms};
use crate::answers::{AnswerLog, OtherLogs};
use crate::certificate;
use crate::config::{AccessSettings, Config};
use crate::http::TlsKeys;
use crate::telemetry::clock::Clock;
use anyhow::Context;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

/// How often the store and the TLS files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The access store and the TLS keys in force.
#[derive(Clone, Debug)]
pub(super) struct AccessControl {
    pub(super) access: Option<Arc<Access>>,
    pub(super) tls: Option<Arc<TlsKeys>>,
    /// Where answers are logged, and changes of tokens and accounts with them.
    pub(super) answer_log: Option<AnswerLog>,
    /// The answer logs of the other processes of the ledger.
    pub(super) other_logs: OtherLogs,
    /// The file of the certificate.
    certificate: Option<PathBuf>,
    clock: Clock,
}

/// Where a configuration keeps its access store.
pub fn access_store(config: &Config) -> PathBuf {
    config.ledger.data_dir.join(STORE_FILE)
}

/// How long things last and how often they may happen, by a configuration.
pub(super) fn terms(settings: &AccessSettings) -> Terms {
    Terms {
        session_idle_ms: settings.session_idle_ms,
        session_max_ms: settings.session_max_ms,
        lockout: LockoutTerms { failures: settings.lockout_failures, lock_ms: settings.lockout_ms },
        rate: RateTerms { per_second: settings.requests_per_second, burst: settings.requests_burst },
    }
}

impl AccessControl {
    /// Opens the store, or, to read only, a copy of it in memory; reads the TLS files. Beside a ledger in a bucket the data directory is
    /// this process's own, also to read only.
    pub(super) fn open(config: &Config, read_only: bool, clock: Clock) -> anyhow::Result<Self> {
        let tls = config.http.tls.as_ref().map(TlsKeys::load).transpose()?.map(Arc::new);
        let access = match &config.access {
            None => None,
            Some(settings) => {
                let path = access_store(config);
                let is_copy = read_only && config.storage.is_none();
                let store = if is_copy { AccessStore::open_copy(&path) } else { AccessStore::open(&path) }?;
                Some(Arc::new(Access::new(store, terms(settings), clock.now())?))
            }
        };
        if access.as_ref().is_some_and(|access| !access.has_any()) {
            warn!(
                "there is no token and no account, so the service refuses every question: make one with `coverledger account create` or `coverledger token create`; no restart is needed"
            );
        }
        let certificate = config.http.tls.as_ref().map(|tls| tls.certificate.clone());
        Ok(Self { access, tls, answer_log: None, other_logs: OtherLogs::default(), certificate, clock })
    }

    /// Looks at the store and the files until the runtime ends.
    pub(super) fn watch(&self, runtime: &Runtime, event_log: &EventLog) {
        let (access_control, event_log) = (self.clone(), event_log.clone());
        if access_control.access.is_none() && access_control.tls.is_none() {
            return;
        }
        access_control.note_expiry(&event_log);
        runtime.spawn(async move {
            let mut every = tokio::time::interval(LOOK_EVERY);
            let (mut access_failed, mut tls_failed) = (false, false);
            loop {
                every.tick().await;
                let (looking, told) = (access_control.clone(), event_log.clone());
                let looked = tokio::task::spawn_blocking(move || {
                    (looking.look_at_access(&told), looking.look_at_tls(&told))
                });
                let Ok((access, tls)) = looked.await else { continue };
                note(
                    &mut access_failed,
                    access,
                    "the access store cannot be read: what is known stays in force",
                );
                note(&mut tls_failed, tls, "the new certificate is not used: the one before stays in force");
            }
        });
    }

    fn look_at_access(&self, event_log: &EventLog) -> anyhow::Result<()> {
        let Some(access) = &self.access else { return Ok(()) };
        let changes = access.refresh(self.clock.now())?;
        for change in &changes {
            event_log.access_changed(change);
        }
        if changes.is_empty() { Ok(()) } else { self.log_changes() }
    }

    /// Logs the changes of tokens and accounts that the answer log does not have yet, also those of the time when no service ran.
    pub(super) fn log_changes(&self) -> anyhow::Result<()> {
        let Some((access, log)) = self.access.as_ref().zip(self.answer_log.as_ref()) else { return Ok(()) };
        log_access(log, access.store(), self.clock.now())
            .context("noting changes of access in the answer log")
    }

    fn look_at_tls(&self, event_log: &EventLog) -> anyhow::Result<()> {
        let Some(tls) = &self.tls else { return Ok(()) };
        if tls.reload()? {
            info!("the certificate was exchanged: new connections get it");
            self.note_expiry(event_log);
        }
        Ok(())
    }

    /// Tells monitoring when the certificate expires. One that says nothing about that is served all the same.
    fn note_expiry(&self, event_log: &EventLog) {
        let Some(path) = &self.certificate else { return };
        let expires = std::fs::read(path).context("reading the file");
        match expires.and_then(|pem| Ok(certificate::expires(&pem)?)) {
            Ok(at) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                event_log.metrics.certificate_expires(&file, at);
            }
            Err(problem) => {
                warn!(
                    "Failed to read when the certificate {} expires: {problem:#}; no alarm warns of it",
                    path.display()
                );
            }
        }
    }

    /// Writes what is known of the last uses.
    pub(super) fn finish(&self) {
        if let Some(access) = &self.access
            && let Err(problem) = access.write_uses(self.clock.now()).context("noting the last uses")
        {
            warn!("{problem:#}");
        }
    }
}

/// Tells of a failure once, until it is over.
fn note(has_failed: &mut bool, result: anyhow::Result<()>, text: &str) {
    match result {
        Ok(()) => *has_failed = false,
        Err(problem) if !*has_failed => {
            *has_failed = true;
            let cause: &(dyn StdError + 'static) = problem.as_ref();
            error!(error = cause, "{text}");
        }
        Err(_) => {}
    }
}
