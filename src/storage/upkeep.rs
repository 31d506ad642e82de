//! What a storage does beside its writer, on a thread that its user gives it.

use super::error::StorageResult;
use super::local::Reclaimer;
#[cfg(feature = "object-store")]
use super::object::ObjectUpkeep;
use std::sync::atomic::AtomicBool;

/// The upkeep of an acquired storage: of a directory it gives back the space of removed files in steps; in a bucket it shows that
/// the writer is there, writes full checkpoints, and collects.
#[derive(Debug)]
pub struct Upkeep(Engine);

#[derive(Debug)]
enum Engine {
    Local(Reclaimer),
    #[cfg(feature = "object-store")]
    Object(ObjectUpkeep),
}

impl Upkeep {
    pub(super) const fn local(reclaimer: Reclaimer) -> Self {
        Self(Engine::Local(reclaimer))
    }

    #[cfg(feature = "object-store")]
    pub(super) const fn object(upkeep: ObjectUpkeep) -> Self {
        Self(Engine::Object(upkeep))
    }

    /// Works until `stop` is set, or the session ends.
    ///
    /// # Errors
    /// Another writer has taken over, or a change of the storage has an unknown result: the process must end.
    pub fn run(&self, stop: &AtomicBool) -> StorageResult<()> {
        match &self.0 {
            Engine::Local(reclaimer) => {
                reclaimer.run(stop);
                Ok(())
            }
            #[cfg(feature = "object-store")]
            Engine::Object(upkeep) => upkeep.run(stop),
        }
    }
}
