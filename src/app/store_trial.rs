//! The trial of the store beside the work of a process that writes, or may: whether it does what a writer relies on.

use super::threads::{Threads, Urgency};
use crate::ledger::{Ledger, LedgerError};
use crate::storage::StorageError;
use crate::wait::Stop;
use std::io;
use std::sync::{Arc, OnceLock};
use tracing::{error, info, warn};

/// The trial. A store that fails it ends the process.
#[derive(Debug, Default)]
pub(super) struct StoreTrial {
    refused: Arc<OnceLock<LedgerError>>,
}

impl StoreTrial {
    /// Begins it on a thread of its own; a ledger on this machine has no store to try.
    pub(super) fn start(ledger: &Ledger, threads: &mut Threads, stop: &Stop) -> io::Result<Self> {
        let trial = Self::default();
        if !ledger.options().storage.is_remote() {
            return Ok(trial);
        }
        let (prepare, refused, stop) = (ledger.preparation(), Arc::clone(&trial.refused), stop.clone());
        threads.start_errand("store trial", Urgency::Background, move || match prepare() {
            Ok(()) => info!("the store does what a writer relies on"),
            Err(error @ LedgerError::Store(StorageError::Unsuitable { .. })) => {
                error!(%error, "Failed to use the store: this process ends");
                let _only = refused.set(error);
                stop.set();
            }
            Err(error) => warn!(%error, "Failed to try the store: the process goes on with its work"),
        })?;
        Ok(trial)
    }

    /// Why the store was refused, if it was.
    ///
    /// # Errors
    /// It was.
    pub(super) fn result(&self) -> anyhow::Result<()> {
        self.refused.get().map_or(Ok(()), |error| Err(error.clone().into()))
    }
}
