//! Backfill: lines of files through the same pipeline as records of Kafka. One thread reads and decodes while the other
//! commits.

use crate::domain::arrival::Timestamp;
use crate::domain::event::EventRules;
use crate::domain::posting::Disposition;
use crate::domain::reject::{ReadRevision, Readable, Reason, Refusal};
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::ingest::file::{FileError, LineBlock, LineReader, OversizedLine};
use crate::ledger::batch::{Arrival, Batch, LineHashes, Source};
use crate::ledger::commit::Also;
use crate::ledger::error::LedgerError;
use crate::ledger::facts::Counts;
use crate::ledger::report::CommitReport;
use crate::ledger::writer::Ledger;
use crate::pipeline::receive;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use thiserror::Error;

/// Batches that wait for the writer: one is written while the next one is filled.
const BATCHES_WAITING: usize = 1;

/// Runs of one day at which a long backfill stops to merge some.
const DAY_RUNS_MAX: usize = 40;

/// Why a backfill stopped. What was committed before stays; running it again books nothing twice.
#[derive(Debug, Error)]
pub enum BackfillError {
    /// An input cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The ledger cannot go on.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Completeness was stated for a platform that nobody knows.
    #[error(
        "--complete-through names the platform {name}, which is neither registered nor in the ledger: the records are \
         booked, the statement is not; run again with the right name"
    )]
    UnknownPlatform {
        /// The name.
        name: String,
    },
    /// The dispositions cannot be written.
    #[error("writing the dispositions failed: {0}")]
    Dispositions(#[from] std::io::Error),
}

/// How a backfill is to run.
pub struct Backfill<'a> {
    /// Rules of events from files.
    pub rules: &'a EventRules,
    /// Zone of days.
    pub zone: &'a Zone,
    /// Records of a commit.
    pub batch_records: u32,
    /// Bytes of a commit.
    pub batch_bytes: usize,
    /// The present.
    pub now: &'a (dyn Fn() -> UtcMillis + Sync),
    /// Statements of completeness, booked in the commit that holds the last record.
    pub stated: Vec<(Option<String>, UtcMillis)>,
    /// Where `line,disposition` goes.
    pub dispositions: Option<&'a mut dyn Write>,
    /// Told after each commit; the next one waits for it.
    pub each: &'a mut dyn FnMut(&CommitReport) -> Result<(), LedgerError>,
}

/// What became of all records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records.
    pub records: u64,
    /// Dispositions.
    pub counts: Counts,
    /// Refusals by reason.
    pub rejected: BTreeMap<Reason, u64>,
}

impl Summary {
    /// Adds a commit.
    pub(crate) fn add(&mut self, report: &CommitReport) {
        self.records += report.records;
        self.counts.iter_mut().zip(report.counts).for_each(|(sum, count)| *sum += count);
        for (reason, count) in &report.rejected {
            *self.rejected.entry(*reason).or_default() += count;
        }
    }
}

impl LineHashes for LineBlock {
    fn content_hash(&self, line: u64) -> [u8; 16] {
        match (self.oversized(), self.line(line)) {
            (Some(oversized), _) => oversized.content_hash,
            (None, Some(line)) => line.content_hash(),
            (None, None) => [0; 16],
        }
    }
}

