//! One segment file: values in the order in which they were put, then a table of their keys. Sealed once, never changed.
//!
//! ```text
//! magic (8) | values | table | trailer (41)
//! trailer: offset of the table (8) | XXH3 of all before the table (8) | XXH3 of the table (8) | format (1)
//!          | XXH3 of the number in the file's name and of the trailer so far (8) | magic (8)
//! ```
//!
//! It is written under another name and renamed when it is durable: a file that has its final name was whole once.

use super::super::codec::{CodecError, Decoded, Reader};
use super::super::crash::{self, Point};
use super::error::StoreError;
use super::table::{self, Group, Place, Table};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const MAGIC: [u8; 8] = *b"cvrlsegm";
const FORMAT: u8 = 1;
const HEAD_BYTES: u64 = 8;
const TRAILER_BYTES: usize = 41;
/// Bounds what a forged trailer can make us allocate: room for more values than a file of 1 TiB holds.
const TABLE_BYTES_MAX: u64 = 256 << 20;
/// What is written without a sync in between. A question that reads the disk meanwhile waits behind what is on its way:
/// with a mebibyte a millisecond or two, with 64 some tens.
const UNSYNCED_BYTES_MAX: u64 = 1 << 20;
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
    groups: BTreeMap<Group, Vec<Place>>,
    sealed: bool,
}

/// A sealed file.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) table: Table,
}

impl SegmentWriter {
    pub(super) fn create(dir: &Path, number: u64) -> Result<Self, StoreError> {
        let path = path_of(dir, number).with_extension(UNSEALED);
        let file = File::create(&path).map_err(StoreError::at("creating a segment file", &path))?;
        let mut writer = Self {
            dir: dir.to_path_buf(),
            number,
            path,
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            hasher: Xxh3::new(),
            at: 0,
            unsynced: 0,
            groups: BTreeMap::new(),
            sealed: false,
        };
        writer.write(&MAGIC).map_err(|error| writer.failed(error))?;
        Ok(writer)
    }

    /// Adds a value.
    pub(super) fn append(&mut self, (group, number): (Group, u32), value: &[u8]) -> Result<(), StoreError> {
        let length = u32::try_from(value.len()).map_err(|_| StoreError::TooLarge { bytes: value.len() })?;
        let place = Place { number, length, offset: self.at };
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
        if self.unsynced > UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
        }
        Ok(())
    }

    /// Writes table and trailer, makes the file durable and gives it its name.
    pub(super) fn seal(mut self) -> Result<Sealed, StoreError> {
        let mut table: Table = std::mem::take(&mut self.groups).into_iter().collect();
        for (_, places) in &mut table {
            // Of a value that was put twice, the last counts: it is the first here.
            places.reverse();
            places.sort_by_key(|place| place.number);
            places.dedup_by_key(|place| place.number);
        }
        let bytes = self.finish(&table).map_err(|error| self.failed(error))?;
        crash::after(Point::SegmentSynced);
        let path = path_of(&self.dir, self.number);
        fs::rename(&self.path, &path).map_err(StoreError::at("naming a segment file", &path))?;
        self.sealed = true;
        crash::after(Point::SegmentNamed);
        sync_dir(&self.dir)?;
        Ok(Sealed { number: self.number, bytes, table })
    }

    fn finish(&mut self, table: &Table) -> io::Result<u64> {
        let body = table::encode(table, HEAD_BYTES);
        let trailer = trailer(self.number, self.at, self.hasher.digest(), &body);
        self.file.write_all(&body)?;
        self.file.write_all(&trailer)?;
        self.file.flush()?;
        crash::after(Point::SegmentWritten);
        self.file.get_ref().sync_all()?;
        Ok(self.at + u64::try_from(body.len() + trailer.len()).unwrap_or(0))
    }

    fn failed(&self, error: io::Error) -> StoreError {
        StoreError::at("writing a segment file", &self.path)(error)
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
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::at("fsync of the folder of segments", dir))
}

fn trailer(number: u64, table_at: u64, values_checksum: u64, table: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(TRAILER_BYTES);
    out.extend_from_slice(&table_at.to_be_bytes());
    out.extend_from_slice(&values_checksum.to_be_bytes());
    out.extend_from_slice(&checksum(&[table]).to_be_bytes());
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
    table_at: u64,
    values_checksum: u64,
    table_checksum: u64,
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
            table_at: r.u64("table")?,
            values_checksum: r.u64("values")?,
            table_checksum: r.u64("table")?,
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

/// An error of the system, or what is wrong with the bytes.
enum Fault {
    Io(io::Error),
    Content(CodecError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Self::Content(error)
    }
}

impl Fault {
    fn at(path: &Path) -> impl FnOnce(Self) -> StoreError + use<> {
        let path = path.to_path_buf();
        move |fault| match fault {
            Self::Io(error) => StoreError::at("reading a segment file", &path)(error),
            Self::Content(source) => StoreError::segment(&path)(source),
        }
    }
}

/// Reads the table of a sealed file.
pub(super) fn read(dir: &Path, number: u64) -> Result<Sealed, StoreError> {
    let path = path_of(dir, number);
    File::open(&path)
        .map_err(Fault::Io)
        .and_then(|file| read_table(&file, number))
        .map(|(bytes, _, table)| Sealed { number, bytes, table })
        .map_err(Fault::at(&path))
}

fn read_table(file: &File, number: u64) -> Result<(u64, Trailer, Table), Fault> {
    let bytes = file.metadata()?.len();
    let trailer_at = u64::try_from(TRAILER_BYTES).ok().and_then(|trailer| bytes.checked_sub(trailer));
    let trailer_at = trailer_at.ok_or(CodecError::Truncated("the segment"))?;
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let trailer = Trailer::decode(number, &trailer)?;
    let length = trailer_at.checked_sub(trailer.table_at).filter(|length| *length <= TABLE_BYTES_MAX);
    let length = length.ok_or(CodecError::Invalid("the table's place"))?;
    let mut body = vec![0; usize::try_from(length).map_err(|_| CodecError::Invalid("the table's place"))?];
    file.read_exact_at(&mut body, trailer.table_at)?;
    if checksum(&[&body]) != trailer.table_checksum {
        return Err(CodecError::Checksum.into());
    }
    let table = table::decode(&body, (HEAD_BYTES, trailer.table_at))?;
    Ok((bytes, trailer, table))
}

/// Reads all of a sealed file: every byte of it is as it was written.
pub(super) fn check(dir: &Path, number: u64) -> Result<(), StoreError> {
    let path = path_of(dir, number);
    File::open(&path).map_err(Fault::Io).and_then(|file| check_all(&file, number)).map_err(Fault::at(&path))
}

fn check_all(file: &File, number: u64) -> Result<(), Fault> {
    let (_, trailer, _) = read_table(file, number)?;
    let mut hasher = Xxh3::new();
    let mut values = file.take(trailer.table_at);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = values.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
    if hasher.digest() == trailer.values_checksum { Ok(()) } else { Err(CodecError::Checksum.into()) }
}
