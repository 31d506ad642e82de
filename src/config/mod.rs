//! Configuration: TOML files in, validated settings out, every problem at once.
//!
//! `config/default.toml` documents every key and is the bottom layer: what a file does not say, it says. Nothing here
//! reads the environment or the clock by itself.

mod access;
mod answers;
mod host;
mod kafka;
mod load;
mod oidc;
mod platforms;
mod problem;
mod reader;
mod refused_options;
mod seal;
mod secret;
mod settings;
mod source;
mod storage;
mod tariff;
#[cfg(test)]
mod tests;
mod value;
mod zone;

pub use access::{AccessSettings, TlsSettings, TrustedProxies};
pub use answers::AnswerSettings;
pub use host::HostName;
pub use kafka::{KafkaOption, KafkaSettings};
pub(crate) use oidc::is_safe_address;
pub use oidc::{OidcGrant, OidcSettings};
pub use problem::{ConfigErrors, Problem};
pub use refused_options::{RESERVED_OPTIONS, refused_option};
pub use seal::SealSettings;
pub use secret::Secret;
pub use settings::{HttpSettings, IngestSettings, LedgerSettings, Limits, ShutdownSettings};
pub use storage::{StorageSettings, is_bucket};

use crate::domain::platform::{DisplayName, Platforms};
use crate::domain::tariff::Tariff;
use crate::domain::time::Zone;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Months, days and effective dates.
    pub zone: Zone,
    /// Rates, factors and cover rules of all files.
    pub tariff: Tariff,
    /// What the platforms promise.
    pub platforms: Platforms,
    /// How people call the platforms, by their names; the pages show it.
    pub display_names: BTreeMap<String, DisplayName>,
    /// `[ledger]`
    pub ledger: LedgerSettings,
    /// `[ingest]`
    pub ingest: IngestSettings,
    /// `[http]`
    pub http: HttpSettings,
    /// `[access]`; `None` = everyone who reaches the service may ask, so it listens on loopback only.
    pub access: Option<AccessSettings>,
    /// `[answers]`: the log of answers.
    pub answers: AnswerSettings,
    /// `[kafka]`; `None` = answers come from what files brought.
    pub kafka: Option<KafkaSettings>,
    /// `[seal]`; `None` = days are not sealed, and no receipts are made.
    pub seal: Option<SealSettings>,
    /// `[limits]`
    pub limits: Limits,
    /// `[shutdown]`
    pub shutdown: ShutdownSettings,
    /// `[storage]` with a `url`; `None` = the ledger lies in the data directory.
    pub storage: Option<StorageSettings>,
    /// `[storage]`: how a bucket is reached that a command names.
    pub buckets: StorageSettings,
    /// The full text of all files, and the defaults below them, without secrets: what the ledger keeps.
    pub text: String,
    /// SHA-256 of `text`.
    pub hash: [u8; 32],
    /// The files that were read for it: its own, what it includes, and those of secrets.
    pub files: Vec<PathBuf>,
    /// What is legal but probably not meant.
    pub warnings: Vec<String>,
}

impl Config {
    /// `hash` in hexadecimal.
    pub fn hash_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.hash)
    }
}
