//! The files of a log: a file is filled with zeros and made durable before it gets entries, so that an fsync of entries changes no
//! metadata and waits for no journal of the file system.

use super::entry::{Entry, LINE_BYTES_MAX};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a file; a group of entries that does not fit begins the next file.
pub(super) const SEGMENT_BYTES: usize = 4 << 20;
/// Ending of the files with entries.
const ENDING: &str = ".log";
/// A file that is prepared to be the next one.
const NEXT: &str = "next";
/// Zeros are written in pieces of this size.
const PIECE: usize = 1 << 20;

/// What is done with a file; tests make it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next file is filled with zeros.
    Prepare,
    /// Entries are written.
    Write,
    /// They are made durable.
    Sync,
}

/// The disk, which in tests may fail.
#[derive(Clone, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) fails: Option<std::sync::Arc<dyn Fn(Step) -> io::Result<()> + Send + Sync>>,
}

impl Disk {
    #[cfg(test)]
    fn check(&self, step: Step) -> io::Result<()> {
        self.fails.as_ref().map_or(Ok(()), |fails| fails(step))
    }

    #[cfg(not(test))]
    /// Only tests give it something to do.
    const fn check(&self, _: Step) -> io::Result<()> {
        Ok(())
    }
}

/// The name of the file whose first entry has this number.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:016x}{ENDING}")
}

/// The files with entries, each with the number of its first entry, ascending. One of them is the prepared file, if the machine
/// stopped before its new name was durable.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    found.extend(first_in_prepared(folder)?.map(|first| (first, folder.join(NEXT))));
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let first = name.strip_suffix(ENDING).filter(|digits| digits.len() == 16);
        if let Some(first) = first.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The number of the first entry in the prepared file; `None` where it has none, or is not there.
fn first_in_prepared(folder: &Path) -> io::Result<Option<u64>> {
    let mut start = Vec::new();
    match File::open(folder.join(NEXT)) {
        Ok(file) => file.take(LINE_BYTES_MAX as u64).read_to_end(&mut start)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (found, _) = lines(&start);
    Ok(found.first().and_then(|(_, line)| Entry::parse(line).ok()).map(|(entry, _)| entry.number))
}

/// Gives a prepared file that has entries its name, durably.
pub(super) fn rename_prepared(folder: &Path) -> io::Result<()> {
    let Some(first) = first_in_prepared(folder)? else { return Ok(()) };
    fs::rename(folder.join(NEXT), folder.join(file_name(first)))?;
    sync_folder(folder)
}

/// Makes a folder that only its owner may enter; one that is there stays.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a small file under a name of its own, which it has as a whole or not at all; not made durable.
pub(super) fn write_small(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("new");
    let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
    options?.write_all(text.as_bytes())?;
    fs::rename(&aside, path)
}

/// The file that takes entries.
#[derive(Debug)]
pub(super) struct Live {
    file: File,
    at: u64,
    size: u64,
}

/// Fills the next file with zeros and makes it durable.
pub(super) fn prepare(folder: &Path, disk: &Disk) -> io::Result<File> {
    disk.check(Step::Prepare)?;
    let path = folder.join(NEXT);
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    let zeros = vec![0; PIECE];
    let filled = (0..SEGMENT_BYTES / PIECE).try_for_each(|_| (&file).write_all(&zeros));
    if let Err(error) = filled.and_then(|()| file.sync_all()) {
        // What was written of it must not take the last space of the disk.
        drop(fs::remove_file(&path));
        return Err(error);
    }
    Ok(file)
}

impl Live {
    /// Takes a prepared file into use. Its new name is durable once the file before is closed: until then a start finds its
    /// entries under the old name.
    pub(super) fn begin(folder: &Path, first: u64, file: File) -> io::Result<Self> {
        fs::rename(folder.join(NEXT), folder.join(file_name(first)))?;
        let size = file.metadata()?.len();
        Ok(Self { file, at: 0, size })
    }

    /// Whether so many bytes fit.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        u64::try_from(bytes).is_ok_and(|bytes| self.at.saturating_add(bytes) <= self.size)
    }

    /// Whether it is time to prepare the next file.
    pub(super) const fn is_half_full(&self) -> bool {
        self.at > self.size / 2
    }

    /// The place of the next entry.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Appends bytes and makes them durable.
    pub(super) fn append(&mut self, bytes: &[u8], disk: &Disk) -> io::Result<()> {
        disk.check(Step::Write)?;
        self.file.write_all_at(bytes, self.at)?;
        disk.check(Step::Sync)?;
        self.file.sync_data()?;
        self.at = self.at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Cuts the zeros off that no entry needed.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.file.set_len(self.at)?;
        self.file.sync_all()
    }
}

/// The lines of a file, each with its place, and what comes after the last: nothing but zeros, if all is well.
pub(super) fn lines(bytes: &[u8]) -> (Vec<(usize, &[u8])>, &[u8]) {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(rest) = bytes.get(at..)
        && let Some(end) = memchr::memchr(b'\n', rest)
    {
        found.push((at, rest.get(..end).unwrap_or_default()));
        at = at.saturating_add(end).saturating_add(1);
    }
    (found, bytes.get(at..).unwrap_or_default())
}

/// Whether there is nothing but zeros.
pub(super) fn is_empty(tail: &[u8]) -> bool {
    tail.iter().all(|byte| *byte == 0)
}
