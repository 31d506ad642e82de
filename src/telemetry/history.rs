//! What the service measured in the last hours, for the page *Operations*: a bounded row of moments in memory.

use super::metrics::Figures;
use crate::domain::time::UtcMillis;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a moment is noted.
pub const EVERY: Duration = Duration::from_secs(15);
/// Moments that are kept: four hours.
const MOMENTS_MAX: usize = 960;

/// What was measured at an instant.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Moment {
    /// When.
    pub at: UtcMillis,
    /// Counters and gauges.
    pub figures: Figures,
    /// Records in Kafka that are not applied, in all partitions.
    pub lag: i64,
    /// The sum of the end offsets of all partitions.
    pub ends: i64,
    /// How long before `at` the slowest platform is complete to, in milliseconds; `None` while none is complete at all.
    pub behind_ms: Option<i64>,
    /// Late events of all platforms.
    pub late: u64,
}

/// The moments of this process, oldest first. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct History {
    moments: Arc<Mutex<VecDeque<Moment>>>,
}

impl History {
    /// Adds a moment; the oldest makes room.
    pub fn note(&self, moment: Moment) {
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        if moments.len() >= MOMENTS_MAX {
            moments.pop_front();
        }
        moments.push_back(moment);
    }

    /// All moments, oldest first.
    pub fn moments(&self) -> Vec<Moment> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let history = History::default();
        for at in 0..1_000 {
            history.note(Moment { at: UtcMillis::new(at), ..Moment::default() });
        }
        let moments = history.moments();
        let ends = (moments.first().unwrap().at.millis(), moments.last().unwrap().at.millis());
        assert_eq!((moments.len(), ends), (MOMENTS_MAX, (40, 999)));
    }
}
