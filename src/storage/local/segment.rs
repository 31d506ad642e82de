//! One segment file: values in the order in which they were put, then where they lie. Sealed once, never changed.
//!
//! ```text
//! magic (8) | values | pages of places | directory | trailer (41)
//! page: up to 512 places of a group | XXH3 of the file's number, the page's offset and its places (8)
//! trailer: offset of the directory (8) | XXH3 of all before the directory (8) | XXH3 of the directory (8) | format (1)
//!          | XXH3 of the number in the file's name and of the trailer so far (8) | magic (8)
//! ```
//!
//! Opening it reads the trailer and the directory, which has one line for each kind of value of a run. Pages are read when
//! a value is asked for.
//!
//! It is written under another name and renamed when it is durable: a file that has its final name was whole once.

use super::failure::{Failure, Fault};
use super::table::{self, Entry, Group, OFFSET_END, Page, Place};
use crate::storage::bytes::{CodecError, Decoded, Reader};
use crate::storage::crash_points::{self, Point};
use crate::storage::error::StorageError;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::Xxh3;

const MAGIC: [u8; 8] = *b"cvrlsegm";
const FORMAT: u8 = 2;
const HEAD_BYTES: u64 = 8;
const TRAILER_BYTES: usize = 41;
/// Bounds what a forged trailer can make us allocate: enough for the groups of millions of runs.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;
/// What is written without a sync in between. A question that reads the disk meanwhile waits behind what is on its way:
/// with a quarter of a mebibyte a quarter of a millisecond, with 64 some tens.
const UNSYNCED_BYTES: u64 = 256 << 10;
/// The same on a disk whose syncs take longer than this: they are what writing waits for then.
const UNSYNCED_BYTES_SLOW: u64 = 1 << 20;
const SYNC_SLOW: Duration = Duration::from_millis(2);
const BUFFER_BYTES: usize = 256 << 10;

/// Ending of sealed files.
const SEALED: &str = "seg";
/// Ending of files that are being written.
const UNSEALED: &str = "new";

/// The file of a number.
pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{SEALED}"))
}

/// What a file in the folder of segments is.
pub(super) enum Name {
    Sealed(u64),
    Unsealed,
    Foreign,
}

pub(super) fn name_of(path: &Path) -> Name {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| stem.len() == 16);
    match (stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()), path.extension()) {
        (Some(number), Some(ending)) if ending == SEALED => Name::Sealed(number),
        (Some(_), Some(ending)) if ending == UNSEALED => Name::Unsealed,
        _ => Name::Foreign,
    }
}

/// A file that is being written. Dropped without being sealed, it is removed.
pub(super) struct SegmentWriter {
    dir: PathBuf,
    number: u64,
    path: PathBuf,
    file: BufWriter<File>,
    hasher: Xxh3,
    at: u64,
    unsynced: u64,
    unsynced_max: u64,
    groups: BTreeMap<Group, Vec<Place>>,
    sealed: bool,
}

/// A sealed file.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// First and last byte of the values, the last one not included.
    pub(super) values: (u64, u64),
    /// The directory.
    pub(super) entries: Vec<Entry>,
}

impl SegmentWriter {
    pub(super) fn create(dir: &Path, number: u64) -> Result<Self, StorageError> {
        let path = path_of(dir, number).with_extension(UNSEALED);
        let file = File::create(&path).map_err(StorageError::at("create a segment file", &path))?;
        let mut writer = Self {
            dir: dir.to_path_buf(),
            number,
            path,
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            hasher: Xxh3::new(),
            at: 0,
            unsynced: 0,
            unsynced_max: UNSYNCED_BYTES,
            groups: BTreeMap::new(),
            sealed: false,
        };
        writer.write(&MAGIC).map_err(|error| writer.failed(error))?;
        Ok(writer)
    }

