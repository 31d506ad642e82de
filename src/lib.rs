//! coverledger: the order-level occupational-injury coverage ledger for gig platforms.
pub mod cli;
pub mod config;
pub mod coverage;
pub mod domain;
pub mod generate;
pub mod http;
pub mod ledger;
pub mod telemetry;
