//! The one writer of a ledger: opens it, commits batches, publishes states.

pub mod filter_eviction;
pub mod garbage;
pub mod tariff_change;

#[cfg(test)]
mod tests;

use crate::domain::completeness::CompletenessTracker;
use crate::domain::platform::Platforms;
use crate::domain::rejection::Origin;
use crate::domain::time::LocalDay;
use crate::ledger::build::BuildScratch;
use crate::ledger::build::pricing::PriceBook;
use crate::ledger::codec::Reader;
use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::lookup::day_filters::{DayFilters, DayRuns};
use crate::ledger::manifest::commit_record::decode_source;
use crate::ledger::manifest::configuration_history::{ConfigEntry, ConfigurationHistory};
use crate::ledger::manifest::source::Source;
use crate::ledger::manifest::state_codec::{self, PlatformStats, SourceFacts};
use crate::ledger::manifest::{Manifest, kind};
use crate::ledger::options::LedgerOptions;
use crate::ledger::rejections::by_identity::RejectionsByIdentity;
use crate::ledger::rejections::stored::{RejectedEntry, RejectedIndex, RejectedRun};
use crate::ledger::run::writer::Dictionary;
use crate::ledger::run::{Run, RunEntry};
use crate::ledger::snapshot::Snapshot;
use crate::ledger::writer::tariff_change::TariffChange;
use crate::storage::crash_points::{self, Point};
use crate::storage::{Acquire, Hint, Mode, Session, Upkeep, Upload};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of one output: bounds the memory in which identity hashes are sorted.
const COMPACTION_OUTPUT_ROWS_MAX: u64 = 4_000_000;

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

/// The open ledger. There is one for a data directory, and one writer.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) options: LedgerOptions,
    pub(crate) store: Session,
    /// Where commits write their values.
    pub(crate) writing: Upload,
    pub(crate) manifest: Manifest,
    pub(crate) runs: Arc<DayRuns>,
    pub(crate) filters: DayFilters,
    pub(crate) dictionary: Dictionary,
    pub(crate) prices: PriceBook,
    pub(crate) scratch: BuildScratch,
    pub(crate) tracker: CompletenessTracker,
    pub(crate) rejected: RejectedIndex,
    pub(crate) by_identity: RejectionsByIdentity,
    pub(crate) configurations: Arc<ConfigurationHistory>,
    pub(crate) stats: Arc<BTreeMap<String, PlatformStats>>,
    pub(crate) sources: Arc<BTreeMap<Source, SourceFacts>>,
    pub(crate) with_open: HashSet<String>,
    pub(crate) released: (Sender<u64>, Receiver<u64>),
    pub(crate) published: Arc<Published>,
    pub(crate) poison: Option<String>,
    /// Whether it was opened to be read.
    pub(crate) read_only: bool,
    /// Compactions under way: (first run number they may write).
    pub(crate) compacting: Option<u64>,
    /// Rows after which a compaction begins another output.
    pub(crate) output_rows_max: u64,
    /// Whether complete_through does not advance.
    pub(crate) pause_completeness: bool,
    /// What the last change of the tariff left at other prices.
    pub(crate) tariff_change: Option<TariffChange>,
}

impl Ledger {
    /// Opens (or creates) the ledger of a storage: loads the manifest, collects what an
    /// interrupted process left, and opens every run. The configuration is put in force by [`Self::activate_configuration`].
    ///
    /// # Errors
    /// Another process has the storage; it is damaged, or is at another version than was acknowledged.
    pub fn open(mut options: LedgerOptions) -> LedgerResult<Self> {
        let opened = open_store(&mut options)?;
        Self::with(options, opened, false)
    }

    /// Opens a ledger to read it, without changing a byte of its storage: the newest commit is shown unchanged,
    /// under the configuration that was in force, and every write is refused.
    ///
    /// # Errors
    /// A process writes to the storage; there is no ledger; it is damaged, or is at another version than was acknowledged.
    pub fn open_read_only(options: LedgerOptions) -> LedgerResult<Self> {
        let opened = open_store_read_only(&options)?;
        Self::with(options, opened, true)
    }

