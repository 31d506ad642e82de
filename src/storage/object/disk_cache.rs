//! A bounded cache of blocks of segments on a disk of this machine. Each caller compares what it reads with the
//! checksum that it knows, and drops a damaged block so that the next read goes to the store.

use super::name::SegmentName;
use crate::storage::error::{StorageError, StorageResult};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a block. A question reads a few kilobytes here and there; a request to a store takes as long for one as for many.
pub(super) const BLOCK_BYTES: u64 = 128 << 10;

/// Blocks that follow each other are kept in one file, so many of them at most: creating a file costs as much as writing some blocks.
const FILE_BLOCKS: usize = 32;

/// Token of a segment, and a block of it: that where a file begins names the file.
type Key = (u64, u64);

/// A file of blocks that follow each other.
#[derive(Clone, Copy, Debug)]
struct Kept {
    used: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Held {
    /// Files; what was used last comes last.
    order: BTreeMap<u64, Key>,
    files: HashMap<Key, Kept>,
    /// The file that a block is read from.
    blocks: HashMap<Key, Key>,
    bytes: u64,
    tick: u64,
}

impl Held {
    /// The file of a block, which counts as used now.
    fn use_block(&mut self, block: Key) -> Option<Key> {
        let file = *self.blocks.get(&block)?;
        let kept = self.files.get_mut(&file)?;
        self.tick += 1;
        self.order.remove(&kept.used);
        kept.used = self.tick;
        self.order.insert(self.tick, file);
        Some(file)
    }

    fn insert(&mut self, file: Key, bytes: u64) {
        self.remove(file);
        self.tick += 1;
        self.order.insert(self.tick, file);
        self.files.insert(file, Kept { used: self.tick, bytes });
        self.blocks.extend(blocks_in(file, bytes).map(|block| (block, file)));
        self.bytes += bytes;
    }

    fn remove(&mut self, file: Key) {
        let Some(kept) = self.files.remove(&file) else { return };
        self.order.remove(&kept.used);
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        for block in blocks_in(file, kept.bytes) {
            // Another file may have the block by now.
            if self.blocks.get(&block) == Some(&file) {
                self.blocks.remove(&block);
            }
        }
    }
}

/// The blocks of a file of so many bytes.
fn blocks_in((segment, first): Key, bytes: u64) -> impl Iterator<Item = Key> {
    (first..first.saturating_add(bytes.div_ceil(BLOCK_BYTES))).map(move |block| (segment, block))
}

#[derive(Debug)]
pub(super) struct DiskCache {
    dir: PathBuf,
    bytes_max: u64,
    held: Mutex<Held>,
}

/// The blocks that a part of a segment lies in.
pub(super) fn blocks_of(from: u64, bytes: u64) -> std::ops::RangeInclusive<u64> {
    let last = from.saturating_add(bytes.saturating_sub(1));
    from / BLOCK_BYTES..=last / BLOCK_BYTES
}

impl DiskCache {
    /// Continues with what lies in the folder, which is created if need be.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> StorageResult<Self> {
        let failed = StorageError::at("open the cache of object storage", dir);
        fs::create_dir_all(dir).map_err(&failed)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let (name, metadata) = (entry.file_name(), entry.metadata().map_err(&failed)?);
            if let Some(key) = name.to_str().and_then(parse) {
                found.push((metadata.modified().ok(), key, metadata.len()));
            }
        }
        found.sort();
        let this = Self { dir: dir.to_path_buf(), bytes_max, held: Mutex::default() };
        for (_, key, bytes) in found {
            this.lock().insert(key, bytes);
        }
        this.shrink();
        Ok(this)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, (segment, block): Key) -> PathBuf {
        self.dir.join(format!("{segment:016x}-{block:08x}"))
    }

    /// A part of a segment, if every block of it is there.
    pub(super) fn read(&self, segment: &SegmentName, from: u64, bytes: usize) -> Option<Vec<u8>> {
        let token = segment.token();
        let mut value = vec![0; bytes];
        let mut rest = value.as_mut_slice();
        let mut at = from;
        for block in blocks_of(from, u64::try_from(bytes).ok()?) {
            let file = self.lock().use_block((token, block))?;
            let inside = at - block * BLOCK_BYTES;
            let count = usize::try_from(BLOCK_BYTES - inside).ok()?.min(rest.len());
            let (part, after) = rest.split_at_mut_checked(count)?;
            let from = at.checked_sub(file.1 * BLOCK_BYTES)?;
            let read = File::open(self.path(file)).and_then(|file| file.read_exact_at(part, from));
            if read.is_err() {
                self.drop_file(file);
                return None;
            }
            rest = after;
            at += u64::try_from(count).ok()?;
        }
        Some(value)
    }

    pub(super) fn has(&self, segment: &SegmentName, block: u64) -> bool {
        self.lock().blocks.contains_key(&(segment.token(), block))
    }

    /// The blocks of a part are not right: the files with them are dropped.
    pub(super) fn forget(&self, segment: &SegmentName, from: u64, bytes: usize) {
        for block in blocks_of(from, u64::try_from(bytes).unwrap_or(0)) {
            let file = self.lock().blocks.get(&(segment.token(), block)).copied();
            if let Some(file) = file {
                self.drop_file(file);
            }
        }
    }

    fn drop_file(&self, file: Key) {
        self.lock().remove(file);
        let _left = fs::remove_file(self.path(file));
    }

    /// Keeps blocks that follow each other. A disk that is full only makes reading slower.
    pub(super) fn put(&self, segment: &SegmentName, first: u64, bytes: &[u8]) {
        let token = segment.token();
        let size = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX).saturating_mul(FILE_BLOCKS);
        for (part, block) in bytes.chunks(size).zip((first..).step_by(FILE_BLOCKS)) {
            let key = (token, block);
            let path = self.path(key);
            let written = tempfile::NamedTempFile::new_in(&self.dir).and_then(|mut file| {
                std::io::Write::write_all(&mut file, part)?;
                file.persist(&path).map_err(|error| error.error)
            });
            match written {
                Ok(_) => self.lock().insert(key, u64::try_from(part.len()).unwrap_or(u64::MAX)),
                Err(error) => {
                    tracing::debug!(%error, "Failed to write to the cache of object storage: reads go to the store");
                    return;
                }
            }
        }
        self.shrink();
    }

    fn shrink(&self) {
        loop {
            let mut held = self.lock();
            if held.bytes <= self.bytes_max {
                return;
            }
            let Some((_, &key)) = held.order.first_key_value() else { return };
            held.remove(key);
            drop(held);
            let _left = fs::remove_file(self.path(key));
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }
}

