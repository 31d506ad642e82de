//! The leaves of a day: one pass over its rows, shared out among threads that work out what each rider did.

use super::{SealBook, SealingError, name};
use crate::coverage::resolve::rider_day::{DayRules, span_of};
use crate::domain::posting::StoredVersion;
use crate::domain::time::{LocalDay, UtcMillis};
use crate::domain::view::LedgerView as _;
use crate::domain::window::Window;
use crate::ledger::{LedgerResult, RiderRows, RowsWanted, Snapshot, give_way};
use crate::seal::day_tree::Leaf;
use crate::seal::rider_day::RiderDay;
use crate::seal::secret::{SealingSecret, Tag};
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Threads that work out leaves, beside the one that reads.
const WORKERS: usize = 2;
/// Riders that are handed over at a time: enough for one inversion of all their tags.
const RIDERS_AT_A_TIME: usize = 64;
/// Riders' shares that wait for a worker.
const WAITING_MAX: usize = 8;

/// A rider with rows, or one whom only a kept record names.
enum Rider {
    Stored(RiderRows),
    Named(String),
}

impl Rider {
    fn into_versions(self) -> (String, Vec<StoredVersion>) {
        match self {
            Self::Stored(rows) => rows.into_versions(),
            Self::Named(rider_id) => (rider_id, Vec::new()),
        }
    }
}

/// Two ascending lists of riders as one, each rider once.
struct Riders<S: Iterator<Item = LedgerResult<RiderRows>>> {
    stored: Peekable<S>,
    named: Peekable<std::collections::btree_set::IntoIter<String>>,
}

impl<S: Iterator<Item = LedgerResult<RiderRows>>> Iterator for Riders<S> {
    type Item = LedgerResult<Rider>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.stored.peek(), self.named.peek()) {
            (Some(Ok(stored)), Some(named)) if *named < stored.rider_id => {
                self.named.next().map(|named| Ok(Rider::Named(named)))
            }
            (Some(Ok(stored)), Some(named)) if *named == stored.rider_id => {
                self.named.next();
                self.stored.next().map(|stored| stored.map(Rider::Stored))
            }
            (Some(_), _) => self.stored.next().map(|stored| stored.map(Rider::Stored)),
            (None, _) => self.named.next().map(|named| Ok(Rider::Named(named))),
        }
    }
}