    fn with(mut options: LedgerOptions, (store, manifest): Opened, read_only: bool) -> LedgerResult<Self> {
        let released = channel();
        let runs = open_runs(&store, &manifest, &released.0)?;
        let filters = DayFilters::new(options.filter_bytes);
        let stats = load_stats(&manifest)?;
        let (rejected, by_identity) = open_rejected(&store, &manifest, &options.platforms, &stats)?;
        crash_points::after(Point::StartOpened);
        let configurations = ConfigurationHistory::load(&store, &manifest)?;
        if let Some((no, entry)) = configurations.all().find(|(_, entry)| entry.zone != options.zone.name()) {
            return Err(LedgerError::Inconsistent(format!(
                "Failed to open the ledger: the configuration says timezone {}, but the ledger's days were made in {} \
                 (configuration {}): a ledger keeps its zone; restore the setting or start another data directory",
                options.zone.name(),
                entry.zone,
                no.0
            )));
        }
        if let Some(entry) =
            configurations.get(manifest.root().config).filter(|entry| entry.hash == options.config_hash)
        {
            debug_assert_eq!(entry.zone, options.zone.name());
            options.tariff = options.tariff.with_config_no(manifest.root().config);
        }
        let tracker = CompletenessTracker::new(state_codec::load(&manifest)?);
        let with_open = with_open(&stats);
        let sources = load_sources(&manifest)?;
        let state = Snapshot {
            store: store.clone(),
            root: manifest.root().clone(),
            entries: manifest.shared_entries(),
            runs: Arc::new(runs),
            configurations: Arc::new(configurations),
            completeness: Arc::new(tracker.state().clone()),
            rejected,
            stats: Arc::new(stats),
            sources: Arc::new(sources),
            zone: Arc::new(options.zone.clone()),
            identity_days: options.identity_days,
            day_filter_bytes: filters.bytes(),
        };
        let ledger = Self {
            writing: store.begin(Hint::ShortLived),
            store,
            manifest,
            runs: Arc::clone(&state.runs),
            filters,
            dictionary: Dictionary::default(),
            prices: PriceBook::default(),
            scratch: BuildScratch::default(),
            tracker,
            rejected: state.rejected.clone(),
            by_identity,
            configurations: Arc::clone(&state.configurations),
            stats: Arc::clone(&state.stats),
            sources: Arc::clone(&state.sources),
            with_open,
            released,
            published: Arc::new(Published::new(state)),
            poison: None,
            read_only,
            compacting: None,
            pause_completeness: false,
            tariff_change: None,
            output_rows_max: COMPACTION_OUTPUT_ROWS_MAX,
            options,
        };
        ledger.warm_filters()?;
        Ok(ledger)
    }

    /// Whether a platform is registered or has orders.
    pub fn knows_platform(&self, name: &str) -> bool {
        is_platform_known(name, &self.options.platforms, &self.stats)
    }

    /// The number under which a line of a file is kept, rejected or conflicting.
    pub fn rejection_of(&self, origin: &Origin) -> Option<u64> {
        self.by_identity.number(origin)
    }

    /// Whether a kept record is resolved.
    pub fn is_resolved(&self, rejection: u64) -> bool {
        self.rejected.resolution(rejection).is_some()
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
        (self.filters.bytes(), filters, index)
    }

    /// Why nothing is written any more, if so.
    pub fn poisoned(&self) -> Option<&str> {
        self.poison.as_deref()
    }

    /// Whether the configuration that it was opened with is the one in force.
    pub fn is_in_force(&self) -> bool {
        let entry = self.configurations.get(self.manifest.root().config);
        entry.is_some_and(|entry| entry.hash == self.options.config_hash)
    }

