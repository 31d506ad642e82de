//! Backfill: lines of files through the same pipeline as records of Kafka. One thread reads and decodes while the other
//! commits.

mod filler;
mod misspelt;

pub use misspelt::Misspelt;

use crate::domain::event::EventRules;
use crate::domain::posting::Disposition;
use crate::domain::reject::Reason;
use crate::domain::time::{LocalDay, UtcMillis, Zone};
use crate::ingest::file::{FileError, LineBlock, LineReader};
use crate::ledger::{Batch, CommitExtras, CommitReport, Counts, Ledger, LedgerError, LineHashes};
use filler::{Filled, Filler};
use misspelt::Speller;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use thiserror::Error;

/// Batches in the channel to the writer: none. The writer holds the newest batch back until it knows whether another
/// follows, so that one already waits while one is committed and one is filled. A batch takes about 100 MB.
const BATCHES_WAITING: usize = 0;

/// Runs of one day at which a long backfill stops to merge some.
const DAY_RUNS_MAX: usize = 40;

/// Position of rejected records among the dispositions.
const REJECTED: usize = 5;

/// Why a backfill is not all that was asked for. What was committed before stays; running it again books nothing twice.
#[derive(Debug, Error)]
pub enum BackfillError {
    /// An input cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The ledger cannot continue.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Completeness was stated for a platform that is not known.
    #[error(
        "--complete-through names the platform {name}, which is neither registered nor in the ledger: the records are \
         booked, the statement is not; run again with the right name"
    )]
    UnknownPlatform {
        /// The name.
        name: String,
    },
    /// Completeness was stated over records that may be about any rider.
    #[error(
        "no rider can be read in {count} records, the first is line {first_line}: the orders are booked, \
         --complete-through is not. List the records with `coverledger rejections --unreadable --unresolved`; mend them \
         with its --export-plain and --send, or give them up with its --resolve REASON, and run this again; or state it all \
         the same with --accept-unreadable REASON. Mending the input alone may leave them unresolved"
    )]
    Unreadable {
        /// Records.
        count: u64,
        /// Line of the first, counted on over the inputs.
        first_line: u64,
    },
    /// The dispositions cannot be written.
    #[error(
        "Failed to write the dispositions: {0}; check the place of --dispositions and run again: nothing is booked twice"
    )]
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
    /// Statements of completeness, booked in the commit that holds the last record, or after it where records of the run
    /// had to be looked at again.
    pub stated: Vec<(Option<String>, UtcMillis)>,
    /// Why records in which no rider can be read are resolved, and do not matter for `stated`.
    pub accept_unreadable: Option<&'a str>,
    /// Where `line,disposition` goes.
    pub dispositions: Option<&'a mut dyn Write>,
    /// Told after each commit; the next one waits for it.
    pub each: &'a mut dyn FnMut(&CommitReport) -> Result<(), LedgerError>,
}

/// What became of all records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records, blank lines included.
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

    /// Adds blank lines: the disposition of each is that of an empty record.
    fn add_blank(&mut self, lines: u64) {
        self.records += lines;
        self.counts.iter_mut().skip(REJECTED).take(1).for_each(|count| *count += lines);
        *self.rejected.entry(Reason::MalformedJson).or_default() += lines;
    }
}

/// A backfill that came to its end.
#[derive(Debug, Default)]
pub struct Done {
    /// What became of all lines.
    pub summary: Summary,
    /// Blank lines among them: nothing is kept of these.
    pub blank: u64,
    /// Accepted orders with a misspelt optional field.
    pub misspelt: Misspelt,
    /// Unresolved records in which no rider can be read: their number, and the line of the first.
    pub unreadable: Option<(u64, u64)>,
    /// Why not everything is in, or the statement is not booked.
    pub problem: Option<BackfillError>,
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
/// A ledger that cannot continue, dispositions that cannot be written. Whole batches before that are committed.
pub fn run<'a>(
    ledger: &'a mut Ledger,
    readers: Vec<LineReader>,
    how: Backfill<'a>,
) -> Result<Done, BackfillError> {
    let Backfill { rules, zone, batch_records, batch_bytes, now, stated, accept_unreadable, .. } = how;
    let (full, to_commit) = sync_channel::<Filled>(BATCHES_WAITING);
    let (empty, to_fill) = sync_channel::<Filled>(BATCHES_WAITING + 1);
    let mut taker = Taker {
        ledger,
        now,
        dispositions: how.dispositions,
        each: how.each,
        done: Done::default(),
        unreadable: Vec::new(),
    };
    if let Some(out) = taker.dispositions.as_mut() {
        writeln!(out, "line,disposition")?;
    }
    let read = thread::scope(|scope| {
        let speller = Speller::default();
        let filler = Filler { rules, zone, batch_records, batch_bytes, full, to_fill, speller, lines: 0 };
        let reading = scope.spawn(move || filler.run(readers));
        let mut last: Option<Filled> = None;
        let committed = (|| -> Result<(), BackfillError> {
            for filled in to_commit {
                if let Some(before) = last.replace(filled) {
                    taker.take(&before, &CommitExtras::default())?;
                    give_back(&empty, before);
                }
            }
            Ok(())
        })();
        // The reader stops by itself when its batches are not taken.
        let read = reading.join().unwrap_or_else(|_| Err(reader_gone()));
        committed.map(|()| (read, last))
    });
    let (read, last) = read?;
    taker.finish(read, &last.unwrap_or_default(), stated, accept_unreadable)?;
    if let Some(out) = taker.dispositions.as_mut() {
        out.flush()?;
    }
    Ok(taker.done)
}

fn reader_gone() -> FileError {
    let cause = std::io::Error::other("the reading thread ended early");
    FileError::Read { name: "input".to_owned(), line: 0, cause }
}

