//! What a process does with its ledger: it writes, it follows the writer and answers, or it does that until it takes the writer's
//! place.

use super::freshness::Freshness;
use super::handover::TakenOver;
use super::operator::Operator;
use super::status::Status;
use super::threads::{Threads, Urgency};
use super::{ServeOptions, end, wait};
use crate::config::Config;
use crate::http::ServiceRole;
use crate::ledger::{Ledger, LedgerError, LedgerOptions, LedgerResult};
use crate::storage::StorageError;
use crate::telemetry::clock::{Clock, Mark};
use crate::wait::Stop;
use anyhow::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// A standby looks so often at least: the sooner it sees an end, the sooner it takes over.
const STANDBY_EVERY: Duration = Duration::from_millis(200);
/// How often a standby looks for a ledger that is not there, or whose first writer is just beginning.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long filters of runs are read between two looks.
const FILTER_TIME: Duration = Duration::from_millis(100);

/// The role that is asked for.
///
/// # Errors
/// The ledger lies where no other process can follow it.
pub(super) fn asked(config: &Config, options: &ServeOptions) -> anyhow::Result<ServiceRole> {
    if options.standby && config.storage.is_none() {
        anyhow::bail!(
            "Failed to start as a standby: the ledger lies in the data directory {}, which no second process can follow; name a \
             bucket as `url` under [storage], or start without --standby",
            config.ledger.data_dir.display()
        );
    }
    Ok(match (options.standby, options.read_only) {
        (true, _) => ServiceRole::Standby,
        (false, true) => ServiceRole::Reader,
        (false, false) => ServiceRole::Writer,
    })
}