fn parse(name: &str) -> Option<Key> {
    let (segment, block) = name.split_once('-').filter(|_| name.len() == 25)?;
    Some((u64::from_str_radix(segment, 16).ok()?, u64::from_str_radix(block, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::name::Nonce;
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn it_keeps_what_is_used_within_its_bound_and_over_a_start() {
        let folder = TempDir::new().unwrap();
        let name = |number| SegmentName { epoch: 1, number, nonce: Nonce([2; 16]) };
        let block = usize::try_from(BLOCK_BYTES).unwrap();
        let bytes: Vec<u8> = (0..block * 2 + 10).map(|nth| u8::try_from(nth % 251).unwrap()).collect();
        let cache = DiskCache::open(folder.path(), BLOCK_BYTES * 5).unwrap();
        cache.put(&name(1), 0, &bytes);
        let across = cache.read(&name(1), BLOCK_BYTES - 3, block + 6).unwrap();
        assert_eq!(across, bytes[block - 3..2 * block + 3]);
        assert!(cache.read(&name(1), BLOCK_BYTES * 2 + 5, 6).is_none(), "beyond its end");
        cache.put(&name(1), 0, &bytes);
        cache.put(&name(2), 0, &bytes);
        assert!(cache.read(&name(1), 5, 5).is_some());
        drop(cache);
        let cache = DiskCache::open(folder.path(), BLOCK_BYTES * 5).unwrap();
        cache.put(&name(3), 0, &bytes);
        assert!(cache.bytes() <= BLOCK_BYTES * 5);
        let on_disk: u64 =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert_eq!(on_disk, cache.bytes());
        assert!(cache.read(&name(3), 0, bytes.len()).is_some());
        assert!(cache.read(&name(1), 0, bytes.len()).is_none());
        cache.forget(&name(3), 0, 1);
        assert!(cache.read(&name(3), 0, 1).is_none() && !cache.has(&name(3), 1), "a file goes as a whole");
        assert_eq!(cache.bytes(), BLOCK_BYTES * 2 + 10, "the other segment is still there");
    }

    #[test]
    fn blocks_that_follow_each_other_are_few_files_and_the_newest_of_a_block_counts() {
        let folder = TempDir::new().unwrap();
        let segment = SegmentName { epoch: 1, number: 1, nonce: Nonce([2; 16]) };
        let block = usize::try_from(BLOCK_BYTES).unwrap();
        let bytes: Vec<u8> =
            (0..block * (FILE_BLOCKS + 2)).map(|nth| u8::try_from(nth % 251).unwrap()).collect();
        let cache = DiskCache::open(folder.path(), BLOCK_BYTES * 100).unwrap();
        cache.put(&segment, 0, &bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let (from, across) = ((FILE_BLOCKS - 1) * block + 5, 2 * block);
        let read = |cache: &DiskCache| cache.read(&segment, u64::try_from(from).unwrap(), across);
        assert_eq!(read(&cache).unwrap(), bytes[from..from + across]);
        // A block that is brought once more has a file of its own.
        cache.put(&segment, 2, &bytes[2 * block..3 * block]);
        cache.forget(&segment, BLOCK_BYTES * 2, 1);
        assert!(!cache.has(&segment, 2) && cache.has(&segment, 1) && cache.has(&segment, 3));
        // It stays when the file that had it before goes.
        cache.put(&segment, 2, &bytes[2 * block..3 * block]);
        cache.forget(&segment, 0, 1);
        assert!(!cache.has(&segment, 3) && cache.has(&segment, 2));
        cache.forget(&segment, BLOCK_BYTES * 2, 1);
        let after = u64::try_from(FILE_BLOCKS).unwrap();
        assert!(cache.has(&segment, after), "the other file is still there");
        drop(cache);
        let cache = DiskCache::open(folder.path(), BLOCK_BYTES * 100).unwrap();
        assert_eq!(
            cache.read(&segment, BLOCK_BYTES * after, 2 * block).unwrap(),
            bytes[FILE_BLOCKS * block..]
        );
        assert_eq!(cache.bytes(), BLOCK_BYTES * 2);
    }
}
