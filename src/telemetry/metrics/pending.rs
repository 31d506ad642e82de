//! Unresolved rejected and conflicting records that keep answers open.

use super::Metrics;
use super::int;
use super::make::{Made, Maker, opts};
use super::seconds;
use crate::domain::time::UtcMillis;
use prometheus::{GaugeVec, IntGaugeVec};

const LABELS: &[&str] = &["platform", "reason"];

#[derive(Debug)]
pub(super) struct Pending {
    records: IntGaugeVec,
    since: GaugeVec,
}

impl Pending {
    pub(super) fn new(m: &Maker) -> Made<Self> {
        let since = opts("pending_since_seconds", "When the oldest of them was recorded (since the epoch).");
        Ok(Self {
            records: m.gauges(
                "pending_records",
                "Unresolved rejected and conflicting records that keep answers open, by reason.",
                LABELS,
            )?,
            since: m.register(GaugeVec::new(since, LABELS)?)?,
        })
    }
}

impl Metrics {
    /// How many unresolved records keep answers about a platform open for a reason, and since when.
    pub fn pending(&self, platform: &str, reason: &str, records: u64, since: Option<UtcMillis>) {
        let labels = [self.inner.platforms.bound(platform), reason];
        self.inner.pending.records.with_label_values(&labels).set(int(records));
        match since {
            Some(since) => {
                self.inner.pending.since.with_label_values(&labels).set(seconds(since.millis()));
            }
            // No series says that nothing is pending; zero would be the year 1970.
            None => drop(self.inner.pending.since.remove_label_values(&labels)),
        }
    }
}
