//! Options for opening the ledger.

use crate::config::{Config, StorageSettings, is_bucket};
use crate::domain::platform::Platforms;
use crate::domain::tariff::Tariff;
use crate::domain::time::Zone;
use crate::storage::Storage;

/// Everything the ledger needs of the configuration.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// Where it is stored.
    pub storage: Storage,
    /// What the store's page cache aims at.
    pub cache_bytes: u64,
    /// Free space below which nothing is taken in.
    pub min_free_bytes: u64,
    /// Memory that filters may take.
    pub filter_bytes: usize,
    /// Memory that is kept at most of where values and blocks lie.
    pub index_bytes: usize,
    /// Bytes of the newest orders that are read into the system's memory after a start.
    pub warm_bytes: u64,
    /// Days either side of its own in which an event meets its identity.
    pub identity_days: i32,
    /// Whole event days that are kept; `None` = all.
    pub retention_days: Option<i32>,
    /// Zone of days, months and effective dates.
    pub zone: Zone,
    /// The tariff.
    pub tariff: Tariff,
    /// The platforms' promises.
    pub platforms: Platforms,
    /// Raw bytes kept of a rejected record.
    pub rejected_bytes_per_record: usize,
    /// Raw bytes kept of a platform's rejected records.
    pub rejected_bytes_per_platform: u64,
    /// Text of the configuration, secrets left out.
    pub config_text: String,
    /// Hash of that text.
    pub config_hash: [u8; 32],
    /// Whether an operator lets the ledger continue from an older state than was acknowledged, and why. An open ledger keeps
    /// it only where they differ, until the commit that notes it.
    pub accept_older_state: Option<String>,
}

impl LedgerOptions {
    /// From a validated configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            storage: storage(config),
            cache_bytes: config.ledger.cache_bytes,
            min_free_bytes: config.ledger.min_free_bytes,
            filter_bytes: usize::try_from(config.ledger.filter_bytes).unwrap_or(usize::MAX),
            index_bytes: usize::try_from(config.ledger.index_bytes).unwrap_or(usize::MAX),
            warm_bytes: config.ledger.warm_bytes,
            identity_days: config.ledger.identity_days,
            retention_days: config.ledger.retention_days,
            zone: config.zone.clone(),
            tariff: config.tariff.clone(),
            platforms: config.platforms.clone(),
            rejected_bytes_per_record: usize::try_from(config.limits.rejected_bytes_per_record)
                .unwrap_or(usize::MAX),
            rejected_bytes_per_platform: config.limits.rejected_bytes_per_platform,
            config_text: config.text.clone(),
            config_hash: config.hash,
            accept_older_state: None,
        }
    }
}

/// The folder of the cache, in the data directory.
#[cfg(feature = "object-store")]
const CACHE_FOLDER: &str = "object-cache";
/// The record of this machine's writers, in the data directory.
#[cfg(feature = "object-store")]
const WRITER_RECORD: &str = "writer-record.json";

/// Another place for a ledger of this configuration: a folder, or `s3://BUCKET/PREFIX`, reached as `[storage]` says.
///
/// # Errors
/// It is no place, or this program was built without object storage.
pub fn storage_at(config: &Config, place: &str) -> Result<Storage, String> {
    if is_bucket(place) {
        return bucket(&config.buckets.to(place)?, None);
    }
    std::path::absolute(place)
        .map(Storage::local)
        .map_err(|error| format!("Failed to resolve the folder {place}: {error}"))
}

/// `cached` is the configuration in whose data directory segments are cached and writers are recorded.
#[cfg(feature = "object-store")]
fn bucket(settings: &StorageSettings, cached: Option<&Config>) -> Result<Storage, String> {
    use crate::storage::object::s3::S3Settings;
    use crate::storage::object::{Object, ObjectOptions};

    let bucket = S3Settings {
        bucket: settings.bucket.clone(),
        endpoints: settings.endpoints.clone(),
        region: settings.region.clone(),
        is_path_style: settings.is_path_style,
        ca_file: settings.ca_file.clone(),
        proxy: settings.proxy.clone(),
    };
    let data_dir = cached.map(|config| &config.ledger.data_dir);
    let options = ObjectOptions {
        prefix: settings.prefix.clone(),
        cache: data_dir.map(|data_dir| (data_dir.join(CACHE_FOLDER), settings.cache_bytes)),
        writer_record: data_dir.map(|data_dir| data_dir.join(WRITER_RECORD)),
        ..ObjectOptions::default()
    };
    Ok(Storage::Object(Object::s3(bucket, options)))
}

#[cfg(not(feature = "object-store"))]
fn bucket(settings: &StorageSettings, _: Option<&Config>) -> Result<Storage, String> {
    Err(format!(
        "{}: this program was built without object storage (its feature `object-store`): use one that has it",
        settings.url()
    ))
}

/// A configuration with a bucket is refused by a build without object storage.
fn storage(config: &Config) -> Storage {
    let local = || Storage::local(&config.ledger.data_dir);
    config
        .storage
        .as_ref()
        .map_or_else(local, |settings| bucket(settings, Some(config)).unwrap_or_else(|_| local()))
}
