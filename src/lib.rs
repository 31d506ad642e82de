//! coverledger: the order-level occupational-injury coverage ledger for gig platforms.
pub mod domain;
pub mod ingest;
