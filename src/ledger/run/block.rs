//! A block: up to [`ROWS_MAX`] rows of one run, sorted by (rider, start), in columns.
//!
//! Layout of the body (all counts and lengths are variable-length integers, columns with their length before them):
//! rows, flags, time unit, smallest start, smallest commit, then the columns riders, starts, durations, classes, regions,
//! order ids, and as the flags say revisions, commits, extras. Riders occur once a group, front-coded; starts and
//! regions are differences within a rider; durations count in the block's time unit.

mod read;
#[cfg(test)]
mod tests;

pub use read::{Select, rows_of_orders, visit_block};

use crate::domain::time::UtcMillis;
use crate::ledger::codec::Writer;
use crate::ledger::run::row::{OrderId, Row};

/// Rows of the largest block. A question reads all of a block; what is kept in memory of one is some 64 bytes.
pub const ROWS_MAX: usize = 512;
/// Rows of a block in which nearly every row is of another rider: a question about one reads the names of all.
pub const ROWS_OF_MANY_RIDERS: usize = 256;

const HAS_REVISIONS: u8 = 1;
const HAS_COMMITS: u8 = 2;
const HAS_EXTRAS: u8 = 4;
const UNIFORM_ORDER_IDS: u8 = 8;
const KNOWN_FLAGS: u8 = 15;

/// Presence bits of the extras column.
const FARE: u8 = 1;
const PREVIOUS: u8 = 2;
const MOVED: u8 = 4;
/// The fare's digits do not fit 64 bits: it takes sixteen bytes instead of two to four.
const WIDE_FARE: u8 = 8;
/// A duration of 0 means "no end"; real durations are stored plus one.
const NO_END: u64 = 0;

/// Collects rows and writes them as a block. Buffers are kept between blocks.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    rows_max: usize,
    rider: Vec<u8>,
    group_rows: usize,
    riders: Vec<u8>,
    starts: Vec<i64>,
    group_starts: Vec<bool>,
    ends: Vec<Option<i64>>,
    dictionary: Vec<u8>,
    regions: Vec<u8>,
    region: u32,
    order_heads: Vec<u8>,
    order_bytes: Vec<u8>,
    revisions: Vec<u64>,
    commits: Vec<u64>,
    extras: Vec<u8>,
    has_extras: bool,
    column: Vec<u8>,
}

impl BlockBuilder {
    /// Blocks of so many rows, at most [`ROWS_MAX`].
    pub fn new(rows_max: usize) -> Self {
        Self { rows_max: rows_max.min(ROWS_MAX), ..Self::default() }
    }

    /// Rows collected so far.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Whether the block has no space for another row.
    pub fn is_full(&self) -> bool {
        self.rows() >= self.rows_max
    }

    /// Adds the next row; rows come in the order of their place.
    pub fn push(&mut self, row: &Row<'_>) {
        let first = self.starts.is_empty();
        let new_group = first || self.rider != row.rider_id.as_bytes();
        if new_group {
            self.close_group(row.rider_id.as_bytes(), first);
        }
        self.group_rows += 1;
        self.group_starts.push(new_group);
        self.starts.push(row.accepted_at.millis());
        self.ends.push(row.ended_at.map(UtcMillis::millis));
        self.dictionary.put_varint(u64::from(row.code));
        self.regions.put_signed(i64::from(row.region.code()) - i64::from(self.region));
        self.region = row.region.code();
        self.push_order_id(&row.order_id);
        self.revisions.push(row.revision);
        self.commits.push(row.commit);
        self.push_extras(row);
    }

    fn close_group(&mut self, next: &[u8], first: bool) {
        if !first {
            self.riders.put_len(self.group_rows);
        }
        let shared = if first { 0 } else { self.rider.iter().zip(next).take_while(|(a, b)| a == b).count() };
        self.riders.put_len(shared);
        self.riders.put_prefixed(next.get(shared..).unwrap_or_default());
        self.rider.clear();
        self.rider.extend_from_slice(next);
        self.group_rows = 0;
        self.region = 0;
    }

    fn push_order_id(&mut self, id: &OrderId<'_>) {
        match *id {
            OrderId::Digits { count, value } => {
                self.order_heads.push(count);
                let bytes = value.to_be_bytes();
                let from = bytes.len() - digits_width(count);
                self.order_bytes.extend_from_slice(bytes.get(from..).unwrap_or_default());
            }
            OrderId::Text(text) => {
                self.order_heads.push(0);
                self.order_bytes.put_prefixed(text.as_bytes());
            }
        }
    }

