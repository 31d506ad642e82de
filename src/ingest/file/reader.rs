//! Reads an input block by block.

use super::BLOCK_BYTES;
use super::LINE_BYTES_MAX;
use super::READ_BYTES;
use super::block::{LineBlock, OversizedLine};
use super::format::{BYTE_ORDER_MARK, Foreign, LOOK_BYTES, Packing, foreign};
use super::unpack::unpacked;
use memchr::{memchr, memrchr};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::Xxh3;

/// Parts of names that say that the file is packed: an empty one was cut off.
const PACKED_NAMES: [&str; 39] = [
    "gz", "gzip", "tgz", "z", "zst", "zstd", "tzst", "xz", "txz", "lzma", "lz", "tlz", "bz2", "bzip2", "tbz",
    "tbz2", "bz", "lz4", "lzo", "zip", "zipx", "7z", "rar", "sz", "snappy", "snz", "br", "tar", "jar", "cab",
    "arj", "lha", "lzh", "zpaq", "deflate", "zz", "zlib", "parquet", "avro",
];

/// The name of standard input, for people.
const STANDARD_INPUT: &str = "standard input";

/// An input that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not there, no permission, or a folder.
    #[error("Failed to open {name}: {cause}; check the path and its permissions")]
    Open {
        /// The input.
        name: String,
        /// Why.
        cause: io::Error,
    },
    /// Breaks off or is damaged.
    #[error(
        "Failed to read {name} beyond line {line}: {cause}; it is damaged or cut off, and the whole lines before are \
         booked. Replace it and ingest it again: nothing is booked twice"
    )]
    Read {
        /// The input.
        name: String,
        /// Whole lines handed out before.
        line: u64,
        /// Why.
        cause: io::Error,
    },
    /// Something else than JSON lines.
    #[error(
        "Failed to read {name}: it is {what}, not JSON lines, and nothing of this run is booked; {advice}"
    )]
    Foreign {
        /// The input.
        name: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: String,
    },
}

/// How far an input is read; may be looked at from another thread.
#[derive(Clone, Debug)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    /// Bytes read, compressed as they are.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The size of the file; `None` when it is not known (standard input, pipes).
    pub const fn bytes_total(&self) -> Option<u64> {
        self.total
    }
}

/// Hands out the lines of one input, in blocks.
pub struct LineReader {
    name: String,
    input: Box<dyn Read + Send>,
    progress: Progress,
    /// Read, but not yet handed out: the beginning of a line.
    rest: Vec<u8>,
    /// The content hash of everything handed out.
    hash: Xxh3,
    lines_before: u64,
    at_end: bool,
    /// Why reading stopped, while whole lines before that are handed out.
    failure: Option<io::Error>,
    /// What stopped the look at the first bytes: the next read fails with it.
    pending: Option<io::Error>,
    block_bytes: usize,
    line_bytes_max: usize,
}

