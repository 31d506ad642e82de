//! Where records come from: Kafka, and files.

pub mod file;
pub mod kafka;