fn give_back(empty: &SyncSender<Filled>, mut filled: Filled) {
    filled.clear();
    match empty.try_send(filled) {
        // The reader has all the batches that it needs, or is done.
        Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
    }
}

/// The writing side.
struct Taker<'a> {
    ledger: &'a mut Ledger,
    now: &'a (dyn Fn() -> UtcMillis + Sync),
    dispositions: Option<&'a mut dyn Write>,
    each: &'a mut dyn FnMut(&CommitReport) -> Result<(), LedgerError>,
    done: Done,
    /// Rejections that concern every rider, with their lines.
    unreadable: Vec<(u64, u64)>,
}

impl Taker<'_> {
    /// Commits a batch, and says what became of its lines.
    fn take(&mut self, filled: &Filled, extras: &CommitExtras) -> Result<(), BackfillError> {
        let lines_before = self.done.summary.records;
        let mut dispositions = Vec::new();
        if !filled.batch.is_empty() || !extras.stated.is_empty() || !extras.resolved.is_empty() {
            let report = self.ledger.commit(&filled.batch, extras, (self.now)())?;
            if self.dispositions.is_some() {
                dispositions = report.dispositions(&filled.batch);
            }
            self.done.summary.add(&report);
            (self.each)(&report)?;
        }
        self.write(filled, &dispositions, lines_before)?;
        let blank: u64 = filled.blank.iter().map(|(_, lines)| lines).sum();
        if blank > 0 {
            self.done.blank += blank;
            self.done.summary.add_blank(blank);
        }
        misspelt::add(&mut self.done.misspelt, &filled.misspelt);
        for refused in &filled.batch.refused {
            if refused.refusal.readable.concerns_every_rider()
                && let Some(rejection) = self.ledger.rejection_of(&refused.origin)
            {
                self.unreadable.push((rejection, lines_before + filled.lines_to(refused.ordinal)));
            }
        }
        if self.ledger.runs_a_day_max() > DAY_RUNS_MAX {
            self.ledger.compact_now(LocalDay(i32::MIN), (self.now)())?;
        }
        Ok(())
    }

    fn write(&mut self, filled: &Filled, all: &[Disposition], lines_before: u64) -> std::io::Result<()> {
        let Some(out) = self.dispositions.as_mut() else { return Ok(()) };
        let mut line = lines_before;
        let mut blank = filled.blank.iter().peekable();
        let mut pass = |out: &mut dyn Write, line: &mut u64, ordinal: u32| {
            while let Some((_, lines)) = blank.next_if(|(at, _)| *at <= ordinal) {
                for _ in 0..*lines {
                    *line += 1;
                    writeln!(out, "{line},rejected:{}", Reason::MalformedJson)?;
                }
            }
            Ok::<(), std::io::Error>(())
        };
        for (disposition, ordinal) in all.iter().zip(0..) {
            pass(out, &mut line, ordinal)?;
            line += 1;
            match disposition {
                Disposition::Rejected(reason) => writeln!(out, "{line},rejected:{reason}")?,
                other => writeln!(out, "{line},{}", other.as_str())?,
            }
        }
        pass(out, &mut line, u32::MAX)
    }

    /// Commits the last batch, and the statement with it when nothing speaks against it.
    fn finish(
        &mut self,
        read: Result<(), FileError>,
        last: &Filled,
        stated: Vec<(Option<String>, UtcMillis)>,
        accept_unreadable: Option<&str>,
    ) -> Result<(), BackfillError> {
        // Whole lines before a damaged stretch count, but nothing is complete.
        self.done.problem = read.err().map(BackfillError::File).or_else(|| self.stranger(last, &stated));
        let is_doubtful = !self.unreadable.is_empty() || concerns_every_rider(&last.batch);
        if self.done.problem.is_none() && !is_doubtful {
            return self.take(last, &CommitExtras { stated, ..CommitExtras::default() });
        }
        self.take(last, &CommitExtras::default())?;
        let Self { ledger, unreadable, .. } = self;
        // What a later record of the run has mended does not matter.
        unreadable.retain(|(rejection, _)| !ledger.is_resolved(*rejection));
        let count = u64::try_from(unreadable.len()).unwrap_or(u64::MAX);
        let first_line = unreadable.iter().map(|(_, line)| *line).min();
        if self.done.problem.is_some() {
            self.done.unreadable = first_line.map(|first_line| (count, first_line));
            return Ok(());
        }
        let mut extras = CommitExtras { stated, ..CommitExtras::default() };
        if let (Some(reason), Some(_)) = (accept_unreadable, first_line) {
            extras.notes =
                vec![format!("resolved {count} rejections in which no rider can be read: {reason}")];
            extras.resolved = unreadable.drain(..).map(|(id, _)| (id, reason.to_owned())).collect();
        } else if let Some(first_line) = first_line {
            self.done.unreadable = Some((count, first_line));
            if !extras.stated.is_empty() {
                self.done.problem = Some(BackfillError::Unreadable { count, first_line });
            }
            return Ok(());
        }
        self.take(&Filled::default(), &extras)
    }

    /// A platform of the statement that is not known.
    fn stranger(&self, last: &Filled, stated: &[(Option<String>, UtcMillis)]) -> Option<BackfillError> {
        let names = stated.iter().filter_map(|(name, _)| name.as_ref());
        let is_known = |name: &str| {
            self.ledger.knows_platform(name) || last.batch.platforms.all().iter().any(|known| known == name)
        };
        let name = names.into_iter().find(|name| !is_known(name))?;
        Some(BackfillError::UnknownPlatform { name: name.clone() })
    }
}

fn concerns_every_rider(batch: &Batch) -> bool {
    batch.refused.iter().any(|refused| refused.refusal.readable.concerns_every_rider())
}
