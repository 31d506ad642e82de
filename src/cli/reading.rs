//! What the commands that ask a ledger have in common.

use super::WrongUsage;
use crate::config::Config;
use crate::coverage::Terms;
use crate::coverage::instant::parse_known_at;
use crate::domain::view::{KnownAt, LedgerView};
use crate::ledger::{Ledger, LedgerError, LedgerOptions, Snapshot};
use crate::telemetry::clock::Clock;
use anyhow::Context;
use std::sync::Arc;

/// Puts the configuration in force, and says what a new tariff leaves at other prices.
pub(super) fn activate_configuration(ledger: &mut Ledger, clock: Clock) -> Result<(), LedgerError> {
    ledger.activate_configuration(clock.now())?;
    if let Some(change) = ledger.tariff_change() {
        eprintln!("notice: {change}");
    }
    Ok(())
}

/// Reads `--known-at`.
pub(super) fn known_at(text: &str) -> Result<KnownAt, String> {
    parse_known_at(text)
        .map_err(|error| format!("{error}; give the number of a commit, or an instant with its seconds"))
}

/// A ledger opened by a command.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
}

impl Opened {
    /// Opens the ledger of a configuration and puts that in force; `other_way` says what to do while a service has it.
    pub(super) fn open(config: Config, other_way: &str) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let ledger = Ledger::open(LedgerOptions::new(&config));
        let mut ledger = match ledger {
            Err(error) if error.is_in_use() => {
                return Err(error).with_context(|| other_way.to_owned());
            }
            ledger => ledger?,
        };
        activate_configuration(&mut ledger, clock)?;
        Ok(Self { config, ledger, clock })
    }

    /// Opens the ledger of a configuration to read it, unchanged and under the configuration in force.
    pub(super) fn read(config: Config, other_way: &str) -> anyhow::Result<Self> {
        let ledger = match Ledger::open_read_only(LedgerOptions::new(&config)) {
            Err(error) if error.is_in_use() => {
                return Err(error).with_context(|| other_way.to_owned());
            }
            ledger => ledger?,
        };
        if !ledger.is_in_force() {
            eprintln!(
                "warning: this is not the configuration in force; it is put in force by `serve` or `ingest`, and prices \
                 nothing here"
            );
        }
        Ok(Self { config, ledger, clock: Clock::start() })
    }

    /// The committed state.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.ledger.published().current()
    }

    /// The committed state, or an earlier one.
    ///
    /// # Errors
    /// There is no such state, or it cannot be read.
    pub(super) fn state(&self, known_at: Option<KnownAt>) -> Result<Arc<Snapshot>, LedgerError> {
        let newest = self.snapshot();
        match known_at {
            None => Ok(newest),
            Some(at) => newest.known_at(at).map(Arc::new),
        }
    }

    /// What answers from a state depend on.
    pub(super) fn terms<'a>(&'a self, state: &'a Snapshot) -> Terms<'a> {
        let platforms = state.earlier_promises().unwrap_or(&self.config.platforms);
        Terms { platforms, zone: &self.config.zone }
    }

    /// Every platform that was ever registered or stored, sorted.
    pub(super) fn platforms(&self) -> Vec<String> {
        let state = self.snapshot();
        state.completeness().platforms_known(&self.config.platforms, state.platforms_stored())
    }

    /// Fails for a platform that was never registered and of which nothing is stored: its result would be empty, as that of
    /// a misspelt name.
    pub(super) fn check_platforms<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), WrongUsage> {
        unknown_platform(names, &self.platforms())
    }
}

/// Fails for the first of `names` that is not among the `known`.
pub(super) fn unknown_platform<'a>(
    names: impl IntoIterator<Item = &'a String>,
    known: &[String],
) -> Result<(), WrongUsage> {
    let Some(name) = names.into_iter().find(|name| !known.contains(*name)) else { return Ok(()) };
    let known = if known.is_empty() {
        "no platform is known yet: register one, or ingest its orders".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    };
    Err(WrongUsage(format!("--platform {name}: no such platform was ever registered or stored; {known}")))
}