    /// Runs `write`; a failure poisons the ledger, and a poisoned ledger writes nothing.
    pub(crate) fn guarded<T>(&mut self, write: impl FnOnce(&mut Self) -> LedgerResult<T>) -> LedgerResult<T> {
        if self.read_only {
            return Err(LedgerError::ReadOnly);
        }
        if let Some(why) = &self.poison {
            return Err(LedgerError::Poisoned(why.clone()));
        }
        let result = write(self);
        if let Err(error) = &result {
            self.poison = Some(error.to_string());
        }
        result
    }

    /// Publishes the state after a commit.
    pub(crate) fn publish(&self) {
        let zone = Arc::clone(&self.published.current().zone);
        self.published.publish(Snapshot {
            store: self.store.clone(),
            root: self.manifest.root().clone(),
            entries: self.manifest.shared_entries(),
            runs: Arc::clone(&self.runs),
            configurations: Arc::clone(&self.configurations),
            completeness: Arc::new(self.tracker.state().clone()),
            rejected: self.rejected.clone(),
            stats: Arc::clone(&self.stats),
            sources: Arc::clone(&self.sources),
            zone,
            identity_days: self.options.identity_days,
            day_filter_bytes: self.filters.bytes(),
        });
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

fn open_runs(store: &Session, manifest: &Manifest, released: &Sender<u64>) -> LedgerResult<DayRuns> {
    let mut runs = DayRuns::new();
    for (id, entry) in manifest.numbered(kind::RUN, RunEntry::decode)? {
        let run = Run::open(id, entry, store, released)?;
        runs.entry(entry.day).or_default().push(Arc::new(run));
    }
    Ok(runs)
}

fn open_rejected(
    store: &Session,
    manifest: &Manifest,
    platforms: &Platforms,
    stats: &BTreeMap<String, PlatformStats>,
) -> LedgerResult<(RejectedIndex, RejectionsByIdentity)> {
    let (mut index, mut book) = (RejectedIndex::default(), RejectionsByIdentity::default());
    let mut contents = Vec::new();
    for (run, entry) in manifest.numbered(kind::REJECTED, RejectedEntry::decode)? {
        let content = RejectedRun::load(store, run, &entry)?;
        index.add(run, entry, &content, |name| is_platform_known(name, platforms, stats));
        contents.push(content);
    }
    index.refresh(contents.iter(), platforms);
    contents.iter().for_each(|content| book.add(content, &index));
    Ok((index, book))
}

/// Whether a platform is registered or has orders: then its name counts in a rejected record.
pub(crate) fn is_platform_known(
    name: &str,
    platforms: &Platforms,
    stats: &BTreeMap<String, PlatformStats>,
) -> bool {
    platforms.is_registered(name) || stats.get(name).is_some_and(|stats| stats.orders > 0)
}

fn load_stats(manifest: &Manifest) -> LedgerResult<BTreeMap<String, PlatformStats>> {
    let decode = |(platform, body): (&[u8], &[u8])| {
        PlatformStats::decode(&mut Reader::new(body))
            .map(|stats| (state_codec::name(platform), stats))
            .map_err(LedgerError::damaged("the statistics of a platform"))
    };
    manifest.entries(kind::STATS).map(decode).collect()
}

fn load_sources(manifest: &Manifest) -> LedgerResult<BTreeMap<Source, SourceFacts>> {
    let decode = |(key, body): (&[u8], &[u8])| {
        decode_source(&mut Reader::new(key))
            .and_then(|source| Ok((source, SourceFacts::decode(&mut Reader::new(body))?)))
            .map_err(LedgerError::damaged("the counts of a source"))
    };
    manifest.entries(kind::SOURCE).map(decode).collect()
}

/// Platforms of which open orders are stored, whatever they promised: only there can an ended event meet one.
fn with_open(stats: &BTreeMap<String, PlatformStats>) -> HashSet<String> {
    stats.iter().filter(|(_, stats)| stats.open_orders > 0).map(|(name, _)| name.clone()).collect()
}