    fn push_extras(&mut self, row: &Row<'_>) {
        let mut bits = 0;
        let at = self.extras.len();
        self.extras.push(0);
        if let Some(fare) = row.fare {
            match i64::try_from(fare.mantissa()) {
                Ok(digits) => {
                    bits |= FARE;
                    self.extras.put_varint(u64::from(fare.scale()));
                    self.extras.put_signed(digits);
                }
                Err(_) => {
                    bits |= WIDE_FARE;
                    self.extras.extend_from_slice(&fare.serialize());
                }
            }
        }
        if let Some(previous) = row.previous_accepted_at {
            bits |= PREVIOUS;
            self.extras.put_signed(previous.millis());
        }
        if let Some(moved_to) = row.moved_to {
            bits |= MOVED;
            self.extras.put_signed(moved_to.millis());
        }
        if let Some(head) = self.extras.get_mut(at) {
            *head = bits;
        }
        self.has_extras |= bits != 0;
    }

    /// Writes the block's body to `out` and starts the next block.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.riders.put_len(self.group_rows);
        let base = self.starts.iter().copied().min().unwrap_or(0);
        let whole_seconds = self.starts.iter().all(|start| start % 1_000 == 0)
            && self.ends.iter().flatten().all(|end| end % 1_000 == 0);
        let unit = if whole_seconds { 1_000 } else { 1 };
        let commit_min = self.commits.iter().copied().min().unwrap_or(0);
        let uniform =
            self.order_heads.first().copied().filter(|head| self.order_heads.iter().all(|h| h == head));
        let mut flags = 0;
        flags |= if self.revisions.iter().any(|&r| r != 0) { HAS_REVISIONS } else { 0 };
        flags |= if self.commits.iter().any(|&c| c != commit_min) { HAS_COMMITS } else { 0 };
        flags |= if self.has_extras { HAS_EXTRAS } else { 0 };
        flags |= if uniform.is_some() { UNIFORM_ORDER_IDS } else { 0 };
        out.put_len(self.rows());
        out.push(flags);
        out.put_signed(unit);
        out.put_signed(base);
        out.put_varint(commit_min);
        out.put_prefixed(&self.riders);
        self.column.clear();
        let mut before = base;
        for (&start, &new_group) in self.starts.iter().zip(&self.group_starts) {
            let from = if new_group { base } else { before };
            self.column.put_varint(((start - from) / unit).cast_unsigned());
            before = start;
        }
        out.put_prefixed(&self.column);
        self.column.clear();
        for (&start, &end) in self.starts.iter().zip(&self.ends) {
            let duration = end.map_or(NO_END, |end| ((end - start) / unit).cast_unsigned() + 1);
            self.column.put_varint(duration);
        }
        out.put_prefixed(&self.column);
        out.put_prefixed(&self.dictionary);
        out.put_prefixed(&self.regions);
        out.put_prefixed(uniform.as_ref().map_or(&self.order_heads, std::slice::from_ref));
        out.put_prefixed(&self.order_bytes);
        self.finish_optional(flags, commit_min, out);
        self.clear();
    }

    fn finish_optional(&mut self, flags: u8, commit_min: u64, out: &mut Vec<u8>) {
        if flags & HAS_REVISIONS != 0 {
            self.column.clear();
            self.revisions.iter().for_each(|&revision| self.column.put_varint(revision));
            out.put_prefixed(&self.column);
        }
        if flags & HAS_COMMITS != 0 {
            self.column.clear();
            self.commits.iter().for_each(|&commit| self.column.put_varint(commit - commit_min));
            out.put_prefixed(&self.column);
        }
        if flags & HAS_EXTRAS != 0 {
            out.put_prefixed(&self.extras);
        }
    }

    fn clear(&mut self) {
        self.rider.clear();
        self.group_rows = 0;
        self.riders.clear();
        self.starts.clear();
        self.group_starts.clear();
        self.ends.clear();
        self.dictionary.clear();
        self.regions.clear();
        self.region = 0;
        self.order_heads.clear();
        self.order_bytes.clear();
        self.revisions.clear();
        self.commits.clear();
        self.extras.clear();
        self.has_extras = false;
    }
}

/// Bytes that fit any number of `count` digits.
fn digits_width(count: u8) -> usize {
    // log2(10) = 3.3219...: bits = ceil(count * 3.3220).
    (usize::from(count) * 33_220).div_ceil(80_000).min(16)
}