impl SealBook<'_> {
    fn riders(
        &self,
        accepted: Option<(Window, UtcMillis)>,
    ) -> Result<impl Iterator<Item = LedgerResult<Rider>>, SealingError> {
        let stored = match accepted {
            Some((accepted, ended_from)) => {
                Some(self.state.scan_riders(RowsWanted { accepted, ended_from })?)
            }
            None => None,
        };
        let named: BTreeSet<String> = self.state.riders_of_unresolved()?;
        Ok(Riders { stored: stored.into_iter().flatten().peekable(), named: named.into_iter().peekable() })
    }

    /// Every rider-day of a day, by ascending rider identifier; those without content are left out.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn rider_days(
        &self,
        day: LocalDay,
    ) -> Result<impl Iterator<Item = Result<RiderDay, SealingError>>, SealingError> {
        let rules = DayRules::new(self.state, self.terms, day);
        let riders = self.riders(rules.accepted())?;
        let rider_days = riders.map(move |rider| -> Result<RiderDay, SealingError> {
            let (rider_id, versions) = rider?.into_versions();
            Ok(rules.of_versions(&rider_id, versions)?)
        });
        Ok(rider_days
            .filter(|found| found.as_ref().map_or(true, |rider_day: &RiderDay| !rider_day.is_empty())))
    }

    /// Computes ahead what sealing the next day takes longest for: the outputs of its riders so far. Returns the day and how many
    /// of its riders are prepared; `None` without a day that has orders and no seal. Ends early when `stop` is set.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn prepare(
        &self,
        secret: &SealingSecret,
        stop: &AtomicBool,
    ) -> Result<Option<(LocalDay, usize)>, SealingError> {
        let mut days = self.state.days_stored();
        let Some(day) = days.find(|day| self.log.newest(*day).is_none()) else { return Ok(None) };
        let span = span_of(self.terms, day);
        let mut riders = self.state.scan_riders(RowsWanted { accepted: span, ended_from: span.from })?;
        let mut prepared = 0_usize;
        loop {
            let share = riders.by_ref().take(RIDERS_AT_A_TIME).collect::<LedgerResult<Vec<RiderRows>>>()?;
            if share.is_empty() || stop.load(Ordering::Relaxed) {
                return Ok(Some((day, prepared)));
            }
            let rider_ids: Vec<&str> = share.iter().map(|rider| rider.rider_id.as_str()).collect();
            prepared = prepared.saturating_add(secret.prepare(&rider_ids, day));
            give_way();
        }
    }

    /// The leaf of every rider of a day, in no order; `None` when `stop` was set meanwhile.
    ///
    /// # Errors
    /// The state cannot be read, or a time has no text.
    pub(super) fn leaves(
        &self,
        day: LocalDay,
        secret: &SealingSecret,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Leaf>>, SealingError> {
        let rules = DayRules::new(self.state, self.terms, day);
        let riders = self.riders(rules.accepted())?;
        let (has_failed, (shares, to_do)) = (AtomicBool::new(false), sync_channel(WAITING_MAX));
        // It is gone with the last worker: then nothing more is handed over.
        let to_do = Arc::new(Mutex::new(to_do));
        let is_over = || stop.load(Ordering::Relaxed) || has_failed.load(Ordering::Relaxed);
        let work = |to_do: &Mutex<Receiver<Vec<Rider>>>| {
            let leaves = work_out(to_do, &rules, (day, secret), &is_over);
            has_failed.fetch_or(leaves.is_err(), Ordering::Relaxed);
            leaves
        };
        let done: Vec<Result<Vec<Leaf>, SealingError>> = thread::scope(|scope| {
            let (work, to_do) = (&work, to_do);
            let start = |to_do: Arc<_>| scope.spawn(move || work(&to_do));
            let workers: Vec<_> = (0..WORKERS).map(|_| start(Arc::clone(&to_do))).collect();
            drop(to_do);
            let read = read_all(riders, &is_over, |share| shares.send(share).is_ok());
            drop(shares);
            let joined = workers.into_iter().map(|worker| {
                // A panic is a defect; it goes on as one.
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.chain([read.map(|()| Vec::new())]).collect()
        });
        let leaves = done.into_iter().collect::<Result<Vec<Vec<Leaf>>, SealingError>>()?.concat();
        Ok((!stop.load(Ordering::Relaxed)).then_some(leaves))
    }
}

/// Hands riders over, some at a time, until `hand_over` takes no more.
fn read_all(
    riders: impl Iterator<Item = LedgerResult<Rider>>,
    is_over: &impl Fn() -> bool,
    mut hand_over: impl FnMut(Vec<Rider>) -> bool,
) -> Result<(), SealingError> {
    let mut share = Vec::with_capacity(RIDERS_AT_A_TIME);
    for rider in riders {
        share.push(rider?);
        if share.len() == RIDERS_AT_A_TIME {
            if is_over() || !hand_over(std::mem::take(&mut share)) {
                return Ok(());
            }
            give_way();
        }
    }
    // Without a receiver a worker has failed, and says so.
    let _taken = hand_over(share);
    Ok(())
}

/// Works out the leaves of shares until there are no more.
fn work_out(
    to_do: &Mutex<Receiver<Vec<Rider>>>,
    rules: &DayRules<'_, Snapshot>,
    (day, secret): (LocalDay, &SealingSecret),
    is_over: &impl Fn() -> bool,
) -> Result<Vec<Leaf>, SealingError> {
    let mut leaves = Vec::new();
    let next = || to_do.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
    while let Some(share) = next() {
        // What is handed over is taken, so that the reader does not wait.
        if is_over() {
            continue;
        }
        let mut rider_days = Vec::with_capacity(share.len());
        for rider in share {
            let (rider_id, versions) = rider.into_versions();
            let rider_day = rules.of_versions(&rider_id, versions)?;
            if !rider_day.is_empty() {
                rider_days.push(rider_day);
            }
        }
        leaves.extend(leaves_of(&rider_days, day, secret)?);
        give_way();
    }
    Ok(leaves)
}

fn leaves_of(
    rider_days: &[RiderDay],
    day: LocalDay,
    secret: &SealingSecret,
) -> Result<Vec<Leaf>, SealingError> {
    let rider_ids: Vec<&str> = rider_days.iter().map(|rider_day| rider_day.rider_id.as_str()).collect();
    let outputs = secret.outputs(&rider_ids, day);
    let leaf = |(rider_day, output): (&RiderDay, Option<_>)| {
        let tag = Tag::of_output(&output?, day)?;
        Some(Leaf { tag, commitment: rider_day.opening(secret)?.commitment })
    };
    let leaves: Option<Vec<Leaf>> = rider_days.iter().zip(outputs).map(leaf).collect();
    let what = "a time of an order lies outside the years 0000 to 9999: correct the order";
    leaves.ok_or_else(|| SealingError::Unsealable { day: name(day), what })
}