impl LineReader {
    /// Opens a file, or standard input for `-`, and looks at its first bytes: gzip and Zstandard are unpacked, whatever
    /// the name; what is no JSON lines is refused.
    ///
    /// # Errors
    /// When the input cannot be opened, breaks off at once, or is something else.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        if name == "-" {
            return Self::look(STANDARD_INPUT, io::stdin(), None);
        }
        let open = |cause| FileError::Open { name: name.clone(), cause };
        let file = File::open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if metadata.is_dir() {
            return Err(open(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
        }
        if metadata.is_file() && metadata.len() == 0 && is_named_packed(path) {
            let cause = io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty, and its name says packed");
            return Err(FileError::Read { name, line: 0, cause });
        }
        Self::look(&name, file, metadata.is_file().then_some(metadata.len()))
    }

    /// Reads JSON lines from anything as it is; `total` is its size if that is known.
    pub fn new(name: &str, input: impl Read + Send + 'static, total: Option<u64>) -> Self {
        let read = Arc::new(AtomicU64::new(0));
        Self {
            name: name.to_owned(),
            input: Box::new(Counted { inner: input, read: Arc::clone(&read) }),
            progress: Progress { read, total },
            rest: Vec::new(),
            hash: Xxh3::new(),
            lines_before: 0,
            at_end: false,
            failure: None,
            pending: None,
            block_bytes: BLOCK_BYTES,
            line_bytes_max: LINE_BYTES_MAX,
        }
    }

    /// Reads from anything, unpacked by its first bytes.
    pub(super) fn look(
        name: &str,
        input: impl Read + Send + 'static,
        total: Option<u64>,
    ) -> Result<Self, FileError> {
        let mut reader = Self::new(name, io::empty(), total);
        let read_error = |cause| FileError::Read { name: name.to_owned(), line: 0, cause };
        let mut counted = Counted { inner: input, read: Arc::clone(&reader.progress.read) };
        let (start, failure) = beginning(&mut counted);
        let packing = Packing::of(&start);
        let (input, start, failure) = match packing {
            Packing::Plain => (Box::new(counted) as Box<dyn Read + Send>, start, failure),
            Packing::Gzip | Packing::Zstandard => {
                if let Some(cause) = failure {
                    return Err(read_error(cause));
                }
                let packed = Cursor::new(start).chain(counted);
                let mut input = unpacked(packed, packing).map_err(read_error)?;
                let (start, failure) = beginning(&mut input);
                (input, start, failure)
            }
        };
        reader.input = input;
        // Whole lines that were read before it broke are handed out first.
        reader.pending = failure;
        reader.begin_with(start)?;
        Ok(reader)
    }

    /// Takes in the first bytes, without a byte order mark.
    fn begin_with(&mut self, mut start: Vec<u8>) -> Result<(), FileError> {
        if start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len());
        }
        if let Some(Foreign { what, advice }) = foreign(&start) {
            let advice = match self.name.as_str() {
                // What came through a pipe is a file somewhere before it.
                STANDARD_INPUT => advice.to_owned(),
                name => advice.replace("FILE", &shell_word(name)),
            };
            return Err(FileError::Foreign { name: self.name.clone(), what, advice });
        }
        self.rest = start;
        Ok(())
    }

    /// Other sizes of blocks and of the longest line, for tests.
    #[cfg(test)]
    pub(super) fn with_limits(mut self, block_bytes: usize, line_bytes_max: usize) -> Self {
        (self.block_bytes, self.line_bytes_max) = (block_bytes, line_bytes_max);
        self
    }

    /// The input's name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A view of how far the input is read.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The next block of at least one line; `None` at the end. The last line needs no line end.
    ///
    /// # Errors
    /// When the input breaks off or is damaged. All whole lines before that were handed out.
    pub fn next_block(&mut self) -> Result<Option<LineBlock>, FileError> {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.reserve(self.block_bytes.saturating_sub(bytes.len()));
        let mut lines_end = memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        while !self.at_end && self.failure.is_none() && (bytes.len() < self.block_bytes || lines_end == 0) {
            let searched = bytes.len();
            // What was read before it broke counts.
            self.failure = self.read_more(&mut bytes).err();
            let fresh = bytes.get(searched..).unwrap_or_default();
            if lines_end == 0 {
                // Only the first line can be this long: the rest is never read beyond a block.
                let first = memchr(b'\n', fresh);
                if searched + first.unwrap_or(fresh.len()) > self.line_bytes_max {
                    return self.skip_line(bytes).map(Some);
                }
            }
            if let Some(at) = memrchr(b'\n', fresh) {
                lines_end = searched + at + 1;
            }
        }
        if lines_end == 0
            && let Some(cause) = self.failure.take()
        {
            return Err(self.read_error(cause));
        }
        if !self.at_end {
            self.rest = bytes.split_off(lines_end);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let block = LineBlock::cut(bytes, self.lines_before + 1, &mut self.hash);
        self.lines_before += u64::try_from(block.line_count()).unwrap_or(0);
        Ok(Some(block))
    }

    /// Reads once, and appends.
    fn read_more(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if let Some(broken) = self.pending.take() {
            return Err(broken);
        }
        let limit = u64::try_from(READ_BYTES.min(self.block_bytes)).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(limit).read_to_end(bytes)?;
        self.at_end = read == 0;
        Ok(())
    }

    fn read_error(&self, cause: io::Error) -> FileError {
        FileError::Read { name: self.name.clone(), line: self.lines_before, cause }
    }

    /// Goes past a line that is too long, of which `beginning` was read.
    fn skip_line(&mut self, beginning: Vec<u8>) -> Result<LineBlock, FileError> {
        let mut sha256 = Sha256::new();
        let mut length = 0_u64;
        let mut chunk = beginning;
        loop {
            let end = memchr(b'\n', &chunk);
            let of_line = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            sha256.update(of_line);
            self.hash.update(of_line);
            length += u64::try_from(of_line.len()).unwrap_or(0);
            if let Some(end) = end {
                self.rest = chunk.split_off(end + 1);
                break;
            }
            if self.at_end {
                break;
            }
            if let Some(cause) = self.failure.take() {
                return Err(self.read_error(cause));
            }
            // Not `clear`: what held the beginning is too large to keep.
            chunk = Vec::new();
            self.failure = self.read_more(&mut chunk).err();
        }
        let content_hash = self.hash.digest128().to_be_bytes();
        if !self.at_end {
            self.hash.update(b"\n");
        }
        self.lines_before += 1;
        let line = self.lines_before;
        let oversized = OversizedLine { line, length, sha256: sha256.finalize().into(), content_hash };
        Ok(LineBlock::of_oversized(oversized))
    }
}

/// The first bytes of an input, and what stopped it before there were as many as are looked at.
fn beginning(input: &mut impl Read) -> (Vec<u8>, Option<io::Error>) {
    let mut start = Vec::with_capacity(LOOK_BYTES);
    let limit = u64::try_from(LOOK_BYTES).unwrap_or(u64::MAX);
    let failure = input.take(limit).read_to_end(&mut start).err();
    (start, failure)
}

/// A name as a shell reads it as one word.
fn shell_word(name: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%,=".contains(letter);
    if name.chars().all(is_plain) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("'{}'", name.replace('\'', "'\\''")))
    }
}

/// Whether a part of the file's name says that it is packed, as in `orders.jsonl.gz.1`.
fn is_named_packed(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    name.split('.').skip(1).any(|part| PACKED_NAMES.contains(&part))
}

/// Counts what is read from the file itself.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}
