//! Deterministic synthetic events: the same settings give the same bytes on every machine.
//!
//! Every order is a pure function of the seed and its number; only the stream keeps state (what is still to be sent).
//! Whole numbers throughout, so that no rounding differs anywhere.

mod bad;
mod county;
mod curve;
mod live;
mod plan;
mod random;
mod record;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

pub use county::county_codes;
pub use live::{LiveEvent, LiveGenerator, LiveSettings};
pub use plan::{CATEGORIES, PLATFORMS};
pub use settings::{GeneratorSettings, SettingsError};
pub use stream::{Generator, Label, Meta};
