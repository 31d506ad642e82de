//! The sources of records, for each of which the ledger keeps counts.

pub use crate::domain::intake::Source;
