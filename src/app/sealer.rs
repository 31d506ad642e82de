//! Seals settled days in the background: one day at a time from a published state, added to the ledger by the writer between
//! two commits.

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
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tracing::{error, info};

/// How often the writer has a state looked through when nothing was due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Days that are looked at in one state before the writer hears of them: their seals still agreed.
const AGREEING_MAX: usize = 64;

/// What one look at a state came to.
#[derive(Debug, Default)]
struct Found {
    /// A day to be added.
    seal: Option<(String, Box<NewSeal>)>,
    /// Seals that agree with the state.
    agree: Vec<u64>,
    /// Newest commit and next run of the state.
    as_of: (u64, u64),
    /// Whether more is due.
    is_more_due: bool,
}

/// The writer's end: at most one state is looked through.
#[derive(Debug)]
pub struct Sealer {
    states: SyncSender<Arc<Snapshot>>,
    found: Receiver<Result<Found, SealingError>>,
    is_under_way: bool,
    /// When to look again; `None` after a failure, which an operator has to look at.
    next: Option<Instant>,
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
}

/// Starts the sealing thread, if there are secrets to seal with.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    secrets: Option<&Arc<Secrets>>,
    config: &Config,
    stop: &Stop,
    threads: &mut Threads,
) -> anyhow::Result<Option<Sealer>> {
    let Some(secrets) = secrets else { return Ok(None) };
    let (sealer, thread) = sealer(Arc::clone(secrets), config, stop.clone());
    threads.start("sealer", Urgency::Background, move || thread.run())?;
    Ok(Some(sealer))
}

fn sealer(secrets: Arc<Secrets>, config: &Config, stop: Stop) -> (Sealer, SealingThread) {
    let (states, to_look_at) = sync_channel(1);
    let (ready, found) = sync_channel(1);
    let sealer = Sealer { states, found, is_under_way: false, next: Some(Instant::now()) };
    let (platforms, zone) = (config.platforms.clone(), config.zone.clone());
    (sealer, SealingThread { states: to_look_at, found: ready, secrets, platforms, zone, stop })
}

impl SealingThread {
    /// Works until the writer is gone.
    fn run(self) -> anyhow::Result<()> {
        for state in &self.states {
            if self.found.send(self.look(&state)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Builds the seal of the first day that is due and needs one.
    fn look(&self, state: &Snapshot) -> Result<Found, SealingError> {
        let book = SealBook::of(state, Terms { platforms: &self.platforms, zone: &self.zone })?;
        let mut found = Found { as_of: (state.root().commit, state.root().next_run), ..Found::default() };
        let mut due = book.due()?.into_iter();
        for day in due.by_ref() {
            match book.seal(day, self.secrets.sealing(), self.stop.flag())? {
                Outcome::Stopped => break,
                Outcome::Agrees(index) => found.agree.push(index),
                Outcome::Sealed(seal) => {
                    found.seal = Some((day_text(day).unwrap_or_default(), seal));
                    break;
                }
            }
            if found.agree.len() >= AGREEING_MAX {
                break;
            }
        }
        found.is_more_due = due.next().is_some();
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
        if may_begin && self.next.is_some_and(|next| Instant::now() >= next) {
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
                error!(%problem, "no further day is sealed until the service is started again");
                self.next = None;
                return Ok(());
            }
        };
        if !found.agree.is_empty() {
            ledger.confirm_seals(&found.agree, found.as_of, clock.now())?;
        }
        if let Some((day, seal)) = &found.seal {
            ledger.add_seal(seal, clock.now())?;
            info!(%day, entry = seal.index, leaf_bytes = seal.leaves.len(), "sealed a day");
        }
        let wait = if found.is_more_due { Duration::ZERO } else { LOOK_EVERY };
        self.next = Some(Instant::now() + wait);
        Ok(())
    }
}
