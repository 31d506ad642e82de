//! The live runs as the writer sees them: by day, with the filters that tell new identities from stored ones.

use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::lookup::day_filters::{DayFilters, DayRuns};
use crate::ledger::manifest::{Manifest, kind};
use crate::ledger::run::{Run, RunEntry};
use crate::storage::Session;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Rows of one output of a compaction: bounds the memory in which identity hashes are sorted.
const COMPACTION_OUTPUT_ROWS_MAX: u64 = 4_000_000;

/// Compactions under way: the runs that each of them reads, by the first run number that it may write.
pub type Compactions = BTreeMap<u64, Vec<u64>>;

/// When days last got a run from a commit. Of a day that got none since the ledger was opened it is not known: it counts as changed
/// then.
#[derive(Debug)]
struct Changed {
    opened: Instant,
    days: BTreeMap<LocalDay, Instant>,
}

/// The runs that count.
#[derive(Debug)]
pub struct RunSet {
    /// By day. Snapshots share them.
    pub(crate) live: Arc<DayRuns>,
    /// Filters of groups of days.
    pub(crate) filters: DayFilters,
    /// Where the last owner of an obsolete run reports its number, and where the writer collects it.
    pub(crate) released: (Sender<u64>, Receiver<u64>),
    /// Compactions under way.
    pub(crate) compactions: Compactions,
    /// When each day last got a run from a commit.
    changed: Changed,
    /// Whether rows come as fast as they are committed.
    pub(crate) is_catching_up: bool,
    /// Rows after which a compaction begins another output.
    pub(crate) output_rows_max: u64,
}

impl RunSet {
    /// Opens every run that the manifest names.
    ///
    /// # Errors
    /// The storage fails, or a run is damaged.
    pub(crate) fn open(store: &Session, manifest: &Manifest, filter_bytes: usize) -> LedgerResult<Self> {
        let released = channel();
        let mut live = DayRuns::new();
        for (id, entry) in manifest.numbered(kind::RUN, RunEntry::decode)? {
            let run = Run::open(id, entry, store, &released.0)?;
            live.entry(entry.day).or_default().push(Arc::new(run));
        }
        Ok(Self {
            live: Arc::new(live),
            filters: DayFilters::new(filter_bytes),
            released,
            compactions: Compactions::new(),
            changed: Changed { opened: Instant::now(), days: BTreeMap::new() },
            is_catching_up: false,
            output_rows_max: COMPACTION_OUTPUT_ROWS_MAX,
        })
    }

    /// Moves to the runs that a newer manifest names. Those that are open stay open; returns those that were opened. Where it fails
    /// nothing has changed.
    ///
    /// # Errors
    /// The storage fails, or a run is damaged.
    pub(crate) fn follow(
        &mut self,
        store: &Session,
        manifest: &Manifest,
        is_rebound: bool,
    ) -> LedgerResult<Vec<Arc<Run>>> {
        let known: HashMap<u64, &Arc<Run>> = self.live.values().flatten().map(|run| (run.id, run)).collect();
        let (mut live, mut opened) = (DayRuns::new(), Vec::new());
        for (id, entry) in manifest.numbered(kind::RUN, RunEntry::decode)? {
            let run = match known.get(&id).filter(|run| run.entry == entry) {
                Some(run) if is_rebound => Arc::new(run.through(store)),
                Some(run) => Arc::clone(run),
                None => {
                    let run = Arc::new(Run::open(id, entry, store, &self.released.0)?);
                    opened.push(Arc::clone(&run));
                    run
                }
            };
            live.entry(entry.day).or_default().push(run);
        }
        self.live = Arc::new(live);
        for run in opened.iter().filter(|run| run.entry.compaction == 0) {
            self.changed.days.insert(run.entry.day, Instant::now());
        }
        Ok(opened)
    }

    /// Adds committed runs and their identities.
    ///
    /// # Errors
    /// The identities of a run cannot be read.
    pub(crate) fn add(&mut self, mut runs: Vec<Run>) -> LedgerResult<()> {
        // Reserves capacity for all of them first: the live runs tell whether a group has stored rows, and these are not live yet.
        let rows: u64 = runs.iter().map(|run| run.entry.rows).sum();
        for run in &runs {
            self.filters.reserve(run.entry.day, rows, &self.live);
        }
        for run in &mut runs {
            let (day, filters) = (run.entry.day, &mut self.filters);
            run.visit_hashes(|hash| filters.insert(day, hash))?;
        }
        let live = Arc::make_mut(&mut self.live);
        for run in runs {
            self.changed.days.insert(run.entry.day, Instant::now());
            live.entry(run.entry.day).or_default().push(Arc::new(run));
        }
        self.balance_filters();
        Ok(())
    }

    /// How long a day has been without a new run from a commit.
    pub(crate) fn quiet(&self, day: LocalDay) -> Duration {
        self.changed.days.get(&day).unwrap_or(&self.changed.opened).elapsed()
    }

    /// Whether a compaction under way reads this run.
    pub(crate) fn is_being_merged(&self, run: &Run) -> bool {
        self.compactions.values().any(|inputs| inputs.contains(&run.id))
    }

    /// Puts `outputs` in the place of `inputs`.
    pub(crate) fn replace(&mut self, day: LocalDay, inputs: &[Arc<Run>], outputs: Vec<Run>) {
        let runs = Arc::make_mut(&mut self.live).entry(day).or_default();
        runs.retain(|run| inputs.iter().all(|input| input.id != run.id));
        runs.extend(outputs.into_iter().map(Arc::new));
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::time::{LocalDay, UtcMillis};
    use crate::ledger::testing::{commit, day, event, open};

    #[test]
    fn a_commit_ends_the_quiet_of_its_days_and_a_compaction_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path());
        let other = day().plus_days(1);
        // Asked for later, it is shorter only where something came meanwhile.
        let quiet = |ledger: &crate::ledger::Ledger| {
            let of_other = ledger.runs.quiet(other);
            (of_other, ledger.runs.quiet(day()))
        };
        let (before, same) = quiet(&ledger);
        assert!(before <= same);
        (0..2).for_each(|order| commit(&mut ledger, order, &[event(order.unsigned_abs(), 0)]));
        let (of_other, of_day) = quiet(&ledger);
        assert!(of_day < of_other, "{of_day:?}, {of_other:?}");
        let changed = std::time::Instant::now();
        ledger.compact_now(LocalDay(i32::MAX), UtcMillis::new(1_795_000_001_000)).unwrap();
        let since = changed.elapsed();
        assert!(ledger.runs.quiet(day()) > since, "the merge is no new run");
    }
}
