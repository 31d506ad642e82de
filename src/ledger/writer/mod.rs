//! The one writer of a ledger: opens it, commits batches, publishes states.

pub mod filter_eviction;
pub mod follow;
pub mod garbage;
pub mod run_set;
pub mod tariff_change;

#[cfg(test)]
mod tests;

use crate::domain::completeness::CompletenessTracker;
use crate::domain::posting::ConfigNo;
use crate::domain::rejection::Origin;
use crate::domain::time::LocalDay;
use crate::ledger::build::RunBuilder;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::manifest::Manifest;
use crate::ledger::manifest::configuration_history::{ConfigEntry, ConfigurationHistory};
use crate::ledger::manifest::state_codec;
use crate::ledger::manifest::statistics::Statistics;
use crate::ledger::options::LedgerOptions;
use crate::ledger::rejections::store::RejectionStore;
use crate::ledger::snapshot::{Snapshot, SnapshotParts};
use crate::ledger::writer::follow::Following;
use crate::ledger::writer::run_set::RunSet;
use crate::ledger::writer::tariff_change::TariffChange;
use crate::storage::crash_points::{self, Point};
use crate::storage::{Acquire, Hint, Mode, Session, Upkeep};
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where readers find the newest state.
#[derive(Debug)]
pub struct Published {
    current: ArcSwap<Snapshot>,
    /// States that a reader may still have. The last owner of a state frees what only it used, which may take many
    /// milliseconds: that is the writer, never a thread that answers.
    former: Mutex<Vec<Arc<Snapshot>>>,
}

impl Published {
    fn new(first: Snapshot) -> Self {
        Self { current: ArcSwap::from_pointee(first), former: Mutex::default() }
    }

    /// The newest committed state.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    fn publish(&self, state: Snapshot) {
        let former = self.current.swap(Arc::new(state));
        self.former.lock().unwrap_or_else(PoisonError::into_inner).push(former);
        self.release_former();
    }

    /// Frees the former states that no reader has any more.
    pub(crate) fn release_former(&self) {
        self.former
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|state| Arc::strong_count(state) > 1);
    }
}

/// Whether this process may write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WriteAccess {
    /// It may.
    Granted,
    /// The ledger was opened to be read.
    ReadOnly,
    /// A write failed, with this message: nothing is written any more.
    Poisoned(String),
}

/// The open ledger. There is one for a storage, and one writer.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) options: LedgerOptions,
    pub(crate) access: WriteAccess,
    pub(crate) store: Session,
    pub(crate) manifest: Manifest,
    /// Writes the runs of commits.
    pub(crate) builder: RunBuilder,
    /// The runs that count.
    pub(crate) runs: RunSet,
    pub(crate) rejections: RejectionStore,
    pub(crate) configurations: Arc<ConfigurationHistory>,
    /// What the last change of the tariff left at other prices.
    pub(crate) tariff_change: Option<TariffChange>,
    pub(crate) statistics: Statistics,
    pub(crate) tracker: CompletenessTracker,
    /// What follows a writer.
    following: Following,
    /// Where readers find the newest state.
    pub(crate) published: Arc<Published>,
}

impl Ledger {
    /// Opens (or creates) the ledger of a storage: loads the manifest, collects what an
    /// interrupted process left, and opens every run. The configuration is put in force by [`Self::activate_configuration`].
    ///
    /// # Errors
    /// Another process has the storage; it is damaged, or is at another version than was acknowledged.
    pub fn open(mut options: LedgerOptions) -> LedgerResult<Self> {
        let opened = open_store(&mut options)?;
        Self::with(options, opened, WriteAccess::Granted)
    }

    /// Opens a ledger to read it, without changing a byte of its storage: the newest commit is shown unchanged,
    /// under the configuration that was in force, and every write is refused.
    ///
    /// # Errors
    /// A process writes to the storage; there is no ledger; it is damaged, or is at another version than was acknowledged.
    pub fn open_read_only(options: LedgerOptions) -> LedgerResult<Self> {
        let opened = open_store_read_only(&options)?;
        Self::with(options, opened, WriteAccess::ReadOnly)
    }

