//! The segment files of a ledger: which there are, reading of their values, giving back of their space.

use super::super::crash::{self, Point};
use super::catalog::{Catalog, Part, Segment};
use super::error::StoreError;
use super::segment::{self, Name, Sealed, SegmentWriter};
use super::table::Group;
use arc_swap::ArcSwap;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Files that are held open at a time.
const OPEN_FILES_MAX: usize = 512;
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
    /// Held by whoever changes the catalog. Readers never wait for it.
    changing: Mutex<()>,
    rewriting: Mutex<()>,
    next: AtomicU64,
    opened: Mutex<VecDeque<Weak<Segment>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Segments {
    /// Opens the folder: reads the table of every file, removes what was never sealed.
    pub(super) fn open(dir: &Path, access: Access) -> Result<Self, StoreError> {
        let failed = StoreError::at("opening the folder of segments", dir);
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
                    .map_err(StoreError::at("removing an unfinished segment file", &path))?,
                Name::Unsealed | Name::Foreign => {}
            }
        }
        // A key that two files hold was moved from the first to the second.
        numbers.sort_unstable();
        let mut catalog = Catalog::default();
        for &number in &numbers {
            catalog.add(segment::path_of(dir, number), segment::read(dir, number)?);
        }
        let this = Self {
            dir: dir.to_path_buf(),
            access,
            catalog: ArcSwap::from_pointee(catalog),
            changing: Mutex::default(),
            rewriting: Mutex::default(),
            next: AtomicU64::new(numbers.last().map_or(0, |last| last + 1)),
            opened: Mutex::default(),
        };
        this.change(|_| ())?;
        this.sync_names()?;
        Ok(this)
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        if self.access == Access::Write { segment::sync_dir(&self.dir) } else { Ok(()) }
    }

    /// A new file to be written.
    pub(super) fn create(&self) -> Result<SegmentWriter, StoreError> {
        SegmentWriter::create(&self.dir, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Shows the values of a sealed file.
    pub(super) fn add(&self, sealed: Sealed) -> Result<(), StoreError> {
        let path = segment::path_of(&self.dir, sealed.number);
        self.change(|catalog| catalog.add(path, sealed))
    }

    /// The newest state.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Changes the catalog, then removes the files that hold nothing any more.
    fn change(&self, change: impl FnOnce(&mut Catalog)) -> Result<(), StoreError> {
        let _changing = lock(&self.changing);
        let mut catalog = Catalog::clone(&self.catalog.load());
        change(&mut catalog);
        let dead = catalog.take_dead();
        self.catalog.store(Arc::new(catalog));
        for segment in dead.into_iter().filter(|_| self.access == Access::Write) {
            match fs::remove_file(&segment.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::at("removing a segment file", &segment.path)(error));
                }
                _ => crash::after(Point::SegmentRemoved),
            }
        }
        Ok(())
    }

    /// Reads a value.
    pub(super) fn get(&self, group: Group, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let mut catalog = self.catalog.load();
        loop {
            let Some(part) = catalog.find(group, number) else { return Ok(None) };
            let Some(segment) = catalog.segments.get(&part.segment) else { return Ok(None) };
            match self.file(segment).and_then(|file| read(&file, &part)) {
                Ok(value) => return Ok(Some(value)),
                // The value was moved after it was looked up, and its old file removed before it was opened.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let newest = self.catalog.load();
                    if newest.find(group, number) == Some(part) {
                        return Err(StoreError::at("opening a segment file", &segment.path)(error));
                    }
                    catalog = newest;
                }
                Err(error) => return Err(StoreError::at("reading a value", &segment.path)(error)),
            }
        }
    }

    /// The open file of a segment; the file that was opened first makes room for it.
    fn file(&self, segment: &Arc<Segment>) -> std::io::Result<Arc<File>> {
        let (file, opened_now) = segment.file()?;
        if opened_now {
            let mut opened = lock(&self.opened);
            opened.push_back(Arc::downgrade(segment));
            if opened.len() > OPEN_FILES_MAX
                && let Some(first) = opened.pop_front()
            {
                first.upgrade().iter().for_each(|segment| segment.close());
            }
        }
        Ok(file)
    }

    /// Deletes values. A file without live values is removed; what others hold of dead ones, [`Self::rewrite`] gives back.
    pub(super) fn delete(&self, keys: Vec<(Group, u32)>) -> Result<(), StoreError> {
        if keys.is_empty() { Ok(()) } else { self.change(|catalog| catalog.remove(keys)) }
    }

    /// Deletes the groups that are not `wanted`, durably; returns how many values.
    pub(super) fn keep_only(&self, wanted: impl Fn(Group) -> bool) -> Result<u64, StoreError> {
        let catalog = self.catalog.load();
        let unwanted = catalog.groups().filter(|&group| !wanted(group));
        let keys: Vec<_> = unwanted
            .flat_map(|group| catalog.numbers(group).into_iter().map(move |number| (group, number)))
            .collect();
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        if count > 0 {
            self.delete(keys)?;
            // Numbers of orphans are used again: a file that came back would answer for the new values.
            self.sync_names()?;
        }
        Ok(count)
    }

    /// Moves the live values of files of which less than `live_percent` is live to a new one, and removes these files,
    /// when they are of `bytes_min` in all; returns the bytes that it gave back.
    ///
    /// After a crash both may be there: the values are the same.
    pub(super) fn rewrite(&self, live_percent: u64, bytes_min: u64) -> Result<u64, StoreError> {
        let _rewriting = lock(&self.rewriting);
        let catalog = self.catalog();
        let mut sparse = std::collections::BTreeSet::new();
        let (mut live, mut bytes) = (0, 0);
        for segment in catalog.segments.values() {
            let is_sparse = segment.live_bytes() * 100 < segment.bytes * live_percent;
            if is_sparse && live + segment.live_bytes() <= REWRITTEN_BYTES_MAX {
                live += segment.live_bytes();
                bytes += segment.bytes;
                sparse.insert(segment.number);
            }
        }
        if sparse.is_empty() || bytes < bytes_min {
            return Ok(0);
        }
        let mut writer = self.create()?;
        for (group, part) in catalog.parts_from(Group::first_of(&[])) {
            if !sparse.contains(&part.segment) {
                continue;
            }
            // One that is gone by now was deleted since.
            if let Some(value) = self.get(group, part.place.number)? {
                writer.append((group, part.place.number), &value)?;
            }
        }
        let sealed = writer.seal()?;
        let path = segment::path_of(&self.dir, sealed.number);
        let bytes_new = sealed.bytes;
        self.change(|now| now.add_moved(path, sealed, &catalog))?;
        Ok(bytes.saturating_sub(bytes_new))
    }

    /// Reads every byte of every file.
    pub(super) fn check(&self, mut problem: impl FnMut(StoreError)) {
        for segment in self.catalog().segments.values() {
            if let Err(error) = segment::check(&self.dir, segment.number) {
                problem(error);
            }
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        self.catalog.load().segments.values().map(|segment| segment.bytes).sum()
    }
}

fn read(file: &File, part: &Part) -> std::io::Result<Vec<u8>> {
    let mut value = vec![0; usize::try_from(part.place.length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut value, part.place.offset)?;
    Ok(value)
}
