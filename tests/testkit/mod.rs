//! The one testkit of all test programs. Benchmarks share its generator, its HTTP client and its waiting.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod browser;
#[cfg(feature = "object-store")]
pub(crate) mod bucket;
pub(crate) mod cases;
pub(crate) mod chromium;
pub(crate) mod cluster;
pub(crate) mod damaged;
pub(crate) mod driver;
pub(crate) mod engine;
pub(crate) mod explained;
pub(crate) mod folders;
pub(crate) mod http;
pub(crate) mod keycloak;
#[cfg(feature = "object-store")]
pub(crate) mod machine;
pub(crate) mod mock;
pub(crate) mod orders;
pub(crate) mod power;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod reading;
pub(crate) mod sealed;
pub(crate) mod seaweedfs;
pub(crate) mod skipped;
#[cfg(feature = "object-store")]
pub(crate) mod store_proxy;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod told;
pub(crate) mod tunnel;
pub(crate) mod wait;
pub(crate) mod walk;