    /// Shows what an open storage has, as [`Self::open_read_only`] does; the storage of the options is not used.
    ///
    /// # Errors
    /// It is damaged.
    pub(crate) fn over(options: LedgerOptions, store: Session) -> LedgerResult<Self> {
        let mut manifest = Manifest::load(&store)?;
        garbage::collect_orphans(&store, &mut manifest)?;
        Self::with(options, (store, manifest), WriteAccess::ReadOnly)
    }

    fn with(
        mut options: LedgerOptions,
        (store, manifest): Opened,
        access: WriteAccess,
    ) -> LedgerResult<Self> {
        let runs = RunSet::open(&store, &manifest, options.filter_bytes)?;
        let statistics = Statistics::load(&manifest)?;
        let rejections = RejectionStore::open(&store, &manifest, &options.platforms, &statistics)?;
        crash_points::after(Point::StartOpened);
        let configurations = ConfigurationHistory::load(&store, &manifest)?;
        check_zone(&configurations, &options)?;
        number_tariff(&mut options, &configurations, manifest.root().config);
        let tracker = CompletenessTracker::new(state_codec::load(&manifest)?);
        let configurations = Arc::new(configurations);
        let first = SnapshotParts {
            store: &store,
            manifest: &manifest,
            runs: &runs.live,
            configurations: &configurations,
            completeness: tracker.state(),
            rejected: &rejections.index,
            statistics: &statistics,
            zone: &Arc::new(options.zone.clone()),
            identity_days: options.identity_days,
            day_filter_bytes: runs.filters.bytes(),
            earlier_cache: &Arc::default(),
        };
        let published = Arc::new(Published::new(Snapshot::of(&first)));
        runs.load_filters(&store)?;
        Ok(Self {
            builder: RunBuilder::new(store.begin(Hint::ShortLived)),
            options,
            access,
            store,
            manifest,
            runs,
            rejections,
            configurations,
            tariff_change: None,
            statistics,
            tracker,
            following: Following::default(),
            published,
        })
    }

    /// Whether a platform is registered or has orders.
    pub fn knows_platform(&self, name: &str) -> bool {
        self.statistics.knows_platform(name, &self.options.platforms)
    }

    /// The number under which a line of a file is kept, rejected or conflicting.
    pub fn rejection_of(&self, origin: &Origin) -> Option<u64> {
        self.rejections.by_identity.number(origin)
    }

    /// Whether a kept record is resolved.
    pub fn is_resolved(&self, rejection: u64) -> bool {
        self.rejections.index.resolution(rejection).is_some()
    }

    /// Where readers find the newest state.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// What gives the space of removed files back in steps, on a thread of its own, so that questions do not wait for the disk.
    pub fn upkeep(&self) -> Option<Upkeep> {
        self.store.upkeep()
    }

    /// The first day that retention kept.
    pub const fn retention_line(&self) -> Option<LocalDay> {
        self.manifest.root().retention_line
    }

    /// The options of the ledger.
    pub const fn options(&self) -> &LedgerOptions {
        &self.options
    }

    /// The present completeness, with observations that a restart may lose.
    pub const fn tracker(&self) -> &CompletenessTracker {
        &self.tracker
    }

    /// Bytes of memory of (filters of days, filters of runs, indexes).
    pub fn memory_bytes(&self) -> (usize, usize, usize) {
        let (filters, index) = self.published.current().memory_bytes();
        (self.runs.filters.bytes(), filters, index)
    }

    /// Why nothing is written any more, if so.
    pub fn poisoned(&self) -> Option<&str> {
        match &self.access {
            WriteAccess::Poisoned(why) => Some(why),
            WriteAccess::Granted | WriteAccess::ReadOnly => None,
        }
    }

    /// Whether the configuration that it was opened with is the one in force.
    pub fn is_in_force(&self) -> bool {
        let entry = self.configurations.get(self.manifest.root().config);
        entry.is_some_and(|entry| entry.hash == self.options.config_hash)
    }

