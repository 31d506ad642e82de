//! coverledger: the order-level occupational-injury coverage ledger for gig platforms.
pub mod app;
pub mod backfill;
pub mod cli;
pub mod config;
pub mod coverage;
pub mod domain;
pub mod generate;
pub mod http;
pub mod ingest;
pub mod ledger;
pub mod pipeline;
pub mod redrive;
pub mod telemetry;
