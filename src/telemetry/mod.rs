//! What an operator sees: metrics, the log, and the one clock.

pub mod clock;
pub mod history;
pub mod label;
pub mod log;
pub mod metrics;
pub mod traces;
