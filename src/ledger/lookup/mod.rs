//! Finds the stored versions of an order by its identity.
//!
//! [`day_filters`] tell most new identities apart without touching storage, [`identity_lookup`] reads the rows of the others,
//! [`version_history`] says which of them is current.

pub mod day_filters;
pub mod identity_lookup;
pub mod version_history;
