//! A ledger that is only read follows its writer, commit by commit, and can take its place.
//!
//! What is open stays open: a commit costs the manifest, and what it changed. Earlier snapshots stay what they are.

use crate::domain::completeness::CompletenessTracker;
use crate::domain::time::LocalDay;
use crate::ledger::build::RunBuilder;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::lookup::day_filters::days_met;
use crate::ledger::manifest::configuration_history::ConfigurationHistory;
use crate::ledger::manifest::statistics::Statistics;
use crate::ledger::manifest::{Manifest, kind, state_codec};
use crate::ledger::rejections::store::{KeptRun, RejectionStore};
use crate::ledger::rejections::stored::{RejectedEntry, RejectedRun};
use crate::ledger::run::Run;
use crate::ledger::writer::{Ledger, WriteAccess, check_zone, garbage, number_tariff};
use crate::storage::{Hint, Session, WriterActivity};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so many states runs are read through the newest session: what only an older one knows is then given up.
const SESSIONS_MAX: u32 = 64;
/// A filter of a run that takes more memory stays in the storage: reading it would take longer than readers may be behind.
const FILTER_BYTES_MAX: usize = 8 << 20;

/// Runs that tell which days the writer's events meet.
const RECENT_RUNS: usize = 64;

/// What a ledger that follows keeps besides.
#[derive(Debug, Default)]
pub(crate) struct Following {
    /// The newest runs of commits: their days and rows.
    recent: VecDeque<(LocalDay, u64)>,
    /// States since all runs were read through one session.
    states: u32,
    /// Opened runs whose filters were not read yet.
    unread: VecDeque<Arc<Run>>,
}

/// How the kept records change.
enum KeptChange {
    Added(Vec<KeptRun>),
    Reloaded(Box<RejectionStore>),
}

impl Ledger {
    /// Moves to the newest commit of the storage and publishes it; whether there was one. A ledger that writes, or whose storage no
    /// other process writes to meanwhile, is at the newest.
    ///
    /// # Errors
    /// The storage cannot be asked or read, or the newest state is damaged. The state before stays published.
    pub fn follow(&mut self) -> LedgerResult<bool> {
        if self.access != WriteAccess::ReadOnly {
            return Ok(false);
        }
        let Some(store) = self.store.follow()? else { return Ok(false) };
        let manifest = Manifest::load(&store)?;
        let is_rebound = self.following.states >= SESSIONS_MAX;
        self.adopt(store, manifest, is_rebound)?;
        self.publish();
        Ok(true)
    }

    /// What is known of the writer; `None` where none can be followed. Asks nothing of the storage.
    pub fn writer_activity(&self) -> Option<WriterActivity> {
        self.store.writer_activity()
    }

