//! A copy of a store beside its use: files are linked, the values of the hot part are written again.

use super::COMMIT_SEGMENT_BYTES_MIN;
use super::Change;
use super::Store;
use super::error::StorageError;
use super::segments::Segments;
use super::table::Group;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are copied between two looks at whether to stop.
const COPIED_AT_ONCE: u64 = 64 << 20;
/// Bytes of values that one atomic batch takes.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// What to copy.
pub struct Checkpoint<'a> {
    /// What the page cache of the copy aims at.
    pub cache_bytes: u64,
    /// Memory for what leads to values of the copy.
    pub index_bytes: usize,
    /// The keys to copy. What they name must not be deleted meanwhile.
    pub wanted: &'a dyn Fn(&[u8]) -> bool,
    /// Set to give up.
    pub stop: &'a AtomicBool,
    /// Told of files done, and of all.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// A copy that was made.
#[derive(Debug)]
pub struct CheckpointReport {
    /// The copy.
    pub store: Store,
    /// Files that share their bytes with the original.
    pub linked_files: u64,
    /// Files that do not.
    pub copied_files: u64,
}

impl Store {
    /// Copies values into a folder that holds no store yet, durably.
    ///
    /// # Errors
    /// The folder cannot be written, or the copying was given up.
    pub fn copy_to(&self, folder: &Path, copying: Checkpoint<'_>) -> Result<CheckpointReport, StorageError> {
        let Checkpoint { cache_bytes, index_bytes, wanted, stop, progress } = copying;
        let segments = folder.join("segments");
        fs::create_dir(&segments).map_err(StorageError::at("creating", &segments))?;
        let in_group = |group: Group| wanted(&super::in_run(group.kind, group.run, 0));
        let (linked_files, copied_files) =
            self.shared.segments.copy_to(&segments, &in_group, stop, progress)?;
        let store = Self::open(folder, cache_bytes, index_bytes)?;
        let writing = store.begin(COMMIT_SEGMENT_BYTES_MIN);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for item in self.shared.hot.scan(&[], &[]) {
            let (key, value) = item?;
            if !wanted(&key) {
                continue;
            }
            if Group::of(&key).is_some() {
                writing.put(&key, value.to_vec())?;
                continue;
            }
            bytes += key.len() + value.len();
            batch.push(Change::Put(key.to_vec(), value.to_vec()));
            if bytes > BATCH_BYTES_MAX {
                given_up(stop, folder)?;
                store.advance(&std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        writing.sync()?;
        store.advance(&batch)?;
        drop(writing);
        Ok(CheckpointReport { store, linked_files, copied_files })
    }
}

impl Segments {
    /// Links the files with a wanted group, or copies them; returns how many of each.
    fn copy_to(
        &self,
        folder: &Path,
        wanted: &dyn Fn(Group) -> bool,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(u64, u64), StorageError> {
        let mut done = BTreeSet::new();
        let (mut linked, mut copied) = (0, 0);
        loop {
            let catalog = self.catalog();
            let needed: BTreeSet<u64> = catalog
                .layers_from(Group::first_of(&[]))
                .filter(|(group, _)| wanted(*group))
                .flat_map(|(_, layers)| layers)
                .map(|layer| layer.segment.number)
                .collect();
            let mut moved = None;
            for segment in catalog.segments().filter(|segment| needed.contains(&segment.number)) {
                if done.contains(&segment.number) {
                    continue;
                }
                let target = folder.join(segment.path.file_name().unwrap_or_default());
                match link_or_copy(&segment.path, &target, stop) {
                    Ok(true) => linked += 1,
                    Ok(false) => copied += 1,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        moved = Some((segment.path.clone(), error));
                        continue;
                    }
                    Err(error) => return Err(StorageError::at("copying a segment file", &target)(error)),
                }
                done.insert(segment.number);
                progress(linked + copied, u64::try_from(needed.len()).unwrap_or(u64::MAX));
            }
            match moved {
                // Its live values were moved to a newer file meanwhile.
                Some(_) if !Arc::ptr_eq(&catalog, &self.catalog()) => {}
                Some((path, error)) => return Err(StorageError::at("copying a segment file", &path)(error)),
                None => return Ok((linked, copied)),
            }
        }
    }
}

/// Whether it was linked. A copy is durable.
fn link_or_copy(from: &Path, to: &Path, stop: &AtomicBool) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
        // Another file system, one without links, or too many of them.
        Err(_) => {}
    }
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("given up: the process is stopping"));
        }
        if io::copy(&mut source.by_ref().take(COPIED_AT_ONCE), &mut target)? == 0 {
            target.sync_all()?;
            return Ok(false);
        }
    }
}

fn given_up(stop: &AtomicBool, folder: &Path) -> Result<(), StorageError> {
    if stop.load(Ordering::Relaxed) {
        return Err(StorageError::at("copying the store", folder)("given up: the process is stopping"));
    }
    Ok(())
}
