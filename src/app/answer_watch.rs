//! Follows the commits of the ledger for the logged answers: which questions a commit may concern follows from its rows, its kept
//! records and the facts of finality that it changed. Those are asked again, and where the verdict differs from that of the newest
//! entry about it, another entry says so, with the event that changed it.

use crate::answers::index::Watchable;
use crate::answers::watch::{Watch, Watched};
use crate::answers::{AnswerLog, AnswerLogError, Asked, Content, Draft, Event, OpenOrder};
use crate::coverage::Terms;
use crate::coverage::answer::Answer;
use crate::coverage::question::Question;
use crate::coverage::resolve::resolve;
use crate::coverage::scoped_view::ScopedView;
use crate::domain::data_scope::DataScope;
use crate::domain::order::Phase;
use crate::domain::platform::Platforms;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::{KnownAt, LedgerView};
use crate::ledger::{ChangedRecord, IdentityHash, LedgerError, RiderHash, Snapshot, StateChanges};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The file that tells up to which commit the logged answers were looked at.
const CHECKED: &str = "checked";
/// How often it is written, at most: what is not noted is looked at again after a start.
const CHECKED_EVERY: Duration = Duration::from_secs(1);

/// Why logged answers could not be looked at.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The log.
    #[error(transparent)]
    Log(#[from] AnswerLogError),
}

/// Watches the logged answers of one log.
#[derive(Debug)]
pub struct AnswerWatch {
    log: AnswerLog,
    watch: Watch,
    platforms: Platforms,
    zone: Zone,
    /// The state up to which answers were looked at; `None` before the first.
    state: Option<Arc<Snapshot>>,
    checked_written: Option<Instant>,
}

impl AnswerWatch {
    /// Watches a log, under the configuration in force.
    pub fn new(log: AnswerLog, platforms: Platforms, zone: Zone) -> Self {
        Self { log, watch: Watch::default(), platforms, zone, state: None, checked_written: None }
    }

    /// Looks at what the newest state may have changed. Returns how many questions were asked again.
    ///
    /// # Errors
    /// The ledger cannot be read, or the log cannot be written. The next step looks at the same changes again.
    pub fn step(&mut self, newest: &Arc<Snapshot>, now: UtcMillis) -> Result<usize, WatchError> {
        let commit = newest.root().commit;
        let checked = self.state.as_ref().map(|state| state.root().commit);
        let mut wanted = self.take_new(checked.unwrap_or(0));
        self.watch.drop_before(self.log.first());
        if checked == Some(commit) && wanted.is_empty() {
            return Ok(0);
        }
        let changes = match self.state_before(newest)? {
            Some(before) => newest.changes_since(&before, &self.platforms)?,
            None => StateChanges::everything(),
        };
        self.add_concerned(&changes, &mut wanted)?;
        let mut asked = 0_usize;
        for number in wanted {
            // What was answered from this state or a later one is looked at with the next changes.
            let earlier = |watched: &&Watched| watched.commit < commit;
            let Some(watched) = self.watch.get(number).filter(earlier).cloned() else { continue };
            self.ask_again(&watched, newest, &changes, now)?;
            asked = asked.saturating_add(1);
        }
        self.state = Some(Arc::clone(newest));
        self.note_checked()?;
        Ok(asked)
    }

    /// Takes new entries in. Returns those that were answered from an older state than the one that was looked at last.
    fn take_new(&mut self, checked: u64) -> BTreeSet<u64> {
        let mut older = BTreeSet::new();
        for watchable in self.log.take_watchables() {
            if watchable.commit < checked {
                older.insert(watchable.number);
            }
            self.watch.insert(watched(watchable));
        }
        older
    }

    /// The state up to which answers were looked at; `None` when it is not known.
    fn state_before(&self, newest: &Arc<Snapshot>) -> Result<Option<Arc<Snapshot>>, LedgerError> {
        if let Some(state) = &self.state {
            return Ok(Some(Arc::clone(state)));
        }
        let text = fs::read_to_string(self.log.file(CHECKED)).unwrap_or_default();
        let checked = text.trim().parse().ok().filter(|checked| *checked <= newest.root().commit);
        let Some(commit) = checked.filter(|commit| *commit > 0) else { return Ok(None) };
        newest.known_at(KnownAt::Commit(commit)).map(|state| Some(Arc::new(state)))
    }

