//! Rejected and conflicting records: what is kept of them, which are unresolved, and what resolves them.
//!
//! [`dead_letters`] decides what a commit keeps, [`resolver`] which records its events resolve; [`stored`] reads and writes both.
//! [`pending`] holds the time that unresolved records keep open, [`by_identity`] finds them by order.

pub mod by_identity;
pub mod dead_letters;
pub mod pending;
pub mod resolver;
pub mod store;
pub mod stored;
