//! What a storage does beside its writer, on a thread that its user gives it.

use super::local::Reclaimer;
use std::sync::atomic::AtomicBool;

/// The upkeep of an acquired storage: of a directory it gives back the space of removed files in steps.
#[derive(Debug)]
pub struct Upkeep(Engine);

#[derive(Debug)]
enum Engine {
    Local(Reclaimer),
}

impl Upkeep {
    pub(super) const fn local(reclaimer: Reclaimer) -> Self {
        Self(Engine::Local(reclaimer))
    }

    /// Works until `stop` is set.
    pub fn run(&self, stop: &AtomicBool) {
        match &self.0 {
            Engine::Local(reclaimer) => reclaimer.run(stop),
        }
    }
}
