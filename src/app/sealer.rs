//! Seals settled days in the background: one day at a time from a published state, added to the ledger by the writer between
//! two commits.

use super::event_log::EventLog;
use super::threads::{Threads, Urgency};
use crate::config::Config;
use crate::coverage::Terms;
use crate::domain::platform::Platforms;
use crate::domain::time::Zone;
use crate::ledger::{Ledger, NewSeal, Snapshot};
use crate::seal::instant::day_text;
use crate::sealing::secrets::Secrets;
use crate::sealing::{Outcome, SealBook, SealingError};
use crate::telemetry::clock::Clock;
use crate::wait::Stop;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// How often the writer has a state looked through when nothing was due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// When a day that could not be sealed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(600);
/// How often the riders of the next day are looked through: most are known then before the day is sealed.
const PREPARE_EVERY: Duration = Duration::from_secs(3600);
/// Days that are looked at in one state before the writer hears of them: their seals still agreed.
const AGREEING_MAX: usize = 64;

/// What one look at a state came to.
#[derive(Debug, Default)]
struct Found {
    /// A day to be added.
    seal: Option<(String, Box<NewSeal>)>,
    /// How long it took to build.
    took: Duration,
    /// Seals that agree with the state.
    agree: Vec<u64>,
    /// Newest commit and next run of the state.
    as_of: (u64, u64),
    /// Days that are due after these.
    due: usize,
}

/// The writer's end: at most one state is looked through.
#[derive(Debug)]
pub struct Sealer {
    states: SyncSender<Arc<Snapshot>>,
    found: Receiver<Result<Found, SealingError>>,
    is_under_way: bool,
    /// When to look again.
    next: Instant,
    event_log: EventLog,
    /// Told of each new checkpoint.
    publisher: Option<Sender<()>>,
}

/// The sealing thread's end.
#[derive(Debug)]
struct SealingThread {
    states: Receiver<Arc<Snapshot>>,
    found: SyncSender<Result<Found, SealingError>>,
    secrets: Arc<Secrets>,
    platforms: Platforms,
    zone: Zone,
    stop: Stop,
    /// When to prepare the next day.
    prepare_at: Instant,
}

/// Starts the sealing thread, if there are secrets to seal with. `publisher` receives each new checkpoint.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    secrets: Option<&Arc<Secrets>>,
    config: &Config,
    (event_log, publisher): (&EventLog, Option<Sender<()>>),
    stop: &Stop,
    threads: &mut Threads,
) -> anyhow::Result<Option<Sealer>> {
    let Some(secrets) = secrets else { return Ok(None) };
    let (states, to_look_at) = sync_channel(1);
    let (ready, found) = sync_channel(1);
    let (next, event_log) = (Instant::now(), event_log.clone());
    let sealer = Sealer { states, found, is_under_way: false, next, event_log, publisher };
    let (platforms, zone) = (config.platforms.clone(), config.zone.clone());
    let (secrets, stop) = (Arc::clone(secrets), stop.clone());
    let prepare_at = Instant::now();
    let thread =
        SealingThread { states: to_look_at, found: ready, secrets, platforms, zone, stop, prepare_at };
    threads.start("sealer", Urgency::Background, move || thread.run())?;
    Ok(Some(sealer))
}

impl SealingThread {
    /// Works until the writer is gone.
    fn run(mut self) -> anyhow::Result<()> {
        while let Ok(state) = self.states.recv() {
            let found = self.look(&state);
            let is_idle = found.as_ref().is_ok_and(|found| found.seal.is_none() && found.due == 0);
            if self.found.send(found).is_err() {
                break;
            }
            if is_idle && Instant::now() >= self.prepare_at {
                self.prepare(&state);
            }
        }
        Ok(())
    }

    /// Prepares the next day. A failure only makes its sealing longer, and comes up again when the day is sealed.
    fn prepare(&mut self, state: &Snapshot) {
        let begun = Instant::now();
        let terms = Terms { platforms: &self.platforms, zone: &self.zone };
        let prepared = SealBook::of(state, terms)
            .and_then(|book| book.prepare(self.secrets.sealing(), self.stop.flag()));
        match prepared {
            Ok(Some((day, riders))) => {
                let (day, took_ms) = (day_text(day).unwrap_or_default(), begun.elapsed().as_millis());
                debug!(day, riders, took_ms, "prepared the next day to be sealed");
            }
            Ok(None) => {}
            Err(problem) => {
                warn!(%problem, "Failed to prepare the next day to be sealed: its sealing takes longer")
            }
        }
        self.prepare_at = Instant::now() + PREPARE_EVERY;
    }

    /// Builds the seal of the first day that is due and needs one.
    fn look(&self, state: &Snapshot) -> Result<Found, SealingError> {
        let book = SealBook::of(state, Terms { platforms: &self.platforms, zone: &self.zone })?;
        let mut found = Found { as_of: (state.root().commit, state.root().next_run), ..Found::default() };
        let mut due = book.due()?.into_iter();
        for day in due.by_ref() {
            let begun = Instant::now();
            match book.seal(day, self.secrets.sealing(), self.stop.flag())? {
                Outcome::Stopped => break,
                Outcome::Agrees(index) => found.agree.push(index),
                Outcome::Sealed(seal) => {
                    found.seal = Some((day_text(day).unwrap_or_default(), seal));
                    found.took = begun.elapsed();
                    break;
                }
            }
            if found.agree.len() >= AGREEING_MAX {
                break;
            }
        }
        found.due = due.count();
        Ok(found)
    }
}

impl Sealer {
    /// Adds what was sealed, and has the newest state looked through when it is time.
    ///
    /// # Errors
    /// A failed write, which poisons the ledger; the sealing thread is gone.
    pub fn step(&mut self, ledger: &mut Ledger, clock: &Clock, may_begin: bool) -> anyhow::Result<()> {
        if self.is_under_way {
            match self.found.try_recv() {
                Ok(found) => self.add(found, ledger, clock)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => anyhow::bail!("the sealing thread is gone"),
            }
        }
        if may_begin && Instant::now() >= self.next {
            if self.states.send(ledger.published().current()).is_err() {
                anyhow::bail!("the sealing thread is gone");
            }
            self.is_under_way = true;
        }
        Ok(())
    }

    fn add(
        &mut self,
        found: Result<Found, SealingError>,
        ledger: &mut Ledger,
        clock: &Clock,
    ) -> anyhow::Result<()> {
        self.is_under_way = false;
        let found = match found {
            Ok(found) => found,
            Err(problem) => {
                // Answers do not depend on seals: the service goes on.
                self.event_log.seal_failed(&problem);
                self.next = Instant::now() + RETRY_AFTER;
                return Ok(());
            }
        };
        if !found.agree.is_empty() {
            ledger.confirm_seals(&found.agree, found.as_of, clock.now())?;
        }
        if let Some((day, seal)) = &found.seal {
            ledger.add_seal(seal, clock.now())?;
            self.event_log.sealed(day, seal, found.took);
            // A publisher that is gone tells its own failure.
            let _told = self.publisher.as_ref().map(|publisher| publisher.send(()));
        }
        self.event_log.metrics.seals_due(u64::try_from(found.due).unwrap_or(u64::MAX));
        self.next = Instant::now() + if found.due > 0 { Duration::ZERO } else { LOOK_EVERY };
        Ok(())
    }
}
