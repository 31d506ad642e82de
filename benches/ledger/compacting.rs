//! Compaction beside the commits, as the service does it.

use crate::now;
use crate::support::wait::delay;
use crate::support::{Figures, cpu, disk_bytes, flag, nanos_each, per_second, removed_bytes};
use coverledger::app::compaction_lanes::{Lanes, lanes};
use coverledger::app::threads::Urgency;
use coverledger::domain::time::LocalDay;
use coverledger::ledger::{Compacted, Ledger};
use coverledger::wait::Stop;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Compactions in the lanes of the service.
pub(crate) struct Compacting {
    lanes: Option<Lanes>,
    rows: u64,
    took: Duration,
    /// Bytes on disk at most while it settled.
    pub(crate) disk_peak: u64,
    /// Ends the thread that gives space back.
    reclaimer: Arc<AtomicBool>,
}

impl Compacting {
    pub(crate) fn begin() -> Self {
        let (lanes, workers) = lanes(&Stop::default());
        for (_, worker) in workers {
            #[expect(clippy::disallowed_methods, reason = "a benchmark has no service that owns threads")]
            std::thread::spawn(move || {
                Urgency::Background.apply();
                worker.run().expect("runs are merged");
            });
        }
        let lanes = (!flag("no-compaction")).then_some(lanes);
        let reclaimer = Arc::default();
        Self { lanes, rows: 0, took: Duration::ZERO, disk_peak: 0, reclaimer }
    }

    /// From now on the space of files that this ledger removes comes back in steps, as in the service.
    pub(crate) fn attend(&mut self, ledger: &Ledger) {
        let stop = Arc::new(AtomicBool::new(false));
        std::mem::replace(&mut self.reclaimer, Arc::clone(&stop)).store(true, Ordering::Release);
        let Some(upkeep) = ledger.upkeep() else { return };
        #[expect(clippy::disallowed_methods, reason = "a benchmark has no service that owns threads")]
        std::thread::spawn(move || {
            Urgency::Background.apply();
            upkeep.run(&stop).expect("the upkeep of a directory does not fail");
        });
    }

    /// Installs what is done, begins what is due; whether something is under way. As the service does, commits wait when compaction is
    /// far behind.
    pub(crate) fn step(&mut self, ledger: &mut Ledger, major_before: LocalDay) -> bool {
        let Some(lanes) = &mut self.lanes else { return false };
        let mut install = |compacted: Option<Compacted>, ledger: &mut Ledger| {
            let report = compacted.map(|compacted| ledger.install(compacted, now()));
            report.map(|report| self.rows += report.expect("a compaction is installed").rows).is_some()
        };
        while install(lanes.next_done().expect("runs are merged"), ledger) {}
        ledger.collect_released().expect("old runs are deleted");
        let is_behind = lanes.is_behind(ledger);
        lanes.begin(ledger, (major_before, Duration::ZERO)).expect("the compacting threads live");
        if is_behind {
            install(lanes.wait_for_one().expect("runs are merged"), ledger);
        }
        !lanes.is_idle()
    }

    /// Everything that is due, with every day settled.
    pub(crate) fn settle(&mut self, ledger: &mut Ledger, dir: &Path, figures: &mut Figures) {
        let (started, before) = (Instant::now(), self.rows);
        let began = cpu("self");
        while self.step(ledger, LocalDay(i32::MAX)) {
            self.disk_peak = self.disk_peak.max(disk_bytes(dir));
            delay(Duration::from_millis(50));
        }
        self.took = started.elapsed();
        let waited = Instant::now();
        while removed_bytes(dir) > 0 {
            delay(Duration::from_millis(50));
        }
        let waited = waited.elapsed().as_millis();
        figures.tell("rows compacted while ingesting, after", format!("{before}, {}", self.rows - before));
        let rows = self.rows - before;
        figures.tell("  until the space of removed files is back", format!("{waited} ms"));
        figures.tell("compaction alone", format!("{} rows/s", per_second(rows, self.took)));
        figures.tell("  CPU each row", format!("{} ns", nanos_each(rows, cpu("self") - began)));
    }
}