    /// Adds a value.
    pub(super) fn append(&mut self, (group, number): (Group, u32), value: &[u8]) -> Result<(), StorageError> {
        let length = u32::try_from(value.len()).map_err(|_| StorageError::TooLarge { bytes: value.len() })?;
        let place = Place { number, length, offset: self.at };
        if place.end() >= OFFSET_END {
            return Err(self.failed(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        self.write(value).map_err(|error| self.failed(error))?;
        self.groups.entry(group).or_default().push(place);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.hasher.update(bytes);
        self.file.write_all(bytes)?;
        self.at += length;
        self.unsynced += length;
        if self.unsynced > self.unsynced_max {
            self.unsynced = 0;
            self.file.flush()?;
            let began = Instant::now();
            self.file.get_ref().sync_data()?;
            let slow = began.elapsed() > SYNC_SLOW;
            self.unsynced_max = if slow { UNSYNCED_BYTES_SLOW } else { UNSYNCED_BYTES };
        }
        Ok(())
    }

    /// Writes pages, directory and trailer, makes the file durable and gives it its name.
    pub(super) fn seal(mut self) -> Result<Sealed, StorageError> {
        let sealed = self.finish().map_err(|error| self.failed(error))?;
        crash_points::after(Point::SegmentSynced);
        let path = path_of(&self.dir, self.number);
        fs::rename(&self.path, &path).map_err(StorageError::at("rename a segment file", &path))?;
        self.sealed = true;
        crash_points::after(Point::SegmentNamed);
        sync_dir(&self.dir)?;
        Ok(sealed)
    }

    fn finish(&mut self) -> io::Result<Sealed> {
        let values_end = self.at;
        let mut entries = Vec::new();
        for (group, mut places) in std::mem::take(&mut self.groups) {
            // Of a value that was put twice, the last counts: it is the first here.
            places.reverse();
            places.sort_by_key(|place| place.number);
            places.dedup_by_key(|place| place.number);
            entries.extend(Entry::of(group, &places, self.at));
            self.write(&table::encode_pages(self.number, self.at, &places))?;
        }
        let directory = table::encode(&entries, values_end);
        let trailer = trailer(self.number, self.at, self.hasher.digest(), &directory);
        self.file.write_all(&directory)?;
        self.file.write_all(&trailer)?;
        self.file.flush()?;
        crash_points::after(Point::SegmentWritten);
        self.file.get_ref().sync_all()?;
        let bytes = self.at + u64::try_from(directory.len() + trailer.len()).unwrap_or(0);
        Ok(Sealed { number: self.number, bytes, values: (HEAD_BYTES, values_end), entries })
    }

    fn failed(&self, error: io::Error) -> StorageError {
        StorageError::at("write a segment file", &self.path)(error)
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !self.sealed {
            // What is left is removed at the next start.
            let _left = fs::remove_file(&self.path);
        }
    }
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("path", &self.path)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Makes names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StorageError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StorageError::at("sync the folder of segments", dir))
}

fn trailer(number: u64, directory_at: u64, checksum_before: u64, directory: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(TRAILER_BYTES);
    out.extend_from_slice(&directory_at.to_be_bytes());
    out.extend_from_slice(&checksum_before.to_be_bytes());
    out.extend_from_slice(&checksum(&[directory]).to_be_bytes());
    out.push(FORMAT);
    let own = checksum(&[&number.to_be_bytes(), &out]);
    out.extend_from_slice(&own.to_be_bytes());
    out.extend_from_slice(&MAGIC);
    out
}

fn checksum(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.digest()
}

/// What a trailer says.
struct Trailer {
    directory_at: u64,
    /// Of all before the directory.
    checksum_before: u64,
    directory_checksum: u64,
}

impl Trailer {
    fn decode(number: u64, bytes: &[u8]) -> Decoded<Self> {
        let (content, rest) = bytes.split_at_checked(25).ok_or(CodecError::Truncated("the trailer"))?;
        let mut rest = Reader::new(rest);
        let stored = rest.u64("checksum")?;
        if rest.array::<8>("magic")? != MAGIC {
            return Err(CodecError::Truncated("the segment"));
        }
        let mut r = Reader::new(content);
        let trailer = Self {
            directory_at: r.u64("directory")?,
            checksum_before: r.u64("values")?,
            directory_checksum: r.u64("directory")?,
        };
        let found = r.u8("format")?;
        if stored != checksum(&[&number.to_be_bytes(), content]) {
            return Err(CodecError::Checksum);
        }
        if found != FORMAT {
            return Err(CodecError::Format { found, known: FORMAT });
        }
        Ok(trailer)
    }
}

/// Reads the directory of a sealed file.
pub(super) fn read(dir: &Path, number: u64) -> Result<Sealed, StorageError> {
    let path = path_of(dir, number);
    let read = File::open(&path).map_err(Fault::Io).and_then(|file| read_directory(&file, number));
    read.map(|(sealed, _)| sealed).map_err(|fault| Failure::at(&path)(fault).into())
}

fn read_directory(file: &File, number: u64) -> Result<(Sealed, Trailer), Fault> {
    let bytes = file.metadata()?.len();
    let trailer_at = u64::try_from(TRAILER_BYTES).ok().and_then(|trailer| bytes.checked_sub(trailer));
    let trailer_at = trailer_at.ok_or(CodecError::Truncated("the segment"))?;
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let trailer = Trailer::decode(number, &trailer)?;
    let length = trailer_at.checked_sub(trailer.directory_at).filter(|length| *length <= DIRECTORY_BYTES_MAX);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let mut body = vec![0; length.ok_or(CodecError::Invalid("the directory's place"))?];
    file.read_exact_at(&mut body, trailer.directory_at)?;
    if checksum(&[&body]) != trailer.directory_checksum {
        return Err(CodecError::Checksum.into());
    }
    let (entries, values_end) = table::decode(&body, HEAD_BYTES, trailer.directory_at)?;
    Ok((Sealed { number, bytes, values: (HEAD_BYTES, values_end), entries }, trailer))
}

/// Reads a page of a group from the file of this number, whose values lie in `values`.
pub(super) fn read_page(
    file: &File,
    number: u64,
    values: (u64, u64),
    entry: &Entry,
    page: u32,
) -> Result<Page, Fault> {
    let (offset, length) = entry.page::<Place>(page);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(Page::check(number, entry, offset, &bytes, values)?)
}

/// Reads all of a sealed file: every byte of it is as it was written.
pub(super) fn check(dir: &Path, number: u64) -> Result<(), StorageError> {
    let path = path_of(dir, number);
    let checked = File::open(&path).map_err(Fault::Io).and_then(|file| check_all(&file, number));
    checked.map_err(|fault| Failure::at(&path)(fault).into())
}

fn check_all(file: &File, number: u64) -> Result<(), Fault> {
    let (sealed, trailer) = read_directory(file, number)?;
    for entry in &sealed.entries {
        let (mut next, mut last, mut bytes) = (u64::from(entry.numbers.0), None, 0);
        for page in 0..entry.pages() {
            for place in read_page(file, number, sealed.values, entry, page)?.places() {
                let is_first = last.is_none();
                if u64::from(place.number) < next || (is_first && place.number != entry.numbers.0) {
                    return Err(CodecError::Invalid("number").into());
                }
                (next, last) = (u64::from(place.number) + 1, Some(place.number));
                bytes += u64::from(place.length);
            }
        }
        if bytes != entry.bytes || last != Some(entry.numbers.1) {
            return Err(CodecError::Invalid("group").into());
        }
    }
    let mut hasher = Xxh3::new();
    let mut before = file.take(trailer.directory_at);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = before.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
    if hasher.digest() == trailer.checksum_before { Ok(()) } else { Err(CodecError::Checksum.into()) }
}