/// Takes in every line of every reader, in order.
///
/// # Errors
/// An input that cannot be read, a ledger that cannot go on. Whole batches before that are committed.
pub fn run(
    ledger: &mut Ledger,
    readers: Vec<LineReader>,
    how: Backfill<'_>,
) -> Result<Summary, BackfillError> {
    let Backfill { rules, zone, batch_records, batch_bytes, now, stated, mut dispositions, each } = how;
    let (full, to_commit) = sync_channel::<Batch>(BATCHES_WAITING);
    let (empty, to_fill) = sync_channel::<Batch>(BATCHES_WAITING + 1);
    let mut summary = Summary::default();
    if let Some(out) = dispositions.as_mut() {
        writeln!(out, "line,disposition")?;
    }
    let read = thread::scope(|scope| {
        let filler = Filler { rules, zone, batch_records, batch_bytes, full, to_fill };
        let reading = scope.spawn(move || filler.run(readers));
        let mut last: Option<Batch> = None;
        let committed = (|| -> Result<(), BackfillError> {
            for batch in to_commit {
                if let Some(before) = last.replace(batch) {
                    commit(ledger, &before, &Also::default(), now(), &mut summary, &mut dispositions, each)?;
                    give_back(&empty, before);
                }
            }
            Ok(())
        })();
        // The reader stops by itself when nobody takes its batches.
        let read = reading.join().unwrap_or_else(|_| Err(reader_gone()));
        committed.map(|()| (read, last))
    });
    let (read, last) = read?;
    let last = last.unwrap_or_default();
    if let Err(broken) = read {
        // Whole lines before a damaged stretch count, but nothing is complete.
        if !last.is_empty() {
            commit(ledger, &last, &Also::default(), now(), &mut summary, &mut dispositions, each)?;
        }
        return Err(broken.into());
    }
    let stranger = stated.iter().find_map(|(name, _)| {
        let name = name.as_ref()?;
        (!ledger.knows_platform(name) && !last.platforms.all().contains(name)).then(|| name.clone())
    });
    if let Some(name) = stranger {
        if !last.is_empty() {
            commit(ledger, &last, &Also::default(), now(), &mut summary, &mut dispositions, each)?;
        }
        return Err(BackfillError::UnknownPlatform { name });
    }
    let also = Also { stated, ..Also::default() };
    if !last.is_empty() || !also.stated.is_empty() {
        commit(ledger, &last, &also, now(), &mut summary, &mut dispositions, each)?;
    }
    if let Some(out) = dispositions.as_mut() {
        out.flush()?;
    }
    Ok(summary)
}

fn reader_gone() -> FileError {
    let source = std::io::Error::other("the reading thread ended early");
    FileError::Read { name: "input".to_owned(), line: 0, source }
}

fn give_back(empty: &SyncSender<Batch>, mut batch: Batch) {
    batch.clear();
    match empty.try_send(batch) {
        // The reader has all the batches that it needs, or is done.
        Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
    }
}

fn commit(
    ledger: &mut Ledger,
    batch: &Batch,
    also: &Also,
    now: UtcMillis,
    summary: &mut Summary,
    dispositions: &mut Option<&mut dyn Write>,
    each: &mut dyn FnMut(&CommitReport) -> Result<(), LedgerError>,
) -> Result<(), BackfillError> {
    let report = ledger.commit(batch, also, now)?;
    if let Some(out) = dispositions.as_mut() {
        for (disposition, line) in report.dispositions(batch).into_iter().zip(summary.records + 1..) {
            match disposition {
                Disposition::Rejected(reason) => writeln!(out, "{line},rejected:{reason}")?,
                other => writeln!(out, "{line},{}", other.as_str())?,
            }
        }
    }
    summary.add(&report);
    each(&report)?;
    if ledger.runs_a_day_max() > DAY_RUNS_MAX {
        ledger.compact_now(LocalDay(i32::MIN), now)?;
    }
    Ok(())
}

/// The reading side.
struct Filler<'a> {
    rules: &'a EventRules,
    zone: &'a Zone,
    batch_records: u32,
    batch_bytes: usize,
    full: SyncSender<Batch>,
    to_fill: Receiver<Batch>,
}

impl Filler<'_> {
    fn run(self, readers: Vec<LineReader>) -> Result<(), FileError> {
        let mut batch = Batch::default();
        let mut result = Ok(());
        for mut reader in readers {
            loop {
                match reader.next_block() {
                    Ok(Some(block)) => {
                        if !self.take(Arc::new(block), &mut batch) {
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
        let _stopped = self.full.send(batch);
        result
    }

    /// Takes in a block; `false` when the writer is gone.
    fn take(&self, block: Arc<LineBlock>, batch: &mut Batch) -> bool {
        let mut source = batch.source(&Source::Files);
        batch.begin_lines(Arc::<LineBlock>::clone(&block));
        if let Some(oversized) = block.oversized() {
            refuse_oversized(batch, source, oversized);
        }
        for line in block.lines() {
            if batch.is_full(self.batch_records, self.batch_bytes) {
                let next = self.to_fill.try_recv().unwrap_or_default();
                if self.full.send(std::mem::replace(batch, next)).is_err() {
                    return false;
                }
                source = batch.source(&Source::Files);
                batch.begin_lines(Arc::<LineBlock>::clone(&block));
            }
            let arrival = Arrival {
                source,
                offset: i64::try_from(line.line).unwrap_or(i64::MAX),
                timestamp: Timestamp::Missing,
                payload: line.bytes,
                key: None,
                headers: &[],
            };
            receive(batch, &arrival, self.rules, self.zone);
        }
        true
    }
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
