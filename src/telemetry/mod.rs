//! What an operator sees: clock, log, metrics.

pub mod clock;
