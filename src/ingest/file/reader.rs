//! Reads an input block by block.

use super::block::{LineBlock, OversizedLine};
use super::{BLOCK_BYTES, LINE_BYTES_MAX};
use memchr::{memchr, memrchr};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::Xxh3;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// An input that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not there, no permission, or a folder.
    #[error("cannot open {name}: check the path and its permissions")]
    Open {
        /// The input.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Breaks off or is damaged.
    #[error(
        "cannot read {name} beyond line {line}: the file is damaged, cut off, or not what its ending says; replace it \
         and ingest it again, what is booked already will not be booked twice"
    )]
    Read {
        /// The input.
        name: String,
        /// Whole lines handed out before.
        line: u64,
        /// Why.
        source: io::Error,
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
    block_bytes: usize,
    line_bytes_max: usize,
}

impl LineReader {
    /// Opens a file, decompressing by its ending (`.gz`, `.zst`), or standard input for `-`. Concatenated gzip members
    /// and Zstandard frames are read through.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        if name == "-" {
            return Ok(Self::new("standard input", io::stdin(), None));
        }
        let open = |source| FileError::Open { name: name.clone(), source };
        let file = File::open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if metadata.is_dir() {
            return Err(open(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
        }
        let mut reader = Self::new(&name, io::empty(), metadata.is_file().then_some(metadata.len()));
        let counted = Counted { inner: file, read: Arc::clone(&reader.progress.read) };
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        reader.input = match ending.as_deref() {
            Some("gz") => {
                let buffered = BufReader::with_capacity(READ_BYTES, counted);
                Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
            }
            Some("zst") => Box::new(zstd::stream::read::Decoder::new(counted).map_err(open)?),
            _ => Box::new(counted),
        };
        Ok(reader)
    }

    /// Reads from anything; `total` is its size if that is known.
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
            block_bytes: BLOCK_BYTES,
            line_bytes_max: LINE_BYTES_MAX,
        }
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
        if let Some(source) = self.failure.take() {
            return Err(self.read_error(source));
        }
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.reserve(self.block_bytes.saturating_sub(bytes.len()));
        let mut lines_end = memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        while !self.at_end && (bytes.len() < self.block_bytes || lines_end == 0) {
            let searched = bytes.len();
            if let Err(error) = self.read_more(&mut bytes) {
                self.failure = Some(error);
                break;
            }
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
            && let Some(source) = self.failure.take()
        {
            return Err(self.read_error(source));
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
        let limit = u64::try_from(READ_BYTES.min(self.block_bytes)).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(limit).read_to_end(bytes)?;
        self.at_end = read == 0;
        Ok(())
    }

    fn read_error(&self, source: io::Error) -> FileError {
        FileError::Read { name: self.name.clone(), line: self.lines_before, source }
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
            // Not `clear`: what held the beginning is too large to keep.
            chunk = Vec::new();
            self.read_more(&mut chunk).map_err(|source| self.read_error(source))?;
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
