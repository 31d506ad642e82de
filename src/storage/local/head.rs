//! `HEAD`: the witness outside the store of how far the ledger has come.
//!
//! A damaged tail of the store's log makes it open, without an error, at an older state. The witness detects it.

use crate::storage::bytes::hex;
use crate::storage::crash_points::{self, Point};
use crate::storage::{StorageError, StorageResult, Version};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const FILE: &str = "HEAD";
const TEMPORARY: &str = "HEAD.tmp";
const FIRST_LINE: &str = "coverledger HEAD 2";
/// What programs wrote that laid their store out in another way.
const FIRST_LINE_BEFORE: &str = "coverledger HEAD 1\n";

/// Where the witness lies.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Replaces the witness, durably: temporary file, fsync, rename, fsync of the directory.
pub fn write(data_dir: &Path, head: &Version) -> StorageResult<()> {
    let temporary = data_dir.join(TEMPORARY);
    let text = render(head);
    File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            crash_points::after(Point::HeadWritten);
            file.sync_all()
        })
        .map_err(StorageError::file("write", &temporary))?;
    crash_points::after(Point::HeadSynced);
    fs::rename(&temporary, path(data_dir)).map_err(StorageError::file("replace", &path(data_dir)))?;
    crash_points::after(Point::HeadRenamed);
    sync_dir(data_dir)?;
    crash_points::after(Point::HeadDurable);
    Ok(())
}

/// Makes names in a directory durable.
pub fn sync_dir(dir: &Path) -> StorageResult<()> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(StorageError::file("sync", dir))
}

/// Reads the witness; `None` when there is none (a new ledger).
pub fn read(data_dir: &Path) -> StorageResult<Option<Version>> {
    let path = path(data_dir);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::file("read", &path)(error)),
    };
    if text.starts_with(FIRST_LINE_BEFORE) {
        return Err(StorageError::OtherFormat { path });
    }
    parse(&text).map(Some).ok_or_else(|| {
        StorageError::Inconsistent(format!(
            "Failed to read {}: it is damaged; run `coverledger verify`, then restore a backup or rebuild from Kafka \
             or files",
            path.display()
        ))
    })
}

fn render(head: &Version) -> String {
    let content = format!("{FIRST_LINE}\ncommit {}\nhash {}\n", head.number, hex(&head.hash));
    format!("{content}check {:016x}\n", xxh3_64(content.as_bytes()))
}

fn parse(text: &str) -> Option<Version> {
    let commit = text.strip_prefix(FIRST_LINE)?.strip_prefix("\ncommit ")?;
    let (commit, rest) = commit.split_once("\nhash ")?;
    let (hash, _) = rest.split_once('\n')?;
    let head = Version { number: commit.parse().ok()?, hash: unhex(hash)? };
    // Every byte counts, the checksum's too.
    (render(&head) == text).then_some(head)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let head = Version { number: 991, hash: [7; 32] };
        write(dir.path(), &head).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(head));
        let text = fs::read(path(dir.path())).unwrap();
        fs::write(path(dir.path()), "coverledger HEAD 1\ncommit 991\n").unwrap();
        let earlier = read(dir.path()).unwrap_err();
        assert!(matches!(earlier, StorageError::OtherFormat { .. }), "{earlier}");
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[at] ^= 1 << bit;
                fs::write(path(dir.path()), changed).unwrap();
                assert!(read(dir.path()).is_err(), "byte {at} bit {bit}");
            }
        }
    }
}
