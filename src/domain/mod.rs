//! The pure middle: what an order is, what it costs, whom it covers and when.
//!
//! Nothing here has a clock, does I/O or names tokio, rdkafka, sled, axum or serde: time and configuration are
//! arguments, so every rule can be run a million times a second in a test with a seed.

pub mod arrival;
pub mod behind;
pub mod charge;
pub mod check_numbers;
pub mod completeness;
pub mod data_scope;
pub mod decide;
pub mod event;
pub mod finality;
pub mod intake;
pub mod money;
pub mod order;
pub mod pending;
pub mod period;
pub mod platform;
pub mod posting;
pub mod reject;
pub mod rejection;
pub mod rider_seen;
pub mod tariff;
pub mod time;
pub mod totals;
pub mod verdict;
pub mod view;
pub mod window;
