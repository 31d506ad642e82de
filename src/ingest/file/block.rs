//! A stretch of whole lines.

use memchr::memchr_iter;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// Bytes between two states of the content hash: what one question for a hash costs at most.
const STRETCH_BYTES: usize = 32 << 10;

/// A stretch of whole lines of one input, in order.
pub struct LineBlock {
    /// The lines with their ends, nothing else.
    bytes: Vec<u8>,
    /// Where the lines lie in `bytes`, without their ends.
    lines: Vec<Range<usize>>,
    /// The number of the first line, from 1.
    first_line: u64,
    /// The state of the content hash before each stretch of [`STRETCH_BYTES`] of `bytes`.
    hashes: Vec<Xxh3>,
    /// Set when this block represents one line that was too long.
    oversized: Option<OversizedLine>,
}

/// What is kept of a line longer than [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OversizedLine {
    /// The line's number within its input, from 1.
    pub line: u64,
    /// Its length in bytes, without the line end.
    pub length: u64,
    /// SHA-256 of the whole line, without the line end.
    pub sha256: [u8; 32],
    /// The hash of the input's content up to the end of the line.
    pub content_hash: [u8; 16],
}

/// A line of a file.
#[derive(Clone, Copy)]
pub struct FileLine<'a> {
    /// The line without its end.
    pub bytes: &'a [u8],
    /// Its number within its input, from 1.
    pub line: u64,
    block: &'a LineBlock,
    end: usize,
}

impl FileLine<'_> {
    /// The 128-bit hash of the input's content up to the end of this line, its line end excluded: with the line number
    /// it tells this record of this file from any other. Made anew at each call; meant for refused lines.
    pub fn content_hash(&self) -> [u8; 16] {
        let stretch = self.end / STRETCH_BYTES;
        let mut state = self.block.hashes.get(stretch).cloned().unwrap_or_default();
        state.update(self.block.bytes.get(stretch * STRETCH_BYTES..self.end).unwrap_or_default());
        state.digest128().to_be_bytes()
    }
}

impl std::fmt::Debug for LineBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineBlock")
            .field("first_line", &self.first_line)
            .field("lines", &self.line_count())
            .finish()
    }
}

impl LineBlock {
    /// Cuts whole lines; `hash` is the content hash before them, and after them when this returns.
    pub(super) fn cut(bytes: Vec<u8>, first_line: u64, hash: &mut Xxh3) -> Self {
        let mut hashes = Vec::with_capacity(bytes.len() / STRETCH_BYTES + 2);
        for stretch in bytes.chunks(STRETCH_BYTES) {
            hashes.push(hash.clone());
            hash.update(stretch);
        }
        // A last line without an end may end exactly where a stretch does.
        hashes.push(hash.clone());
        let mut lines = Vec::with_capacity(bytes.len() / 128 + 1);
        let mut start = 0;
        for end in memchr_iter(b'\n', &bytes) {
            lines.push(start..end);
            start = end + 1;
        }
        if start < bytes.len() {
            lines.push(start..bytes.len());
        }
        Self { bytes, lines, first_line, hashes, oversized: None }
    }

    /// Represents a line that was too long.
    pub(super) fn of_oversized(line: OversizedLine) -> Self {
        Self {
            bytes: Vec::new(),
            lines: Vec::new(),
            first_line: line.line,
            hashes: Vec::new(),
            oversized: Some(line),
        }
    }

    /// The lines. Empty when the block represents a line that was too long.
    pub fn lines(&self) -> impl Iterator<Item = FileLine<'_>> {
        self.lines.iter().zip(self.first_line..).map(|(range, line)| FileLine {
            bytes: self.bytes.get(range.clone()).unwrap_or_default(),
            line,
            block: self,
            end: range.end,
        })
    }

    /// A line by its number within its input.
    pub fn line(&self, line: u64) -> Option<FileLine<'_>> {
        let at = usize::try_from(line.checked_sub(self.first_line)?).ok()?;
        let range = self.lines.get(at)?;
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        Some(FileLine { bytes, line, block: self, end: range.end })
    }

    /// The one line that this block represents when it was too long to be kept.
    pub fn oversized(&self) -> Option<&OversizedLine> {
        self.oversized.as_ref()
    }

    /// How many lines there are, a too long one included.
    pub fn line_count(&self) -> usize {
        if self.oversized.is_some() { 1 } else { self.lines.len() }
    }
}
