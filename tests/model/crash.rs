//! What happens between commits, and crashes between the steps of a commit or a compaction, as the next start finds them.

use super::check;
use super::drive::Drive;
use super::world::RIDERS;
use crate::testkit::wait::poll_until;
use coverledger::coverage::Terms;
use coverledger::coverage::question::{Question, When};
use coverledger::coverage::resolve::resolve;
use coverledger::domain::time::{LocalDay, UtcMillis};
use coverledger::ledger::codec::keys;
use coverledger::ledger::codec::{Packing, frame, unframe};
use coverledger::ledger::{Compacted, CompactionScope, Snapshot};
use coverledger::storage::local::head;
use coverledger::storage::{Acquire, Hint, Mode, Session, ValueKey};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Kinds of values that lie under the number of a run.
const RUN_KINDS: [u8; 7] =
    [keys::DATA, keys::IDENTITY, keys::SPARSE, keys::RIDERS, keys::TOTALS, keys::REJECTED, keys::RAW];

/// A state that a reader keeps, with a question and the answer that it gave.
#[derive(Debug)]
pub(crate) struct Held {
    view: Arc<Snapshot>,
    rider: &'static str,
    at: i64,
    answer: String,
}

impl Drive {
    /// Compactions, two at a time at most: begun, run, and put in force some steps later, or thrown away, or cut off by a crash.
    pub(crate) fn compact(&mut self) {
        if let Some(compacted) = self.compacted_next() {
            if self.random.percent(15) {
                drop(compacted);
                self.shown.count("crashes after a compaction's blocks", 1);
                return self.reopen();
            }
            let discarded = self.random.percent(15);
            let compacted = if discarded { compacted.discarded() } else { compacted };
            let now = UtcMillis::new(self.now);
            let report = self.ledger().install(compacted, now).unwrap();
            assert!(discarded || report.installed, "nothing but a compaction changes runs: {report:?}");
            self.ledger().collect_released().unwrap();
            self.shown.count("runs compacted", u64::try_from(report.runs.0).unwrap());
            self.note_state();
            if report.installed {
                // It was a commit, with what is known of completeness.
                let now = self.now;
                let (facts, terms) = (&mut self.model.facts, &self.model.terms);
                facts.advance(terms, now);
                self.committed = self.model.clone();
            }
            return;
        }
        let (rows, rows_max) = (*self.random.pick(&[1, 3, 8_000_000]), *self.random.pick(&[20, u64::MAX]));
        let major_before = LocalDay(if self.random.percent(70) { i32::MAX } else { i32::MIN });
        let ledger = self.ledger();
        ledger.set_output_rows_max(rows);
        let scope = CompactionScope { rows: 0..=rows_max, ..CompactionScope::every_size(major_before) };
        if let Some(job) = ledger.begin_compaction(&scope) {
            self.compacted.push(job.run(&AtomicBool::new(false)).unwrap());
            self.shown.count("compactions begun", 1);
            if self.compacted.len() == 2 {
                self.shown.count("compactions begun beside another", 1);
            }
        }
    }

    /// One of the compactions under way, when one is to end now.
    fn compacted_next(&mut self) -> Option<Compacted> {
        let is_next = match self.compacted.len() {
            0 => false,
            1 => self.random.percent(50),
            _ => true,
        };
        is_next.then(|| {
            let nth = if self.random.percent(50) { 0 } else { self.compacted.len() - 1 };
            self.compacted.remove(nth)
        })
    }

    /// A reader keeps a state over commits and compactions: the same question to it has the same answer.
    pub(crate) fn check_held_states(&mut self) {
        for held in &self.held {
            assert_eq!(self.plain(held), held.answer, "what a state said of {} at {}", held.rider, held.at);
        }
        self.shown.count("answers of older states", u64::try_from(self.held.len()).unwrap());
        if self.random.percent(50) {
            self.held.clear();
        }
        let Some(times) = check::times(&self.model) else { return };
        let (rider, at) = (*self.random.pick(&RIDERS), *self.random.pick(&times));
        let view = self.ledger().published().current();
        let mut held = Held { view, rider, at, answer: String::new() };
        held.answer = self.plain(&held);
        self.shown.note(format!("kept: {}", held.answer));
        self.held.push(held);
    }

    fn plain(&self, held: &Held) -> String {
        let question = Question {
            rider_ids: vec![held.rider.to_owned()],
            when: When::Instant(UtcMillis::new(held.at)),
            platforms: None,
            reference: None,
        };
        let terms = Terms { platforms: &self.config.platforms, zone: &self.config.zone };
        serde_json::to_string(&resolve(held.view.as_ref(), terms, &question).unwrap()).unwrap()
    }

    /// A crash after the manifest and, in a directory, before the witness: the next start completes the commit.
    pub(crate) fn crash_before_witness(&mut self, witness: Option<&[u8]>) {
        self.close();
        if let Some((folder, witness)) = self.storage.folder().zip(witness) {
            fs::write(head::path(folder), witness).unwrap();
        }
        self.shown.count("crashes before the witness", 1);
        self.model.facts.restarted();
        self.open();
        self.committed = self.model.clone();
    }

    /// The witness as it lies there, in a directory.
    pub(crate) fn witness(&self) -> Option<Vec<u8>> {
        self.storage.folder().map(|folder| fs::read(head::path(folder)).unwrap())
    }

    /// A crash before the manifest: what a commit put into the store lies there under numbers that nothing names. The
    /// ledger is closed; `next` is its next run number. Returns what was left.
    pub(crate) fn leave_orphans(&mut self, next: u64) {
        let store = acquire(self);
        let mut left = 0;
        // In a segment file, or beside the manifest.
        let writing = store.begin(*self.random.pick(&[Hint::LongLived, Hint::ShortLived]));
        for kind in RUN_KINDS {
            let keys: Vec<_> = store.list(kind, 0).map(Result::unwrap).collect();
            for key in keys {
                // As far as it came.
                if self.random.percent(60) {
                    let value = store.get(&key).unwrap().unwrap();
                    let body = unframe(&key, &value).unwrap();
                    let run = next + u64::try_from(self.random.below(2)).unwrap();
                    let orphan = ValueKey::new(kind, run, key.number());
                    writing.put(&orphan, frame(&orphan, &body, Packing::Lz4)).unwrap();
                    left += 1;
                }
            }
        }
        writing.seal().unwrap();
        self.shown.count("orphans left by crashes", left);
    }

    /// Nothing lies under the numbers of runs from `next` on, but for runs that the start itself wrote: of orders that have
    /// a price now.
    pub(crate) fn no_orphans(&mut self, next: u64) {
        let view = self.ledger().published().current();
        let live: Vec<u64> = view.runs().values().flatten().map(|run| run.id).collect();
        for kind in RUN_KINDS {
            let mut values = view.store().list(kind, next).map(Result::unwrap);
            let stray = values.find(|key| !live.contains(&key.run()));
            assert!(stray.is_none(), "an orphan stays: from {next}, live {live:?}: {stray:?}");
        }
    }
}

fn acquire(drive: &Drive) -> Session {
    let how = Acquire { mode: Mode::WriteExisting, cache_bytes: 4 << 20, index_bytes: 1 << 20 };
    with_retries(|| drive.storage.acquire(&how).map_err(|error| format!("{error:?}")))
}

/// Opens what was just closed, which may still be letting go of its file.
pub(crate) fn with_retries<T>(open: impl Fn() -> Result<T, String>) -> T {
    poll_until("the store was closed", || match open() {
        Ok(opened) => Some(opened),
        Err(error) if error.contains("could not acquire lock") => None,
        Err(error) => panic!("{error}"),
    })
}
