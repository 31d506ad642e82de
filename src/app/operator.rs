//! What hears operators while a service runs: the admin socket, its thread, and what was asked for.

use super::access_control::AccessControl;
use super::admin::{Admin, AdminEnd};
use super::handover::Handover;
use super::status::Status;
use super::threads::{Threads, Urgency};
use crate::config::Config;
use crate::ledger::Published;
use crate::wait::Stop;
use std::sync::Arc;
use tracing::warn;

/// The hearing of operators. Its thread is the first of the service's.
pub(super) struct Operator {
    pub(super) threads: Threads,
    /// Ends the hearing when it is dropped.
    pub(super) end: Option<AdminEnd>,
    pub(super) handover: Arc<Handover>,
}

impl Operator {
    /// Listens for the operator's commands; the service continues without them where it cannot.
    pub(super) fn listen(
        config: &Config,
        (published, access_control): (Arc<Published>, &AccessControl),
        (status, stop): (&Arc<Status>, &Stop),
    ) -> anyhow::Result<Self> {
        let (mut threads, handover) = (Threads::default(), Arc::new(Handover::default()));
        let access = access_control.access.clone();
        let asked = (Arc::clone(status), Arc::clone(&handover));
        let end = match Admin::listen(config, (published, access), asked, stop.clone()) {
            Ok((admin, end)) => {
                threads.start("admin", Urgency::Background, move || admin.run())?;
                Some(end)
            }
            Err(problem) => {
                warn!(%problem, "Failed to open the admin socket in the data directory: stop the service to make a backup");
                None
            }
        };
        Ok(Self { threads, end, handover })
    }
}
