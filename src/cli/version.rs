//! What `--version` tells: the version, the commit it was built from, and what is compiled in.

use crate::ingest::kafka::client_version;
use std::sync::OnceLock;

/// For `-V`.
pub(super) const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("COVERLEDGER_COMMIT"), ")");

/// For `--version`.
pub(super) fn long() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        format!(
            "{}\ncommit: {}\nfeatures: {}\nKafka client: librdkafka {} with {}\nbuild: {}, {}",
            env!("CARGO_PKG_VERSION"),
            env!("COVERLEDGER_COMMIT"),
            FEATURES,
            client_version(),
            KAFKA_FEATURES,
            env!("COVERLEDGER_TARGET"),
            env!("COVERLEDGER_PROFILE"),
        )
    })
}

/// Every build has these; object storage is optional.
#[cfg(feature = "object-store")]
const FEATURES: &str = "serve, kafka, gzip, zstd, bundled time zones, jemalloc, object storage";
/// Every build has these.
#[cfg(not(feature = "object-store"))]
const FEATURES: &str = "serve, kafka, gzip, zstd, bundled time zones, jemalloc";
/// As `Cargo.toml` asks for them.
const KAFKA_FEATURES: &str = "ssl, sasl_plain, sasl_scram, gzip, zstd";
