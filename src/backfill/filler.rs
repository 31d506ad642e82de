//! The reading side: lines become batches.

use super::misspelt::{Misspelt, Speller};
use crate::domain::arrival::Timestamp;
use crate::domain::event::EventRules;
use crate::domain::reject::{ReadRevision, Readable, Reason, Refusal};
use crate::domain::time::Zone;
use crate::ingest::file::{FileError, LineBlock, LineReader, OversizedLine};
use crate::ledger::{Arrival, Batch, Source};
use crate::pipeline::receive;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

/// A batch with what the ledger does not ask about.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) batch: Batch,
    /// Blank lines: so many before the record of this position.
    pub(super) blank: Vec<(u32, u64)>,
    pub(super) misspelt: Misspelt,
}

impl Filled {
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        self.blank.clear();
        self.misspelt.clear();
    }

    /// Lines, blank ones included, up to and including the record of this position.
    pub(super) fn lines_to(&self, ordinal: u32) -> u64 {
        let before = self.blank.iter().take_while(|(at, _)| *at <= ordinal);
        u64::from(ordinal) + 1 + before.map(|(_, lines)| lines).sum::<u64>()
    }

    fn pass_blank(&mut self) {
        let next = self.batch.records();
        match self.blank.last_mut() {
            Some((at, lines)) if *at == next => *lines += 1,
            _ => self.blank.push((next, 1)),
        }
    }
}

/// Reads and decodes.
pub(super) struct Filler<'a> {
    pub(super) rules: &'a EventRules,
    pub(super) zone: &'a Zone,
    pub(super) batch_records: u32,
    pub(super) batch_bytes: usize,
    pub(super) full: SyncSender<Filled>,
    pub(super) to_fill: Receiver<Filled>,
    pub(super) speller: Speller,
    /// Lines of all inputs so far.
    pub(super) lines: u64,
}

impl Filler<'_> {
    pub(super) fn run(mut self, readers: Vec<LineReader>) -> Result<(), FileError> {
        let mut filled = Filled::default();
        let mut result = Ok(());
        for mut reader in readers {
            loop {
                match reader.next_block() {
                    Ok(Some(block)) => {
                        if !self.take(Arc::new(block), &mut filled) {
                            return Ok(());
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                }
            }
            if result.is_err() {
                break;
            }
        }
        // Whole lines before a damaged stretch count, like those of a file that ends there.
        let _stopped = self.full.send(filled);
        result
    }

    /// Takes in a block; `false` when the writer is gone.
    fn take(&mut self, block: Arc<LineBlock>, filled: &mut Filled) -> bool {
        let mut source = filled.batch.source(&Source::Files);
        filled.batch.begin_lines(Arc::<LineBlock>::clone(&block));
        if let Some(oversized) = block.oversized() {
            self.lines += 1;
            refuse_oversized(&mut filled.batch, source, oversized);
        }
        for line in block.lines() {
            self.lines += 1;
            if is_blank(line.bytes) {
                filled.pass_blank();
                continue;
            }
            if filled.batch.is_full(self.batch_records, self.batch_bytes) {
                let next = self.to_fill.try_recv().unwrap_or_default();
                if self.full.send(std::mem::replace(filled, next)).is_err() {
                    return false;
                }
                source = filled.batch.source(&Source::Files);
                filled.batch.begin_lines(Arc::<LineBlock>::clone(&block));
            }
            let arrival = Arrival {
                source,
                offset: i64::try_from(line.line).unwrap_or(i64::MAX),
                timestamp: Timestamp::Missing,
                payload: line.bytes,
                key: None,
                headers: &[],
            };
            if receive(&mut filled.batch, &arrival, self.rules, self.zone) {
                self.speller.look(line.bytes, self.lines, &mut filled.misspelt);
            }
        }
        true
    }
}

/// Whether a line holds nothing but blanks, tabs and carriage returns.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// A line that is too long to be held is refused without being read as JSON.
fn refuse_oversized(batch: &mut Batch, source: u16, line: &OversizedLine) {
    let refusal = Refusal {
        reason: Reason::MalformedJson,
        detail: format!("the line has {} bytes, more than a record may have", line.length),
        readable: Box::new(Readable { revision: ReadRevision::Unreadable, ..Readable::default() }),
    };
    let arrival = Arrival {
        source,
        offset: i64::try_from(line.line).unwrap_or(i64::MAX),
        timestamp: Timestamp::Missing,
        payload: &[],
        key: None,
        headers: &[],
    };
    batch.push_refused(refusal, &arrival);
    batch.describe_last_refused(line.length, line.sha256);
}
