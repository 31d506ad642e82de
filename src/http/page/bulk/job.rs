//! Lists that are answered, or were a short time ago: bounded in number, lines and bytes, each for the principal who sent it.

use crate::access::PrincipalKind;
use crate::domain::time::{HOUR_MS, UtcMillis};
use crate::domain::verdict::Verdict;
use crate::http::access::Asker;
use data_encoding::BASE64URL_NOPAD;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lists of one principal that are worked on at a time.
pub(super) const RUNNING_MAX: usize = 2;
/// Lists of one principal that are kept.
pub(super) const KEPT_MAX: usize = 5;
/// Lists of all.
const ALL_MAX: usize = 64;
/// Bytes of the results of all lists.
const RESULT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Results are removed so long after the end, in milliseconds.
const KEPT_FOR_MS: i64 = HOUR_MS;
/// What a line takes in memory besides its texts.
const LINE_BYTES: usize = size_of::<Line>();

/// Who sent a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    kind: PrincipalKind,
    name: String,
}

impl Owner {
    pub(super) fn of(asker: &Asker) -> Self {
        Self { kind: asker.principal.kind, name: asker.principal.name.clone() }
    }
}

/// The answer to a row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) rider_ids: Vec<String>,
    /// The time, as it was given.
    pub(super) time: String,
    pub(super) reference: String,
    pub(super) outcome: Option<Outcome>,
    /// Whether nothing that still arrives can change it.
    pub(super) settled: bool,
    /// Platform and identifier of covering orders: the first ones.
    pub(super) orders: Vec<(String, String)>,
    /// How many more cover it.
    pub(super) more_orders: usize,
    /// The platforms that are not settled, each with its reason.
    pub(super) open_platforms: Vec<(String, &'static str)>,
    pub(super) ask_again_at: String,
    /// Why there is no answer.
    pub(super) error: String,
}

/// The verdict of a line; of a rider of whom nothing is stored, that nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// A verdict.
    Verdict(Verdict),
    /// Nothing is stored of any identifier.
    NoRecord,
}

impl Outcome {
    /// As downloads and style sheets name it.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.as_str(),
            Self::NoRecord => "no_record",
        }
    }
}

impl Line {
    fn bytes(&self) -> usize {
        const PAIR: usize = size_of::<(String, String)>();
        let riders: usize = self.rider_ids.iter().map(|id| id.len() + size_of::<String>()).sum();
        let orders: usize = self.orders.iter().map(|(name, id)| name.len() + id.len() + PAIR).sum();
        let open: usize = self.open_platforms.iter().map(|(name, _)| name.len() + PAIR).sum();
        let texts = [&self.time, &self.reference, &self.ask_again_at, &self.error];
        texts.into_iter().map(String::len).sum::<usize>() + riders + orders + open + LINE_BYTES
    }
}

/// How a list came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every row has its line.
    Done,
    /// The service stops, or the list was removed.
    Stopped,
    /// The ledger could not be read.
    Failed,
    /// The answers could not be logged.
    Unlogged,
    /// The results take too much memory.
    TooLarge,
}

/// How far a list is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) lines: Vec<Line>,
    /// The commit of the state that answers.
    pub(super) commit: u64,
    pub(super) end: Option<(End, UtcMillis)>,
}

