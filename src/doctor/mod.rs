//! `coverledger doctor`: what around a ledger is not as it should be, each with what to do.
//!
//! It asks and measures, and changes nothing: Kafka is only read, the file that it writes to measure a disk has no name, and what
//! it writes to try an object store is deleted.

pub mod certificates;
pub mod clock;
pub mod disk;
pub mod kafka;
pub mod ledger;
pub mod object_store;
pub mod report;

pub use report::{Area, Finding, Level, Report};
