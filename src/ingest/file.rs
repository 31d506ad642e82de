//! Event files: raw lines cut at byte 0x0A only, from plain, gzip and Zstandard files and from standard input, told apart by
//! their first bytes.
//!
//! Lines are handed out in blocks, owned and free to travel to another thread. A line of a file is known again by the
//! hash of the file's content up to its end: one pass is enough, and a stream serves as well as a file.

mod block;
mod format;
mod reader;
#[cfg(test)]
mod tests;
mod unpack;

pub use block::{FileLine, LineBlock, OversizedLine};
pub use reader::{FileError, LineReader, Progress};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// Longer lines are not kept in memory.
pub const LINE_BYTES_MAX: usize = 64 << 20;
/// About as much as one block holds.
pub const BLOCK_BYTES: usize = 1 << 20;
