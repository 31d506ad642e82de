//! The secrets of `[seal]` when a service starts: read, or made for a ledger that has sealed nothing yet.

use crate::config::{Config, SealSettings};
use crate::ledger::Snapshot;
use crate::seal::entry::DayEntry;
use crate::sealing::secrets::Secrets;
use crate::sealing::secrets_file;
use std::sync::Arc;
use tracing::{info, warn};

/// The secrets of a configuration; `None` without `[seal]`.
///
/// # Errors
/// The file is missing although days are sealed, cannot be read or made, or is that of another log.
pub(super) fn open(
    config: &Config,
    state: &Snapshot,
    read_only: bool,
) -> anyhow::Result<Option<Arc<Secrets>>> {
    let Some(settings) = &config.seal else { return Ok(None) };
    let seals = state.seals()?;
    let is_missing = !settings.secrets.exists();
    let secrets = match &settings.name {
        Some(_) if is_missing && !seals.is_empty() => {
            anyhow::bail!(
                "Failed to start: the secrets {} are missing, and the ledger has sealed days; restore the file from its backup",
                settings.secrets.display()
            )
        }
        Some(name) if is_missing && !read_only => made(settings, name)?,
        _ => secrets_file::read(&settings.secrets)?,
    };
    if let Some(name) = settings.name.as_ref().filter(|name| *name != secrets.origin()) {
        anyhow::bail!(
            "Failed to start: `name` in [seal] is {name}, and the secrets are those of the log {}; correct `name`, or restore the \
             file of secrets",
            secrets.origin()
        );
    }
    let newest = seals.last().and_then(|seal| DayEntry::parse(&seal.text).ok());
    if newest.is_some_and(|entry| entry.vrf_key != *secrets.sealing().vrf_public().as_bytes()) {
        warn!(
            "the sealing secret is not the one that sealed the newest day: no receipt is made of the days before; restore the file \
             of secrets unless it was replaced on purpose"
        );
    }
    Ok(Some(Arc::new(secrets)))
}

fn made(settings: &SealSettings, name: &str) -> anyhow::Result<Secrets> {
    let secrets = secrets_file::create(&settings.secrets, name)?;
    for key in secrets.public_keys() {
        let path = settings.secrets.display();
        info!(%path, %key, "made the secrets of sealing: back the file up apart from the ledger, and publish the key");
    }
    Ok(secrets)
}
