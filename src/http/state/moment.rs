//! What is measured for the page *Operations*.

use super::HttpState;
use crate::domain::view::LedgerView;
use crate::http::backend::Source;
use crate::http::health::readiness;
use crate::telemetry::history::{History, Moment};

impl<S: Source> HttpState<S> {
    /// What was measured in the last hours.
    pub(in crate::http) fn history(&self) -> &History {
        &self.inner.history
    }

    /// What is measured now.
    pub(in crate::http) fn moment(&self) -> Moment {
        let source = self.source();
        source.sample();
        self.metrics().ready(readiness(self).is_ok());
        let (progress, view) = (source.progress(), source.view());
        let (platforms, now) = (&view.completeness().platforms, progress.now);
        let lag = |end: i64, position: i64| end.saturating_sub(position).max(0);
        let partitions = progress.partitions.iter().filter_map(|line| Some((line.end?, line.position)));
        let (lags, ends): (Vec<i64>, Vec<i64>) = partitions.map(|(end, at)| (lag(end, at), end)).unzip();
        Moment {
            at: now,
            figures: self.metrics().figures(),
            lag: lags.into_iter().fold(0, i64::saturating_add),
            ends: ends.into_iter().fold(0, i64::saturating_add),
            behind_ms: platforms
                .values()
                .filter_map(|facts| facts.complete_through)
                .map(|through| now.since(through).max(0))
                .max(),
            late: platforms.values().map(|facts| facts.late).sum(),
        }
    }

    /// Notes what is measured now; the service does so every [`crate::telemetry::history::EVERY`].
    pub fn note_moment(&self) {
        self.inner.history.note(self.moment());
    }
}