    /// Adds the questions that changes may concern.
    fn add_concerned(&self, changes: &StateChanges, wanted: &mut BTreeSet<u64>) -> Result<(), LedgerError> {
        if changes.is_everything {
            wanted.extend(self.watch.all().map(|watched| watched.number));
            return Ok(());
        }
        if changes.is_nothing() {
            return Ok(());
        }
        let in_time = |window| self.watch.in_time(window).map(|watched| watched.number);
        let windows = changes.finality.iter().map(|(_, window)| *window).chain(changes.dropped);
        wanted.extend(windows.flat_map(in_time));
        for record in &changes.records {
            let of_rider = record.rider.into_iter().flat_map(|rider| self.watch.of_rider(rider.get()));
            wanted.extend(of_rider.map(|watched| watched.number));
            wanted.extend(record.everyone.into_iter().flat_map(in_time));
        }
        for window in &changes.open_cover {
            let open = self.watch.with_open().filter(|watched| watched.window.overlaps(*window));
            wanted.extend(open.map(|watched| watched.number));
        }
        let times = changes.times_of_rows();
        let near = times.iter().flat_map(|window| self.watch.in_time(*window));
        for watched in near.chain(self.watch.with_open()) {
            if wanted.contains(&watched.number) {
                continue;
            }
            let riders: Vec<RiderHash> = watched.riders.iter().copied().map(RiderHash::new).collect();
            let open: Vec<IdentityHash> =
                watched.open.iter().copied().filter_map(IdentityHash::new).collect();
            if changes.rows_may_concern(watched.window, &riders, &open)? {
                wanted.insert(watched.number);
            }
        }
        Ok(())
    }

    fn ask_again(
        &mut self,
        watched: &Watched,
        newest: &Arc<Snapshot>,
        changes: &StateChanges,
        now: UtcMillis,
    ) -> Result<(), WatchError> {
        let Some(entry) = self.log.entry(watched.number)? else { return Ok(()) };
        let Content::Answer { principal, question: Asked::Coverage(asked), .. } = &entry.content else {
            return Ok(());
        };
        let Some(scope) = principal.scope() else { return Ok(()) };
        let question = asked.question();
        let Some(answer) = self.ask(newest, &scope, &question)? else { return Ok(()) };
        let verdict = answer.verdict.as_str();
        let open = open_hashes(&open_orders(&answer));
        if verdict == &*watched.verdict_now {
            self.watch.asked_again(watched.number, (verdict, newest.root().commit), open);
            return Ok(());
        }
        let (state, answer) = self.first_other(watched, newest, (&scope, &question), answer)?;
        let event = match self.changes_of(&state, newest)? {
            Some(own) => event(watched, &state, &answer, &own)?,
            None => event(watched, &state, &answer, changes)?,
        };
        let content = Content::Changed { answer: watched.number, verdict: verdict.to_owned(), event };
        self.log.append_blocking(Draft { at: now, content })?;
        self.watch.asked_again(watched.number, (verdict, newest.root().commit), open);
        Ok(())
    }

