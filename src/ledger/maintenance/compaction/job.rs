//! One compaction under way: reads its runs, writes new ones, decides nothing.

use super::merge::Merge;
use crate::domain::time::LocalDay;
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::identity::IdentityHash;
use crate::ledger::run::period_totals::PeriodTotals;
use crate::ledger::run::row::{DictionaryEntry, Row};
use crate::ledger::run::writer::{Dictionary, RunWriter};
use crate::storage::Upload;
use crate::storage::crash_points::{self, Point};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// Classes of which the platform's part of the hash is remembered.
const CLASSES_REMEMBERED: usize = 1 << 16;
/// Rows between two looks at whether to stop.
const STOP_EVERY_ROWS: u64 = 4_096;

/// A compaction that is due. It owns what it reads and may run on any thread beside the writer.
#[derive(Debug)]
pub struct CompactionJob {
    pub(super) day: LocalDay,
    pub(super) inputs: Vec<Arc<Run>>,
    pub(super) writing: Upload,
    pub(super) released: Sender<u64>,
    pub(super) first: u64,
    pub(super) numbers: u64,
    pub(super) rows_max: u64,
}

/// What a job wrote. [`super::Ledger::install`] puts it in force, or deletes it when the job was stopped.
#[derive(Debug)]
pub struct Compacted {
    pub(super) day: LocalDay,
    pub(super) inputs: Vec<Arc<Run>>,
    /// `None` when the job was stopped.
    pub(super) outputs: Option<Vec<Run>>,
    pub(super) first: u64,
    pub(super) numbers: u64,
}

impl Compacted {
    /// Whether the job came to its end.
    pub const fn is_whole(&self) -> bool {
        self.outputs.is_some()
    }

    /// The same, not to be put in force: installing it deletes what was written.
    #[must_use]
    pub fn discarded(self) -> Self {
        Self { outputs: None, ..self }
    }
}

impl CompactionJob {
    /// The day whose runs are merged.
    pub const fn day(&self) -> LocalDay {
        self.day
    }

    /// Rows that it reads and writes.
    pub fn rows(&self) -> u64 {
        self.inputs.iter().map(|run| run.entry.rows).sum()
    }

    /// What gives back the space of runs that earlier compactions replaced: after the job is handed over, off the writer's thread. It may take
    /// seconds.
    pub fn reclaim_after(&self) -> impl FnOnce() -> LedgerResult<()> + use<> {
        let session = self.writing.session().clone();
        move || {
            session.reclaim()?;
            Ok(())
        }
    }

    /// Merges the runs and makes the new ones durable; ends early, with nothing to install, once `stop` is set.
    ///
    /// # Errors
    /// The store fails, or a block is damaged. The reservation stays until a restart collects what was written.
    pub fn run(self, stop: &AtomicBool) -> LedgerResult<Compacted> {
        let outputs = self.write(stop)?;
        if outputs.is_some() {
            crash_points::after(Point::CompactionWritten);
            self.writing.seal()?;
            crash_points::after(Point::CompactionSynced);
        }
        let Self { day, inputs, first, numbers, .. } = self;
        Ok(Compacted { day, inputs, outputs, first, numbers })
    }

    fn write(&self, stop: &AtomicBool) -> LedgerResult<Option<Vec<Run>>> {
        let mut totals = PeriodTotals::default();
        for run in &self.inputs {
            totals.merge(&run.totals()?)?;
        }
        let mut table = Dictionary::default();
        let mut merge = Merge::new(&self.inputs, &mut table)?;
        let mut hasher = Hasher::default();
        let (mut outputs, mut rows) = (Vec::new(), 0_u64);
        let mut number = self.first;
        let mut writer = self.writer(&table, number);
        let mut rider = String::new();
        while let Some((row, entry)) = merge.current() {
            rows += 1;
            if rows.is_multiple_of(STOP_EVERY_ROWS) && stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if row.rider_id != rider {
                let full = writer.rows() >= self.rows_max && number + 1 < self.first + self.numbers;
                if full {
                    number += 1;
                    let written = std::mem::replace(&mut writer, self.writer(&table, number));
                    outputs.push(written.finish(&std::mem::take(&mut totals), &self.released)?);
                    crash_points::after(Point::CompactionOutputWritten);
                }
                rider.clear();
                rider.push_str(row.rider_id);
            }
            writer.push(&row, hasher.hash(&row, entry))?;
            merge.advance()?;
        }
        outputs.push(writer.finish(&totals, &self.released)?);
        Ok(Some(outputs))
    }

    fn writer<'a>(&'a self, table: &'a Dictionary, number: u64) -> RunWriter<'a> {
        RunWriter::new(&self.writing, table, number, self.day, self.first)
    }
}

/// Hashes the identities of rows; remembers the part that only the entry decides.
#[derive(Debug, Default)]
pub(crate) struct Hasher {
    /// By the number of the entry: the platform's seed.
    seeds: Vec<Option<u64>>,
}

impl Hasher {
    /// The identity hash of a row, whose entry has one number as long as this lives.
    pub(crate) fn hash(&mut self, row: &Row<'_>, entry: &DictionaryEntry) -> IdentityHash {
        let number = usize::try_from(row.code).unwrap_or(usize::MAX);
        let seed = match self.seeds.get(number) {
            Some(Some(seed)) => *seed,
            _ => self.learn(number, entry),
        };
        IdentityHash::with_seed(seed, &row.order_id, entry.leg, entry.phase)
    }

    #[cold]
    fn learn(&mut self, number: usize, entry: &DictionaryEntry) -> u64 {
        let seed = IdentityHash::seed(&entry.platform);
        // A run has some thousands of entries; a number beyond is damage or costs a hash each time.
        if self.seeds.len() <= number && number < CLASSES_REMEMBERED {
            self.seeds.resize(number + 1, None);
        }
        if let Some(slot) = self.seeds.get_mut(number) {
            *slot = Some(seed);
        }
        seed
    }
}