/// A list and its results.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) rows: usize,
    pub(super) begun: UtcMillis,
    owner: Owner,
    progress: Mutex<Progress>,
    bytes: AtomicUsize,
    all_bytes: Arc<AtomicUsize>,
    is_over: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Looks at the progress.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&locked(&self.progress))
    }

    pub(super) fn begin(&self, commit: u64) {
        locked(&self.progress).commit = commit;
    }

    /// Whether the work should end before its time.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Keeps the next line; `false` when no memory is left for it.
    pub(super) fn push(&self, line: Line) -> bool {
        let bytes = line.bytes();
        if self.all_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > RESULT_BYTES_MAX {
            self.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        locked(&self.progress).lines.push(line);
        true
    }

    /// Ends the work, once.
    pub(super) fn finish(&self, end: End, now: UtcMillis) {
        locked(&self.progress).end.get_or_insert((end, now));
    }

    pub(super) fn end(&self) -> Option<End> {
        self.look(|progress| progress.end.map(|(end, _)| end))
    }

    fn is_expired(&self, now: UtcMillis) -> bool {
        self.look(|progress| progress.end.is_some_and(|(_, at)| now.since(at) >= KEPT_FOR_MS))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Why a list is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many of the principal are worked on as may be.
    Running,
    /// As many of the principal are kept as may be.
    Kept,
    /// As many of all are kept as may be, or there are no random numbers for a name.
    Busy,
}

/// Every list of the service. They are in memory only: a restart removes them.
#[derive(Debug, Default)]
pub(in crate::http) struct Jobs {
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    bytes: Arc<AtomicUsize>,
    is_stopping: AtomicBool,
}

impl Jobs {
    /// The service stops: what is worked on ends.
    pub(in crate::http) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        locked(&self.jobs).values().for_each(|job| job.is_over.store(true, Ordering::Relaxed));
    }

    /// Whether no list is worked on.
    #[cfg(test)]
    pub(in crate::http) fn all_ended(&self) -> bool {
        locked(&self.jobs).values().all(|job| job.end().is_some())
    }

    /// Takes a list of `rows` rows.
    pub(super) fn add(&self, owner: &Owner, rows: usize, now: UtcMillis) -> Result<Arc<Job>, Refused> {
        let id = new_id().ok_or(Refused::Busy)?;
        let mut jobs = locked(&self.jobs);
        jobs.retain(|_, job| !job.is_expired(now));
        let own = jobs.values().filter(|job| job.owner == *owner);
        let (mut kept, mut running) = (0, 0);
        own.for_each(|job| {
            kept += 1;
            running += usize::from(job.end().is_none());
        });
        if running >= RUNNING_MAX {
            return Err(Refused::Running);
        }
        if kept >= KEPT_MAX {
            return Err(Refused::Kept);
        }
        if jobs.len() >= ALL_MAX || self.is_stopping.load(Ordering::Relaxed) {
            return Err(Refused::Busy);
        }
        let job = Arc::new(Job {
            id: id.clone(),
            rows,
            begun: now,
            owner: owner.clone(),
            progress: Mutex::default(),
            bytes: AtomicUsize::new(0),
            all_bytes: Arc::clone(&self.bytes),
            is_over: AtomicBool::new(false),
        });
        jobs.insert(id, Arc::clone(&job));
        Ok(job)
    }

    /// A list of this principal that has not expired.
    pub(super) fn get(&self, id: &str, owner: &Owner, now: UtcMillis) -> Option<Arc<Job>> {
        let mut jobs = locked(&self.jobs);
        jobs.retain(|_, job| !job.is_expired(now));
        jobs.get(id).filter(|job| job.owner == *owner).cloned()
    }

    /// A principal's lists, the newest first.
    pub(super) fn of(&self, owner: &Owner, now: UtcMillis) -> Vec<Arc<Job>> {
        let mut jobs = locked(&self.jobs);
        jobs.retain(|_, job| !job.is_expired(now));
        let mut own: Vec<Arc<Job>> = jobs.values().filter(|job| job.owner == *owner).cloned().collect();
        own.sort_by_key(|job| std::cmp::Reverse(job.begun));
        own
    }

    /// Removes a principal's list and its results, and ends the work on it; whether there was one.
    pub(super) fn remove(&self, id: &str, owner: &Owner, now: UtcMillis) -> bool {
        let Some(job) = self.get(id, owner, now) else { return false };
        job.is_over.store(true, Ordering::Relaxed);
        locked(&self.jobs).remove(id).is_some()
    }
}

/// A random name, which cannot be guessed.
fn new_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(BASE64URL_NOPAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner { kind: PrincipalKind::Account, name: name.to_owned() }
    }

    #[test]
    fn lists_are_bounded_and_expire_and_belong_to_one_principal() {
        let (jobs, now) = (Jobs::default(), UtcMillis::new(0));
        let (li, wu) = (owner("li"), owner("wu"));
        let first = jobs.add(&li, 3, now).unwrap();
        let second = jobs.add(&li, 3, now.plus(1)).unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(jobs.add(&li, 3, now).unwrap_err(), Refused::Running);
        // A token of the same name is another principal.
        let token = Owner { kind: PrincipalKind::Token, ..li.clone() };
        assert!(jobs.get(&first.id, &li, now).is_some());
        for other in [&wu, &token] {
            assert!(jobs.get(&first.id, other, now).is_none() && !jobs.remove(&first.id, other, now));
        }
        first.finish(End::Done, now.plus(10));
        for number in 0..3 {
            jobs.add(&li, 1, now.plus(10 + number)).unwrap().finish(End::Done, now.plus(20));
        }
        assert_eq!(jobs.add(&li, 1, now.plus(20)).unwrap_err(), Refused::Kept);
        assert_eq!(jobs.of(&li, now.plus(20)).len(), KEPT_MAX);
        // The first has expired; the second still runs and does not expire.
        let later = now.plus(10 + KEPT_FOR_MS);
        assert!(jobs.get(&first.id, &li, later).is_none());
        assert_eq!(jobs.of(&li, later.plus(HOUR_MS)).len(), 1);
        assert!(jobs.remove(&second.id, &li, later) && second.is_over());
        assert!(jobs.of(&li, later).is_empty());
    }

    #[test]
    fn results_take_bounded_memory_and_give_it_back() {
        let (jobs, now) = (Jobs::default(), UtcMillis::new(0));
        let job = jobs.add(&owner("li"), 3, now).unwrap();
        let line = || Line { error: "x".repeat(RESULT_BYTES_MAX / 2), ..Line::default() };
        assert!(job.push(line()) && !job.push(line()));
        let other = jobs.add(&owner("wu"), 3, now).unwrap();
        assert!(!other.push(line()) && other.push(Line::default()));
        assert!(jobs.remove(&job.id, &owner("li"), now));
        drop(job);
        assert!(other.push(line()));
    }

    #[test]
    fn a_stop_ends_every_list_and_takes_no_more() {
        let (jobs, now) = (Jobs::default(), UtcMillis::new(0));
        let job = jobs.add(&owner("li"), 3, now).unwrap();
        assert!(!job.is_over());
        jobs.stop();
        assert!(job.is_over());
        assert_eq!(jobs.add(&owner("wu"), 1, now).unwrap_err(), Refused::Busy);
        // The first end counts.
        job.finish(End::Stopped, now);
        job.finish(End::Done, now);
        assert_eq!(job.end(), Some(End::Stopped));
    }
}
