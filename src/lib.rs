//! coverledger: the order-level occupational-injury coverage ledger for gig platforms.
pub mod coverage;
pub mod domain;