/// Opens the ledger for a role. A standby that finds no ledger begins one: it is the writer then. `None` when it was asked to stop.
pub(super) fn open(
    (config, options): (&Config, &ServeOptions),
    asked: ServiceRole,
    (clock, stop): (&Clock, &Stop),
) -> anyhow::Result<Option<(ServiceRole, Ledger)>> {
    match asked {
        ServiceRole::Writer => Ok(Some((asked, open_to_write(config, options, clock)?))),
        ServiceRole::Reader => Ok(Some((asked, Ledger::open_read_only(LedgerOptions::new(config))?))),
        ServiceRole::Standby => loop {
            match Ledger::open_read_only(LedgerOptions::new(config)) {
                Ok(ledger) => return Ok(Some((asked, ledger))),
                Err(LedgerError::Store(StorageError::NoLedger { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            match open_to_write(config, options, clock) {
                Ok(ledger) => {
                    info!("there is no ledger yet: this standby begins one, and is its writer");
                    return Ok(Some((ServiceRole::Writer, ledger)));
                }
                Err(error) if is_in_use(&error) => {
                    info!("another process begins the ledger: this standby follows it")
                }
                Err(error) => return Err(error),
            }
            if stop.wait(LOOK_EVERY) {
                return Ok(None);
            }
        },
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    error.downcast_ref::<LedgerError>().is_some_and(LedgerError::is_in_use)
}

/// Opens the ledger and puts the configuration in force.
fn open_to_write(config: &Config, options: &ServeOptions, clock: &Clock) -> anyhow::Result<Ledger> {
    let mut setup = LedgerOptions::new(config);
    setup.accept_older_state = options.accept_older_state.then(|| options.reason.clone());
    let mut ledger = Ledger::open(setup)?;
    if options.accept_older_state && ledger.options().accept_older_state.is_none() {
        warn!(
            "--accept-older-state was not needed: the storage is at the newest acknowledged commit, and nothing is recorded; leave it out from now on"
        );
    }
    activate(&mut ledger, clock)?;
    Ok(ledger)
}

fn activate(ledger: &mut Ledger, clock: &Clock) -> LedgerResult<()> {
    ledger.activate_configuration(clock.now())?;
    if let Some(change) = ledger.tariff_change() {
        warn!("{change}");
    }
    Ok(())
}

/// A ledger that follows its writer.
pub(super) struct Follower {
    pub(super) ledger: Ledger,
    pub(super) freshness: Arc<Freshness>,
    has_failed: bool,
}

impl Follower {
    pub(super) const fn new(ledger: Ledger, freshness: Arc<Freshness>) -> Self {
        Self { ledger, freshness, has_failed: false }
    }

    /// Looks once, and publishes what is new; whether it could look.
    fn look(&mut self) -> bool {
        let asked = Mark::now();
        match self.ledger.follow() {
            Ok(_) => {
                // What was the newest after `asked` is published.
                self.freshness.confirm(asked);
                if std::mem::take(&mut self.has_failed) {
                    info!("the storage answers again: this process follows its writer");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    error!(%error, "Failed to follow the writer: answers about the present become undetermined; it is tried again");
                }
                false
            }
        }
    }

    /// Prepares what makes questions quick. What fails is read when it is asked for.
    fn prepare(&mut self) {
        if let Err(error) = self.ledger.read_filters(FILTER_TIME) {
            tracing::debug!(%error, "Failed to read filters ahead");
        }
    }

    /// Prepares what makes the first batch quick. What fails is read when it comes.
    fn prepare_to_write(&mut self) {
        if let Err(error) = self.ledger.prefill_filters(FILTER_TIME) {
            tracing::debug!(%error, "Failed to fill filters of days ahead");
        }
    }
}

/// Read-only: answers until shutdown, and follows a writer where there can be one.
pub(super) fn stay(
    config: &Config,
    ledger: Ledger,
    freshness: &Arc<Freshness>,
    (status, stop): (&Status, &Stop),
) -> anyhow::Result<()> {
    let mut threads = Threads::default();
    match &config.storage {
        Some(settings) => {
            let (every, stopped) = (settings.follow_every, stop.clone());
            let mut follower = Follower::new(ledger, Arc::clone(freshness));
            threads.start("follower", Urgency::Answering, move || {
                while !stopped.wait(every) {
                    if follower.look() {
                        follower.prepare();
                    }
                }
                Ok(())
            })?;
            info!("ready, read-only: it follows the writer");
        }
        None => {
            drop(ledger);
            info!("ready, read-only: the ledger stays as it is");
        }
    }
    status.set_assigned();
    let first = wait(&threads, stop);
    stop.set();
    end(threads, first, config.shutdown.grace, status)
}

/// Standby: follows the writer until it takes its place, and gives the ledger to write with; `None` when it was asked to stop.
pub(super) fn stand_by(
    config: &Config,
    mut follower: Follower,
    Operator { threads, handover, .. }: &mut Operator,
    (clock, status, stop): (&Clock, &Status, &Stop),
) -> anyhow::Result<Option<Ledger>> {
    let every =
        config.storage.as_ref().map_or(STANDBY_EVERY, |settings| settings.follow_every.min(STANDBY_EVERY));
    status.set_assigned();
    info!("ready, standby: it follows the writer, and takes its place when that ends or dies");
    loop {
        if let Some((name, result)) = threads.first_ended(Duration::ZERO) {
            result.with_context(|| format!("the {name} stopped"))?;
        }
        if stop.wait(every) {
            return Ok(None);
        }
        let is_told = handover.next_take_over();
        let answer = |outcome| {
            if is_told {
                handover.answer_take_over(outcome);
            }
        };
        let has_looked = follower.look();
        let over = follower.ledger.writer_activity().filter(|activity| has_looked && activity.is_over());
        let why = match over {
            _ if is_told => "an operator asked for it",
            Some(activity) if activity.has_released => "the writer has ended",
            Some(_) => "the writer has shown nothing for a lease",
            None => {
                if has_looked {
                    follower.prepare();
                    follower.prepare_to_write();
                }
                continue;
            }
        };
        let judged = over.map(|activity| activity.newest).filter(|_| !is_told);
        let begun = Instant::now();
        match follower.ledger.take_over(judged) {
            Ok(()) => {
                let (ledger, done) = taken_over(follower, (why, begun), (clock, status))?;
                answer(Ok(done));
                return Ok(Some(ledger));
            }
            // Another standby was quicker, or the writer is there after all.
            Err(error) if error.is_in_use() => {
                answer(Err(error.to_string()));
                info!(why, "another process writes: this one stays a standby");
            }
            Err(error) if follower.ledger.poisoned().is_none() => {
                answer(Err(error.to_string()));
                warn!(why, %error, "Failed to take over: it is tried again");
            }
            Err(error) => {
                answer(Err(error.to_string()));
                return Err(error.into());
            }
        }
    }
}

/// The storage is this process's: it is the writer from here on.
fn taken_over(
    follower: Follower,
    (why, begun): (&'static str, Instant),
    (clock, status): (&Clock, &Status),
) -> anyhow::Result<(Ledger, TakenOver)> {
    let Follower { mut ledger, freshness, .. } = follower;
    freshness.own();
    status.set_role(ServiceRole::Writer);
    let claimed = begun.elapsed();
    activate(&mut ledger, clock)?;
    let activity = ledger.writer_activity();
    let (epoch, slot) = activity.map_or((0, 0), |activity| (activity.epoch, activity.newest));
    let commit = ledger.published().current().root().commit;
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    info!(why, epoch, slot, commit, claimed_ms = ms(claimed), "took over: this process is the writer now");
    Ok((ledger, TakenOver { epoch, commit, milliseconds: ms(begun.elapsed()) }))
}
