//! What the writer does beside its commits: it writes full checkpoints, collects, and notices that another has taken over.

use super::core::Core;
use crate::storage::error::{StorageError, StorageResult};
use crate::wait::pace;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether something is to be done.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The upkeep of a storage in a bucket.
#[derive(Debug)]
pub struct ObjectUpkeep {
    core: Arc<Core>,
}

impl ObjectUpkeep {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Works until `stop` is set or the session ends.
    ///
    /// # Errors
    /// Another writer has taken over, or it is open whether the newest slot is there: this process must end.
    pub(in super::super) fn run(&self, stop: &AtomicBool) -> StorageResult<()> {
        let mut collected = Instant::now();
        while !stop.load(Ordering::Acquire) && !self.core.is_closed() {
            // Heartbeats come from the engine's own runtime: they must not wait for what is done here.
            self.core.check()?;
            beside("write entries to pages", self.core.page_entries_if_due())?;
            beside("write a full checkpoint", self.core.write_full_if_due())?;
            if collected.elapsed() >= self.core.shared.options.collect_every && !self.core.is_closed() {
                collected = Instant::now();
                beside("collect what is not needed any more", self.core.collect().map(drop))?;
            }
            pace(LOOK_EVERY);
        }
        Ok(())
    }
}

/// What fails beside is tried again later, unless it says that nothing may be written any more.
fn beside(what: &'static str, done: StorageResult<()>) -> StorageResult<()> {
    match done {
        Err(error @ (StorageError::Fenced { .. } | StorageError::Unknown)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "Failed to {what}: it is tried again later");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
