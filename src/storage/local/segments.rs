//! The segment files of a ledger: which there are, reading of their values, giving back of their space.

use super::AHEAD_EVERY;
use super::catalog::Catalog;
use super::failure::Failure;
use super::pages::Pages;
use super::reclaimer::{Reclaimer, Removed, RemovedFiles};
use super::segment::{self, Name, Sealed, SegmentWriter};
use super::table::{self, Group};
use crate::storage::cache::PartCache;
use crate::storage::crash_points::{self, Point};
use crate::storage::error::StorageError;
use arc_swap::ArcSwap;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Live bytes that one rewriting copies at most.
const REWRITTEN_BYTES_MAX: u64 = 256 << 20;

/// What may be done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything.
    Write,
    /// They stay as they are: what is deleted is so in memory only.
    Read,
}

#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    access: Access,
    catalog: ArcSwap<Catalog>,
    /// Locked to change the catalog. Readers never wait for it.
    changing: Mutex<()>,
    rewriting: Mutex<()>,
    /// Kept open until the reclaimer, not a thread that answers, gives their space back.
    pub(super) removed: Arc<RemovedFiles>,
    next: AtomicU64,
    pages: Pages,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Segments {
    /// Opens the folder: reads the directory of every file, removes what was never sealed.
    pub(super) fn open(dir: &Path, access: Access, cache: Arc<PartCache>) -> Result<Self, StorageError> {
        let failed = StorageError::at("open the folder of segments", dir);
        if access == Access::Write {
            fs::create_dir_all(dir).map_err(&failed)?;
        }
        let mut numbers = Vec::new();
        let entries = fs::read_dir(dir);
        // A ledger that never wrote in bulk has no such folder; one that lost it misses values.
        let none = access == Access::Read && entries.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound);
        for entry in entries
            .map(Some)
            .or_else(|error| if none { Ok(None) } else { Err(failed(error)) })?
            .into_iter()
            .flatten()
        {
            let path = entry.map_err(&failed)?.path();
            match segment::name_of(&path) {
                Name::Sealed(number) => numbers.push(number),
                Name::Unsealed if access == Access::Write => fs::remove_file(&path)
                    .map_err(StorageError::at("remove an unfinished segment file", &path))?,
                Name::Unsealed | Name::Foreign => {}
            }
        }
        // A key that two files contain was moved from the first to the second.
        numbers.sort_unstable();
        let (mut catalog, pages) = (Catalog::default(), Pages::new(cache));
        for &number in &numbers {
            catalog.add(&pages, segment::path_of(dir, number), segment::read(dir, number)?)?;
        }
        let this = Self {
            dir: dir.to_path_buf(),
            access,
            catalog: ArcSwap::from_pointee(catalog),
            changing: Mutex::default(),
            rewriting: Mutex::default(),
            removed: Arc::default(),
            next: AtomicU64::new(numbers.last().map_or(0, |last| last + 1)),
            pages,
        };
        this.change(|_| Ok(()))?;
        this.sync_names()?;
        Ok(this)
    }

    fn sync_names(&self) -> Result<(), StorageError> {
        if self.access == Access::Write { segment::sync_dir(&self.dir) } else { Ok(()) }
    }

    /// A new file to be written.
    pub(super) fn create(&self) -> Result<SegmentWriter, StorageError> {
        SegmentWriter::create(&self.dir, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Shows the values of a sealed file.
    pub(super) fn add(&self, sealed: Sealed) -> Result<(), StorageError> {
        let path = segment::path_of(&self.dir, sealed.number);
        self.change(|catalog| catalog.add(&self.pages, path, sealed))
    }

    /// The newest state.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Changes the catalog, then removes the files without live values. A change that fails changes nothing.
    fn change<T>(&self, change: impl FnOnce(&mut Catalog) -> Result<T, Failure>) -> Result<T, StorageError> {
        let _changing = lock(&self.changing);
        let mut catalog = Catalog::clone(&self.catalog.load());
        let changed = change(&mut catalog)?;
        let dead = catalog.take_dead();
        let removed = match self.access {
            Access::Write => Removed::to_be,
            Access::Read => Removed::in_memory,
        };
        self.removed.extend(dead.iter().map(removed));
        self.catalog.store(Arc::new(catalog));
        for segment in dead.into_iter().filter(|_| self.access == Access::Write) {
            match fs::remove_file(&segment.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StorageError::at("remove a segment file", &segment.path)(error));
                }
                _ => crash_points::after(Point::SegmentRemoved),
            }
        }
        Ok(changed)
    }

    /// Closes removed files that no reader has any more, unless that is done in steps.
    pub(super) fn close_removed(&self) {
        self.removed.close();
    }

    /// Gives the space of removed files back in steps, on a thread of its own.
    pub(super) fn reclaimer(&self) -> Reclaimer {
        Reclaimer::begin(&self.dir, Arc::clone(&self.removed))
    }

    /// Reads by the newest catalog; once more when a file that it names was removed meanwhile.
    fn reading<T>(&self, read: impl Fn(&Catalog) -> Result<T, Failure>) -> Result<T, StorageError> {
        let mut catalog = self.catalog.load();
        loop {
            match read(&catalog) {
                // Values were moved after they were looked up, and their old file removed before it was opened.
                Err(failure) if failure.is_of_no_file() => {
                    let newest = self.catalog.load();
                    if Arc::ptr_eq(&catalog, &newest) {
                        return Err(failure.into());
                    }
                    catalog = newest;
                }
                read => return Ok(read?),
            }
        }
    }

    /// Reads a value.
    pub(super) fn get(&self, group: Group, number: u32) -> Result<Option<Vec<u8>>, StorageError> {
        self.reading(|catalog| match catalog.find(&self.pages, group, number)? {
            Some((segment, place)) => self.pages.value(segment, place).map(Some),
            None => Ok(None),
        })
    }

    /// The values from this one on are read next.
    pub(super) fn read_ahead(&self, group: Group, number: u32) -> Result<(), StorageError> {
        self.reading(|catalog| match catalog.find(&self.pages, group, number)? {
            Some((segment, place)) => self.pages.read_ahead(segment, place),
            None => Ok(()),
        })
    }

    /// Whether [`Self::fetch`] is worth its time for a question.
    pub(super) fn is_worth_fetching(&self) -> bool {
        self.pages.is_worth_fetching()
    }

    /// This value is read soon.
    pub(super) fn fetch(&self, group: Group, number: u32) -> Result<(), StorageError> {
        self.reading(|catalog| match catalog.find(&self.pages, group, number)? {
            Some((segment, place)) => self.pages.fetch(segment, place),
            None => Ok(()),
        })
    }

    /// Whether there is a value.
    pub(super) fn holds(&self, group: Group, number: u32) -> Result<bool, StorageError> {
        self.reading(|catalog| Ok(catalog.find(&self.pages, group, number)?.is_some()))
    }

    /// Numbers of a group's values, ascending.
    pub(super) fn numbers(&self, group: Group) -> Result<Vec<u32>, StorageError> {
        self.reading(|catalog| catalog.numbers(&self.pages, group))
    }

    /// Deletes values, those of a group together. A file without live values is removed; what others have of dead ones,
    /// [`Self::rewrite`] gives back.
    pub(super) fn delete(&self, keys: &[(Group, u32)]) -> Result<(), StorageError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.change(|catalog| {
            for same in keys.chunk_by(|a, b| a.0 == b.0) {
                let numbers: Vec<u32> = same.iter().map(|(_, number)| *number).collect();
                if let Some(&(group, _)) = same.first() {
                    catalog.remove(&self.pages, group, &numbers)?;
                }
            }
            Ok(())
        })
    }

    /// Deletes the values of a kind whose run is among `runs`; returns how many.
    pub(super) fn delete_runs(&self, kind: u8, runs: Range<u64>) -> Result<u64, StorageError> {
        let from = Group { kind, run: runs.start };
        let catalog = self.catalog.load();
        let groups = catalog.layers_from(from).map(|(group, _)| group);
        self.delete_groups(groups.take_while(|group| group.kind == kind && group.run < runs.end).collect())
    }

    fn delete_groups(&self, groups: Vec<Group>) -> Result<u64, StorageError> {
        if groups.is_empty() {
            return Ok(0);
        }
        self.change(|catalog| Ok(groups.into_iter().map(|group| catalog.remove_group(group)).sum()))
    }

    /// Deletes the groups that are not `wanted`, durably; returns how many values.
    pub(super) fn keep_only(&self, wanted: impl Fn(Group) -> bool) -> Result<u64, StorageError> {
        let catalog = self.catalog.load();
        let groups = catalog.layers_from(table::first_group(&[])).map(|(group, _)| group);
        let count = self.delete_groups(groups.filter(|&group| !wanted(group)).collect())?;
        if count > 0 {
            // Numbers of orphans are used again: a file that came back would answer for the new values.
            self.sync_names()?;
        }
        Ok(count)
    }

    /// Moves the live values of files of which less than `live_percent` is live to a new one, and removes these files,
    /// when they are of `bytes_min` in all; returns the bytes that it gave back: none while another thread does it.
    ///
    /// After a crash both may be there: the values are the same.
    pub(super) fn rewrite(&self, live_percent: u64, bytes_min: u64) -> Result<u64, StorageError> {
        let _rewriting = match self.rewriting.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(0),
            Err(TryLockError::Poisoned(left)) => left.into_inner(),
            Ok(locked) => locked,
        };
        let catalog = self.catalog();
        let mut sparse = BTreeSet::new();
        let (mut live, mut bytes) = (0, 0);
        for (segment, live_bytes) in catalog.live_bytes() {
            let is_sparse = live_bytes * 100 < segment.value_bytes() * live_percent;
            if is_sparse && live + live_bytes <= REWRITTEN_BYTES_MAX {
                live += live_bytes;
                bytes += segment.bytes;
                sparse.insert(segment.number);
            }
        }
        if sparse.is_empty() || bytes < bytes_min {
            return Ok(0);
        }
        let mut writer = self.create()?;
        for (group, layers) in catalog.layers_from(table::first_group(&[])) {
            for layer in layers.iter().filter(|layer| sparse.contains(&layer.segment.number)) {
                let places = match layer.places(&self.pages) {
                    // All that it held was deleted since.
                    Err(_) if !self.catalog.load().knows(&layer.segment) => continue,
                    places => places?,
                };
                for (place, nth) in places.into_iter().zip(0_usize..) {
                    if nth.is_multiple_of(AHEAD_EVERY) {
                        self.read_ahead(group, place.number)?;
                    }
                    // One that is gone by now was deleted since.
                    if let Some(value) = self.get(group, place.number)? {
                        writer.append((group, place.number), &value)?;
                    }
                }
            }
        }
        let sealed = writer.seal()?;
        let path = segment::path_of(&self.dir, sealed.number);
        let bytes_new = sealed.bytes;
        self.change(|now| now.add_moved(&self.pages, path, sealed, &sparse))?;
        Ok(bytes.saturating_sub(bytes_new))
    }

    /// Reads every byte of every file.
    pub(super) fn check(&self, mut problem: impl FnMut(StorageError)) {
        for segment in self.catalog().segments() {
            if let Err(error) = segment::check(&self.dir, segment.number) {
                problem(error);
            }
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        self.catalog.load().segments().map(|segment| segment.bytes).sum()
    }
}
