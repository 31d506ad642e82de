//! What one state may have changed since an earlier one, as far as verdicts depend on it: so that few of the questions that were
//! ever answered need to be asked again. It may name more than changed, never less.

use super::Snapshot;
use crate::domain::finality::{CoverMargins, PlatformFinality};
use crate::domain::pending::{PendingKind, RecordTimes, pending_kind};
use crate::domain::platform::{Platforms, Promise};
use crate::domain::rejection::Rejection;
use crate::domain::view::LedgerView;
use crate::domain::window::{Window, subtract, union};
use crate::ledger::error::LedgerResult;
use crate::ledger::run::Run;
use crate::ledger::run::identity::{IdentityHash, RiderHash};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record that was kept, or resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRecord {
    /// Its number.
    pub id: u64,
    /// The rider that it names.
    pub rider: Option<RiderHash>,
    /// The time that it may concern of every rider; `None` where it concerns that rider alone.
    pub everyone: Option<Window>,
    /// Whether it was resolved.
    pub is_resolved: bool,
    /// The commit that kept or resolved it.
    pub commit: u64,
}

/// Runs with new rows, and the times of questions that rows of each may concern.
#[derive(Debug)]
struct ChangedRun {
    run: Arc<Run>,
    window: Window,
}

/// What may have changed.
#[derive(Debug, Default)]
pub struct StateChanges {
    /// Another configuration decides, or the first platform became known: any verdict may be another one.
    pub is_everything: bool,
    runs: Vec<ChangedRun>,
    /// Kept and resolved records.
    pub records: Vec<ChangedRecord>,
    /// Where the finality of a platform changed for every rider.
    pub finality: Vec<(String, Window)>,
    /// Where the cover of open orders may have changed.
    pub open_cover: Vec<Window>,
    /// Where retention dropped days.
    pub dropped: Option<Window>,
}

impl Snapshot {
    /// What this state may have changed since `before`. `platforms` is what they promise now, in both states unless they are
    /// earlier ones.
    ///
    /// # Errors
    /// A kept record cannot be read.
    pub fn changes_since(&self, before: &Self, platforms: &Platforms) -> LedgerResult<StateChanges> {
        let now = self.earlier_promises().unwrap_or(platforms);
        let then = before.earlier_promises().unwrap_or(platforms);
        let known = |state: &Self, platforms: &Platforms| {
            state.completeness().platforms_known(platforms, state.platforms_stored())
        };
        let (known_now, known_then) = (known(self, now), known(before, then));
        let mut changes = StateChanges {
            is_everything: before.root.commit == 0
                || now != then
                || self.widest_cover() != before.widest_cover()
                || known_then.is_empty() != known_now.is_empty(),
            ..StateChanges::default()
        };
        let (lead_ms, tail_ms) = self.widest_cover();
        let margins = CoverMargins { lead_ms, tail_ms };
        for name in &known_now {
            changes.add_finality(name, (self, now), (before, then), margins);
            if !known_then.contains(name) {
                // It kept nothing open then, unless a question named it.
                let line = PlatformFinality::new(name, self.completeness(), now, margins);
                let [all, _] = line.unsettled_for_all();
                changes.finality.extend(all.into_iter().map(|window| (name.clone(), window)));
            }
        }
        let dropped = self.completeness().dropped_until;
        if dropped != before.completeness().dropped_until {
            let until = dropped.map_or(Window::ALWAYS.from, |until| until.plus(self.reach_ms(now)));
            changes.dropped = Some(Window::new(Window::ALWAYS.from, until));
        }
        self.add_runs(before, now, margins, &mut changes);
        self.add_records(before, now, margins, &mut changes)?;
        Ok(changes)
    }

    /// The longest time from the start of an order to the end of what it can concern, tail not counted.
    fn reach_ms(&self, platforms: &Platforms) -> i64 {
        let all = (crate::domain::time::LocalDay(i32::MIN), crate::domain::time::LocalDay(i32::MAX));
        longest_promised_ms(platforms).max(self.longest_order_ms(all))
    }

    fn add_runs(
        &self,
        before: &Self,
        platforms: &Platforms,
        margins: CoverMargins,
        changes: &mut StateChanges,
    ) {
        let reach_ms = self.reach_ms(platforms).saturating_add(margins.tail_ms);
        let changed = self.runs.values().flatten().filter(|run| run.entry.commits.1 > before.root.commit);
        changes.runs.extend(changed.filter(|run| run.entry.rows > 0).map(|run| {
            let (first, last) = run.entry.accepted;
            let window = Window::new(first.minus(margins.lead_ms), last.plus(reach_ms.saturating_add(1)));
            ChangedRun { run: Arc::clone(run), window }
        }));
    }

