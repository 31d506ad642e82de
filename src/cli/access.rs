//! What the commands about tokens and accounts share.

use super::{WrongUsage, load_config};
use crate::access::{AccessStore, Role, check_scope};
use crate::app::access_store;
use crate::app::beside::access::followed;
use crate::config::Config;
use crate::domain::data_scope::DataScope;
use crate::domain::time::UtcMillis;
use crate::telemetry::clock::Clock;
use anyhow::Context;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A role with its platform or regions.
#[derive(Debug, Args)]
pub(super) struct RoleArgs {
    /// claims, platform:NAME, auditor, ops or admin.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Only orders that were accepted in this region (6 digits of GB/T 2260, or the first 4 or 2); for the role claims. May be
    /// repeated.
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
}

impl RoleArgs {
    /// The role and its scope.
    pub(super) fn read(&self) -> Result<(Role, DataScope), WrongUsage> {
        let (role, platform) = match self.role.split_once(':') {
            Some((role, platform)) => (role, Some(platform)),
            None => (self.role.as_str(), None),
        };
        let role = Role::parse(role).ok_or_else(|| {
            WrongUsage(format!("--role {}: write claims, platform:NAME, auditor, ops or admin", self.role))
        })?;
        let scope =
            check_scope(role, platform, &self.region).map_err(|error| WrongUsage(error.to_string()))?;
        Ok((role, scope))
    }
}

/// The store of a configuration, ready to be changed.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) store: AccessStore,
    pub(super) now: UtcMillis,
    /// Who changes it: the user of the machine.
    pub(super) actor: String,
}

impl Opened {
    /// Opens the store, which is made if it is not there, with the data directory.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let config = load_config(path)?;
        if config.access.is_none() {
            let warning =
                "warning: the configuration has no [access]: its service asks for no token and no account";
            // Nothing ends because standard error has no reader.
            let _unread = writeln!(std::io::stderr(), "{warning}");
        }
        let place: PathBuf = access_store(&config);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("Failed to make {}", folder.display()))?;
        }
        let store = AccessStore::open(&place)?;
        let actor = format!("uid {}", rustix::process::getuid().as_raw());
        Ok(Self { config, store, now: Clock::start().now(), actor })
    }

    /// The same to change it: refused where it follows that of another process.
    pub(super) fn open_to_change(path: &Path) -> anyhow::Result<Self> {
        let opened = Self::open(path)?;
        if let Some(number) = followed(&opened.config)? {
            let bucket = opened.config.storage.as_ref().map(|settings| settings.url()).unwrap_or_default();
            anyhow::bail!(
                "Failed to change tokens and accounts here: this machine follows those of the writer of {bucket} (number {number}), and a \
                 change here would be lost; run the command on the machine where the writer runs"
            );
        }
        Ok(opened)
    }

    pub(super) fn time(&self, at: UtcMillis) -> String {
        self.config.zone.rfc3339(at)
    }
}

/// Prints rows in columns as wide as their longest entry.
pub(super) fn write_table(out: &mut dyn Write, rows: &[Vec<String>]) -> std::io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let width = |column| rows.iter().map(|row| length(row, column)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
