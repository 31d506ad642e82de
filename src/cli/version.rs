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
            "{}\ncommit: {}\nfeatures: {}{}{}\nKafka client: librdkafka {} with {}\nbuild: {}, {}",
            env!("CARGO_PKG_VERSION"),
            env!("COVERLEDGER_COMMIT"),
            FEATURES,
            OBJECT_STORAGE,
            TRACES,
            client_version(),
            KAFKA_FEATURES,
            env!("COVERLEDGER_TARGET"),
            env!("COVERLEDGER_PROFILE"),
        )
    })
}

/// Every build has these.
const FEATURES: &str = "serve, kafka, gzip, zstd, bundled time zones, jemalloc";
/// A build has it unless it was made without `object-store`.
const OBJECT_STORAGE: &str = if cfg!(feature = "object-store") { ", object storage" } else { "" };
/// A build has it if it was made with `otel`.
const TRACES: &str = if cfg!(feature = "otel") { ", otel" } else { "" };
/// As `Cargo.toml` asks for them.
const KAFKA_FEATURES: &str = "ssl, sasl_plain, sasl_scram, gzip, zstd";