    fn add_records(
        &self,
        before: &Self,
        platforms: &Platforms,
        margins: CoverMargins,
        changes: &mut StateChanges,
    ) -> LedgerResult<()> {
        // The root of a state as it was known earlier tells the newest number.
        let from = if before.earlier.is_some() { 0 } else { before.root.next_rejection };
        let is_new = |commit: u64| commit > before.root.commit;
        let mut add = |rejection: &Rejection, is_resolved: bool, commit: u64| {
            let everyone = (pending_kind(rejection) == Some(PendingKind::Unreadable))
                .then(|| unreadable_window(rejection, platforms, margins));
            let rider = rejection.readable.rider_id.as_deref().map(RiderHash::of);
            let id = rejection.id;
            changes.records.push(ChangedRecord { id, rider, everyone, is_resolved, commit });
        };
        if self.root.next_rejection > from {
            self.rejected.visit(&self.store, from, |record| {
                if is_new(record.rejection.commit) {
                    add(&record.rejection, false, record.rejection.commit);
                }
                Ok(true)
            })?;
        }
        let resolved = self.rejected.resolved_since(&before.rejected);
        self.rejected.visit_these(&self.store, &resolved, |record| {
            let commit = record.rejection.resolution.as_ref().map_or(0, |resolution| resolution.commit());
            add(&record.rejection, true, commit);
        })
    }
}

/// The longest order that any platform may have.
fn longest_promised_ms(platforms: &Platforms) -> i64 {
    let promises = platforms.registered().map(|(_, promise)| promise);
    promises.chain([platforms.defaults()]).map(|promise| promise.max_order_duration_ms).max().unwrap_or(0)
}

/// The time of questions that an unreadable record may concern: its own on whichever platform, and that of orders that were open
/// then, whose end it may have told.
fn unreadable_window(record: &Rejection, platforms: &Platforms, margins: CoverMargins) -> Window {
    let longest_ms = longest_promised_ms(platforms);
    let times = RecordTimes::of(record);
    let window_of = |promise: &Promise| times.window(promise);
    let promises = platforms.registered().map(|(_, promise)| promise).chain([platforms.defaults()]);
    let widest = promises.map(window_of).reduce(|a, b| Window::new(a.from.min(b.from), a.until.max(b.until)));
    let Window { from, until } = widest.unwrap_or(Window::ALWAYS);
    let before_ms = longest_ms.saturating_add(margins.lead_ms);
    Window::new(
        from.minus(before_ms),
        until.plus(longest_ms.saturating_add(margins.tail_ms).saturating_add(1)),
    )
}

/// What lies in one of two sets of windows only.
fn difference(a: &[Window], b: &[Window]) -> Vec<Window> {
    let only = |of: &[Window], without: &[Window]| {
        of.iter().flat_map(|window| subtract(*window, without)).collect::<Vec<_>>()
    };
    union([only(a, b), only(b, a)].concat())
}

impl StateChanges {
    /// Changes of a state since one that is not known.
    pub fn everything() -> Self {
        Self { is_everything: true, ..Self::default() }
    }

    fn add_finality(
        &mut self,
        name: &str,
        now: (&Snapshot, &Platforms),
        then: (&Snapshot, &Platforms),
        margins: CoverMargins,
    ) {
        let line = |(state, platforms): (&Snapshot, &Platforms)| {
            PlatformFinality::new(name, state.completeness(), platforms, margins)
        };
        let (line_now, line_then) = (line(now), line(then));
        let [all_now, gaps_now] = line_now.unsettled_for_all();
        let [all_then, gaps_then] = line_then.unsettled_for_all();
        let changed = union([difference(&all_now, &all_then), difference(&gaps_now, &gaps_then)].concat());
        self.finality.extend(changed.into_iter().map(|window| (name.to_owned(), window)));
        let through = line_then.complete_through();
        if let Some(until) = line_now.complete_through().filter(|_| through != line_now.complete_through()) {
            // An open order covers for certain up to there, and nothing once the longest order has passed.
            let longest_ms = line_now.promise().max_order_duration_ms.saturating_add(margins.lead_ms);
            let from = through.map_or(Window::ALWAYS.from, |from| from.min(until).minus(longest_ms));
            self.open_cover.push(Window::new(from, until.plus(1)));
        }
    }

    /// Whether nothing that verdicts depend on has changed.
    pub fn is_nothing(&self) -> bool {
        !self.is_everything
            && self.runs.is_empty()
            && self.records.is_empty()
            && self.finality.is_empty()
            && self.open_cover.is_empty()
            && self.dropped.is_none()
    }

    /// The times of questions that new rows may concern, ascending and apart.
    pub fn times_of_rows(&self) -> Vec<Window> {
        union(self.runs.iter().map(|changed| changed.window).collect())
    }

    /// Whether new rows may concern a question: its riders, or the end of an order that was open near its time.
    ///
    /// # Errors
    /// A filter cannot be read.
    pub fn rows_may_concern(
        &self,
        window: Window,
        riders: &[RiderHash],
        open: &[IdentityHash],
    ) -> LedgerResult<bool> {
        for changed in self.runs.iter().filter(|changed| changed.window.overlaps(window)) {
            for rider in riders {
                if changed.run.may_know_hash(*rider)? {
                    return Ok(true);
                }
            }
        }
        // The end of an order may lie on another day than the order itself.
        for changed in self.runs.iter().filter(|_| !open.is_empty()) {
            if changed.run.may_hold_any(open)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The platforms whose finality changed in some of a time.
    pub fn platforms_in(&self, window: Window) -> Vec<String> {
        let met = self.finality.iter().filter(|(_, changed)| changed.overlaps(window));
        let names: BTreeMap<&str, ()> = met.map(|(name, _)| (name.as_str(), ())).collect();
        names.into_keys().map(str::to_owned).collect()
    }
}