    /// Reads filters of the runs that [`Self::follow`] opened, as far as memory allows, for about so long. No answer depends on
    /// them.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub fn read_filters(&mut self, time: Duration) -> LedgerResult<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            let Some(run) = self.following.unread.pop_front() else { return Ok(()) };
            run.load_filters(FILTER_BYTES_MAX)?;
            self.runs.balance_filters();
        }
        Ok(())
    }

    /// Reads identities of the days that the writer's events meet, for about so long: the first batch after [`Self::take_over`] then
    /// finds its filters of days in memory.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub fn prefill_filters(&mut self, time: Duration) -> LedgerResult<()> {
        let begun = Instant::now();
        let reaches = days_met(self.recent_rows(), self.options.identity_days);
        self.runs.filters.prefill(&reaches, &self.runs.live, || begun.elapsed() < time)?;
        self.runs.balance_filters();
        Ok(())
    }

    /// Rows by day of what commits brought lately; of the newest day where they brought nothing yet.
    fn recent_rows(&self) -> BTreeMap<LocalDay, u64> {
        let mut days = BTreeMap::new();
        for &(day, rows) in &self.following.recent {
            *days.entry(day).or_default() += rows;
        }
        if days.is_empty() {
            let rows = |runs: &[Arc<Run>]| runs.iter().map(|run| run.entry.rows).sum();
            let newest = self.runs.live.iter().rev().map(|(&day, runs)| (day, rows(runs)));
            days.extend(newest.into_iter().find(|(_, rows)| *rows > 0));
        }
        days
    }

    /// Tries whether the storage does what writers rely on: for another thread of a service that writes, or may take over.
    pub fn preparation(&self) -> impl FnOnce() -> LedgerResult<()> + Send + 'static + use<> {
        let store = self.store.clone();
        move || Ok(store.prepare()?)
    }

    /// Becomes the writer: fences the one before, moves to the newest commit, and collects what was left under way. With `judged`,
    /// only if nothing newer than that is in the storage ([`WriterActivity::newest`]). The configuration is put in force by
    /// [`Self::activate_configuration`].
    ///
    /// # Errors
    /// Another writer has the storage: this ledger goes on being read. After any other failure the ledger is of no use.
    pub fn take_over(&mut self, judged: Option<u64>) -> LedgerResult<()> {
        if self.access != WriteAccess::ReadOnly {
            return Err(LedgerError::ReadOnly);
        }
        let store = self.store.take_over(judged)?;
        let promoted = self.promote(store);
        if let Err(error) = &promoted {
            self.access = WriteAccess::Poisoned(error.to_string());
        }
        promoted
    }

    fn promote(&mut self, store: Session) -> LedgerResult<()> {
        let mut manifest = Manifest::load(&store)?;
        garbage::collect_orphans(&store, &mut manifest)?;
        // Numbers of runs that were released while it was read are those of the writer before, who listed them as garbage.
        self.runs.released.1.try_iter().for_each(drop);
        self.builder = RunBuilder::new(store.begin(Hint::ShortLived));
        self.adopt(store, manifest, true)?;
        self.access = WriteAccess::Granted;
        self.publish();
        Ok(())
    }

    /// Ends writing for good, and lets the next writer begin at once. What was committed can still be read.
    pub fn hand_over(&mut self) {
        self.store.release();
        self.access = WriteAccess::ReadOnly;
    }

    /// Takes on a newer state. Where it fails nothing has changed.
    fn adopt(&mut self, store: Session, manifest: Manifest, is_rebound: bool) -> LedgerResult<()> {
        let statistics = Statistics::load(&manifest)?;
        let configurations = self.configurations_of(&store, &manifest)?;
        let kept = self.kept_of(&store, &manifest, &statistics)?;
        let tracker = CompletenessTracker::new(state_codec::load(&manifest)?);
        let opened = self.runs.follow(&store, &manifest, is_rebound)?;
        match kept {
            KeptChange::Added(runs) => self.rejections.add(&runs, &self.options.platforms, &statistics),
            KeptChange::Reloaded(rejections) => self.rejections = *rejections,
        }
        number_tariff(&mut self.options, &configurations, manifest.root().config);
        if let Some(line) = manifest.root().retention_line {
            self.runs.filters.drop_before(line.plus_days(-self.options.identity_days));
        }
        self.following.states = if is_rebound { 0 } else { self.following.states + 1 };
        let commits = opened.iter().filter(|run| run.entry.compaction == 0 && run.entry.rows > 0);
        self.following.recent.extend(commits.map(|run| (run.entry.day, run.entry.rows)));
        let surplus = self.following.recent.len().saturating_sub(RECENT_RUNS);
        self.following.recent.drain(..surplus);
        self.following.unread.extend(opened);
        if is_rebound {
            // They are other objects now, and filters belong to those that questions ask.
            let unread: HashSet<u64> = self.following.unread.iter().map(|run| run.id).collect();
            let live = self.runs.live.values().flatten().filter(|run| unread.contains(&run.id));
            self.following.unread = live.map(Arc::clone).collect();
        }
        (self.store, self.manifest, self.statistics) = (store, manifest, statistics);
        (self.configurations, self.tracker) = (configurations, tracker);
        Ok(())
    }

    /// The configurations that a newer manifest names: read again only where they differ.
    fn configurations_of(
        &self,
        store: &Session,
        manifest: &Manifest,
    ) -> LedgerResult<Arc<ConfigurationHistory>> {
        if manifest.entries(kind::CONFIG).eq(self.manifest.entries(kind::CONFIG)) {
            return Ok(Arc::clone(&self.configurations));
        }
        let configurations = ConfigurationHistory::load(store, manifest)?;
        check_zone(&configurations, &self.options)?;
        Ok(Arc::new(configurations))
    }

    /// The kept records that a newer manifest names beyond those in memory. All are read again where some are gone, and where
    /// platforms have become known: whom a record in which little can be read concerns depends on them.
    fn kept_of(
        &self,
        store: &Session,
        manifest: &Manifest,
        statistics: &Statistics,
    ) -> LedgerResult<KeptChange> {
        let named = |manifest: &Manifest| manifest.numbered(kind::REJECTED, RejectedEntry::decode);
        let known: BTreeMap<u64, RejectedEntry> = named(&self.manifest)?.into_iter().collect();
        let (old, new): (Vec<_>, Vec<_>) =
            named(manifest)?.into_iter().partition(|(id, entry)| known.get(id) == Some(entry));
        let is_known_alike = statistics.with_orders().eq(self.statistics.with_orders());
        if old.len() < known.len() || !is_known_alike {
            let reloaded = RejectionStore::open(store, manifest, &self.options.platforms, statistics)?;
            return Ok(KeptChange::Reloaded(Box::new(reloaded)));
        }
        let kept = |(id, entry)| Ok(KeptRun { id, entry, content: RejectedRun::load(store, id, &entry)? });
        Ok(KeptChange::Added(new.into_iter().map(kept).collect::<LedgerResult<_>>()?))
    }
}
