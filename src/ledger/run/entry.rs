//! The manifest's entry of a run.

use crate::domain::time::{LocalDay, UtcMillis};
use crate::ledger::codec::{CodecError, Decoded, Reader, Writer};

/// Parts of the charges of a run that are not of orders: their place in the stored form. None is written yet, and a run
/// that has any does not open.
const CHARGE_PARTS: u64 = 0;

/// A run's entry in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// The event day of all rows.
    pub day: LocalDay,
    /// Rows, tombstones included.
    pub rows: u64,
    /// Data blocks.
    pub blocks: u32,
    /// Chunks of the identity index.
    pub chunks: u32,
    /// Values of the sparse index: its head and its parts.
    pub sparse_parts: u32,
    /// Pages of the filter of identities.
    pub filter_pages: u32,
    /// Pages of the filter of riders.
    pub rider_pages: u32,
    /// Parts of the totals.
    pub totals_parts: u32,
    /// Smallest and largest start.
    pub accepted: (UtcMillis, UtcMillis),
    /// Longest `ended_at - accepted_at`, in milliseconds.
    pub longest_ms: i64,
    /// Whether any row is an open order.
    pub has_open: bool,
    /// First and last commit of the rows.
    pub commits: (u64, u64),
    /// Bytes put into the store.
    pub bytes: u64,
    /// Runs written by one compaction share its number; 0 for a commit's run.
    pub compaction: u64,
}

impl RunEntry {
    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_signed(i64::from(self.day.0));
        out.put_varint(self.rows);
        let pages = [self.filter_pages, self.rider_pages];
        for count in [self.blocks, self.chunks, self.sparse_parts].into_iter().chain(pages) {
            out.put_varint(u64::from(count));
        }
        out.put_varint(u64::from(self.totals_parts));
        out.put_varint(CHARGE_PARTS);
        out.put_signed(self.accepted.0.millis());
        out.put_signed(self.accepted.1.millis());
        out.put_signed(self.longest_ms);
        out.push(u8::from(self.has_open));
        for number in [self.commits.0, self.commits.1, self.bytes, self.compaction] {
            out.put_varint(number);
        }
    }

    /// Reads the stored form.
    pub fn decode(r: &mut Reader<'_>) -> Decoded<Self> {
        Ok(Self {
            day: LocalDay(i32::try_from(r.signed("day")?).map_err(|_| CodecError::Invalid("day"))?),
            rows: r.varint("rows")?,
            blocks: r.number("blocks")?,
            chunks: r.number("chunks")?,
            sparse_parts: r.number("sparse parts")?,
            filter_pages: r.number("filter pages")?,
            rider_pages: r.number("rider pages")?,
            totals_parts: {
                let parts = r.number("totals parts")?;
                if r.varint("parts of charges")? != CHARGE_PARTS {
                    return Err(CodecError::Invalid("parts of charges"));
                }
                parts
            },
            accepted: (UtcMillis::new(r.signed("first start")?), UtcMillis::new(r.signed("last start")?)),
            longest_ms: r.signed("longest order")?,
            has_open: r.u8("open orders")? != 0,
            commits: (r.varint("first commit")?, r.varint("last commit")?),
            bytes: r.varint("bytes")?,
            compaction: r.varint("compaction")?,
        })
    }
}
