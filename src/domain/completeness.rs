//! Completeness (to be written).

/// What every platform's silence is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {}
