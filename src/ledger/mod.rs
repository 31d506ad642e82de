//! The ledger (being built).
pub mod block;
pub mod codec;
pub mod error;
pub mod filter;
pub mod identity;
pub mod keys;
pub mod parts;
pub mod row;
pub mod run;
pub mod run_writer;
pub mod store;
pub mod totals;