    /// The answer of a state; `None` where the question cannot be answered.
    fn ask(
        &self,
        state: &Arc<Snapshot>,
        scope: &DataScope,
        question: &Question,
    ) -> Result<Option<Answer>, LedgerError> {
        let platforms = state.earlier_promises().unwrap_or(&self.platforms);
        let own = scope.platform().map(|name| platforms.only(name));
        let view = ScopedView::new(Arc::clone(state), scope, platforms);
        let terms = Terms { platforms: own.as_ref().unwrap_or(platforms), zone: &self.zone };
        match resolve(&view, terms, question) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if Snapshot::refusal(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first state after the one that was looked at last whose verdict is that of the newest, and its answer.
    fn first_other(
        &self,
        watched: &Watched,
        newest: &Arc<Snapshot>,
        (scope, question): (&DataScope, &Question),
        answer: Answer,
    ) -> Result<(Arc<Snapshot>, Answer), LedgerError> {
        let checked = self.state.as_ref().map_or(0, |state| state.root().commit);
        let mut same = checked.max(watched.commit_now);
        let (mut other, mut found) = (newest.root().commit, (Arc::clone(newest), answer));
        while other.saturating_sub(same) > 1 {
            let middle = same.midpoint(other);
            let state = match newest.known_at(KnownAt::Commit(middle)) {
                Ok(state) => Arc::new(state),
                Err(error) if Snapshot::refusal(&error).is_some() => break,
                Err(error) => return Err(error),
            };
            match self.ask(&state, scope, question)? {
                Some(answer) if answer.verdict == found.1.verdict => {
                    (other, found) = (middle, (state, answer))
                }
                _ => same = middle,
            }
        }
        Ok(found)
    }

    /// What the commit of a state changed, unless that is what is looked at anyway.
    fn changes_of(
        &self,
        state: &Arc<Snapshot>,
        newest: &Arc<Snapshot>,
    ) -> Result<Option<StateChanges>, LedgerError> {
        let commit = state.root().commit;
        let checked = self.state.as_ref().map(|state| state.root().commit.saturating_add(1));
        if commit <= 1 || (commit == newest.root().commit && checked == Some(commit)) {
            return Ok(None);
        }
        match newest.known_at(KnownAt::Commit(commit.saturating_sub(1))) {
            Ok(before) => state.changes_since(&before, &self.platforms).map(Some),
            Err(error) if Snapshot::refusal(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn note_checked(&mut self) -> Result<(), AnswerLogError> {
        let Some(state) = &self.state else { return Ok(()) };
        if self.checked_written.is_none_or(|at| at.elapsed() >= CHECKED_EVERY) {
            self.checked_written = Some(Instant::now());
            self.log.write_file(CHECKED, &format!("{}\n", state.root().commit))?;
        }
        Ok(())
    }

    /// Notes up to which commit answers were looked at.
    ///
    /// # Errors
    /// The disk fails.
    pub fn finish(&mut self) -> Result<(), AnswerLogError> {
        self.checked_written = None;
        self.note_checked()
    }
}

fn watched(watchable: Watchable) -> Watched {
    Watched {
        number: watchable.number,
        commit: watchable.commit,
        window: watchable.window,
        riders: watchable.rider_ids.iter().map(|rider| RiderHash::of(rider).get()).collect(),
        open: open_hashes(&watchable.open_orders),
        verdict: watchable.verdict.into(),
        verdict_now: watchable.verdict_now.into(),
        commit_now: watchable.commit_now,
    }
}

/// The orders of an answer whose end may change its verdict.
fn open_orders(answer: &Answer) -> Vec<OpenOrder> {
    OpenOrder::of(&answer.open_near)
}

/// The hashes of the ended events of orders, ascending.
fn open_hashes(orders: &[OpenOrder]) -> Box<[u64]> {
    let hash =
        |order: &OpenOrder| IdentityHash::of(&order.platform, &order.order_id, order.leg, Phase::Ended).get();
    let hashes: BTreeSet<u64> = orders.iter().map(hash).collect();
    hashes.into_iter().collect()
}

/// The order of an answer that a commit booked, amended or moved.
fn order_of(answer: &Answer, commit: u64) -> Option<Event> {
    let booked = answer.windows.iter().filter(|line| line.commit == commit).map(|line| (line, line.revision));
    let superseded = answer.superseded.iter().filter(|line| line.superseded_by.commit == commit);
    let superseded = superseded.map(|line| (&line.window, line.superseded_by.revision));
    let (line, revision) = booked.chain(superseded).next()?;
    let (platform, order_id) = (line.platform.clone(), line.order_id.clone());
    Some(Event::Order { platform, order_id, leg: line.leg, revision, commit })
}

/// What of a commit changed the verdict.
fn event(
    watched: &Watched,
    state: &Arc<Snapshot>,
    answer: &Answer,
    changes: &StateChanges,
) -> Result<Event, LedgerError> {
    let commit = state.root().commit;
    if let Some(event) = order_of(answer, commit) {
        return Ok(event);
    }
    for (platform, order_id, leg) in &answer.open_near {
        let versions = state.order_versions(platform, order_id)?;
        let of_commit =
            versions.iter().find(|version| version.posting.commit == commit && version.posting.leg == *leg);
        if let Some(version) = of_commit {
            let (platform, order_id) = (platform.clone(), order_id.clone());
            return Ok(Event::Order {
                platform,
                order_id,
                leg: *leg,
                revision: version.posting.revision,
                commit,
            });
        }
    }
    let concerns = |record: &&ChangedRecord| {
        let is_riders = record.rider.is_some_and(|rider| watched.riders.contains(&rider.get()));
        record.commit == commit
            && (is_riders || record.everyone.is_some_and(|window| window.overlaps(watched.window)))
    };
    if let Some(record) = changes.records.iter().find(concerns) {
        return Ok(Event::Record { rejection: record.id, is_resolved: record.is_resolved, commit });
    }
    if changes.dropped.is_some_and(|dropped| dropped.overlaps(watched.window)) {
        return Ok(Event::Retention { commit });
    }
    let mut platforms = changes.platforms_in(watched.window);
    if platforms.is_empty() && changes.is_everything {
        return Ok(Event::Configuration { commit });
    }
    if platforms.is_empty() {
        // How long an open order covers depends on how far its platform is complete, wherever that is.
        platforms = answer.open_near.iter().map(|(platform, ..)| platform.clone()).collect();
        platforms.sort_unstable();
        platforms.dedup();
    }
    Ok(Event::Completeness { platforms, commit })
}