    /// Runs `write`; a failure poisons the ledger, and a poisoned ledger writes nothing.
    pub(crate) fn guarded<T>(&mut self, write: impl FnOnce(&mut Self) -> LedgerResult<T>) -> LedgerResult<T> {
        match &self.access {
            WriteAccess::Granted => {}
            WriteAccess::ReadOnly => return Err(LedgerError::ReadOnly),
            WriteAccess::Poisoned(why) => return Err(LedgerError::Poisoned(why.clone())),
        }
        let result = write(self);
        if let Err(error) = &result {
            self.access = WriteAccess::Poisoned(error.to_string());
        }
        result
    }

    /// Publishes the state after a commit.
    pub(crate) fn publish(&self) {
        let former = self.published.current();
        let (zone, earlier_cache) = (&former.zone, &former.earlier_cache);
        self.published.publish(Snapshot::of(&SnapshotParts {
            store: &self.store,
            manifest: &self.manifest,
            runs: &self.runs.live,
            configurations: &self.configurations,
            completeness: self.tracker.state(),
            rejected: &self.rejections.index,
            statistics: &self.statistics,
            zone,
            identity_days: self.options.identity_days,
            day_filter_bytes: self.runs.filters.bytes(),
            earlier_cache,
        }));
    }

    /// The configuration in force.
    pub(crate) fn config_entry(&self) -> ConfigEntry {
        ConfigEntry {
            hash: self.options.config_hash,
            text_parts: 0,
            parts_hash: [0; 32],
            zone: self.options.zone.name().to_owned(),
            rules: self.options.tariff.book().clone(),
            platforms: self.options.platforms.clone(),
        }
    }
}

/// The acquired storage and its manifest.
type Opened = (Session, Manifest);

/// Acquires the storage, loads the manifest, and deletes what an interrupted process left.
fn open_store(options: &mut LedgerOptions) -> LedgerResult<Opened> {
    let accept_older_state = options.accept_older_state.is_some();
    let mode = Mode::Write { accept_older_state, take_over: false };
    let store = acquire(options, mode)?;
    if !store.is_older_state() {
        // Nothing differs: there is nothing to accept, and no note may say that there was.
        options.accept_older_state = None;
    }
    let mut manifest = Manifest::load(&store)?;
    crash_points::after(Point::StartManifestLoaded);
    garbage::collect_orphans(&store, &mut manifest)?;
    crash_points::after(Point::StartGarbageCollected);
    Ok((store, manifest))
}

/// Reads storage and manifest as they are, and passes over what an interrupted process left.
fn open_store_read_only(options: &LedgerOptions) -> LedgerResult<Opened> {
    let store = acquire(options, Mode::Read)?;
    let mut manifest = Manifest::load(&store)?;
    garbage::collect_orphans(&store, &mut manifest)?;
    Ok((store, manifest))
}

fn acquire(options: &LedgerOptions, mode: Mode) -> LedgerResult<Session> {
    let LedgerOptions { cache_bytes, index_bytes, .. } = *options;
    Ok(options.storage.acquire(&Acquire { mode, cache_bytes, index_bytes })?)
}

/// Gives the tariff the number of the configuration in force, if it is that one's.
fn number_tariff(options: &mut LedgerOptions, configurations: &ConfigurationHistory, in_force: ConfigNo) {
    if configurations.get(in_force).is_some_and(|entry| entry.hash == options.config_hash) {
        options.tariff = options.tariff.clone().with_config_no(in_force);
    }
}

/// A ledger keeps its zone: the days of its runs were made in it.
fn check_zone(configurations: &ConfigurationHistory, options: &LedgerOptions) -> LedgerResult<()> {
    match configurations.all().find(|(_, entry)| entry.zone != options.zone.name()) {
        None => Ok(()),
        Some((no, entry)) => Err(LedgerError::Inconsistent(format!(
            "Failed to open the ledger: the configuration says timezone {}, but the ledger's days were made in {} \
             (configuration {}): a ledger keeps its zone; restore the setting or start another data directory",
            options.zone.name(),
            entry.zone,
            no.0
        ))),
    }
}
